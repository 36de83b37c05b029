/* Packed messages as a queue gives them for writing: frame by frame. Header only. */
#ifndef SB_SESSION_WALK_H
#define SB_SESSION_WALK_H

#include "engine/mech/mech.h"
#include "engine/wire/frame.h"

#include <sys/uio.h>

/* A body may be alone in the vector behind its head. */
typedef struct sb__walk {
    const struct iovec *iov;
    size_t n, at;
} sb__walk;

/* The next frame; false at the end. */
static inline bool sb__walk_next(sb__walk *w, sb__mech_frame *frame)
{
    const uint8_t *p;
    uint64_t len = 0;
    unsigned flags = 0;
    size_t head;

    while (w->n > 0 && w->at == w->iov->iov_len) {
        w->iov++;
        w->n--;
        w->at = 0;
    }
    if (w->n == 0)
        return false;
    p = (const uint8_t *)w->iov->iov_base + w->at;
    head = sb__frame_get(p, w->iov->iov_len - w->at, &flags, &len);
    w->at += head;
    p += head;
    if (w->iov->iov_len - w->at < len) {
        w->iov++;
        w->n--;
        w->at = 0;
        p = w->iov->iov_base;
    }
    w->at += len;
    *frame = (sb__mech_frame){
        .flags = flags & (SB__FRAME_MORE | SB__FRAME_COMMAND), .body = p, .len = (size_t)len};
    return true;
}

#endif
