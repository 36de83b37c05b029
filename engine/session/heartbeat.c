/* Heartbeats of one peer: three deadlines and a verdict. Place: asked by the session; sees no bytes. */
#include "engine/session/heartbeat.h"

/* Called later than this after a deadline means that we were stalled: what the peer sent may wait unread. */
#define LATE 10000000ull
/* How long we then go on listening before the peer counts as dead. */
#define PROBE 100000000ull

static uint64_t later(uint64_t now, uint64_t span)
{
    return span < SB__HEARTBEAT_NEVER - now ? now + span : SB__HEARTBEAT_NEVER;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void sb__heartbeat_init(sb__heartbeat *hb, uint64_t ivl, uint64_t timeout)
{
    *hb = (sb__heartbeat){.ivl = ivl, .timeout = timeout > 0 ? timeout : ivl};
    hb->next_ping = SB__HEARTBEAT_NEVER;
    hb->dead_at = SB__HEARTBEAT_NEVER;
}

void sb__heartbeat_start(sb__heartbeat *hb, uint64_t now)
{
    sb__heartbeat_seen(hb, now);
    if (hb->ivl > 0)
        hb->next_ping = later(now, hb->ivl);
}

void sb__heartbeat_peer_ttl(sb__heartbeat *hb, uint64_t ttl)
{
    hb->peer_ttl = ttl;
}

/* When the peer counts as dead if nothing comes. */
static uint64_t death(const sb__heartbeat *hb)
{
    uint64_t ttl_end = hb->peer_ttl > 0 ? later(hb->last_in, hb->peer_ttl) : SB__HEARTBEAT_NEVER;

    if (hb->probing)
        return hb->probe_until;
    return earlier(hb->dead_at, ttl_end);
}

uint64_t sb__heartbeat_deadline(const sb__heartbeat *hb)
{
    return earlier(death(hb), hb->next_ping);
}

static bool is_dead(sb__heartbeat *hb, uint64_t now)
{
    uint64_t end = death(hb);

    if (now < end)
        return false;
    if (hb->probing || now - end <= LATE)
        return true;
    hb->probing = true;
    hb->probe_until = later(now, PROBE);
    return false;
}

sb__heartbeat_verdict sb__heartbeat_expire(sb__heartbeat *hb, uint64_t now)
{
    if (is_dead(hb, now))
        return SB__HEARTBEAT_DEAD;
    if (now < hb->next_ping)
        return SB__HEARTBEAT_NOTHING;
    hb->next_ping = later(now, hb->ivl);
    if (hb->dead_at == SB__HEARTBEAT_NEVER)
        hb->dead_at = later(now, hb->timeout);
    return SB__HEARTBEAT_PING;
}
