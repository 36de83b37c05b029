/* The allocator of one Lua state. Lua answers a refusal with a full collection and one more try, then with an
 * error. */
#include "lua/alloc.h"
#include "lua/limits.h"

#include <stdlib.h>
#include <string.h>

/* How much may be allocated before the clock is looked at: copying this takes well under a millisecond. */
#define VOLUME_STEP (1u << 20)

void sb__alloc_init(sb__alloc *a, size_t cap, struct sb__limits *limits)
{
    *a = (sb__alloc){.cap = cap, .limits = limits};
}

#if defined(__SANITIZE_ADDRESS__)
#define KEEP_SMALL 0 /* the sanitizer shall see every block */
#else
#define KEEP_SMALL 1
#endif
#define CLASS_SIZE 16

/* 0 .. SB__ALLOC_CLASSES - 1 for small sizes, more for others. */
static size_t class_of(size_t size)
{
    return (size - 1) / CLASS_SIZE;
}

static void *block_take(sb__alloc *a, size_t size)
{
    size_t class = class_of(size);
    if (!KEEP_SMALL || class >= SB__ALLOC_CLASSES)
        return malloc(size);
    void *p = a->free[class];
    if (p == NULL)
        return malloc((class + 1) * CLASS_SIZE);
    a->free[class] = *(void **)p;
    return p;
}

static void block_give(sb__alloc *a, void *p, size_t size)
{
    size_t class = class_of(size);
    if (!KEEP_SMALL || class >= SB__ALLOC_CLASSES) {
        free(p);
        return;
    }
    *(void **)p = a->free[class];
    a->free[class] = p;
}

/* From or to a small size: another block. */
static void *block_resize(sb__alloc *a, void *p, size_t osize, size_t nsize)
{
    size_t from = class_of(osize), to = class_of(nsize);
    if (!KEEP_SMALL || (from >= SB__ALLOC_CLASSES && to >= SB__ALLOC_CLASSES))
        return realloc(p, nsize);
    if (from == to)
        return p;
    void *fresh = block_take(a, nsize);
    if (fresh == NULL)
        return NULL;
    memcpy(fresh, p, osize < nsize ? osize : nsize);
    block_give(a, p, osize);
    return fresh;
}

void sb__alloc_finish(sb__alloc *a)
{
    for (size_t i = 0; i < SB__ALLOC_CLASSES; i++)
        for (void *p; (p = a->free[i]) != NULL;) {
            a->free[i] = *(void **)p;
            free(p);
        }
}

bool sb__alloc_has_room(const sb__alloc *a, size_t n)
{
    size_t most = a->cap + a->spare;
    return n <= most && a->used <= most - n;
}

void sb__alloc_charge(sb__alloc *a, size_t n)
{
    a->used += n;
    a->untold += n;
}

void sb__alloc_give_back(sb__alloc *a, size_t n)
{
    a->used -= n;
}

/* Lua collects everything at a refusal, so one may take long: a script that goes on and on is to be stopped
 * in time. */
static bool refused(sb__alloc *a, size_t grow, size_t nsize)
{
    if (!sb__alloc_has_room(a, grow)) {
        if (a->limits != NULL)
            (void)sb__limits_late(a->limits);
        return true;
    }
    a->volume += nsize;
    if (a->volume < VOLUME_STEP)
        return false;
    a->volume = 0;
    return a->limits != NULL && sb__limits_late(a->limits);
}

void *sb__alloc_run(void *ud, void *ptr, size_t osize, size_t nsize)
{
    sb__alloc *a = ud;
    size_t old = ptr != NULL ? osize : 0; /* without a block, osize is a type */
    if (nsize == 0) {
        a->used -= old;
        if (old > 0)
            block_give(a, ptr, old);
        return NULL;
    }
    if (nsize > old && refused(a, nsize - old, nsize))
        return NULL;
    void *p = old > 0 ? block_resize(a, ptr, old, nsize) : block_take(a, nsize);
    if (p == NULL) /* Lua assumes that shrinking cannot fail */
        return nsize <= old ? ptr : NULL;
    a->used = a->used - old + nsize;
    return p;
}
