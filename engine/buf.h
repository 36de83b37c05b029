/* A refcounted block of bytes. Not atomic: one engine, one thread. */
#ifndef SB_BUF_H
#define SB_BUF_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_buf sb_buf;

/* Whoever makes a buffer decides what happens when its last reference goes: free it, or hand it back to a
 * ring of receive buffers. Backends embed sb_buf as first member. */
struct sb_buf {
    /* read-only for users */
    uint8_t *data;
    size_t cap; /* bytes at data */
    /* private */
    uint32_t refs;
    void (*release)(sb_buf *buf); /* called once, when refs reaches 0; owns the memory from then on */
};

/* A heap buffer of `cap` bytes with one reference, contents undefined; NULL when out of memory. */
sb_buf *sb_buf_create(size_t cap);

static inline sb_buf *sb_buf_ref(sb_buf *buf)
{
    buf->refs++;
    return buf;
}

/* Drops a reference; accepts NULL. */
static inline void sb_buf_unref(sb_buf *buf)
{
    if (buf != NULL && --buf->refs == 0)
        buf->release(buf);
}

#ifdef __cplusplus
}
#endif
#endif
