/* Who may come in: ZAP (RFC 27) as a function, in C. Scripts have the same as sb.authenticate; handlers of
 * the wire kind bind inproc://zeromq.zap.01 in the same engine. All functions on the engine's thread. */
#ifndef SB_AUTH_H
#define SB_AUTH_H

#include "engine/context.h"
#include "engine/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One question. Everything is borrowed for the call; unknown strings are "". */
typedef struct sb_auth_request {
    uint64_t id; /* for the answer */
    sb_socket *socket;
    const char *mechanism;   /* "NULL", "PLAIN", "CURVE" */
    const char *domain;      /* the socket's zap_domain */
    const char *address;     /* IP address of the peer, "" for ipc */
    const char *endpoint;    /* the whole of it: "tcp://192.0.2.1:40123" */
    const uint8_t *identity; /* what it announced; nothing with PLAIN, which says that later */
    size_t identity_len;
    const char *username, *password;
    size_t username_len, password_len; /* they may contain NULs */
    const char *key;                   /* CURVE: its public key in Z85 */
    const sb_property *metadata;       /* what it says of itself; not with PLAIN */
    uint32_t nmetadata;
} sb_auth_request;

/* A callback; `self` rides by embedding. */
typedef struct sb_authenticator sb_authenticator;
struct sb_authenticator {
    /* A peer wants in. Answer with sb_auth_answer, from inside or later. No answer within the socket's
     * auth_timeout is one of status 300. */
    void (*on_request)(sb_authenticator *self, const sb_auth_request *request);
};

/* From now on asked about every accepted peer of every socket, whatever its mechanism, and about every PLAIN
 * and CURVE client. Borrowed until replaced; NULL: nobody. */
void sb_engine_set_authenticator(sb_engine *engine, sb_authenticator *authenticator);
sb_authenticator *sb_engine_get_authenticator(const sb_engine *engine);
/* The verdict is copied. SB_ENOENT: too late, the peer is gone or was answered; harmless. SB_ENOMEM: it stays
 * unanswered. */
sb_err sb_auth_answer(sb_engine *engine, uint64_t id, const sb_session_verdict *verdict);

#ifdef __cplusplus
}
#endif
#endif
