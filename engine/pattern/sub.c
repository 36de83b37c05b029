/* SUB: receives what it subscribed to, from all publishers in turn (RFC 29). After: pattern/subscriber.c. */
#include "engine/pattern/registry.h"
#include "engine/pattern/subscriber.h"

/* Publishers filter; this catches what they sent before a cancel reached them, and those that do not. */
static sb_err sub_filter(sb_pattern *pat, sb_peer *peer, sb_msg *msg)
{
    const sb__subscriber *sub = (const sb__subscriber *)pat;
    const sb_frame *topic = &msg->frames[0];
    (void)peer;
    bool match = sb__topics_match(&sub->topics, topic->data, topic->len);
    return match != pat->options->invert_matching ? SB_OK : SB_ECANCELED;
}

const sb_pattern_impl sb__sub_impl = {
    .type = SB_SUB,
    .size = sizeof(sb__subscriber),
    .can_recv = true,
    .can_subscribe = true,
    .init = sb__subscriber_init,
    .finish = sb__subscriber_finish,
    .attach = sb__subscriber_attach,
    .ready = sb__subscriber_ready,
    .lost = sb__subscriber_lost,
    .detach = sb__subscriber_detach,
    .filter = sub_filter,
    .subscribe = sb__subscriber_subscribe,
    .subscriptions = sb__subscriber_subscriptions,
    .topics = sb__subscriber_topics,
};
