/* The option table: one row per option, libzmq's names, numbers and defaults (zmq_setsockopt(3)). C, scripts
 * and docs read it. Knows no socket. */
#include "engine/base/near.h"
#include "engine/option.h"

#include <stdio.h>
#include <string.h>

#define BITS(a)     SB_TYPE_BIT(a)
#define ROUTERS     BITS(SB_ROUTER)
#define SUBSCRIBERS (BITS(SB_SUB) | BITS(SB_XSUB))
#define PUBLISHERS  (BITS(SB_PUB) | BITS(SB_XPUB))
#define RECEIVERS   (SUBSCRIBERS | BITS(SB_PULL) | BITS(SB_GATHER))
#define BALANCERS                                                                                            \
    (BITS(SB_PUSH) | BITS(SB_DEALER) | BITS(SB_PAIR) | BITS(SB_CLIENT) | BITS(SB_SCATTER) | BITS(SB_CHANNEL))
#define SPREADERS  (BITS(SB_PUSH) | BITS(SB_DEALER) | BITS(SB_REQ) | BITS(SB_CLIENT) | BITS(SB_SCATTER))
#define SENDERS    (PUBLISHERS | BALANCERS | BITS(SB_ROUTER))
#define ADDRESSEES (BITS(SB_REP) | BITS(SB_SERVER) | BITS(SB_PEER))
#define QUEUERS                                                                                              \
    (SENDERS | RECEIVERS | ADDRESSEES | DATAGRAMS) /* all but REQ, who has one question open, and STREAM */
#define KEYED     ((SENDERS | RECEIVERS) & ~BITS(SB_ROUTER))
#define GREETERS  (BITS(SB_DEALER) | BITS(SB_ROUTER) | BITS(SB_CLIENT) | BITS(SB_SERVER) | BITS(SB_PEER))
#define DATAGRAMS (BITS(SB_RADIO) | BITS(SB_DISH) | BITS(SB_DGRAM))
#define FOREVER   INT32_MAX
#define PEM       (1 << 20) /* octets */
#define INT(o, n, d, lo, hi, t, text)                                                                        \
    {                                                                                                        \
        .opt = o, .name = n, .kind = SB_OPT_INT, .def = d, .min = lo, .max = hi, .types = t,                 \
        .settable = true, .gettable = true, .doc = text                                                      \
    }
#define BOOL(o, n, d, t, text)                                                                               \
    {                                                                                                        \
        .opt = o, .name = n, .kind = SB_OPT_BOOL, .def = d, .min = 0, .max = 1, .types = t,                  \
        .settable = true, .gettable = true, .doc = text                                                      \
    }
#define MS(o, n, d, lo, hi, text) MS_OF(o, n, d, lo, hi, 0, text)
#define MS_OF(o, n, d, lo, hi, t, text)                                                                      \
    {                                                                                                        \
        .opt = o, .name = n, .kind = SB_OPT_MS, .def = d, .min = lo, .max = hi, .types = t,                  \
        .settable = true, .gettable = true, .doc = text                                                      \
    }
#define SIZE(o, n, d, lo, hi, text) SIZE_OF(o, n, d, lo, hi, 0, text)
#define SIZE_OF(o, n, d, lo, hi, t, text)                                                                    \
    {                                                                                                        \
        .opt = o, .name = n, .kind = SB_OPT_SIZE, .def = d, .min = lo, .max = hi, .types = t,                \
        .settable = true, .gettable = true, .doc = text                                                      \
    }
#define CHOICE(o, n, d, list, t, text)                                                                       \
    {                                                                                                        \
        .opt = o, .name = n, .kind = SB_OPT_CHOICE, .def = d, .min = 0,                                      \
        .max = sizeof list / sizeof list[0] - 1, .types = t, .settable = true, .gettable = true,             \
        .choices = list, .doc = text                                                                         \
    }
/* Told by the socket, not set. */
#define TOLD(o, n, t, text)                                                                                  \
    {                                                                                                        \
        .opt = o, .name = n, .kind = SB_OPT_INT, .types = t, .gettable = true, .doc = text                   \
    }
#define BYTES(o, n, lo, hi, t, set, get, text)                                                               \
    {                                                                                                        \
        .opt = o, .name = n, .kind = SB_OPT_BYTES, .min = lo, .max = hi, .types = t, .settable = set,        \
        .gettable = get, .doc = text                                                                         \
    }

#define SECRET(o, n, lo, hi, text)                                                                           \
    {                                                                                                        \
        .opt = o, .name = n, .kind = SB_OPT_BYTES, .min = lo, .max = hi, .settable = true, .secret = true,   \
        .doc = text                                                                                          \
    }
#define KEYS (SB_CURVE_KEYS * (SB_CURVE_Z85 + 2)) /* characters of a list of keys, at most */

static const char *const full_policies[] = {"default", "block", "drop_new", "drop_old", "disconnect"};

static const char *const balances[] = {"round_robin", "least_queued", "weighted", "sticky"};

/* min and max of a BYTES row are lengths. */
static const sb_opt_row table[] = {
    BYTES(SB_OPT_ROUTING_ID, "routing_id", 1, 255, BITS(SB_REQ) | BITS(SB_DEALER) | BITS(SB_ROUTER), true,
        true, "identity announced to the peer; not NUL-led"),
    BYTES(SB_OPT_SUBSCRIBE, "subscribe", 0, 65536, SUBSCRIBERS | BITS(SB_XPUB), true, false,
        "adds a subscription; XPUB: with xpub_manual"),
    BYTES(SB_OPT_UNSUBSCRIBE, "unsubscribe", 0, 65536, SUBSCRIBERS | BITS(SB_XPUB), true, false,
        "removes a subscription; XPUB: with xpub_manual"),
    TOLD(SB_OPT_TYPE, "type", 0, "the socket's type, libzmq's number"),
    TOLD(SB_OPT_RCVMORE, "rcvmore", 0, "always 0: messages come whole"),
    TOLD(SB_OPT_FD, "fd", 0, "the engine's descriptor, which becomes readable; level-triggered"),
    TOLD(SB_OPT_EVENTS, "events", 0, "1: a receive would show a message, 2: a send would be taken, 3: both"),
    TOLD(SB_OPT_THREAD_SAFE, "thread_safe", 0, "always 0: an engine and its sockets belong to one thread"),
    TOLD(SB_OPT_TOPICS_COUNT, "topics_count", PUBLISHERS | SUBSCRIBERS, "distinct topics subscribed now"),
    INT(SB_OPT_AFFINITY, "affinity", 0, 0, INT64_MAX, 0,
        "which I/O threads: kept, without effect, as there are none"),
    INT(SB_OPT_IN_BATCH_SIZE, "in_batch_size", 8192, 1, INT32_MAX, 0,
        "octets of a read: kept, without effect, as reads adapt by themselves"),
    INT(SB_OPT_OUT_BATCH_SIZE, "out_batch_size", 8192, 1, INT32_MAX, 0,
        "octets of a write: kept, without effect, as writes adapt by themselves"),
    BOOL(SB_OPT_LOOPBACK_FASTPATH, "loopback_fastpath", 0, 0,
        "kept, without effect: as in libzmq it is for Windows"),
    BYTES(SB_OPT_METADATA, "metadata", 4, 65536, 0, true, true,
        "\"X-name:value\" told to every peer; each one set adds to those before"),
    INT(SB_OPT_RECONNECT_STOP, "reconnect_stop", 0, 0, 7, 0,
        "do not reconnect after: 1 a refused connection, 2 a failed handshake, 4 disconnect; added up"),
    SIZE(SB_OPT_SNDBUF, "sndbuf", -1, -1, INT32_MAX, "kernel send buffer, -1: the kernel's, over ipc 512k"),
    SIZE(SB_OPT_RCVBUF, "rcvbuf", -1, -1, INT32_MAX, "kernel receive buffer, -1: the kernel's choice"),
    MS(SB_OPT_LINGER, "linger", -1, -1, FOREVER, "how long close waits for queued messages, -1: for ever"),
    MS(SB_OPT_RECONNECT_IVL, "reconnect_ivl", 100, -1, FOREVER, "first wait before reconnecting, -1: never"),
    INT(SB_OPT_BACKLOG, "backlog", 100, 0, 65535, 0, "pending connections of a listening socket"),
    MS(SB_OPT_RECONNECT_IVL_MAX, "reconnect_ivl_max", 0, 0, FOREVER,
        "the wait doubles up to this, 0: it stays at reconnect_ivl"),
    SIZE(SB_OPT_MAXMSGSIZE, "maxmsgsize", -1, -1, INT64_MAX, "largest frame accepted, -1: no limit"),
    INT(SB_OPT_SNDHWM, "sndhwm", 1000, 0, INT32_MAX, 0, "messages queued to a peer, 0: no limit"),
    INT(SB_OPT_RCVHWM, "rcvhwm", 1000, 0, INT32_MAX, 0, "messages queued from a peer, 0: no limit"),
    MS(SB_OPT_RCVTIMEO, "rcvtimeo", -1, -1, FOREVER, "default timeout of recv in tasks, -1: none"),
    MS(SB_OPT_SNDTIMEO, "sndtimeo", -1, -1, FOREVER, "default timeout of send in tasks, -1: none"),
    BYTES(SB_OPT_LAST_ENDPOINT, "last_endpoint", 0, 0, 0, false, true, "the last bind, resolved"),
    BOOL(SB_OPT_ROUTER_MANDATORY, "router_mandatory", 0, ROUTERS,
        "an unroutable message is an error instead of a drop"),
    INT(SB_OPT_TCP_KEEPALIVE, "tcp_keepalive", -1, -1, 1, 0, "SO_KEEPALIVE, -1: the kernel's choice"),
    INT(SB_OPT_TCP_KEEPALIVE_CNT, "tcp_keepalive_cnt", -1, -1, INT32_MAX, 0, "TCP_KEEPCNT"),
    INT(SB_OPT_TCP_KEEPALIVE_IDLE, "tcp_keepalive_idle", -1, -1, INT32_MAX, 0, "TCP_KEEPIDLE, seconds"),
    INT(SB_OPT_TCP_KEEPALIVE_INTVL, "tcp_keepalive_intvl", -1, -1, INT32_MAX, 0, "TCP_KEEPINTVL, seconds"),
    BOOL(SB_OPT_IMMEDIATE, "immediate", 0, 0, "queue only to completed connections"),
    BOOL(SB_OPT_XPUB_VERBOSE, "xpub_verbose", 0, BITS(SB_XPUB), "pass duplicate subscriptions up"),
    BOOL(SB_OPT_IPV6, "ipv6", 0, 0, "resolve and bind IPv6 too"),
    BOOL(SB_OPT_IPV4ONLY, "ipv4only", 1, 0, "ipv6 the other way round; deprecated in libzmq"),
    {.opt = SB_OPT_MECHANISM,
        .name = "mechanism",
        .kind = SB_OPT_INT,
        .gettable = true,
        .doc = "the strongest mechanism set: 0 NULL, 1 PLAIN, 2 CURVE"},
    BOOL(
        SB_OPT_PLAIN_SERVER, "plain_server", 0, 0, "accept PLAIN clients; somebody must be asked about them"),
    BYTES(SB_OPT_PLAIN_USERNAME, "plain_username", 0, 255, 0, true, true, "be a PLAIN client of this name"),
    SECRET(SB_OPT_PLAIN_PASSWORD, "plain_password", 0, 255, "password of the PLAIN client"),
    BOOL(SB_OPT_CURVE_SERVER, "curve_server", 0, 0, "accept CURVE clients; needs curve_secretkey"),
    BYTES(SB_OPT_CURVE_PUBLICKEY, "curve_publickey", 32, 41, 0, true, true,
        "our public key; only checked, the secret key tells it"),
    SECRET(SB_OPT_CURVE_SECRETKEY, "curve_secretkey", 32, KEYS,
        "our secret key; a server may have several: a list, or in C Z85 with blanks between"),
    BYTES(SB_OPT_CURVE_SERVERKEY, "curve_serverkey", 32, 41, 0, true, true,
        "be a CURVE client of the server with this public key"),
    BYTES(SB_OPT_ZAP_DOMAIN, "zap_domain", 0, 255, 0, true, true,
        "ask the authenticator about NULL peers too, and under this name"),
    BOOL(SB_OPT_ZAP_ENFORCE_DOMAIN, "zap_enforce_domain", 0, 0,
        "a ZAP handler is asked only by sockets that have a zap_domain"),
    BOOL(SB_OPT_ALLOW_NULL, "allow_null", 0, 0, "accept NULL peers beside PLAIN and CURVE clients"),
    BYTES(SB_OPT_CURVE_KEYFILE, "curve_keyfile", 1, 4096, 0, true, true,
        "file with our secret key or keys, as signalbox keygen writes it; instead of curve_secretkey"),
    BYTES(SB_OPT_CURVE_ALLOW, "curve_allow", 1, 4096, 0, true, true,
        "directory (or file) of public keys: only these CURVE clients come in; read when it is set"),
    MS(SB_OPT_AUTH_TIMEOUT, "auth_timeout", 5000, 1, FOREVER,
        "how long an authenticator may take before its peer is turned away"),
    BOOL(SB_OPT_PROBE_ROUTER, "probe_router", 0, BITS(SB_REQ) | BITS(SB_DEALER) | BITS(SB_ROUTER),
        "send an empty message to every new peer"),
    BOOL(SB_OPT_REQ_CORRELATE, "req_correlate", 0, BITS(SB_REQ), "number requests and match replies"),
    MS_OF(SB_OPT_REQ_DEADLINE, "req_deadline", 0, 0, FOREVER, BITS(SB_REQ),
        "a request without answer for so long is over, 0: never"),
    MS_OF(SB_OPT_REQ_RESEND, "req_resend", 0, 0, FOREVER, BITS(SB_REQ),
        "a request without answer for so long goes to the next peer too, 0: never; numbers requests"),
    BOOL(SB_OPT_REQ_RELAXED, "req_relaxed", 0, BITS(SB_REQ), "allow a request while one is open"),
    BOOL(SB_OPT_CONFLATE, "conflate", 0,
        PUBLISHERS | SUBSCRIBERS | BITS(SB_PUSH) | BITS(SB_PULL) | BITS(SB_DEALER) | BITS(SB_SCATTER) |
            BITS(SB_GATHER),
        "keep only the last message"),
    BOOL(SB_OPT_ROUTER_HANDOVER, "router_handover", 0, ROUTERS, "a new peer takes over a routing id in use"),
    BOOL(SB_OPT_ROUTER_RAW, "router_raw", 0, ROUTERS,
        "be a STREAM, for the binds and connects that follow; deprecated in libzmq"),
    INT(SB_OPT_TOS, "tos", 0, 0, 255, 0, "IP type of service"),
    BYTES(SB_OPT_CONNECT_ROUTING_ID, "connect_routing_id", 1, 255, ROUTERS | BITS(SB_STREAM), true, false,
        "routing id of the peer of the next connect"),
    MS(SB_OPT_HANDSHAKE_IVL, "handshake_ivl", 30000, 0, FOREVER, "limit of the whole handshake, 0: none"),
    BOOL(SB_OPT_XPUB_NODROP, "xpub_nodrop", 0, PUBLISHERS | BITS(SB_RADIO),
        "a full subscriber is an error instead of a drop"),
    BOOL(SB_OPT_XPUB_MANUAL, "xpub_manual", 0, BITS(SB_XPUB),
        "a subscription that came is told only; what its peer gets is set with subscribe and unsubscribe"),
    BOOL(SB_OPT_XPUB_MANUAL_LAST_VALUE, "xpub_manual_last_value", 0, BITS(SB_XPUB),
        "xpub_manual, and the next message goes only to the peer whose subscription was set last"),
    BOOL(SB_OPT_ONLY_FIRST_SUBSCRIBE, "only_first_subscribe", 1, BITS(SB_XPUB) | BITS(SB_XSUB),
        "kept, without effect: only messages of one frame are ever taken for subscriptions"),
    BOOL(SB_OPT_XSUB_VERBOSE_UNSUBSCRIBE, "xsub_verbose_unsubscribe", 0, BITS(SB_XSUB),
        "pass every unsubscription up, not only the last of a topic"),
    BYTES(SB_OPT_XPUB_WELCOME_MSG, "xpub_welcome_msg", 0, 65536, PUBLISHERS, true, true,
        "sent to every new subscriber"),
    BOOL(SB_OPT_STREAM_NOTIFY, "stream_notify", 1, BITS(SB_STREAM),
        "an empty message from every connection that came or went"),
    BOOL(SB_OPT_INVERT_MATCHING, "invert_matching", 0, PUBLISHERS | SUBSCRIBERS, "send what does not match"),
    MS(SB_OPT_HEARTBEAT_IVL, "heartbeat_ivl", 0, 0, FOREVER, "time between PINGs, 0: none"),
    MS(SB_OPT_HEARTBEAT_TTL, "heartbeat_ttl", 0, 0, 6553599, "time the peer may wait for us, 0: unset"),
    MS(SB_OPT_HEARTBEAT_TIMEOUT, "heartbeat_timeout", -1, -1, FOREVER,
        "silence after a PING that ends the connection, -1: heartbeat_ivl"),
    BOOL(SB_OPT_XPUB_VERBOSER, "xpub_verboser", 0, BITS(SB_XPUB),
        "pass duplicate subscriptions and unsubscriptions up"),
    MS(SB_OPT_CONNECT_TIMEOUT, "connect_timeout", 0, 0, FOREVER, "limit of a connect, 0: the kernel's"),
    MS(SB_OPT_TCP_MAXRT, "tcp_maxrt", 0, 0, FOREVER, "TCP_USER_TIMEOUT, 0: the kernel's"),
    BYTES(SB_OPT_SOCKS_PROXY, "socks_proxy", 0, 270, 0, true, true,
        "HOST:PORT of a SOCKS5 proxy for the next connects, empty: none"),
    BYTES(SB_OPT_SOCKS_USERNAME, "socks_username", 0, 255, 0, true, true, "for the SOCKS5 proxy"),
    SECRET(SB_OPT_SOCKS_PASSWORD, "socks_password", 0, 255, "for the SOCKS5 proxy"),
    INT(SB_OPT_USE_FD, "use_fd", -1, -1, INT32_MAX, 0,
        "a listening (bind) or connected (connect) stream descriptor; the next bind or connect owns it"),
    SECRET(SB_OPT_WSS_KEY_PEM, "wss_key_pem", 0, PEM, "private key of wss_cert_pem, PEM text"),
    BYTES(SB_OPT_WSS_CERT_PEM, "wss_cert_pem", 0, PEM, 0, true, true,
        "our certificate and its chain, PEM text; connecting sockets may have none"),
    BYTES(SB_OPT_WSS_TRUST_PEM, "wss_trust_pem", 0, PEM, 0, true, true,
        "certificates we trust, PEM text; a binding socket that has some asks clients for theirs"),
    BYTES(SB_OPT_WSS_HOSTNAME, "wss_hostname", 0, 255, 0, true, true,
        "name the server's certificate must have, empty: the endpoint's host"),
    BOOL(SB_OPT_WSS_TRUST_SYSTEM, "wss_trust_system", 0, 0, "trust whom the system trusts, too"),
    BYTES(SB_OPT_WSS_KEY_FILE, "wss_key_file", 0, 4095, 0, true, true, "file to read wss_key_pem from"),
    BYTES(SB_OPT_WSS_CERT_FILE, "wss_cert_file", 0, 4095, 0, true, true, "file to read wss_cert_pem from"),
    BYTES(SB_OPT_WSS_TRUST_FILE, "wss_trust_file", 0, 4095, 0, true, true, "file to read wss_trust_pem from"),
    INT(SB_OPT_PRIORITY, "priority", 0, 0, INT32_MAX, 0, "SO_PRIORITY, 0: the kernel's"),
    INT(SB_OPT_BUSY_POLL, "busy_poll", 0, 0, INT32_MAX, 0, "SO_BUSY_POLL, microseconds, 0: the kernel's"),
    BYTES(SB_OPT_BINDTODEVICE, "bindtodevice", 0, 15, 0, true, true,
        "SO_BINDTODEVICE; where the kernel refuses it, bind and connect fail"),
    INT(SB_OPT_MULTICAST_HOPS, "multicast_hops", 1, 1, 255, DATAGRAMS,
        "routers a multicast datagram may pass"),
    INT(SB_OPT_MULTICAST_MAXTPDU, "multicast_maxtpdu", 1500, 1, 65507, DATAGRAMS,
        "octets of a multicast datagram at most; larger ones are dropped"),
    BOOL(SB_OPT_MULTICAST_LOOP, "multicast_loop", 1, DATAGRAMS,
        "this machine hears our multicast datagrams too"),
    INT(SB_OPT_ROUTER_NOTIFY, "router_notify", 0, 0, 3, ROUTERS,
        "an empty message from a peer that came (1), went (2), or both (3)"),
    BYTES(SB_OPT_HELLO_MSG, "hello_msg", 0, 65536, GREETERS, true, true, "sent first to every new peer"),
    BYTES(SB_OPT_DISCONNECT_MSG, "disconnect_msg", 0, 65536,
        BITS(SB_ROUTER) | BITS(SB_SERVER) | BITS(SB_PEER), true, true,
        "comes from a peer that connected to us when it has gone"),
    BYTES(SB_OPT_HICCUP_MSG, "hiccup_msg", 0, 65536, BITS(SB_DEALER) | BITS(SB_CLIENT) | BITS(SB_PEER), true,
        true, "comes from a peer we connect to when the connection is lost"),
    SIZE(SB_OPT_SNDHWM_BYTES, "sndhwm_bytes", 0, 0, INT64_MAX, "octets queued to a peer, 0: no limit"),
    SIZE(SB_OPT_RCVHWM_BYTES, "rcvhwm_bytes", 0, 0, INT64_MAX, "octets queued from a peer, 0: no limit"),
    INT(SB_OPT_MAX_FRAMES, "max_frames", 8192, 1, INT32_MAX, 0, "frames of one message"),
    SIZE(SB_OPT_MAX_MESSAGE, "max_message", 268435456, 0, INT64_MAX,
        "octets of one message, all its frames, 0: no limit"),
    INT(SB_OPT_MAX_PEERS, "max_peers", 0, 0, INT32_MAX, 0, "connections this socket accepts, 0: no limit"),
    INT(SB_OPT_MAX_PEERS_PER_ADDRESS, "max_peers_per_address", 0, 0, INT32_MAX, 0,
        "the same from one address; set it before bind"),
    INT(SB_OPT_MAX_PEERS_PER_IDENTITY, "max_peers_per_identity", 0, 0, INT32_MAX, 0,
        "the same of one user id, or where nobody knows that of one routing id"),
    INT(SB_OPT_MAX_HANDSHAKES, "max_handshakes", 4096, 0, INT32_MAX, 0,
        "accepted connections that are not done with their handshake; the overdue go, 0: no limit"),
    INT(SB_OPT_ACCEPT_RATE, "accept_rate", 0, 0, 1000000, 0,
        "connections accepted per second, a second's worth at once, 0: no limit"),
    INT(SB_OPT_HANDSHAKES_PER_TURN, "handshakes_per_turn", 8, 0, 1000000, 0,
        "steps of CURVE handshakes of accepted connections in a turn of the loop, 0: no limit"),
    SIZE(SB_OPT_MAX_HANDSHAKE, "max_handshake", 8192, 512, 1048576, "octets of one command of a handshake"),
    SIZE(SB_OPT_MAX_TOPIC, "max_topic", 65536, 1, 16777216, "octets of one subscription"),
    INT(SB_OPT_MAX_SUBSCRIPTIONS, "max_subscriptions", 1000000, 1, INT32_MAX, PUBLISHERS,
        "subscriptions of one peer"),
    SIZE(SB_OPT_MAX_SUBSCRIPTION_BYTES, "max_subscription_bytes", 67108864, 1, INT64_MAX,
        "octets of all subscriptions of one peer"),
    BOOL(SB_OPT_STRICT, "strict", 1, 0, "close on frames that RFC 37 forbids and libzmq accepts"),
    INT(SB_OPT_ZMTP_MIN, "zmtp_min", 2, 1, 3, 0,
        "oldest ZMTP version of peers: 1 (libzmq 2), 2 (libzmq 3) or 3; with security only 3"),
    CHOICE(SB_OPT_ON_FULL, "on_full", SB_ON_FULL_DEFAULT, full_policies, QUEUERS | BITS(SB_STREAM),
        "when a peer's queue is full: block, drop_new, drop_old, disconnect; STREAM: no drops"),
    MS_OF(SB_OPT_MESSAGE_TTL, "message_ttl", 0, 0, FOREVER, QUEUERS,
        "how long a message may wait in a queue, 0: for ever"),
    INT(SB_OPT_CONFLATE_KEY, "conflate_key", 0, 0, 64, KEYED,
        "frame that is a key: only the newest message of each waits, 0: off"),
    INT(SB_OPT_CONFLATE_PREFIX, "conflate_prefix", 0, 0, 65536, KEYED,
        "octets of the conflate_key frame that count, 0: all"),
    INT(SB_OPT_RETAIN_LAST, "retain_last", 0, 0, 1000000, PUBLISHERS,
        "messages of each topic kept for late subscribers, 0: none"),
    INT(SB_OPT_RETAIN_PREFIX, "retain_prefix", 0, 0, 65536, PUBLISHERS,
        "octets of the first frame that are the topic of retain_last, 0: all"),
    INT(SB_OPT_RETAIN_MESSAGES, "retain_messages", 100000, 0, INT32_MAX, PUBLISHERS,
        "messages kept over all topics, 0: no limit"),
    SIZE_OF(SB_OPT_RETAIN_BYTES, "retain_bytes", 67108864, 0, INT64_MAX, PUBLISHERS,
        "octets kept over all topics, 0: no limit"),
    BOOL(SB_OPT_CONFIRM_SUBSCRIPTIONS, "confirm_subscriptions", 0, SUBSCRIBERS,
        "tell when a publisher has taken a subscription"),
    CHOICE(SB_OPT_BALANCE, "balance", SB_BALANCE_ROUND_ROBIN, balances, SPREADERS,
        "who gets the next message: round_robin, least_queued, weighted, sticky"),
    INT(SB_OPT_BALANCE_KEY, "balance_key", 1, 1, 64, SPREADERS, "frame that is the key of balance = sticky"),
    INT(SB_OPT_WEIGHT, "weight", 1, 1, 1000, SPREADERS,
        "share of the peers of the next connects and binds, for balance = weighted"),
};

#define ROWS (sizeof table / sizeof table[0])

const sb_opt_row *sb_option_table(size_t *n)
{
    *n = ROWS;
    return table;
}

const sb_opt_row *sb_option_get(sb_opt opt)
{
    for (size_t i = 0; i < ROWS; i++)
        if (table[i].opt == opt)
            return &table[i];
    return NULL;
}

static const char *nearest(const char *name, size_t len)
{
    const char *best = NULL;
    size_t best_distance = 4; /* further away is no help */
    for (size_t i = 0; i < ROWS; i++) {
        size_t d = sb_near_distance(name, len, table[i].name, strlen(table[i].name));
        if (d < best_distance) {
            best_distance = d;
            best = table[i].name;
        }
    }
    return best;
}

const sb_opt_row *sb_option_find(const char *name, size_t len, const char **near)
{
    if (near != NULL)
        *near = NULL;
    for (size_t i = 0; i < ROWS; i++)
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
            return &table[i];
    if (near != NULL)
        *near = nearest(name, len);
    return NULL;
}
