/* Overload, where it is the socket's business: stages for its peers, what happens to the in queue of those
 * that only receive, time, and telling who is congested. Before: transport (a message came), pattern/pipe.c
 * (a queue is full). After: pattern/stage.c, the handler. */
#include "engine/socket/internal.h"

/* ---- congestion ---- */

static void tell(sb_socket *sock, sb_peer *peer, bool congested)
{
    sb_stats s;
    sb_peer_stats(peer, &s);
    sb_event event = {.queued_msgs = peer->sheds ? s.queued_in_msgs : s.queued_out_msgs,
        .queued_bytes = peer->sheds ? s.queued_in_bytes : s.queued_out_bytes};
    sb__event_peer(sock, congested ? SB_EVENT_CONGESTED : SB_EVENT_RELIEVED, peer, &event);
}

/* At the end of the turn: never from inside a send, and what was over within the turn is not told. */
static void tell_all(sb__task *task)
{
    sb_socket *sock = SB_LIST_ENTRY(task, sb_socket, congestion);
    while (!sb_list_empty(&sock->crowded)) {
        sb_peer *peer = SB_LIST_ENTRY(sb_list_pop(&sock->crowded), sb_peer, crowded);
        bool congested = peer->out_full || peer->in_full;
        if (congested != peer->told_congested) {
            peer->told_congested = congested;
            tell(sock, peer, congested);
        }
    }
}

void sb__overload_changed(sb_socket *sock, sb_peer *peer)
{
    if (!sb_list_linked(&peer->crowded))
        sb_list_push_back(&sock->crowded, &peer->crowded);
    sb__hub_input(&sock->engine->hub, &sock->congestion);
}

static void set_in_full(sb_peer *peer, bool full)
{
    if (peer->in_full == full)
        return;
    peer->in_full = full;
    sb__overload_changed(peer->socket, peer);
}

/* ---- time ---- */

static uint64_t expire_peer(sb_peer *peer, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    if (peer->out_stage != NULL) {
        next = sb__stage_expire(peer->out_stage, now);
        sb__pipe_drained(peer);
    } else if (peer->in_stage != NULL) {
        next = sb__stage_expire(peer->in_stage, now);
        sb__in_drained(peer);
    }
    return next;
}

static void on_expiry(sb_timer *timer)
{
    sb_socket *sock = SB_LIST_ENTRY(timer, sb_socket, expiry);
    uint64_t now = sb_engine_now(sock->engine), first = UINT64_MAX;
    SB_LIST_EACH_SAFE(n, after, &sock->peers)
    {
        uint64_t next = expire_peer(SB_LIST_ENTRY(n, sb_peer, peers), now);
        first = next < first ? next : first;
    }
    if (first != UINT64_MAX)
        sb_timer_start(sock->engine->loop, &sock->expiry, first);
}

uint64_t sb__overload_stamp(sb_socket *sock)
{
    uint64_t now = sb_engine_now(sock->engine), ttl = sock->popts.stage.ttl;
    if (ttl != 0 && sock->expiry.deadline == SB_NEVER)
        sb_timer_start(sock->engine->loop, &sock->expiry, now + ttl);
    return now;
}

/* ---- the in queue of a socket that only receives ---- */

static bool waits(const sb_socket *sock)
{
    return sock->popts.on_full == SB_ON_FULL_DEFAULT || sock->popts.on_full == SB_ON_FULL_BLOCK;
}

static bool in_is_full(const sb_peer *peer)
{
    return peer->in_stage != NULL ? sb__stage_full(peer->in_stage) : sb__queue_full(&peer->in);
}

bool sb__overload_takes(const sb_peer *peer)
{
    return (peer->sheds && !waits(peer->socket)) || !in_is_full(peer);
}

static sb_err push(sb_peer *peer, const sb_msg *msg)
{
    sb_socket *sock = peer->socket;
    sb__queue_tick(&peer->in);
    if (peer->in_stage == NULL)
        return sb__queue_push(&peer->in, msg);
    uint64_t evicted = peer->dropped[SB_DROP_EVICTED], now = sb__overload_stamp(sock);
    sb_err err = sb__stage_push(peer->in_stage, msg, now, sock->popts.on_full == SB_ON_FULL_DROP_OLD);
    if (err == SB_EAGAIN && waits(sock))
        err = sb__stage_push_over(peer->in_stage, msg, now);
    if (evicted != peer->dropped[SB_DROP_EVICTED])
        set_in_full(peer, true);
    return err;
}

static void refuse(sb_peer *peer)
{
    sb__peer_drop(peer, SB_DROP_HWM, 1);
    set_in_full(peer, true);
    if (peer->socket->popts.on_full == SB_ON_FULL_DISCONNECT && peer->link != NULL)
        peer->link->kick(peer, SB_ECANCELED, "its queue was full (on_full)", false);
}

sb_err sb__overload_enqueue(sb_peer *peer, const sb_msg *msg)
{
    sb_err err = push(peer, msg);
    if (err == SB_EAGAIN)
        refuse(peer);
    else if (err != SB_OK)
        sb__peer_drop(peer, SB_DROP_LOST, 1);
    sb__fair_update(peer);
    return waits(peer->socket) && in_is_full(peer) ? SB_EAGAIN : SB_OK;
}

bool sb__overload_show(sb_peer *peer)
{
    if (peer->in_stage == NULL)
        return true;
    sb__stage_fill(peer->in_stage, 0, sb__overload_stamp(peer->socket));
    peer->in_stage->shown = peer->in.msgs > 0;
    if (peer->in.msgs == 0)
        sb__in_drained(peer);
    return peer->in_stage->shown;
}

void sb__overload_shown(sb_peer *peer)
{
    sb__stage *stage = peer->in_stage;
    if (stage != NULL) {
        stage->shown = false;
        sb__stage_fill(stage, 0, sb__overload_stamp(peer->socket));
    }
    if (peer->in_full && (stage != NULL ? sb__stage_low(stage) : sb__queue_low(&peer->in)))
        set_in_full(peer, false);
}

/* ---- life ---- */

/* What a socket sends waits in its peers' out queues, what it only receives in the in queues. */
static bool receives(const sb_socket *sock)
{
    return !sock->pattern->impl->can_send || sock->type == SB_XSUB;
}

sb_err sb__overload_peer(sb_peer *peer)
{
    sb_socket *sock = peer->socket;
    const sb__pattern_options *o = &sock->popts;
    bool in = receives(sock), keyed = o->stage.key != 0 && o->stage.key != SB__STAGE_ONE;
    bool staged = o->stage.ttl != 0 || keyed || (o->on_full == SB_ON_FULL_DROP_OLD && !o->conflate);
    sb__stage **slot = in ? &peer->in_stage : &peer->out_stage;
    if (staged && *slot == NULL) {
        sb__queue *queue = in ? &peer->in : &peer->out;
        *slot = sb__stage_create(queue, &o->stage, peer->dropped);
        if (*slot == NULL)
            return SB_ENOMEM;
        queue->conflate = false;
    }
    peer->sheds = in && (*slot != NULL || !waits(sock));
    return SB_OK;
}

static void finish_stage(sb_peer *peer, sb__stage **stage)
{
    if (*stage != NULL)
        sb__peer_drop(peer, SB_DROP_LOST, sb__stage_clear(*stage));
    sb__stage_destroy(*stage);
    *stage = NULL;
}

void sb__overload_peer_finish(sb_peer *peer)
{
    finish_stage(peer, &peer->in_stage);
    finish_stage(peer, &peer->out_stage);
    sb_list_remove(&peer->crowded);
}

void sb__overload_init(sb_socket *sock)
{
    sb_list_init(&sock->crowded);
    sb__task_init(&sock->congestion, tell_all);
    sb_timer_init(&sock->expiry, on_expiry);
}

void sb__overload_finish(sb_socket *sock)
{
    sb__task_cancel(&sock->congestion);
    sb_timer_stop(sock->engine->loop, &sock->expiry);
}
