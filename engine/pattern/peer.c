/* PEER: SERVER to SERVER: any of them may connect, and addresses the others by number (RFC 51). After:
 * pattern/server.c. */
#include "engine/pattern/registry.h"
#include "engine/pattern/server.h"

const sb_pattern_impl sb__peer_impl = {
    .type = SB_PEER,
    .size = sizeof(sb__server),
    .can_send = true,
    .can_recv = true,
    .ids = 1,
    .init = sb__server_init,
    .finish = sb__server_finish,
    .attach = sb__server_attach,
    .lost = sb__server_lost,
    .detach = sb__server_detach,
    .send = sb__server_send,
    .writable = sb__server_writable,
    .filter = sb__server_filter,
    .find = sb__server_find,
};
