/* coroutine.wrap and close with one difference: a coroutine that was stopped for its time is not closed,
 * because Lua runs no hooks in it any more and its pending __close functions could not be stopped. The
 * garbage collector takes it. */
#include "lua/state.h"

static int refuse_late(lua_State *L)
{
    return luaL_error(L, "the coroutine was stopped: out of time");
}

/* Upvalue: the library's close. */
static int close_coroutine(lua_State *L)
{
    if (sb__script_of(L)->limits.late)
        return refuse_late(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int pass_error(lua_State *L, lua_State *co)
{
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD && !sb__script_of(L)->limits.late) {
        lua_resetthread(co); /* the error object stays on top */
    }
    lua_xmove(co, L, 1);
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

/* Upvalue: the coroutine. */
static int call_wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int n = lua_gettop(L), nres = 0;
    if (lua_status(co) == LUA_OK && lua_gettop(co) == 0)
        return luaL_error(L, "cannot resume dead coroutine");
    if (!lua_checkstack(co, n))
        return luaL_error(L, "too many arguments to resume");
    lua_xmove(L, co, n);
    int status = lua_resume(co, L, n, &nres);
    if (status != LUA_OK && status != LUA_YIELD)
        return pass_error(L, co);
    if (!lua_checkstack(L, nres + 1)) {
        lua_pop(co, nres);
        return luaL_error(L, "too many results to resume");
    }
    lua_xmove(co, L, nres);
    return nres;
}

static int wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

/* Upvalue: the script's message handler. */
static int message_handler(lua_State *L)
{
    if (sb__script_of(L)->limits.late)
        return 1; /* this may be inside the hook */
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

static int xpcall_done(lua_State *L, int status, lua_KContext ctx)
{
    (void)ctx;
    bool ok = status == LUA_OK || status == LUA_YIELD;
    if (!ok) {
        lua_pushboolean(L, 0);
        lua_insert(L, -2);
        return 2;
    }
    return lua_gettop(L) - 1;
}

int sb__xpcall(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TFUNCTION);
    int n = lua_gettop(L);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, message_handler, 1);
    lua_replace(L, 2);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_replace(L, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1);
    lua_insert(L, 2); /* 1: handler, 2: true, 3: function, 4..: arguments */
    int status = lua_pcallk(L, n - 2, LUA_MULTRET, 1, 0, xpcall_done);
    return xpcall_done(L, status, 0);
}

void sb__open_coroutine(lua_State *L)
{
    lua_pushcfunction(L, wrap);
    lua_setfield(L, -2, "wrap");
    lua_getfield(L, -1, "close");
    lua_pushcclosure(L, close_coroutine, 1);
    lua_setfield(L, -2, "close");
}
