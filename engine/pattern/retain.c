/* Retained messages. Before: pattern/fan.c. After: engine/msg.c. */
#include "engine/pattern/retain.h"

#include "engine/base/list.h"

#include <stdlib.h>

typedef struct topic {
    sb_list kept; /* oldest first */
    uint32_t n;
    size_t len;
    uint8_t name[];
} topic;

typedef struct kept {
    sb_list_node in_topic, in_all;
    topic *topic;
    sb_msg *msg;
    size_t bytes;
    uint64_t serial, since;
} kept;

struct sb__retain {
    const sb__retain_rules *rules;
    topic **topics; /* sorted by name */
    size_t n, cap;
    sb_list all; /* oldest first */
    uint32_t messages;
    uint64_t bytes, serial;
};

/* ---- topics ---- */

static int compare(const uint8_t *a, size_t alen, const uint8_t *b, size_t blen)
{
    size_t len = alen < blen ? alen : blen;
    int order = len > 0 ? memcmp(a, b, len) : 0;
    return order != 0 ? order : (alen > blen) - (alen < blen);
}

/* The first topic that is not before the name. */
static size_t lower_bound(const sb__retain *r, const uint8_t *name, size_t len)
{
    size_t low = 0, high = r->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare(r->topics[mid]->name, r->topics[mid]->len, name, len) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool begins(const uint8_t *text, size_t len, const uint8_t *prefix, size_t prefix_len)
{
    return len >= prefix_len && (prefix_len == 0 || memcmp(text, prefix, prefix_len) == 0);
}

static topic *insert_topic(sb__retain *r, size_t at, const uint8_t *name, size_t len)
{
    if (r->n == r->cap) {
        size_t cap = r->cap != 0 ? 2 * r->cap : 16;
        topic **topics = realloc(r->topics, cap * sizeof *topics);
        if (topics == NULL)
            return NULL;
        r->topics = topics;
        r->cap = cap;
    }
    topic *t = malloc(sizeof *t + len);
    if (t == NULL)
        return NULL;
    sb_list_init(&t->kept);
    t->n = 0;
    t->len = len;
    if (len > 0)
        memcpy(t->name, name, len);
    memmove(&r->topics[at + 1], &r->topics[at], (r->n - at) * sizeof(topic *));
    r->topics[at] = t;
    r->n++;
    return t;
}

static topic *find_topic(sb__retain *r, const uint8_t *name, size_t len)
{
    size_t at = lower_bound(r, name, len);
    if (at < r->n && compare(r->topics[at]->name, r->topics[at]->len, name, len) == 0)
        return r->topics[at];
    return insert_topic(r, at, name, len);
}

static void remove_topic(sb__retain *r, topic *t)
{
    size_t at = lower_bound(r, t->name, t->len);
    memmove(&r->topics[at], &r->topics[at + 1], (r->n - at - 1) * sizeof(topic *));
    r->n--;
    free(t);
}

/* ---- messages ---- */

static void drop(sb__retain *r, kept *k)
{
    topic *t = k->topic;
    sb_list_remove(&k->in_topic);
    sb_list_remove(&k->in_all);
    r->messages--;
    r->bytes -= k->bytes;
    sb_msg_destroy(k->msg);
    free(k);
    if (--t->n == 0)
        remove_topic(r, t);
}

static bool over(const sb__retain *r)
{
    const sb__retain_rules *rules = r->rules;
    return (rules->messages != 0 && r->messages > rules->messages) ||
           (rules->bytes != 0 && r->bytes > rules->bytes);
}

static void trim(sb__retain *r, topic *t)
{
    while (t->n > r->rules->last && t->n > 1)
        drop(r, SB_LIST_ENTRY(sb_list_first(&t->kept), kept, in_topic));
    while (over(r))
        drop(r, SB_LIST_ENTRY(sb_list_first(&r->all), kept, in_all));
}

static kept *keep(const sb_msg *msg)
{
    kept *k = calloc(1, sizeof *k);
    if (k != NULL && sb_msg_keep(msg, &k->msg) == SB_OK)
        return k;
    free(k);
    return NULL;
}

void sb__retain_put(sb__retain *r, const sb_msg *msg, uint64_t now)
{
    const sb_frame *f = sb_msg_frame(msg, 0);
    uint32_t prefix = r->rules->prefix;
    kept *k = keep(msg);
    topic *t = k != NULL ? find_topic(r, f->data, prefix != 0 && prefix < f->len ? prefix : f->len) : NULL;
    if (t == NULL) {
        sb_msg_destroy(k != NULL ? k->msg : NULL);
        free(k);
        return;
    }
    k->topic = t;
    k->bytes = sb_msg_packed_size(msg);
    k->serial = ++r->serial;
    k->since = now;
    sb_list_push_back(&t->kept, &k->in_topic);
    sb_list_push_back(&r->all, &k->in_all);
    t->n++;
    r->messages++;
    r->bytes += k->bytes;
    trim(r, t);
}

/* ---- looking ---- */

/* With a topic that is a prefix of the frame, what matches may lie in the one topic that the wanted prefix
 * goes beyond. */
static size_t first_topic(const sb__retain *r, const uint8_t *prefix, size_t len)
{
    uint32_t cut = r->rules->prefix;
    return lower_bound(r, prefix, cut != 0 && cut < len ? cut : len);
}

static bool may_hold(const topic *t, const uint8_t *prefix, size_t len)
{
    size_t common = t->len < len ? t->len : len;
    return begins(t->name, t->len, prefix, common);
}

static bool wanted(const kept *k, const uint8_t *prefix, size_t len, uint64_t since)
{
    const sb_frame *f = sb_msg_frame(k->msg, 0);
    return k->since >= since && begins(f->data, f->len, prefix, len);
}

/* Collects into `out` (which may be NULL, to count). */
static size_t collect(const sb__retain *r, const uint8_t *prefix, size_t len, uint64_t since, kept **out)
{
    size_t n = 0;
    for (size_t i = first_topic(r, prefix, len); i < r->n && may_hold(r->topics[i], prefix, len); i++) {
        SB_LIST_EACH(node, &r->topics[i]->kept)
        {
            kept *k = SB_LIST_ENTRY(node, kept, in_topic);
            if (!wanted(k, prefix, len, since))
                continue;
            if (out != NULL)
                out[n] = k;
            n++;
        }
    }
    return n;
}

static int by_serial(const void *a, const void *b)
{
    uint64_t x = (*(kept *const *)a)->serial, y = (*(kept *const *)b)->serial;
    return (x > y) - (x < y);
}

/* *out is the caller's to free; NULL when there is none. */
static sb_err sorted(
    const sb__retain *r, const uint8_t *prefix, size_t len, uint64_t since, kept ***out, size_t *n)
{
    *out = NULL;
    *n = collect(r, prefix, len, since, NULL);
    if (*n == 0)
        return SB_OK;
    *out = malloc(*n * sizeof **out);
    if (*out == NULL)
        return SB_ENOMEM;
    collect(r, prefix, len, since, *out);
    qsort(*out, *n, sizeof **out, by_serial);
    return SB_OK;
}

sb_err sb__retain_each(
    const sb__retain *r, const uint8_t *prefix, size_t len, uint64_t since, sb__retain_fn *fn, void *arg)
{
    kept **list;
    size_t n;
    sb_err err = sorted(r, prefix, len, since, &list, &n);
    for (size_t i = 0; err == SB_OK && i < n; i++)
        fn(arg, list[i]->msg);
    free(list);
    return err;
}

uint32_t sb__retain_forget(sb__retain *r, const uint8_t *name, size_t len)
{
    kept **list;
    size_t n;
    uint32_t forgotten = 0;
    if (sorted(r, name, name != NULL ? len : 0, 0, &list, &n) != SB_OK)
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (name != NULL && sb_msg_frame(list[i]->msg, 0)->len != len)
            continue;
        drop(r, list[i]);
        forgotten++;
    }
    free(list);
    return forgotten;
}

uint32_t sb__retain_messages(const sb__retain *r)
{
    return r->messages;
}

uint64_t sb__retain_bytes(const sb__retain *r)
{
    return r->bytes;
}

sb__retain *sb__retain_create(const sb__retain_rules *rules)
{
    sb__retain *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->rules = rules;
    sb_list_init(&r->all);
    return r;
}

void sb__retain_destroy(sb__retain *r)
{
    if (r == NULL)
        return;
    while (!sb_list_empty(&r->all))
        drop(r, SB_LIST_ENTRY(r->all.prev, kept, in_all));
    free(r->topics);
    free(r);
}
