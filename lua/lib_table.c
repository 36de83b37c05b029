/* Guards around the table library: its C loops would not see the time limit. */
#include "lua/state.h"

#define ELEMENT_NS 25    /* what one costs here, about */
#define SORT_PLAIN 10000 /* up to here sorting short texts takes a few milliseconds */
#define SHORT_TEXT 256
#define LOOK_EACH  1024 /* comparisons, or as much of long texts, between two looks at the clock */

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

/* What comparing the two arguments costs; texts may be equal to their ends. */
static lua_Integer cost(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TSTRING || lua_type(L, 2) != LUA_TSTRING)
        return 1;
    lua_Unsigned a = lua_rawlen(L, 1), b = lua_rawlen(L, 2);
    return 1 + (lua_Integer)((a < b ? a : b) / SHORT_TEXT);
}

/* A comparator that looks at the clock. Upvalues: the script's comparator or nil, what was spent. */
static int compare(lua_State *L)
{
    lua_Integer before = lua_tointeger(L, lua_upvalueindex(2)), n = before + cost(L);
    if (n / LOOK_EACH != before / LOOK_EACH)
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

/* Few elements, and none of them takes long to be compared. */
static bool is_plain(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TTABLE)
        return true; /* an error */
    if (luaL_getmetafield(L, 1, "__index") != LUA_TNIL || lua_rawlen(L, 1) > SORT_PLAIN)
        return false;
    bool plain = true;
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, 1); i > 0 && plain; i--) {
        plain = lua_rawgeti(L, 1, i) != LUA_TSTRING || lua_rawlen(L, -1) <= SHORT_TEXT;
        lua_pop(L, 1);
    }
    return plain;
}

static int guard_sort(lua_State *L)
{
    check_length(L);
    lua_settop(L, 2);
    bool plain = is_plain(L);
    lua_settop(L, 2);
    if (plain)
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
