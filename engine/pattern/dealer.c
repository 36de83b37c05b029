/* DEALER: sends to the next peer with room, receives from all in turn (RFC 28). Adds nothing to a message.
 * After: pattern/robin.c. */
#include "engine/pattern/registry.h"
#include "engine/pattern/robin.h"

static sb_err dealer_ready(sb_pattern *pat, sb_peer *peer)
{
    return pat->options->probe_router ? sb__probe(peer) : SB_OK;
}

static sb_err dealer_filter(sb_pattern *pat, sb_peer *peer, sb_msg *msg)
{
    (void)peer;
    sb__envelope_detect(msg, pat->options->hops, pat->options->hops > 0);
    return SB_OK;
}

const sb_pattern_impl sb__dealer_impl = {
    .type = SB_DEALER,
    .size = sizeof(sb__robin),
    .can_send = true,
    .balances = true,
    .can_recv = true,
    .init = sb__robin_init,
    .attach = sb__robin_attach,
    .ready = dealer_ready,
    .lost = sb__robin_lost,
    .detach = sb__robin_detach,
    .send = sb__robin_send,
    .send_run = sb__robin_send_run,
    .sole = sb__robin_sole,
    .writable = sb__robin_writable,
    .filter = dealer_filter,
};
