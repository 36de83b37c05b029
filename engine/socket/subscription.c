/* Subscriptions that the application may accept, deny or rewrite, now or later.
 * Before: transport/conn.c (SUBSCRIBE or CANCEL arrived). After: pattern/ (topics). */
#include "engine/pattern/alias.h"
#include "engine/pattern/narrow.h"
#include "engine/socket/internal.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_TIME (5 * SB_NS_PER_S)
#define WAITING_MAX 10000 /* per socket; more are denied at once */

/* A subscription in the hands of the application. Begins with what the application sees. */
typedef struct question {
    sb_subscription base; /* peer NULL: gone, cancelled or timed out */
    sb_list_node node;
    sb_socket *sock;
    sb_timer timer;
    sb_asking *asking; /* who wants to know, instead of a subscription of the peer's */
    uint8_t *rewritten;
    size_t rewritten_len;
    sb_filter *filter; /* its pattern lies behind it; NULL: none */
    uint8_t topic[];
} question;

static void tell(sb_peer *peer, sb_event_kind kind, const uint8_t *topic, size_t len)
{
    char text[256];
    if (peer->inside)
        return;
    size_t n = len < sizeof text - 1 ? len : sizeof text - 1;
    memcpy(text, topic, n);
    text[n] = '\0';
    sb__event_peer(peer->socket, kind, peer, &(sb_event){.detail = text});
}

void sb__subscription_confirmed(sb_peer *peer, const uint8_t *topic, size_t len)
{
    peer->unconfirmed--;
    tell(peer, SB_EVENT_SUBSCRIPTION_CONFIRMED, topic, len);
}

bool sb_socket_confirmed(const sb_socket *sock)
{
    SB_LIST_EACH(n, &sock->peers)
    {
        const sb_peer *peer = SB_LIST_ENTRY(n, sb_peer, peers);
        if (peer->ready && peer->unconfirmed > 0)
            return false;
    }
    return sock->npeers > 0;
}

static sb_err accept_topic(sb_peer *peer, const uint8_t *topic, size_t len)
{
    const sb_pattern_impl *impl = peer->pattern->impl;
    sb_err err = impl->subscribed != NULL ? impl->subscribed(peer->pattern, peer, topic, len, true) : SB_OK;
    if (err == SB_OK)
        tell(peer, SB_EVENT_SUBSCRIBED, topic, len);
    else if (peer->link != NULL)
        peer->link->kick(peer, err, "subscription refused: limit reached", false);
    return SB_OK;
}

static sb_err accept_other(sb_peer *peer, const sb_subscription *asked, const uint8_t *topic, size_t len)
{
    sb_err err = sb__alias_add(peer, asked->topic, asked->len, topic, len);
    return err == SB_OK ? accept_topic(peer, topic, len) : err;
}

static void release_filter(sb_socket *sock, const sb_filter *filter)
{
    if (filter->kind == SB_FILTER_ASK && sock->handler != NULL && sock->handler->on_filter_gone != NULL)
        sock->handler->on_filter_gone(sock->handler, sock, filter);
}

/* The filter is the peer's from here on. */
static sb_err narrow(question *q, const uint8_t *topic, size_t len)
{
    if (q->filter == NULL)
        return SB_OK;
    sb_err err = sb__narrow_set(q->base.peer, topic, len, q->filter);
    if (err != SB_OK)
        return err;
    free(q->filter);
    q->filter = NULL;
    return SB_OK;
}

static void question_free(question *q)
{
    sb_timer_stop(q->sock->engine->loop, &q->timer);
    sb_list_remove(&q->node);
    q->sock->nsubscriptions--;
    if (q->filter != NULL)
        release_filter(q->sock, q->filter);
    free(q->filter);
    free(q->rewritten);
    free(q);
}

/* Whoever asked is told, once. */
static bool tell_asking(question *q, sb_verdict verdict)
{
    sb_asking *asking = q->asking;
    if (asking == NULL)
        return false;
    q->asking = NULL;
    q->base.peer = NULL;
    q->base.client = NULL;
    if (verdict == SB_VERDICT_REWRITE && q->rewritten != NULL)
        asking->on_verdict(asking, verdict, q->rewritten, q->rewritten_len);
    else
        asking->on_verdict(
            asking, verdict == SB_VERDICT_ACCEPT ? verdict : SB_VERDICT_DENY, q->topic, q->base.len);
    return true;
}

static void on_late(sb_timer *timer)
{
    question *q = SB_LIST_ENTRY(timer, question, timer);
    tell_asking(q, SB_VERDICT_DENY);
    if (q->base.peer != NULL)
        sb__peer_drop(q->base.peer, SB_DROP_DENIED, 1);
    q->base.peer = NULL; /* the application still holds the question: freed when it answers */
}

static question *question_create(sb_peer *peer, const uint8_t *topic, size_t len)
{
    question *q = calloc(1, sizeof *q + len + 1);
    if (q == NULL)
        return NULL;
    memcpy(q->topic, topic, len);
    q->base = (sb_subscription){.peer = peer, .topic = q->topic, .len = len};
    q->sock = peer->socket;
    sb_timer_init(&q->timer, on_late);
    sb_list_push_back(&q->sock->subscriptions, &q->node);
    q->sock->nsubscriptions++;
    return q;
}

static void conclude(question *q, sb_verdict verdict)
{
    sb_peer *peer = q->base.peer;
    if (tell_asking(q, verdict) || peer == NULL)
        return;
    bool rewrite = verdict == SB_VERDICT_REWRITE && q->rewritten != NULL;
    if (narrow(q, rewrite ? q->rewritten : q->base.topic, rewrite ? q->rewritten_len : q->base.len) != SB_OK)
        verdict = SB_VERDICT_DENY;
    if (verdict == SB_VERDICT_ACCEPT)
        accept_topic(peer, q->base.topic, q->base.len);
    else if (verdict == SB_VERDICT_REWRITE && q->rewritten != NULL)
        accept_other(peer, &q->base, q->rewritten, q->rewritten_len);
    else
        sb__peer_drop(peer, SB_DROP_DENIED, 1);
}

static sb_err put(question *q)
{
    sb_socket *sock = q->sock;
    sb_verdict verdict = sock->handler->on_subscribe(sock->handler, sock, &q->base);
    if (verdict == SB_VERDICT_LATER) {
        sb_timer_start(sock->engine->loop, &q->timer, sb_engine_now(sock->engine) + ANSWER_TIME);
        return SB_OK;
    }
    conclude(q, verdict);
    question_free(q);
    return SB_OK;
}

static sb_err ask(sb_peer *peer, const uint8_t *topic, size_t len)
{
    question *q = peer->socket->nsubscriptions < WAITING_MAX ? question_create(peer, topic, len) : NULL;
    if (q != NULL)
        return put(q);
    sb__peer_drop(peer, SB_DROP_DENIED, 1);
    return SB_OK;
}

static bool nobody_to_ask(const sb_socket *sock)
{
    return sock->handler == NULL || sock->handler->on_subscribe == NULL;
}

sb_err sb_socket_ask(sb_socket *sock, sb_peer *peer, const void *topic, size_t len, sb_asking *asking)
{
    if (nobody_to_ask(sock)) {
        asking->on_verdict(asking, SB_VERDICT_ACCEPT, topic, len);
        return SB_OK;
    }
    question *q = sock->nsubscriptions < WAITING_MAX ? question_create(peer, topic, len) : NULL;
    if (q == NULL)
        return SB_ENOMEM;
    q->asking = asking;
    q->base.client = asking->client;
    return put(q);
}

void sb_peer_trust(sb_peer *peer)
{
    peer->trusted = true;
}

static question *find_question(const sb_peer *peer, const uint8_t *topic, size_t len)
{
    SB_LIST_EACH(n, &peer->socket->subscriptions)
    {
        question *q = SB_LIST_ENTRY(n, question, node);
        if (q->base.peer == peer && q->asking == NULL && q->base.len == len &&
            memcmp(q->base.topic, topic, len) == 0)
            return q;
    }
    return NULL;
}

static sb_err cancel(sb_peer *peer, const uint8_t *topic, size_t len)
{
    const sb_pattern_impl *impl = peer->pattern->impl;
    question *q = find_question(peer, topic, len);
    if (q != NULL) {
        q->base.peer = NULL;
        return SB_OK;
    }
    sb__alias *alias = sb__alias_find(peer, topic, len);
    const uint8_t *given = alias != NULL ? alias->bytes + alias->asked_len : topic;
    size_t given_len = alias != NULL ? alias->given_len : len;
    if (impl->subscribed != NULL && impl->subscribed(peer->pattern, peer, given, given_len, false) == SB_OK)
        tell(peer, SB_EVENT_UNSUBSCRIBED, given, given_len);
    if (alias != NULL)
        sb__alias_unref(peer, alias);
    return SB_OK;
}

sb_err sb__subscribe_ask(sb_peer *peer, const uint8_t *topic, size_t len, bool subscribe)
{
    if (!subscribe)
        return cancel(peer, topic, len);
    if (peer->trusted || peer->inside || nobody_to_ask(peer->socket))
        return accept_topic(peer, topic, len);
    return ask(peer, topic, len);
}

void sb__subscriptions_forget(sb_peer *peer)
{
    SB_LIST_EACH(n, &peer->socket->subscriptions)
    {
        question *q = SB_LIST_ENTRY(n, question, node);
        if (q->base.peer != peer)
            continue;
        tell_asking(q, SB_VERDICT_DENY);
        q->base.peer = NULL;
    }
    sb__alias_clear(peer);
    sb__narrow_clear(peer);
}

void sb__subscriptions_finish(sb_socket *sock)
{
    while (!sb_list_empty(&sock->subscriptions)) {
        question *q = SB_LIST_ENTRY(sb_list_first(&sock->subscriptions), question, node);
        tell_asking(q, SB_VERDICT_DENY);
        question_free(q);
    }
}

sb_err sb_subscription_filter(sb_subscription *sub, const sb_filter *filter)
{
    question *q = (question *)sub;
    if (sb_filter_check(filter) != SB_OK)
        return SB_EINVAL;
    sb_filter *copy = malloc(sizeof *copy + filter->pattern_len);
    if (copy == NULL)
        return SB_ENOMEM;
    *copy = *filter;
    if (filter->pattern_len > 0)
        memcpy(copy + 1, filter->pattern, filter->pattern_len);
    copy->pattern = copy + 1;
    if (q->filter != NULL)
        release_filter(q->sock, q->filter);
    free(q->filter);
    q->filter = copy;
    return SB_OK;
}

sb_err sb_subscription_rewrite(sb_subscription *sub, const void *topic, size_t len)
{
    question *q = (question *)sub; /* base is the first member */
    uint8_t *copy = malloc(len + 1);
    if (copy == NULL)
        return SB_ENOMEM;
    memcpy(copy, topic, len);
    free(q->rewritten);
    q->rewritten = copy;
    q->rewritten_len = len;
    return SB_OK;
}

void sb_subscription_answer(sb_subscription *sub, sb_verdict verdict, const void *topic, size_t len)
{
    question *q = (question *)sub;
    if (verdict == SB_VERDICT_REWRITE && sb_subscription_rewrite(sub, topic, len) != SB_OK)
        verdict = SB_VERDICT_DENY;
    conclude(q, verdict);
    question_free(q);
}
