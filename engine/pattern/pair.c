/* PAIR: one peer, both ways (RFC 31). A second one is refused. After: pattern/robin.c, with a ring of one. */
#include "engine/pattern/registry.h"
#include "engine/pattern/robin.h"

static sb_err pair_attach(sb_pattern *pat, sb_peer *peer)
{
    if (((sb__robin *)pat)->peers > 0)
        return SB_EREFUSED;
    return sb__robin_attach(pat, peer);
}

const sb_pattern_impl sb__pair_impl = {
    .type = SB_PAIR,
    .size = sizeof(sb__robin),
    .can_send = true,
    .can_recv = true,
    .init = sb__robin_init,
    .attach = pair_attach,
    .lost = sb__robin_lost,
    .detach = sb__robin_detach,
    .send = sb__robin_send,
    .writable = sb__robin_writable,
};
