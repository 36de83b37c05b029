/* Inlets. Before: socket/run.c, pattern/fan_run.c. After: pattern/queue.c, the connection behind sb__link. */
#include "engine/pattern/inlet.h"

#include "engine/pattern/run.h"

static uint32_t room_of(const sb__queue *q)
{
    if (q->hwm_msgs == 0)
        return UINT32_MAX;
    return q->hwm_msgs > q->msgs ? q->hwm_msgs - q->msgs : 0;
}

static void start(const sb__inlets *set, sb__inlet *in, sb_peer *peer)
{
    const sb__queue *q = &peer->out;
    bool plain = sb__takes_unseen(peer) && sb__queue_far_from_full(q, set->each, set->all);
    *in = (sb__inlet){
        .peer = peer, .at = q->tail, .end = q->limit, .plain = plain, .room = plain ? room_of(q) : 0};
}

static void finish(sb__inlet *in)
{
    sb_peer *peer = in->peer;
    bool edge = peer->out.msgs == 0;
    if (in->n == 0)
        return;
    sb__queue_wrote(&peer->out, in->at, in->n);
    if (edge && peer->ready)
        peer->link->output(peer);
}

sb__inlet *sb__inlets_open(sb__inlets *set, sb_peer *peer)
{
    if (set->n == SB__INLETS)
        return NULL;
    peer->inlet = &set->v[set->n++];
    start(set, peer->inlet, peer);
    return peer->inlet;
}

void sb__inlets_close(sb__inlets *set)
{
    for (uint32_t i = 0; i < set->n; i++) {
        finish(&set->v[i]);
        set->v[i].peer->inlet = NULL;
    }
    set->n = 0;
}

sb_err sb__inlet_pass(sb__inlets *set, sb__inlet *in, const sb_msg *msg)
{
    finish(in);
    sb_err err = sb__pipe_push(in->peer, msg);
    start(set, in, in->peer);
    return err;
}

bool sb__inlet_make_space(sb__inlets *set, sb__inlet *in, const sb_run *run)
{
    finish(in);
    bool whole = sb__pipe_push_run(in->peer, run).n == run->n;
    start(set, in, in->peer);
    return whole;
}
