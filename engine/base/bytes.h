/* Octets that are written at the end and taken from the front. Place: engine/base; holds control output.
 * Running out of memory is remembered: write on, ask `failed` once. */
#ifndef SB_BASE_BYTES_H
#define SB_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is empty. Small, since every connection has some; holds less than 4 GiB. */
typedef struct sb__bytes {
    /* private */
    uint8_t *data;
    uint32_t head, tail, cap; /* the octets are data[head .. tail) */
    /* read-only */
    bool failed; /* a put found no memory; what was put before it is there, nothing is put behind it */
} sb__bytes;

void sb__bytes_finish(sb__bytes *b);

static inline size_t sb__bytes_len(const sb__bytes *b)
{
    return b->tail - b->head;
}
static inline const uint8_t *sb__bytes_data(const sb__bytes *b)
{
    return b->data + b->head;
}

/* Room for `len` more octets, which the caller fills at once; NULL (and failed) when out of memory. */
uint8_t *sb__bytes_add(sb__bytes *b, size_t len);
void sb__bytes_put(sb__bytes *b, const void *data, size_t len);
void sb__bytes_put_u8(sb__bytes *b, uint8_t v);
void sb__bytes_put_u16(sb__bytes *b, uint16_t v);
void sb__bytes_put_u32(sb__bytes *b, uint32_t v);
/* Takes n octets, at most what is there, from the front. Empty: the memory goes too, so that an idle owner
 * holds none. */
void sb__bytes_drop(sb__bytes *b, size_t n);
/* Cuts what was put after the length was `len`: undoes a half-written thing. */
void sb__bytes_cut(sb__bytes *b, size_t len);

#endif
