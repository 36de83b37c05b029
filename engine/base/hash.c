/* Hashes of octets. Place: engine/base. */
#include "engine/base/hash.h"

#include <sys/random.h>

static uint64_t load(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    memcpy(&v, p, n);
    return v;
}

uint64_t sb_hash(const void *data, size_t len, uint64_t seed)
{
    const uint64_t k0 = 0x9e3779b97f4a7c15ull, k1 = 0xd6e8feb86659fd93ull;
    const uint8_t *p = data;
    uint64_t h = sb__hash_mix(seed ^ k0, len ^ k1);
    size_t left = len;

    for (; left >= 16; left -= 16, p += 16)
        h = sb__hash_mix(load(p, 8) ^ k1, load(p + 8, 8) ^ h);
    if (left > 8)
        return sb__hash_mix(sb__hash_mix(load(p, 8) ^ k1, load(p + 8, left - 8) ^ h), k0);
    if (left > 0)
        h = sb__hash_mix(load(p, left) ^ k1, h ^ k0);
    return sb__hash_mix(h, k0 ^ len);
}

uint64_t sb__hash_seed(const void *salt)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)(uintptr_t)salt;
    return seed;
}
