/* Inlets: the ends of peers' out queues, held open while a run is shared out among them. Limits are looked at
 * when one opens; what came in is counted when it closes. Until then nothing else touches the queue. */
#ifndef SB_INLET_H
#define SB_INLET_H

#include "engine/pattern/pipe.h"

typedef struct sb__inlet {
    sb_peer *peer;
    uint8_t *at, *end; /* where the next octets go, and how far */
    uint32_t n;        /* messages that came in */
    uint32_t room;     /* how many more may */
    bool plain;        /* none has to be looked at, and no limit in octets is near; else there is no room */
} sb__inlet;

#define SB__INLETS 64

/* Those of one run; all zero but for the octets. */
typedef struct sb__inlets {
    size_t each; /* not more comes into one queue */
    size_t all;  /* ... and into all of them */
    uint32_t n;
    sb__inlet v[SB__INLETS];
} sb__inlets;

/* Opens one more, peer->inlet; NULL: there are too many. */
sb__inlet *sb__inlets_open(sb__inlets *set, sb_peer *peer);
/* All of them: counts what came in, and tells the connections. */
void sb__inlets_close(sb__inlets *set);
/* One message for this inlet's peer that is pushed like any other. */
sb_err sb__inlet_pass(sb__inlets *set, sb__inlet *in, const sb_msg *msg);
/* As sb__inlet_put where there is no space left behind the queue's last octet. */
bool sb__inlet_make_space(sb__inlets *set, sb__inlet *in, const sb_run *run);

/* Whether a peer takes messages as they are, unseen. */
static inline bool sb__takes_unseen(const sb_peer *peer)
{
    return peer->out_stage == NULL && !peer->out.conflate && peer->narrows == NULL && peer->aliases == NULL;
}

static inline sb__inlet *sb__inlets_of(sb__inlets *set, sb_peer *peer)
{
    return peer->inlet != NULL ? peer->inlet : sb__inlets_open(set, peer);
}

/* A few messages, copied next to those that wait. false: there is no room for all of them, or no memory;
 * nothing came in. */
static inline bool sb__inlet_put(sb__inlets *set, sb__inlet *in, const sb_run *run)
{
    if (run->n > in->room)
        return false;
    if (run->len > (size_t)(in->end - in->at))
        return sb__inlet_make_space(set, in, run);
    memcpy(in->at, run->p, run->len);
    in->at += run->len;
    in->n += run->n;
    in->room -= run->n;
    return true;
}

#endif
