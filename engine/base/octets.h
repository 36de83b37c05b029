/* Octets compared and loaded inline, for places where a call would cost more than the work. Its place: below
 * everything. Re-entrant, no errors. */
#ifndef SB_OCTETS_H
#define SB_OCTETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t sb__load8(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t sb__load4(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Whether the first n octets are the same; for short strings mostly. */
static inline bool sb__octets_same(const uint8_t *a, const uint8_t *b, size_t n)
{
    if (n > 64)
        return memcmp(a, b, n) == 0;
    for (; n > 8; n -= 8, a += 8, b += 8)
        if (sb__load8(a) != sb__load8(b))
            return false;
    if (n >= 4)
        return sb__load4(a) == sb__load4(b) && sb__load4(a + n - 4) == sb__load4(b + n - 4);
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

#endif
