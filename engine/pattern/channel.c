/* CHANNEL: PAIR with messages of one frame (RFC 52). After: pattern/robin.c, with a ring of one. */
#include "engine/pattern/registry.h"
#include "engine/pattern/robin.h"
#include "engine/pattern/single.h"

const sb_pattern_impl sb__channel_impl = {
    .type = SB_CHANNEL,
    .size = sizeof(sb__robin),
    .can_send = true,
    .balances = true,
    .can_recv = true,
    .init = sb__robin_init,
    .attach = sb__robin_attach_only,
    .lost = sb__robin_lost,
    .detach = sb__robin_detach,
    .send = sb__single_send,
    .writable = sb__robin_writable,
    .filter = sb__single_filter,
};
