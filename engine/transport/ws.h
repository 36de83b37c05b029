/* WebSocket (RFC 6455) carrying ZWS 2.0 (RFC 45), as a filter: to the session above it looks like a ZMTP 3.0
 * peer. Framing is wslay's. Knows streams and octets; no session. */
#ifndef SB_WS_H
#define SB_WS_H

#include "engine/session.h"
#include "engine/transport/hub.h"

typedef struct sb__ws_config {
    bool as_server;
    sb_type type;                /* ours: a peer without a mechanism does not say its own */
    int64_t max_frame;           /* MAXMSGSIZE, -1 = no limit: for messages that come in fragments */
    const char *host;            /* client: the Host field, "example.com:80" */
    const char *path;            /* what is asked for, or the only one that is answered */
    const sb_security *security; /* of the session above; borrowed for the call */
} sb__ws_config;

/* A stream on top of `below`. Strings are copied. SB_ENOMEM leaves `below` to the caller.
 * Its properties: "ws_protocol" (the subprotocol), "ws_origin" (a browser's Origin, servers only). */
sb_err sb__ws_wrap(sb__hub *hub, sb_stream *below, const sb__ws_config *cfg, sb_stream **out);

#endif
