/* Shortcuts into the topic trie: from the first octets of a topic at once to the branch they lead to, so that
 * what a message costs to match does not grow with the number of topics.
 *
 * A hash, with a secret, of the branches with several children by the octets that lead there. Only one depth
 * is asked for, that with the most of them. They can always be done without: what is not found here is walked
 * to from the root, so memory that is missing costs time only, and so does a peer whose topics branch
 * elsewhere. Some 64 octets for a branch, which has at least SB__JUMP_KIDS children. Private to topics.c and
 * topic_walk.c. */
#ifndef SB_TOPIC_JUMP_H
#define SB_TOPIC_JUMP_H

#include "engine/base/hash.h"
#include "engine/pattern/topic_node.h"

#define SB__JUMP_MAX 64 /* octets of the longest */
/* Tests have smaller ones. */
#ifndef SB__JUMP_FROM
#define SB__JUMP_KIDS 4   /* children of a branch that has a shortcut */
#define SB__JUMP_FROM 256 /* topics of a set; with fewer the trie is shallow */
#endif

struct sb__topic_jump {
    struct sb__topic_jump *next; /* in the bucket */
    sb__topic_node *node;
    uint32_t hash;
    uint8_t depth; /* octets of the key */
    uint8_t key[];
};

struct sb__topic_jumps {
    struct sb__topic_jump **buckets;
    uint32_t cap; /* a power of two */
    uint32_t n;
    uint64_t seed;
    uint32_t depth;                /* the one asked for; 0: there are none */
    uint32_t at[SB__JUMP_MAX + 1]; /* how many of each depth */
};

/* After a prefix came or went: makes the shortcuts of a set that has become large, frees those of one that is
 * small again. */
void sb__jumps_fit(sb__topics *t);
void sb__jumps_finish(sb__topics *t);
/* A node has got its SB__JUMP_KIDS-th child; it is about to lose it; it has moved in memory. */
void sb__jumps_add(sb__topics *t, sb__topic_node *node);
void sb__jumps_remove(sb__topics *t, const sb__topic_node *node);
void sb__jumps_move(sb__topics *t, sb__topic_node *node);

/* The branch that the topic leads to, *depth octets of it; NULL: walk from the root. */
static inline const sb__topic_node *sb__jump(
    const sb__topics *t, const uint8_t *data, size_t len, size_t *depth)
{
    const struct sb__topic_jumps *j = t->jumps;
    if (j == NULL || j->depth == 0 || len < j->depth)
        return NULL;
    const uint32_t hash = (uint32_t)sb__hash_keyed(data, j->depth, j->seed);
    const struct sb__topic_jump *at = j->buckets[hash & (j->cap - 1)];
    while (at != NULL &&
           (at->hash != hash || at->depth != j->depth || !sb__octets_same(at->key, data, j->depth)))
        at = at->next;
    *depth = j->depth;
    return at != NULL ? at->node : NULL;
}

#endif
