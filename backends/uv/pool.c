/* Receive buffers of a uv loop. Before: stream.c, which reads into them. Knows no descriptors. */
#include "backends/uv/uv.h"

#include <assert.h>
#include <stdlib.h>

struct rx {
    sb_buf base;
    struct sb__uv_pool *pool;
    struct rx *next; /* in pool->spare */
};

/* Lives until the loop and every buffer that is out have let go of it. */
struct sb__uv_pool {
    size_t refs;
    size_t size; /* octets of a buffer */
    struct rx *current;
    struct rx *spare;
    size_t spares;
    bool gone; /* the loop has let go: nothing comes home any more */
};

/* Keeps the bytes off the header's cache line. */
#define RX_HEADER 64
_Static_assert(sizeof(struct rx) <= RX_HEADER, "the bytes begin behind the header");

static void pool_unref(struct sb__uv_pool *pool)
{
    if (--pool->refs == 0)
        free(pool);
}

static void rx_free(struct rx *rx)
{
    pool_unref(rx->pool);
    free(rx);
}

static void rx_release(sb_buf *buf)
{
    struct rx *rx = (struct rx *)buf;
    struct sb__uv_pool *pool = rx->pool;
    if (pool->gone || (pool->spares + 1) * pool->size > SB__UV_RX_SPARE) {
        rx_free(rx);
        return;
    }
    rx->next = pool->spare;
    pool->spare = rx;
    pool->spares++;
}

static struct rx *rx_create(struct sb__uv_pool *pool)
{
    struct rx *rx = malloc(RX_HEADER + pool->size);
    if (rx == NULL)
        return NULL;
    rx->base.data = (uint8_t *)rx + RX_HEADER;
    rx->base.cap = pool->size;
    rx->base.release = rx_release;
    rx->pool = pool;
    pool->refs++;
    return rx;
}

static struct rx *spare_pop(struct sb__uv_pool *pool)
{
    struct rx *rx = pool->spare;
    if (rx == NULL)
        return NULL;
    pool->spare = rx->next;
    pool->spares--;
    return rx;
}

sb_buf *sb__uv_pool_current(struct sb__uv_pool *pool)
{
    if (pool->current != NULL)
        return &pool->current->base;
    struct rx *rx = spare_pop(pool);
    if (rx == NULL && (rx = rx_create(pool)) == NULL)
        return NULL;
    rx->base.refs = 1;
    pool->current = rx;
    return &rx->base;
}

void sb__uv_pool_settle(struct sb__uv_pool *pool)
{
    struct rx *rx = pool->current;
    assert(rx != NULL && rx->base.refs > 0 && "a holder dropped a reference it never took");
    if (rx->base.refs == 1)
        return;
    pool->current = NULL;
    sb_buf_unref(&rx->base);
}

struct sb__uv_pool *sb__uv_pool_create(size_t size)
{
    struct sb__uv_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pool->refs = 1;
    pool->size = size;
    return pool;
}

void sb__uv_pool_destroy(struct sb__uv_pool *pool)
{
    if (pool == NULL)
        return;
    pool->gone = true;
    if (pool->current != NULL)
        sb_buf_unref(&pool->current->base);
    for (struct rx *rx = spare_pop(pool); rx != NULL; rx = spare_pop(pool))
        rx_free(rx);
    pool_unref(pool);
}
