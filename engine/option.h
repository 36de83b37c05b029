/* Socket options: libzmq's names (lower case, without ZMQ_), numbers and defaults, in one table
 * (engine/socket/options.c). */
#ifndef SB_OPTION_H
#define SB_OPTION_H

#include "engine/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers are libzmq's (zmq.h ZMQ_*) where it has the option; ours begin at 1000. */
typedef enum sb_opt {
    SB_OPT_AFFINITY = 4,
    SB_OPT_ROUTING_ID = 5,
    SB_OPT_SUBSCRIBE = 6,
    SB_OPT_UNSUBSCRIBE = 7,
    SB_OPT_SNDBUF = 11,
    SB_OPT_RCVBUF = 12,
    SB_OPT_RCVMORE = 13,
    SB_OPT_FD = 14,
    SB_OPT_EVENTS = 15,
    SB_OPT_TYPE = 16,
    SB_OPT_LINGER = 17,
    SB_OPT_RECONNECT_IVL = 18,
    SB_OPT_BACKLOG = 19,
    SB_OPT_RECONNECT_IVL_MAX = 21,
    SB_OPT_MAXMSGSIZE = 22,
    SB_OPT_SNDHWM = 23,
    SB_OPT_RCVHWM = 24,
    SB_OPT_MULTICAST_HOPS = 25,
    SB_OPT_RCVTIMEO = 27,
    SB_OPT_SNDTIMEO = 28,
    SB_OPT_IPV4ONLY = 31,
    SB_OPT_LAST_ENDPOINT = 32,
    SB_OPT_ROUTER_MANDATORY = 33,
    SB_OPT_TCP_KEEPALIVE = 34,
    SB_OPT_TCP_KEEPALIVE_CNT = 35,
    SB_OPT_TCP_KEEPALIVE_IDLE = 36,
    SB_OPT_TCP_KEEPALIVE_INTVL = 37,
    SB_OPT_IMMEDIATE = 39,
    SB_OPT_XPUB_VERBOSE = 40,
    SB_OPT_ROUTER_RAW = 41,
    SB_OPT_IPV6 = 42,
    SB_OPT_MECHANISM = 43,
    SB_OPT_PLAIN_SERVER = 44,
    SB_OPT_PLAIN_USERNAME = 45,
    SB_OPT_PLAIN_PASSWORD = 46,
    SB_OPT_CURVE_SERVER = 47,
    SB_OPT_CURVE_PUBLICKEY = 48,
    SB_OPT_CURVE_SECRETKEY = 49,
    SB_OPT_CURVE_SERVERKEY = 50,
    SB_OPT_PROBE_ROUTER = 51,
    SB_OPT_REQ_CORRELATE = 52,
    SB_OPT_REQ_RELAXED = 53,
    SB_OPT_CONFLATE = 54,
    SB_OPT_ZAP_DOMAIN = 55,
    SB_OPT_ROUTER_HANDOVER = 56,
    SB_OPT_TOS = 57,
    SB_OPT_CONNECT_ROUTING_ID = 61,
    SB_OPT_HANDSHAKE_IVL = 66,
    SB_OPT_SOCKS_PROXY = 68,
    SB_OPT_XPUB_NODROP = 69,
    SB_OPT_XPUB_MANUAL = 71,
    SB_OPT_XPUB_WELCOME_MSG = 72,
    SB_OPT_STREAM_NOTIFY = 73,
    SB_OPT_INVERT_MATCHING = 74,
    SB_OPT_HEARTBEAT_IVL = 75,
    SB_OPT_HEARTBEAT_TTL = 76,
    SB_OPT_HEARTBEAT_TIMEOUT = 77,
    SB_OPT_XPUB_VERBOSER = 78,
    SB_OPT_CONNECT_TIMEOUT = 79,
    SB_OPT_TCP_MAXRT = 80,
    SB_OPT_MULTICAST_MAXTPDU = 84,
    SB_OPT_USE_FD = 89,
    SB_OPT_BINDTODEVICE = 92,
    SB_OPT_ZAP_ENFORCE_DOMAIN = 93,
    SB_OPT_MULTICAST_LOOP = 96,
    SB_OPT_ROUTER_NOTIFY = 97,
    SB_OPT_SOCKS_USERNAME = 99,
    SB_OPT_SOCKS_PASSWORD = 100,
    SB_OPT_WSS_KEY_PEM = 103,
    SB_OPT_WSS_CERT_PEM = 104,
    SB_OPT_WSS_TRUST_PEM = 105,
    SB_OPT_WSS_HOSTNAME = 106,
    SB_OPT_WSS_TRUST_SYSTEM = 107,
    SB_OPT_HELLO_MSG = 110,
    SB_OPT_DISCONNECT_MSG = 111,
    SB_OPT_PRIORITY = 112,
    SB_OPT_BUSY_POLL = 113,
    SB_OPT_HICCUP_MSG = 114,
    SB_OPT_THREAD_SAFE = 81,
    SB_OPT_LOOPBACK_FASTPATH = 94,
    SB_OPT_METADATA = 95,
    SB_OPT_XPUB_MANUAL_LAST_VALUE = 98,
    SB_OPT_IN_BATCH_SIZE = 101,
    SB_OPT_OUT_BATCH_SIZE = 102,
    SB_OPT_ONLY_FIRST_SUBSCRIBE = 108,
    SB_OPT_RECONNECT_STOP = 109,
    SB_OPT_XSUB_VERBOSE_UNSUBSCRIBE = 115,
    SB_OPT_TOPICS_COUNT = 116,
    SB_OPT_SNDHWM_BYTES = 1000, /* octets per peer, 0 = no limit */
    SB_OPT_RCVHWM_BYTES,
    SB_OPT_MAX_FRAMES,
    SB_OPT_MAX_MESSAGE,
    SB_OPT_STRICT,
    SB_OPT_WSS_KEY_FILE = 1040, /* names of files instead of texts */
    SB_OPT_WSS_CERT_FILE,
    SB_OPT_WSS_TRUST_FILE,
    SB_OPT_ZMTP_MIN = 1050, /* 1, 2 or 3 */
    SB_OPT_ON_FULL = 1100,  /* an sb_on_full */
    SB_OPT_MESSAGE_TTL,
    SB_OPT_CONFLATE_KEY,
    SB_OPT_CONFLATE_PREFIX,
    SB_OPT_RETAIN_LAST,
    SB_OPT_RETAIN_PREFIX,
    SB_OPT_RETAIN_MESSAGES,
    SB_OPT_RETAIN_BYTES,
    SB_OPT_CONFIRM_SUBSCRIPTIONS,
    SB_OPT_BALANCE, /* an sb_balance */
    SB_OPT_BALANCE_KEY,
    SB_OPT_WEIGHT,
    SB_OPT_REQ_DEADLINE,
    SB_OPT_REQ_RESEND,
    SB_OPT_ALLOW_NULL = 1200, /* security and limits */
    SB_OPT_AUTH_TIMEOUT,
    SB_OPT_CURVE_KEYFILE,
    SB_OPT_CURVE_ALLOW,
    SB_OPT_MAX_PEERS,
    SB_OPT_MAX_PEERS_PER_ADDRESS,
    SB_OPT_MAX_HANDSHAKES,
    SB_OPT_ACCEPT_RATE,
    SB_OPT_MAX_HANDSHAKE,
    SB_OPT_MAX_TOPIC,
    SB_OPT_MAX_SUBSCRIPTIONS,
    SB_OPT_MAX_SUBSCRIPTION_BYTES,
    SB_OPT_MAX_PEERS_PER_IDENTITY,
    SB_OPT_HANDSHAKES_PER_TURN
} sb_opt;

/* What happens to a message whose peer's queue is full (docs/overload.md). */
typedef enum sb_on_full {
    SB_ON_FULL_DEFAULT, /* as the socket type does */
    SB_ON_FULL_BLOCK,
    SB_ON_FULL_DROP_NEW,
    SB_ON_FULL_DROP_OLD,
    SB_ON_FULL_DISCONNECT
} sb_on_full;

/* Whom a socket that balances sends to (docs/balance.md). */
typedef enum sb_balance {
    SB_BALANCE_ROUND_ROBIN,
    SB_BALANCE_LEAST_QUEUED,
    SB_BALANCE_WEIGHTED,
    SB_BALANCE_STICKY
} sb_balance;

typedef enum sb_opt_kind {
    SB_OPT_INT,    /* a number in the table's range */
    SB_OPT_BOOL,   /* 0 or 1 */
    SB_OPT_MS,     /* milliseconds as libzmq; scripts give seconds (a number, or "500ms", "2s") */
    SB_OPT_SIZE,   /* octets; scripts may say "64k" */
    SB_OPT_CHOICE, /* a number of the row's names; scripts give the name */
    SB_OPT_BYTES   /* a string */
} sb_opt_kind;

/* One row of the table; static. */
typedef struct sb_opt_row {
    sb_opt opt;
    const char *name; /* "rcvhwm" */
    sb_opt_kind kind;
    int64_t def, min, max;
    uint32_t types; /* SB_TYPE_BIT()s that know it, 0 = all */
    bool settable, gettable;
    bool secret;                /* wiped when it goes, never shown */
    const char *const *choices; /* SB_OPT_CHOICE: the names of 0 to max */
    const char *doc;            /* one line */
} sb_opt_row;

/* NULL when there is no such option. `near` (may be NULL) then gets the most similar name or NULL, for a
 * hint. */
const sb_opt_row *sb_option_find(const char *name, size_t len, const char **near);
const sb_opt_row *sb_option_get(sb_opt opt);
/* All rows, in order; *n gets their number. */
const sb_opt_row *sb_option_table(size_t *n);
/* Parses "500ms", "2s", "1.5" (seconds) to ms; "64k", "1m", "100" to octets. false when it is not one. */
bool sb_option_parse_ms(const char *text, size_t len, int64_t *ms);
bool sb_option_parse_size(const char *text, size_t len, int64_t *octets);

#ifdef __cplusplus
}
#endif
#endif
