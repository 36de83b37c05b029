/* Frame headers of the packed form (engine/msg.h: flags, then a length of 1 or 8 octets). Trusted: only what
 * sb_msg_pack and the queue wrote is read here. */
#ifndef SB_PACKED_H
#define SB_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SB__PACKED_MORE 1
#define SB__PACKED_LONG 2

static inline size_t sb__packed_header_size(size_t len)
{
    return len > 255 ? 9 : 2;
}

/* Returns where the frame's octets go. */
static inline uint8_t *sb__packed_header_write(uint8_t *p, size_t len, bool more)
{
    *p++ = (uint8_t)((more ? SB__PACKED_MORE : 0) | (len > 255 ? SB__PACKED_LONG : 0));
    if (len <= 255) {
        *p++ = (uint8_t)len;
        return p;
    }
    for (int shift = 56; shift >= 0; shift -= 8)
        *p++ = (uint8_t)((uint64_t)len >> shift);
    return p;
}

/* Returns the octets of the header. */
static inline size_t sb__packed_header_read(const uint8_t *p, size_t *len, bool *more)
{
    *more = (p[0] & SB__PACKED_MORE) != 0;
    if ((p[0] & SB__PACKED_LONG) == 0) {
        *len = p[1];
        return 2;
    }
    uint64_t v = 0;
    for (int i = 1; i <= 8; i++)
        v = v << 8 | p[i];
    *len = (size_t)v;
    return 9;
}

/* Octets of the whole message at p. */
static inline size_t sb__packed_size(const uint8_t *p)
{
    size_t size = 0, len;
    bool more;
    do {
        size += sb__packed_header_read(p + size, &len, &more);
        size += len;
    } while (more);
    return size;
}

#endif
