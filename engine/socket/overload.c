/* Overload, where it is the socket's business: stages for its peers, what happens to the in queue of those
 * that only receive, time, and telling who is congested. Before: transport (a message came), pattern/pipe.c
 * (a queue is full). After: pattern/stage.c, the handler. */
#include "engine/socket/internal.h"

/* How often it is looked whether a full queue has moved since the last time. */
#define LOOK_EVERY (1 * SB_NS_PER_S)

/* What a socket sends waits in its peers' out queues, what it only receives in the in queues. */
static bool receives(const sb_socket *sock)
{
    return !sock->pattern->impl->can_send || sock->type == SB_XSUB;
}

/* ---- on_full = disconnect, where there is nobody who would not wait: a peer that is full may well be quick,
 * and what is too much come from far behind us. It is ended when between two looks nothing left. ---- */

static bool is_full(const sb_peer *peer)
{
    const sb_socket *sock = peer->socket;
    bool ends = sock->popts.on_full == SB_ON_FULL_DISCONNECT && !sock->closing && sock->engine->drain == NULL;
    if (!ends || !peer->ready || peer->link_data == NULL)
        return false;
    return receives(sock) ? peer->in_full : peer->out_full && sb__waits_by_default(sock->pattern);
}

/* Another number whenever something left its queue. A write of many messages, or of a large one, takes its
 * time: there its octets do, as the kernel of a slow peer takes them. */
static uint32_t what_left(const sb_peer *peer)
{
    const sb__conn *conn = sb__peer_conn(peer);
    uint64_t staged = peer->in_stage != NULL ? peer->in_stage->msgs : 0;
    if (receives(peer->socket))
        return (uint32_t)(peer->msgs_in - peer->in.msgs - staged - peer->dropped[SB_DROP_HWM]);
    return (uint32_t)(peer->msgs_out * 0x9e3779b1u + (conn != NULL ? sb_stream_untaken(conn->stream) : 0));
}

static void end_stuck(sb_peer *peer)
{
    if (receives(peer->socket))
        peer->link->kick(peer, SB_ECANCELED, "its queue was full (on_full)", false);
    else
        sb__pipe_disconnect(peer);
}

/* True: it has to be looked at again. */
static bool look_at(sb_peer *peer)
{
    uint32_t left = is_full(peer) ? what_left(peer) : 0;
    bool before = peer->looked && peer->left == left;
    peer->looked = is_full(peer);
    peer->left = left;
    if (!peer->looked || !before)
        return peer->looked;
    peer->looked = false;
    end_stuck(peer);
    return false;
}

static void on_patience(sb_timer *timer)
{
    sb_socket *sock = SB_LIST_ENTRY(timer, sb_socket, patience);
    bool again = false;
    SB_LIST_EACH_SAFE(n, after, &sock->peers)
    {
        again |= look_at(SB_LIST_ENTRY(n, sb_peer, peers));
    }
    if (again)
        sb_timer_start(sock->engine->loop, timer, sb_engine_now(sock->engine) + LOOK_EVERY);
}

static void watch(sb_socket *sock, const sb_peer *peer)
{
    if (is_full(peer) && sock->patience.deadline == SB_NEVER)
        sb_timer_start(sock->engine->loop, &sock->patience, sb_engine_now(sock->engine) + LOOK_EVERY);
}

void sb__overload_again(sb_peer *peer)
{
    peer->looked = false;
    watch(peer->socket, peer);
}

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
        watch(sock, peer);
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

static bool in_is_full(const sb_peer *peer)
{
    return peer->in_stage != NULL ? sb__stage_full(peer->in_stage) : sb__queue_full(&peer->in);
}

static void relieve(sb_peer *peer)
{
    bool low = peer->in_stage != NULL ? sb__stage_low(peer->in_stage) : sb__queue_low(&peer->in);
    if (peer->in_full && low && !in_is_full(peer))
        set_in_full(peer, false);
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
        relieve(peer);
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

/* What it has no room for it does not read. */
static bool waits(const sb_socket *sock)
{
    return sock->popts.on_full != SB_ON_FULL_DROP_NEW && sock->popts.on_full != SB_ON_FULL_DROP_OLD;
}

bool sb__overload_takes(const sb_peer *peer)
{
    return (peer->sheds && !waits(peer->socket)) || !in_is_full(peer);
}

static sb_err push_plain(sb_peer *peer, const sb_msg *msg)
{
    sb__queue_tick(&peer->in);
    sb_err err = sb__queue_push(&peer->in, msg);
    bool over = err == SB_EAGAIN && waits(peer->socket) && sb__may_go_over(&peer->in);
    return over ? sb__queue_push_over(&peer->in, msg) : err;
}

static sb_err push(sb_peer *peer, const sb_msg *msg)
{
    sb_socket *sock = peer->socket;
    if (peer->in_stage == NULL)
        return push_plain(peer, msg);
    sb__queue_tick(&peer->in);
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
}

sb_err sb__overload_enqueue(sb_peer *peer, const sb_msg *msg)
{
    sb_err err = push(peer, msg);
    if (err == SB_EAGAIN && !waits(peer->socket))
        refuse(peer);
    else if (err != SB_OK)
        sb__peer_drop(peer, SB_DROP_LOST, 1);
    sb__fair_update(peer);
    if (!waits(peer->socket) || !in_is_full(peer))
        return SB_OK;
    if (peer->socket->popts.on_full == SB_ON_FULL_DISCONNECT)
        set_in_full(peer, true);
    return SB_EAGAIN;
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
    relieve(peer);
}

/* ---- life ---- */

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
    peer->sheds = in && (*slot != NULL || o->on_full > SB_ON_FULL_BLOCK);
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
    sb_timer_init(&sock->patience, on_patience);
}

void sb__overload_finish(sb_socket *sock)
{
    sb__task_cancel(&sock->congestion);
    sb_timer_stop(sock->engine->loop, &sock->expiry);
    sb_timer_stop(sock->engine->loop, &sock->patience);
}
