/* Late joiners: what a publisher sends is retained, and a new subscriber gets what it missed before anything
 * newer. Before: pattern/fan.c. After: pattern/retain.c, pattern/pipe.c. */
#include "engine/pattern/fan.h"

#include "engine/pattern/narrow.h"

typedef struct replay {
    sb__fan *fan;
    sb_peer *peer;
    size_t len; /* of the topic that is new */
} replay;

void sb__fan_option(sb_pattern *pat, sb_opt opt)
{
    sb__fan *fan = (sb__fan *)pat;
    (void)opt;
    if (pat->options->retain.last > 0 && fan->retain == NULL) {
        fan->retain = sb__retain_create(&pat->options->retain); /* without memory nothing is retained */
    } else if (pat->options->retain.last == 0 && !fan->asking) {
        sb__retain_destroy(fan->retain);
        fan->retain = NULL;
    }
}

void sb__fan_retained(const sb_pattern *pat, uint64_t *msgs, uint64_t *bytes)
{
    const sb__fan *fan = (const sb__fan *)pat;
    *msgs = fan->retain != NULL ? sb__retain_messages(fan->retain) : 0;
    *bytes = fan->retain != NULL ? sb__retain_bytes(fan->retain) : 0;
}

uint32_t sb__fan_forget(sb_pattern *pat, const uint8_t *topic, size_t len)
{
    sb__fan *fan = (sb__fan *)pat;
    return fan->retain != NULL && !fan->asking ? sb__retain_forget(fan->retain, topic, len) : 0;
}

/* Whether the peer has a longer subscription that matches: then it got the message with that one. */
static bool has_longer(const replay *r, const sb_frame *topic)
{
    for (size_t len = r->len + 1; r->peer->topics > 1 && len <= topic->len; len++)
        if (sb__topics_holds(&r->fan->topics, r->peer, topic->data, len))
            return true;
    return false;
}

static void send_one(void *arg, const sb_msg *msg)
{
    const replay *r = arg;
    if (has_longer(r, &msg->frames[0]))
        return;
    if (r->peer->narrows == NULL || sb__narrow_passes(r->fan, r->peer, msg))
        sb__fan_push(r->fan, r->peer, msg);
}

static bool has_shorter(const sb__fan *fan, const sb_peer *peer, const uint8_t *topic, size_t len)
{
    for (size_t i = 0; peer->topics > 1 && i < len; i++)
        if (sb__topics_holds(&fan->topics, peer, topic, i))
            return true;
    return false;
}

void sb__fan_replay(sb__fan *fan, sb_peer *peer, const uint8_t *topic, size_t len)
{
    const sb__pattern_options *o = fan->base.options;
    replay r = {.fan = fan, .peer = peer, .len = len};
    if (o->invert_matching || has_shorter(fan, peer, topic, len))
        return;
    uint64_t now = fan->base.host->stamp(&fan->base);
    uint64_t since = o->stage.ttl != 0 && o->stage.ttl < now ? now - o->stage.ttl : 0;
    /* What is replayed has a limit of its own; it shall not be cut by that of live messages. */
    uint32_t hwm = peer->out.hwm_msgs;
    peer->out.hwm_msgs = 0;
    if (sb__retain_each(fan->retain, topic, len, since, send_one, &r) != SB_OK)
        fan->base.host->dropped(&fan->base, peer, SB_DROP_LOST);
    peer->out.hwm_msgs = hwm;
}
