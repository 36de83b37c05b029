/* The pipe's slow paths. Before: the patterns (push). After: pattern/queue.c, the connection behind sb__link.
 */
#include "engine/pattern/pattern.h"

static void set_full(sb_peer *peer, bool full)
{
    if (peer->out_full == full)
        return;
    peer->out_full = full;
    peer->pattern->host->congestion(peer->pattern, peer);
}

void sb__pipe_disconnect(sb_peer *peer)
{
    if (!peer->ready)
        return;
    peer->link->kick(peer, SB_ECANCELED, "its queue was full (on_full)", false);
    peer->dropped[SB_DROP_LOST] += sb__pipe_clear_waiting(peer);
}

sb_err sb__pipe_refused(sb_peer *peer, sb_err err)
{
    if (err != SB_EAGAIN)
        return err;
    set_full(peer, true);
    if (peer->pattern->options->on_full == SB_ON_FULL_DISCONNECT && !sb__waits_by_default(peer->pattern))
        sb__pipe_disconnect(peer);
    return err;
}

/* Where a full peer is not passed over for another one, its oldest message makes room. */
static bool evicts(const sb_pattern *pat)
{
    return pat->options->on_full == SB_ON_FULL_DROP_OLD && !pat->impl->balances;
}

sb_err sb__pipe_push_staged(sb_peer *peer, const sb_msg *msg, bool evict)
{
    sb_pattern *pat = peer->pattern;
    uint64_t evicted = peer->dropped[SB_DROP_EVICTED];
    bool edge = peer->out.msgs == 0;
    sb_err err = sb__stage_push(peer->out_stage, msg, pat->host->stamp(pat), evict || evicts(pat));
    if (err != SB_OK)
        return sb__pipe_refused(peer, err);
    if (evicted != peer->dropped[SB_DROP_EVICTED])
        set_full(peer, true);
    if (edge && peer->ready)
        peer->link->output(peer);
    return SB_OK;
}

void sb__pipe_fill(sb_peer *peer, uint64_t bytes)
{
    if (peer->out_stage != NULL)
        sb__stage_fill(peer->out_stage, bytes, peer->pattern->host->stamp(peer->pattern));
}

uint32_t sb__pipe_clear_waiting(sb_peer *peer)
{
    uint32_t n = peer->out_stage != NULL ? sb__stage_clear(peer->out_stage) : 0;
    return n + sb__queue_clear_waiting(&peer->out);
}

/* What waits comes forward, so that the queue is not empty while the stage is not. */
static void advance(sb_peer *peer)
{
    if (peer->out.msgs > 0)
        return;
    sb__pipe_fill(peer, 0);
    if (peer->out.msgs > 0 && peer->ready)
        peer->link->output(peer);
}

static bool has_room(const sb_peer *peer)
{
    /* With a limit of one message "low" alone would hold even while it is full. */
    if (peer->out_stage != NULL)
        return sb__stage_low(peer->out_stage) && !sb__stage_full(peer->out_stage);
    return sb__queue_low(&peer->out) && !sb__queue_full(&peer->out);
}

void sb__pipe_drained(sb_peer *peer)
{
    if (peer->out_stage != NULL)
        advance(peer);
    if (!peer->out_full || !has_room(peer))
        return;
    set_full(peer, false);
    if (peer->attached && peer->pattern->impl->writable != NULL)
        peer->pattern->impl->writable(peer->pattern, peer);
}
