/* Patterns: one socket type, one file, one table. A pattern chooses: which peer gets a message, what of a
 * message the application sees. Knows pipes and messages; no bytes, no endpoints, no handlers. */
#ifndef SB_PATTERN_H
#define SB_PATTERN_H

#include "engine/handler.h"
#include "engine/option.h"
#include "engine/pattern/pipe.h"
#include "engine/pattern/retain.h"

/* What a pattern asks of its socket (upwards). */
typedef struct sb__pattern_host {
    /* A send that got SB_EAGAIN may work now. */
    void (*writable)(sb_pattern *pat);
    /* Messages that filter kept with SB_EAGAIN may be looked at again (REP has answered, REQ has asked). */
    void (*readable)(sb_pattern *pat);
    /* A message that no peer sent, for the application (XPUB's 0x01/0x00 + topic). `from` may be NULL. It is
     * queued in from's in queue order; the queue of such events is bounded (the oldest is dropped and
     * counted). */
    void (*event)(sb_pattern *pat, sb_peer *from, const uint8_t *data, size_t len);
    void (*dropped)(sb_pattern *pat, sb_peer *peer, sb_drop why); /* peer may be NULL */
    /* Whether a message passes a filter of kind ASK; such a filter is not needed any more. */
    bool (*ask)(sb_pattern *pat, sb_peer *peer, const sb_filter *filter, const sb_msg *msg);
    void (*filter_gone)(sb_pattern *pat, const sb_filter *filter);
    /* impl->alarm shall be called at this time (ns), once; UINT64_MAX: not any more. */
    void (*set_alarm)(sb_pattern *pat, uint64_t at);
    /* peer->out_full changed. */
    void (*congestion)(sb_pattern *pat, sb_peer *peer);
    /* A request has had no answer in time: the peer it was last sent to, or NULL when that is gone. */
    void (*expired)(sb_pattern *pat, sb_peer *peer);
    /* The time (ns), for a message that begins to wait in a stage; the socket sees to its expiry. */
    uint64_t (*stamp)(sb_pattern *pat);
    /* For the team, see engine/team.h; both may be NULL. elsewhere: SB_EHOSTUNREACH where there is no team.
     */
    void (*holds)(sb_pattern *pat, const uint8_t *key, size_t len, bool on);
    sb_err (*elsewhere)(sb_pattern *pat, const sb_msg *msg);
} sb__pattern_host;

typedef struct sb_pattern_impl {
    sb_type type;
    size_t size; /* of the struct that embeds sb_pattern */
    bool can_send, can_recv, can_subscribe;
    uint32_t ids;  /* of its own, in front of the body: 1 where the application addresses peers */
    bool balances; /* a full peer is passed over for another one */
    bool drops;    /* by default what a full peer has no room for is dropped, not waited for */
    bool groups;   /* subscribes to whole groups: sb_socket_join */

    /* All slots but init may be NULL; peer is never NULL. */
    sb_err (*init)(sb_pattern *pat);
    void (*finish)(sb_pattern *pat); /* all peers are detached */

    /* A peer can be queued to: at connect (before TCP is up, unless IMMEDIATE), or after the handshake of an
     * accepted one. Refusing (PAIR has one already: SB_EREFUSED; duplicate routing id: SB_EEXIST) closes the
     * connection. */
    sb_err (*attach)(sb_pattern *pat, sb_peer *peer);
    /* The handshake is done (again, after a reconnect); peer->info is set. SUB sends all its subscriptions,
     * ROUTER takes the identity, probes are sent. Refusing as in attach. Called after attach. */
    sb_err (*ready)(sb_pattern *pat, sb_peer *peer);
    /* The connection went but the peer stays, it will reconnect. What it subscribed is forgotten. */
    void (*lost)(sb_pattern *pat, sb_peer *peer);
    /* The peer is gone for good. After it no pointer to it may be left. */
    void (*detach)(sb_pattern *pat, sb_peer *peer);

    /* Sends to whom the pattern says; see sb_socket_send for the errors. */
    sb_err (*send)(sb_pattern *pat, sb_msg *msg);
    /* Sends the first messages of a run, as many as may go the same way together; returns these. What is left
     * is sent one by one. NULL: always one by one. */
    sb_run (*send_run)(sb_pattern *pat, const sb_run *run);
    /* The peer that all messages go to, as they are, until somebody comes or goes or it is full; NULL: there
     * is no such peer. NULL slot: never. */
    sb_peer *(*sole)(const sb_pattern *pat);
    /* peer->out has room again after out_full. */
    void (*writable)(sb_pattern *pat, sb_peer *peer);

    /* Looks at an incoming message before the application: adds the routing id, takes the envelope off, sets
     * msg->envelope. SB_OK: deliver. SB_EAGAIN: keep it and all that follow until host->readable.
     * SB_ECANCELED: discard (counted as filtered). SB_EPROTO: discard and close the connection. NULL: deliver
     * all. The view stays the caller's. */
    sb_err (*filter)(sb_pattern *pat, sb_peer *peer, sb_msg *msg);
    /* The application has taken the message that filter let pass (REP is now busy with this request, REQ has
     * its reply). */
    void (*taken)(sb_pattern *pat, sb_peer *peer, const sb_msg *msg);

    /* The message that was taken went nowhere (a drop row, a failed script, the dead letters): nobody will
     * answer it. REP takes the next request. `peer` may be NULL: it is gone. */
    void (*abandoned)(sb_pattern *pat, sb_peer *peer);

    /* Whether a receive with nothing to show is out of turn (SB_EFSM) rather than early (SB_EAGAIN): REQ that
     * has not asked. */
    bool (*out_of_turn)(const sb_pattern *pat);

    /* The peer that is addressed so; NULL: nobody. */
    sb_peer *(*find)(sb_pattern *pat, const sb_frame *name);

    /* XPUB and PUB: a subscription was accepted, or cancelled. */
    sb_err (*subscribed)(sb_pattern *pat, sb_peer *peer, const uint8_t *topic, size_t len, bool subscribe);
    /* XPUB with xpub_manual: the application says what a peer gets; subscribed was only told. */
    sb_err (*grant)(sb_pattern *pat, sb_peer *peer, const uint8_t *topic, size_t len, bool subscribe);
    /* SUB and XSUB: the application subscribes. */
    sb_err (*subscribe)(sb_pattern *pat, const uint8_t *topic, size_t len, bool subscribe);
    /* The time that set_alarm asked for has come. */
    void (*alarm)(sb_pattern *pat, uint64_t now);
    /* An option changed (peer queues' limits are the socket's business). */
    void (*option)(sb_pattern *pat, sb_opt opt);
    uint64_t (*subscriptions)(const sb_pattern *pat); /* distinct topics held now */
    /* XPUB and PUB: what is kept for late joiners; forgets a topic (NULL: all), returns how many. */
    void (*retained)(const sb_pattern *pat, uint64_t *msgs, uint64_t *bytes);
    uint32_t (*forget)(sb_pattern *pat, const uint8_t *topic, size_t len);
    /* Tells them, in order, with the number of their holders, until fn says false. fn changes nothing. */
    void (*topics)(sb_pattern *pat, bool (*fn)(void *arg, const uint8_t *topic, size_t len, uint32_t holders),
        void *arg);
} sb_pattern_impl;

/* Option values the patterns need; the socket keeps them. */
typedef struct sb__pattern_options {
    bool router_mandatory, router_handover, router_raw, probe_router, req_relaxed, req_correlate;
    bool xpub_verbose, xpub_verboser, xpub_manual, xpub_manual_last, xpub_nodrop, invert_matching, conflate;
    bool xsub_verbose_unsubscribe;
    const uint8_t *welcome; /* xpub_welcome_msg */
    size_t welcome_len;
    const uint8_t *connect_routing_id; /* for the next connected peer of a ROUTER */
    size_t connect_routing_id_len;
    sb_on_full on_full;
    uint64_t req_deadline, req_resend; /* ns, 0 = never */
    sb_balance balance;
    uint32_t balance_key; /* frame, from 1 */
    sb__stage_rules stage;
    sb__retain_rules retain;
    uint32_t hops;              /* routing ids before the body besides a ROUTER's own (sb_socket_set_hops) */
    uint32_t max_subscriptions; /* per peer, 0 = 1,000,000 */
    uint64_t max_subscription_bytes; /* octets of their topics, 0 = 64 each */
    uint32_t random;                 /* seed for ROUTER's auto ids and REQ's correlation */
} sb__pattern_options;

/* Base of every pattern; patterns embed it first. */
struct sb_pattern {
    const sb_pattern_impl *impl;
    const sb__pattern_host *host;
    const sb__pattern_options *options;
    void *socket; /* the socket's, for host slots */
    bool passing; /* what is sent came over a link: for peers from outside (engine/team.h) */
};

/* Whether who sends waits for a full peer unless on_full says something else. on_full = disconnect ends such
 * a peer only when it takes nothing for a while (socket/overload.c), and where nobody waits at once. */
static inline bool sb__waits_by_default(const sb_pattern *pat)
{
    return !pat->impl->drops || pat->options->router_mandatory || pat->options->xpub_nodrop;
}

/* on_full, of a peer that is not passed over for another one: whether the sender waits, which is SB_EAGAIN,
 * or the message is dropped. `by_default`: what the type does. */
static inline bool sb__full_waits(const sb_pattern *pat, bool by_default)
{
    sb_on_full policy = pat->options->on_full;
    bool own = policy == SB_ON_FULL_DEFAULT || policy == SB_ON_FULL_DISCONNECT;
    return own ? by_default : policy == SB_ON_FULL_BLOCK;
}

/* A pattern of this type; NULL out for unknown types: SB_EINVAL. SB_ENOMEM. */
sb_err sb__pattern_create(sb_type type, const sb__pattern_host *host, const sb__pattern_options *options,
    void *socket, sb_pattern **out);
void sb__pattern_destroy(sb_pattern *pat);
/* The table row of a type (engine/pattern/registry.c); NULL if there is none. */
const sb_pattern_impl *sb__pattern_impl_of(sb_type type);

/* Sets msg->envelope of a message that begins with `ids` routing ids: they, and the delimiter behind them if
 * there is one (an empty frame; libzmq's 5-octet NUL-led ids before a delimiter count as ids too). Rule in
 * docs/messages.md. `numbered`: a REQ's number (4 octets) may stand before the delimiter. */
void sb__envelope_detect(sb_msg *msg, uint32_t ids, bool numbered);

#endif
