/* Where a run's choices come from: a seed, or the octets of a fuzzer. The same source makes the same run. */
#ifndef SB_SIM_DICE_H
#define SB_SIM_DICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sim_dice {
    uint64_t state;
    const uint8_t *p, *end; /* octets instead of the generator; NULL: none */
} sim_dice;

static inline sim_dice sim_dice_seeded(uint64_t seed)
{
    return (sim_dice){.state = seed * 0x9e3779b97f4a7c15ull + 0x1234567};
}

/* splitmix64 */
static inline uint64_t sim_dice_next(sim_dice *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static inline bool sim_dice_spent(const sim_dice *d)
{
    return d->p != NULL && d->p == d->end;
}

/* 0 .. n-1; n is at least 1. Octets that are used up are zeros. */
static inline uint32_t sim_pick(sim_dice *d, uint32_t n)
{
    if (d->p == NULL)
        return (uint32_t)(sim_dice_next(d) % n);
    uint32_t v = 0;
    for (uint32_t max = 1; max < n && d->p<d->end; max = max> UINT32_MAX >> 8 ? n : max << 8)
        v = v << 8 | *d->p++;
    return v % n;
}

/* True once in n. */
static inline bool sim_once_in(sim_dice *d, uint32_t n)
{
    return sim_pick(d, n) == n - 1;
}

static inline uint32_t sim_between(sim_dice *d, uint32_t low, uint32_t high)
{
    return low + sim_pick(d, high - low + 1);
}

#endif
