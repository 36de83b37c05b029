/* Receive buffers: the ring the kernel takes them from, and the pool they come from and return to. Before:
 * stream.c.
 *
 * A buffer is in a slot of the ring, or with a stream that is telling or holding its bytes, or with somebody
 * who keeps a reference, or spare. Whoever keeps one never starves the ring: the slot gets another at once.
 */
#include "backends/uring/uring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PLACES      256
#define BUFFERS     8
#define BUFFER_SIZE (64 * 1024)
#define MAX_SPARE   (16 * 1024 * 1024) /* octets kept for reuse, of either size, until they ebb away */
#define LARGE_TIMES 4
#define GROUP       0

static void pool_unref(struct uring_pool *pool)
{
    if (--pool->refs == 0)
        free(pool);
}

static void buf_free(struct uring_buf *buf)
{
    struct uring_pool *pool = buf->pool;
    munmap(buf->base.data, buf->base.cap);
    free(buf);
    pool_unref(pool);
}

/* The last reference is gone, perhaps long after the loop. */
static void handle_release(sb_buf *base)
{
    struct uring_buf *buf = (struct uring_buf *)base; /* base is the first member */
    struct uring_pool *pool = buf->pool;
    if (!pool->open || (pool->nspare + 1) * pool->size > MAX_SPARE) {
        buf_free(buf);
        return;
    }
    pool->nspare++;
    STAILQ_INSERT_HEAD(&pool->spare, buf, next);
}

/* Mapped: what is freed is the system's again at once, wherever it lies. */
static struct uring_buf *buf_create(struct uring_pool *pool)
{
    void *data = mmap(NULL, pool->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct uring_buf *buf = data != MAP_FAILED ? malloc(sizeof *buf) : NULL;
    if (buf == NULL) {
        if (data != MAP_FAILED)
            munmap(data, pool->size);
        return NULL;
    }
    *buf = (struct uring_buf){.pool = pool, .slot = SLOT_NONE};
    buf->base.data = data;
    buf->base.cap = pool->size;
    buf->base.release = handle_release;
    pool->refs++;
    return buf;
}

static struct uring_buf *pool_get(struct uring_pool *pool)
{
    struct uring_buf *buf = STAILQ_FIRST(&pool->spare);
    if (buf != NULL) {
        STAILQ_REMOVE_HEAD(&pool->spare, next);
        if (--pool->nspare < pool->least)
            pool->least = pool->nspare;
    } else if ((buf = buf_create(pool)) == NULL) {
        return NULL;
    }
    buf->base.refs = 1;
    buf->slot = SLOT_NONE;
    return buf;
}

struct uring_buf *sb__uring_buf_get(struct uring_loop *loop)
{
    return pool_get(loop->slots.pool);
}

struct uring_buf *sb__uring_buf_get_large(struct uring_loop *loop)
{
    return pool_get(loop->slots.large);
}

static void slot_put(struct uring_slots *slots, struct uring_buf *buf, unsigned slot)
{
    buf->slot = (int)slot;
    slots->bufs[slot] = buf;
    slots->in_ring++;
    io_uring_buf_ring_add(slots->ring, buf->base.data, (unsigned)buf->base.cap, (unsigned short)slot,
        io_uring_buf_ring_mask(slots->n), 0);
    io_uring_buf_ring_advance(slots->ring, 1);
}

static void slot_refill(struct uring_loop *loop, unsigned slot)
{
    struct uring_buf *buf = sb__uring_buf_get(loop);
    if (buf != NULL)
        slot_put(&loop->slots, buf, slot);
}

static void refill(struct uring_loop *loop)
{
    struct uring_slots *slots = &loop->slots;
    for (unsigned slot = 0; slot < slots->n && slots->in_ring < slots->want; slot++)
        if (slots->bufs[slot] == NULL)
            slot_refill(loop, slot);
}

void sb__uring_slots_grow(struct uring_loop *loop)
{
    struct uring_slots *slots = &loop->slots;
    if (slots->ring == NULL)
        return;
    slots->want = 2 * slots->want < slots->n ? 2 * slots->want : slots->n;
    refill(loop);
}

static struct uring_buf *slot_take(struct uring_slots *slots, unsigned slot)
{
    assert(slot < slots->n && slots->bufs[slot] != NULL && "the kernel returns what we put there");
    struct uring_buf *buf = slots->bufs[slot];
    slots->bufs[slot] = NULL;
    slots->in_ring--;
    return buf;
}

struct uring_buf *sb__uring_buf_taken(struct uring_loop *loop, unsigned slot)
{
    loop->slots.taken++;
    return slot_take(&loop->slots, slot);
}

void sb__uring_slots_shrink(struct uring_loop *loop, unsigned slot)
{
    struct uring_slots *slots = &loop->slots;
    slots->want--;
    buf_free(slot_take(slots, slot));
}

void sb__uring_buf_hold(struct uring_loop *loop, struct uring_buf *buf)
{
    int slot = buf->slot;
    buf->slot = SLOT_NONE;
    if (slot != SLOT_NONE)
        slot_refill(loop, (unsigned)slot);
}

void sb__uring_buf_done(struct uring_loop *loop, struct uring_buf *buf)
{
    if (buf->base.refs == 1 && buf->slot != SLOT_NONE) {
        slot_put(&loop->slots, buf, (unsigned)buf->slot);
        return;
    }
    sb__uring_buf_hold(loop, buf);
    sb_buf_unref(&buf->base);
}

/* ---- The buffer ring ---- */

static bool ring_register(struct uring_loop *loop)
{
    struct uring_slots *slots = &loop->slots;
    struct io_uring_buf_reg reg = {.ring_entries = slots->n, .bgid = GROUP};
    slots->ring_bytes = slots->n * sizeof(struct io_uring_buf);
    void *mem = mmap(NULL, slots->ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mem == MAP_FAILED)
        return false;
    reg.ring_addr = (uintptr_t)mem;
    if (io_uring_register_buf_ring(&loop->ring, &reg, 0) != 0) {
        munmap(mem, slots->ring_bytes);
        return false;
    }
    slots->ring = mem;
    io_uring_buf_ring_init(slots->ring);
    return true;
}

/* Untouched memory costs nothing: the buffers become resident as bytes arrive. */
bool sb__uring_slots_ready(struct uring_loop *loop)
{
    struct uring_slots *slots = &loop->slots;
    if (slots->ring != NULL)
        return true;
    if (slots->failed)
        return false;
    slots->failed = !ring_register(loop);
    if (!slots->failed)
        refill(loop);
    return !slots->failed;
}

static struct uring_pool *pool_create(size_t size)
{
    struct uring_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pool->refs = 1;
    pool->open = true;
    pool->size = size;
    STAILQ_INIT(&pool->spare);
    return pool;
}

sb_err sb__uring_slots_init(struct uring_loop *loop, const sb__uring_setup *setup)
{
    struct uring_slots *slots = &loop->slots;
    slots->n = setup->buffers != 0 ? setup->buffers : PLACES;
    slots->want = slots->usual = setup->buffers != 0 ? setup->buffers : BUFFERS;
    slots->failed = (setup->without & SB__URING_NO_BUF_RING) != 0;
    slots->bufs = calloc(slots->n, sizeof(struct uring_buf *));
    size_t size = setup->buffer_size != 0 ? setup->buffer_size : BUFFER_SIZE;
    slots->pool = pool_create(size);
    slots->large = pool_create(LARGE_TIMES * size);
    return slots->bufs != NULL && slots->pool != NULL && slots->large != NULL ? SB_OK : SB_ENOMEM;
}

static void pool_drain(struct uring_pool *pool)
{
    struct uring_buf *buf;
    while ((buf = STAILQ_FIRST(&pool->spare)) != NULL) {
        STAILQ_REMOVE_HEAD(&pool->spare, next);
        buf_free(buf);
    }
}

/* Those at the head of the list were used last. */
static void pool_ebb(struct uring_pool *pool)
{
    struct uring_bufs stay = STAILQ_HEAD_INITIALIZER(stay);
    unsigned n = pool->nspare - pool->least;
    for (unsigned i = 0; i < n; i++) {
        struct uring_buf *buf = STAILQ_FIRST(&pool->spare);
        STAILQ_REMOVE_HEAD(&pool->spare, next);
        STAILQ_INSERT_TAIL(&stay, buf, next);
    }
    pool_drain(pool);
    STAILQ_CONCAT(&pool->spare, &stay);
    pool->nspare = pool->least = n;
}

void sb__uring_spare_ebb(struct uring_loop *loop)
{
    pool_ebb(loop->slots.pool);
    pool_ebb(loop->slots.large);
}

static void pool_close(struct uring_pool *pool)
{
    pool->open = false;
    pool_drain(pool);
    pool_unref(pool);
}

void sb__uring_slots_finish(struct uring_loop *loop)
{
    struct uring_slots *slots = &loop->slots;
    for (unsigned slot = 0; slots->bufs != NULL && slot < slots->n; slot++)
        if (slots->bufs[slot] != NULL)
            buf_free(slots->bufs[slot]);
    free(slots->bufs);
    if (slots->ring != NULL)
        munmap(slots->ring, slots->ring_bytes);
    if (slots->pool != NULL)
        pool_close(slots->pool);
    if (slots->large != NULL)
        pool_close(slots->large);
}
