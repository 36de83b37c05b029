/* One peer's ZMTP session, sans-I/O: bytes in, messages and commands out, time as an argument.
 * Knows no loop, no queue, no socket. ZMTP 3.0 (RFC 23) and 3.1 (RFC 37). */
#ifndef SB_SESSION_H
#define SB_SESSION_H

#include "engine/msg.h"
#include "engine/security.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The one row of a socket type: X(name, constructor, number, types it may talk to). Numbers are libzmq's,
 * peers RFC 37's "The Socket-Type Property" and libzmq's drafts'. Names, the matrix, the registry of patterns
 * (sb__CONSTRUCTOR_impl) and the scripts' constructors follow from it. STREAM meets itself over inproc only.
 */
#define SB_TYPES(X)                                                                                          \
    X(PAIR, pair, 0, SB_TYPE_BIT(SB_PAIR))                                                                   \
    X(PUB, pub, 1, SB_TYPE_BIT(SB_SUB) | SB_TYPE_BIT(SB_XSUB))                                               \
    X(SUB, sub, 2, SB_TYPE_BIT(SB_PUB) | SB_TYPE_BIT(SB_XPUB))                                               \
    X(REQ, req, 3, SB_TYPE_BIT(SB_REP) | SB_TYPE_BIT(SB_ROUTER))                                             \
    X(REP, rep, 4, SB_TYPE_BIT(SB_REQ) | SB_TYPE_BIT(SB_DEALER))                                             \
    X(DEALER, dealer, 5, SB_TYPE_BIT(SB_REP) | SB_TYPE_BIT(SB_DEALER) | SB_TYPE_BIT(SB_ROUTER))              \
    X(ROUTER, router, 6, SB_TYPE_BIT(SB_REQ) | SB_TYPE_BIT(SB_DEALER) | SB_TYPE_BIT(SB_ROUTER))              \
    X(PULL, pull, 7, SB_TYPE_BIT(SB_PUSH))                                                                   \
    X(PUSH, push, 8, SB_TYPE_BIT(SB_PULL))                                                                   \
    X(XPUB, xpub, 9, SB_TYPE_BIT(SB_SUB) | SB_TYPE_BIT(SB_XSUB))                                             \
    X(XSUB, xsub, 10, SB_TYPE_BIT(SB_PUB) | SB_TYPE_BIT(SB_XPUB))                                            \
    X(STREAM, stream, 11, SB_TYPE_BIT(SB_STREAM))                                                            \
    X(SERVER, server, 12, SB_TYPE_BIT(SB_CLIENT))                                                            \
    X(CLIENT, client, 13, SB_TYPE_BIT(SB_SERVER))                                                            \
    X(RADIO, radio, 14, SB_TYPE_BIT(SB_DISH))                                                                \
    X(DISH, dish, 15, SB_TYPE_BIT(SB_RADIO))                                                                 \
    X(GATHER, gather, 16, SB_TYPE_BIT(SB_SCATTER))                                                           \
    X(SCATTER, scatter, 17, SB_TYPE_BIT(SB_GATHER))                                                          \
    X(DGRAM, dgram, 18, SB_TYPE_BIT(SB_DGRAM))                                                               \
    X(PEER, peer, 19, SB_TYPE_BIT(SB_PEER))                                                                  \
    X(CHANNEL, channel, 20, SB_TYPE_BIT(SB_CHANNEL))

typedef enum sb_type {
#define SB_TYPE_ENUM(name, lower, number, peers) SB_##name = number,
    SB_TYPES(SB_TYPE_ENUM)
#undef SB_TYPE_ENUM
        SB_TYPE_COUNT = 21
} sb_type;

#define SB_TYPE_BIT(type) (1u << (type))

/* "ROUTER" for SB_ROUTER; NULL for unknown. */
const char *sb_type_name(sb_type type);
/* Case-insensitive; returns false for an unknown name. */
bool sb_type_find(const char *name, size_t len, sb_type *out);
/* Bits of the types that `type` may talk to (RFC 37 "The Socket-Type Property"). */
uint32_t sb_type_peers(sb_type type);

/* A metadata property. Both strings end in a NUL that is not counted. */
typedef struct sb_property {
    char *name;
    uint8_t *value;
    uint32_t value_len;
} sb_property;

/* What a session learned of its peer; valid from on_ready until the session is finished. */
typedef struct sb_peer_info {
    sb_type type;
    uint8_t major, minor;    /* of the peer's greeting */
    const uint8_t *identity; /* routing id it announced; not NUL-led, at most 255 octets */
    uint32_t identity_len;
    const sb_property *props; /* all properties as received */
    uint32_t nprops;
    const char *mechanism; /* "NULL" */
    const char *user_id;   /* from whoever let it in, else the configuration's; "" when nobody knows */
    const char *key;       /* CURVE server: the peer's long-term public key in Z85, else "" */
    const sb_property *auth_props; /* from whoever let it in; what they name counts more than props */
    uint32_t nauth_props;
} sb_peer_info;

/* What a session is told at the start; copied (strings too). All times in ns, 0 = off unless said otherwise.
 */
typedef struct sb_session_config {
    sb_type type;
    bool raw;                /* no ZMTP but octets as they come (STREAM, always) */
    const uint8_t *identity; /* announced by REQ, DEALER and ROUTER; may be NULL */
    uint32_t identity_len;
    sb_security security;   /* mechanisms, keys, passwords; all zero: NULL */
    uint64_t handshake_ivl; /* whole handshake, whatever trickles in (HANDSHAKE_IVL) */
    uint64_t heartbeat_ivl;
    uint64_t heartbeat_timeout;  /* 0 = heartbeat_ivl, as libzmq */
    uint64_t heartbeat_ttl;      /* advertised with PING, rounded down to 0.1 s, at most 65.5 s */
    int64_t max_frame;           /* MAXMSGSIZE: octets per frame, -1 = no limit */
    uint32_t max_frames;         /* frames per message, 0 = 8192 */
    uint64_t max_message;        /* octets per message over all frames, 0 = no limit */
    uint32_t max_handshake;      /* octets per handshake command, 0 = 8192 */
    uint32_t max_topic;          /* octets per subscription, 0 = 65536 */
    bool strict;                 /* reject reserved flag bits and COMMAND|MORE; default of the engine: true */
    uint8_t oldest;              /* ZMTP version accepted: 1, 2 or 3; 0 = 2. With security only 3 is */
    const char *resource;        /* the service behind the port that is wanted (RFC 37), NULL: none */
    bool chooses;                /* accepted: on_resource says what it will be before it says so itself */
    const sb_property *metadata; /* extra READY properties (X-...) */
    uint32_t nmetadata;
    const char *user_id; /* of the peer, when it is known before it speaks (a certificate); may be NULL */
    bool stream_pings;   /* PINGs leave in clear and PONGs come so, whatever the mechanism: the stream below
                            (ws)   makes its own of them */
} sb_session_config;

/* Causes, for events and counters; the texts are stable. */
typedef enum sb_session_cause {
    SB_CAUSE_NONE,
    SB_CAUSE_GREETING,      /* no ZMTP, or a version not spoken here (HTTP, TLS, ...) */
    SB_CAUSE_MECHANISM,     /* mechanism mismatch */
    SB_CAUSE_PEER_TYPE,     /* incompatible socket type */
    SB_CAUSE_METADATA,      /* malformed READY or property, bad identity */
    SB_CAUSE_FRAME,         /* reserved bits, bad length, bad command */
    SB_CAUSE_OVERSIZE,      /* max_frame, max_frames, max_message, max_handshake or max_topic */
    SB_CAUSE_TIMEOUT,       /* handshake deadline */
    SB_CAUSE_HEARTBEAT,     /* heartbeat timeout or TTL */
    SB_CAUSE_ERROR_COMMAND, /* the peer sent ERROR */
    SB_CAUSE_REFUSED,       /* the owner refused (on_ready) */
    SB_CAUSE_AUTH,          /* name, password or key was not let in (here, or by the peer: its status) */
    SB_CAUSE_CRYPTO,        /* a box, nonce, cookie or vouch that is not authentic */
    SB_CAUSE_TRANSPORT,     /* TLS, WebSocket or proxy handshake: the session never began */
    SB_CAUSE_COUNT
} sb_session_cause;
const char *sb_session_cause_name(sb_session_cause cause); /* "greeting", "peer_type", ... */

typedef struct sb_session sb_session;

/* What a session tells its owner, from inside feed. No call back into feed. All mandatory. */
typedef struct sb_session_events {
    /* Handshake done. Anything but SB_OK refuses the peer: ERROR with sb_strerror's text is queued, the
     * session is over. */
    sb_err (*on_ready)(sb_session *s, const sb_peer_info *info);
    /* A whole message; a view, valid during the call (frames lie in the buffer given to feed, or in one of
     * the session's: sb_frame.buf is set either way). It was taken, whatever is returned: SB_OK goes on
     * parsing, SB_EAGAIN stops after it (feed returns with *consumed < len), other errors end the session. */
    sb_err (*on_msg)(sb_session *s, sb_msg *msg);
    /* SUBSCRIBE or CANCEL in either form (command, or 0x01/0x00-led single frame), only when type is PUB or
     * XPUB; JOIN or LEAVE when it is RADIO. Return values as for on_msg. */
    sb_err (*on_subscribe)(sb_session *s, const uint8_t *topic, size_t len, bool subscribe);
    /* A PONG for one of our PINGs came back: round trip in ns. */
    void (*on_rtt)(sb_session *s, uint64_t rtt);
    /* May this peer come in? `info` is what it said of itself, NULL when that comes later (PLAIN). SB_OK: the
     * answer will come with sb_session_answer, not from inside this call; until then no octet is taken.
     * Anything else refuses for now (status 300). NULL slot: nobody is let in who would have to be asked
     * about. */
    sb_err (*on_auth)(sb_session *s, const sb_credentials *credentials, const sb_peer_info *info);
    /* With `chooses`: the resource that the peer wants, len 0: none. The owner calls sb_session_become.
     * Anything but SB_OK refuses the peer with an ERROR. */
    sb_err (*on_resource)(sb_session *s, const uint8_t *name, size_t len);
    /* The PONG of a mark came back (sb_session_mark); may be NULL when none is ever put. */
    void (*on_mark)(sb_session *s, uint64_t number);
} sb_session_events;

/* The answer to on_auth; borrowed for the call. */
typedef struct sb_session_verdict {
    unsigned status;  /* ZAP's (RFC 27): 200 lets in, 300 closes silently, 400 and 500 are told to the peer */
    const char *text; /* why not, for our own events; may be NULL */
    const char *user_id;         /* may be NULL */
    const sb_property *metadata; /* for sb_peer_info.auth_props */
    uint32_t nmetadata;
} sb_session_verdict;

/* From inside on_msg, by a callee that is done with its message: makes it the next one, if that is at hand as
 * a whole. false: there is none for now; the message may be empty then. */
bool sb_session_next(sb_session *s, sb_msg *msg);
/* Puts back what it gave, and makes the message empty: on_msg will be called with it. */
void sb_session_unread(sb_session *s, sb_msg *msg);

/* The same for many: shows the messages at hand behind the callee's own, at most `most` of them; nothing is
 * taken by that. false: there are none that could be forwarded as they are. */
bool sb_session_run(sb_session *s, uint32_t most, sb_run *run);
/* The callee has dealt with so many octets of them, which end where a message ends. */
void sb_session_took(sb_session *s, size_t octets);

typedef enum sb_session_state {
    SB_SESSION_GREETING,
    SB_SESSION_HANDSHAKE,
    SB_SESSION_READY,
    SB_SESSION_OVER /* an error was returned; output may still hold an ERROR command to send before closing */
} sb_session_state;

/* A session of its own; `data` is the owner's. The first 10 octets of the greeting are in the output at once.
 * SB_ENOMEM, SB_EINVAL. */
sb_err sb_session_create(const sb_session_config *cfg, const sb_session_events *events, void *data,
    uint64_t now, sb_session **out);
/* NULL is allowed. Not from inside a callback. */
void sb_session_destroy(sb_session *s);

/* A STREAM's session has no handshake: on_ready comes from inside this call, and then octets as they come, as
 * messages of one frame without wire form. Of other types: nothing. The first feed does it where nobody did.
 */
sb_err sb_session_start(sb_session *s, uint64_t now);

/* From inside on_resource: type, properties, limits and heartbeats are those of cfg from now on. SB_EINVAL,
 * SB_ENOMEM, SB_EFSM after the handshake. */
sb_err sb_session_become(sb_session *s, const sb_session_config *cfg);

void *sb_session_data(const sb_session *s);
sb_session_state sb_session_get_state(const sb_session *s);
const sb_peer_info *sb_session_peer(const sb_session *s); /* NULL before READY */
/* Why the session is over, with one line of detail ("frame of 4096 octets, limit 1024"); valid until destroy.
 */
sb_session_cause sb_session_why(const sb_session *s, const char **detail);

/* Takes bytes. `data` lies in `buf`; messages refer to it, so whoever keeps a frame references buf. *consumed
 * tells how many were taken: all of them unless a callback said SB_EAGAIN (feed the rest later) or the
 * session ended. Incomplete messages are kept in the session's own memory, which follows the octets received,
 * never the length declared. Errors: SB_EPROTO, SB_EMECHANISM, SB_EPEERTYPE, SB_EMSGSIZE, SB_EREFUSED (peer's
 * ERROR), SB_ENOMEM: close after sending what is in the output. */
sb_err sb_session_feed(
    sb_session *s, sb_buf *buf, const uint8_t *data, size_t len, uint64_t now, size_t *consumed);

/* Answers on_auth; then feed what was not taken. Errors as from feed. SB_EFSM when nothing was asked. */
sb_err sb_session_answer(sb_session *s, const sb_session_verdict *verdict, uint64_t now);

/* Octets of a message that has begun and is not whole: what is lost if the connection ends now. 0 inside a
 * command, and once the session is over. */
size_t sb_session_unfinished(const sb_session *s);

/* Control bytes to write (greeting, READY, PING, PONG, SUBSCRIBE, ERROR), borrowed until sb_session_sent or
 * the next call that adds some; they go before the next message, never inside one. 0 when there are none. */
size_t sb_session_output(sb_session *s, const uint8_t **out);
/* The first n octets of the output were handed on. */
void sb_session_sent(sb_session *s, size_t n);

/* Queues SUBSCRIBE or CANCEL in the peer's dialect (command to 3.1, message to 3.0); of a DISH, JOIN or
 * LEAVE. Only after READY, else SB_EFSM. */
sb_err sb_session_subscribe(sb_session *s, const uint8_t *topic, size_t len, bool subscribe);

/* Queues a PING whose PONG proves that the peer has read everything put into the output before it: on_mark
 * gets the number back. SB_ENOTSUP for a peer of ZMTP 3.0, which need not answer; SB_EFSM before READY;
 * SB_ENOMEM. */
sb_err sb_session_mark(sb_session *s, uint64_t number);

/* When expire wants to be called next (ns); SB_NEVER (UINT64_MAX) if never. */
uint64_t sb_session_deadline(const sb_session *s);
/* Time passed: may queue a PING; SB_ETIMEDOUT ends the session (handshake or heartbeat). */
sb_err sb_session_expire(sb_session *s, uint64_t now);
/* Octets came from the peer, or went to it, that the session did not see in detail. Only reading counts as
 * life. */
void sb_session_touch(sb_session *s, uint64_t now);

/* Whether packed messages (sb_msg_pack) may be written to the peer as they are (NULL, PLAIN; not STREAM). */
bool sb_session_passthrough(const sb_session *s);
/* Otherwise: seals whole packed messages, which lie in the vectors as a queue gives them (a head never apart
 * from itself, a body never split), into one new buffer. They must leave in the order in which they were
 * sealed, behind the output that was there before. SB_ENOMEM, SB_EFSM when the session is over or its nonces
 * are used up: close. */
struct iovec;
sb_err sb_session_seal(sb_session *s, const struct iovec *iov, size_t n, sb_buf **out);

#ifdef __cplusplus
}
#endif
#endif
