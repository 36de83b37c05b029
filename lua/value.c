/* Small things every library file needs: errors as values, times, type checks. */
#include "lua/state.h"

#include <math.h>

int sb__no_memory(lua_State *L)
{
    sb__script_of(L)->load_err = SB_ENOMEM; /* in case it is the top level that fails */
    return luaL_error(L, "not enough memory");
}

int sb__push_error(lua_State *L, sb_err err, const char *text)
{
    lua_pushnil(L);
    lua_pushstring(L, text != NULL && text[0] != '\0' ? text : sb_strerror(err));
    lua_pushstring(L, sb_errname(err));
    return 3;
}

static uint64_t time_from_number(lua_State *L, int arg, lua_Number seconds)
{
    luaL_argcheck(L, !isnan(seconds), arg, "a time cannot be NaN");
    if (seconds < 0 || seconds > 9e9)
        return SB_NEVER;
    return (uint64_t)(seconds * 1e9);
}

uint64_t sb__arg_time(lua_State *L, int arg, uint64_t def)
{
    if (lua_isnoneornil(L, arg))
        return def;
    if (lua_type(L, arg) == LUA_TNUMBER)
        return time_from_number(L, arg, lua_tonumber(L, arg));
    size_t len;
    const char *text = luaL_checklstring(L, arg, &len);
    int64_t ms;
    if (!sb_option_parse_ms(text, len, &ms))
        luaL_argerror(L, arg,
            lua_pushfstring(L, "'%s' is not a time; use seconds or a string such as \"500ms\"", text));
    return ms < 0 ? SB_NEVER : (uint64_t)ms * SB_NS_PER_MS;
}

uint64_t sb__script_deadline(const sb_script *s, uint64_t ns)
{
    uint64_t now = sb_loop_now(s->loop);
    return ns >= SB_NEVER - now ? SB_NEVER : now + ns;
}

void *sb__to_object(lua_State *L, int idx, uint32_t magic, size_t size)
{
    (void)size; /* every userdata a script can have begins with a number of its kind */
    uint32_t *p = lua_touserdata(L, idx);
    return p != NULL && lua_type(L, idx) == LUA_TUSERDATA && *p == magic ? p : NULL;
}

void sb__metatable(lua_State *L, const char *name, const luaL_Reg *metamethods)
{
    if (name != NULL)
        luaL_newmetatable(L, name);
    else
        lua_newtable(L);
    luaL_setfuncs(L, metamethods, 0);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
}

bool sb__is_token(lua_State *L, int idx, sb__token token)
{
    return lua_type(L, idx) == LUA_TUSERDATA && lua_touserdata(L, idx) == sb__script_of(L)->token[token];
}

void sb__unref(lua_State *L, int *ref)
{
    luaL_unref(L, LUA_REGISTRYINDEX, *ref);
    *ref = LUA_NOREF;
}
