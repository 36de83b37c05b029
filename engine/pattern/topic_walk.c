/* Which prefixes of a topic are held: what every message published asks. Before: the publishing and
 * subscribing patterns. Built by engine/pattern/topics.c. */
#include "engine/pattern/topic_node.h"

/* The child that goes on where `data` does; its first octet is known to be right. */
static inline const sb__topic_node *step(const sb__topic_node *node, const uint8_t *data, size_t len)
{
    sb__topic_node **at = len > 0 ? sb__kid_at(node, data[0]) : NULL;
    if (at == NULL || (*at)->len > len)
        return NULL;
    return (*at)->len == 1 || memcmp((*at)->label + 1, data + 1, (*at)->len - 1) == 0 ? *at : NULL;
}

const sb__topic_sub *sb__topics_next(sb__topic_cursor *c, uint32_t *n)
{
    const sb__topic_node *node = c->at;
    if (!c->begun && node != NULL && node->nsubs > 0) {
        c->begun = true;
        *n = node->nsubs;
        return sb__holders(node);
    }
    c->begun = true;
    while (node != NULL && c->left > 0) {
        if ((node = step(node, c->data, c->left)) == NULL)
            break;
        c->data += node->len;
        c->left -= node->len;
        if (node->nsubs > 0) {
            c->at = node;
            *n = node->nsubs;
            return sb__holders(node);
        }
    }
    c->at = NULL;
    return NULL;
}

sb__topic_match sb__topics_longest(const sb__topics *t, const uint8_t *data, size_t len)
{
    sb__topic_match m = {0};
    for (const sb__topic_node *node = t->root; node != NULL; node = step(node, data, len)) {
        data += node->len;
        len -= node->len;
        if (node->nsubs > 0)
            m = (sb__topic_match){.node = node, .shorter = m.node};
    }
    return m;
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
    uint32_t n;
    sb__topic_cursor c = sb__topics_walk(t, data, len);
    return sb__topics_next(&c, &n) != NULL;
}
