/* socket:request(msg, timeout): one question, one answer. REQ asks one at a time; DEALER asks any number at
 * once and knows the answers by a number in the envelope, which REP and ROUTER peers send back. */
#include "lua/message.h"
#include "lua/socket.h"

#include <string.h>

#define ID_SIZE 5 /* looks like one of libzmq's own routing ids: envelopes are full of them */

static void id_write(uint8_t out[ID_SIZE], uint32_t id)
{
    out[0] = 0;
    memcpy(out + 1, &id, 4);
}

/* ---- answers ---- */

static void unlist(sb__lsock *ls, sb__request *req)
{
    sb__request **p = &ls->requests;
    while (*p != NULL && *p != req)
        p = &(*p)->next;
    if (*p == req)
        *p = req->next;
    req->listed = false;
}

static sb_err keep_body(const sb_msg *msg, sb_msg **out)
{
    sb_msg body;
    sb_msg_init(&body);
    for (uint32_t i = 2; i < msg->n; i++)
        if (sb_msg_push(&body, msg->frames[i].data, msg->frames[i].len, msg->frames[i].buf) != SB_OK)
            return SB_ENOMEM;
    sb_err err = sb_msg_keep(&body, out);
    sb_msg_finish(&body);
    return err;
}

static sb__request *find(const sb__lsock *ls, uint32_t id)
{
    for (sb__request *req = ls->requests; req != NULL; req = req->next)
        if (req->id == id)
            return req;
    return NULL;
}

bool sb__request_answer(sb__lsock *ls, sb_peer *peer, sb_msg *msg)
{
    uint32_t id;
    if (msg->n < 2 || msg->frames[0].len != ID_SIZE || msg->frames[0].data[0] != 0 || msg->frames[1].len != 0)
        return false;
    memcpy(&id, msg->frames[0].data + 1, 4);
    sb_script *s = ls->script;
    sb__request *req = find(ls, id);
    if (req == NULL && (uint32_t)s->request_id - id >= s->requests_made)
        return false; /* not an id of ours */
    if (req == NULL || req->answer != NULL || keep_body(msg, &req->answer) != SB_OK) {
        sb_socket_count_drop(ls->sock, SB_DROP_FILTERED);
        return true;
    }
    sb_socket_passed(ls->sock, peer, msg, SB_DEED_HANDLED, NULL, NULL);
    sb__task_wake(req->task, SB__WAKE_EVENT);
    sb__tasks_drain(s);
    return true;
}

void sb__request_finish(sb__task *t)
{
    sb__lsock *ls = t->requester;
    if (ls == NULL)
        return;
    if (t->request.listed)
        unlist(ls, &t->request);
    sb_msg_destroy(t->request.answer);
    t->request.answer = NULL;
    ls->request_open = false;
    t->requester = NULL;
    sb__lsock_unref(ls);
}

/* ---- DEALER ---- */

static int dealer_done(lua_State *L, sb__task *t)
{
    sb__request *req = &t->request;
    int n = 1;
    if (req->answer != NULL) {
        sb__lmsg *um = sb__lmsg_push_empty(L);
        sb__lmsg_adopt(um, req->answer);
        req->answer = NULL;
    } else if ((n = sb__wait_failed(L, t)) == 0) {
        n = sb__push_error(L, SB_ECLOSED, NULL);
    }
    sb__request_finish(t);
    return n;
}

static int dealer_answer_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    return dealer_done(L, (sb__task *)ctx);
}

static sb_err dealer_send(lua_State *L, sb__lsock *ls, uint32_t id)
{
    char err[160];
    uint8_t bytes[ID_SIZE];
    sb__out out;
    sb_msg whole;
    sb_err code = sb__out_init(L, 2, &out, err, sizeof(err));
    if (code != SB_OK) {
        sb__out_finish(&out);
        luaL_argerror(L, 2, err);
    }
    id_write(bytes, id);
    sb_msg_init(&whole);
    code = sb_msg_push(&whole, bytes, sizeof(bytes), NULL);
    if (code == SB_OK)
        code = sb_msg_push(&whole, "", 0, NULL);
    for (uint32_t i = out.msg->envelope; code == SB_OK && i < out.msg->n; i++) {
        const sb_frame *f = &out.msg->frames[i];
        code = sb_msg_push(&whole, f->data, f->len, f->buf);
    }
    if (code == SB_OK)
        code = sb_socket_send(ls->sock, &whole);
    sb_msg_finish(&whole);
    sb__out_finish(&out);
    return code;
}

static int dealer_step(lua_State *L, sb__lsock *ls, sb__task *t);

static int dealer_send_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    sb__task *t = (sb__task *)ctx;
    sb__lsock *ls = sb__lsock_test(L, 1);
    if (ls == NULL || t->wake != SB__WAKE_EVENT)
        return dealer_done(L, t);
    return dealer_step(L, ls, t);
}

static int dealer_step(lua_State *L, sb__lsock *ls, sb__task *t)
{
    sb_err code = dealer_send(L, ls, t->request.id);
    if (code == SB_EAGAIN)
        return sb__task_wait(L, t, &ls->senders, t->deadline, dealer_send_k, (lua_KContext)t);
    if (code != SB_OK) {
        sb__request_finish(t);
        return sb__push_error(L, code, NULL);
    }
    t->request.listed = true;
    t->request.next = ls->requests;
    ls->requests = &t->request;
    sb_socket_resume(ls->sock);
    return sb__task_wait(L, t, NULL, t->deadline, dealer_answer_k, (lua_KContext)t);
}

static int dealer_request(lua_State *L, sb__lsock *ls, sb__task *t)
{
    sb_script *s = ls->script;
    if (s->requests_made++ == 0)
        s->request_id = sb__limits_clock(); /* answers to an earlier run of the script are not ours */
    ls->asks = true;
    t->request = (sb__request){.id = (uint32_t)++s->request_id, .task = t};
    return dealer_step(L, ls, t);
}

/* ---- REQ ---- */

static int req_step(lua_State *L, sb__lsock *ls, sb__task *t);

/* Stack: 1 socket, 2 message, 3 timeout; above it what recv returned. */
static int req_done(lua_State *L, sb__task *t)
{
    sb__request_finish(t);
    return lua_gettop(L) - 3;
}

static int req_answer_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    return req_done(L, (sb__task *)ctx);
}

static int req_send_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    sb__task *t = (sb__task *)ctx;
    sb__lsock *ls = sb__lsock_test(L, 1);
    int n = sb__wait_failed(L, t);
    if (n == 0 && ls == NULL)
        n = sb__push_error(L, SB_ECLOSED, NULL);
    if (n != 0)
        return req_done(L, t);
    return req_step(L, ls, t);
}

static int req_step(lua_State *L, sb__lsock *ls, sb__task *t)
{
    sb_err code = sb__socket_send_value(L, ls, 2);
    if (code == SB_EAGAIN)
        return sb__task_wait(L, t, &ls->senders, t->deadline, req_send_k, (lua_KContext)t);
    if (code != SB_OK) {
        sb__push_error(L, code, NULL);
        return req_done(L, t);
    }
    uint64_t now = sb_loop_now(t->script->loop);
    lua_getfield(L, 1, "recv");
    lua_pushvalue(L, 1);
    lua_pushnumber(L, t->deadline == SB_NEVER ? -1
                      : t->deadline <= now    ? 1e-6
                                              : (lua_Number)(t->deadline - now) / 1e9);
    lua_callk(L, 2, LUA_MULTRET, (lua_KContext)t, req_answer_k);
    return req_answer_k(L, LUA_OK, (lua_KContext)t);
}

static int req_request(lua_State *L, sb__lsock *ls, sb__task *t)
{
    ls->request_open = true;
    return req_step(L, ls, t);
}

/* ---- for scripts ---- */

static int socket_request(lua_State *L)
{
    sb_script *s = sb__script_of(L);
    sb__lsock *ls = sb__lsock_test(L, 1);
    if (ls == NULL)
        return sb__push_error(L, SB_ECLOSED, NULL);
    if (ls->type != SB_REQ && ls->type != SB_DEALER)
        return luaL_error(
            L, "request belongs to REQ and DEALER sockets, this is a %s", sb_type_name(ls->type));
    if (sb_socket_get_route(ls->sock) != NULL)
        return luaL_error(L, "socket %s has a route: answers would go there", ls->name);
    uint64_t timeout = sb__arg_time(L, 3, SB_NEVER);
    lua_settop(L, 3);
    sb__task *t = sb__task_waiter(L, "request");
    if (s->exiting)
        return sb__push_error(L, SB_ECANCELED, "exiting");
    t->deadline = timeout == SB_NEVER ? SB_NEVER : sb__script_deadline(s, timeout);
    sb__request_finish(t); /* an earlier one that was left by an error */
    if (ls->request_open)
        return sb__push_error(
            L, SB_EFSM, "a request is under way on this REQ socket; use a DEALER for several at once");
    sb__lsock_ref(ls);
    t->requester = ls;
    return ls->type == SB_REQ ? req_request(L, ls, t) : dealer_request(L, ls, t);
}

const luaL_Reg sb__socket_request_methods[] = {
    {"request", socket_request},
    {NULL, NULL},
};
