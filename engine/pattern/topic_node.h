/* A node of the topic trie, as topics.c builds and topic_walk.c reads it. Private to them. */
#ifndef SB_TOPIC_NODE_H
#define SB_TOPIC_NODE_H

#include "engine/pattern/topics.h"

#include <string.h>

struct sb__topic_node {
    sb__topic_node *parent;
    uint8_t *kids; /* kcap first octets, padded to 8, then as many pointers */
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

/* Where the child whose label begins with `key` is; NULL: there is none. */
static inline sb__topic_node **sb__kid_at(const sb__topic_node *node, uint8_t key)
{
    if (node->nkids == 0)
        return NULL;
    const uint8_t *at = memchr(node->kids, key, node->nkids);
    return at != NULL ? sb__kids(node->kids, node->kcap) + (at - node->kids) : NULL;
}

static inline sb__topic_sub *sb__holders(const sb__topic_node *node)
{
    return node->is_many ? node->subs.many.v : (sb__topic_sub *)(uintptr_t)&node->subs.one;
}

#endif
