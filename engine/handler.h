/* Who is told what happens on a socket: C code or a script, the engine does not know which.
 * Callbacks come on the engine's thread from inside a turn. They may call any function of socket.h, also
 * close the socket. */
#ifndef SB_HANDLER_H
#define SB_HANDLER_H

#include "engine/error.h"
#include "engine/msg.h"
#include "engine/session.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_socket sb_socket;
typedef struct sb_handler sb_handler;

/* Monitor events; numbers as in libzmq where libzmq has the event (zmq.h ZMQ_EVENT_*). */
typedef enum sb_event_kind {
    SB_EVENT_CONNECTED = 0x0001,
    SB_EVENT_CONNECT_DELAYED = 0x0002,
    SB_EVENT_CONNECT_RETRIED = 0x0004,
    SB_EVENT_LISTENING = 0x0008,
    SB_EVENT_BIND_FAILED = 0x0010,
    SB_EVENT_ACCEPTED = 0x0020,
    SB_EVENT_ACCEPT_FAILED = 0x0040,
    SB_EVENT_CLOSED = 0x0080,
    SB_EVENT_CLOSE_FAILED = 0x0100, /* a bind ended, and the path of its ipc endpoint could not be removed */
    SB_EVENT_DISCONNECTED = 0x0200,
    SB_EVENT_MONITOR_STOPPED = 0x0400, /* the last event: the socket is gone, on_closed follows */
    SB_EVENT_HANDSHAKE_FAILED_NO_DETAIL = 0x0800,
    SB_EVENT_HANDSHAKE_SUCCEEDED = 0x1000,
    SB_EVENT_HANDSHAKE_FAILED_PROTOCOL = 0x2000,
    SB_EVENT_HANDSHAKE_FAILED_AUTH = 0x4000,
    SB_EVENT_SUBSCRIBED = 0x20000, /* a subscription reached this publisher */
    SB_EVENT_UNSUBSCRIBED = 0x40000,
    SB_EVENT_PEER_REFUSED = 0x80000, /* duplicate identity, too many peers, wrong type; see cause */
    SB_EVENT_CONGESTED = 0x100000,   /* a peer's queue was found full; told once per turn at most */
    SB_EVENT_RELIEVED = 0x200000,    /* ... and is at most half full again */
    SB_EVENT_SUBSCRIPTION_CONFIRMED =
        0x400000,                       /* a publisher has taken our subscription; detail: its topic */
    SB_EVENT_REQUEST_EXPIRED = 0x800000 /* a REQ's question had no answer within req_deadline */
} sb_event_kind;
const char *sb_event_name(sb_event_kind kind); /* "handshake_succeeded" */

/* Everything is borrowed for the call. Unknown strings are "". */
typedef struct sb_event {
    sb_event_kind kind;
    uint64_t conn_id; /* number of the connection, never reused in this engine, the same in all its events;
                         0: there is none (listeners, attempts to connect). Of one that came to a bind it is
                         sb_peer_id too; a peer we connect to keeps its own over all its connections */
    sb_peer *peer;    /* NULL before the handshake */
    const char *endpoint; /* ours: what was bound or connected */
    const char *address;  /* the other end's address */
    const uint8_t *identity;
    size_t identity_len;
    sb_err err;
    sb_session_cause cause;
    const char *detail;                 /* one line for people */
    uint64_t interval;                  /* CONNECT_RETRIED: ns until the next try */
    uint64_t queued_msgs, queued_bytes; /* CONGESTED, RELIEVED: what waits now */
} sb_event;

/* Answer to on_subscribe. */
typedef enum sb_verdict {
    SB_VERDICT_ACCEPT,
    SB_VERDICT_DENY,
    SB_VERDICT_REWRITE, /* the new topic was put with sb_subscription_rewrite; what matches it reaches the
                         * peer under the prefix it asked for (a SUB socket drops anything else) */
    SB_VERDICT_LATER    /* sb_subscription_answer will be called; denied after the socket's deadline (5 s) */
} sb_verdict;

/* Narrows a subscription: of what begins with its topic the peer gets only what passes. */
typedef enum sb_filter_kind {
    SB_FILTER_EXACT, /* the topic itself */
    SB_FILTER_MATCH, /* a wildcard: between separators "*" stands for one piece, ">" at the end for all that
                        follow */
    SB_FILTER_ASK    /* on_filter says */
} sb_filter_kind;

typedef struct sb_filter {
    sb_filter_kind kind;
    const void *pattern; /* MATCH */
    size_t pattern_len;
    char separator; /* MATCH: usually '.' */
    void *data;     /* ASK: the application's, until on_filter_gone */
} sb_filter;

/* SB_EINVAL for a pattern whose ">" is not its last piece. */
sb_err sb_filter_check(const sb_filter *filter);
/* Whether a topic matches a filter of SB_FILTER_MATCH. */
bool sb_filter_match(const sb_filter *filter, const void *topic, size_t len);

/* Somebody behind a peer that speaks for others (socket.h). */
typedef struct sb_client {
    const char *address;
    const char *user_id; /* "" or NULL: not known */
} sb_client;

/* A subscription waiting for its answer. Owned by the engine. */
typedef struct sb_subscription {
    sb_peer *peer;
    const uint8_t *topic;
    size_t len;
    const sb_client *client; /* for whom the peer asks; NULL: for itself */
} sb_subscription;

/* All members may be NULL. One handler may serve many sockets. */
struct sb_handler {
    /* A message for the application. `msg` is a view, valid during the call.
     * SB_OK: taken. SB_EAGAIN: not now; the engine queues it and all that follow (HWM applies, then the
     * peer's stream is no longer read) until sb_socket_resume(), or they are fetched with sb_socket_recv().
     * NULL slot: always SB_EAGAIN. Anything else: taken, and counted as dropped (script). */
    sb_err (*on_msg)(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg);
    /* PUB and XPUB: a peer subscribes. NULL slot: accept. A cancel is told as an event, not asked. */
    sb_verdict (*on_subscribe)(sb_handler *self, sb_socket *sock, sb_subscription *sub);
    /* Monitor events, on_peer of scripts. */
    void (*on_event)(sb_handler *self, sb_socket *sock, const sb_event *event);
    /* A send that got SB_EAGAIN may work now. Once per episode. */
    void (*on_writable)(sb_handler *self, sb_socket *sock);
    /* The last thing told: the socket is gone for good (all closed). The pointer `sock` is invalid after it.
     */
    void (*on_closed)(sb_handler *self, sb_socket *sock);
    /* A message for a peer whose subscription has a filter of kind ASK: true lets it pass. The message must
     * not be edited, nothing may be sent on this socket from inside. NULL slot: nothing passes. */
    bool (*on_filter)(
        sb_handler *self, sb_socket *sock, sb_peer *peer, const sb_filter *filter, const sb_msg *msg);
    /* A filter of kind ASK will not be asked again. */
    void (*on_filter_gone)(sb_handler *self, sb_socket *sock, const sb_filter *filter);
};

#ifdef __cplusplus
}
#endif
#endif
