/* Subscriptions: a set of topic prefixes, each held by peers (or, without peers, by the application), each as
 * often as it was subscribed. Finds all prefixes of a message's topic in O(topic length), however many there
 * are.
 *
 * A radix trie of one node per branch or prefix; the root is the empty prefix, "subscribe all". A large one
 * has shortcuts to its branches (topic_jump.h). About 100 octets per prefix; what is removed is freed at
 * once. No recursion: the depth is in the hands of peers. */
#ifndef SB_TOPICS_H
#define SB_TOPICS_H

#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sb_peer sb_peer;
typedef struct sb__topic_node sb__topic_node;

/* One holder of a prefix. */
typedef struct sb__topic_sub {
    sb_peer *peer; /* NULL: the application */
    uint32_t refs; /* subscribed so often */
    uint32_t slot; /* private: place in the peer's own list */
} sb__topic_sub;

/* Memory of the owner. While a peer holds topics, its pattern_data is the set's. */
typedef struct sb__topics {
    /* read-only */
    uint64_t count; /* distinct prefixes */
    /* private */
    sb__topic_node *root; /* NULL while empty */
    uint8_t *text;        /* scratch for the texts told */
    size_t text_cap;
    uint64_t gone;                 /* prefixes that went since their memory was given back */
    uint64_t inner;                /* prefixes that are the beginning of others */
    struct sb__topic_jumps *jumps; /* NULL: too few topics, or no memory */
} sb__topics;

void sb__topics_init(sb__topics *t);
/* Frees all; the peers' lists must be empty (sb__topics_remove_peer). */
void sb__topics_finish(sb__topics *t);

/* *first: nobody held it before. peer->topics and topic_bytes follow. SB_ENOMEM (nothing changed). */
sb_err sb__topics_add(sb__topics *t, sb_peer *peer, const uint8_t *topic, size_t len, bool *first);
/* *last: nobody holds it any more. SB_ENOENT when this peer does not hold it. */
sb_err sb__topics_remove(sb__topics *t, sb_peer *peer, const uint8_t *topic, size_t len, bool *last);
/* Whether this peer holds exactly this topic. */
bool sb__topics_holds(const sb__topics *t, const sb_peer *peer, const uint8_t *topic, size_t len);

typedef void sb__topics_fn(void *arg, const uint8_t *topic, size_t len);
/* Removes all that a peer holds; gone (may be NULL) is told what nobody holds any more. It must not change
 * the set. */
void sb__topics_remove_peer(sb__topics *t, sb_peer *peer, sb__topics_fn *gone, void *arg);
/* Tells every prefix once, in no order. fn must not change the set. */
void sb__topics_each(sb__topics *t, sb__topics_fn *fn, void *arg);

/* The same with the number of holders, until fn says false. */
typedef bool sb__topics_look_fn(void *arg, const uint8_t *topic, size_t len, uint32_t holders);
void sb__topics_look(sb__topics *t, sb__topics_look_fn *fn, void *arg);

/* Whether anybody holds a prefix of `data`. */
bool sb__topics_match(const sb__topics *t, const uint8_t *data, size_t len);

/* The holders of exactly this topic, *n of them; NULL: there are none. Valid until the set changes. */
const sb__topic_sub *sb__topics_exact(const sb__topics *t, const uint8_t *topic, size_t len, uint32_t *n);

/* The longest prefixes of a topic, and from there to shorter ones: two topics with the same longest held
 * prefix have the same holders. */
typedef struct sb__topic_match {
    const sb__topic_node *node;    /* the longest prefix that somebody holds; NULL: nobody holds any */
    const sb__topic_node *shorter; /* the next shorter one; NULL: there is none */
} sb__topic_match;
sb__topic_match sb__topics_longest(const sb__topics *t, const uint8_t *data, size_t len);
/* The one after match.shorter, and so on. */
const sb__topic_node *sb__topic_shorter(const sb__topic_node *node);
const sb__topic_sub *sb__topic_holders(const sb__topic_node *node, uint32_t *n);

/* Walks the holders of all prefixes of `data`, longest first; a peer may come more than once. */
typedef struct sb__topic_cursor {
    sb__topic_match at;
} sb__topic_cursor;

static inline sb__topic_cursor sb__topics_walk(const sb__topics *t, const uint8_t *data, size_t len)
{
    return (sb__topic_cursor){.at = sb__topics_longest(t, data, len)};
}
/* The holders of the next prefix, *n of them; NULL at the end. Valid until the set changes. */
const sb__topic_sub *sb__topics_next(sb__topic_cursor *c, uint32_t *n);

/* Every topic has the same longest held prefix. */
bool sb__topics_alike(const sb__topics *t);

#endif
