/* Round robin over the peers that can be sent to; what PUSH, DEALER, REQ and PAIR have in common. A pattern
 * embeds sb__robin first and uses these functions as slots of its table. */
#ifndef SB_ROBIN_H
#define SB_ROBIN_H

#include "engine/pattern/pattern.h"

typedef struct sb__robin {
    sb_pattern base;
    sb_list ring;   /* peers with room, next one first */
    sb_list all;    /* attached, with room or without */
    uint32_t peers; /* ... and their number */
    uint32_t links; /* of them to mates */
    bool starved;   /* a send found nobody: host->writable is owed */
} sb__robin;

sb_err sb__robin_init(sb_pattern *pat);
sb_err sb__robin_attach(sb_pattern *pat, sb_peer *peer);
/* A ring of one: a second peer is refused. */
sb_err sb__robin_attach_only(sb_pattern *pat, sb_peer *peer);
void sb__robin_detach(sb_pattern *pat, sb_peer *peer);
/* What was in flight left the queue: a full peer may have room again. */
void sb__robin_lost(sb_pattern *pat, sb_peer *peer);
void sb__robin_writable(sb_pattern *pat, sb_peer *peer);
/* Puts a peer with room into the ring, if it is not there. */
void sb__robin_admit(sb_pattern *pat, sb_peer *peer);
/* To the next peer with room; SB_EAGAIN when there is none. */
sb_err sb__robin_send(sb_pattern *pat, sb_msg *msg);
/* The same; *to gets the peer it was queued for. */
sb_err sb__robin_send_to(sb__robin *robin, const sb_msg *msg, sb_peer **to);

/* Whether a message that came over a link may not go to this peer: others are from outside. */
static inline bool sb__robin_passes_over(const sb__robin *robin, const sb_peer *peer)
{
    return robin->base.passing && peer->inside && robin->peers > robin->links;
}

sb_peer *sb__robin_sole(const sb_pattern *pat);
/* A run goes to the only peer with room, if there is but one. */
sb_run sb__robin_send_run(sb_pattern *pat, const sb_run *run);

/* An empty message, for probe_router. */
sb_err sb__probe(sb_peer *peer);

#endif
