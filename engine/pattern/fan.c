/* The fan: a message to all it matches. Before: pub.c, xpub.c. After: pattern/pipe.c, pattern/topics.c. */
#include "engine/pattern/fan.h"

#include "engine/pattern/alias.h"
#include "engine/pattern/envelope.h"
#include "engine/pattern/narrow.h"

#include <stdlib.h>

#define MAX_SUBSCRIPTIONS 1000000
#define TOPIC_OCTETS      64   /* average per subscription a peer may use */
#define FLAT              2048 /* octets of a message packed on the stack */
#define LARGE             4096 /* octets of a frame that queues reference */

static sb__fan *fan_from(sb_pattern *pat)
{
    return (sb__fan *)pat;
}

/* ---- sending ---- */

/* A message encoded once for all peers; with one peer, or frames that are referenced anyway, it stays as it
 * is. */
typedef struct encoded {
    sb_msg view;
    sb_buf *buf;
    uint8_t flat[FLAT];
} encoded;

static bool has_large_frame(const sb_msg *msg)
{
    for (uint32_t i = 0; i < msg->n; i++)
        if (msg->frames[i].len >= LARGE && msg->frames[i].buf != NULL)
            return true;
    return false;
}

static const sb_msg *encode(const sb__fan *fan, const sb_msg *msg, encoded *e)
{
    e->buf = NULL;
    if ((msg->wire_len != 0 && msg->wire_first == 0) || fan->npeers < 2 || has_large_frame(msg))
        return msg;
    size_t size = sb_msg_packed_size(msg);
    if (size > FLAT && (e->buf = sb_buf_create(size)) == NULL)
        return msg;
    uint8_t *wire = e->buf != NULL ? e->buf->data : e->flat;
    sb_msg_pack(msg, wire);
    sb_msg_init(&e->view);
    e->view.frames = msg->frames;
    e->view.n = msg->n;
    e->view.wire = wire;
    e->view.wire_len = size;
    e->view.wire_buf = e->buf;
    return &e->view;
}

/* A peer whose subscription was rewritten gets the topic it asked for. */
static sb_err push_alias(const sb__fan *fan, sb_peer *peer, const sb_msg *msg)
{
    sb_msg other;
    sb_msg_init(&other);
    sb_err err = sb__alias_apply(peer, msg, fan->exact, &other);
    if (err == SB_OK || err == SB_ENOENT)
        err = sb__pipe_push(peer, err == SB_OK ? &other : msg);
    sb_msg_finish(&other);
    return err;
}

void sb__fan_push(sb__fan *fan, sb_peer *peer, const sb_msg *msg)
{
    sb_err err = peer->aliases == NULL ? sb__pipe_push(peer, msg) : push_alias(fan, peer, msg);
    if (err != SB_OK)
        fan->base.host->dropped(&fan->base, peer, err == SB_EAGAIN ? SB_DROP_HWM : SB_DROP_LOST);
}

static sb_err check_room(sb__fan *fan, sb_peer *peer)
{
    if (!sb__pipe_full(peer) || peer->out.conflate)
        return SB_OK;
    fan->starved = true;
    return sb__pipe_refused(peer, SB_EAGAIN);
}

/* Each peer is visited once, by its mark: pushed to, or (msg NULL) asked whether it has room. */
static sb_err visit(sb__fan *fan, sb_peer *peer, const sb_msg *msg)
{
    if (peer->mark == fan->serial)
        return SB_OK;
    peer->mark = fan->serial;
    if (peer->narrows != NULL && !sb__narrow_passes(fan, peer, fan->sending))
        return SB_OK;
    if (msg == NULL)
        return check_room(fan, peer);
    sb__fan_push(fan, peer, msg);
    return SB_OK;
}

/* `only`: this peer, NULL for all. */
static sb_err visit_holders(
    sb__fan *fan, const sb__topic_sub *subs, uint32_t n, const sb_msg *msg, const sb_peer *only)
{
    for (uint32_t i = 0; i < n; i++)
        if ((only == NULL || subs[i].peer == only) && visit(fan, subs[i].peer, msg) != SB_OK)
            return SB_EAGAIN;
    return SB_OK;
}

/* Every holder of a matching prefix. */
static inline sb_err visit_prefixes(
    sb__fan *fan, const sb__topics *set, const sb_frame *topic, const sb_msg *msg, const sb_peer *only)
{
    const sb__topic_sub *subs;
    uint32_t n;
    sb__topic_cursor c = sb__topics_walk(set, topic->data, topic->len);
    fan->serial++;
    while ((subs = sb__topics_next(&c, &n)) != NULL)
        if (visit_holders(fan, subs, n, msg, only) != SB_OK)
            return SB_EAGAIN;
    return SB_OK;
}

static sb_err visit_matching(sb__fan *fan, const sb_frame *topic, const sb_msg *msg)
{
    return visit_prefixes(fan, &fan->topics, topic, msg, NULL);
}

/* RADIO: the whole topic must match, not its beginning. */
static sb_err visit_exact(sb__fan *fan, const sb_frame *topic, const sb_msg *msg)
{
    uint32_t n;
    const sb__topic_sub *subs = sb__topics_exact(&fan->topics, topic->data, topic->len, &n);
    fan->serial++;
    return subs != NULL ? visit_holders(fan, subs, n, msg, NULL) : SB_OK;
}

/* xpub_manual_last_value: the peer whose subscription was granted last, if it matches. */
static sb_err visit_only(sb__fan *fan, const sb_frame *topic, const sb_msg *msg)
{
    return visit_prefixes(fan, &fan->topics, topic, msg, fan->only);
}

/* invert_matching: all connected peers but those that match. */
static sb_err visit_others(sb__fan *fan, const sb_frame *topic, const sb_msg *msg)
{
    const sb__topic_sub *subs;
    uint32_t n;
    sb__topic_cursor c = sb__topics_walk(&fan->topics, topic->data, topic->len);
    fan->serial++;
    while ((subs = sb__topics_next(&c, &n)) != NULL)
        for (uint32_t i = 0; i < n; i++)
            subs[i].peer->mark = fan->serial;
    SB_LIST_EACH(node, &fan->peers)
    {
        sb_peer *peer = SB_LIST_ENTRY(node, sb_peer, active);
        if (peer->ready && visit(fan, peer, msg) != SB_OK)
            return SB_EAGAIN;
    }
    return SB_OK;
}

/* Mates, unless the message came from one. */
static sb_err visit_links(sb__fan *fan, const sb_frame *topic, const sb_msg *msg)
{
    if (fan->links.count == 0 || fan->base.passing)
        return SB_OK;
    return visit_prefixes(fan, &fan->links, topic, msg, NULL);
}

static sb_err (*visitor(const sb__fan *fan))(sb__fan *, const sb_frame *, const sb_msg *)
{
    if (fan->only != NULL)
        return visit_only;
    if (fan->base.options->invert_matching)
        return visit_others;
    return fan->exact ? visit_exact : visit_matching;
}

/* Routing ids that ride along mean nothing to subscribers: the body is published, its first frame is the
 * topic. */
sb_err sb__fan_send(sb_pattern *pat, sb_msg *msg)
{
    sb__fan *fan = fan_from(pat);
    encoded e;
    sb_msg body;
    if (msg->n <= msg->envelope)
        return SB_EINVAL;
    if (fan->asking)
        return SB_EFSM;
    sb__envelope_view(&body, msg, msg->envelope);
    fan->sending = &body;
    sb_err (*each)(sb__fan *, const sb_frame *, const sb_msg *) = visitor(fan);
    if (pat->options->xpub_nodrop &&
        (each(fan, &body.frames[0], NULL) != SB_OK || visit_links(fan, &body.frames[0], NULL) != SB_OK))
        return SB_EAGAIN;
    if (fan->retain != NULL)
        sb__retain_put(fan->retain, &body, pat->host->stamp(pat));
    const sb_msg *once = encode(fan, &body, &e);
    each(fan, &body.frames[0], once);
    visit_links(fan, &body.frames[0], once);
    fan->only = NULL;
    sb_buf_unref(e.buf);
    return SB_OK;
}

void sb__fan_writable(sb_pattern *pat, sb_peer *peer)
{
    sb__fan *fan = fan_from(pat);
    (void)peer;
    if (!fan->starved)
        return;
    fan->starved = false;
    pat->host->writable(pat);
}

/* ---- subscriptions ---- */

/* Tells the application in the old form: 0x01 or 0x00, then the topic (RFC 29). */
static void tell(sb__fan *fan, sb_peer *peer, const uint8_t *topic, size_t len, bool subscribe)
{
    uint8_t small[256], *event = len < sizeof small ? small : malloc(len + 1);
    if (event == NULL) {
        fan->base.host->dropped(&fan->base, peer, SB_DROP_LOST);
        return;
    }
    event[0] = subscribe;
    if (len > 0)
        memcpy(event + 1, topic, len);
    fan->base.host->event(&fan->base, peer, event, len + 1);
    if (event != small)
        free(event);
}

static sb__topics *set_of(sb__fan *fan, const sb_peer *peer)
{
    return peer->inside ? &fan->links : &fan->topics;
}

/* The mates know what our own subscribers want. */
static void hold(sb__fan *fan, const sb_peer *peer, const uint8_t *topic, size_t len, bool on)
{
    const sb__pattern_host *host = fan->base.host;
    if (!peer->inside && host->holds != NULL)
        host->holds(&fan->base, topic, len, on);
}

static bool may_add(const sb__fan *fan, const sb_peer *peer, const uint8_t *topic, size_t len)
{
    uint64_t max = fan->base.options->max_subscriptions;
    if (peer->inside)
        return true; /* counted where they came from */
    if (max == 0)
        max = MAX_SUBSCRIPTIONS;
    uint64_t max_bytes = fan->base.options->max_subscription_bytes;
    if (max_bytes == 0)
        max_bytes = max * TOPIC_OCTETS;
    return (peer->topics < max && peer->topic_bytes + len <= max_bytes) ||
           sb__topics_holds(&fan->topics, peer, topic, len);
}

sb_err sb__fan_subscribed(sb_pattern *pat, sb_peer *peer, const uint8_t *topic, size_t len, bool subscribe)
{
    sb__fan *fan = fan_from(pat);
    const sb__pattern_options *o = pat->options;
    bool edge, all = o->xpub_verboser || (subscribe && o->xpub_verbose);
    if (!peer->attached || (subscribe && !may_add(fan, peer, topic, len)))
        return SB_EREFUSED;
    if (o->xpub_manual && fan->tells) { /* the application decides, see sb__fan_grant */
        tell(fan, peer, topic, len, subscribe);
        return SB_OK;
    }
    sb__topics *set = set_of(fan, peer);
    bool late = subscribe && fan->retain != NULL && !sb__topics_holds(set, peer, topic, len);
    sb_err err = subscribe ? sb__topics_add(set, peer, topic, len, &edge)
                           : sb__topics_remove(set, peer, topic, len, &edge);
    if (err == SB_OK && edge)
        hold(fan, peer, topic, len, subscribe);
    if (!subscribe && peer->narrows != NULL && !sb__topics_holds(&fan->topics, peer, topic, len))
        sb__narrow_remove(peer, topic, len);
    if (err == SB_OK && fan->tells && (edge || all))
        tell(fan, peer, topic, len, subscribe);
    if (err == SB_OK && late)
        sb__fan_replay(fan, peer, topic, len);
    return err;
}

sb_err sb__fan_grant(sb_pattern *pat, sb_peer *peer, const uint8_t *topic, size_t len, bool subscribe)
{
    sb__fan *fan = fan_from(pat);
    bool edge;
    if (!peer->attached || (subscribe && !may_add(fan, peer, topic, len)))
        return SB_EREFUSED;
    sb_err err = subscribe ? sb__topics_add(&fan->topics, peer, topic, len, &edge)
                           : sb__topics_remove(&fan->topics, peer, topic, len, &edge);
    if (err == SB_OK && subscribe && pat->options->xpub_manual_last)
        fan->only = peer;
    return err;
}

struct farewell {
    sb__fan *fan;
    sb_peer *peer;
};

static void tell_gone(void *arg, const uint8_t *topic, size_t len)
{
    struct farewell *f = arg;
    hold(f->fan, f->peer, topic, len, false);
    if (f->fan->tells)
        tell(f->fan, f->peer, topic, len, false);
}

uint64_t sb__fan_subscriptions(const sb_pattern *pat)
{
    return ((const sb__fan *)pat)->topics.count;
}

void sb__fan_topics(sb_pattern *pat, sb__topics_look_fn *fn, void *arg)
{
    sb__topics_look(&fan_from(pat)->topics, fn, arg);
}

/* ---- peers ---- */

sb_err sb__fan_attach(sb_pattern *pat, sb_peer *peer)
{
    sb__fan *fan = fan_from(pat);
    sb_list_push_back(&fan->peers, &peer->active);
    fan->npeers++;
    peer->mark = 0;
    peer->out.conflate = pat->options->conflate && peer->out_stage == NULL && !peer->inside;
    return SB_OK;
}

sb_err sb__fan_ready(sb_pattern *pat, sb_peer *peer)
{
    const sb__pattern_options *o = pat->options;
    if (o->welcome_len == 0 || peer->inside)
        return SB_OK;
    sb_msg msg;
    sb_msg_init(&msg);
    sb_err err = sb_msg_push(&msg, o->welcome, o->welcome_len, NULL);
    if (err == SB_OK)
        sb__fan_push(fan_from(pat), peer, &msg);
    sb_msg_finish(&msg);
    return err;
}

void sb__fan_lost(sb_pattern *pat, sb_peer *peer)
{
    sb__fan *fan = fan_from(pat);
    struct farewell f = {.fan = fan, .peer = peer};
    sb__topics_remove_peer(set_of(fan, peer), peer, tell_gone, &f);
    sb__pipe_drained(peer);
}

void sb__fan_detach(sb_pattern *pat, sb_peer *peer)
{
    sb__fan *fan = fan_from(pat);
    struct farewell f = {.fan = fan, .peer = peer};
    fan->only = fan->only == peer ? NULL : fan->only;
    sb__topics_remove_peer(set_of(fan, peer), peer, tell_gone, &f);
    sb_list_remove(&peer->active);
    fan->npeers--;
    /* A publisher that waited for this peer waits for nobody now. */
    if (peer->out_full)
        sb__fan_writable(pat, peer);
}

sb_err sb__fan_init(sb_pattern *pat)
{
    sb__fan *fan = fan_from(pat);
    sb__topics_init(&fan->topics);
    sb__topics_init(&fan->links);
    sb_list_init(&fan->peers);
    fan->tells = pat->impl->can_recv;
    return SB_OK;
}

void sb__fan_finish(sb_pattern *pat)
{
    sb__topics_finish(&fan_from(pat)->topics);
    sb__topics_finish(&fan_from(pat)->links);
    sb__retain_destroy(fan_from(pat)->retain);
}
