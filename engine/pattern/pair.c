/* PAIR: one peer, both ways (RFC 31). A second one is refused. After: pattern/robin.c, with a ring of one. */
#include "engine/pattern/registry.h"
#include "engine/pattern/robin.h"

const sb_pattern_impl sb__pair_impl = {
    .type = SB_PAIR,
    .size = sizeof(sb__robin),
    .can_send = true,
    .balances = true,
    .can_recv = true,
    .init = sb__robin_init,
    .attach = sb__robin_attach_only,
    .lost = sb__robin_lost,
    .detach = sb__robin_detach,
    .send = sb__robin_send,
    .send_run = sb__robin_send_run,
    .sole = sb__robin_sole,
    .writable = sb__robin_writable,
};
