/* Reassembly. Before: segment.c, capture.c. After: decoder.c. */
#include "modules/standalone/dump/flow.h"
#include "modules/standalone/dump/early.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

typedef struct flow flow;

/* One direction. */
typedef struct half {
    flow *flow;
    place from, to;
    uint32_t next; /* sequence number of the octet that is wanted */
    bool begun;    /* `next` is known */
    bool ended;
    early early;
    decoder decoder;
    decoder_sink sink;
} half;

/* The key: the two places, the smaller one first. */
typedef struct pair {
    place a, b;
} pair;

struct flow {
    flows *owner;
    sb_list_node node;
    pair key;
    half halves[2]; /* from key.a, from key.b */
};

static void put_place(line *l, const place *p)
{
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
    char text[INET6_ADDRSTRLEN];
    unsigned port = (unsigned)p->port[0] << 8 | p->port[1];
    if (memcmp(p->address, mapped, sizeof mapped) == 0) {
        inet_ntop(AF_INET, p->address + sizeof mapped, text, sizeof text);
        line_put(l, "%s:%u", text, port);
    } else {
        inet_ntop(AF_INET6, p->address, text, sizeof text);
        line_put(l, "[%s]:%u", text, port);
    }
}

static void half_say(void *user, const char *text)
{
    const half *h = user;
    line l = {0};
    put_place(&l, &h->from);
    line_put(&l, " > ");
    put_place(&l, &h->to);
    line_put(&l, " %s", text);
    h->flow->owner->say(h->flow->owner->user, l.text);
}

static void half_init(half *h, flow *of, const place *from, const place *to, const half *other)
{
    h->flow = of;
    h->from = *from;
    h->to = *to;
    h->sink = (decoder_sink){.say = half_say, .user = h, .shown = of->owner->shown};
    decoder_init(&h->decoder, &other->decoder, &h->sink);
}

static void half_end(half *h, const char *how)
{
    if (!h->ended) {
        decoder_end(&h->decoder);
        if (how != NULL)
            half_say(h, how);
    }
    h->ended = true;
}

/* Octets from `seq` on of which none is behind `next`: those that are new. */
static void half_feed(half *h, uint32_t seq, const uint8_t *octets, size_t len)
{
    size_t known = (uint32_t)(h->next - seq);
    if (known >= len)
        return;
    h->next += (uint32_t)(len - known);
    decoder_feed(&h->decoder, octets + known, len - known);
}

static void feed_early(half *h)
{
    early_piece *piece;
    while ((piece = early_take(&h->early, h->next)) != NULL) {
        half_feed(h, piece->seq, piece->octets, piece->len);
        free(piece);
    }
}

/* A connection that was there before the capture can be followed from a greeting on, nothing else. */
static void half_begin(half *h, const segment *s)
{
    static const uint8_t signature = 0xff;
    h->begun = true;
    h->next = s->seq + s->syn;
    if (!s->syn && s->data[0] != signature)
        decoder_lost(&h->decoder, "joined in the middle, not decoded");
}

static void half_take(half *h, const segment *s)
{
    uint32_t seq = s->seq + s->syn;
    if (h->ended || (!h->begun && !s->syn && s->len == 0))
        return;
    if (!h->begun)
        half_begin(h, s);
    if ((int32_t)(seq - h->next) <= 0)
        half_feed(h, seq, s->data, s->len);
    else if (s->len > 0 && h->decoder.state != DECODER_DEAF &&
             !early_add(&h->early, seq, s->data, s->len, EARLY_MAX, EARLY_ROOM))
        decoder_lost(&h->decoder, "octets were not captured, not decoded any more");
    feed_early(h);
    if (s->missing > 0)
        decoder_lost(&h->decoder, "the capture holds packets in part only, not decoded any more");
}

/* Everything up to the FIN has been told. */
static bool half_is_done(const half *h, const segment *s)
{
    return s->fin && (h->next == s->seq + (uint32_t)s->len || h->decoder.state == DECODER_DEAF);
}

static void flow_free(flow *of)
{
    for (int i = 0; i < 2; i++) {
        half_end(&of->halves[i], NULL);
        early_finish(&of->halves[i].early);
    }
    sb_list_remove(&of->node);
    sb_map_remove(&of->owner->map, &of->key, sizeof of->key);
    free(of);
}

static flow *flow_create(flows *f, const pair *key)
{
    flow *of = calloc(1, sizeof *of);
    if (of == NULL || sb_map_add(&f->map, key, sizeof *key, of) != SB_OK) {
        free(of);
        return NULL;
    }
    of->owner = f;
    of->key = *key;
    half_init(&of->halves[0], of, &key->a, &key->b, &of->halves[1]);
    half_init(&of->halves[1], of, &key->b, &key->a, &of->halves[0]);
    sb_list_push_front(&f->used, &of->node);
    if (f->map.n > FLOWS_MAX)
        flow_free(SB_LIST_ENTRY(f->used.prev, flow, node));
    return of;
}

/* The same two places again, after their connection ended. */
static bool is_over(const flow *of, const segment *s)
{
    return s->syn && of->halves[0].ended && of->halves[1].ended;
}

static flow *flow_of(flows *f, const pair *key, const segment *s)
{
    flow *of = sb_map_get(&f->map, key, sizeof *key);
    if (of != NULL && is_over(of, s)) {
        flow_free(of);
        of = NULL;
    }
    if (of == NULL)
        return flow_create(f, key);
    sb_list_remove(&of->node);
    sb_list_push_front(&f->used, &of->node);
    return of;
}

static void flow_reset(flow *of, half *h)
{
    bool first = !of->halves[0].ended || !of->halves[1].ended;
    if (first)
        half_say(h, "reset");
    half_end(&of->halves[0], NULL);
    half_end(&of->halves[1], NULL);
}

bool flows_take(flows *f, const segment *s)
{
    bool swap = memcmp(&s->from, &s->to, sizeof(place)) > 0;
    pair key = swap ? (pair){s->to, s->from} : (pair){s->from, s->to};
    flow *of = flow_of(f, &key, s);
    if (of == NULL)
        return false;
    half *h = &of->halves[swap];
    half_take(h, s);
    if (s->rst)
        flow_reset(of, h);
    else if (half_is_done(h, s))
        half_end(h, "closed");
    return true;
}

void flows_init(flows *f)
{
    sb_map_init(&f->map);
    sb_list_init(&f->used);
}

void flows_finish(flows *f)
{
    sb_list_node *node;
    while ((node = sb_list_first(&f->used)) != NULL)
        flow_free(SB_LIST_ENTRY(node, flow, node));
    sb_map_finish(&f->map);
}
