/* Heartbeats of one peer (RFC 37 "Heartbeating"): takes the time, answers "ping now", "dead" or "nothing".
 * Knows no session and writes no bytes. All times in ns. */
#ifndef SB_SESSION_HEARTBEAT_H
#define SB_SESSION_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#define SB__HEARTBEAT_NEVER UINT64_MAX

typedef struct sb__heartbeat {
    uint64_t ivl, timeout; /* 0: no PINGs of ours */
    uint64_t next_ping;
    uint64_t dead_at;  /* a PING of ours is unanswered */
    uint64_t peer_ttl; /* 0: the peer advertised none */
    uint64_t last_in;
    bool probing; /* the clock jumped over a deadline: one more chance is being given */
    uint64_t probe_until;
} sb__heartbeat;

typedef enum sb__heartbeat_verdict {
    SB__HEARTBEAT_NOTHING,
    SB__HEARTBEAT_PING, /* send one now */
    SB__HEARTBEAT_DEAD
} sb__heartbeat_verdict;

/* timeout 0: as ivl. */
void sb__heartbeat_init(sb__heartbeat *hb, uint64_t ivl, uint64_t timeout);
/* The handshake is done. */
void sb__heartbeat_start(sb__heartbeat *hb, uint64_t now);

/* Octets came from the peer. */
static inline void sb__heartbeat_seen(sb__heartbeat *hb, uint64_t now)
{
    hb->last_in = now;
    hb->dead_at = SB__HEARTBEAT_NEVER;
    hb->probing = false;
}

/* The peer's PING said: without traffic from me for this long I am gone. 0 is off. */
void sb__heartbeat_peer_ttl(sb__heartbeat *hb, uint64_t ttl);

uint64_t sb__heartbeat_deadline(const sb__heartbeat *hb);
sb__heartbeat_verdict sb__heartbeat_expire(sb__heartbeat *hb, uint64_t now);

#endif
