/* Socket methods that put a script's functions on a socket: on_message, on_subscribe, on_peer, pipe. */
#include "lua/socket.h"

static void set_function(lua_State *L, int *ref, int idx)
{
    sb__unref(L, ref);
    if (lua_isnoneornil(L, idx))
        return;
    lua_pushvalue(L, idx);
    *ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void check_function(lua_State *L, int idx)
{
    if (!lua_isnoneornil(L, idx))
        luaL_checktype(L, idx, LUA_TFUNCTION);
}

static int on_message(lua_State *L)
{
    sb__lsock *ls = sb__lsock_check(L, 1);
    check_function(L, 2);
    sb__lsock_must_receive(L, ls, "on_message");
    sb__lfunction_take(L, 2, &ls->on_message);
    sb__lsock_anchor(L, 1, ls);
    sb__handler_update(ls);
    lua_settop(L, 1);
    return 1;
}

static int on_subscribe(lua_State *L)
{
    sb__lsock *ls = sb__lsock_check(L, 1);
    check_function(L, 2);
    if (ls->type != SB_PUB && ls->type != SB_XPUB && ls->type != SB_RADIO)
        return luaL_error(
            L, "on_subscribe belongs to PUB, XPUB and RADIO sockets, this is a %s", sb_type_name(ls->type));
    set_function(L, &ls->on_subscribe, 2);
    sb__lsock_anchor(L, 1, ls);
    lua_settop(L, 1);
    return 1;
}

static int on_peer(lua_State *L)
{
    sb__lsock *ls = sb__lsock_check(L, 1);
    check_function(L, 2);
    set_function(L, &ls->on_peer, 2);
    sb__lsock_anchor(L, 1, ls);
    lua_settop(L, 1);
    return 1;
}

static int pipe_to(lua_State *L)
{
    sb__lsock *ls = sb__lsock_check(L, 1), *to = sb__lsock_check(L, 2);
    check_function(L, 3);
    sb__lsock_must_receive(L, ls, "pipe");
    sb__lsock_must_send(L, to, "pipe leads to");
    if (lua_isnoneornil(L, 3))
        return sb__route_everything(L, ls, to);
    sb_socket_set_route(ls->sock, NULL);
    sb__lfunction_take(L, 3, &ls->pipe_fn);
    ls->pipe_to = to;
    ls->target_lost = false;
    sb__lsock_anchor(L, 1, ls);
    sb__lsock_anchor(L, 2, to);
    sb__hops_follow(ls->sock, to->sock);
    sb__handler_update(ls);
    lua_settop(L, 1);
    return 1;
}

const luaL_Reg sb__socket_handler_methods[] = {
    {"on_message", on_message},
    {"on_subscribe", on_subscribe},
    {"on_peer", on_peer},
    {"pipe", pipe_to},
    {NULL, NULL},
};
