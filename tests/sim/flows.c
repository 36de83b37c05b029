/* What comes over the connections of a STREAM: octets in pieces of any size, that must be the frames the
 * other side sent, one behind the other. */
#include "engine/socket/internal.h"
#include "tests/sim/sim.h"

#define FLOWS 512 /* more than a run has connections at a time */

static sim_flow flows[FLOWS];
static uint32_t clock_of_use;
static uint32_t serial_of_flows;

static uint64_t key_of(const sim_slot *s, uint64_t peer)
{
    return (uint64_t)(s->index + 1u) << 56 | (uint64_t)s->life << 40 | peer;
}

/* The flow of a peer; a new one takes the place of the one that was used longest ago. */
static sim_flow *find(const sim *w, uint64_t key)
{
    sim_flow *oldest = &flows[0];
    if (serial_of_flows != w->serial)
        memset(flows, 0, sizeof flows);
    serial_of_flows = w->serial;
    for (uint32_t i = 0; i < FLOWS; i++) {
        if (flows[i].key == key)
            return &flows[i];
        oldest = flows[i].used < oldest->used ? &flows[i] : oldest;
    }
    *oldest = (sim_flow){.key = key};
    return oldest;
}

void sim_flow_take(sim *w, sim_slot *s, const sb_peer *peer, const sb_frame *piece)
{
    sim_flow *f = find(w, key_of(s, peer->id));
    f->used = ++clock_of_use;
    sim_note(w, "piece", s->index, peer->id << 32 | piece->len);
    if (piece->len == 0)
        f->at = 0; /* a connection began, or ended, maybe inside a frame */
    for (size_t at = 0, taken; at < piece->len; at += taken) {
        sim_stamp st;
        bool done;
        const char *wrong = sim_flow_feed(f, piece->data + at, piece->len - at, &taken, &done, &st);
        if (wrong != NULL && w->refused)
            f->at = 0; /* no memory to say that a connection ended */
        if (wrong != NULL && w->refused)
            return;
        if (wrong != NULL)
            sim_fail(w, SIM_TORN, "slot %u (STREAM) got %s", s->index, wrong);
        if (done)
            sim_check_taken(w, s, peer, &st);
    }
}
