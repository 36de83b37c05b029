/* Round robin. Before: the patterns' tables. After: pattern/pipe.c. Full peers leave the ring until they
 * drain, so a send looks at no peer in vain twice. */
#include "engine/pattern/robin.h"

#include "engine/trace.h"

static sb__robin *robin_from(sb_pattern *pat)
{
    return (sb__robin *)pat;
}

static void rotate(sb__robin *robin, sb_peer *peer)
{
    if (robin->ring.prev == &peer->active)
        return;
    sb_list_remove(&peer->active);
    sb_list_push_back(&robin->ring, &peer->active);
}

sb_err sb__robin_send_to(sb__robin *robin, const sb_msg *msg, sb_peer **to)
{
    SB_TRACE(11);
    while (!sb_list_empty(&robin->ring)) {
        sb_peer *peer = SB_LIST_ENTRY(robin->ring.next, sb_peer, active);
        sb_err err = sb__pipe_push(peer, msg);
        if (err == SB_OK) {
            rotate(robin, peer);
            *to = peer;
            return SB_OK;
        }
        if (err != SB_EAGAIN)
            return err;
        sb_list_remove(&peer->active);
    }
    robin->starved = true;
    return SB_EAGAIN;
}

sb_err sb__robin_send(sb_pattern *pat, sb_msg *msg)
{
    sb_peer *to;
    return sb__robin_send_to(robin_from(pat), msg, &to);
}

void sb__robin_admit(sb_pattern *pat, sb_peer *peer)
{
    sb__robin *robin = robin_from(pat);
    if (!peer->out_full && !sb_list_linked(&peer->active))
        sb_list_push_back(&robin->ring, &peer->active);
    if (!robin->starved || sb_list_empty(&robin->ring))
        return;
    robin->starved = false;
    robin->base.host->writable(&robin->base);
}

sb_err sb__robin_attach(sb_pattern *pat, sb_peer *peer)
{
    sb__robin *robin = robin_from(pat);
    robin->peers++;
    peer->out.conflate = pat->options->conflate;
    sb__robin_admit(pat, peer);
    return SB_OK;
}

sb_err sb__robin_attach_only(sb_pattern *pat, sb_peer *peer)
{
    return robin_from(pat)->peers > 0 ? SB_EREFUSED : sb__robin_attach(pat, peer);
}

void sb__robin_detach(sb_pattern *pat, sb_peer *peer)
{
    sb_list_remove(&peer->active);
    robin_from(pat)->peers--;
}

void sb__robin_lost(sb_pattern *pat, sb_peer *peer)
{
    (void)pat;
    sb__pipe_drained(peer);
}

void sb__robin_writable(sb_pattern *pat, sb_peer *peer)
{
    sb__robin_admit(pat, peer);
}

sb_err sb__robin_init(sb_pattern *pat)
{
    sb_list_init(&robin_from(pat)->ring);
    return SB_OK;
}

sb_err sb__probe(sb_peer *peer)
{
    sb_msg msg;
    sb_msg_init(&msg);
    sb_err err = sb_msg_push(&msg, NULL, 0, NULL);
    if (err == SB_OK)
        err = sb__pipe_push(peer, &msg);
    sb_msg_finish(&msg);
    /* A full queue says more than a probe. */
    return err == SB_EAGAIN ? SB_OK : err;
}
