/* The orderly end of an engine: no more input, all that was accepted is sent or reported. */
#include "engine/socket/internal.h"

#define CHECK_EVERY (2 * SB_NS_PER_MS)
#define ASK_TIME    (20 * SB_NS_PER_MS) /* in which peers are ended behind their answers */
#define CALM_OURS   3   /* looks without anything moving until pairs are parted that wait for each other... */
#define CALM_OTHERS 250 /* ... and while ends of others are awaited too, which may wait for us */
#define CLOSE_TIME  (1 * SB_NS_PER_S) /* for the peers to end their side */

typedef struct totals {
    uint64_t sent, received, msgs, bytes, incomplete;
    uint32_t peers;
    uint32_t ending;                 /* connections that are read until their peers' end */
    uint32_t others;                 /* ... whose peers are not ours */
    bool on_way;                     /* something is between two ends that are ours */
    uint32_t links[SB_INSIDE_COUNT]; /* over which mates may still send something */
    bool moving;                     /* something that has a consumer still waits in an in queue */
} totals;

static void add_conn(totals *t, const sb__conn *conn)
{
    if (conn == NULL)
        return;
    t->on_way |= sb__pairs_on_way(conn);
    t->others += conn->ending && !conn->ours;
}

static void add_socket(totals *t, const sb_socket *sock)
{
    sb_stats s;
    sb_socket_stats(sock, &s);
    bool consumer = sock->route != NULL || (sock->handler != NULL && sock->handler->on_msg != NULL);
    t->sent += s.msgs_out;
    t->received += s.msgs_in;
    t->incomplete += s.dropped[SB_DROP_INCOMPLETE];
    t->msgs += s.queued_out_msgs + s.queued_in_msgs;
    t->bytes += s.queued_out_bytes + s.queued_in_bytes;
    t->moving |= s.queued_out_msgs > 0 || (s.queued_in_msgs > 0 && consumer && !sock->stopped);
    t->links[sock->inside] += sock->gate.open;
    bool asked = !sock->engine->drain_asked && sb__socket_answers(sock);
    SB_LIST_EACH(n, &sock->peers)
    {
        const sb_peer *peer = SB_LIST_ENTRY(n, sb_peer, peers);
        t->peers += peer->out.msgs > 0;
        t->moving |= peer->pauses > 0 || peer->held != NULL;
        t->moving |= peer->ready && (asked || sb__peer_awaits(peer));
        add_conn(t, sb__peer_conn(peer));
    }
}

static totals count(const sb_engine *engine)
{
    totals t = {.ending = engine->hub.ending};
    SB_LIST_EACH(n, &engine->sockets)
    {
        add_socket(&t, SB_LIST_ENTRY(n, sb_socket, node));
    }
    return t;
}

/* All is sent or the time is over: the sums are final. Connections end in order, which takes their peers a
 * moment. */
static void begin_close(sb_engine *engine, uint64_t now)
{
    totals t = count(engine);
    engine->drain_report = (sb_drain_report){
        .sent_msgs = t.sent - engine->drain_sent_before,
        .unsent_msgs = t.msgs,
        .unsent_bytes = t.bytes,
        .peers_with_unsent = t.peers,
        .unread_peers = engine->hub.ending,
        .incomplete_msgs = t.incomplete - engine->drain_incomplete_before,
    };
    SB_LIST_EACH(n, &engine->sockets)
    {
        sb__socket_abort(SB_LIST_ENTRY(n, sb_socket, node));
    }
    engine->drain_closing = true;
    engine->drain_deadline = now + CLOSE_TIME;
}

static bool closed(const sb_engine *engine)
{
    return sb_list_empty(&engine->sockets) && engine->hub.handles == 0;
}

/* From now on requests wait for our successor. */
static void stop_asking(sb_engine *engine)
{
    engine->drain_asked = true;
    SB_LIST_EACH(n, &engine->sockets)
    {
        sb_socket *sock = SB_LIST_ENTRY(n, sb_socket, node);
        if (sb__socket_answers(sock))
            sb__socket_quiesce(sock);
    }
}

static bool is_over(const totals *t)
{
    return !t->moving && t->ending == 0;
}

/* Only ends are awaited: some of them for ever, where the peer is ours and waits for our end itself. Before
 * either goes, all that was sent between any two must have come, and what became of it have gone on. */
static void part_pairs(sb_engine *engine, const totals *t)
{
    bool calm = !t->moving && !t->on_way && t->ending > 0 && t->received == engine->drain_received;
    engine->drain_received = t->received;
    engine->drain_calm = calm ? engine->drain_calm + 1 : 0;
    if (engine->drain_calm < (t->others == 0 ? CALM_OURS : CALM_OTHERS))
        return;
    engine->drain_calm = 0;
    sb__pairs_part(engine);
}

/* Links end one kind after the other: work first, what answers it when all mates' work has ended. */
static bool is_alone(sb_engine *engine, const totals *t)
{
    while (is_over(t) && engine->drain_parted + 1 < SB_INSIDE_COUNT &&
           (engine->drain_parted == SB_OUTSIDE || t->links[engine->drain_parted] == 0))
        sb__team_part(engine, ++engine->drain_parted);
    return t->links[SB_INSIDE] + t->links[SB_INSIDE_REACH] == 0;
}

/* What was taken from one peer may be for another whose connect had nothing to do until now. */
static void wake_dialers(sb_engine *engine)
{
    SB_LIST_EACH(n, &engine->sockets)
    {
        sb_stats s;
        sb_socket *sock = SB_LIST_ENTRY(n, sb_socket, node);
        sb_socket_stats(sock, &s);
        if (s.queued_out_msgs > 0)
            sb__socket_release(sock);
    }
}

static void on_check(sb_timer *timer)
{
    sb_engine *engine = SB_LIST_ENTRY(timer, sb_engine, drain_timer);
    uint64_t now = sb_engine_now(engine);
    bool late = now >= engine->drain_deadline;
    if (engine->drain_closing && (late || closed(engine))) {
        engine->drain->on_drained(engine->drain, &engine->drain_report);
        return;
    }
    if (!engine->drain_asked && now >= engine->drain_ask_until)
        stop_asking(engine);
    totals t = count(engine);
    bool alone = engine->drain_closing || is_alone(engine, &t);
    if (!engine->drain_closing && (late || (is_over(&t) && alone)))
        begin_close(engine, now);
    if (!engine->drain_closing) {
        part_pairs(engine, &t);
        wake_dialers(engine);
    }
    sb_timer_start(engine->loop, timer, now + CHECK_EVERY);
}

void sb__drain_init(sb_engine *engine)
{
    sb_timer_init(&engine->drain_timer, on_check);
}

sb_err sb_engine_drain(sb_engine *engine, uint64_t deadline_ns, sb_drain *drain)
{
    if (engine->drain != NULL)
        return SB_EFSM;
    engine->drain = drain;
    totals before = count(engine);
    engine->drain_sent_before = before.sent;
    engine->drain_incomplete_before = before.incomplete;
    uint64_t now = sb_engine_now(engine);
    engine->drain_ask_until = now + ASK_TIME;
    engine->drain_deadline = deadline_ns > SB_NEVER - now ? SB_NEVER : now + deadline_ns;
    sb__pairs_mark(engine);
    SB_LIST_EACH(n, &engine->sockets)
    {
        sb__socket_quiesce(SB_LIST_ENTRY(n, sb_socket, node));
    }
    return sb_timer_start(engine->loop, &engine->drain_timer, now + CHECK_EVERY);
}
