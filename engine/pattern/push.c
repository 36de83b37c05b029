/* PUSH: sends each message to the next peer with room (RFC 30). Never drops. After: pattern/robin.c. */
#include "engine/pattern/registry.h"
#include "engine/pattern/robin.h"

const sb_pattern_impl sb__push_impl = {
    .type = SB_PUSH,
    .size = sizeof(sb__robin),
    .can_send = true,
    .balances = true,
    .init = sb__robin_init,
    .attach = sb__robin_attach,
    .lost = sb__robin_lost,
    .detach = sb__robin_detach,
    .send = sb__robin_send,
    .send_run = sb__robin_send_run,
    .sole = sb__robin_sole,
    .writable = sb__robin_writable,
    .filter = sb__discard,
};
