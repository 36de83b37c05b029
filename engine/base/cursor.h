/* Reads octets and cannot pass their end. Place: engine/base; every parser of peer input goes through it.
 * A failed read leaves the cursor where it was. */
#ifndef SB_BASE_CURSOR_H
#define SB_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sb__cursor {
    const uint8_t *p, *end;
} sb__cursor;

static inline sb__cursor sb__cursor_of(const uint8_t *data, size_t len)
{
    return (sb__cursor){.p = data, .end = data + len};
}

static inline size_t sb__cursor_left(const sb__cursor *c)
{
    return (size_t)(c->end - c->p);
}

static inline bool sb__cursor_u8(sb__cursor *c, uint8_t *v)
{
    if (c->p == c->end)
        return false;
    *v = *c->p++;
    return true;
}

static inline bool sb__cursor_u16(sb__cursor *c, uint16_t *v)
{
    if (sb__cursor_left(c) < 2)
        return false;
    *v = (uint16_t)(c->p[0] << 8 | c->p[1]);
    c->p += 2;
    return true;
}

static inline bool sb__cursor_u32(sb__cursor *c, uint32_t *v)
{
    if (sb__cursor_left(c) < 4)
        return false;
    *v = (uint32_t)c->p[0] << 24 | (uint32_t)c->p[1] << 16 | (uint32_t)c->p[2] << 8 | c->p[3];
    c->p += 4;
    return true;
}

/* The next `len` octets, which stay where they are. */
static inline bool sb__cursor_take(sb__cursor *c, uint64_t len, const uint8_t **data)
{
    if (len > sb__cursor_left(c))
        return false;
    *data = c->p;
    c->p += len;
    return true;
}

#endif
