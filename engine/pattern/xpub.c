/* XPUB: PUB whose application sees subscriptions come and go, and may receive (RFC 29). After: pattern/fan.c.
 */
#include "engine/pattern/fan.h"
#include "engine/pattern/registry.h"

const sb_pattern_impl sb__xpub_impl = {
    .type = SB_XPUB,
    .size = sizeof(sb__fan),
    .can_send = true,
    .can_recv = true,
    .drops = true,
    .init = sb__fan_init,
    .finish = sb__fan_finish,
    .attach = sb__fan_attach,
    .ready = sb__fan_ready,
    .lost = sb__fan_lost,
    .detach = sb__fan_detach,
    .send = sb__fan_send,
    .send_run = sb__fan_send_run,
    .writable = sb__fan_writable,
    .subscribed = sb__fan_subscribed,
    .grant = sb__fan_grant,
    .subscriptions = sb__fan_subscriptions,
    .topics = sb__fan_topics,
    .option = sb__fan_option,
    .retained = sb__fan_retained,
    .forget = sb__fan_forget,
};
