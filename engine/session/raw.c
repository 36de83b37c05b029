/* STREAM's sessions: no handshake and no frames; what comes is handed on as it came, what goes loses its
 * heads. Before: the receive buffer; transport/conn.c. After: on_msg; the stream. */
#include "engine/session/internal.h"
#include "engine/session/walk.h"

#include <string.h>

sb_err sb_session_start(sb_session *s, uint64_t now)
{
    sb_err err;

    if (!s->raw || s->state != SB_SESSION_GREETING)
        return SB_OK;
    s->state = SB_SESSION_READY;
    s->was_ready = true;
    sb__handshake_finish(s);
    sb__heartbeat_start(&s->beat, now);
    err = s->events->on_ready(s, &s->peer);
    return err == SB_OK ? SB_OK : sb__session_fail(s, err, SB_CAUSE_REFUSED, "%s", sb_strerror(err));
}

/* At most max_frame octets at a time, so that what is kept of them has a limit. */
sb_err sb__raw_feed(sb_session *s, sb__input *in)
{
    size_t most = s->max_frame > 0 && s->max_frame < SIZE_MAX ? (size_t)s->max_frame : SIZE_MAX;
    sb_err err = SB_OK;

    while (err == SB_OK && !in->stop && in->p < in->end) {
        size_t left = (size_t)(in->end - in->p), len = left < most ? left : most;
        sb_msg msg;

        sb_msg_init(&msg);
        msg.inl[0] = (sb_frame){.data = in->p, .len = len, .buf = in->buf};
        msg.n = 1;
        in->p += len;
        err = s->events->on_msg(s, &msg);
        sb_msg_finish(&msg);
        if (err == SB_EAGAIN) {
            in->stop = true;
            err = SB_OK;
        }
    }
    return err == SB_OK ? SB_OK : sb__session_fail(s, err, SB_CAUSE_REFUSED, "%s", sb_strerror(err));
}

sb_err sb__raw_strip(const struct iovec *iov, size_t n, sb_buf **out)
{
    sb__walk sizes = {iov, n, 0}, bodies = {iov, n, 0};
    sb__mech_frame frame;
    size_t size = 0;
    uint8_t *to;

    while (sb__walk_next(&sizes, &frame))
        size += frame.len;
    *out = sb_buf_create(size);
    if (*out == NULL)
        return SB_ENOMEM;
    to = (*out)->data;
    while (sb__walk_next(&bodies, &frame)) {
        memcpy(to, frame.body, frame.len);
        to += frame.len;
    }
    return SB_OK;
}
