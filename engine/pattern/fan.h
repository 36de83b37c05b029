/* Publishing: who subscribed what, and each message once to every peer it matches; what PUB and XPUB have in
 * common. A pattern embeds sb__fan first and uses these functions as slots of its table. */
#ifndef SB_FAN_H
#define SB_FAN_H

#include "engine/pattern/pattern.h"
#include "engine/pattern/retain.h"
#include "engine/pattern/topics.h"

typedef struct sb__fan {
    sb_pattern base;
    sb__topics topics;
    sb__topics links; /* what mates hold */
    sb_list peers;    /* attached, by their active node */
    uint32_t npeers;
    uint64_t serial; /* of the message being sent; peer->mark */
    bool starved;    /* xpub_nodrop: a send met a full peer */
    bool tells;      /* XPUB: subscriptions are told to the application */
    bool exact;      /* RADIO: the whole topic must match, not its beginning */
    const sb_msg *sending;
    bool asking;        /* the application, about a filter: nothing may change now */
    sb__retain *retain; /* NULL: nothing is retained */
    sb_peer *only;      /* xpub_manual_last_value: who alone gets the next message */
} sb__fan;

sb_err sb__fan_init(sb_pattern *pat);
void sb__fan_finish(sb_pattern *pat);
sb_err sb__fan_attach(sb_pattern *pat, sb_peer *peer);
sb_err sb__fan_ready(sb_pattern *pat, sb_peer *peer);
void sb__fan_lost(sb_pattern *pat, sb_peer *peer);
void sb__fan_detach(sb_pattern *pat, sb_peer *peer);
void sb__fan_writable(sb_pattern *pat, sb_peer *peer);
/* Full peers miss the message and it is counted; with xpub_nodrop SB_EAGAIN, and nobody gets it. */
sb_err sb__fan_send(sb_pattern *pat, sb_msg *msg);
/* fan_run.c: as far as messages go to the same peers, or to few each. */
sb_run sb__fan_send_run(sb_pattern *pat, const sb_run *run);
/* SB_EREFUSED beyond max_subscriptions or max_subscription_bytes; SB_ENOENT for a cancel without
 * subscription. */
sb_err sb__fan_subscribed(sb_pattern *pat, sb_peer *peer, const uint8_t *topic, size_t len, bool subscribe);
sb_err sb__fan_grant(sb_pattern *pat, sb_peer *peer, const uint8_t *topic, size_t len, bool subscribe);
uint64_t sb__fan_subscriptions(const sb_pattern *pat);
/* A message for one subscriber; counted where it cannot be queued. */
void sb__fan_push(sb__fan *fan, sb_peer *peer, const sb_msg *msg);

/* replay.c */
void sb__fan_option(sb_pattern *pat, sb_opt opt);
void sb__fan_retained(const sb_pattern *pat, uint64_t *msgs, uint64_t *bytes);
uint32_t sb__fan_forget(sb_pattern *pat, const uint8_t *topic, size_t len);
/* Sends what is retained below a topic that the peer has just subscribed, but for what it got already because
 * of others. */
void sb__fan_replay(sb__fan *fan, sb_peer *peer, const uint8_t *topic, size_t len);

void sb__fan_topics(sb_pattern *pat, sb__topics_look_fn *fn, void *arg);

#endif
