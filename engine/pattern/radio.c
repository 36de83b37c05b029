/* RADIO: each message to every DISH that joined its group, exactly; drops per full peer (RFC 48). A message
 * is [group][body]. After: pattern/fan.c. */
#include "engine/pattern/envelope.h"
#include "engine/pattern/fan.h"
#include "engine/pattern/registry.h"

static sb_err radio_init(sb_pattern *pat)
{
    sb_err err = sb__fan_init(pat);
    ((sb__fan *)pat)->exact = true;
    return err;
}

/* The group stands right before the last frame, in the envelope or as the first of two body frames. */
static sb_err radio_send(sb_pattern *pat, sb_msg *msg)
{
    sb_msg pair;
    uint32_t body = sb_msg_count(msg);
    if (msg->n < 2 || body < 1 || body > 2)
        return SB_EINVAL;
    sb__envelope_view(&pair, msg, msg->n - 2);
    pair.envelope = 0;
    return pair.frames[0].len <= SB_GROUP_MAX ? sb__fan_send(pat, &pair) : SB_EINVAL;
}

const sb_pattern_impl sb__radio_impl = {
    .type = SB_RADIO,
    .size = sizeof(sb__fan),
    .can_send = true,
    .init = radio_init,
    .finish = sb__fan_finish,
    .attach = sb__fan_attach,
    .ready = sb__fan_ready,
    .lost = sb__fan_lost,
    .detach = sb__fan_detach,
    .send = radio_send,
    .writable = sb__fan_writable,
    .filter = sb__discard,
    .subscribed = sb__fan_subscribed,
    .subscriptions = sb__fan_subscriptions,
};
