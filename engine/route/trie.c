/* A compressed prefix trie of route rows. Place: between engine/route/table.c (building) and match.c
 * (asking). */
#include "engine/route/trie.h"

#include <stdlib.h>
#include <string.h>

struct sb__trie_node {
    const uint8_t *label; /* octets between the parent and here; the first one selects */
    size_t label_len;
    uint32_t row; /* SB__ROW_NONE: no prefix ends here */
    uint32_t low; /* lowest row here and below */
    uint16_t nkids, cap;
    uint8_t *firsts; /* first octet of each child's label */
    sb__trie_node **kids;
    sb__trie_node *next; /* in the trie's list of all */
};

void sb__trie_finish(sb__trie *trie)
{
    sb__trie_node *node = trie->all;

    while (node != NULL) {
        sb__trie_node *next = node->next;

        free(node->firsts);
        free(node->kids);
        free(node);
        node = next;
    }
    memset(trie, 0, sizeof *trie);
}

static sb__trie_node *node_create(
    sb__trie *trie, const uint8_t *label, size_t len, uint32_t row, uint32_t low)
{
    sb__trie_node *node = calloc(1, sizeof *node);

    if (node == NULL)
        return NULL;
    node->label = label;
    node->label_len = len;
    node->row = row;
    node->low = low;
    node->next = trie->all;
    trie->all = node;
    return node;
}

static sb_err kids_reserve(sb__trie_node *node)
{
    uint16_t cap = node->cap > 0 ? node->cap * 2 : 2;
    sb__trie_node **kids;
    uint8_t *firsts;

    if (node->nkids < node->cap)
        return SB_OK;
    kids = realloc(node->kids, cap * sizeof(*kids));
    if (kids == NULL)
        return SB_ENOMEM;
    node->kids = kids;
    firsts = realloc(node->firsts, cap);
    if (firsts == NULL)
        return SB_ENOMEM;
    node->firsts = firsts;
    node->cap = cap;
    return SB_OK;
}

static sb_err kid_add(sb__trie_node *node, sb__trie_node *kid)
{
    if (kid == NULL || kids_reserve(node) != SB_OK)
        return SB_ENOMEM;
    node->firsts[node->nkids] = kid->label[0];
    node->kids[node->nkids++] = kid;
    return SB_OK;
}

static sb__trie_node *kid_find(const sb__trie_node *node, uint8_t first)
{
    const uint8_t *at = node->nkids > 0 ? memchr(node->firsts, first, node->nkids) : NULL;

    return at != NULL ? node->kids[at - node->firsts] : NULL;
}

static size_t common(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t i = 0, n = a_len < b_len ? a_len : b_len;

    while (i < n && a[i] == b[i])
        i++;
    return i;
}

/* Cuts the label after `keep` octets; what was here moves to a new child. */
static sb_err split(sb__trie *trie, sb__trie_node *node, size_t keep)
{
    sb__trie_node *lower =
        node_create(trie, node->label + keep, node->label_len - keep, node->row, node->low);

    if (lower == NULL)
        return SB_ENOMEM;
    lower->kids = node->kids;
    lower->firsts = node->firsts;
    lower->nkids = node->nkids;
    lower->cap = node->cap;
    node->kids = NULL;
    node->firsts = NULL;
    node->nkids = node->cap = 0;
    node->label_len = keep;
    node->row = SB__ROW_NONE;
    return kid_add(node, lower);
}

/* Goes down from `node`, whose label is used up, as far as whole labels match; *bytes moves along. A label
 * that matches only in part is cut so that it matches wholly. */
static sb_err descend(sb__trie *trie, sb__trie_node **node, const uint8_t **bytes, size_t *len)
{
    while (*len > 0) {
        sb__trie_node *kid = kid_find(*node, **bytes);
        size_t same;

        if (kid == NULL)
            return SB_OK;
        same = common(kid->label, kid->label_len, *bytes, *len);
        if (same < kid->label_len && split(trie, kid, same) != SB_OK)
            return SB_ENOMEM;
        *node = kid;
        *bytes += same;
        *len -= same;
    }
    return SB_OK;
}

sb_err sb__trie_add(sb__trie *trie, const uint8_t *bytes, size_t len, uint32_t row)
{
    sb__trie_node *node;

    if (trie->root == NULL)
        trie->root = node_create(trie, NULL, 0, SB__ROW_NONE, row);
    node = trie->root;
    if (node == NULL || descend(trie, &node, &bytes, &len) != SB_OK)
        return SB_ENOMEM;
    if (len > 0)
        return kid_add(node, node_create(trie, bytes, len, row, row));
    if (node->row == SB__ROW_NONE) /* the first row of a prefix wins */
        node->row = row;
    return SB_OK;
}

uint32_t sb__trie_match(const sb__trie *trie, const uint8_t *p, size_t len, uint32_t best)
{
    const sb__trie_node *node = trie->root;

    while (node != NULL && node->low < best && node->label_len <= len) {
        if (node->label_len > 0 && memcmp(node->label, p, node->label_len) != 0)
            break;
        p += node->label_len;
        len -= node->label_len;
        if (node->row < best)
            best = node->row;
        node = len > 0 ? kid_find(node, *p) : NULL;
    }
    return best;
}
