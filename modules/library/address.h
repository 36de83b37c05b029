/* Where a bind endpoint listens. Private to modules/library. */
#ifndef SB_LIBRARY_ADDRESS_H
#define SB_LIBRARY_ADDRESS_H

#include "engine/loop.h"

/* The address of a tcp endpoint (wildcard, numeric or interface name, port or wildcard) or an ipc path. false
 * for everything a host cannot open by itself: other transports, unknown names, an ipc wildcard. */
bool sb__address_of_bind(const char *endpoint, bool ipv6, sb_addr *out);

#endif
