/* SCATTER: PUSH with messages of one frame (RFC 49). Blocks, never drops. After: pattern/robin.c. */
#include "engine/pattern/registry.h"
#include "engine/pattern/robin.h"
#include "engine/pattern/single.h"

const sb_pattern_impl sb__scatter_impl = {
    .type = SB_SCATTER,
    .size = sizeof(sb__robin),
    .can_send = true,
    .balances = true,
    .init = sb__robin_init,
    .attach = sb__robin_attach,
    .lost = sb__robin_lost,
    .detach = sb__robin_detach,
    .send = sb__single_send,
    .writable = sb__robin_writable,
    .filter = sb__discard,
};
