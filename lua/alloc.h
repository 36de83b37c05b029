/* The allocator of one Lua state: malloc with a cap and a count. Knows limits.h for the time that big
 * allocations cost. */
#ifndef SB_LUA_ALLOC_H
#define SB_LUA_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

struct sb__limits;

/* Small blocks that were freed are kept by size: message objects come and go millions of times a second. */
#define SB__ALLOC_CLASSES 8 /* of 16 octets each */

typedef struct sb__alloc {
    size_t used, cap;          /* octets now, and at most */
    size_t spare;              /* beyond the cap, while an error is reported */
    size_t untold;             /* of those charged, the collector has not heard of so many */
    size_t volume;             /* octets asked for since the clock was looked at */
    struct sb__limits *limits; /* may be NULL */
    void *free[SB__ALLOC_CLASSES];
} sb__alloc;

void sb__alloc_init(sb__alloc *a, size_t cap, struct sb__limits *limits);

/* Gives back what is kept; the state is closed. */
void sb__alloc_finish(sb__alloc *a);

/* A lua_Alloc; ud is an sb__alloc. Refuses growth beyond the cap, and growth in a handler that is out of
 * time; never refuses to shrink or to free. */
void *sb__alloc_run(void *ud, void *ptr, size_t osize, size_t nsize);

/* Memory that others hold for objects of the state counts like its own: charged whether there is room or not,
 * and given back. */
void sb__alloc_charge(sb__alloc *a, size_t n);
void sb__alloc_give_back(sb__alloc *a, size_t n);
bool sb__alloc_has_room(const sb__alloc *a, size_t n);

#endif
