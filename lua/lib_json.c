/* JSON: lua-cjson, linked in, with a guard on what its C code can be made to do for long. */
#include "lua/state.h"

#include <string.h>

int luaopen_cjson(lua_State *L);
int luaopen_cjson_safe(lua_State *L);

#define MAX_DEPTH 1000

/* What encoding a value costs, about: tables that refer to each other count every time they are met. */
static bool charge(lua_State *L, int idx, int depth, size_t *left)
{
    size_t cost = 16;
    if (lua_type(L, idx) == LUA_TSTRING)
        cost += lua_rawlen(L, idx);
    if (cost > *left)
        return false;
    *left -= cost;
    if (lua_type(L, idx) != LUA_TTABLE || depth == 0 || !lua_checkstack(L, 3))
        return true; /* too deep: cjson says so itself */
    if (*left % 64 == 0)
        sb__limits_check(L);
    bool fits = true;
    lua_pushnil(L);
    while (fits && lua_next(L, idx) != 0) {
        fits = charge(L, lua_gettop(L), depth - 1, left);
        lua_pop(L, 1);
    }
    if (!fits)
        lua_pop(L, 1);
    return fits;
}

/* Upvalues: the library's encode; whether failures are values. */
static int encode(lua_State *L)
{
    size_t left = sb__script_of(L)->alloc.cap;
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    if (!charge(L, 1, MAX_DEPTH, &left)) {
        if (!lua_toboolean(L, lua_upvalueindex(2)))
            return luaL_error(L, "Cannot serialise: the value is larger than the script's memory");
        lua_pushnil(L);
        lua_pushliteral(L, "Cannot serialise: the value is larger than the script's memory");
        return 2;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* Depth is C stack. Upvalue: the library's function. */
static int set_depth(lua_State *L)
{
    luaL_argcheck(L, luaL_optinteger(L, 1, 1) <= MAX_DEPTH, 1, "at most 1000");
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static void guard_depth(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, set_depth, 1);
    lua_setfield(L, -2, name);
}

static int open(lua_State *L, lua_CFunction opener, bool safe)
{
    lua_pushcfunction(L, opener);
    lua_call(L, 0, 1);
    lua_getfield(L, -1, "encode");
    lua_pushboolean(L, safe);
    lua_pushcclosure(L, encode, 2);
    lua_setfield(L, -2, "encode");
    guard_depth(L, "encode_max_depth");
    guard_depth(L, "decode_max_depth");
    lua_pushnil(L); /* would make an instance without the guard */
    lua_setfield(L, -2, "new");
    return 1;
}

int sb__open_json(lua_State *L)
{
    return open(L, luaopen_cjson, false);
}

int sb__open_json_safe(lua_State *L)
{
    return open(L, luaopen_cjson_safe, true);
}
