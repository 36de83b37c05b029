/* GATHER: PULL with messages of one frame (RFC 49). Cannot send. */
#include "engine/pattern/registry.h"
#include "engine/pattern/single.h"

static sb_err gather_init(sb_pattern *pat)
{
    (void)pat;
    return SB_OK;
}

const sb_pattern_impl sb__gather_impl = {
    .type = SB_GATHER,
    .size = sizeof(sb_pattern),
    .can_recv = true,
    .init = gather_init,
    .filter = sb__single_filter,
};
