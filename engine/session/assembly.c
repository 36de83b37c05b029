/* The unfinished message of a peer. Place: between session/decode.c and the heap. */
#include "engine/session/assembly.h"

#include <stdlib.h>
#include <string.h>

#define ASSEMBLY_MIN     256
#define ASSEMBLY_AT_ONCE (256 * 1024)

static void release(sb_buf *buf)
{
    free(buf);
}

/* How large the buffer shall be for `need` octets now and `whole` in the end. */
static size_t capacity(size_t cap, size_t need, uint64_t whole)
{
    size_t want = cap * 2;

    if (want < ASSEMBLY_AT_ONCE)
        want = ASSEMBLY_AT_ONCE;
    if (whole < want)
        want = (size_t)whole;
    if (want < cap + cap / 2) /* many small frames, each known by itself */
        want = cap + cap / 2;
    if (want < need)
        want = need;
    return want < ASSEMBLY_MIN ? ASSEMBLY_MIN : want;
}

/* While it grows nobody else refers to the buffer, so it may move. */
static sb_err grow(sb__assembly *a, size_t cap)
{
    sb_buf *buf = realloc(a->buf, sizeof *buf + cap);

    if (buf == NULL)
        return SB_ENOMEM;
    buf->data = (uint8_t *)(buf + 1);
    buf->cap = cap;
    buf->refs = 1;
    buf->release = release;
    a->buf = buf;
    return SB_OK;
}

sb_err sb__assembly_add(sb__assembly *a, const uint8_t *data, size_t len, uint64_t whole)
{
    size_t cap = a->buf != NULL ? a->buf->cap : 0;

    if (len > cap - a->len) {
        sb_err err = grow(a, capacity(cap, a->len + len, whole));

        if (err != SB_OK)
            return err;
    }
    memcpy(a->buf->data + a->len, data, len);
    a->len += len;
    return SB_OK;
}

sb_buf *sb__assembly_take(sb__assembly *a)
{
    sb_buf *buf = a->buf;

    a->buf = NULL;
    a->len = 0;
    return buf;
}

void sb__assembly_finish(sb__assembly *a)
{
    sb_buf_unref(sb__assembly_take(a));
}
