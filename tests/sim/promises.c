/* The promises by name, and worlds that break one of them on purpose: what does not hold must be seen, under
 * its name. What is broken lies between the engine and the checks, or in what the engine is told to do. */
#include "tests/sim/sim.h"

#include <stdlib.h>

static const char *const names[SIM_PROMISES] = {
    [SIM_HARNESS] = "harness",
    [SIM_TORN] = "torn",
    [SIM_TWICE] = "twice",
    [SIM_ORDER] = "order",
    [SIM_ORIGIN] = "origin",
    [SIM_TOPIC] = "topic",
    [SIM_ANSWER] = "answer",
    [SIM_MECHANISM] = "mechanism",
    [SIM_LAW] = "law",
    [SIM_LOST] = "lost",
    [SIM_WIRE] = "wire",
    [SIM_LIMIT] = "limit",
    [SIM_BUDGET] = "budget",
    [SIM_STUCK] = "stuck",
    [SIM_QUIET] = "quiet",
    [SIM_CONTRACT] = "contract",
    [SIM_LEAK] = "leak",
    [SIM_REPLAY] = "replay",
};

const char *sim_promise_name(sim_promise promise)
{
    return names[promise];
}

sim_promise sim_promise_find(const char *name)
{
    for (uint32_t i = SIM_HARNESS + 1; i < SIM_PROMISES; i++)
        if (strcmp(names[i], name) == 0)
            return (sim_promise)i;
    return SIM_HARNESS;
}

bool sim_breaks(sim *w, sim_promise promise, uint32_t n)
{
    return w->broken == promise && sim_once_in(&w->mischief, n);
}

const sb_msg *sim_tear(sim *w, const sb_msg *msg, sb_msg *torn)
{
    uint32_t n = sb_msg_count(msg);
    if (!sim_breaks(w, SIM_TORN, 20))
        return msg;
    for (uint32_t i = 0; i < n; i++) {
        const sb_frame *f = sb_msg_frame(msg, i);
        sb_msg_push(torn, f->data, f->len - (i + 1 == n && f->len > 0), NULL);
    }
    return torn;
}

static bool linked(const sim *w, uint8_t a, uint8_t b)
{
    for (uint32_t i = 0; i < w->nlinks; i++)
        if ((w->links[i].from == a && w->links[i].to == b) || (w->links[i].from == b && w->links[i].to == a))
            return true;
    return false;
}

sim_slot *sim_misdirect(sim *w, sim_slot *s, const sim_stamp *stamp)
{
    if (!sim_breaks(w, SIM_ORIGIN, 20) || stamp->origin == SIM_RAW)
        return s;
    for (uint8_t i = 0; i < w->nslots; i++)
        if (i != s->index && !w->slots[i].fed && !linked(w, i, stamp->origin))
            return &w->slots[i];
    return s;
}

bool sim_holds_back(sim *w, sim_slot *s, const sb_peer *peer, const sim_stamp *stamp)
{
    sim_late *late = &w->late;
    bool same = late->slot == s && peer != NULL && late->peer == sb_peer_id(peer) &&
                late->stamp.origin == stamp->origin && late->stamp.life == stamp->life;
    if (same) {
        sim_check_taken(w, s, peer, stamp);
        late->slot = NULL;
        sim_check_taken(w, s, peer, &late->stamp);
        return true;
    }
    if (late->slot != NULL || peer == NULL || !sim_breaks(w, SIM_ORDER, 5))
        return false;
    *late = (sim_late){.slot = s, .peer = sb_peer_id(peer), .stamp = *stamp};
    return true;
}

void sim_keep_some(sim *w)
{
    if (sim_breaks(w, SIM_LEAK, 3))
        w->kept = malloc(1);
}
