/* Subscribing: what the application wants, told to every publisher; what SUB and XSUB have in common. */
#ifndef SB_SUBSCRIBER_H
#define SB_SUBSCRIBER_H

#include "engine/pattern/pattern.h"
#include "engine/pattern/topics.h"

typedef struct sb__subscriber {
    sb_pattern base;
    sb__topics topics; /* without peers: the application holds them */
    sb_list peers;     /* attached, by their active node */
} sb__subscriber;

sb_err sb__subscriber_init(sb_pattern *pat);
void sb__subscriber_finish(sb_pattern *pat);
sb_err sb__subscriber_attach(sb_pattern *pat, sb_peer *peer);
/* Tells the peer every topic, each once. */
sb_err sb__subscriber_ready(sb_pattern *pat, sb_peer *peer);
void sb__subscriber_lost(sb_pattern *pat, sb_peer *peer);
void sb__subscriber_detach(sb_pattern *pat, sb_peer *peer);
/* Counted: a topic is told to the peers when it is new and when its last reference goes. */
sb_err sb__subscriber_subscribe(sb_pattern *pat, const uint8_t *topic, size_t len, bool subscribe);
/* The same; `repeats`: a topic subscribed again, or not yet cancelled for the last time, is told again. */
sb_err sb__subscriber_change(
    sb__subscriber *sub, const uint8_t *topic, size_t len, bool subscribe, bool repeats);
uint64_t sb__subscriber_subscriptions(const sb_pattern *pat);
void sb__subscriber_topics(sb_pattern *pat, sb__topics_look_fn *fn, void *arg);

#endif
