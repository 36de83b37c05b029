/* Addressing peers by number, messages of one frame; what SERVER and PEER have in common. A pattern embeds
 * sb__server first and uses these functions as slots of its table. */
#ifndef SB_SERVER_H
#define SB_SERVER_H

#include "engine/pattern/names.h"
#include "engine/pattern/pattern.h"

typedef struct sb__server {
    sb_pattern base;
    sb__names names; /* by four octets, never zero */
    bool starved;    /* a send found its peer full */
} sb__server;

sb_err sb__server_init(sb_pattern *pat);
void sb__server_finish(sb_pattern *pat);
/* The number is the peer's for as long as it is attached. */
sb_err sb__server_attach(sb_pattern *pat, sb_peer *peer);
void sb__server_lost(sb_pattern *pat, sb_peer *peer);
void sb__server_detach(sb_pattern *pat, sb_peer *peer);
/* To the peer that the first frame names (sb_msg_routing_id). SB_EHOSTUNREACH: nobody has this number;
 * SB_EAGAIN: it is full; SB_EINVAL: not [number][body]. */
sb_err sb__server_send(sb_pattern *pat, sb_msg *msg);
void sb__server_writable(sb_pattern *pat, sb_peer *peer);
sb_peer *sb__server_find(sb_pattern *pat, const sb_frame *number);
/* Puts the number in front. */
sb_err sb__server_filter(sb_pattern *pat, sb_peer *peer, sb_msg *msg);

#endif
