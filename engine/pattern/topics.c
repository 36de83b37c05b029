/* The topic trie. Before: the publishing and subscribing patterns. After: topic_jump.c.
 *
 * A node lies where it was made until it is removed or merged; peers' lists and children point to it. A
 * branch that is no prefix has no holders and at least two children (one, when there was no memory to merge
 * it away). */
#include "engine/pattern/topic_jump.h"

#include "engine/base/heap.h"
#include "engine/pattern/pipe.h"

#include <stdlib.h>
#include <string.h>

#define NODE_HEAD offsetof(struct sb__topic_node, label)

/* What a peer holds; its pattern_data. */
struct list {
    uint32_t n, cap;
    sb__topic_node *nodes[];
};

/* ---- children ---- */

static bool resize_kids(sb__topic_node *node, uint16_t cap)
{
    const size_t keys = (cap + 7u) & ~7u;
    uint8_t *kids = malloc(keys + cap * sizeof node);
    if (kids == NULL)
        return false;
    memset(kids, 0, keys);
    if (node->nkids > 0) {
        memcpy(kids, node->kids, node->nkids);
        memcpy(sb__kids(kids, cap), sb__kids(node->kids, node->kcap), node->nkids * sizeof node);
    }
    free(node->kids);
    node->kids = kids;
    node->kcap = cap;
    return true;
}

static bool add_kid(sb__topic_node *node, sb__topic_node *child)
{
    if (node->nkids == node->kcap && !resize_kids(node, node->kcap > 0 ? (uint16_t)(node->kcap * 2) : 1))
        return false;
    node->kids[node->nkids] = child->label[0];
    sb__kids(node->kids, node->kcap)[node->nkids++] = child;
    child->parent = node;
    return true;
}

static void remove_kid(sb__topic_node *node, const sb__topic_node *child)
{
    sb__topic_node **at = sb__kid_at(node, child->label[0]);
    uint16_t last = (uint16_t)(node->nkids - 1);
    node->kids[at - sb__kids(node->kids, node->kcap)] = node->kids[last];
    *at = sb__kid(node, last);
    node->nkids = last & 0x1ff;
    if (last == 0) {
        free(node->kids);
        node->kids = NULL;
        node->kcap = 0;
    } else if (last <= node->kcap / 4) {
        resize_kids(node, node->kcap / 2); /* no memory to shrink: no harm */
    }
}

/* ---- holders ---- */

/* By age, so that a publication visits its peers in an order that does not depend on addresses. */
static bool peer_before(const sb_peer *a, const sb_peer *b)
{
    uint64_t x = a != NULL ? a->id : 0, y = b != NULL ? b->id : 0;
    return x != y ? x < y : (uintptr_t)a < (uintptr_t)b;
}

/* Place of the first holder not below `peer`. */
static uint32_t lower(const sb__topic_node *node, const sb_peer *peer)
{
    const sb__topic_sub *v = sb__holders(node);
    uint32_t from = 0, to = node->nsubs;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        if (peer_before(v[mid].peer, peer))
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static sb__topic_sub *find_holder(const sb__topic_node *node, const sb_peer *peer)
{
    uint32_t at = lower(node, peer);
    return at < node->nsubs && sb__holders(node)[at].peer == peer ? &sb__holders(node)[at] : NULL;
}

static bool resize_holders(sb__topic_node *node, uint32_t cap)
{
    sb__topic_sub *v = malloc(cap * sizeof *v);
    if (v == NULL)
        return false;
    memcpy(v, sb__holders(node), node->nsubs * sizeof *v);
    if (node->is_many)
        free(node->subs.many.v);
    node->subs.many.v = v;
    node->subs.many.cap = cap;
    node->is_many = 1;
    return true;
}

static bool add_holder(sb__topic_node *node, sb_peer *peer, uint32_t slot)
{
    uint32_t cap = node->is_many ? node->subs.many.cap : 1;
    if (node->nsubs == cap && !resize_holders(node, cap * 2))
        return false;
    uint32_t at = lower(node, peer);
    sb__topic_sub *v = sb__holders(node);
    memmove(v + at + 1, v + at, (node->nsubs - at) * sizeof *v);
    v[at] = (sb__topic_sub){.peer = peer, .refs = 1, .slot = slot};
    node->nsubs++;
    return true;
}

static void remove_holder(sb__topic_node *node, sb__topic_sub *sub)
{
    sb__topic_sub *v = sb__holders(node), *end = v + --node->nsubs;
    memmove(sub, sub + 1, (size_t)(end - sub) * sizeof *v);
    if (!node->is_many)
        return;
    if (node->nsubs <= 1) {
        sb__topic_sub one = v[0];
        free(v);
        node->is_many = 0;
        node->subs.one = one;
    } else if (node->nsubs <= node->subs.many.cap / 4) {
        resize_holders(node, node->subs.many.cap / 2);
    }
}

/* ---- a peer's list ---- */

static bool list_resize(sb_peer *peer, uint32_t cap)
{
    struct list *old = peer->pattern_data;
    struct list *list = realloc(old, sizeof *list + cap * sizeof *list->nodes);
    if (list == NULL)
        return false;
    if (old == NULL)
        list->n = 0;
    list->cap = cap;
    peer->pattern_data = list;
    return true;
}

static bool list_reserve(sb_peer *peer)
{
    const struct list *list = peer->pattern_data;
    if (list == NULL)
        return list_resize(peer, 1);
    return list->n < list->cap || list_resize(peer, list->cap * 2);
}

static void list_remove(sb_peer *peer, uint32_t slot)
{
    struct list *list = peer->pattern_data;
    sb__topic_node *moved = list->nodes[--list->n];
    if (slot != list->n) {
        list->nodes[slot] = moved;
        find_holder(moved, peer)->slot = slot;
    }
    if (list->n == 0) {
        free(list);
        peer->pattern_data = NULL;
    } else if (list->n <= list->cap / 4) {
        list_resize(peer, list->cap / 2);
    }
}

/* ---- nodes ---- */

/* The label may begin in the struct's padding: never less than the struct (C11 6.7.2.1). */
static sb__topic_node *alloc_node(size_t label)
{
    size_t size = NODE_HEAD + label;
    return malloc(size > sizeof(sb__topic_node) ? size : sizeof(sb__topic_node));
}

static sb__topic_node *create_node(const uint8_t *label, size_t len)
{
    sb__topic_node *node = alloc_node(len);
    if (node == NULL)
        return NULL;
    memset(node, 0, NODE_HEAD);
    node->len = (uint32_t)len;
    if (len > 0)
        memcpy(node->label, label, len);
    return node;
}

static void free_node(sb__topic_node *node)
{
    if (node->is_many)
        free(node->subs.many.v);
    free(node->kids);
    free(node);
}

static size_t common(const uint8_t *a, const uint8_t *b, size_t max)
{
    size_t n = 0;
    while (n < max && a[n] == b[n])
        n++;
    return n;
}

/* Puts a branch before `node`, `at` octets into its label. */
static sb__topic_node *split(sb__topic_node *node, size_t at)
{
    sb__topic_node *parent = node->parent, *branch = create_node(node->label, at);
    if (branch == NULL || !resize_kids(branch, 2)) {
        free(branch);
        return NULL;
    }
    *sb__kid_at(parent, node->label[0]) = branch;
    branch->parent = parent;
    node->len -= (uint32_t)at;
    memmove(node->label, node->label + at, node->len);
    add_kid(branch, node);
    return branch;
}

static sb__topic_node *add_leaf(sb__topics *t, sb__topic_node *node, const uint8_t *label, size_t len)
{
    sb__topic_node *leaf = create_node(label, len);
    if (leaf == NULL || !add_kid(node, leaf)) {
        free(leaf);
        return NULL;
    }
    t->inner += node->nkids == 1 && node->nsubs > 0;
    if (node->nkids == SB__JUMP_KIDS)
        sb__jumps_add(t, node);
    return leaf;
}

static void remove_leaf(sb__topics *t, sb__topic_node *node, sb__topic_node *leaf)
{
    if (node->nkids == SB__JUMP_KIDS)
        sb__jumps_remove(t, node);
    remove_kid(node, leaf);
    t->inner -= node->nkids == 0 && node->nsubs > 0;
}

/* The node of exactly this topic, made if it is missing. */
static sb__topic_node *make_node(sb__topics *t, const uint8_t *topic, size_t len)
{
    sb__topic_node *node = t->root, **at;
    while (node != NULL && len > 0) {
        if ((at = sb__kid_at(node, topic[0])) == NULL)
            return add_leaf(t, node, topic, len);
        sb__topic_node *next = *at;
        size_t n = common(next->label, topic, len < next->len ? len : next->len);
        node = n < next->len ? split(next, n) : next;
        topic += n;
        len -= n;
    }
    return node;
}

static sb__topic_node *find_node(const sb__topics *t, const uint8_t *topic, size_t len)
{
    sb__topic_node *node = t->root, **at;
    while (node != NULL && len > 0) {
        if ((at = sb__kid_at(node, topic[0])) == NULL || (*at)->len > len ||
            memcmp((*at)->label, topic, (*at)->len) != 0)
            return NULL;
        node = *at;
        topic += node->len;
        len -= node->len;
    }
    return node;
}

/* `moved` takes the place of `old`: whoever pointed to it points to it now. */
static void replace(sb__topic_node *old, sb__topic_node *moved)
{
    *sb__kid_at(moved->parent, old->label[0]) = moved;
    for (uint32_t i = 0; i < moved->nkids; i++)
        sb__kid(moved, i)->parent = moved;
    const sb__topic_sub *v = sb__holders(moved);
    for (uint32_t i = 0; i < moved->nsubs; i++)
        if (v[i].peer != NULL)
            ((struct list *)v[i].peer->pattern_data)->nodes[v[i].slot] = moved;
}

/* A branch without holders and with one child becomes one node with it. */
static void merge(sb__topics *t, sb__topic_node *branch)
{
    sb__topic_node *only = sb__kid(branch, 0);
    sb__topic_node *both = alloc_node(branch->len + (size_t)only->len);
    if (both == NULL)
        return;
    memcpy(both, only, NODE_HEAD);
    memcpy(both->label, branch->label, branch->len);
    memcpy(both->label + branch->len, only->label, only->len);
    both->len = branch->len + only->len;
    both->parent = branch->parent;
    replace(branch, both);
    if (both->nkids >= SB__JUMP_KIDS)
        sb__jumps_move(t, both);
    free(only);
    free_node(branch);
}

/* Removes what a node without holders leaves behind. */
static void prune(sb__topics *t, sb__topic_node *node)
{
    while (node != NULL && node->nsubs == 0 && node->nkids == 0) {
        sb__topic_node *parent = node->parent;
        if (parent != NULL)
            remove_leaf(t, parent, node);
        else
            t->root = NULL;
        free_node(node);
        node = parent;
    }
    if (node != NULL && node->parent != NULL && node->nsubs == 0 && node->nkids == 1)
        merge(t, node);
}

/* ---- the set ---- */

static bool ensure_root(sb__topics *t)
{
    if (t->root == NULL)
        t->root = create_node(NULL, 0);
    return t->root != NULL;
}

static bool hold(sb__topic_node *node, sb_peer *peer, size_t len)
{
    if (peer == NULL)
        return add_holder(node, NULL, 0);
    if (!list_reserve(peer))
        return false;
    struct list *list = peer->pattern_data;
    bool held = add_holder(node, peer, list->n);
    if (held) {
        list->nodes[list->n++] = node;
        peer->topics++;
        peer->topic_bytes += len;
    } else if (list->n == 0) {
        free(list);
        peer->pattern_data = NULL;
    }
    return held;
}

sb_err sb__topics_add(sb__topics *t, sb_peer *peer, const uint8_t *topic, size_t len, bool *first)
{
    sb__topic_node *node = ensure_root(t) ? make_node(t, topic, len) : NULL;
    *first = false;
    if (node == NULL) {
        prune(t, t->root);
        return SB_ENOMEM;
    }
    sb__topic_sub *sub = find_holder(node, peer);
    if (sub != NULL) {
        /* A count that is full stays so: the topic then ends with the peer. */
        sub->refs += sub->refs < UINT32_MAX;
        return SB_OK;
    }
    if (!hold(node, peer, len)) {
        prune(t, node);
        return SB_ENOMEM;
    }
    *first = node->nsubs == 1;
    if (*first) {
        t->count++;
        t->inner += node->nkids > 0;
        sb__jumps_fit(t);
    }
    return SB_OK;
}

/* The holder lets go for good; true when nobody holds the node any more. */
static bool let_go(sb__topics *t, sb__topic_node *node, sb__topic_sub *sub, size_t len)
{
    sb_peer *peer = sub->peer;
    uint32_t slot = sub->slot;
    remove_holder(node, sub);
    if (peer != NULL) {
        list_remove(peer, slot);
        peer->topics--;
        peer->topic_bytes -= len;
    }
    if (node->nsubs > 0)
        return false;
    t->count--;
    t->inner -= node->nkids > 0;
    prune(t, node);
    sb__jumps_fit(t);
    sb__heap_gone(&t->gone, t->count);
    return true;
}

sb_err sb__topics_remove(sb__topics *t, sb_peer *peer, const uint8_t *topic, size_t len, bool *last)
{
    sb__topic_node *node = find_node(t, topic, len);
    sb__topic_sub *sub = node != NULL ? find_holder(node, peer) : NULL;
    *last = false;
    if (sub == NULL)
        return SB_ENOENT;
    if (sub->refs == UINT32_MAX || --sub->refs > 0)
        return SB_OK;
    *last = let_go(t, node, sub, len);
    return SB_OK;
}

const sb__topic_sub *sb__topics_exact(const sb__topics *t, const uint8_t *topic, size_t len, uint32_t *n)
{
    const sb__topic_node *node = find_node(t, topic, len);
    if (node == NULL || node->nsubs == 0)
        return NULL;
    return sb__topic_holders(node, n);
}

bool sb__topics_holds(const sb__topics *t, const sb_peer *peer, const uint8_t *topic, size_t len)
{
    const sb__topic_node *node = find_node(t, topic, len);
    return node != NULL && find_holder(node, peer) != NULL;
}

/* The topic of a node, in the set's scratch; NULL when out of memory. */
static const uint8_t *text_of(sb__topics *t, const sb__topic_node *node, size_t len)
{
    if (len > t->text_cap || t->text == NULL) {
        uint8_t *text = realloc(t->text, len + 64);
        if (text == NULL)
            return NULL;
        t->text = text;
        t->text_cap = len + 64;
    }
    for (uint8_t *end = t->text + len; node != NULL; node = node->parent) {
        end -= node->len;
        memcpy(end, node->label, node->len);
    }
    return t->text;
}

static void forget_text(sb__topics *t)
{
    free(t->text);
    t->text = NULL;
    t->text_cap = 0;
}

void sb__topics_remove_peer(sb__topics *t, sb_peer *peer, sb__topics_fn *gone, void *arg)
{
    while (peer->pattern_data != NULL) {
        struct list *list = peer->pattern_data;
        sb__topic_node *node = list->nodes[list->n - 1];
        size_t len = sb__topic_depth(node);
        const uint8_t *text = gone != NULL && node->nsubs == 1 ? text_of(t, node, len) : NULL;
        if (let_go(t, node, find_holder(node, peer), len) && text != NULL)
            gone(arg, text, len);
    }
    forget_text(t);
}

/* ---- looking ---- */

void sb__topics_look(sb__topics *t, sb__topics_look_fn *fn, void *arg)
{
    const sb__topic_node *node = t->root;
    bool more = true;
    while (node != NULL && more) {
        size_t len = node->nsubs > 0 ? sb__topic_depth(node) : 0;
        const uint8_t *text = node->nsubs > 0 ? text_of(t, node, len) : NULL;
        if (text != NULL)
            more = fn(arg, text, len, node->nsubs);
        node = sb__topic_after(node);
    }
    forget_text(t);
}

struct each {
    sb__topics_fn *fn;
    void *arg;
};

static bool tell_each(void *arg, const uint8_t *topic, size_t len, uint32_t holders)
{
    struct each *e = arg;
    (void)holders;
    e->fn(e->arg, topic, len);
    return true;
}

void sb__topics_each(sb__topics *t, sb__topics_fn *fn, void *arg)
{
    struct each e = {fn, arg};
    sb__topics_look(t, tell_each, &e);
}

void sb__topics_init(sb__topics *t)
{
    *t = (sb__topics){0};
}

void sb__topics_finish(sb__topics *t)
{
    sb__topic_node *node = t->root;
    while (node != NULL) {
        if (node->nkids > 0) {
            node = sb__kid(node, --node->nkids);
            continue;
        }
        sb__topic_node *parent = node->parent;
        free_node(node);
        node = parent;
    }
    forget_text(t);
    sb__jumps_finish(t);
    sb__topics_init(t);
}
