/* The pipe's slow paths. Before: the patterns (push). After: pattern/queue.c, the connection behind sb__link.
 */
#include "engine/pattern/pattern.h"

sb_err sb__pipe_refused(sb_peer *peer, sb_err err)
{
    if (err == SB_EAGAIN)
        peer->out_full = true;
    return err;
}

void sb__pipe_drained(sb_peer *peer)
{
    /* With a limit of one message "low" alone would hold even while it is full. */
    if (!peer->out_full || !sb__queue_low(&peer->out) || sb__queue_full(&peer->out))
        return;
    peer->out_full = false;
    if (peer->attached && peer->pattern->impl->writable != NULL)
        peer->pattern->impl->writable(peer->pattern, peer);
}
