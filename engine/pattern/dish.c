/* DISH: receives the messages of the groups it joined, from all RADIOs in turn (RFC 48). After:
 * pattern/subscriber.c. */
#include "engine/pattern/registry.h"
#include "engine/pattern/subscriber.h"

/* [group][body]; over UDP nobody filters for us. */
static sb_err dish_filter(sb_pattern *pat, sb_peer *peer, sb_msg *msg)
{
    const sb__subscriber *sub = (const sb__subscriber *)pat;
    const sb_frame *group = &msg->frames[0];
    (void)peer;
    if (msg->n != 2 || !sb__topics_holds(&sub->topics, NULL, group->data, group->len))
        return SB_ECANCELED;
    msg->envelope = 1;
    return SB_OK;
}

static sb_err dish_join(sb_pattern *pat, const uint8_t *group, size_t len, bool join)
{
    sb__subscriber *sub = (sb__subscriber *)pat;
    if (len > SB_GROUP_MAX)
        return SB_EINVAL;
    if (join && sb__topics_holds(&sub->topics, NULL, group, len))
        return SB_EEXIST;
    return sb__subscriber_change(sub, group, len, join, false);
}

const sb_pattern_impl sb__dish_impl = {
    .type = SB_DISH,
    .size = sizeof(sb__subscriber),
    .can_recv = true,
    .groups = true,
    .init = sb__subscriber_init,
    .finish = sb__subscriber_finish,
    .attach = sb__subscriber_attach,
    .ready = sb__subscriber_ready,
    .lost = sb__subscriber_lost,
    .detach = sb__subscriber_detach,
    .filter = dish_filter,
    .subscribe = dish_join,
    .subscriptions = sb__subscriber_subscriptions,
};
