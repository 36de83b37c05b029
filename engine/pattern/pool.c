/* The chunk pool. Before: the heap. After: pattern/queue.c. */
#include "engine/pattern/pool.h"

#include <stdbool.h>
#include <stdlib.h>

struct chunk {
    sb_buf base;
    sb__pool *pool;
    struct chunk *next; /* while unused */
};

/* Unused chunks for one large message each, that many octets of them: given back to the allocator and taken
 * again they would be returned to the kernel and come back page by page. */
#define LARGE_KEEP (8 * 1024 * 1024)

struct sb__pool {
    struct chunk *unused;
    uint32_t nunused, keep;
    struct chunk *large;
    size_t large_octets;
    uint32_t out; /* chunks in use */
    bool closed;
};

static bool keep(sb__pool *pool, struct chunk *chunk)
{
    bool large = chunk->base.cap != SB__POOL_CHUNK;
    if (pool->closed ||
        (large ? pool->large_octets + chunk->base.cap > LARGE_KEEP : pool->nunused == pool->keep))
        return false;
    struct chunk **list = large ? &pool->large : &pool->unused;
    chunk->next = *list;
    *list = chunk;
    if (large)
        pool->large_octets += chunk->base.cap;
    else
        pool->nunused++;
    return true;
}

static void release_chunk(sb_buf *buf)
{
    struct chunk *chunk = (struct chunk *)buf;
    sb__pool *pool = chunk->pool;
    pool->out--;
    if (keep(pool, chunk))
        return;
    free(chunk);
    if (pool->closed && pool->out == 0)
        free(pool);
}

static struct chunk *create_chunk(sb__pool *pool, size_t cap)
{
    struct chunk *chunk = malloc(sizeof *chunk + cap);
    if (chunk == NULL)
        return NULL;
    chunk->base.data = (uint8_t *)(chunk + 1);
    chunk->base.cap = cap;
    chunk->base.release = release_chunk;
    chunk->pool = pool;
    return chunk;
}

static sb_buf *hand_out(sb__pool *pool, struct chunk *chunk)
{
    if (chunk == NULL)
        return NULL;
    chunk->base.refs = 1;
    pool->out++;
    return &chunk->base;
}

sb_buf *sb__pool_get(sb__pool *pool)
{
    struct chunk *chunk = pool->unused;
    if (chunk == NULL)
        return hand_out(pool, create_chunk(pool, SB__POOL_CHUNK));
    pool->unused = chunk->next;
    pool->nunused--;
    return hand_out(pool, chunk);
}

sb_buf *sb__pool_get_large(sb__pool *pool, size_t need)
{
    for (struct chunk **at = &pool->large; *at != NULL; at = &(*at)->next) {
        struct chunk *chunk = *at;
        if (chunk->base.cap < need || chunk->base.cap / 2 > need)
            continue;
        *at = chunk->next;
        pool->large_octets -= chunk->base.cap;
        return hand_out(pool, chunk);
    }
    return hand_out(pool, create_chunk(pool, need));
}

sb__pool *sb__pool_create(uint32_t keep)
{
    sb__pool *pool = calloc(1, sizeof *pool);
    if (pool != NULL)
        pool->keep = keep;
    return pool;
}

static void free_all(struct chunk *list)
{
    while (list != NULL) {
        struct chunk *next = list->next;
        free(list);
        list = next;
    }
}

void sb__pool_destroy(sb__pool *pool)
{
    if (pool == NULL)
        return;
    free_all(pool->unused);
    free_all(pool->large);
    pool->unused = pool->large = NULL;
    pool->closed = true;
    pool->nunused = 0;
    if (pool->out == 0)
        free(pool);
}
