/* Narrowed subscriptions. Before: socket/subscription.c (a filter was given), pattern/fan.c. After:
 * pattern/topics.c, the application. */
#include "engine/pattern/narrow.h"

#include <stdlib.h>

struct sb__narrow {
    sb__narrow *next;
    sb_filter filter; /* its pattern lies behind the topic */
    size_t len;
    uint8_t topic[];
};

/* ---- one subscription ---- */

static sb__narrow **find(sb_peer *peer, const uint8_t *topic, size_t len)
{
    sb__narrow **at = &peer->narrows;
    while (*at != NULL && ((*at)->len != len || (len > 0 && memcmp((*at)->topic, topic, len) != 0)))
        at = &(*at)->next;
    return at;
}

static void drop(sb_peer *peer, sb__narrow **at)
{
    sb__narrow *n = *at;
    *at = n->next;
    if (n->filter.kind == SB_FILTER_ASK)
        peer->pattern->host->filter_gone(peer->pattern, &n->filter);
    free(n);
}

sb_err sb__narrow_set(sb_peer *peer, const uint8_t *topic, size_t len, const sb_filter *filter)
{
    sb__narrow *n = malloc(sizeof *n + len + filter->pattern_len);
    if (n == NULL)
        return SB_ENOMEM;
    sb__narrow_remove(peer, topic, len);
    *n = (sb__narrow){.next = peer->narrows, .filter = *filter, .len = len};
    if (len > 0)
        memcpy(n->topic, topic, len);
    if (filter->pattern_len > 0)
        memcpy(n->topic + len, filter->pattern, filter->pattern_len);
    n->filter.pattern = n->topic + len;
    peer->narrows = n;
    return SB_OK;
}

void sb__narrow_remove(sb_peer *peer, const uint8_t *topic, size_t len)
{
    sb__narrow **at = find(peer, topic, len);
    if (*at != NULL)
        drop(peer, at);
}

void sb__narrow_clear(sb_peer *peer)
{
    while (peer->narrows != NULL)
        drop(peer, &peer->narrows);
}

/* ---- matching ---- */

typedef struct tokens {
    const uint8_t *p;
    size_t left;
    uint8_t separator;
    bool done;
} tokens;

/* The next piece up to a separator; false behind the last. */
static bool next_token(tokens *t, const uint8_t **p, size_t *len)
{
    if (t->done)
        return false;
    const uint8_t *end = t->left > 0 ? memchr(t->p, t->separator, t->left) : NULL;
    *p = t->p;
    *len = end != NULL ? (size_t)(end - t->p) : t->left;
    t->done = end == NULL;
    if (end != NULL) {
        t->left -= *len + 1;
        t->p = end + 1;
    }
    return true;
}

static bool is(const uint8_t *p, size_t len, char token)
{
    return len == 1 && *p == (uint8_t)token;
}

sb_err sb_filter_check(const sb_filter *f)
{
    tokens pattern = {.p = f->pattern, .left = f->pattern_len, .separator = (uint8_t)f->separator};
    const uint8_t *p;
    size_t len;
    while (f->kind == SB_FILTER_MATCH && next_token(&pattern, &p, &len))
        if (is(p, len, '>') && !pattern.done)
            return SB_EINVAL;
    return SB_OK;
}

bool sb_filter_match(const sb_filter *f, const void *topic, size_t topic_len)
{
    tokens pattern = {.p = f->pattern, .left = f->pattern_len, .separator = (uint8_t)f->separator};
    tokens text = {.p = topic, .left = topic_len, .separator = (uint8_t)f->separator};
    const uint8_t *want, *have;
    size_t want_len, have_len;
    while (next_token(&pattern, &want, &want_len)) {
        if (!next_token(&text, &have, &have_len))
            return false;
        if (is(want, want_len, '>') && pattern.done)
            return true;
        if (is(want, want_len, '*')
                ? have_len == 0
                : want_len != have_len || (have_len > 0 && memcmp(want, have, have_len) != 0))
            return false;
    }
    return text.done;
}

/* While the application is asked it may not change what is being walked: fan->asking. */
static bool ask(sb__fan *fan, sb_peer *peer, const sb_filter *filter, const sb_msg *msg)
{
    fan->asking = true;
    bool passes = fan->base.host->ask(&fan->base, peer, filter, msg);
    fan->asking = false;
    return passes;
}

static bool passes(sb__fan *fan, sb_peer *peer, const sb__narrow *n, const sb_msg *msg)
{
    const sb_frame *topic = &msg->frames[0];
    if (topic->len < n->len || (n->len > 0 && memcmp(topic->data, n->topic, n->len) != 0))
        return false;
    if (n->filter.kind == SB_FILTER_EXACT)
        return topic->len == n->len;
    if (n->filter.kind == SB_FILTER_MATCH)
        return sb_filter_match(&n->filter, topic->data, topic->len);
    return ask(fan, peer, &n->filter, msg);
}

/* A subscription that is not narrowed and matches. */
static bool passes_plainly(const sb__fan *fan, sb_peer *peer, const sb_frame *topic)
{
    for (size_t len = 0; len <= topic->len; len++)
        if (sb__topics_holds(&fan->topics, peer, topic->data, len) && *find(peer, topic->data, len) == NULL)
            return true;
    return false;
}

bool sb__narrow_passes(sb__fan *fan, sb_peer *peer, const sb_msg *msg)
{
    uint32_t narrows = 0;
    for (const sb__narrow *n = peer->narrows; n != NULL; n = n->next)
        narrows++;
    if (peer->topics > narrows && passes_plainly(fan, peer, &msg->frames[0]))
        return true;
    for (const sb__narrow *n = peer->narrows; n != NULL; n = n->next)
        if (passes(fan, peer, n, msg))
            return true;
    return false;
}
