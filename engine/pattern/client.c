/* CLIENT: DEALER with messages of one frame: to the next SERVER with room, from all in turn (RFC 41). Blocks,
 * never drops. After: pattern/robin.c. */
#include "engine/pattern/registry.h"
#include "engine/pattern/robin.h"
#include "engine/pattern/single.h"

const sb_pattern_impl sb__client_impl = {
    .type = SB_CLIENT,
    .size = sizeof(sb__robin),
    .can_send = true,
    .balances = true,
    .can_recv = true,
    .init = sb__robin_init,
    .attach = sb__robin_attach,
    .lost = sb__robin_lost,
    .detach = sb__robin_detach,
    .send = sb__single_send,
    .writable = sb__robin_writable,
    .filter = sb__single_filter,
};
