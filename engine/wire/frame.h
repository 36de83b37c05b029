/* The head of a ZMTP 3 frame (RFC 23, RFC 37 "Framing"): flags octet, then one length octet or eight, big
 * endian. Its place: header only, since every message passes here; used by msg.c, session and the queues. */
#ifndef SB_WIRE_FRAME_H
#define SB_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SB__FRAME_MORE     0x01u
#define SB__FRAME_LONG     0x02u
#define SB__FRAME_COMMAND  0x04u
#define SB__FRAME_RESERVED 0xf8u
#define SB__FRAME_HEAD     9 /* octets of the longest head */

static inline uint64_t sb__be64_get(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

static inline void sb__be64_put(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

/* Octets of the head we write for a body of `len`. */
static inline size_t sb__frame_head_size(uint64_t len)
{
    return len > 255 ? 9 : 2;
}

/* Writes a head and returns its size; `flags` are MORE and COMMAND, LONG is added where it must be. */
static inline size_t sb__frame_put(uint8_t *out, unsigned flags, uint64_t len)
{
    if (len > 255) {
        out[0] = (uint8_t)(flags | SB__FRAME_LONG);
        sb__be64_put(out + 1, len);
        return 9;
    }
    out[0] = (uint8_t)flags;
    out[1] = (uint8_t)len;
    return 2;
}

/* Reads a head from `avail` octets: its size, or 0 when not all of it is there. Checks nothing; *len may be
 * any u64. */
static inline size_t sb__frame_get(const uint8_t *p, size_t avail, unsigned *flags, uint64_t *len)
{
    if (avail < 2)
        return 0;
    *flags = p[0];
    if ((p[0] & SB__FRAME_LONG) == 0) {
        *len = p[1];
        return 2;
    }
    if (avail < 9)
        return 0;
    *len = sb__be64_get(p + 1);
    return 9;
}

#endif
