/* RADIO: each message to every DISH that joined its group, exactly; drops per full peer (RFC 48). A message
 * is [group][body]. Over UDP nobody can join: such a peer gets all. After: pattern/fan.c. */
#include "engine/pattern/envelope.h"
#include "engine/pattern/fan.h"
#include "engine/pattern/registry.h"

typedef struct radio {
    sb__fan fan;
    sb_list blind; /* peers that get all, by their active node */
} radio;

static radio *radio_from(sb_pattern *pat)
{
    return (radio *)pat;
}

/* A peer that speaks no ZMTP; fan's peers keep their topics there. */
static bool is_blind(const radio *r, const sb_peer *peer)
{
    return peer->pattern_data == r;
}

static sb_err radio_attach(sb_pattern *pat, sb_peer *peer)
{
    radio *r = radio_from(pat);
    if (peer->info == NULL || peer->info->major != 0)
        return sb__fan_attach(pat, peer);
    peer->pattern_data = r;
    sb_list_push_back(&r->blind, &peer->active);
    return SB_OK;
}

static void radio_detach(sb_pattern *pat, sb_peer *peer)
{
    if (!is_blind(radio_from(pat), peer)) {
        sb__fan_detach(pat, peer);
        return;
    }
    sb_list_remove(&peer->active);
    peer->pattern_data = NULL;
    if (peer->out_full)
        sb__fan_writable(pat, peer);
}

static sb_err radio_init(sb_pattern *pat)
{
    sb_err err = sb__fan_init(pat);
    radio_from(pat)->fan.exact = true;
    sb_list_init(&radio_from(pat)->blind);
    return err;
}

static sb_err check_blind(radio *r)
{
    SB_LIST_EACH(node, &r->blind)
    {
        sb_peer *peer = SB_LIST_ENTRY(node, sb_peer, active);
        if (sb__pipe_full(peer)) {
            r->fan.starved = true;
            return sb__pipe_refused(peer, SB_EAGAIN);
        }
    }
    return SB_OK;
}

static void send_blind(radio *r, const sb_msg *msg)
{
    SB_LIST_EACH(node, &r->blind)
    {
        sb_peer *peer = SB_LIST_ENTRY(node, sb_peer, active);
        sb_err err = sb__pipe_push(peer, msg);
        if (err != SB_OK)
            r->fan.base.host->dropped(&r->fan.base, peer, err == SB_EAGAIN ? SB_DROP_HWM : SB_DROP_LOST);
    }
}

/* The group stands right before the last frame, in the envelope or as the first of two body frames. */
static sb_err radio_send(sb_pattern *pat, sb_msg *msg)
{
    radio *r = radio_from(pat);
    sb_msg pair;
    uint32_t body = sb_msg_count(msg);
    if (msg->n < 2 || body < 1 || body > 2)
        return SB_EINVAL;
    sb__envelope_view(&pair, msg, msg->n - 2);
    pair.envelope = 0;
    if (pair.frames[0].len > SB_GROUP_MAX)
        return SB_EINVAL;
    if (pat->options->xpub_nodrop && check_blind(r) != SB_OK)
        return SB_EAGAIN;
    sb_err err = sb__fan_send(pat, &pair);
    if (err == SB_OK)
        send_blind(r, &pair);
    return err;
}

const sb_pattern_impl sb__radio_impl = {
    .type = SB_RADIO,
    .size = sizeof(radio),
    .can_send = true,
    .drops = true,
    .init = radio_init,
    .finish = sb__fan_finish,
    .attach = radio_attach,
    .ready = sb__fan_ready,
    .lost = sb__fan_lost,
    .detach = radio_detach,
    .send = radio_send,
    .writable = sb__fan_writable,
    .filter = sb__discard,
    .subscribed = sb__fan_subscribed,
    .subscriptions = sb__fan_subscriptions,
};
