/* What must hold in a world: at every message that is taken, whenever all is quiet, and at the end. */
#include "engine/pattern/fan.h"
#include "engine/socket/internal.h"
#include "tests/sim/sim.h"

#define TABLE     (1u << 17)
#define GREETINGS 4 /* hello_msg, a probe, two notices of one connection */

/* ---- what was seen: a table that forgets with each run ---- */

typedef struct seen {
    uint64_t key;
    uint32_t serial, value;
} seen;

static seen table[TABLE];

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h + 0x1b873593) * 0x9e3779b97f4a7c15ull ^ v;
    h *= 0xbf58476d1ce4e5b9ull;
    return h ^ (h >> 29);
}

static seen *lookup(sim *w, uint64_t key)
{
    for (uint32_t i = 0; i < 1000; i++) {
        seen *at = &table[(key + i) % TABLE];
        if (at->serial != w->serial)
            *at = (seen){.key = key, .serial = w->serial, .value = UINT32_MAX};
        if (at->key == key)
            return at;
    }
    sim_fail(w, SIM_HARNESS, "the table of what was seen is full");
}

enum { SEEN_ONCE = 1, SEEN_ORDER, SEEN_ORIGIN, SEEN_WIRE };

static uint64_t peer_key(uint32_t kind, const sim_slot *s, uint64_t peer)
{
    return mix(mix(mix(kind, s->index), s->life), peer);
}

uint8_t sim_origin_of(const sim_slot *s, uint64_t peer)
{
    const seen *at = lookup(s->world, peer_key(SEEN_ORIGIN, s, peer));
    return at->value == UINT32_MAX ? SIM_ANYBODY : (uint8_t)at->value;
}

/* ---- a message is taken ---- */

static bool copies_itself(const sim *w, uint8_t origin)
{
    return origin < w->nslots &&
           (SB_TYPE_BIT(w->slots[origin].type) & (SB_TYPE_BIT(SB_PUB) | SB_TYPE_BIT(SB_XPUB) |
                                                     SB_TYPE_BIT(SB_XSUB) | SB_TYPE_BIT(SB_RADIO))) != 0;
}

static bool repeats_itself(const sim_slot *s)
{
    return sim_has(s, SB_OPT_RETAIN_LAST) || sim_has(s, SB_OPT_REQ_RESEND);
}

/* What is retained is sent to every new subscriber, what is not answered to somebody else. */
static bool may_repeat(const sim *w, const sim_slot *s, uint8_t origin)
{
    bool relay = false;
    for (uint8_t i = 0; i < w->nslots && s->fed; i++)
        relay |= w->slots[i].relay != SIM_RELAY_NONE && repeats_itself(&w->slots[i]);
    return relay || (origin < w->nslots && repeats_itself(&w->slots[origin]));
}

static void check_once(sim *w, const sim_slot *s, uint64_t peer, const sim_stamp *st)
{
    uint64_t from = copies_itself(w, st->origin) ? peer_key(SEEN_ONCE, s, peer) : SEEN_ONCE;
    seen *at = lookup(w, mix(mix(mix(from, st->origin), st->life), st->seq));
    if (at->value != UINT32_MAX && !may_repeat(w, s, st->origin))
        sim_fail(w, SIM_TWICE, "message %u of slot %u came twice, the second time to slot %u", st->seq,
            st->origin, s->index);
    at->value = 1;
}

static bool has_key(const sim *w, uint8_t slot)
{
    return slot < w->nslots && w->slots[slot].conflate_key != 0;
}

/* A newer message of a key takes the place of an older one, at either end or in a relay between them. */
static bool may_overtake(const sim *w, const sim_slot *s, uint8_t origin)
{
    bool relay = false;
    for (uint8_t i = 0; i < w->nslots && s->fed; i++)
        relay |= w->slots[i].relay != SIM_RELAY_NONE && has_key(w, i);
    return relay || has_key(w, s->index) || has_key(w, origin);
}

/* Through a relay whose connections come and go, two connections of one origin overtake each other. */
static void check_order(sim *w, const sim_slot *s, uint64_t peer, const sim_stamp *st)
{
    seen *at = lookup(w, mix(mix(peer_key(SEEN_ORDER, s, peer), st->origin), st->life));
    bool late = at->value != UINT32_MAX && st->seq <= at->value;
    if (late && !may_overtake(w, s, st->origin) && !may_repeat(w, s, st->origin) && !(s->fed && w->parted))
        sim_fail(w, SIM_ORDER, "slot %u got message %u of slot %u after message %u", s->index, st->seq,
            st->origin, at->value);
    if (!late)
        at->value = st->seq;
}

static bool linked(const sim *w, uint8_t a, uint8_t b)
{
    for (uint32_t i = 0; i < w->nlinks; i++)
        if ((w->links[i].from == a && w->links[i].to == b) || (w->links[i].from == b && w->links[i].to == a))
            return true;
    return false;
}

static void check_origin(sim *w, const sim_slot *s, uint64_t peer, const sim_stamp *st)
{
    if (st->to != SIM_ANYBODY && st->to != s->index)
        sim_fail(w, SIM_ORIGIN, "slot %u got a message for slot %u", s->index, st->to);
    if (s->fed || st->origin == SIM_RAW)
        return;
    if (!linked(w, s->index, st->origin))
        sim_fail(w, SIM_ORIGIN, "slot %u got a message of slot %u, which is no peer", s->index, st->origin);
    seen *at = lookup(w, peer_key(SEEN_ORIGIN, s, peer));
    if (at->value != UINT32_MAX && at->value != st->origin)
        sim_fail(w, SIM_ORIGIN, "slot %u got octets of slot %u over a connection of slot %u", s->index,
            st->origin, at->value);
    at->value = st->origin;
}

/* How often the kernel gave a datagram, less how often it was taken. */
static seen *arrivals(sim *w, const sim_slot *s, const sim_stamp *st)
{
    seen *at = lookup(w, mix(mix(mix(peer_key(SEEN_WIRE, s, 0), st->origin), st->life), st->seq));
    at->value = at->value == UINT32_MAX ? 0 : at->value;
    return at;
}

void sim_note_arrival(sim *w, const sim_slot *s, const sim_stamp *st)
{
    arrivals(w, s, st)->value++;
}

/* Datagrams get lost, come twice and in any order, and more is not made of them. */
static void check_datagram(sim *w, const sim_slot *s, const sim_stamp *st)
{
    if (st->origin >= w->nslots || w->slots[st->origin].type != SB_DGRAM || st->to != s->index)
        sim_fail(w, SIM_ORIGIN, "slot %u got message %u of slot %u, which is for slot %u", s->index, st->seq,
            st->origin, st->to);
    seen *at = arrivals(w, s, st);
    if (at->value == 0)
        sim_fail(w, SIM_TWICE, "slot %u took datagram %u of slot %u once more than it came", s->index,
            st->seq, st->origin);
    at->value--;
}

void sim_check_taken(sim *w, sim_slot *s, const sb_peer *peer, const sim_stamp *st)
{
    uint64_t id = peer != NULL ? peer->id : 0;
    sim_note(w, "taken", s->index, (uint64_t)st->origin << 32 | st->seq);
    if (s->type == SB_DGRAM) {
        check_datagram(w, s, st);
        return;
    }
    check_once(w, s, id, st);
    if (peer == NULL)
        return; /* its connection is gone: which one it was is not known any more */
    check_origin(w, s, id, st);
    sim_check_door(w, s, peer);
    check_order(w, s, id, st);
}

/* Peers, each once. */
struct peers {
    const sb_peer *v[64];
    uint32_t n;
};

static void note_peers(struct peers *got, const sb__topic_sub *subs, uint32_t n)
{
    for (uint32_t i = 0, k; i < n && got->n < 64; i++) {
        for (k = 0; k < got->n && got->v[k] != subs[i].peer; k++)
            ;
        if (k == got->n)
            got->v[got->n++] = subs[i].peer;
    }
}

uint64_t sim_copies(const sim_slot *s, const void *topic, size_t len)
{
    const sb__fan *fan = (const sb__fan *)s->sock->pattern;
    const sb__topic_sub *subs;
    struct peers got = {.n = 0};
    uint32_t n = 0;
    if (fan->exact) {
        subs = sb__topics_exact(&fan->topics, topic, len, &n);
        note_peers(&got, subs, n);
        return got.n;
    }
    sb__topic_cursor c = sb__topics_walk(&fan->topics, topic, len);
    while ((subs = sb__topics_next(&c, &n)) != NULL)
        note_peers(&got, subs, n);
    return got.n;
}

/* ---- all is quiet ---- */

/* Octets of the largest message that this slot's queues may hold: what the others sent, and what a relay puts
 * before it. A STREAM takes what one read brought. */
static uint64_t largest(const sim *w, const sim_slot *s)
{
    return s->type == SB_STREAM ? SIM_FRAME_MAX : w->largest + 100;
}

/* Of connections and subscriptions that began or ended. */
static uint64_t own_messages(const sim_slot *s)
{
    return s->type == SB_STREAM || sim_greets(s) ? s->told : 0;
}

static void check_messages(sim *w, const sim_slot *s, const sb__queue *q, bool in)
{
    uint64_t planned = (uint64_t)(in ? s->hwm_in : s->hwm_out);
    uint64_t told = GREETINGS * own_messages(s); /* which no limit keeps out */
    if (q->conflate && q->hwm_msgs == 1)
        planned = 2; /* one that is written, the newest */
    if (!in && sim_has(s, SB_OPT_RETAIN_LAST))
        return; /* it has limits of its own */
    /* in: one that was here when the limit was found to be reached */
    if (planned != 0 && q->msgs > planned + told + in)
        sim_fail(w, SIM_LIMIT, "slot %u: %u messages in an %s queue, limit %llu", s->index, q->msgs,
            in ? "in" : "out", (unsigned long long)planned);
}

static void check_queue(sim *w, const sim_slot *s, const sb__queue *q, bool in)
{
    uint64_t planned = (uint64_t)s->hwm_bytes;
    check_messages(w, s, q, in);
    /* One message may go beyond it, and one was here already, or takes the place of all that wait. */
    if (planned != 0 && q->bytes > planned + (1 + (in || q->conflate)) * largest(w, s))
        sim_fail(w, SIM_LIMIT, "slot %u: %llu octets in an %s queue, limit %llu", s->index,
            (unsigned long long)q->bytes, in ? "in" : "out", (unsigned long long)planned);
    if ((q->msgs == 0) != (q->bytes == 0))
        sim_fail(w, SIM_LAW, "slot %u: %u messages of %llu octets", s->index, q->msgs,
            (unsigned long long)q->bytes);
}

static uint64_t staged(const sb__stage *stage)
{
    return stage != NULL ? stage->bytes : 0;
}

/* What a direction of a peer holds, and how much of it a budget that others filled does not keep out: its
 * first message, and one that was here already. */
typedef struct share {
    uint64_t octets, exempt;
} share;

static void add_share(share *all, const sb__queue *q, const sb__stage *stage, uint64_t most)
{
    uint64_t octets = q->bytes + staged(stage);
    all->octets += octets;
    all->exempt += octets < 2 * most ? octets : 2 * most;
}

/* What the engines of a world queue, exactly; the budget says the same. */
static void check_budget(sim *w, const sim_engine *e)
{
    share all = {0};
    uint64_t most = w->largest + 100;
    SB_LIST_EACH(n, &e->engine->sockets)
    {
        const sb_socket *sock = SB_LIST_ENTRY(n, sb_socket, node);
        uint64_t of_socket = sock->type == SB_STREAM ? SIM_FRAME_MAX : w->largest + 100;
        most = most > of_socket ? most : of_socket;
        SB_LIST_EACH(m, &sock->peers)
        {
            const sb_peer *peer = SB_LIST_ENTRY(m, sb_peer, peers);
            add_share(&all, &peer->in, peer->in_stage, of_socket);
            add_share(&all, &peer->out, peer->out_stage, of_socket);
        }
    }
    if (all.octets != e->engine->budget.used)
        sim_fail(w, SIM_BUDGET, "%llu octets are queued, the budget says %llu",
            (unsigned long long)all.octets, (unsigned long long)e->engine->budget.used);
    if (w->budget != 0 && all.octets > w->budget + most + all.exempt)
        sim_fail(w, SIM_BUDGET, "%llu octets are queued over a budget of %llu, of which %llu had to be",
            (unsigned long long)all.octets, (unsigned long long)w->budget, (unsigned long long)all.exempt);
}

typedef struct sums {
    uint64_t in, out, queued, dropped;
} sums;

static sums sums_of(const sim_slot *s)
{
    sb_stats st;
    sb_socket_stats(s->sock, &st);
    sums t = {.in = st.msgs_in, .out = st.msgs_out, .queued = st.queued_in_msgs + st.queued_out_msgs};
    for (int i = 0; i < SB_DROP_COUNT; i++)
        t.dropped += st.dropped[i];
    /* What never came whole, and subscriptions that were denied, are no messages. */
    if (s->type == SB_REQ)
        t.dropped -= st.dropped[SB_DROP_EXPIRED]; /* it is the answer that is missing */
    if (s->type == SB_DGRAM)
        t.dropped += st.dropped[SB_DROP_OVERSIZE]; /* it is too large to be sent */
    t.dropped -= st.dropped[SB_DROP_OVERSIZE] + st.dropped[SB_DROP_INCOMPLETE] + st.dropped[SB_DROP_DENIED];
    return t;
}

static void compare(sim *w, const sim_slot *s, uint64_t came, uint64_t went, const sums *t)
{
    /* Subscription events that found no memory are counted as lost; nobody sent them. */
    bool slack = w->refused && s->type == SB_XPUB && went > came;
    uint64_t own = own_messages(s) + (s->relay == SIM_RELAY_FRONT ? own_messages(s + 1) : 0);
    slack |= went > came && (went - came <= GREETINGS * own || repeats_itself(s));
    if (came != went && !slack)
        sim_fail(w, SIM_LAW,
            "slot %u (%s): %llu came (%llu sent, %llu in) but %llu went (%llu taken, %llu out, %llu queued, "
            "%llu dropped)",
            s->index, sb_type_name(s->type), (unsigned long long)came, (unsigned long long)s->accepted,
            (unsigned long long)t->in, (unsigned long long)went, (unsigned long long)s->delivered,
            (unsigned long long)t->out, (unsigned long long)t->queued, (unsigned long long)t->dropped);
}

/* Accepted plus received is taken, sent, queued or dropped for a reason: nothing else. */
static void check_law(sim *w, const sim_slot *s)
{
    sums t = sums_of(s);
    if (s->relay == SIM_RELAY_NONE) {
        compare(w, s, s->accepted + t.in, s->delivered + t.out + t.queued + t.dropped, &t);
        return;
    }
    const sim_slot *back = s + 1;
    if (s->relay != SIM_RELAY_FRONT || back->type == SB_XPUB || back->sock == NULL || s->life != back->life)
        return; /* a publisher copies; halves of two lives do not add up */
    sums b = sums_of(back);
    compare(w, s, t.in + b.in, t.out + b.out + t.queued + b.queued + t.dropped + b.dropped, &t);
}

/* What it cannot take it does not read. */
static bool waits(const sim_slot *s)
{
    static const uint32_t takers =
        SB_TYPE_BIT(SB_PULL) | SB_TYPE_BIT(SB_GATHER) | SB_TYPE_BIT(SB_SUB) | SB_TYPE_BIT(SB_DISH);
    bool drops = s->on_full == SB_ON_FULL_DROP_NEW || s->on_full == SB_ON_FULL_DROP_OLD;
    return (SB_TYPE_BIT(s->type) & takers) != 0 && !drops;
}

/* Nothing is lost with a connection while none is, and nothing is too much for who waits. */
static void check_lost(sim *w, const sim_slot *s)
{
    sb_stats st;
    sb_socket_stats(s->sock, &st);
    if (waits(s) && st.dropped[SB_DROP_HWM] > 0)
        sim_fail(w, SIM_LOST, "slot %u (%s): %llu messages are dropped where it should not read on", s->index,
            sb_type_name(s->type), (unsigned long long)st.dropped[SB_DROP_HWM]);
    bool gives_up = s->type == SB_REQ && /* what it asked before, or elsewhere */
                    (s->relaxed || sim_has(s, SB_OPT_REQ_DEADLINE) || sim_has(s, SB_OPT_REQ_RESEND));
    gives_up |= s->type == SB_DGRAM; /* what the kernel does not want is lost */
    if (st.dropped[SB_DROP_LOST] > 0 && !w->parted && !w->refused && !gives_up)
        sim_fail(w, SIM_LOST, "slot %u (%s): %llu messages are lost, and no connection is", s->index,
            sb_type_name(s->type), (unsigned long long)st.dropped[SB_DROP_LOST]);
}

static void check_wire(sim *w, const sim_slot *s)
{
    sums t = sums_of(s);
    if (t.out != s->wire_sent || t.in != s->wire_got)
        sim_fail(w, SIM_WIRE, "slot %u counts %llu datagrams out and %llu in, the kernel %llu and %llu",
            s->index, (unsigned long long)t.out, (unsigned long long)t.in, (unsigned long long)s->wire_sent,
            (unsigned long long)s->wire_got);
}

static void check_slot(sim *w, const sim_slot *s)
{
    check_lost(w, s);
    if (s->type == SB_DGRAM)
        check_wire(w, s);
    SB_LIST_EACH(n, &s->sock->peers)
    {
        const sb_peer *peer = SB_LIST_ENTRY(n, sb_peer, peers);
        check_queue(w, s, &peer->in, true);
        check_queue(w, s, &peer->out, false);
    }
    check_law(w, s);
}

void sim_check(sim *w)
{
    for (uint32_t i = 0; i < w->nslots; i++)
        if (w->slots[i].sock != NULL && !w->slots[i].sock->closed)
            check_slot(w, &w->slots[i]);
    for (uint32_t i = 0; i < w->nengines; i++) {
        if (w->engines[i].engine == NULL)
            continue;
        check_budget(w, &w->engines[i]);
        const char *complaint = sb_fake_complaint(w->engines[i].loop);
        if (complaint != NULL)
            sim_fail(w, SIM_CONTRACT, "engine %u: %s", i, complaint);
    }
}

/* ---- after a long calm ---- */

static void check_connected(sim *w, const sim_slot *s)
{
    uint32_t want = s->type == SB_DGRAM ? 1 : sim_links_of(w, s); /* an endpoint is a peer */
    sb_stats st;
    sb_socket_stats(s->sock, &st);
    if (st.peers != want)
        sim_fail(w, SIM_STUCK, "slot %u (%s) has %llu peers after the calm, expected %u", s->index,
            sb_type_name(s->type), (unsigned long long)st.peers, want);
}

/* A relay with nobody behind it keeps what it says of strangers. */
static bool leads_nowhere(const sim *w, const sim_slot *s)
{
    return s->relay != SIM_RELAY_NONE && sim_links_of(w, s->relay == SIM_RELAY_FRONT ? s + 1 : s - 1) == 0;
}

static void check_flushed(sim *w, const sim_slot *s)
{
    if (leads_nowhere(w, s))
        return;
    SB_LIST_EACH(n, &s->sock->peers)
    {
        const sb_peer *peer = SB_LIST_ENTRY(n, sb_peer, peers);
        if (peer->held != NULL)
            sim_fail(w, SIM_STUCK, "slot %u still holds a message", s->index);
        if (peer->out.msgs > 0)
            sim_fail(w, SIM_STUCK, "slot %u (%s): %u messages were never sent (peer %s)", s->index,
                sb_type_name(s->type), peer->out.msgs, peer->ready ? "ready" : "not ready");
        if (peer->in.msgs > 0)
            sim_fail(w, SIM_STUCK, "slot %u (%s): %u messages were never taken", s->index,
                sb_type_name(s->type), peer->in.msgs);
    }
}

/* While no connection was lost, what went out came in. */
static void check_arrived(sim *w)
{
    uint64_t in = 0, out = 0;
    for (uint32_t i = 0; i < w->nslots; i++) {
        sums t = sums_of(&w->slots[i]);
        if (w->slots[i].type == SB_STREAM || w->slots[i].type == SB_DGRAM)
            continue; /* octets come in other pieces than they went, datagrams not at all */
        in += t.in;
        out += t.out;
    }
    if (!w->parted && !w->raws && !w->refused && in != out)
        sim_fail(w, SIM_LOST, "%llu messages went out, %llu came in", (unsigned long long)out,
            (unsigned long long)in);
}

void sim_check_rest(sim *w)
{
    sim_check(w);
    for (uint32_t i = 0; i < w->nslots; i++) {
        const sim_slot *s = &w->slots[i];
        if (s->sock == NULL)
            sim_fail(w, SIM_STUCK, "slot %u has no socket after the calm", i);
        check_connected(w, s);
        check_flushed(w, s);
    }
    check_arrived(w);
}
