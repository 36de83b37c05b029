/* Handlers: the engine's callbacks become tasks, and what the script's function returns becomes deeds. */
#include "lua/socket.h"
#include "lua/message.h"
#include "lua/quick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sending what was decided ---- */

void sb__hops_follow(sb_socket *from, sb_socket *to)
{
    if (sb_socket_type(to) == SB_DEALER && sb_socket_hops(to) < sb_socket_hops(from))
        sb_socket_set_hops(to, sb_socket_hops(from));
}

/* For the tap: what became of the message as it came. */
static void told(sb__task *t, sb_deed deed, const sb__lsock *to, const char *reason)
{
    if (!t->ls->closing && t->view != NULL)
        sb_socket_passed(t->ls->sock, sb__task_peer(t), t->view, deed, to != NULL ? to->sock : NULL, reason);
}

static void dead_letter(sb__task *t, const sb_msg *msg, const char *reason, const char *where, sb_drop drop)
{
    sb__lsock *ls = t->ls;
    told(t, SB_DEED_DEAD, NULL, reason);
    if (!ls->closing)
        sb_engine_dead_letter(ls->script->engine, ls->sock, sb__task_peer(t), msg, reason, where, drop);
}

void sb__lsock_deliver(sb__task *t, sb__lsock *to, sb_msg *msg)
{
    sb_peer *from = sb__task_peer(t);
    if (to->closing) {
        dead_letter(t, msg, "the target is closed", "", SB_DROP_NO_PEER);
        return;
    }
    if (!t->ls->closing)
        sb__hops_follow(t->ls->sock, to->sock);
    sb_err err = from != NULL ? sb_socket_forward(to->sock, from, msg) : sb_socket_send(to->sock, msg);
    if (err == SB_OK)
        told(t, SB_DEED_TO, to, NULL);
    else
        dead_letter(t, msg, sb_strerror(err), "", err == SB_EAGAIN ? SB_DROP_HWM : SB_DROP_NO_PEER);
}

static void where_of_handler(lua_State *L, int fn, char *where, size_t cap)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, fn);
    if (lua_isfunction(L, -1))
        sb__fault_where_function(L, -1, where, cap);
    lua_pop(L, 1);
}

/* The function said nil, err: the message as it came goes to the dead letters. */
static void refuse_original(lua_State *L, sb__task *t, int idx, const char *fallback)
{
    char where[128] = "";
    const char *reason = lua_isstring(L, idx) ? lua_tostring(L, idx) : fallback;
    where_of_handler(L, t->fn, where, sizeof(where));
    dead_letter(t, t->view, reason, where, SB_DROP_SCRIPT);
}

/* Stack of a message body: 1 function, 2 peer object, 3 message object, 4.. results. The function's first
 * result and second. */
#define ARG_FN   1
#define ARG_PEER 2
#define ARG_MSG  3
#define RESULT   4

static void drop_message(sb__task *t, const char *reason)
{
    told(t, SB_DEED_DROP, NULL, reason);
    if (!t->ls->closing)
        sb_socket_count_drop(t->ls->sock, SB_DROP_DENIED);
}

/* Behind the token, if there is one. */
static const char *reason_of(lua_State *L)
{
    return lua_isstring(L, RESULT + 1) ? lua_tostring(L, RESULT + 1) : NULL;
}

static void push_message(lua_State *L, sb__task *t, uint64_t peer_id)
{
    t->msg = sb__lmsg_push_view(L, t->view);
    if (t->msg->peer_id == peer_id && peer_id != UINT64_MAX)
        return;
    lua_pushvalue(L, ARG_PEER);
    sb__lmsg_set_peer(L, ARG_MSG, t->msg, peer_id);
}

/* The task is done with its message: is there another one for the same function, and nothing to do before it?
 */
static bool another_message(sb__task *t, uint32_t handlers)
{
    sb_script *s = t->script;
    if (t->msg != NULL)
        sb__lmsg_release(t->msg);
    t->msg = NULL;
    if (t->ls->closing || s->handlers != handlers || s->ready != NULL || s->resume != NULL ||
        s->limits.late || !sb_socket_next(t->ls->sock, t->peer, t->view, t->call))
        return false;
    sb__limits_enter(&s->limits, t->co);
    t->handled++;
    return true;
}

/* What is done with what a function came to. False: nothing, this is for Lua. */
typedef bool deed(sb__task *t, const sb__qcall *c);

/* A function and the messages it is called for, one behind the other. */
typedef struct calls {
    sb__task *t;
    lua_KFunction k;
    deed *deed;
    uint64_t peer_id;
    bool has_peer;  /* its object is on the stack */
    bool bound;     /* the quick function knows what stands outside ... */
    uint32_t asked; /* ... since so many filters ran */
} calls;

static bool call_quickly(lua_State *L, calls *calls, sb__qcall *c)
{
    sb__task *t = calls->t;
    sb__quick *q = t->quick;
    if (q == NULL || !sb__quick_wanted(q))
        return false;
    if (!calls->bound || calls->asked != t->script->asked) {
        sb__quick_bind(L, ARG_FN, q);
        calls->bound = true;
        calls->asked = t->script->asked;
    }
    if (!sb__quick_run(q, c, t->view, &t->edit) || !calls->deed(t, c))
        return false;
    t->script->quick++;
    return true;
}

static void call_in_lua(lua_State *L, calls *calls)
{
    sb__task *t = calls->t;
    lua_settop(L, ARG_PEER);
    if (!calls->has_peer) {
        calls->peer_id = sb__lpeer_push(L, t->ls, t->peer);
        lua_replace(L, ARG_PEER);
    }
    calls->has_peer = true;
    calls->bound = false;
    push_message(L, t, calls->peer_id);
    lua_pushvalue(L, ARG_FN);
    lua_pushvalue(L, ARG_MSG);
    lua_pushvalue(L, ARG_PEER);
    lua_callk(L, 2, 2, (lua_KContext)t, calls->k);
    calls->k(L, LUA_OK, (lua_KContext)t);
}

/* Calls the function for a message and those right behind it; entering Lua costs as much as a small function.
 * A function that waits has seen its last one: what it comes back to is k. */
static int call_function(lua_State *L, lua_KFunction k, deed *deed)
{
    sb__qcall c;
    calls calls = {.t = sb__script_of(L)->current, .k = k, .deed = deed};
    uint32_t handlers = calls.t->script->handlers;
    lua_rawgeti(L, LUA_REGISTRYINDEX, calls.t->fn);
    do {
        if (!call_quickly(L, &calls, &c))
            call_in_lua(L, &calls);
    } while (another_message(calls.t, handlers));
    return 0;
}

static bool is_drop(const sb__qcall *c)
{
    return c->result[0].kind == SB__Q_DROP && c->result[1].kind == SB__Q_NIL;
}

/* The message that is the result, in `text` when it is a text; NULL: it is none. */
static sb_msg *message_of(const sb__qcall *c, sb_msg *text)
{
    const sb__qvalue *v = &c->result[0];
    if (v->kind == SB__Q_MESSAGE)
        return c->msg;
    if (v->kind != SB__Q_TEXT)
        return NULL;
    sb_msg_init(text);
    sb_msg_push(text, v->text, v->len, NULL);
    return text;
}

/* Others may ask through the same peer while this handler waits. */
static sb_err keep_client(sb__task *t)
{
    sb_client client;
    if (!sb_peer_client(t->peer, &client))
        return SB_OK;
    size_t address = strlen(client.address) + 1, user = strlen(client.user_id) + 1;
    if ((t->client = malloc(address + user)) == NULL)
        return SB_ENOMEM;
    memcpy(t->client, client.address, address);
    memcpy(t->client + address, client.user_id, user);
    return SB_OK;
}

static sb_err message_suspended(sb__task *t)
{
    sb_err err = sb_msg_keep(t->view, &t->orig);
    if (err != SB_OK)
        return err;
    t->orig->peer = NULL;
    if (t->msg != NULL && t->msg->state == SB__MSG_VIEW)
        t->msg->msg = t->orig;
    else if (t->msg != NULL && (err = sb__lmsg_hold(t->msg)) != SB_OK)
        return err;
    t->view = t->orig;
    if (t->peer != NULL) {
        if ((err = keep_client(t)) != SB_OK)
            return err;
        t->peer_id = sb_peer_id(t->peer);
        sb_peer_pause(t->peer);
        t->paused = true;
    }
    t->peer = NULL;
    return SB_OK;
}

/* A REP that does not answer would never get another request. Somebody of HTTP is told by the status: an
 * empty body alone would look like a good answer. */
static void answer_nothing(sb__task *t)
{
    sb_client client;
    sb_msg empty;
    sb_peer *peer = sb__task_peer(t);
    if (t->ls->closing || t->ls->type != SB_REP)
        return;
    sb_msg_init(&empty);
    sb_err err = SB_OK;
    if (peer != NULL && sb_peer_client(peer, &client))
        err = sb_msg_push(&empty, "500", 3, NULL);
    if (err == SB_OK && sb_msg_push(&empty, "", 0, NULL) == SB_OK)
        sb_socket_reply(t->ls->sock, peer, t->view, &empty);
    sb_msg_finish(&empty);
}

static void message_ended(sb__task *t, const char *reason, const char *where)
{
    if (reason == NULL)
        return;
    if (t->view != NULL)
        dead_letter(t, t->view, reason, where, SB_DROP_SCRIPT);
    answer_nothing(t);
}

/* ---- on_message ---- */

static void send_reply(sb__task *t, const sb_msg *msg)
{
    sb_err code = t->ls->closing ? SB_ECLOSED : sb_socket_reply(t->ls->sock, sb__task_peer(t), t->view, msg);
    if (code == SB_OK)
        told(t, SB_DEED_REPLY, NULL, NULL);
    else
        dead_letter(t, t->view, sb_strerror(code), "", SB_DROP_NO_PEER);
}

static int reply(lua_State *L, sb__task *t)
{
    char err[160];
    sb__out out;
    sb_err code = sb__out_init(L, RESULT, &out, err, sizeof(err));
    if (code == SB_OK)
        send_reply(t, out.msg);
    sb__out_finish(&out);
    if (code != SB_OK)
        return luaL_error(L, "on_message returned something that is no reply: %s", err);
    return 0;
}

static int on_message_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    sb__task *t = (sb__task *)ctx;
    if (lua_isnil(L, RESULT)) {
        if (lua_isnil(L, RESULT + 1)) {
            told(t, SB_DEED_HANDLED, NULL, NULL);
            return 0;
        }
        refuse_original(L, t, RESULT + 1, "refused");
        answer_nothing(t);
    } else if (sb__is_token(L, RESULT, SB__DROP)) {
        drop_message(t, reason_of(L));
        answer_nothing(t);
    } else if (lua_type(L, RESULT) != LUA_TBOOLEAN) {
        return reply(L, t);
    } else {
        told(t, SB_DEED_HANDLED, NULL, NULL);
    }
    return 0;
}

static bool on_message_deed(sb__task *t, const sb__qcall *c)
{
    sb_msg text, *msg = message_of(c, &text);
    sb__qkind kind = c->result[0].kind;
    if (msg != NULL)
        send_reply(t, msg);
    else if (kind == SB__Q_TRUE || kind == SB__Q_FALSE ||
             (kind == SB__Q_NIL && c->result[1].kind == SB__Q_NIL))
        told(t, SB_DEED_HANDLED, NULL, NULL);
    else
        return false;
    return true;
}

static int on_message_body(lua_State *L)
{
    return call_function(L, on_message_k, on_message_deed);
}

static const sb__task_kind on_message_kind = {
    .name = "on_message", .body = on_message_body, .ended = message_ended, .suspended = message_suspended};

/* ---- pipe(to, fn) ---- */

/* New messages of a function travel under the envelope of the one they come from. */
static sb_err with_envelope(const sb_msg *original, const sb_msg *msg, sb_msg *out)
{
    for (uint32_t i = 0; i < original->envelope; i++) {
        const sb_frame *f = &original->frames[i];
        if (sb_msg_push(out, f->data, f->len, f->buf) != SB_OK)
            return SB_ENOMEM;
    }
    out->envelope = original->envelope;
    for (uint32_t i = msg->envelope; i < msg->n; i++)
        if (sb_msg_push(out, msg->frames[i].data, msg->frames[i].len, msg->frames[i].buf) != SB_OK)
            return SB_ENOMEM;
    return SB_OK;
}

static void deliver_new(sb__task *t, sb_msg *msg)
{
    sb_msg whole;
    if (t->ls->pipe_to == NULL) {
        dead_letter(t, msg, "the target is closed", "", SB_DROP_NO_PEER);
        return;
    }
    if (msg->envelope != 0 || t->view->envelope == 0) {
        sb__lsock_deliver(t, t->ls->pipe_to, msg);
        return;
    }
    sb_msg_init(&whole);
    if (with_envelope(t->view, msg, &whole) == SB_OK)
        sb__lsock_deliver(t, t->ls->pipe_to, &whole);
    else
        dead_letter(t, msg, "out of memory", "", SB_DROP_SCRIPT);
    sb_msg_finish(&whole);
}

static void pipe_value(lua_State *L, sb__task *t, int idx)
{
    char err[160];
    sb__out out;
    sb_err code = sb__out_init(L, idx, &out, err, sizeof(err));
    if (code == SB_OK)
        deliver_new(t, out.msg);
    sb__out_finish(&out);
    if (code != SB_OK)
        luaL_error(L, "pipe function returned something that is no message: %s", err);
}

static bool is_list_of_messages(lua_State *L, int idx)
{
    if (lua_type(L, idx) != LUA_TTABLE)
        return false;
    lua_rawgeti(L, idx, 1);
    bool list = lua_type(L, -1) == LUA_TTABLE || lua_type(L, -1) == LUA_TUSERDATA;
    lua_pop(L, 1);
    return list;
}

static int pipe_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    sb__task *t = (sb__task *)ctx;
    if (lua_isnil(L, RESULT)) {
        refuse_original(L, t, RESULT + 1, "the pipe function returned nothing");
    } else if (sb__is_token(L, RESULT, SB__DROP)) {
        drop_message(t, reason_of(L));
    } else if (is_list_of_messages(L, RESULT)) {
        for (lua_Integer i = 1; lua_rawgeti(L, RESULT, i) != LUA_TNIL; i++, lua_pop(L, 1))
            pipe_value(L, t, lua_gettop(L));
    } else {
        pipe_value(L, t, RESULT);
    }
    return 0;
}

static bool pipe_deed(sb__task *t, const sb__qcall *c)
{
    sb_msg text, *msg = message_of(c, &text);
    if (msg != NULL)
        deliver_new(t, msg);
    else if (is_drop(c))
        drop_message(t, NULL);
    else
        return false;
    return true;
}

static int pipe_body(lua_State *L)
{
    return call_function(L, pipe_k, pipe_deed);
}

static const sb__task_kind pipe_kind = {
    .name = "pipe", .body = pipe_body, .ended = message_ended, .suspended = message_suspended};

/* ---- a function in a route table ---- */

static int row_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    sb__task *t = (sb__task *)ctx;
    sb__lsock_object *obj = sb__lsock_object_at(L, RESULT);
    if (obj != NULL) {
        sb__lsock *to = obj->ls;
        if (to == NULL)
            return luaL_error(L, "the route function returned a closed socket");
        if (t->msg->state == SB__MSG_DEAD)
            return luaL_error(L, "the message was closed by the function that routes it");
        sb__lsock_deliver(t, to, t->msg->msg);
    } else if (sb__is_token(L, RESULT, SB__DROP)) {
        drop_message(t, reason_of(L));
    } else if (lua_isnil(L, RESULT)) {
        refuse_original(L, t, RESULT + 1, "no route");
    } else {
        return luaL_error(
            L, "a route function returns a socket, sb.DROP or nil, not a %s", luaL_typename(L, RESULT));
    }
    return 0;
}

static bool row_deed(sb__task *t, const sb__qcall *c)
{
    const sb__qvalue *v = &c->result[0];
    if (v->kind == SB__Q_SOCKET && v->socket->ls != NULL)
        sb__lsock_deliver(t, v->socket->ls, c->msg);
    else if (is_drop(c))
        drop_message(t, NULL);
    else
        return false;
    return true;
}

static int row_body(lua_State *L)
{
    return call_function(L, row_k, row_deed);
}

static const sb__task_kind row_kind = {
    .name = "route", .body = row_body, .ended = message_ended, .suspended = message_suspended};

/* ---- messages from the engine ---- */

static sb_err not_now(sb__lsock *ls)
{
    if (!ls->resume_later) {
        ls->resume_later = true;
        ls->resume_next = ls->script->resume;
        ls->script->resume = ls;
    }
    return SB_EAGAIN;
}

static sb_err run_handler(sb__lsock *ls, const sb__task_kind *kind, const sb__lfunction *fn,
    sb_route_call *call, sb_peer *peer, sb_msg *msg)
{
    sb_script *s = ls->script;
    if (s->current != NULL || s->toplevel)
        return not_now(ls);
    sb__task *t = sb__task_take(s, kind, ls);
    if (t == NULL) {
        sb_engine_dead_letter(s->engine, ls->sock, peer, msg, "out of memory", "", SB_DROP_SCRIPT);
        return SB_OK;
    }
    t->peer = peer;
    t->view = msg;
    t->fn = fn->ref;
    t->quick = fn->quick;
    t->call = call;
    sb__task_run(t);
    return SB_OK;
}

sb_err sb__route_function(
    sb__lsock *ls, const sb__lfunction *fn, sb_route_call *call, sb_peer *peer, sb_msg *msg)
{
    return run_handler(ls, &row_kind, fn, call, peer, msg);
}

/* Somebody waits in recv: the message is handed over without queueing. */
static sb_err hand_over(sb__lsock *ls, sb_peer *peer, sb_msg *msg)
{
    sb_script *s = ls->script;
    sb__task *t = ls->receivers.first;
    if (t == NULL && ls->requests != NULL) { /* queued, it would stand before the answers */
        sb_socket_count_drop(ls->sock, SB_DROP_FILTERED);
        return SB_OK;
    }
    if (t == NULL)
        return SB_EAGAIN;
    if (peer == NULL || s->current != NULL || s->toplevel || s->ready != NULL) {
        sb__task_wake(t, SB__WAKE_EVENT); /* it will find the message in the queue */
        sb_timer_start(s->loop, &s->kick, sb_loop_now(s->loop));
        return SB_EAGAIN;
    }
    sb_socket_passed(ls->sock, peer, msg, SB_DEED_HANDLED, NULL, NULL);
    t->given = msg;
    t->given_peer = peer;
    sb__task_wake(t, SB__WAKE_EVENT);
    sb__tasks_drain(s);
    return SB_OK;
}

static sb_err on_msg(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    sb__lsock *ls = (sb__lsock *)self;
    sb_script *s = ls->script;
    if (ls->asks && sb__request_answer(ls, peer, msg))
        return SB_OK;
    if (ls->proxy != NULL)
        return sb__proxy_msg(ls, peer, msg);
    if (ls->target_lost && ls->kind == NULL) {
        sb_engine_dead_letter(s->engine, sock, peer, msg, "the target is closed", "", SB_DROP_NO_ROUTE);
        return SB_OK;
    }
    if (ls->kind == NULL)
        return hand_over(ls, peer, msg);
    return run_handler(
        ls, ls->kind, ls->kind == &pipe_kind ? &ls->pipe_fn : &ls->on_message, NULL, peer, msg);
}

void sb__handler_update(sb__lsock *ls)
{
    ls->script->handlers++;
    if (ls->pipe_to != NULL && ls->pipe_fn.ref != LUA_NOREF)
        ls->kind = &pipe_kind;
    else if (ls->on_message.ref != LUA_NOREF)
        ls->kind = &on_message_kind;
    else
        ls->kind = NULL;
    if (!ls->closing && ls->kind != NULL)
        sb_socket_resume(ls->sock);
}

static void on_writable(sb_handler *self, sb_socket *sock)
{
    (void)sock;
    sb__lsock *ls = (sb__lsock *)self;
    sb__waitq_wake(&ls->senders, SB__WAKE_EVENT);
    sb__tasks_drain(ls->script);
}

static void on_closed(sb_handler *self, sb_socket *sock)
{
    (void)sock;
    sb__lsock *ls = (sb__lsock *)self;
    sb_script *s = ls->script;
    bool by_engine = !ls->closing;
    sb__lsock_closed(ls);
    if (s->ends_with_engine && by_engine && s->sockets == NULL && s->current == NULL && !s->toplevel) {
        sb_script_destroy(s);
        return;
    }
    if (s->ready != NULL && s->current == NULL && !s->toplevel)
        sb_timer_start(s->loop, &s->kick, sb_loop_now(s->loop));
}

static const sb_handler handler = {
    .on_msg = on_msg,
    .on_subscribe = sb__handler_on_subscribe,
    .on_event = sb__handler_on_event,
    .on_writable = on_writable,
    .on_closed = on_closed,
    .on_filter = sb__handler_on_filter,
    .on_filter_gone = sb__handler_on_filter_gone,
};

void sb__handler_init(sb__lsock *ls)
{
    ls->handler = handler;
    sb_socket_set_handler(ls->sock, &ls->handler);
}
