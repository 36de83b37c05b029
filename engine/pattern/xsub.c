/* XSUB: SUB whose application subscribes by sending 0x01 or 0x00 and a topic, and may send other messages to
 * all publishers (RFC 29). Like libzmq's it does not filter what comes in: a proxy's subscribers do. After:
 * pattern/subscriber.c. */
#include "engine/pattern/registry.h"
#include "engine/pattern/subscriber.h"

static void send_to_all(sb__subscriber *sub, const sb_msg *msg)
{
    SB_LIST_EACH(node, &sub->peers)
    {
        sb_peer *peer = SB_LIST_ENTRY(node, sb_peer, active);
        sb_err err = peer->ready ? sb__pipe_push(peer, msg) : SB_OK;
        if (err != SB_OK)
            sub->base.host->dropped(&sub->base, peer, err == SB_EAGAIN ? SB_DROP_HWM : SB_DROP_LOST);
    }
}

static sb_err xsub_send(sb_pattern *pat, sb_msg *msg)
{
    sb__subscriber *sub = (sb__subscriber *)pat;
    if (msg->n == 0)
        return SB_EINVAL;
    const sb_frame *f = &msg->frames[0];
    if (msg->n > 1 || f->len == 0 || f->data[0] > 1) {
        send_to_all(sub, msg);
        return SB_OK;
    }
    /* Repeats go upwards so that a verbose XPUB behind a proxy sees them. */
    bool subscribe = f->data[0] == 1, repeats = subscribe || pat->options->xsub_verbose_unsubscribe;
    sb_err err = sb__subscriber_change(sub, f->data + 1, f->len - 1, subscribe, repeats);
    return err == SB_ENOENT ? SB_OK : err;
}

const sb_pattern_impl sb__xsub_impl = {
    .type = SB_XSUB,
    .size = sizeof(sb__subscriber),
    .can_send = true,
    .can_recv = true,
    .can_subscribe = true,
    .drops = true,
    .init = sb__subscriber_init,
    .finish = sb__subscriber_finish,
    .attach = sb__subscriber_attach,
    .ready = sb__subscriber_ready,
    .lost = sb__subscriber_lost,
    .detach = sb__subscriber_detach,
    .send = xsub_send,
    .subscribe = sb__subscriber_subscribe,
    .subscriptions = sb__subscriber_subscriptions,
    .topics = sb__subscriber_topics,
};
