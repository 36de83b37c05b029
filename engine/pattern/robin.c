/* Round robin. Before: the patterns' tables. After: pattern/pipe.c. Full peers leave the ring until they
 * drain, so a send looks at no peer in vain twice. */
#include "engine/pattern/robin.h"

#include "engine/pattern/balance.h"
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

/* Whose oldest message makes room: each in turn, or the one of the key. */
static sb_peer *pick_full(sb__robin *robin, const sb_msg *msg)
{
    if (robin->base.options->balance == SB_BALANCE_STICKY)
        return sb__balance_sticky(robin, msg);
    sb_peer *peer = SB_LIST_ENTRY(robin->all.next, sb_peer, member);
    sb_list_remove(&peer->member);
    sb_list_push_back(&robin->all, &peer->member);
    return peer;
}

/* Nobody has room, and the socket does not wait for it: on_full. */
static sb_err overflow(sb__robin *robin, const sb_msg *msg)
{
    sb_pattern *pat = &robin->base;
    sb_peer *peer = NULL;
    if (pat->options->on_full == SB_ON_FULL_DROP_OLD && robin->peers > 0 && !pat->passing) {
        peer = pick_full(robin, msg);
        if (peer->out_stage != NULL && sb__pipe_push_staged(peer, msg, true) == SB_OK)
            return SB_OK;
    }
    pat->host->dropped(pat, peer, robin->peers > 0 ? SB_DROP_HWM : SB_DROP_NO_PEER);
    return SB_OK;
}

static bool drops(const sb__robin *robin)
{
    sb_on_full policy = robin->base.options->on_full;
    return policy == SB_ON_FULL_DROP_NEW || policy == SB_ON_FULL_DROP_OLD;
}

/* The next peer with room that comes from outside. */
static sb_err send_outside(sb__robin *robin, const sb_msg *msg, sb_peer **to)
{
    SB_LIST_EACH_SAFE(node, after, &robin->ring)
    {
        sb_peer *peer = SB_LIST_ENTRY(node, sb_peer, active);
        if (sb__robin_passes_over(robin, peer))
            continue;
        sb_err err = sb__pipe_push(peer, msg);
        if (err == SB_EAGAIN) {
            sb_list_remove(&peer->active);
            continue;
        }
        if (err == SB_OK)
            rotate(robin, peer);
        *to = peer;
        return err;
    }
    robin->starved = true;
    return SB_EAGAIN;
}

static inline __attribute__((always_inline)) sb_err send_next(
    sb__robin *robin, const sb_msg *msg, sb_peer **to)
{
    if (robin->base.options->balance != SB_BALANCE_ROUND_ROBIN)
        return sb__balance_send_to(robin, msg, to);
    if (robin->base.passing)
        return send_outside(robin, msg, to);
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

sb_err sb__robin_send_to(sb__robin *robin, const sb_msg *msg, sb_peer **to)
{
    SB_TRACE(11);
    return send_next(robin, msg, to);
}

sb_err sb__robin_send(sb_pattern *pat, sb_msg *msg)
{
    sb_peer *to;
    sb__robin *robin = robin_from(pat);
    SB_TRACE(11);
    sb_err err = send_next(robin, msg, &to);
    return err == SB_EAGAIN && drops(robin) ? overflow(robin, msg) : err;
}

sb_peer *sb__robin_sole(const sb_pattern *pat)
{
    const sb__robin *robin = (const sb__robin *)pat;
    sb_list_node *first = robin->ring.next;
    if (sb_list_empty(&robin->ring) || first != robin->ring.prev || pat->passing ||
        pat->options->balance != SB_BALANCE_ROUND_ROBIN)
        return NULL;
    return SB_LIST_ENTRY(first, sb_peer, active);
}

sb_run sb__robin_send_run(sb_pattern *pat, const sb_run *run)
{
    sb_peer *peer = sb__robin_sole(pat);
    return peer != NULL ? sb__pipe_push_run(peer, run) : (sb_run){0};
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
    robin->links += peer->inside != 0;
    sb_list_push_back(&robin->all, &peer->member);
    peer->out.conflate = pat->options->conflate && peer->out_stage == NULL && !peer->inside;
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
    sb_list_remove(&peer->member);
    robin_from(pat)->peers--;
    robin_from(pat)->links -= peer->inside != 0;
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
    sb_list_init(&robin_from(pat)->all);
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
