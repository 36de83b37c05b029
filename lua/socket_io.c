/* Socket methods that move messages: send, recv, messages, and lzmq's names for them. */
#include "lua/message.h"
#include "lua/socket.h"

#include <stdio.h>

/* ---- time and ends ---- */

static uint64_t option_time(const sb__lsock *ls, sb_opt opt)
{
    int64_t ms;
    if (sb_socket_get_int(ls->sock, opt, &ms) != SB_OK || ms < 0)
        return SB_NEVER;
    return (uint64_t)ms * SB_NS_PER_MS;
}

/* What a wait that did not succeed returns; 0 when it may try again. */
int sb__wait_failed(lua_State *L, const sb__task *t)
{
    switch (t->wake) {
    case SB__WAKE_TIMEOUT:
        return sb__push_error(L, SB_ETIMEDOUT, "timeout");
    case SB__WAKE_EXITING:
        return sb__push_error(L, SB_ECANCELED, "exiting");
    case SB__WAKE_CLOSED:
        return sb__push_error(L, SB_ECLOSED, NULL);
    default:
        return 0;
    }
}

/* ---- send ---- */

sb_err sb__socket_send_value(lua_State *L, sb__lsock *ls, int idx)
{
    char err[160];
    sb__out out;
    sb_err code = sb__out_init(L, idx, &out, err, sizeof(err));
    bool misuse = code != SB_OK;
    if (!misuse)
        code = sb_socket_send(ls->sock, out.msg);
    sb__out_finish(&out);
    if (misuse)
        luaL_argerror(L, idx, err);
    return code;
}

static int send_result(lua_State *L, sb_err code)
{
    if (code != SB_OK)
        return sb__push_error(L, code, NULL);
    lua_pushboolean(L, 1);
    return 1;
}

static int send_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    sb__task *t = (sb__task *)ctx;
    int n = sb__wait_failed(L, t);
    if (n != 0)
        return n;
    sb__lsock *ls = sb__lsock_test(L, 1);
    if (ls == NULL)
        return sb__push_error(L, SB_ECLOSED, NULL);
    sb_err code = sb__socket_send_value(L, ls, 2);
    if (code == SB_EAGAIN)
        return sb__task_wait(L, t, &ls->senders, t->deadline, send_k, ctx);
    return send_result(L, code);
}

/* Frames given to send_more come first. */
static void add_pending(lua_State *L)
{
    if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) {
        lua_pop(L, 1);
        return;
    }
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    if (lua_type(L, 2) == LUA_TTABLE) {
        for (lua_Integer i = 1; lua_rawgeti(L, 2, i) != LUA_TNIL; i++)
            lua_rawseti(L, -2, ++n);
        lua_pop(L, 1);
    } else {
        lua_pushvalue(L, 2);
        lua_rawseti(L, -2, n + 1);
    }
    lua_replace(L, 2);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, 1);
}

static int socket_send(lua_State *L)
{
    sb_script *s = sb__script_of(L);
    sb__lsock *ls = sb__lsock_test(L, 1);
    if (ls == NULL)
        return sb__push_error(L, SB_ECLOSED, NULL);
    add_pending(L);
    sb_err code = sb__socket_send_value(L, ls, 2);
    if (code != SB_EAGAIN)
        return send_result(L, code);
    uint64_t timeout = sb__arg_time(L, 3, option_time(ls, SB_OPT_SNDTIMEO));
    if (timeout == 0 || !sb__task_can_wait(L))
        return sb__push_error(L, SB_EAGAIN, NULL);
    if (s->exiting)
        return sb__push_error(L, SB_ECANCELED, "exiting");
    sb__task *t = s->current;
    t->deadline = sb__script_deadline(s, timeout);
    return sb__task_wait(L, t, &ls->senders, t->deadline, send_k, (lua_KContext)t);
}

static int socket_sendx(lua_State *L)
{
    int n = lua_gettop(L);
    lua_createtable(L, n - 1, 0);
    for (int i = 2; i <= n; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i - 1);
    }
    lua_insert(L, 2);
    lua_settop(L, 2);
    return socket_send(L);
}

static int socket_send_more(lua_State *L)
{
    sb__lsock_check(L, 1);
    luaL_checkstring(L, 2);
    if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, 1, 1);
    }
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- recv ---- */

typedef enum recv_form { RECV_MESSAGE, RECV_TABLE, RECV_STRINGS } recv_form;

static int push_received(lua_State *L, const sb__lsock *ls, sb__lmsg *um, recv_form form)
{
    if (form == RECV_MESSAGE)
        return 1;
    uint32_t from =
        ls->type == SB_ROUTER || ls->type == SB_DEALER || ls->type == SB_STREAM || ls->type == SB_DGRAM
            ? 0
            : um->msg->envelope;
    uint32_t n = um->msg->n - from;
    if (form == RECV_TABLE) {
        sb__push_frames(L, um->msg, from, um->msg->n);
        return 1;
    }
    luaL_checkstack(L, (int)n, "too many frames");
    for (uint32_t i = 0; i < n; i++)
        lua_pushlstring(L, (const char *)um->msg->frames[from + i].data, um->msg->frames[from + i].len);
    return (int)n;
}

static void attach_peer(lua_State *L, sb__lsock *ls, sb_peer *peer)
{
    sb__lpeer_push(L, ls, peer);
    lua_setiuservalue(L, -2, 1);
}

/* Takes one queued message; pushes it. */
static sb_err fetch(lua_State *L, sb__lsock *ls)
{
    sb_msg view;
    sb__lmsg *um = sb__lmsg_push_empty(L);
    sb_msg_init(&view);
    sb_err code = sb_socket_recv(ls->sock, &view);
    sb_peer *peer = view.peer;
    if (code == SB_OK)
        code = sb__lmsg_fill(um, &view);
    sb_msg_finish(&view);
    if (code == SB_OK)
        attach_peer(L, ls, peer);
    return code;
}

static int start_wait(lua_State *L, sb__lsock *ls, sb__task *t, lua_KFunction k, recv_form form)
{
    sb_socket_resume(ls->sock); /* the next message comes to the handler, which hands it over */
    return sb__task_wait(L, t, &ls->receivers, t->deadline, k, (lua_KContext)form);
}

static int recv_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    sb__task *t = sb__script_of(L)->current;
    sb__lsock *ls = sb__lsock_test(L, 1);
    int n = sb__wait_failed(L, t);
    if (n != 0)
        return n;
    if (ls == NULL)
        return sb__push_error(L, SB_ECLOSED, NULL);
    sb_err code;
    if (t->given != NULL) {
        sb__lmsg *um = sb__lmsg_push_empty(L);
        code = sb__lmsg_fill(um, t->given);
        sb_peer *peer = t->given_peer;
        t->given = NULL;
        if (code == SB_OK)
            attach_peer(L, ls, peer);
    } else {
        code = fetch(L, ls);
    }
    if (code == SB_EAGAIN)
        return start_wait(L, ls, t, recv_k, (recv_form)ctx);
    if (code != SB_OK)
        return sb__push_error(L, code, NULL);
    return push_received(L, ls, sb__lmsg_test(L, -1), (recv_form)ctx);
}

static int receive(lua_State *L, uint64_t timeout, recv_form form)
{
    sb_script *s = sb__script_of(L);
    sb__lsock *ls = sb__lsock_test(L, 1);
    if (ls == NULL)
        return sb__push_error(L, SB_ECLOSED, NULL);
    if (ls->kind != NULL || sb_socket_get_route(ls->sock) != NULL || ls->proxy != NULL)
        return luaL_error(
            L, "socket %s has a handler or a route: its messages cannot be received by hand", ls->name);
    sb_err code = fetch(L, ls);
    if (code == SB_OK)
        return push_received(L, ls, sb__lmsg_test(L, -1), form);
    if (code != SB_EAGAIN || timeout == 0)
        return sb__push_error(L, code, NULL);
    if (s->exiting)
        return sb__push_error(L, SB_ECANCELED, "exiting");
    sb__task *t = sb__task_waiter(L, "recv");
    t->deadline = timeout == SB_NEVER ? SB_NEVER : sb__script_deadline(s, timeout);
    return start_wait(L, ls, t, recv_k, form);
}

static int recv_as(lua_State *L, recv_form form)
{
    sb__lsock *ls = sb__lsock_test(L, 1);
    uint64_t def = ls != NULL ? option_time(ls, SB_OPT_RCVTIMEO) : 0;
    return receive(L, sb__arg_time(L, 2, def), form);
}

static int socket_recv(lua_State *L)
{
    return recv_as(L, RECV_MESSAGE);
}

static int socket_recv_all(lua_State *L)
{
    return recv_as(L, RECV_TABLE);
}

static int socket_recvx(lua_State *L)
{
    return recv_as(L, RECV_STRINGS);
}

static int next_message(lua_State *L)
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    return receive(L, SB_NEVER, RECV_MESSAGE);
}

static int socket_messages(lua_State *L)
{
    sb__lsock_test(L, 1);
    lua_settop(L, 1);
    lua_pushcclosure(L, next_message, 1);
    return 1;
}

const luaL_Reg sb__socket_io_methods[] = {
    {"send", socket_send},
    {"send_all", socket_send},
    {"sendx", socket_sendx},
    {"send_more", socket_send_more},
    {"recv", socket_recv},
    {"recv_all", socket_recv_all},
    {"recvx", socket_recvx},
    {"messages", socket_messages},
    {NULL, NULL},
};
