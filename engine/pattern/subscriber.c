/* The subscribing half of pub/sub. Before: sub.c, xsub.c. After: pattern/topics.c, sb__link's control lane.
 */
#include "engine/pattern/subscriber.h"

static sb__subscriber *subscriber_from(sb_pattern *pat)
{
    return (sb__subscriber *)pat;
}

static void tell_all(sb__subscriber *sub, const uint8_t *topic, size_t len, bool subscribe)
{
    SB_LIST_EACH(node, &sub->peers)
    {
        sb_peer *peer = SB_LIST_ENTRY(node, sb_peer, active);
        if (peer->ready)
            peer->link->subscribe(peer, topic, len, subscribe);
    }
}

sb_err sb__subscriber_change(
    sb__subscriber *sub, const uint8_t *topic, size_t len, bool subscribe, bool repeats)
{
    bool edge;
    sb_err err = subscribe ? sb__topics_add(&sub->topics, NULL, topic, len, &edge)
                           : sb__topics_remove(&sub->topics, NULL, topic, len, &edge);
    if (err == SB_OK && (edge || repeats))
        tell_all(sub, topic, len, subscribe);
    return err;
}

sb_err sb__subscriber_subscribe(sb_pattern *pat, const uint8_t *topic, size_t len, bool subscribe)
{
    return sb__subscriber_change(subscriber_from(pat), topic, len, subscribe, false);
}

static void tell_one(void *arg, const uint8_t *topic, size_t len)
{
    sb_peer *peer = arg;
    peer->link->subscribe(peer, topic, len, true);
}

sb_err sb__subscriber_ready(sb_pattern *pat, sb_peer *peer)
{
    sb__topics_each(&subscriber_from(pat)->topics, tell_one, peer);
    return SB_OK;
}

sb_err sb__subscriber_attach(sb_pattern *pat, sb_peer *peer)
{
    sb_list_push_back(&subscriber_from(pat)->peers, &peer->active);
    return SB_OK;
}

void sb__subscriber_lost(sb_pattern *pat, sb_peer *peer)
{
    (void)pat;
    sb__pipe_drained(peer);
}

void sb__subscriber_detach(sb_pattern *pat, sb_peer *peer)
{
    (void)pat;
    sb_list_remove(&peer->active);
}

uint64_t sb__subscriber_subscriptions(const sb_pattern *pat)
{
    return ((const sb__subscriber *)pat)->topics.count;
}

void sb__subscriber_topics(sb_pattern *pat, sb__topics_look_fn *fn, void *arg)
{
    sb__topics_look(&subscriber_from(pat)->topics, fn, arg);
}

sb_err sb__subscriber_init(sb_pattern *pat)
{
    sb__subscriber *sub = subscriber_from(pat);
    sb__topics_init(&sub->topics);
    sb_list_init(&sub->peers);
    return SB_OK;
}

void sb__subscriber_finish(sb_pattern *pat)
{
    sb__topics_finish(&subscriber_from(pat)->topics);
}
