/* DGRAM: plain UDP. A message is [address][datagram]: "127.0.0.1:5555" of who sent it, or whom it goes to.
 * After: pattern/robin.c, with a ring of one: the endpoint. */
#include "engine/pattern/registry.h"
#include "engine/pattern/robin.h"

static sb_err dgram_send(sb_pattern *pat, sb_msg *msg)
{
    return msg->n == 2 ? sb__robin_send(pat, msg) : SB_EINVAL;
}

static sb_err dgram_filter(sb_pattern *pat, sb_peer *peer, sb_msg *msg)
{
    (void)pat, (void)peer;
    if (msg->n != 2)
        return SB_ECANCELED;
    msg->envelope = 1;
    return SB_OK;
}

const sb_pattern_impl sb__dgram_impl = {
    .type = SB_DGRAM,
    .size = sizeof(sb__robin),
    .can_send = true,
    .can_recv = true,
    .ids = 1,
    .balances = true,
    .init = sb__robin_init,
    .attach = sb__robin_attach_only,
    .lost = sb__robin_lost,
    .detach = sb__robin_detach,
    .send = dgram_send,
    .writable = sb__robin_writable,
    .filter = dgram_filter,
};
