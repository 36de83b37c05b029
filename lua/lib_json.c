/* JSON: lua-cjson, linked in, with a guard on what its C code can be made to do for long. */
#include "lua/state.h"

#include <string.h>

int luaopen_cjson(lua_State *L);
int luaopen_cjson_safe(lua_State *L);

#define MAX_DEPTH 1000
#define UNIT_NS   15 /* what encoding one octet of a string, or a sixteenth of anything else, takes at most */
#define OCTET_NS  25 /* ... and decoding one octet of JSON */

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

/* Upvalue 2: whether failures are values. */
static int too_large(lua_State *L, const char *text)
{
    if (!lua_toboolean(L, lua_upvalueindex(2)))
        return luaL_error(L, "%s", text);
    lua_pushnil(L);
    lua_pushstring(L, text);
    return 2;
}

static int decode(lua_State *L)
{
    size_t len;
    luaL_checklstring(L, 1, &len);
    lua_settop(L, 1);
    if (len > sb__limits_steps(&sb__script_of(L)->limits, OCTET_NS))
        return too_large(L, "Cannot decode: the text is larger than the script has time for");
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* Upvalues: the library's encode; whether failures are values. */
static int encode(lua_State *L)
{
    size_t left = sb__limits_steps(&sb__script_of(L)->limits, UNIT_NS);
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    if (!charge(L, 1, MAX_DEPTH, &left))
        return too_large(L, "Cannot serialise: the value is larger than the script has time for");
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

static void guard(lua_State *L, const char *name, lua_CFunction fn, bool safe)
{
    lua_getfield(L, -1, name);
    lua_pushboolean(L, safe);
    lua_pushcclosure(L, fn, 2);
    lua_setfield(L, -2, name);
}

static int open(lua_State *L, lua_CFunction opener, bool safe)
{
    lua_pushcfunction(L, opener);
    lua_call(L, 0, 1);
    guard(L, "encode", encode, safe);
    guard(L, "decode", decode, safe);
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
