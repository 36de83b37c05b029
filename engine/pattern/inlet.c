/* Inlets. Before: socket/run.c. After: pattern/queue.c, the connection behind sb__link. */
#include "engine/pattern/inlet.h"

#include "engine/pattern/run.h"

void sb__inlet_open(sb__inlet *in, sb_peer *peer, size_t octets)
{
    const sb__queue *q = &peer->out;
    *in = (sb__inlet){.peer = peer, .at = q->tail, .end = q->tail};
    if (peer->out_stage != NULL || q->conflate || q->limit == q->tail || !sb__queue_far_from_full(q, octets))
        return;
    in->end = q->limit;
    in->room = UINT32_MAX;
    if (q->hwm_msgs != 0)
        in->room = q->hwm_msgs > q->msgs ? q->hwm_msgs - q->msgs : 0;
}

void sb__inlet_close(sb__inlet *in)
{
    sb_peer *peer = in->peer;
    bool edge = peer->out.msgs == 0;
    if (in->n == 0)
        return;
    sb__queue_wrote(&peer->out, in->at, in->n);
    if (edge && peer->ready)
        peer->link->output(peer);
}
