/* Heap buffers: the plainest sb_buf. Receive buffers of the backends are the other kind. */
#include "engine/buf.h"

#include <stdlib.h>

static void release_heap(sb_buf *buf)
{
    free(buf);
}

sb_buf *sb_buf_create(size_t cap)
{
    if (cap > SIZE_MAX - sizeof(sb_buf))
        return NULL;
    sb_buf *buf = malloc(sizeof *buf + cap);
    if (buf == NULL)
        return NULL;
    buf->data = (uint8_t *)(buf + 1);
    buf->cap = cap;
    buf->refs = 1;
    buf->release = release_heap;
    return buf;
}
