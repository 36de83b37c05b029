/* TLS as a filter, and what else of OpenSSL the transports need. The only header of ours behind which OpenSSL
 * is. Knows streams and octets; no session, no HTTP. */
#ifndef SB_TLS_H
#define SB_TLS_H

#include "engine/transport/hub.h"

/* One endpoint's keys and trust, shared by its connections. */
typedef struct sb__tls sb__tls;

/* PEM texts, borrowed; NULL = none. */
typedef struct sb__tls_config {
    bool as_server;
    const char *key, *cert; /* ours, with its chain; a server needs both, a client may have none */
    const char *trust;      /* whom we trust. A server that has some asks clients for certificates */
    bool trust_system;      /* ... and whom the system trusts (clients) */
    const char *hostname;   /* client: the name the server's certificate must have (a name or an address) */
} sb__tls_config;

/* SB_EINVAL with one line in err: which text is not PEM, what is missing. SB_ENOMEM. */
sb_err sb__tls_create(const sb__tls_config *cfg, char *err, size_t cap, sb__tls **out);
/* NULL is allowed. Connections made with it keep what they need. */
void sb__tls_free(sb__tls *tls);

/* A stream on top of `below`. SB_ENOMEM leaves `below` to the caller. Its properties: "tls_version",
 * "tls_cipher", "tls_subject" (of the peer's certificate, RFC 2253; only when it was verified). */
sb_err sb__tls_wrap(sb__hub *hub, sb_stream *below, const sb__tls *tls, sb_stream **out);

/* Octets nobody can guess; for masks and keys. */
void sb__tls_random(uint8_t *out, size_t len);
/* Base64 with its NUL: 4 octets for each 3. */
void sb__tls_base64(const uint8_t *data, size_t len, char *out);
/* Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 section 4.2.2). */
#define SB__TLS_ACCEPT 32
void sb__tls_websocket_accept(const char *key, char out[SB__TLS_ACCEPT]);

#endif
