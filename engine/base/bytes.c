/* Octets that are written at the end and taken from the front. Place: engine/base. */
#include "engine/base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_MIN 128

void sb__bytes_finish(sb__bytes *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

static void close_gap(sb__bytes *b)
{
    if (b->head == 0)
        return;
    memmove(b->data, b->data + b->head, b->tail - b->head);
    b->tail -= b->head;
    b->head = 0;
}

static bool grow(sb__bytes *b, size_t need)
{
    size_t cap = b->cap > 0 ? b->cap : BYTES_MIN;
    uint8_t *data;

    while (cap < need)
        cap = cap > UINT32_MAX / 2 ? need : cap * 2;
    data = realloc(b->data, cap);
    if (data == NULL)
        return false;
    b->data = data;
    b->cap = (uint32_t)cap;
    return true;
}

uint8_t *sb__bytes_add(sb__bytes *b, size_t len)
{
    uint8_t *at;

    if (b->failed) /* what comes behind a gap would be read as something else */
        return NULL;
    if (len > b->cap - b->tail) {
        close_gap(b);
        if (len > UINT32_MAX - b->tail || (len > b->cap - b->tail && !grow(b, b->tail + len))) {
            b->failed = true;
            return NULL;
        }
    }
    at = b->data + b->tail;
    b->tail += (uint32_t)len;
    return at;
}

void sb__bytes_put(sb__bytes *b, const void *data, size_t len)
{
    uint8_t *at;

    if (len == 0)
        return;
    at = sb__bytes_add(b, len);
    if (at != NULL)
        memcpy(at, data, len);
}

void sb__bytes_put_u8(sb__bytes *b, uint8_t v)
{
    sb__bytes_put(b, &v, 1);
}

void sb__bytes_put_u16(sb__bytes *b, uint16_t v)
{
    sb__bytes_put(b, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

void sb__bytes_put_u32(sb__bytes *b, uint32_t v)
{
    sb__bytes_put_u16(b, (uint16_t)(v >> 16));
    sb__bytes_put_u16(b, (uint16_t)v);
}

void sb__bytes_drop(sb__bytes *b, size_t n)
{
    bool failed = b->failed;

    b->head += (uint32_t)(n < sb__bytes_len(b) ? n : sb__bytes_len(b));
    if (b->head == b->tail)
        sb__bytes_finish(b);
    b->failed = failed;
}

void sb__bytes_cut(sb__bytes *b, size_t len)
{
    if (len < sb__bytes_len(b))
        b->tail = b->head + (uint32_t)len;
}
