/* Hashes of octets. Its place: below everything; under the maps, and where peers are drawn by what a message
 * says. Re-entrant, no errors. */
#ifndef SB_BASE_HASH_H
#define SB_BASE_HASH_H

#include "engine/base/octets.h"

/* The same in every process, for those who must agree: wyhash-like, 64 bit, not cryptographic. Whoever knows
 * the seed can make keys that collide. */
uint64_t sb_hash(const void *data, size_t len, uint64_t seed);

/* A secret for sb__hash_keyed; `salt` where the system has no random octets yet. */
uint64_t sb__hash_seed(const void *salt);

static inline uint64_t sb__hash_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* For tables whose keys strangers choose. The secret is in both factors of each product: no key makes one of
 * them zero, which would make all keys alike that differ in the other. */
static inline uint64_t sb__hash_keyed(const void *data, size_t len, uint64_t seed)
{
    const uint64_t secret = seed ^ 0x9e3779b97f4a7c15ull;
    const uint8_t *p = data;
    uint64_t a = 0, b = 0, h = seed;
    for (size_t left = len; left > 16; left -= 16, p += 16)
        h = sb__hash_mix(sb__load8(p) ^ secret, sb__load8(p + 8) ^ h);
    const size_t tail = len - (size_t)(p - (const uint8_t *)data);
    if (tail >= 8) {
        a = sb__load8(p);
        b = sb__load8(p + tail - 8);
    } else if (tail >= 4) {
        a = sb__load4(p);
        b = sb__load4(p + tail - 4);
    } else if (tail > 0) {
        a = p[0] | (uint64_t)p[tail / 2] << 8 | (uint64_t)p[tail - 1] << 16;
    }
    return sb__hash_mix(sb__hash_mix(a ^ secret, b ^ h) ^ len, secret);
}

#endif
