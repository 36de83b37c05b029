/* Forwarding: route rows at work, and messages that wait for room at their target.
 * Before: socket/deliver.c. After: pattern/ (send), transport. */
#include "engine/socket/internal.h"
#include "engine/tap.h"
#include "engine/trace.h"

#include <stdlib.h>

static void let_go(sb_peer *from)
{
    sb__fair_update(from);
    sb__pump(from->socket);
    if (from->link != NULL && from->in.msgs == 0)
        from->link->input(from);
    if (from->link == NULL && from->in.msgs == 0)
        sb__peer_reap(from);
}

static void unlink_held(sb__held *held)
{
    sb__held **at = &held->from->held;
    while (*at != held)
        at = &(*at)->next;
    *at = held->next;
    sb_list_remove(&held->waiting);
}

static void end_held(sb__held *held)
{
    unlink_held(held);
    sb_msg_destroy(held->msg);
    free(held);
}

/* The source is not read until the message is gone. */
static sb_err hold(sb_socket *to, sb_peer *from, const sb_msg *msg)
{
    sb__held *held = calloc(1, sizeof *held);
    if (held == NULL)
        return SB_ENOMEM;
    if (sb_msg_keep(msg, &held->msg) != SB_OK) {
        free(held);
        return SB_ENOMEM;
    }
    held->from = from;
    held->to = to;
    held->since = from->in.msgs > 0 ? sb__queue_oldest(&from->in) : sb_engine_now(to->engine);
    held->passed = to->pattern->passing;
    sb__held **at = &from->held;
    while (*at != NULL)
        at = &(*at)->next;
    *at = held;
    sb_list_push_back(&to->holders, &held->waiting);
    to->want_writable = true;
    sb__fair_update(from);
    return SB_OK;
}

sb_err sb_socket_forward(sb_socket *to, sb_peer *from, sb_msg *msg)
{
    if (from == NULL)
        return sb_socket_send(to, msg);
    sb_err err = from->held != NULL ? SB_EAGAIN : sb_socket_send(to, msg); /* order: behind what is held */
    if (err == SB_EAGAIN)
        err = hold(to, from, msg);
    if (err == SB_OK)
        return SB_OK;
    sb_engine_dead_letter(to->engine, from->socket, from, msg, sb_strerror(err), "",
        err == SB_EHOSTUNREACH ? SB_DROP_NO_PEER : SB_DROP_NO_ROUTE);
    return SB_OK;
}

sb_err sb_socket_pass(sb_socket *to, sb_peer *from, sb_msg *msg)
{
    if (to->pattern == NULL) /* closed; route rows may still name it */
        return SB_ECLOSED;
    to->pattern->passing = true;
    sb_err err = sb_socket_forward(to, from, msg);
    if (to->pattern != NULL)
        to->pattern->passing = false;
    return err;
}

static sb__held *held_of(sb_list_node *node)
{
    return (sb__held *)((char *)node - offsetof(sb__held, waiting));
}

void sb__held_release(sb_socket *to)
{
    while (!sb_list_empty(&to->holders)) {
        sb__held *held = held_of(sb_list_first(&to->holders));
        sb_peer *from = held->from;
        to->pattern->passing = held->passed;
        sb_err err = sb_socket_send(to, held->msg);
        to->pattern->passing = false;
        if (err == SB_EAGAIN)
            return;
        if (err != SB_OK)
            sb_engine_dead_letter(
                to->engine, from->socket, from, held->msg, sb_strerror(err), "", SB_DROP_NO_PEER);
        end_held(held);
        if (from->held == NULL)
            let_go(from);
    }
}

void sb__held_forget_target(sb_socket *to)
{
    while (!sb_list_empty(&to->holders)) {
        sb__held *held = held_of(sb_list_first(&to->holders));
        sb_peer *from = held->from;
        sb_engine_dead_letter(
            to->engine, from->socket, from, held->msg, "its target closed", "", SB_DROP_LOST);
        end_held(held);
        if (from->held == NULL)
            let_go(from);
    }
}

void sb__held_forget_peer(sb_peer *from)
{
    while (from->held != NULL) {
        sb__peer_drop(from, SB_DROP_LOST, 1);
        end_held(from->held);
    }
}

/* ---- actions of rows ---- */

typedef struct match {
    sb_route *route;
    size_t row;
    const sb_route_row *r;
    sb_socket *to; /* of a row that forwards */
} match;

static sb_err act_to(sb_socket *sock, sb_peer *peer, sb_msg *msg, const match *m)
{
    if (m->r->reason == NULL)
        return sb_socket_forward(m->to, peer, msg);
    sb__dead_letter_to(m->to, sock, peer, msg, m->r->reason, "", SB_DROP_NO_ROUTE);
    sb__abandon(sock, peer);
    return SB_OK;
}

static sb_err act_reply(sb_socket *sock, sb_peer *peer, sb_msg *msg, const match *m)
{
    sb_msg body;
    sb_msg_init(&body);
    sb_msg_push(&body, m->r->reply, m->r->reply_len, NULL);
    return sb_socket_reply(sock, peer, msg, &body);
}

static sb_err act_call(sb_socket *sock, sb_peer *peer, sb_msg *msg, const match *m)
{
    return m->r->call->run(m->r->call, sock, peer, msg);
}

static sb_err act_drop(sb_socket *sock, sb_peer *peer, sb_msg *msg, const match *m)
{
    (void)msg, (void)m;
    if (peer != NULL)
        sb__peer_drop(peer, SB_DROP_DENIED, 1);
    else
        sb_socket_count_drop(sock, SB_DROP_DENIED);
    sb__abandon(sock, peer);
    return SB_OK;
}

static sb_err (*const actions[])(sb_socket *sock, sb_peer *peer, sb_msg *msg, const match *m) = {
    [SB_ROUTE_TO] = act_to,
    [SB_ROUTE_REPLY] = act_reply,
    [SB_ROUTE_CALL] = act_call,
    [SB_ROUTE_DROP] = act_drop,
};

bool sb__route_calls(sb_route *route, const sb_route_call *call, const sb_msg *msg)
{
    int row = sb_route_match(route, msg);
    const sb_route_row *r = row >= 0 ? sb_route_get(route, (size_t)row) : NULL;
    if (r == NULL || r->action != SB_ROUTE_CALL || r->call != call)
        return false;
    sb_route_hit(route, (size_t)row);
    return true;
}

/* What a function decides it tells itself. */
static void tell(sb_socket *sock, sb_peer *peer, const sb_msg *msg, const match *m)
{
    static const sb_deed deeds[] = {
        [SB_ROUTE_TO] = SB_DEED_TO, [SB_ROUTE_REPLY] = SB_DEED_REPLY, [SB_ROUTE_DROP] = SB_DEED_DROP};
    if (m->r->action == SB_ROUTE_CALL)
        return;
    sb_deed deed = m->r->reason != NULL ? SB_DEED_DEAD : deeds[m->r->action];
    sb_socket_passed(sock, peer, msg, deed, m->to, m->r->reason);
}

sb_err sb__route_run(sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    SB_TRACE(8);
    match m = {.route = sock->route};
    m.r = sb_route_decide(sock->route, msg, &m.row);
    if (m.r != NULL && m.r->action == SB_ROUTE_TO)
        m.to = m.r->nto == 1 ? m.r->to[0] : sb_route_pick(m.route, m.row);
    if (m.r != NULL && sock->detour)
        tell(sock, peer, msg, &m);
    if (m.r != NULL) {
        bool sends = m.r->action == SB_ROUTE_TO && peer != NULL;
        sb_err err = actions[m.r->action](sock, peer, msg, &m);
        if (sends && err == SB_OK)
            sb__run_on(sock, peer);
        return err;
    }
    sb_socket_passed(sock, peer, msg, SB_DEED_DEAD, sock->engine->dead_letter, "no route");
    sb_engine_dead_letter(sock->engine, sock, peer, msg, "no route", "", SB_DROP_NO_ROUTE);
    sb__abandon(sock, peer);
    return SB_OK;
}

/* The envelope of the request goes before the body of the answer. */
sb_err sb_socket_reply(sb_socket *sock, sb_peer *peer, const sb_msg *request, const sb_msg *body)
{
    sb_msg msg;
    sb_err err = SB_OK;
    sb_msg_init(&msg);
    for (uint32_t i = 0; err == SB_OK && i < request->envelope; i++)
        err = sb_msg_push(&msg, request->frames[i].data, request->frames[i].len, request->frames[i].buf);
    for (uint32_t i = body->envelope; err == SB_OK && i < body->n; i++)
        err = sb_msg_push(&msg, body->frames[i].data, body->frames[i].len, body->frames[i].buf);
    msg.envelope = request->envelope;
    if (err == SB_OK)
        err = sb_socket_forward(sock, peer, &msg);
    sb_msg_finish(&msg);
    return err;
}
