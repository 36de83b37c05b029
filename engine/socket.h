/* Sockets: a pattern with endpoints, options, a handler or a route table. All functions on the engine's
 * thread. */
#ifndef SB_SOCKET_H
#define SB_SOCKET_H

#include "engine/context.h"
#include "engine/handler.h"
#include "engine/msg.h"
#include "engine/option.h"
#include "engine/route.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A socket in an engine. `name` (may be NULL: "router-1") is copied and unique: SB_EEXIST. The engine owns
 * the socket; sb_socket_close ends it. SB_EINVAL for an unknown type, SB_ENOMEM. */
sb_err sb_socket_create(sb_engine *engine, sb_type type, const char *name, sb_socket **out);
/* Stops accepting and connecting, sends what is queued for at most `linger`, then closes. Idempotent. The
 * handler's on_closed is the last sign of life; do not use the pointer after it. NULL is allowed. */
void sb_socket_close(sb_socket *sock);

sb_engine *sb_socket_engine(const sb_socket *sock);
const char *sb_socket_name(const sb_socket *sock);
sb_type sb_socket_type(const sb_socket *sock);
/* Whether an application sends and receives with such sockets; false for unknown types. */
bool sb_type_can_send(sb_type type);
bool sb_type_can_recv(sb_type type);
/* The handler's memory must outlive the socket's on_closed. NULL: nobody (messages queue for sb_socket_recv).
 */
void sb_socket_set_handler(sb_socket *sock, sb_handler *handler);
sb_handler *sb_socket_handler(const sb_socket *sock);
/* The host's handler, asked before route table and handler: its on_msg returns SB_ENOENT for what is not its
 * own, which then goes the usual way (no route, when there is nobody else). Only on_msg is used. NULL: none.
 * Its memory outlives the socket. */
void sb_socket_set_claim(sb_socket *sock, sb_handler *claim);
/* The owner's pointer (the script's userdata). */
void sb_socket_set_data(sb_socket *sock, void *data);
void *sb_socket_data(const sb_socket *sock);

/* Options; see engine/option.h for the table. Most act on later bind and connect. The error text names the
 * option, the value and what would be right. */
sb_err sb_socket_set_int(sb_socket *sock, sb_opt opt, int64_t value, char *err, size_t err_cap);
sb_err sb_socket_set_bytes(
    sb_socket *sock, sb_opt opt, const void *value, size_t len, char *err, size_t err_cap);
sb_err sb_socket_get_int(const sb_socket *sock, sb_opt opt, int64_t *value);
/* Copies at most cap octets; *len gets the full length. */
sb_err sb_socket_get_bytes(const sb_socket *sock, sb_opt opt, void *value, size_t cap, size_t *len);

/* The same out of text, "rcvhwm=10000", "linger=2s", "immediate=true": as scripts write values. SB_EINVAL
 * with a text that says what would be right. */
sb_err sb_socket_set_text(sb_socket *sock, const char *setting, char *err, size_t err_cap);

/* "tcp://" and so on, as endpoints begin; NULL behind the last. */
const char *sb_transport_scheme(size_t i);

/* Binds or connects; endpoints "tcp://", "ipc://", "inproc://", "ws://", "wss://",
 * "vsock://" (docs/transports.md). bind resolves numeric addresses, "*" and
 * interface names at once; connect resolves host names on the loop. Any number and mixture per socket. err
 * gets one line. */
sb_err sb_socket_bind(sb_socket *sock, const char *endpoint, char *err, size_t err_cap);
sb_err sb_socket_connect(sb_socket *sock, const char *endpoint, char *err, size_t err_cap);
/* A connection that exists already. */
typedef struct sb_arrival {
    /* With an address: what stands for the bind, one text for all that come the same way. Without: what the
     * connection is, "tcp://HOST:PORT", "ipc://NAME", or "ws://HOST:PORT/PATH" for one on which the WebSocket
     * handshake is still to come. */
    const char *endpoint;
    const char *address; /* of the peer, as scripts see it, who came as to a bind; NULL: it stands alone */
    const char *user_id; /* of a peer with an address that is known already; NULL or "": it is not */
    uint8_t inside;      /* an sb_inside (engine/team.h): the other end is a mate's; never for a connection of
                            others */
    bool called;         /* without an address: it was us who called the other end */
    bool speaks;         /* with an address: for others, see sb_client */
} sb_arrival;
/* Takes over a connection: a stream descriptor, or a stream of the host's own (sb_stream_impl: one it
 * decrypted, one it took out of another protocol). It is the socket's from this call on, also when the call
 * fails and closes it; it is not connected anew when it ends. SB_ECLOSED when the socket takes no input any
 * more, SB_EREFUSED where a limit is reached, SB_ENOMEM, SB_EINVAL when it is no stream or the endpoint is no
 * good. */
sb_err sb_socket_adopt(sb_socket *sock, int fd, const sb_arrival *arrival, char *err, size_t err_cap);
sb_err sb_socket_adopt_stream(
    sb_socket *sock, sb_stream *st, const sb_arrival *arrival, char *err, size_t err_cap);

/* Peers that speak for others, such as nginx for its HTTP clients: adopted so, or come to an inproc name that
 * begins with SB_INPROC_SPEAKERS. Every message of theirs begins with a frame that says who it is from
 * (sb_client_write), which handlers do not see. */
#define SB_INPROC_SPEAKERS "inproc://signalbox/gate/"
#define SB_CLIENT_ADDRESS  96  /* octets, with the NUL */
#define SB_CLIENT_USER     256 /* the same */
#define SB_CLIENT_FRAME    (SB_CLIENT_ADDRESS + SB_CLIENT_USER)
/* The frame's octets; 0, which says "nobody", for NULL and for what is too long. */
size_t sb_client_write(const sb_client *client, char out[SB_CLIENT_FRAME]);
/* Whom the peer's message under way is from; false: from the peer itself. The texts are valid until its next.
 */
bool sb_peer_client(const sb_peer *peer, sb_client *out);
/* For a handler that has waited: the peer's message under way is from this one again. */
void sb_peer_set_client(sb_peer *peer, const sb_client *client);
/* At a ROUTER the messages of such a peer are questions of different people: so many handlers may wait
 * (sb_peer_pause) until it is paused. */
#define SB_SPEAKER_AT_ONCE 256
/* Connects and tells the new peer, so that it can be addressed at once: ROUTER (with connect_routing_id),
 * SERVER, PEER and STREAM by sb_peer_routing_id. SB_EINVAL with immediate: there is no peer before the
 * handshake. */
sb_err sb_socket_connect_peer(
    sb_socket *sock, const char *endpoint, sb_peer **peer, char *err, size_t err_cap);
/* By the string given to bind/connect, or by the resolved one (last_endpoint). SB_ENOENT. */
sb_err sb_socket_unbind(sb_socket *sock, const char *endpoint);
sb_err sb_socket_disconnect(sb_socket *sock, const char *endpoint);
/* The resolved endpoint of the last bind ("tcp://127.0.0.1:40123"), "" if none. */
const char *sb_socket_last_endpoint(const sb_socket *sock);

/* Sends. The message stays the caller's: its bytes are packed or referenced before the call returns. ROUTER
 * takes the first frame as the routing id, SERVER and PEER as a number (sb_msg_set_routing_id); REP and REQ
 * add their own envelope; RADIO takes a group (sb_msg_set_group) and a frame, or both as two frames; what the
 * other draft types send is one frame (SB_EINVAL). SB_EAGAIN: full or nobody there yet (blocking types); wait
 * for on_writable. SB_EHOSTUNREACH: ROUTER with router_mandatory, SERVER, PEER. SB_EFSM: REQ/REP out of turn.
 * SB_ENOTSUP: PULL and SUB cannot send. SB_EMSGSIZE, SB_ENOMEM. */
sb_err sb_socket_send(sb_socket *sock, sb_msg *msg);
/* The same for one frame of bytes. */
sb_err sb_socket_send_bytes(sb_socket *sock, const void *data, size_t len);
/* Passes on a message that came from `from`, from inside its handler: like send, but where send would say
 * SB_EAGAIN the message is held, `from` is no longer read, and it goes out as soon as there is room (SB_OK).
 * What cannot be routed goes to the dead letters (SB_OK). from may be NULL: then exactly like send. */
sb_err sb_socket_forward(sb_socket *to, sb_peer *from, sb_msg *msg);
/* Answers the peer a message came from: ROUTER and REP use the envelope, SERVER-like types the peer itself.
 * The body of `body` with the envelope of `request`. */
sb_err sb_socket_reply(sb_socket *sock, sb_peer *peer, const sb_msg *request, const sb_msg *body);

/* Fetches a queued message (fair over peers): `msg` must be initialised; it is a view that stays valid until
 * the next recv on this socket or the end of the turn. SB_EAGAIN: none. SB_ENOTSUP, SB_EFSM. */
sb_err sb_socket_recv(sb_socket *sock, sb_msg *msg);
/* The handler can take messages again: queued ones are delivered from the next turn on. */
void sb_socket_resume(sb_socket *sock);

/* SUB and XSUB; refcounted. XPUB with xpub_manual: what the peer gets whose subscription was received last
 * (SB_EFSM: it is gone, or there was none). SB_ENOTSUP for other types, SB_ENOENT for an unsubscribe without
 * subscribe. */
sb_err sb_socket_subscribe(sb_socket *sock, const void *topic, size_t len);
sb_err sb_socket_unsubscribe(sb_socket *sock, const void *topic, size_t len);
/* DISH: exact groups of at most SB_GROUP_MAX octets, each joined once. SB_ENOTSUP for other types, SB_EINVAL,
 * SB_EEXIST, SB_ENOENT. */
sb_err sb_socket_join(sb_socket *sock, const void *group, size_t len);
sb_err sb_socket_leave(sb_socket *sock, const void *group, size_t len);
/* Whether there is a publisher and all that are connected have confirmed what was subscribed since
 * confirm_subscriptions is set. What that proves is in docs/pubsub.md. */
bool sb_socket_confirmed(const sb_socket *sock);
/* Publishers: forgets what is retained with exactly this first frame, NULL: all; returns how many messages.
 */
uint32_t sb_socket_forget(sb_socket *sock, const void *topic, size_t len);
/* Answers to on_subscribe: the topic to use instead (from inside on_subscribe, before SB_VERDICT_REWRITE); or
 * the late answer to SB_VERDICT_LATER: DENY, ACCEPT, or REWRITE with `topic`. Harmless when the peer is gone.
 */
/* sb_subscription_filter: narrows the subscription if it is accepted or rewritten; before the answer. Copied.
 * SB_ENOMEM; SB_EINVAL for a pattern whose ">" is not its last piece. */
sb_err sb_subscription_filter(sb_subscription *sub, const sb_filter *filter);
sb_err sb_subscription_rewrite(sb_subscription *sub, const void *topic, size_t len);
void sb_subscription_answer(sb_subscription *sub, sb_verdict verdict, const void *topic, size_t len);

/* Asks the socket's on_subscribe on behalf of somebody who is not a peer, as if `peer` had subscribed,
 * without subscribing anything: on_verdict comes once, maybe from inside the call, and before the socket is
 * gone. ACCEPT when nobody is there to ask; REWRITE with the topic to use; DENY also when the answer does not
 * come in time. SB_ENOMEM. `asking` is the caller's until then. */
typedef struct sb_asking sb_asking;
struct sb_asking {
    void (*on_verdict)(sb_asking *self, sb_verdict verdict, const void *topic, size_t len);
    const sb_client *client; /* who it is; NULL: the peer */
};
sb_err sb_socket_ask(sb_socket *sock, sb_peer *peer, const void *topic, size_t len, sb_asking *asking);
/* The peer only subscribes what was asked for so: on_subscribe is not asked again. */
void sb_peer_trust(sb_peer *peer);

/* The route table decides about every message that comes in; the socket owns it from now on. NULL removes it.
 * A table goes before the handler's on_msg. */
void sb_socket_set_route(sb_socket *sock, sb_route *route);
sb_route *sb_socket_get_route(const sb_socket *sock);
/* For an on_msg, or the run of a route's `call` (else NULL), that is done with its message: makes it the next
 * one of the same peer, if one is at hand that would come to the same place; saves leaving and coming back.
 * The peer must still be there. false: leave now; the message may be empty then. */
bool sb_socket_next(sb_socket *sock, sb_peer *peer, sb_msg *msg, sb_route_call *call);
/* How many routing ids stand before the body of what this socket receives, beyond its own (a DEALER behind a
 * ROUTER: 1). */
void sb_socket_set_hops(sb_socket *sock, uint32_t hops);
uint32_t sb_socket_hops(const sb_socket *sock); /* including a ROUTER's own */

/* What the handler's code does to a peer from inside a callback, or later by id. */
void sb_peer_pause(sb_peer *peer); /* no more on_msg for this peer until resumed; nestable */
void sb_peer_resume(sb_peer *peer);
sb_err sb_peer_kick(sb_peer *peer,
    const char *why); /* closes its connection; a connecting peer does not come back by itself */
uint64_t sb_peer_id(const sb_peer *peer); /* stable, never reused in this engine */
/* The conn_id that events tell of it: another one after every reconnect. */
uint64_t sb_peer_connection(const sb_peer *peer);
sb_peer *sb_socket_find_peer(sb_socket *sock, uint64_t id); /* NULL when it is gone */
/* Whom a message to this routing id (SERVER, PEER: the number's four octets, big endian) would reach: ROUTER,
 * STREAM, SERVER, PEER. NULL: nobody here, or another type. */
sb_peer *sb_socket_peer_named(sb_socket *sock, const void *id, size_t len);
/* Whether the peer's queue takes a message now (zmq_socket_get_peer_state). */
bool sb_peer_takes(const sb_peer *peer);
sb_socket *sb_peer_socket(const sb_peer *peer);
/* Borrowed until the peer is gone. */
const sb_peer_info *sb_peer_get_info(const sb_peer *peer); /* NULL before the first handshake */
const char *sb_peer_address(const sb_peer *peer);
const void *sb_peer_routing_id(const sb_peer *peer, size_t *len);
/* The same of SERVER's and PEER's peers as a number, for sb_msg_set_routing_id; 0 for others. */
uint32_t sb_peer_number(const sb_peer *peer);
const char *sb_peer_user_id(const sb_peer *peer); /* "" when nobody was asked about it */
/* What its connection's stream knows (sb_stream_property): "tls_subject", "ws_origin". NULL: nothing, or it
 * is gone. */
const char *sb_peer_property(const sb_peer *peer, const char *name);

/* Why messages were not delivered. */
typedef enum sb_drop {
    SB_DROP_HWM,      /* a dropping type's peer was full */
    SB_DROP_NO_PEER,  /* nobody to send to; unknown routing id */
    SB_DROP_NO_ROUTE, /* no row matched and there are no dead letters */
    SB_DROP_DENIED,   /* a drop row, or a script said DROP */
    SB_DROP_SCRIPT,   /* a script failed */
    SB_DROP_OVERSIZE,
    SB_DROP_LOST,       /* queued or in flight when its connection or socket went away */
    SB_DROP_FILTERED,   /* incoming, not acceptable to the pattern (REP without delimiter, late reply) */
    SB_DROP_INCOMPLETE, /* incoming: its connection ended inside it, the peer never sent it whole */
    SB_DROP_EXPIRED,    /* waited longer than message_ttl */
    SB_DROP_EVICTED,    /* made room for a newer one (on_full = drop_old) */
    SB_DROP_CONFLATED,  /* a newer one of the same key took its place (conflate_key) */
    SB_DROP_COUNT
} sb_drop;
const char *sb_drop_name(sb_drop drop); /* "hwm", "no_peer", ... */

typedef struct sb_stats {
    uint64_t msgs_in, msgs_out, bytes_in, bytes_out; /* whole messages from and to peers; octets packed */
    uint64_t dropped[SB_DROP_COUNT];
    uint64_t handshake_failures[SB_CAUSE_COUNT]; /* sockets only */
    uint64_t handshakes_delayed; /* connections that waited for handshakes_per_turn; sockets only */
    uint64_t retained_msgs, retained_bytes;                                      /* now; sockets only */
    uint64_t peers, subscriptions;                                               /* now */
    uint64_t queued_in_msgs, queued_in_bytes, queued_out_msgs, queued_out_bytes; /* now, exact */
    uint64_t age_in, age_out; /* ns that the oldest of these has waited; 0: none waits, or since this turn */
} sb_stats;
void sb_socket_stats(const sb_socket *sock, sb_stats *out);
void sb_peer_stats(const sb_peer *peer, sb_stats *out);

/* How often sends found a peer full, or nobody, and dropped the message for it; only ever grows. */
uint64_t sb_socket_turned_away(const sb_socket *sock);

/* What was counted per second, between this call and the last one that lies SB_RATE_SPAN or more back (the
 * first time: since the socket or peer came). Counting costs nothing while nobody asks. */
#define SB_RATE_SPAN 1000000000
typedef struct sb_rates {
    double msgs_in, msgs_out, bytes_in, bytes_out;
    double span; /* seconds they were counted over */
} sb_rates;
void sb_socket_rates(sb_socket *sock, sb_rates *out);
void sb_peer_rates(sb_peer *peer, sb_rates *out);
uint64_t sb_peer_rtt(const sb_peer *peer); /* ns of the last heartbeat round trip, 0 unknown */
/* The endpoints of a socket, in the order they were given. Stops when fn returns false; fn changes nothing.
 */
typedef struct sb_endpoint_info {
    const char *given;    /* to bind or connect */
    const char *resolved; /* what it really is; "" while a name is not resolved */
    bool bind;
} sb_endpoint_info;
void sb_socket_each_endpoint(
    const sb_socket *sock, bool (*fn)(void *arg, const sb_endpoint_info *info), void *arg);
/* Topics subscribed now, sorted, each with how many peers hold it (SUB and XSUB: the application, which
 * counts as one). Stops when fn returns false; fn changes nothing. Nothing for other types. */
void sb_socket_each_topic(
    sb_socket *sock, bool (*fn)(void *arg, const uint8_t *topic, size_t len, uint32_t holders), void *arg);
uint32_t sb_socket_peers(const sb_socket *sock); /* that are ready now */
/* Calls fn for every peer; it may kick. Stops when fn returns false. */
void sb_socket_each_peer(sb_socket *sock, bool (*fn)(void *arg, sb_peer *peer), void *arg);

/* sb_engine_log with what it is about at the end: ", socket: front, peer: 10.0.0.3:4711, connection: 12".
 * peer may be NULL; one that speaks for others is told as whom it speaks for. */
void sb_socket_log(sb_socket *sock, sb_peer *peer, sb_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* What happened as one such line: "handshake_succeeded, socket: front, peer: ..."; octets that would break a
 * line are told as "?". Returns its length, cut to cap - 1. */
size_t sb_event_line(const sb_socket *sock, const sb_event *event, char *out, size_t cap);

/* Counts a drop for a reason that only the caller knows (script, denied). */
void sb_socket_count_drop(sb_socket *sock, sb_drop why);

#ifdef __cplusplus
}
#endif
#endif
