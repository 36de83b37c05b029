/* Guards around the table library: its C loops would not see the time limit. */
#include "lua/state.h"

#define ELEMENT_NS 25    /* what one costs here, about */
#define SORT_PLAIN 10000 /* up to here sorting takes a few milliseconds */

static lua_Unsigned most(lua_State *L)
{
    return sb__limits_steps(&sb__script_of(L)->limits, ELEMENT_NS);
}

/* A length that does not come from real elements (__len) could be anything. */
static void check_length(lua_State *L)
{
    if (lua_type(L, 1) == LUA_TTABLE)
        luaL_argcheck(L, luaL_len(L, 1) <= (lua_Integer)most(L), 1, "too many elements");
}

static void check_range(lua_State *L, int from, int to)
{
    lua_Integer i = luaL_optinteger(L, from, 1), j = luaL_optinteger(L, to, 0);
    luaL_argcheck(L, j < i || (lua_Unsigned)j - (lua_Unsigned)i < most(L), to, "too many elements");
}

/* Upvalue 1 is the library's function. */
static int call_library(lua_State *L)
{
    bool large = lua_type(L, 1) == LUA_TTABLE && lua_rawlen(L, 1) > SORT_PLAIN;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    if (large)
        sb__limits_check(L);
    return lua_gettop(L);
}

static int guard_length(lua_State *L)
{
    check_length(L);
    return call_library(L);
}

static int guard_concat(lua_State *L)
{
    check_length(L);
    check_range(L, 3, 4);
    return call_library(L);
}

static int guard_move(lua_State *L)
{
    check_range(L, 2, 3);
    return call_library(L);
}

/* A comparator that looks at the clock. Upvalues: the script's comparator or nil, a count. */
static int compare(lua_State *L)
{
    lua_Integer n = lua_tointeger(L, lua_upvalueindex(2)) + 1;
    if (n % 1024 == 0)
        sb__limits_check(L);
    lua_pushinteger(L, n);
    lua_replace(L, lua_upvalueindex(2));
    if (lua_isnil(L, lua_upvalueindex(1))) {
        lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
        return 1;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

static int guard_sort(lua_State *L)
{
    check_length(L);
    lua_settop(L, 2);
    if (lua_type(L, 1) != LUA_TTABLE || luaL_len(L, 1) <= SORT_PLAIN)
        return call_library(L);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, compare, 2);
    return call_library(L);
}

/* Many elements are quick, one time; a loop around them gives the hook too little to count. */
static int guard_unpack(lua_State *L)
{
    bool large = lua_type(L, 1) == LUA_TTABLE && lua_rawlen(L, 1) > SORT_PLAIN;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    if (large || lua_gettop(L) > SORT_PLAIN)
        sb__limits_check(L);
    return lua_gettop(L);
}

static const luaL_Reg guards[] = {
    {"unpack", guard_unpack},
    {"concat", guard_concat},
    {"insert", guard_length},
    {"remove", guard_length},
    {"move", guard_move},
    {"sort", guard_sort},
    {NULL, NULL},
};

void sb__open_table(lua_State *L)
{
    for (const luaL_Reg *g = guards; g->name != NULL; g++) {
        lua_getfield(L, -1, g->name);
        lua_pushcclosure(L, g->func, 1);
        lua_setfield(L, -2, g->name);
    }
}
