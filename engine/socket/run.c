/* Runs: what follows a message in its receive buffer is sent on together, as far as the route table and the
 * targets' room allow. What they do not allow is left to be delivered one by one.
 * Before: socket/forward.c (the first was sent). After: pattern/ (inlet, send_run, send). */
#include "engine/socket/internal.h"

#include "engine/pattern/inlet.h"
#include "engine/pattern/packed.h"

#include <string.h>

/* Messages looked ahead at: few at first, since they are looked at again when they are not taken. */
#define FIRST 4
#define MOST  4096
#define GROW  8

/* Where a row sends a message as it is. */
typedef struct way {
    sb_socket *to; /* NULL: it does something else */
    sb__inlet *in; /* of its only peer, NULL: it is asked about each */
    bool known;
} way;

/* Ways that are remembered, of the first rows. */
#define WAYS 8

/* A walk over a run: the message at hand, and the row that decides about it (-1: there is none). */
typedef struct walk {
    sb_route *route;
    sb_route_sight sight;
    int row;
    sb_run rest; /* from the message at hand on */
    size_t size; /* its octets */
    way ways[WAYS], other;
    sb__inlets inlets;
} walk;

static void skip(sb_run *run, size_t octets, uint32_t n)
{
    run->p += octets;
    run->len -= octets;
    run->n -= n;
}

/* ---- which way ---- */

static int match(walk *w)
{
    if (w->sight == SB_ROUTE_FIRST) {
        size_t len;
        bool more;
        size_t head = sb__packed_header_read(w->rest.p, &len, &more);
        w->size = more ? sb__packed_size(w->rest.p) : head + len;
        return sb_route_match_first(w->route, w->rest.p + head, len);
    }
    sb_msg msg;
    sb_msg_init(&msg);
    w->size = sb_msg_unpack(&msg, w->rest.buf, w->rest.p);
    int row = w->size > 0 ? sb_route_match(w->route, &msg) : -1;
    sb_msg_finish(&msg);
    return row;
}

/* At the message at hand. */
static void look(walk *w)
{
    w->row = w->rest.n > 0 ? match(w) : -1;
}

static void find_way(walk *w, int row, way *found)
{
    const sb_route_row *r = sb_route_get(w->route, (size_t)row);
    bool onward = r->action == SB_ROUTE_TO && r->nto == 1 && r->reason == NULL && !r->to[0]->closing;
    *found = (way){.to = onward ? r->to[0] : NULL, .known = true};
    const sb_pattern *pat = onward ? found->to->pattern : NULL;
    sb_peer *peer = onward && pat->impl->sole != NULL ? pat->impl->sole(pat) : NULL;
    if (peer != NULL)
        found->in = sb__inlets_of(&w->inlets, peer);
}

static inline const way *way_of(walk *w, int row)
{
    way *found = row < WAYS ? &w->ways[row] : &w->other;
    if (!found->known || found == &w->other)
        find_way(w, row, found);
    return found;
}

static void forget_ways(walk *w)
{
    sb__inlets_close(&w->inlets);
    for (int i = 0; i < WAYS; i++)
        w->ways[i].known = false;
}

/* From the message at hand on, all that go where it goes. */
static sb_run next_group(walk *w)
{
    sb_run group = w->rest;
    int row = w->row;
    if (w->sight == SB_ROUTE_BLIND) {
        w->row = -1;
        return group;
    }
    for (group.len = group.n = 0; w->row == row; look(w)) {
        group.len += w->size;
        group.n++;
        skip(&w->rest, w->size, 1);
    }
    return group;
}

/* ---- sending ---- */

/* One by one, until the target takes no more. */
static sb_run send_each(sb_socket *to, const sb_run *run)
{
    sb_run done = {.buf = run->buf, .p = run->p};
    for (; done.n < run->n; done.n++) {
        sb_msg msg;
        sb_msg_init(&msg);
        size_t size = sb_msg_unpack(&msg, run->buf, run->p + done.len);
        sb_err err = size > 0 ? sb_socket_send(to, &msg) : SB_ENOMEM;
        sb_msg_finish(&msg);
        if (err != SB_OK)
            break;
        done.len += size;
    }
    return done;
}

/* What is not sent together is sent one by one; returns what was sent. */
static sb_run send_to(walk *w, sb_socket *to, const sb_run *group)
{
    sb_run done = {0}, rest = *group;
    forget_ways(w);
    if (to->pattern->impl->send_run != NULL)
        done = to->pattern->impl->send_run(to->pattern, group);
    skip(&rest, done.len, done.n);
    if (rest.n > 0) {
        rest = send_each(to, &rest);
        done.len += rest.len;
        done.n += rest.n;
    }
    return done;
}

static sb_run send_group(walk *w, const way *way, const sb_run *group)
{
    if (way->to == NULL)
        return (sb_run){0};
    if (group->len < SB__QUEUE_RUN && way->in != NULL && sb__inlet_put(&w->inlets, way->in, group))
        return *group;
    return send_to(w, way->to, group);
}

static void begin(walk *w, sb_route *route, const sb_run *run)
{
    w->route = route;
    w->sight = sb_route_looks_at(route);
    w->rest = *run;
    w->inlets.n = 0;
    memset(w->ways, 0, sizeof w->ways);
    w->inlets.each = w->inlets.all = run->len;
    look(w);
}

/* Sends on what may be; returns that. */
static sb_run forward(sb_route *route, const sb_run *run)
{
    walk w;
    begin(&w, route, run);
    sb_run done = {0};
    while (w.row >= 0) {
        int row = w.row;
        sb_run group = next_group(&w);
        sb_run sent = send_group(&w, way_of(&w, row), &group);
        sb_route_hit_run(route, (size_t)row, sent.n);
        done.len += sent.len;
        done.n += sent.n;
        if (sent.n < group.n)
            break;
    }
    sb__inlets_close(&w.inlets);
    return done;
}

void sb__run_on(sb_socket *sock, sb_peer *peer)
{
    uint32_t most = FIRST;
    sb_run run;
    while (sock->pattern->impl->filter == NULL && sb__takes_more(sock, peer) &&
           peer->link->run(peer, most, &run)) {
        sb_run done = forward(sock->route, &run);
        peer->msgs_in += done.n;
        peer->bytes_in += done.len;
        peer->link->took(peer, done.len);
        if (done.n < run.n)
            return;
        most = most < MOST ? most * GROW : MOST;
    }
}
