/* Delivery: from the pipe to whoever decides (route table or handler), at once when nothing waits, else
 * through the peer's in queue, fairly over peers. Before: transport/conn.c (a message was parsed), pattern/
 * (filter). After: socket/forward.c, the handler. */
#include "engine/socket/internal.h"
#include "engine/tap.h"
#include "engine/trace.h"

#include <stdlib.h>
#include <string.h>

#define PUMP_BUDGET 256 /* messages per round and socket out of queues: one must not hold the loop */
/* Subscription events nobody fetched. */
#define EVENT_LIMIT 10000
#define EVENT_BYTES (16 * 1024 * 1024)

static sb_peer *fair_peer(sb_list_node *node)
{
    return (sb_peer *)((char *)node - offsetof(sb_peer, waiting));
}

void sb__fair_update(sb_peer *peer)
{
    bool wants = peer->in.msgs > 0 && !sb__peer_is_paused(peer) && peer->held == NULL;
    bool is = sb_list_linked(&peer->waiting);
    if (wants && !is)
        sb_list_push_back(&peer->socket->fair, &peer->waiting);
    else if (!wants && is)
        sb_list_remove(&peer->waiting);
}

/* What a PUB or PUSH gets nobody will ever fetch: its pattern discards it. */
static inline bool has_consumer(const sb_socket *sock)
{
    return sock->route != NULL || (sock->handler != NULL && sock->handler->on_msg != NULL) ||
           sock->claim != NULL || !sock->pattern->impl->can_recv;
}

static inline __attribute__((always_inline)) bool blocked(const sb_socket *sock)
{
    return sock->stopped || sock->pattern_waits || sock->closing || !has_consumer(sock);
}

void sb__abandon(sb_socket *sock, sb_peer *peer)
{
    if (peer != NULL)
        peer->abandoned++;
    if (sock->pattern->impl->abandoned != NULL)
        sock->pattern->impl->abandoned(sock->pattern, peer);
}

static sb_err decide_slowly(sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    sb_err err = sock->claim != NULL ? sock->claim->on_msg(sock->claim, sock, peer, msg) : SB_ENOENT;
    if (err != SB_ENOENT || sock->route != NULL)
        return err != SB_ENOENT ? err : sb__route_run(sock, peer, msg);
    if (sock->handler != NULL && sock->handler->on_msg != NULL)
        return sock->handler->on_msg(sock->handler, sock, peer, msg);
    sb_socket_passed(sock, peer, msg, SB_DEED_DEAD, sock->engine->dead_letter, "no route");
    sb_engine_dead_letter(sock->engine, sock, peer, msg, "no route", "", SB_DROP_NO_ROUTE);
    return SB_OK;
}

static inline __attribute__((always_inline)) sb_err decide(sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    if (sock->detour)
        return decide_slowly(sock, peer, msg);
    if (sock->route != NULL)
        return sb__route_run(sock, peer, msg);
    return sock->handler->on_msg(sock->handler, sock, peer, msg);
}

/* The handler does not take it now: it stays first in line. Where messages may still be replaced or expire it
 * stays in its queue. */
static sb_err set_aside(sb_socket *sock, const sb_peer *peer, sb_msg *msg)
{
    sock->stopped = true;
    if (peer->sheds)
        return SB_EAGAIN;
    sock->pending_event = false;
    sock->pending_since = peer->in.msgs > 0 ? sb__queue_oldest(&peer->in) : sb_engine_now(sock->engine);
    if (sb_msg_keep(msg, &sock->pending) == SB_OK)
        return SB_OK;
    sb_socket_count_drop(sock, SB_DROP_LOST);
    sb__abandon(sock, msg->peer);
    return SB_OK;
}

/* What the pattern refuses is discarded; a violation of the pattern ends the connection too. */
static sb_err refuse(sb_socket *sock, sb_peer *peer, sb_err err)
{
    if (err == SB_EAGAIN) {
        sock->pattern_waits = true;
        return SB_EAGAIN;
    }
    sb__peer_drop(peer, SB_DROP_FILTERED, 1);
    if (err != SB_ECANCELED && peer->link != NULL)
        peer->link->kick(peer, err, "message violates the pattern", false);
    return SB_OK;
}

/* SB_OK: done with the message. SB_EAGAIN: it has to wait, unchanged. */
static inline __attribute__((always_inline)) sb_err dispatch(sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    const sb_pattern_impl *impl = sock->pattern->impl;
    sb_err err;
    SB_TRACE(7);
    if (impl->filter != NULL && (err = impl->filter(sock->pattern, peer, msg)) != SB_OK)
        return refuse(sock, peer, err);
    msg->peer = peer;
    if (impl->taken != NULL)
        impl->taken(sock->pattern, peer, msg);
    err = decide(sock, peer, msg);
    if (err == SB_EAGAIN)
        return set_aside(sock, peer, msg);
    if (err != SB_OK) {
        sb__peer_drop(peer, SB_DROP_SCRIPT, 1);
        sb__abandon(sock, peer);
    }
    return SB_OK;
}

/* No memory for a message: nobody saw it, and nobody will answer it. */
static void lose(sb_peer *peer)
{
    sb__peer_drop(peer, SB_DROP_LOST, 1);
    peer->abandoned++;
    if (sb__is_raw(peer->socket) && peer->link != NULL) /* what follows would join what does not */
        peer->link->kick(peer, SB_ENOMEM, "no room for its octets", false);
}

static sb_err enqueue(sb_peer *peer, const sb_msg *msg)
{
    if (peer->sheds)
        return sb__overload_enqueue(peer, msg);
    sb__queue_tick(&peer->in);
    sb_err err = sb__queue_push(&peer->in, msg);
    if (err == SB_EAGAIN && sb__may_go_over(&peer->in))
        err = sb__queue_push_over(&peer->in, msg);
    if (err != SB_OK)
        lose(peer);
    sb__fair_update(peer);
    return sb__queue_full(&peer->in) ? SB_EAGAIN : SB_OK;
}

/* Nothing waits before it, and nothing keeps it waiting. */
static inline bool is_direct(const sb_socket *sock, const sb_peer *peer)
{
    return peer->in.msgs == 0 && !sb__peer_is_paused(peer) && peer->held == NULL && sock->pending == NULL &&
           sock->events.msgs == 0 && !blocked(sock);
}

static void count_in(sb_peer *peer, const sb_msg *msg)
{
    peer->msgs_in++;
    peer->bytes_in += msg->wire_len != 0 ? msg->wire_len : sb_msg_packed_size(msg);
}

sb_err sb__deliver(sb_peer *peer, sb_msg *msg)
{
    sb_socket *sock = peer->socket;
    SB_TRACE(6);
    count_in(peer, msg);
    if (is_direct(sock, peer) && dispatch(sock, peer, msg) == SB_OK)
        return peer->held == NULL || peer->sheds
                   ? SB_OK
                   : SB_EAGAIN; /* its bytes wait where they are: cheaper than in a queue */
    return enqueue(peer, msg);
}

sb_err sb__deliver_later(sb_peer *peer, sb_msg *msg)
{
    count_in(peer, msg);
    return enqueue(peer, msg);
}

/* ---- queued input ---- */

bool sb__may_ask(sb_socket *sock)
{
    bool waits = sock->pending != NULL && !sock->pending_event;
    if (!waits || sock->pattern->impl->taken == NULL)
        return true;
    if (!sock->popts.req_relaxed)
        return false;
    sb_msg_destroy(sock->pending);
    sock->pending = NULL;
    sb_socket_count_drop(sock, SB_DROP_FILTERED);
    return true;
}

void sb__in_drained(sb_peer *peer)
{
    bool low = peer->in_stage != NULL ? sb__stage_low(peer->in_stage) : sb__queue_low(&peer->in);
    sb__fair_update(peer);
    if (peer->link != NULL && peer->link_data != NULL && low)
        peer->link->input(peer);
    else if (peer->link == NULL)
        sb__peer_reap(peer);
}

static void after_pop(sb_peer *peer)
{
    sb__queue_pop(&peer->in);
    peer->stale -= peer->stale > 0;
    if (peer->sheds)
        sb__overload_shown(peer);
    sb__in_drained(peer);
}

static bool pump_pending(sb_socket *sock)
{
    sb_msg *msg = sock->pending;
    sock->pending = NULL;
    sb_peer *peer = msg->peer;
    sb_err err = decide(sock, peer, msg);
    if (err == SB_EAGAIN) {
        sock->stopped = true;
        sock->pending = msg;
        return false;
    }
    if (err != SB_OK) { /* counted here: its peer may be gone by now */
        sb_socket_count_drop(sock, SB_DROP_SCRIPT);
        sb__abandon(sock, NULL);
    }
    sb_msg_destroy(msg);
    return true;
}

/* Takes the first event out of its queue; NULL when there was no memory for it: then it is lost, and does not
 * stand before the next ones for ever. */
static sb_msg *take_event(sb_socket *sock)
{
    sb_msg view, *own = NULL;
    sb_msg_init(&view);
    if (sb__queue_peek(&sock->events, &view))
        sb_msg_keep(&view, &own);
    sb_msg_finish(&view);
    sb__queue_pop(&sock->events);
    if (own == NULL) {
        sb_socket_count_drop(sock, SB_DROP_LOST);
        return NULL;
    }
    memcpy(&sock->asker, own->frames[0].data, sizeof sock->asker);
    sb_msg_remove(own, 0);
    return own;
}

static bool pump_event(sb_socket *sock)
{
    sb_msg *own = take_event(sock); /* before the handler: it may fetch the next one itself */
    if (own == NULL)
        return true;
    if (decide(sock, NULL, own) == SB_EAGAIN) {
        sock->stopped = true;
        sock->pending = own;
        sock->pending_event = true;
        return false;
    }
    sb_msg_destroy(own);
    return true;
}

static void put_back(sb_peer *peer)
{
    if (peer->in_stage != NULL)
        peer->in_stage->shown = false;
    sb__fair_update(peer);
}

/* No memory to look at the first message. */
static bool lose_first(sb_peer *peer)
{
    lose(peer);
    after_pop(peer);
    return true;
}

static bool pump_peer(sb_socket *sock)
{
    sb_msg msg;
    sb_peer *peer = fair_peer(sb_list_pop(&sock->fair)); /* out of the ring while its message is looked at */
    sb_msg_init(&msg);
    if (peer->sheds && !sb__overload_show(peer))
        return true;
    if (!sb__queue_peek(&peer->in, &msg))
        return lose_first(peer);
    sb_err err = SB_OK;
    if (peer->client == NULL || sb__speaker_show(peer, &msg))
        err = dispatch(sock, peer, &msg);
    else
        sb__peer_drop(peer, SB_DROP_FILTERED, 1);
    sb_msg_finish(&msg);
    if (err == SB_EAGAIN)
        put_back(peer);
    else
        after_pop(peer);
    return err != SB_EAGAIN;
}

static bool pump_one(sb_socket *sock)
{
    if (blocked(sock))
        return false;
    if (sock->pending != NULL)
        return pump_pending(sock);
    if (sock->events.msgs > 0)
        return pump_event(sock);
    return !sb_list_empty(&sock->fair) && pump_peer(sock);
}

static void release_shown(sb_socket *sock)
{
    sb_peer *peer = sock->peeked;
    sb_msg_destroy(sock->received);
    sock->received = NULL;
    sock->peeked = NULL;
    if (peer != NULL)
        after_pop(peer);
}

static void pump_run(sb__task *task)
{
    sb_socket *sock = (sb_socket *)((char *)task - offsetof(sb_socket, pump));
    release_shown(sock);
    if (!sb_list_empty(&sock->holders))
        sb__held_release(sock);
    if (sock->writable && sock->handler != NULL && sock->handler->on_writable != NULL && !sock->closing) {
        sock->writable = false;
        sock->handler->on_writable(sock->handler, sock);
    }
    sock->writable = false;
    int budget = PUMP_BUDGET;
    while (budget > 0 && pump_one(sock))
        budget--;
    if (budget == 0)
        sb__pump(sock);
}

void sb__pump(sb_socket *sock)
{
    sb__hub_input(&sock->engine->hub, &sock->pump);
}

void sb__deliver_init(sb_socket *sock)
{
    sb_list_init(&sock->fair);
    sb__queue_init(&sock->events, EVENT_LIMIT, EVENT_BYTES);
    sb__task_init(&sock->pump, pump_run);
}

void sb__deliver_finish(sb_socket *sock)
{
    sb__task_cancel(&sock->pump);
    sb_msg_destroy(sock->received);
    sb_msg_destroy(sock->pending);
    sb__queue_finish(&sock->events);
}

/* A message of the pattern's own making; the oldest goes when nobody fetches them. */
/* Queued with the number of whom it is about in front. */
void sb__deliver_event(sb_socket *sock, const sb_peer *from, const uint8_t *data, size_t len)
{
    sb_msg msg;
    uint64_t id = from != NULL ? from->id : 0;
    sb_msg_init(&msg);
    sb_msg_push(&msg, &id, sizeof id, NULL);
    sb_msg_push(&msg, data, len, NULL);
    while (sb__queue_full(&sock->events)) {
        sb__queue_pop(&sock->events);
        sb_socket_count_drop(sock, SB_DROP_HWM);
    }
    if (sb__queue_push(&sock->events, &msg) != SB_OK)
        sb_socket_count_drop(sock, SB_DROP_LOST);
    sb__pump(sock);
}

/* ---- public ---- */

/* Whether the table still decides for `call` (NULL: the handler for itself). */
static bool same_decision(sb_socket *sock, sb_route_call *call, const sb_msg *msg)
{
    if (sock->route == NULL || call == NULL)
        return sock->route == NULL && call == NULL;
    return sb__route_calls(sock->route, call, msg);
}

bool sb__takes_more(const sb_socket *sock, const sb_peer *peer)
{
    return peer->link != NULL && peer->link->next != NULL && !peer->sheds && !sock->detour &&
           sock->pattern->impl->taken == NULL && is_direct(sock, peer);
}

bool sb_socket_next(sb_socket *sock, sb_peer *peer, sb_msg *msg, sb_route_call *call)
{
    const sb_pattern_impl *impl = sock->pattern->impl;
    if (peer == NULL || !sb__takes_more(sock, peer) || !peer->link->next(peer, msg))
        return false;
    msg->peer = peer;
    if ((impl->filter == NULL || impl->filter(sock->pattern, peer, msg) == SB_OK) &&
        same_decision(sock, call, msg)) {
        SB_TRACE(6);
        count_in(peer, msg);
        return true;
    }
    peer->link->unread(peer, msg);
    return false;
}

void sb_socket_resume(sb_socket *sock)
{
    sock->stopped = false;
    sb__pump(sock);
}

/* Shows a message that the socket itself owns. */
static sb_err show_own(sb_socket *sock, sb_msg *own, sb_msg *out)
{
    sock->received = own;
    for (uint32_t i = 0; i < own->n; i++)
        if (sb_msg_push(out, own->frames[i].data, own->frames[i].len, own->frames[i].buf) != SB_OK)
            return SB_ENOMEM;
    out->envelope = own->envelope;
    out->peer = own->peer;
    return SB_OK;
}

static sb_err recv_event(sb_socket *sock, sb_msg *out)
{
    sb_msg *own = take_event(sock);
    return own != NULL ? show_own(sock, own, out) : SB_ENOMEM;
}

static sb_err recv_peer(sb_socket *sock, sb_msg *out)
{
    const sb_pattern_impl *impl = sock->pattern->impl;
    sb_peer *peer = fair_peer(sb_list_pop(&sock->fair));
    sb_err err = SB_OK;
    if (peer->sheds && !sb__overload_show(peer))
        return SB_ECANCELED;
    if (!sb__queue_peek(&peer->in, out))
        err = SB_ENOMEM;
    else if (peer->client != NULL && !sb__speaker_show(peer, out))
        err = SB_ECANCELED;
    else if (impl->filter != NULL && (err = impl->filter(sock->pattern, peer, out)) != SB_OK)
        err = refuse(sock, peer, err) == SB_OK ? SB_ECANCELED : SB_EAGAIN;
    if (err == SB_OK) {
        out->peer = peer;
        sock->peeked = peer;
        sb__pump(sock);
        if (impl->taken != NULL)
            impl->taken(sock->pattern, peer, out);
        sb_socket_passed(sock, peer, out, SB_DEED_HANDLED, NULL, NULL);
        return SB_OK;
    }
    sb_msg_finish(out);
    if (err == SB_ECANCELED)
        after_pop(peer);
    else
        sb__fair_update(peer);
    return err;
}

sb_err sb_socket_recv(sb_socket *sock, sb_msg *msg)
{
    const sb_pattern_impl *impl = sock->pattern->impl;
    if (!impl->can_recv)
        return SB_ENOTSUP;
    release_shown(sock);
    if (sock->pending != NULL) {
        sb_msg *own = sock->pending;
        sock->pending = NULL;
        return show_own(sock, own, msg);
    }
    if (sock->events.msgs > 0)
        return recv_event(sock, msg);
    while (!sb_list_empty(&sock->fair)) {
        sb_err err = recv_peer(sock, msg);
        if (err != SB_ECANCELED)
            return err;
    }
    return impl->out_of_turn != NULL && impl->out_of_turn(sock->pattern) ? SB_EFSM : SB_EAGAIN;
}
