/* An inlet: the end of one peer's out queue, held open while many messages are shared out. Room and space are
 * looked at when it opens; what came in is counted when it closes. Until then nothing else touches the queue.
 */
#ifndef SB_INLET_H
#define SB_INLET_H

#include "engine/pattern/pipe.h"

typedef struct sb__inlet {
    sb_peer *peer;
    uint8_t *at, *end; /* where the next octets go, and how far */
    uint32_t n, room;  /* messages that came in, and how many more may */
} sb__inlet;

/* `octets`: no more come into all queues together before it closes. It may open without room: when the queue
 * is near a limit, or its chunk is full. */
void sb__inlet_open(sb__inlet *in, sb_peer *peer, size_t octets);
/* Counts what came in, and tells the peer's connection. */
void sb__inlet_close(sb__inlet *in);

/* false: no room for all of them. */
static inline bool sb__inlet_put(sb__inlet *in, const sb_run *run)
{
    if (run->n > in->room || run->len > (size_t)(in->end - in->at))
        return false;
    memcpy(in->at, run->p, run->len);
    in->at += run->len;
    in->n += run->n;
    in->room -= run->n;
    return true;
}

#endif
