/* The shortcuts of a topic trie. Before: topics.c, which says when a branch comes and goes. After: nothing.
 */
#include "engine/pattern/topic_jump.h"

#include <stdlib.h>

#define MIN_BUCKETS 16

typedef struct key {
    uint8_t text[SB__JUMP_MAX];
    size_t len; /* 0: has no shortcut */
    uint32_t hash;
} key;

static key key_of(const struct sb__topic_jumps *j, const sb__topic_node *node)
{
    key k = {.len = sb__topic_depth(node)};
    if (k.len > SB__JUMP_MAX)
        k.len = 0;
    if (k.len == 0)
        return k;
    for (uint8_t *end = k.text + k.len; node != NULL; node = node->parent)
        memcpy(end -= node->len, node->label, node->len);
    k.hash = (uint32_t)sb__hash_keyed(k.text, k.len, j->seed);
    return k;
}

static struct sb__topic_jump **bucket_of(const struct sb__topic_jumps *j, uint32_t hash)
{
    return &j->buckets[hash & (j->cap - 1)];
}

/* Where a key is linked; NULL: it has no shortcut. */
static struct sb__topic_jump **find(const struct sb__topic_jumps *j, const key *k)
{
    struct sb__topic_jump **at = bucket_of(j, k->hash);
    for (; *at != NULL; at = &(*at)->next)
        if ((*at)->hash == k->hash && (*at)->depth == k->len && memcmp((*at)->key, k->text, k->len) == 0)
            return at;
    return NULL;
}

/* Without memory the chains become longer, or stay shorter than they need be. */
static void resize(struct sb__topic_jumps *j, uint32_t cap)
{
    struct sb__topic_jump **old = j->buckets, *jump;
    struct sb__topic_jump **buckets = calloc(cap, sizeof(struct sb__topic_jump *));
    const uint32_t was = j->cap;
    if (buckets == NULL)
        return;
    j->buckets = buckets;
    j->cap = cap;
    for (uint32_t i = 0; i < was; i++) {
        while ((jump = old[i]) != NULL) {
            old[i] = jump->next;
            jump->next = *bucket_of(j, jump->hash);
            *bucket_of(j, jump->hash) = jump;
        }
    }
    free(old);
}

/* ---- the depth that is asked for ---- */

static void count_in(struct sb__topic_jumps *j, uint32_t depth)
{
    if (++j->at[depth] > j->at[j->depth])
        j->depth = depth;
}

static void count_out(struct sb__topic_jumps *j, uint32_t depth)
{
    j->at[depth]--;
    if (depth != j->depth)
        return;
    for (uint32_t i = 1; i <= SB__JUMP_MAX; i++)
        if (j->at[i] > j->at[j->depth])
            j->depth = i;
    if (j->at[j->depth] == 0)
        j->depth = 0;
}

/* ---- branches that come and go ---- */

void sb__jumps_add(sb__topics *t, sb__topic_node *node)
{
    struct sb__topic_jumps *j = t->jumps;
    if (j == NULL)
        return;
    const key k = key_of(j, node);
    struct sb__topic_jump *jump = k.len > 0 ? malloc(sizeof *jump + k.len) : NULL;
    if (jump == NULL)
        return;
    struct sb__topic_jump **bucket = bucket_of(j, k.hash);
    *jump = (struct sb__topic_jump){.next = *bucket, .node = node, .hash = k.hash, .depth = (uint8_t)k.len};
    memcpy(jump->key, k.text, k.len);
    *bucket = jump;
    count_in(j, jump->depth);
    if (++j->n > j->cap)
        resize(j, j->cap * 2);
}

void sb__jumps_remove(sb__topics *t, const sb__topic_node *node)
{
    struct sb__topic_jumps *j = t->jumps;
    if (j == NULL)
        return;
    const key k = key_of(j, node);
    struct sb__topic_jump **at = k.len > 0 ? find(j, &k) : NULL;
    if (at == NULL)
        return;
    struct sb__topic_jump *jump = *at;
    *at = jump->next;
    count_out(j, jump->depth);
    free(jump);
    if (--j->n < j->cap / 4 && j->cap > MIN_BUCKETS)
        resize(j, j->cap / 2);
}

void sb__jumps_move(sb__topics *t, sb__topic_node *node)
{
    const struct sb__topic_jumps *j = t->jumps;
    if (j == NULL)
        return;
    const key k = key_of(j, node);
    struct sb__topic_jump **at = k.len > 0 ? find(j, &k) : NULL;
    if (at != NULL)
        (*at)->node = node;
}

/* ---- all of them ---- */

static void make(sb__topics *t)
{
    struct sb__topic_jumps *j = calloc(1, sizeof *j);
    if (j != NULL)
        resize(j, MIN_BUCKETS);
    if (j == NULL || j->buckets == NULL) {
        free(j);
        return;
    }
    j->seed = sb__hash_seed(j);
    t->jumps = j;
    for (sb__topic_node *node = t->root; node != NULL; node = sb__topic_after(node))
        if (node->nkids >= SB__JUMP_KIDS)
            sb__jumps_add(t, node);
}

void sb__jumps_fit(sb__topics *t)
{
    if (t->jumps == NULL && t->count >= SB__JUMP_FROM)
        make(t);
    else if (t->jumps != NULL && t->count < SB__JUMP_FROM / 4)
        sb__jumps_finish(t);
}

void sb__jumps_finish(sb__topics *t)
{
    struct sb__topic_jumps *j = t->jumps;
    struct sb__topic_jump *jump;
    if (j == NULL)
        return;
    for (uint32_t i = 0; i < j->cap; i++) {
        while ((jump = j->buckets[i]) != NULL) {
            j->buckets[i] = jump->next;
            free(jump);
        }
    }
    free(j->buckets);
    free(j);
    t->jumps = NULL;
}
