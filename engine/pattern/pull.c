/* PULL: receives from all peers in turn (RFC 30); the turns are the socket's fair ring. Cannot send. */
#include "engine/pattern/registry.h"

static sb_err pull_init(sb_pattern *pat)
{
    (void)pat;
    return SB_OK;
}

const sb_pattern_impl sb__pull_impl = {
    .type = SB_PULL,
    .size = sizeof(sb_pattern),
    .can_recv = true,
    .init = pull_init,
};
