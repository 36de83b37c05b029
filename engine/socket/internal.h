/* The socket side's own structures: engine, socket, endpoints, held messages. Private to engine/socket. */
#ifndef SB_SOCKET_INTERNAL_H
#define SB_SOCKET_INTERNAL_H

#include "engine/base/list.h"
#include "engine/base/map.h"
#include "engine/pattern/pattern.h"
#include "engine/pattern/pool.h"
#include "engine/auth.h"
#include "engine/socket.h"
#include "engine/team.h"
#include "engine/transport/conn.h"
#include "engine/transport/endpoint.h"
#include "engine/transport/hub.h"

struct sb_engine {
    sb__hub hub;
    sb_loop *loop;
    bool own_loop;
    sb_host *host;
    char notice[160];
    sb__pool *pool; /* chunks of all queues */
    sb_list sockets;
    uint32_t nsockets;
    sb_socket *dead_letter;
    struct sb_tap *tap; /* NULL: nobody is told what became of messages */
    sb__budget budget;  /* what all peers' queues hold */
    bool holding;       /* connects wait */
    sb_list shells;     /* closed sockets that route rows still name */
    sb_authenticator *authenticator;
    uint32_t worker, workers; /* which one of how many that are one (engine/team.h) */
    sb_map questions;         /* peers that wait to be let in, by number (auth.c) */
    sb_socket *zap;           /* asks a ZAP handler of the application (zap.c); NULL until it is needed */
    sb_handler zap_handler;
    struct sb_drain *drain;
    sb_timer drain_timer;
    sb_drain_report drain_report;
    uint64_t drain_sent_before, drain_incomplete_before, drain_deadline;
    uint64_t drain_ask_until; /* requests are taken until then */
    uint8_t drain_parted;     /* links up to this kind are told to end (sb_inside) */
    bool drain_asked;         /* ... and it is over */
    uint16_t drain_calm;      /* looks in a row at which nothing moved */
    uint64_t drain_received;  /* messages, at the last look */
    bool drain_closing;
};

/* A message that waits for room at its target; its source peer is not read meanwhile. */
typedef struct sb__held {
    sb_list_node waiting;  /* in the target's list */
    struct sb__held *next; /* of the same source peer */
    sb_peer *from;
    sb_socket *to;
    sb_msg *msg;
    uint64_t since; /* when it came */
    bool passed;    /* it came over a link: sb_socket_pass */
} sb__held;

/* One bind or connect of a socket. */
typedef struct sb__binding sb__binding;
typedef struct sb__binding_impl {
    void (*close)(sb__binding *b); /* stops for good; frees itself when its last handle is closed */
    /* Linger and drain: no new connections; what is queued still goes. */
    void (*quiesce)(sb__binding *b);
    void (*release)(sb__binding *b); /* a connect that rests begins; NULL: it never rests */
} sb__binding_impl;

/* What lies between the connections of a binding and their streams (layers.c). NULL: nothing. */
typedef struct sb__layers sb__layers;

struct sb__binding {
    const sb__binding_impl *impl;
    sb_list_node node; /* of the socket's list */
    sb_socket *socket;
    sb__endpoint endpoint;
    char *given;    /* as in bind() or connect() */
    char *resolved; /* as it really is; NULL: not known (yet), or no memory for it */
    sb__layers *layers;
    bool bind;
    bool inside; /* mates come in here (engine/team.h) */
    bool shares; /* listens by the socket of another binding: several services behind one port */
    bool closing;
    bool leaving; /* unbind or disconnect was asked; done at the turn's end */
};

/* What a socket knows of the connections it accepted (gate.c). */
typedef struct sb__gate {
    uint32_t open;   /* all, until their streams are closed */
    uint32_t nfresh; /* those that are not ready */
    sb_list fresh;   /* the same, oldest first */
    sb_map hosts;    /* how many come from each address, while max_peers_per_address is set */
    sb_map users;    /* how many are of each identity, while max_peers_per_identity is set */
    uint64_t next;   /* accept_rate: when the bucket is full again */
} sb__gate;

/* What the counters were when somebody asked for rates (rates.c). */
typedef struct sb__reading {
    uint64_t time, msgs_in, msgs_out, bytes_in, bytes_out;
} sb__reading;
typedef struct sb__meter {
    sb__reading base; /* what is counted from */
    sb__reading next; /* ... from now on, once it is old enough; time 0: there is none */
} sb__meter;

/* Every option's value; numbers by row of the table, strings apart. */
#define SB__OPTIONS 160
typedef struct sb__blob {
    uint8_t *data;
    size_t len;
} sb__blob;

struct sb_socket {
    sb_engine *engine;
    sb_list_node node;
    char *name;
    sb_type type;
    sb_pattern *pattern;
    sb__pattern_options popts;
    sb_handler *handler;
    sb_handler *claim; /* the host's, asked first */
    bool detour;       /* there is a claim or a tap: messages take the long way round */
    void *data;
    sb_team *team;  /* NULL: the socket is alone */
    uint8_t inside; /* an sb_inside: receives what comes over links */
    sb_route *route;
    int64_t numbers[SB__OPTIONS];
    sb__blob strings[SB__OPTIONS];
    sb_property *metadata; /* of the option of that name */
    uint32_t nmetadata;
    uint64_t asker; /* whose subscription the application was told last (XPUB) */
    sb_list bindings;
    sb__gate gate;
    char *last_endpoint;

    sb_list peers;         /* all, also those whose connection is gone and whose in queue is not empty */
    sb_map by_id;          /* the same, by number */
    uint32_t npeers;       /* ready ones */
    sb_list fair;          /* peers with queued incoming messages, whose turn it is first */
    sb_list holders;       /* sb__held that wait for room here */
    sb_list subscriptions; /* waiting for a late answer */
    uint32_t nsubscriptions;
    sb_list crowded;     /* peers whose congestion changed */
    sb__task congestion; /* tells so at the end of the turn */
    sb_timer alarm;      /* the pattern's */
    sb_timer expiry;     /* next look at the stages */
    sb_timer patience;   /* ... at who is full and takes nothing */
    sb__queue events;    /* messages that no peer sent (XPUB's subscriptions) */
    sb__task pump;
    bool stopped;       /* the handler said SB_EAGAIN */
    bool pattern_waits; /* the pattern said SB_EAGAIN (filter) */
    bool want_writable; /* a send said SB_EAGAIN */
    bool writable;      /* tell the handler that one may work now */
    sb_msg *pending;    /* a message the handler did not take; first in line */
    uint64_t pending_since;
    bool pending_event; /* ... that no peer sent */
    sb_msg *received;   /* what the last recv showed, if it is our own copy */
    sb_peer *peeked;    /* whose first message the last recv showed */

    bool closing, closed;
    bool draining;    /* takes no input any more, answers apart */
    bool one_way;     /* ... and when that began had taken messages and never sent any */
    bool linger_over; /* what is not sent by now is lost */
    bool cutting;     /* the bindings are told to close */
    sb_timer linger;
    sb__task finish;
    sb_key_entry *allowed; /* curve_allow, in the order of keys; NULL: not set */
    size_t nallowed;
    uint64_t handshake_failures[SB_CAUSE_COUNT];
    uint64_t handshakes_delayed; /* connections that are ready or over, and had to wait for their turn */
    uint64_t msgs_in, msgs_out, bytes_in, bytes_out, dropped[SB_DROP_COUNT]; /* of peers that are gone */
    uint64_t turned_away; /* what the pattern dropped for peers that were full, or not there */
    sb__meter meter;
};

/* options.c side */
int64_t sb__opt(const sb_socket *sock, sb_opt opt);
const sb__blob *sb__opt_bytes(const sb_socket *sock, sb_opt opt);
void sb__opt_clear(sb_socket *sock, sb_opt opt); /* a string option */
int sb__take_fd(sb_socket *sock);                /* use_fd, which serves once; -1: unset */
/* told.c: values that the socket finds out; false: this one is kept like others. */
bool sb__opt_told(const sb_socket *sock, sb_opt opt, int64_t *value);
/* STREAM, or a ROUTER that is one: its peers speak no ZMTP. */
static inline bool sb__is_raw(const sb_socket *sock)
{
    return sock->type == SB_STREAM || sock->popts.router_raw;
}
/* metadata.c: adds "X-name:value" to the socket's own properties; `text` gets what get shows. */
sb_err sb__metadata_add(
    sb_socket *sock, sb__blob *text, const void *value, size_t len, char *err, size_t cap);
void sb__metadata_finish(sb_socket *sock);
void sb__options_init(sb_socket *sock);
void sb__options_finish(sb_socket *sock);
void sb__session_config(const sb_socket *sock, bool accepted, sb_session_config *out);
void sb__sockopts(const sb_socket *sock, sb_sockopts *out);

/* peers.c */
/* `id`: of the connection that is its only one, 0 for a number of its own. */
sb_err sb__peer_add(sb_socket *sock, uint64_t id, sb_peer **out);
sb_err sb__peer_attach(sb_peer *peer); /* before its connection is up: it can be queued to */
/* The connection of a peer that is up, NULL: it has none. */
static inline sb__conn *sb__peer_conn(const sb_peer *peer)
{
    return peer->link == &sb__conn_link ? peer->link_data : NULL;
}
/* The connection of a peer is up or gone; `reconnects`: the peer stays. */
sb_err sb__peer_up(sb_peer *peer, sb__conn *conn, const sb_peer_info *info);
void sb__peer_down(sb_peer *peer, bool reconnects);
/* The mate at the other end wants nothing more: what is queued still goes, nothing is added. */
void sb__peer_retire(sb_peer *peer);
/* Frees a peer that is down and has nothing left to deliver; else it stays until it has. */
void sb__peer_reap(sb_peer *peer);
void sb__peer_drop(sb_peer *peer, sb_drop why, uint64_t n);

/* notify.c: what a peer's coming and going says, to it and to the application */
void sb__notify_up(sb_peer *peer);
void sb__notify_down(sb_peer *peer);

/* speaker.c. begin: the peer speaks for others. deliver: a message of a peer that may do so. show: before a
 * message is looked at, takes off who it is from; false: there is nothing else in it. */
sb_err sb__speaker_begin(sb_peer *peer);
sb_err sb__speaker_deliver(sb_peer *peer, sb_msg *msg);
bool sb__speaker_show(sb_peer *peer, sb_msg *msg);
void sb__speaker_end(sb_peer *peer);

/* deliver.c */
sb_err sb__deliver(sb_peer *peer, sb_msg *msg);
sb_err sb__deliver_later(sb_peer *peer, sb_msg *msg); /* in any case through the in queue */
/* False: a request or an answer for which the handler had no time waits for it, and nothing may be sent
 * before that is taken. A REQ that asks again before (req_relaxed) does not want it any more. */
bool sb__may_ask(sb_socket *sock);
/* Whoever fills a queue is told so, and reads no more. That others filled the budget, a notice the queue, or
 * an earlier connection both, is found out only when the message is here: one is let in. */
static inline bool sb__may_go_over(const sb__queue *q)
{
    return q->hwm_msgs == 0 || q->msgs <= q->hwm_msgs;
}
void sb__deliver_init(sb_socket *sock);
void sb__deliver_finish(sb_socket *sock);
void sb__abandon(
    sb_socket *sock, sb_peer *peer); /* nobody will answer the message it sent; NULL: it is gone */
void sb__deliver_event(
    sb_socket *sock, const sb_peer *from, const uint8_t *data, size_t len); /* from may be NULL */
void sb__in_drained(
    sb_peer *peer); /* its in queue is shorter: reading may go on, a peer that is gone may go */
/* Handlers wait for it, so many that no more may. */
bool sb__peer_is_paused(const sb_peer *peer);
void sb__fair_update(
    sb_peer *peer);             /* in the fair ring exactly while it has messages that may be delivered */
void sb__pump(sb_socket *sock); /* queued input goes on at the end of the turn */

/* While a message of the peer is dealt with: whether the next ones may be at once. */
bool sb__takes_more(const sb_socket *sock, const sb_peer *peer);

/* forward.c */
void sb__held_release(sb_socket *to);       /* room at `to` */
void sb__held_forget_target(sb_socket *to); /* it closes: to the dead letters */
void sb__held_forget_peer(sb_peer *from);   /* its socket closes */
sb_err sb__route_run(sb_socket *sock, sb_peer *peer, sb_msg *msg);
/* Whether the row that matches runs this call; counts a hit then. */
bool sb__route_calls(sb_route *route, const sb_route_call *call, const sb_msg *msg);

/* run.c: a message of the peer was sent on by the table; those behind it that may go as well do. */
void sb__run_on(sb_socket *sock, sb_peer *peer);

/* tap.c: the claim or the tap changed */
void sb__detour_update(sb_socket *sock);

/* deadletter.c */
bool sb__dead_letter_to(sb_socket *to, sb_socket *sock, sb_peer *peer, const sb_msg *msg, const char *reason,
    const char *where, sb_drop drop);

/* team.c */
void sb__team_peer(sb_peer *peer, bool on); /* one is ready, or gone */
/* A mate's end of a link went: what waits here for it goes to others. */
void sb__team_rescue(sb_peer *peer);
/* Links of that kind end, behind what is queued. */
void sb__team_part(sb_engine *engine, uint8_t kind);

/* gate.c */
void sb__gate_init(sb__gate *gate);
void sb__gate_finish(sb__gate *gate);
/* Why a connection from there may not come in, NULL if it may. */
const char *sb__gate_check(sb_socket *sock, const char *address);
/* The same while several sockets share the port and the connection has not said which of them it is for:
 * peers are counted by the one that it wants. stay: it is the one that has the port. */
const char *sb__gate_check_port(sb_socket *sock, const char *address);
const char *sb__gate_stay(sb_socket *sock, sb__conn *conn);
void sb__gate_enter(sb_socket *sock, sb__conn *conn);
/* In which line it waits while too many handshakes are to be made, and how many are too many. Before enter.
 */
void sb__gate_line(const sb_socket *sock, sb__conn *conn, const sb_security *security);
void sb__gate_settle(sb_socket *sock, sb__conn *conn); /* it is ready, or over */
/* It has said who it is: false when there are enough of it. forget: it is over. */
bool sb__gate_know(sb_socket *sock, sb__conn *conn, const sb_peer_info *info);
void sb__gate_forget(sb_socket *sock, sb__conn *conn);
void sb__gate_leave(sb_socket *sock, sb__conn *conn); /* its stream is closed */

/* security.c */
/* Reads keys or a password as an option gives them into what is stored. SB_EINVAL with a reason in `err`. */
sb_err sb__security_parse(
    const sb_opt_row *row, const uint8_t *value, size_t len, sb__blob *out, char *err, size_t cap);
/* The text of a stored public key: 40 characters, or none. */
size_t sb__security_text(const sb__blob *key, char out[SB_CURVE_Z85 + 1]);
bool sb__security_is_key(sb_opt opt);
/* keys.c */
/* Reads the secret keys of a file into what is stored for curve_secretkey. */
sb_err sb__keys_load(sb_socket *sock, const char *path, sb__blob *out, char *err, size_t cap);
/* Reads a directory or file of public keys; what was read before is replaced only on success. */
sb_err sb__keys_allow(sb_socket *sock, const char *path, char *err, size_t cap);
/* The entry of a public key, NULL when it is not allowed. */
const sb_key_entry *sb__keys_find(const sb_socket *sock, const uint8_t key[SB_CURVE_KEY]);
sb_err sb__keys_pack(sb_curve_pair *pairs, uint32_t n, sb__blob *out); /* wipes pairs */

/* What is set must make sense together before a bind or connect. SB_EINVAL. */
sb_err sb__security_check(const sb_socket *sock, char *err, size_t cap);
void sb__security_config(const sb_socket *sock, bool accepted, sb_security *out);
/* Whether peers of both are let in alike, as far as they have to be before they say which of the two they
 * want. curve_allow is asked afterwards and may differ. */
bool sb__security_agrees(const sb_socket *a, const sb_socket *b);
/* The strongest mechanism that this socket speaks. */
sb_mechanism sb__security_mechanism(const sb_socket *sock);

/* auth.c */
sb_err sb__auth_ask(sb__conn *conn, const sb_credentials *credentials, const sb_peer_info *info);
void sb__auth_forget(sb__conn *conn); /* it is gone: no answer is wanted any more */

/* zap.c */
bool sb__zap_bound(sb_engine *engine);
sb_err sb__zap_ask(sb_socket *asking, const sb_auth_request *request, const sb_credentials *credentials);

/* subscription.c */
sb_err sb__subscribe_ask(sb_peer *peer, const uint8_t *topic, size_t len, bool subscribe);
void sb__subscription_confirmed(sb_peer *peer, const uint8_t *topic, size_t len);
void sb__subscriptions_forget(sb_peer *peer);
void sb__subscriptions_finish(sb_socket *sock);

/* host.c: the pattern's host, with sock as pat->socket */
extern const sb__pattern_host sb__socket_as_host;
void sb__host_init(sb_socket *sock);

/* overload.c: on_full, message_ttl and conflate_key, where they are the socket's business */
void sb__overload_init(sb_socket *sock);
void sb__overload_finish(sb_socket *sock);
sb_err sb__overload_peer(sb_peer *peer); /* makes its stages, as the options are now */
void sb__overload_peer_finish(sb_peer *peer);
void sb__overload_changed(sb_socket *sock, sb_peer *peer); /* peer->out_full or in_full did */
void sb__overload_again(sb_peer *peer); /* it is up, or the options changed; what waited for it still does */
uint64_t sb__overload_stamp(sb_socket *sock);
/* A message for the in queue of a peer that sheds. SB_EAGAIN: no more for now. */
sb_err sb__overload_enqueue(sb_peer *peer, const sb_msg *msg);
/* The first message of the in queue is about to be shown, and is over; false: it was too old and is gone. */
bool sb__overload_show(sb_peer *peer);
void sb__overload_shown(sb_peer *peer);
/* Whether more may come in. */
bool sb__overload_takes(const sb_peer *peer);

/* monitor.c */
void sb__event(sb_socket *sock, sb_event_kind kind, const sb_event *event);
/* The same of a peer (NULL: gone): its number, address and identity are put in. */
void sb__event_peer(sb_socket *sock, sb_event_kind kind, sb_peer *peer, const sb_event *event);
void sb__event_conn(sb_socket *sock, sb_event_kind kind, const sb__binding *b, const sb__conn *conn,
    sb_err err, const char *detail);

/* listener.c, dialer.c, inproc.c: one way to reach peers each */
sb_err sb__listener_create(sb_socket *sock, const sb__endpoint *ep, const char *given, char *err, size_t cap);
/* A stream that is connected already: a binding of its own, whose endpoint says what it is; or one of those
 * that came the same way. On failure it is closed. */
sb_err sb__listener_adopt(
    sb_socket *sock, const sb__endpoint *ep, sb_stream *st, const sb_arrival *arrival, char *err, size_t cap);
sb_err sb__listener_join(sb_socket *sock, sb_stream *st, const sb_arrival *arrival, const char **why);
void sb__stream_refuse(sb__hub *hub, sb_stream *st); /* closes one that nobody owns */
sb_err sb__dialer_create(sb_socket *sock, const sb__endpoint *ep, const char *given, char *err, size_t cap);
bool sb__inproc_bound(sb_engine *engine, const char *name);
sb_err sb__inproc_bind(sb_socket *sock, const sb__endpoint *ep, const char *given, char *err, size_t cap);
sb_err sb__udp_bind(sb_socket *sock, const sb__endpoint *ep, const char *given, char *err, size_t cap);
sb_err sb__udp_connect(sb_socket *sock, const sb__endpoint *ep, const char *given, char *err, size_t cap);
sb_err sb__inproc_connect(sb_socket *sock, const sb__endpoint *ep, const char *given, char *err, size_t cap);
/* What listener and dialer do alike: tell why a connection ended; end one that its socket closes (in order
 * where all is sent). */
void sb__conn_tell_end(sb_socket *sock, const sb__binding *b, sb__conn *conn, const sb__conn_end *end);
void sb__conn_end_for(sb__conn *conn, sb_socket *sock);
void sb__conn_quiesce_for(sb__conn *conn, sb_socket *sock);
void sb__conn_all_sent(sb_peer *peer); /* the drained slot */
/* ROUTER and REP, unless they never answered anybody. */
bool sb__socket_answers(const sb_socket *sock);
/* Messages the peer sent to a socket that answers, and that are neither answered nor given up. */
bool sb__peer_awaits(const sb_peer *peer);

/* layers.c: the filters (TLS, WebSocket, SOCKS5) of a binding's connections, out of its endpoint and options.
 * *out is NULL where there are none. Errors have one line in err. */
sb_err sb__layers_create(
    const sb_socket *sock, const sb__endpoint *ep, bool bind, char *err, size_t cap, sb__layers **out);
void sb__layers_free(sb__layers *layers); /* NULL is allowed */
/* Puts them on a stream: *st becomes the topmost, and the session is told what that does for it. On failure
 * *st is what must be closed. */
sb_err sb__layers_wrap(const sb__layers *layers, sb__hub *hub, sb_session_config *session, sb_stream **st);
/* The proxy to dial instead of the endpoint itself; NULL: none. */
const sb__endpoint *sb__layers_proxy(const sb__layers *layers);

/* bindings.c; sb__reach_check, sb__socket_check and abort: socket.c */
/* Whether the socket may bind or connect this endpoint now, and what it says. */
sb_err sb__reach_check(
    sb_socket *sock, const char *endpoint, bool bind, sb__endpoint *ep, char *err, size_t cap);
/* False without memory: then nothing is to be undone. */
bool sb__binding_init(sb__binding *b, const sb__binding_impl *impl, sb_socket *sock, const sb__endpoint *ep,
    const char *given, bool bind);
const char *sb__binding_where(const sb__binding *b); /* resolved where that is known */
void sb__binding_free(sb__binding *b);  /* out of the socket's list; memory of the binding is the caller's */
void sb__socket_check(sb_socket *sock); /* linger: is everything sent? closed: is everything gone? */
void sb__socket_cut(sb_socket *sock);   /* its bindings close for good */
void sb__socket_quiesce(sb_socket *sock);
void sb__socket_release(sb_socket *sock); /* its connects that rest begin */
void sb__socket_abort(sb_socket *sock);   /* closes without linger */
void sb__shells_finish(sb_engine *engine);

/* pairs.c: connections whose two ends are both ours. mark: as they are now (conn->ours). on_way: there is
 * something between the ends. part: ends those that stay, whose peer has ended its side, and have nothing
 * to send. */
void sb__pairs_mark(sb_engine *engine);
bool sb__pairs_on_way(const sb__conn *conn);
void sb__pairs_part(sb_engine *engine);

/* drain.c */
void sb__drain_init(sb_engine *engine);

#endif
