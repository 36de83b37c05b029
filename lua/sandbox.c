/* What a script finds around it: the libraries it may use, and guards where they would let it stop or leave
 * the server. */
#include "lua/state.h"

#include <lualib.h>
#include <string.h>

#define SOURCE_NS  40   /* what compiling one octet of text takes, about */
#define OCTET_NS   10   /* ... and looking at one */
#define LARGE_TEXT 4096 /* below it is nothing to look at the clock for */

/* ---- base ---- */

/* load without binary chunks: damaged bytecode can crash Lua. Upvalue: the library's load. */
static int load_text(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_checkany(L, 1);
    if (lua_type(L, 1) == LUA_TSTRING)
        luaL_argcheck(L, lua_rawlen(L, 1) <= sb__limits_steps(&sb__script_of(L)->limits, SOURCE_NS), 1,
            "text larger than the script has time for");
    lua_settop(L, n < 4 ? 3 : 4);
    lua_pushliteral(L, "t");
    lua_replace(L, 3);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* A function of a library that walks its texts octet by octet. Upvalue: the function. */
static int guard_texts(lua_State *L)
{
    size_t most = sb__limits_steps(&sb__script_of(L)->limits, OCTET_NS);
    int n = lua_gettop(L);
    for (int i = 1; i <= n; i++)
        if (lua_type(L, i) == LUA_TSTRING)
            luaL_argcheck(L, lua_rawlen(L, i) <= most, i, "text larger than the script has time for");
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    return lua_gettop(L);
}

/* The same for one text that is soon read, and looks at the clock where it was not. Upvalue: the function. */
static int guard_number(lua_State *L)
{
    bool large = lua_type(L, 1) == LUA_TSTRING && lua_rawlen(L, 1) > LARGE_TEXT;
    if (large)
        sb__limits_check(L);
    int n = guard_texts(L);
    if (large)
        sb__limits_check(L);
    return n;
}

static int collect(lua_State *L)
{
    const char *what = luaL_optstring(L, 1, "collect");
    if (strcmp(what, "count") == 0) {
        lua_pushnumber(L, (lua_Number)sb__script_of(L)->alloc.used / 1024);
        return 1;
    }
    if (strcmp(what, "collect") != 0)
        return luaL_error(L, "collectgarbage knows \"collect\" and \"count\" here");
    lua_gc(L, LUA_GCCOLLECT);
    sb__limits_check(L);
    lua_pushinteger(L, 0);
    return 1;
}

/* Finalizers run where no hook can stop them. Upvalue: the library's setmetatable. */
static int set_metatable(lua_State *L)
{
    if (lua_type(L, 2) == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "__gc is not for scripts; use a local <close> variable");
        lua_pop(L, 1);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

static int refuse_global(lua_State *L)
{
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_tolstring(L, 2, NULL);
    return luaL_error(L, "assignment to undeclared global '%s'; use local", name);
}

static int require_builtin(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    if (lua_getfield(L, lua_upvalueindex(1), name) != LUA_TNIL)
        return 1;
    return luaL_error(L, "module '%s' not found (built in: signalbox, cjson, cjson.safe)", name);
}

/* ---- putting it together ---- */

static void wrap_global(lua_State *L, const char *name, lua_CFunction guard)
{
    lua_getglobal(L, name);
    lua_pushcclosure(L, guard, 1);
    lua_setglobal(L, name);
}

static void remove_fields(lua_State *L, const char *const *names)
{
    for (; *names != NULL; names++) {
        lua_pushnil(L);
        lua_setfield(L, -2, *names);
    }
}

static void open_base(lua_State *L)
{
    static const char *const gone[] = {"dofile", "loadfile", "warn", NULL};
    luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
    remove_fields(L, gone);
    lua_pop(L, 1);
    wrap_global(L, "load", load_text);
    wrap_global(L, "setmetatable", set_metatable);
    wrap_global(L, "tonumber", guard_number);
    lua_pushcfunction(L, collect);
    lua_setglobal(L, "collectgarbage");
    lua_pushcfunction(L, sb__xpcall);
    lua_setglobal(L, "xpcall");
}

/* Of the library on top of the stack. */
static void wrap_field(lua_State *L, const char *name, lua_CFunction fn)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, fn, 1);
    lua_setfield(L, -2, name);
}

static void open_strings(lua_State *L)
{
    static const char *const gone[] = {"dump", NULL};
    luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
    remove_fields(L, gone);
    sb__open_string(L);
    wrap_field(L, "format", guard_texts);
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 3);
}

static void open_tables(lua_State *L)
{
    luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 1);
    sb__open_table(L);
    lua_pop(L, 1);
}

static void open_utf8(lua_State *L)
{
    luaL_requiref(L, LUA_UTF8LIBNAME, luaopen_utf8, 1);
    wrap_field(L, "len", guard_texts);
    wrap_field(L, "offset", guard_texts);
    lua_pop(L, 1);
}

static void open_coroutines(lua_State *L)
{
    luaL_requiref(L, LUA_COLIBNAME, luaopen_coroutine, 1);
    sb__open_coroutine(L);
    lua_pop(L, 1);
}

static const luaL_Reg plain_libs[] = {
    {LUA_MATHLIBNAME, luaopen_math},
    {NULL, NULL},
};

static const luaL_Reg unsafe_libs[] = {
    {LUA_IOLIBNAME, luaopen_io},
    {LUA_OSLIBNAME, luaopen_os},
    {LUA_DBLIBNAME, luaopen_debug},
    {LUA_LOADLIBNAME, luaopen_package},
    {NULL, NULL},
};

static void open_libs(lua_State *L, const luaL_Reg *libs)
{
    for (; libs->name != NULL; libs++) {
        luaL_requiref(L, libs->name, libs->func, 1);
        lua_pop(L, 1);
    }
}

static void guard_globals(lua_State *L)
{
    lua_pushglobaltable(L);
    lua_newtable(L);
    lua_pushcfunction(L, refuse_global);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

void sb__open_sandbox(lua_State *L, bool libs_unsafe)
{
    open_base(L);
    open_strings(L);
    open_tables(L);
    open_coroutines(L);
    open_utf8(L);
    open_libs(L, plain_libs);
    luaL_requiref(L, "cjson", sb__open_json, 0);
    luaL_requiref(L, "cjson.safe", sb__open_json_safe, 0);
    lua_pop(L, 2);
    if (libs_unsafe) { /* require then also finds modules on disk */
        open_libs(L, unsafe_libs);
    } else {
        lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
        lua_pushcclosure(L, require_builtin, 1);
        lua_setglobal(L, "require");
    }
    guard_globals(L);
}
