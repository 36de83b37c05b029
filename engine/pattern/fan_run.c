/* Publishing runs: messages for the same peers are queued together. What cannot be, because somebody is full
 * or wants to be asked, is left to sb__fan_send. Before: socket/run.c. After: pattern/inlet.c,
 * pattern/pipe.c. */
#include "engine/pattern/fan.h"

#include "engine/pattern/inlet.h"
#include "engine/pattern/run.h"

/* The walk over a run: the message at hand, and the longest prefixes of it that are held. */
typedef struct round {
    sb__fan *fan;
    sb__topic_match match;
    sb_run rest; /* from the message at hand on */
    size_t size; /* its octets */
    sb__inlets inlets;
} round;

/* ---- for whom ---- */

/* Every holder of a prefix and of those before it, each once. */
typedef struct crowd {
    sb__fan *fan;
    const sb__topic_node *node;
    const sb__topic_sub *v;
    uint32_t i, n;
    bool mixed; /* somebody may come twice */
} crowd;

static crowd crowd_of(sb__fan *fan, const sb__topic_match *match)
{
    crowd c = {.fan = fan, .node = match->shorter, .mixed = match->shorter != NULL};
    if (match->node != NULL)
        c.v = sb__topic_holders(match->node, &c.n);
    fan->serial += c.mixed;
    return c;
}

static bool came_before(const crowd *c, sb_peer *peer)
{
    bool before = c->mixed && peer->mark == c->fan->serial;
    if (c->mixed)
        peer->mark = c->fan->serial;
    return before;
}

static sb_peer *next_of(crowd *c)
{
    for (;;) {
        while (c->i < c->n) {
            sb_peer *peer = c->v[c->i++].peer;
            if (!came_before(c, peer))
                return peer;
        }
        if (c->node == NULL)
            return NULL;
        c->v = sb__topic_holders(c->node, &c->n);
        c->i = 0;
        c->node = sb__topic_shorter(c->node);
    }
}

static void look(round *r)
{
    size_t len;
    bool more;
    size_t head = sb__packed_header_read(r->rest.p, &len, &more);
    r->size = more ? sb__packed_size(r->rest.p) : head + len;
    r->match = sb__topics_longest(&r->fan->topics, r->rest.p + head, len);
}

/* From the message at hand on, all that the same peers want. */
static sb_run next_group(round *r)
{
    sb_run group = r->rest;
    const sb__topic_node *node = r->match.node;
    if (sb__topics_alike(&r->fan->topics)) {
        r->rest.n = 0;
        return group;
    }
    group.len = group.n = 0;
    do {
        group.len += r->size;
        group.n++;
        r->rest.p += r->size;
        r->rest.n--;
        if (r->rest.n == 0)
            break;
        look(r);
    } while (r->match.node == node);
    return group;
}

/* ---- a few messages: through inlets ---- */

/* With xpub_nodrop only whole: then all have room or nobody gets it. */
static bool takes(const round *r, const sb__inlet *in, uint32_t n)
{
    return in != NULL && in->plain && (in->room >= n || !r->fan->base.options->xpub_nodrop);
}

static bool all_take(round *r, const sb__topic_match *match, uint32_t n)
{
    crowd c = crowd_of(r->fan, match);
    for (sb_peer *peer; (peer = next_of(&c)) != NULL;)
        if (!takes(r, sb__inlets_of(&r->inlets, peer), n))
            return false;
    return true;
}

/* One by one: a peer that is full misses them. */
static void pass_each(round *r, sb__inlet *in, const sb_run *run)
{
    size_t at = 0;
    for (uint32_t i = 0; i < run->n; i++) {
        sb_msg msg;
        sb_msg_init(&msg);
        at += sb_msg_unpack(&msg, run->buf, run->p + at);
        sb_err err = sb__inlet_pass(&r->inlets, in, &msg);
        if (err != SB_OK)
            r->fan->base.host->dropped(
                &r->fan->base, in->peer, err == SB_EAGAIN ? SB_DROP_HWM : SB_DROP_LOST);
        sb_msg_finish(&msg);
    }
}

static void put(round *r, sb__inlet *in, const sb_run *group)
{
    if (!sb__inlet_put(&r->inlets, in, group))
        pass_each(r, in, group);
}

static bool put_to_one(round *r, sb_peer *peer, const sb_run *group)
{
    sb__inlet *in = sb__inlets_of(&r->inlets, peer);
    if (!takes(r, in, group->n))
        return false;
    put(r, in, group);
    return true;
}

static bool put_to_all(round *r, const sb__topic_match *match, const sb_run *group)
{
    if (!all_take(r, match, group->n))
        return false;
    crowd c = crowd_of(r->fan, match);
    for (sb_peer *peer; (peer = next_of(&c)) != NULL;)
        put(r, peer->inlet, group);
    return true;
}

static bool put_few(round *r, const sb__topic_match *match, const sb_run *group)
{
    uint32_t n = 0;
    const sb__topic_sub *v = match->node != NULL ? sb__topic_holders(match->node, &n) : NULL;
    if (n == 1 && match->shorter == NULL)
        return put_to_one(r, v[0].peer, group);
    return n == 0 || put_to_all(r, match, group);
}

/* ---- many messages: to each peer at once ---- */

/* How many of them all take; 0 also where somebody has to be asked about each. */
static uint32_t room_for(round *r, const sb__topic_match *match, const sb_run *group)
{
    const bool nodrop = r->fan->base.options->xpub_nodrop;
    uint32_t n = group->n;
    crowd c = crowd_of(r->fan, match);
    for (sb_peer *peer; (peer = next_of(&c)) != NULL && n > 0;) {
        if (!sb__takes_unseen(peer) || !sb__queue_far_from_full(&peer->out, group->len, r->inlets.all))
            return 0;
        uint32_t room = nodrop ? sb__queue_room(&peer->out, group) : n;
        n = room < n ? room : n;
    }
    return n;
}

/* What a full peer misses is counted. */
static void push_rest(sb__fan *fan, sb_peer *peer, const sb_run *run, const sb_run *done)
{
    size_t at = done->len;
    for (uint32_t i = done->n; i < run->n; i++) {
        sb_msg msg;
        sb_msg_init(&msg);
        at += sb_msg_unpack(&msg, run->buf, run->p + at);
        sb__fan_push(fan, peer, &msg);
        sb_msg_finish(&msg);
    }
}

static sb_run send_many(round *r, const sb__topic_match *match, const sb_run *group)
{
    sb__inlets_close(&r->inlets);
    sb_run part = sb__run_first(group, room_for(r, match, group));
    crowd c = crowd_of(r->fan, match);
    for (sb_peer *peer; part.n > 0 && (peer = next_of(&c)) != NULL;) {
        sb_run done = sb__pipe_push_run(peer, &part);
        if (done.n < part.n)
            push_rest(r->fan, peer, &part, &done);
    }
    return part;
}

/* ---- in any other case ---- */

static sb_run send_each(round *r, const sb_run *group)
{
    sb_run done = {0};
    sb__inlets_close(&r->inlets);
    for (; done.n < group->n; done.n++) {
        sb_msg msg;
        sb_msg_init(&msg);
        size_t size = sb_msg_unpack(&msg, group->buf, group->p + done.len);
        sb_err err = sb__fan_send(&r->fan->base, &msg);
        sb_msg_finish(&msg);
        if (err != SB_OK)
            break;
        done.len += size;
    }
    return done;
}

static sb_run send_group(round *r, const sb__topic_match *match, const sb_run *group)
{
    if (group->len < SB__QUEUE_RUN && put_few(r, match, group))
        return *group;
    sb_run done = group->len < SB__QUEUE_RUN ? (sb_run){0} : send_many(r, match, group);
    sb_run rest = {.buf = group->buf, .p = group->p + done.len, .len = group->len - done.len};
    rest.n = group->n - done.n;
    if (rest.n > 0) {
        rest = send_each(r, &rest);
        done.len += rest.len;
        done.n += rest.n;
    }
    return done;
}

/* Nothing but the topic says who gets a message, and nobody keeps it. */
static bool is_plain(const sb__fan *fan)
{
    const sb__pattern_options *o = fan->base.options;
    return fan->retain == NULL && fan->only == NULL && !fan->exact && !fan->asking && fan->links.count == 0 &&
           !o->invert_matching && !o->conflate && o->stage.ttl == 0 && o->stage.key == 0;
}

sb_run sb__fan_send_run(sb_pattern *pat, const sb_run *run)
{
    round r;
    sb_run done = {0};
    r.fan = (sb__fan *)pat;
    if (!is_plain(r.fan))
        return done;
    r.rest = *run;
    r.inlets.n = 0;
    r.inlets.each = run->len;
    r.inlets.all = run->len * r.fan->npeers;
    look(&r);
    while (r.rest.n > 0) {
        const sb__topic_match match = r.match;
        sb_run group = next_group(&r), sent = send_group(&r, &match, &group);
        done.len += sent.len;
        done.n += sent.n;
        if (sent.n < group.n)
            break;
    }
    sb__inlets_close(&r.inlets);
    return done;
}
