/* Which row matches, and which of its targets is next: what every routed message asks.
 * Before: the socket. Built by engine/route/table.c. */
#include "engine/route/internal.h"

#include <string.h>

static uint64_t load16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t load32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

/* Two loads that may overlap: nothing behind the frame is read. Little endian. */
uint64_t sb__route_head(const uint8_t *p, size_t len)
{
    uint64_t v;

    if (__builtin_expect(len >= 8, 1)) {
        memcpy(&v, p, sizeof v);
        return v;
    }
    if (len >= 4)
        return load32(p) | load32(p + len - 4) << (8 * (len - 4));
    if (len >= 2)
        return load16(p) | load16(p + len - 2) << (8 * (len - 2));
    return len > 0 ? p[0] : 0;
}

static inline bool quick_row_matches(
    const sb_route *route, const sb__quick_row *q, const uint64_t head[2], const uint8_t *data, size_t len)
{
    uint64_t other = ((head[0] & q->mask[0]) ^ q->value[0]) | ((head[1] & q->mask[1]) ^ q->value[1]);
    const size_t n = SB__QUICK_OCTETS;

    if (other != 0 || (q->equals ? len != q->len : len < q->len))
        return false;
    return q->len <= n || memcmp(data + n, route->rows[q->row].bytes + n, q->len - n) == 0;
}

static inline uint32_t quick_find(const sb_route *route, const uint8_t *data, size_t len)
{
    uint64_t head[2];

    head[0] = sb__route_head(data, len);
    head[1] = len > 8 ? sb__route_head(data + 8, len - 8) : 0;
    for (uint32_t i = 0; i < route->quick_n; i++)
        if (quick_row_matches(route, &route->quick[i], head, data, len))
            return route->quick[i].row;
    return route->all;
}

static uint32_t quick_match(const sb_route *route, const sb_msg *msg)
{
    const sb_frame *f;

    if (route->quick_frame >= sb_msg_count(msg))
        return route->all;
    f = sb_msg_frame(msg, route->quick_frame);
    return quick_find(route, f->data, f->len);
}

static uint32_t group_match(const sb__route_group *g, const sb_frame *f, uint32_t best)
{
    best = sb__trie_match(&g->prefixes, f->data, f->len, best);
    if (g->equals.n > 0 && f->len <= g->equals_size) {
        uintptr_t row = (uintptr_t)sb_map_get(&g->equals, f->data, f->len);

        if (row > 0 && row - 1 < best)
            best = (uint32_t)(row - 1);
    }
    return best;
}

int sb_route_match(const sb_route *route, const sb_msg *msg)
{
    uint32_t count = sb_msg_count(msg), best = route->all;

    if (route->quick_n > 0)
        return (int)quick_match(route, msg);
    for (uint32_t i = 0; i < route->ngroups && route->groups[i].low < best; i++) {
        const sb__route_group *g = &route->groups[i];

        if (g->frame < count)
            best = group_match(g, sb_msg_frame(msg, g->frame), best);
    }
    return (int)best; /* SB__ROW_NONE is -1 */
}

/* Each gains its weight, the leader is taken and pays what all gained. */
sb_socket *sb_route_pick(sb_route *route, size_t row)
{
    const sb_route_row *r = &route->rows[row];
    int64_t *current = route->current[row];
    int64_t total = 0;
    uint32_t best = 0;

    if (r->nto <= 1)
        return r->nto == 1 ? r->to[0] : NULL;
    for (uint32_t i = 0; i < r->nto; i++) {
        current[i] += r->weight[i];
        total += r->weight[i];
        if (current[i] > current[best])
            best = i;
    }
    current[best] -= total;
    return r->to[best];
}

const sb_route_row *sb_route_get(const sb_route *route, size_t row)
{
    return row < route->n ? &route->rows[row] : NULL;
}

void sb_route_hit(sb_route *route, size_t row)
{
    route->hits[row]++;
}

void sb_route_hit_run(sb_route *route, size_t row, uint64_t n)
{
    route->hits[row] += n;
}

sb_route_sight sb_route_looks_at(const sb_route *route)
{
    if (route->quick_n + route->ngroups == 0)
        return SB_ROUTE_BLIND;
    return route->quick_n > 0 && route->quick_frame == 0 ? SB_ROUTE_FIRST : SB_ROUTE_ALL;
}

int sb_route_match_first(const sb_route *route, const uint8_t *data, size_t len)
{
    return (int)quick_find(route, data, len);
}

const sb_route_row *sb_route_decide(sb_route *route, const sb_msg *msg, size_t *row)
{
    int i = route->quick_n + route->ngroups > 0 ? sb_route_match(route, msg) : (int)route->all;

    if (i < 0)
        return NULL;
    *row = (size_t)i;
    route->hits[i]++;
    return &route->rows[i];
}

uint64_t sb_route_hits(const sb_route *route, size_t row)
{
    return row < route->n ? route->hits[row] : 0;
}

size_t sb_route_count(const sb_route *route)
{
    return route->n;
}
