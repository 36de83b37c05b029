/* Whom a balancing socket sends to, when not simply the next one: balance = "least_queued", "weighted" or
 * "sticky". Knows the robin's peers and their queues. */
#ifndef SB_BALANCE_H
#define SB_BALANCE_H

#include "engine/pattern/robin.h"

/* As sb__robin_send_to. With sticky SB_EAGAIN also when the peer of the message's key has no room. */
sb_err sb__balance_send_to(sb__robin *robin, const sb_msg *msg, sb_peer **to);
/* The peer that a sticky socket has for this message's key, with room or without; NULL when there is none. */
sb_peer *sb__balance_sticky(const sb__robin *robin, const sb_msg *msg);

#endif
