/* The chunk pool. Before: the heap. After: pattern/queue.c. */
#include "engine/pattern/pool.h"

#include <stdbool.h>
#include <stdlib.h>

struct chunk {
    sb_buf base;
    sb__pool *pool;
    struct chunk *next; /* while unused */
};

struct sb__pool {
    struct chunk *unused;
    uint32_t nunused, keep;
    uint32_t out; /* chunks in use */
    bool closed;
};

static void release_chunk(sb_buf *buf)
{
    struct chunk *chunk = (struct chunk *)buf;
    sb__pool *pool = chunk->pool;
    pool->out--;
    if (!pool->closed && pool->nunused < pool->keep) {
        chunk->next = pool->unused;
        pool->unused = chunk;
        pool->nunused++;
        return;
    }
    free(chunk);
    if (pool->closed && pool->out == 0)
        free(pool);
}

static struct chunk *create_chunk(sb__pool *pool)
{
    struct chunk *chunk = malloc(sizeof *chunk + SB__POOL_CHUNK);
    if (chunk == NULL)
        return NULL;
    chunk->base.data = (uint8_t *)(chunk + 1);
    chunk->base.cap = SB__POOL_CHUNK;
    chunk->base.release = release_chunk;
    chunk->pool = pool;
    return chunk;
}

sb_buf *sb__pool_get(sb__pool *pool)
{
    struct chunk *chunk = pool->unused;
    if (chunk != NULL) {
        pool->unused = chunk->next;
        pool->nunused--;
    } else if ((chunk = create_chunk(pool)) == NULL) {
        return NULL;
    }
    chunk->base.refs = 1;
    pool->out++;
    return &chunk->base;
}

sb__pool *sb__pool_create(uint32_t keep)
{
    sb__pool *pool = calloc(1, sizeof *pool);
    if (pool != NULL)
        pool->keep = keep;
    return pool;
}

void sb__pool_destroy(sb__pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->unused != NULL) {
        struct chunk *chunk = pool->unused;
        pool->unused = chunk->next;
        free(chunk);
    }
    pool->closed = true;
    pool->nunused = 0;
    if (pool->out == 0)
        free(pool);
}
