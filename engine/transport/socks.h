/* SOCKS5 (RFC 1928, RFC 1929) as a filter: asks a proxy for a connection, then only passes octets through.
 * Knows streams and octets. */
#ifndef SB_SOCKS_H
#define SB_SOCKS_H

#include "engine/transport/hub.h"

typedef struct sb__socks_config {
    const char *host; /* where the proxy shall connect to: a name (at most 255 octets) or an address */
    uint16_t port;
    const char *username, *password; /* at most 255 octets each; NULL or "": without */
} sb__socks_config;

/* A stream on top of `below`, which is connected to the proxy. The configuration is copied. SB_ENOMEM leaves
 * `below` to the caller. */
sb_err sb__socks_wrap(sb__hub *hub, sb_stream *below, const sb__socks_config *cfg, sb_stream **out);

#endif
