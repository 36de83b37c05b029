/* A node of the topic trie, as topics.c builds and topic_walk.c reads it. Private to them and to the
 * shortcuts (topic_jump.h). */
#ifndef SB_TOPIC_NODE_H
#define SB_TOPIC_NODE_H

#include "engine/base/octets.h"
#include "engine/pattern/topics.h"

#include <endian.h>

struct sb__topic_node {
    sb__topic_node *parent;
    uint8_t *kids; /* kcap first octets, padded to 8 and none of them unset, then as many pointers */
    union {
        sb__topic_sub one; /* at most one holder, unless is_many */
        struct {
            sb__topic_sub *v; /* ascending by peer */
            uint32_t cap;
        } many;
    } subs;
    uint32_t nsubs;
    uint32_t len; /* of the label */
    uint16_t nkids : 9, is_many : 1;
    uint16_t kcap;
    uint8_t label[]; /* from the parent's end to here */
};

static inline sb__topic_node **sb__kids(uint8_t *kids, uint16_t cap)
{
    return (sb__topic_node **)(void *)(kids + ((cap + 7u) & ~7u));
}

static inline sb__topic_node *sb__kid(const sb__topic_node *node, uint32_t i)
{
    return sb__kids(node->kids, node->kcap)[i];
}

#define SB__KIDS_INLINE 32 /* with more of them a call pays */

/* The place of `key` among the first n octets, n or more when it is not there: eight octets at a time. The
 * lowest bit set of `zero` is that of the first octet that is the same; those above it may be wrong. */
static inline uint32_t sb__octet_at(const uint8_t *octets, uint32_t n, uint8_t key)
{
    const uint64_t ones = 0x0101010101010101ull;
    for (uint32_t i = 0; i < n; i += 8) {
        uint64_t differs = le64toh(sb__load8(octets + i)) ^ ones * key;
        uint64_t zero = (differs - ones) & ~differs & ones << 7;
        if (zero != 0)
            return i + ((uint32_t)__builtin_ctzll(zero) >> 3);
    }
    return n;
}

/* Where the child whose label begins with `key` is; NULL: there is none. */
static inline sb__topic_node **sb__kid_at(const sb__topic_node *node, uint8_t key)
{
    const uint32_t n = node->nkids;
    if (n > SB__KIDS_INLINE) {
        const uint8_t *at = memchr(node->kids, key, n);
        return at != NULL ? sb__kids(node->kids, node->kcap) + (at - node->kids) : NULL;
    }
    const uint32_t i = sb__octet_at(node->kids, n, key);
    return i < n ? sb__kids(node->kids, node->kcap) + i : NULL;
}

static inline sb__topic_sub *sb__holders(const sb__topic_node *node)
{
    return node->is_many ? node->subs.many.v : (sb__topic_sub *)(uintptr_t)&node->subs.one;
}

/* Octets of the prefix that the node is. */
static inline size_t sb__topic_depth(const sb__topic_node *node)
{
    size_t len = 0;
    for (; node != NULL; node = node->parent)
        len += node->len;
    return len;
}

/* topic_walk.c: the node behind this one, its children first; NULL at the end. */
sb__topic_node *sb__topic_after(const sb__topic_node *node);

#endif
