/* Narrowed subscriptions: a peer subscribed a prefix, the publisher sends it less: an exact topic, a
 * wildcard, or what the application says message by message. The wire knows nothing of it. */
#ifndef SB_NARROW_H
#define SB_NARROW_H

#include "engine/handler.h"
#include "engine/pattern/fan.h"

/* Narrows what the peer gets because of this topic (as it is held in the fan); replaces what was there.
 * SB_ENOMEM. The filter's data is the peer's from now on and released with it. */
sb_err sb__narrow_set(sb_peer *peer, const uint8_t *topic, size_t len, const sb_filter *filter);
/* The peer no longer holds the topic. */
void sb__narrow_remove(sb_peer *peer, const uint8_t *topic, size_t len);
void sb__narrow_clear(sb_peer *peer);
/* Whether the message is for the peer, by any of its subscriptions. May ask the application. */
bool sb__narrow_passes(sb__fan *fan, sb_peer *peer, const sb_msg *msg);

#endif
