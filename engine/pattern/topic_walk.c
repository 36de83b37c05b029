/* Which prefixes of a topic are held: what every message published asks. Before: the publishing and
 * subscribing patterns. Built by engine/pattern/topics.c. */
#include "engine/pattern/topic_jump.h"

/* The child that goes on where `data` does; its first octet is known to be right. */
static inline const sb__topic_node *step(const sb__topic_node *node, const uint8_t *data, size_t len)
{
    sb__topic_node **at = len > 0 ? sb__kid_at(node, data[0]) : NULL;
    if (at == NULL || (*at)->len > len)
        return NULL;
    return sb__octets_same((*at)->label + 1, data + 1, (*at)->len - 1) ? *at : NULL;
}

/* The longest held prefixes before a node that was jumped to. */
static sb__topic_match before(const sb__topic_node *node)
{
    sb__topic_match m = {.node = sb__topic_shorter(node)};
    if (m.node != NULL)
        m.shorter = sb__topic_shorter(m.node);
    return m;
}

sb__topic_match sb__topics_longest(const sb__topics *t, const uint8_t *data, size_t len)
{
    sb__topic_match m = {0};
    size_t depth;
    const sb__topic_node *node = sb__jump(t, data, len, &depth);
    if (node == NULL) {
        node = t->root;
        depth = 0;
    } else if (t->inner > 0) {
        m = before(node);
    }
    while (node != NULL) {
        data += depth;
        len -= depth;
        if (node->nsubs > 0)
            m = (sb__topic_match){.node = node, .shorter = m.node};
        if ((node = step(node, data, len)) != NULL)
            depth = node->len;
    }
    return m;
}

const sb__topic_sub *sb__topics_next(sb__topic_cursor *c, uint32_t *n)
{
    const sb__topic_node *node = c->at.node;
    if (node == NULL)
        return NULL;
    c->at.node = c->at.shorter;
    if (c->at.shorter != NULL)
        c->at.shorter = sb__topic_shorter(c->at.shorter);
    return sb__topic_holders(node, n);
}

const sb__topic_node *sb__topic_shorter(const sb__topic_node *node)
{
    do
        node = node->parent;
    while (node != NULL && node->nsubs == 0);
    return node;
}

const sb__topic_sub *sb__topic_holders(const sb__topic_node *node, uint32_t *n)
{
    *n = node->nsubs;
    return sb__holders(node);
}

bool sb__topics_alike(const sb__topics *t)
{
    return t->root == NULL || t->root->nkids == 0;
}

bool sb__topics_match(const sb__topics *t, const uint8_t *data, size_t len)
{
    if (t->root != NULL && t->root->nsubs > 0)
        return true;
    return sb__topics_longest(t, data, len).node != NULL;
}

static sb__topic_node *next_sibling(const sb__topic_node *node)
{
    for (; node->parent != NULL; node = node->parent) {
        const sb__topic_node *up = node->parent;
        uint32_t i = (uint32_t)(sb__kid_at(up, node->label[0]) - sb__kids(up->kids, up->kcap)) + 1;
        if (i < up->nkids)
            return sb__kid(up, i);
    }
    return NULL;
}

sb__topic_node *sb__topic_after(const sb__topic_node *node)
{
    return node->nkids > 0 ? sb__kid(node, 0) : next_sibling(node);
}
