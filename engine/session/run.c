/* Runs: plain messages at hand, seen together. Before: a callee of on_msg that forwards more of the same
 * kind. After: the rest of the receive buffer. */
#include "engine/session/plain.h"

/* Octets of the plain message at p; 0 for anything else. */
static size_t plain_size(const sb_session *s, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *at = p;
    uint64_t octets = 0;
    uint32_t n = 0;
    unsigned flags;

    do {
        uint64_t len;
        size_t head = n++ < s->max_plain ? sb__plain_head(s, at, (size_t)(end - at), &flags, &len) : 0;

        if (head == 0)
            return 0;
        octets += len;
        at += head + len;
    } while (flags & SB__FRAME_MORE);
    return octets <= s->max_message ? (size_t)(at - p) : 0;
}

/* The same for most messages: one short frame. */
static inline size_t short_size(const sb_session *s, const uint8_t *p, const uint8_t *end, size_t limit)
{
    if (end - p >= 2 && p[0] == 0 && p[1] <= limit && p[1] <= end - p - 2)
        return 2 + (size_t)p[1];
    return plain_size(s, p, end);
}

bool sb_session_run(sb_session *s, uint32_t most, sb_run *run)
{
    const sb__input *in = s->input;
    const uint64_t limit = s->max_frame < s->max_message ? s->max_frame : s->max_message;
    const uint8_t *p;
    uint32_t n = 0;
    size_t size;

    if (in == NULL || in->stop || s->publisher || s->state != SB_SESSION_READY)
        return false;
    p = in->p;
    while (n < most && (size = short_size(s, p, in->end, limit)) > 0) {
        p += size;
        n++;
    }
    *run = (sb_run){.buf = in->buf, .p = in->p, .len = (size_t)(p - in->p), .n = n};
    return n > 0;
}

void sb_session_took(sb_session *s, size_t octets)
{
    s->input->p += octets;
}
