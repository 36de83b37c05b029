/* Traffic of a mechanism that secures it. In: each frame of the stream is a box; opened boxes become ordinary
 * frames, whole messages of which go on to decode.c. Nothing in clear says what is in a box. Out: packed
 * messages and control commands are sealed frame by frame.
 * Before: the receive buffer; transport/conn.c. After: decode.c; the stream. */
#include "engine/session/internal.h"
#include "engine/session/walk.h"

#include <stdlib.h>
#include <string.h>

#define CLEAR (64 * 1024) /* octets of opened frames that share a buffer, about */

static sb_err bad(sb_session *s, const char *what)
{
    return sb__session_fail(s, SB_EPROTO, SB_CAUSE_FRAME, "%s", what);
}

static sb_err no_memory(sb_session *s)
{
    return sb__session_fail(s, SB_ENOMEM, SB_CAUSE_NONE, "out of memory");
}

sb_err sb__secure_begin(sb_session *s, sb__mech *mech)
{
    sb__secure *secure = calloc(1, sizeof *secure);

    if (secure == NULL)
        return no_memory(s);
    if (mech->impl->settle != NULL)
        mech->impl->settle(mech);
    secure->mech = (sb__mech){.impl = mech->impl, .state = mech->state};
    mech->impl = NULL;
    s->secure = secure;
    return SB_OK;
}

/* ---- in ---- */

/* Opened octets of a feed: p..end is not handed on yet, room is from end to limit. */
typedef struct clear {
    uint8_t *p, *end, *limit;
} clear;

/* Shorter than any box: a PONG of the stream below, in clear. It says that somebody is there, and no more. */
static bool is_stream_pong(const sb_session *s, unsigned flags, uint64_t len)
{
    return s->stream_pings && flags == SB__FRAME_COMMAND && len < s->secure->mech.impl->overhead;
}

/* A box is one frame: COMMAND or not (RFC 26 says so, libzmq does not), never MORE. */
static sb_err check_head(sb_session *s, unsigned flags, uint64_t len)
{
    uint64_t limit = s->max_frame, topics = s->max_topic + 10ull;

    if (is_stream_pong(s, flags, len))
        return SB_OK;
    if (flags & SB__FRAME_MORE)
        return bad(s, "MORE outside of a box");
    if ((flags & SB__FRAME_RESERVED) && s->strict)
        return bad(s, "reserved flag bits");
    limit = (limit > topics ? limit : topics) + s->secure->mech.impl->overhead;
    if (len < s->secure->mech.impl->overhead)
        return bad(s, "frame too short for a box");
    if (len > limit)
        return sb__session_fail(s, SB_EMSGSIZE, SB_CAUSE_OVERSIZE, "box of %llu octets, limit %llu",
            (unsigned long long)len, (unsigned long long)limit);
    return SB_OK;
}

/* Hands on what was opened so far. */
static sb_err hand_on(sb_session *s, sb__input *in, clear *c)
{
    sb__input inner = {.buf = s->secure->clear, .p = c->p, .end = c->end, .now = in->now};
    sb_err err = SB_OK;

    c->p = c->end;
    if (inner.p < inner.end)
        err = sb__decode_clear(s, &inner);
    in->stop = in->stop || inner.stop;
    return err;
}

/* Room for one more frame; what does not fit behind the others begins a new buffer. */
static sb_err make_room(sb_session *s, sb__input *in, clear *c, size_t need)
{
    size_t left = (size_t)(in->end - in->p) + need, size = left < CLEAR ? left : CLEAR;
    sb_err err;

    if (s->secure->clear != NULL && (size_t)(c->limit - c->end) >= need)
        return SB_OK;
    err = s->secure->clear != NULL ? hand_on(s, in, c) : SB_OK;
    if (err != SB_OK)
        return err;
    sb_buf_unref(s->secure->clear);
    s->secure->clear = sb_buf_create(SB__MECH_ROOM + (size > need ? size : need));
    if (s->secure->clear == NULL)
        return no_memory(s);
    c->p = c->end = s->secure->clear->data + SB__MECH_ROOM;
    c->limit = s->secure->clear->data + s->secure->clear->cap;
    return SB_OK;
}

/* Opens a box and writes the ordinary frame it holds; messages are handed on when they are whole. */
static sb_err open_box(sb_session *s, sb__input *in, clear *c, const uint8_t *body, size_t len)
{
    sb__mech_frame frame;
    size_t head;
    sb_err err;

    if (len < s->secure->mech.impl->overhead)
        return sb__control_stream_pong(s, in, body, len);
    head = sb__frame_head_size(len - s->secure->mech.impl->overhead);
    err = make_room(s, in, c, SB__FRAME_HEAD + len);
    if (err != SB_OK)
        return err;
    if (!s->secure->mech.impl->open(&s->secure->mech, body, len, c->end + head, &frame))
        return sb__session_fail(s, SB_EPROTO, SB_CAUSE_CRYPTO, "a box is not authentic, or not in order");
    sb__frame_put(c->end, frame.flags, frame.len);
    c->end += head + frame.len;
    return frame.flags == SB__FRAME_MORE ? SB_OK : hand_on(s, in, c);
}

/* Goes on with a box that earlier feeds left unfinished. */
static sb_err box_feed(sb_session *s, sb__input *in, clear *c)
{
    unsigned flags;
    uint64_t len;
    size_t head, left = (size_t)(in->end - in->p), take;
    sb_buf *buf;
    sb_err err;

    take = s->secure->box_want - s->secure->box.len < left
               ? (size_t)(s->secure->box_want - s->secure->box.len)
               : left;
    if (sb__assembly_add(&s->secure->box, in->p, take, s->secure->box_want) != SB_OK)
        return no_memory(s);
    in->p += take;
    if (s->secure->box.len < s->secure->box_want)
        return SB_OK;
    head = sb__frame_get(s->secure->box.buf->data, s->secure->box.len, &flags, &len);
    if (head == 0) {
        s->secure->box_want = SB__FRAME_HEAD;
        return SB_OK;
    }
    err = check_head(s, flags, len);
    if (err == SB_OK && head + len > s->secure->box.len) {
        s->secure->box_want = head + len;
        return SB_OK;
    }
    buf = sb__assembly_take(&s->secure->box);
    if (err == SB_OK)
        err = open_box(s, in, c, buf->data + head, (size_t)len);
    sb_buf_unref(buf);
    return err;
}

/* A box that is whole in the receive buffer, or the beginning of one. */
static sb_err next_box(sb_session *s, sb__input *in, clear *c)
{
    unsigned flags;
    uint64_t len;
    size_t left = (size_t)(in->end - in->p), head = sb__frame_get(in->p, left, &flags, &len);
    const uint8_t *body = in->p + head;
    sb_err err;

    s->secure->box_want = left > 0 && (in->p[0] & SB__FRAME_LONG) ? SB__FRAME_HEAD : 2;
    if (head == 0)
        return box_feed(s, in, c);
    err = check_head(s, flags, len);
    if (err != SB_OK)
        return err;
    if (len > left - head) {
        s->secure->box_want = head + len;
        return box_feed(s, in, c);
    }
    in->p = body + len;
    return open_box(s, in, c, body, (size_t)len);
}

sb_err sb__secure_feed(sb_session *s, sb__input *in)
{
    clear c = {NULL, NULL, NULL};
    sb_err err = SB_OK;

    while (err == SB_OK && !in->stop && in->p < in->end)
        err = s->secure->box.buf != NULL ? box_feed(s, in, &c) : next_box(s, in, &c);
    if (err == SB_OK && s->secure->clear != NULL)
        err = hand_on(s, in, &c);
    sb_buf_unref(s->secure->clear);
    s->secure->clear = NULL;
    return err;
}

/* ---- out ---- */

/* Octets of a frame whose body is sealed. */
static size_t on_wire(const sb_session *s, size_t len)
{
    size_t body = len + s->secure->mech.impl->overhead;

    return sb__frame_head_size(body) + body;
}

static size_t sealed_size(const sb_session *s, sb__walk w)
{
    sb__mech_frame frame;
    size_t size = 0;

    while (sb__walk_next(&w, &frame))
        size += on_wire(s, frame.len);
    return size;
}

static bool seal_all(sb_session *s, sb__walk w, uint8_t *to)
{
    sb__mech_frame frame;

    while (sb__walk_next(&w, &frame)) {
        size_t body = frame.len + s->secure->mech.impl->overhead, head = sb__frame_head_size(body);

        if (!s->secure->mech.impl->seal(&s->secure->mech, &frame, to + head))
            return false;
        sb__frame_put(to, 0, body); /* as libzmq: no COMMAND, and MORE is in the box */
        to += head + body;
    }
    return true;
}

sb_err sb_session_seal(sb_session *s, const struct iovec *iov, size_t n, sb_buf **out)
{
    sb__walk w = {iov, n, 0};
    sb_buf *buf;

    if (s->raw)
        return sb__raw_strip(iov, n, out);
    if (s->state != SB_SESSION_READY || sb_session_passthrough(s))
        return SB_EFSM;
    if (s->old == 1)
        return sb__old_frames(iov, n, out);
    buf = sb_buf_create(sealed_size(s, w));
    if (buf == NULL)
        return SB_ENOMEM;
    if (!seal_all(s, w, buf->data)) {
        sb_buf_unref(buf);
        return SB_EFSM;
    }
    *out = buf;
    return SB_OK;
}

/* Sealed at once, since what is sealed first must leave first. */
sb_err sb__secure_lane(sb_session *s)
{
    struct iovec iov = {(void *)(uintptr_t)sb__bytes_data(&s->secure->lane), sb__bytes_len(&s->secure->lane)};
    sb__walk w = {&iov, 1, 0};
    bool failed = s->secure->lane.failed;
    uint8_t *to = failed ? NULL : sb__bytes_add(&s->out, sealed_size(s, w));
    bool sealed = to != NULL && seal_all(s, w, to);

    if (to != NULL && !sealed)
        s->out.failed = true; /* ends the session */
    sb__bytes_finish(&s->secure->lane);
    return sealed ? SB_OK : SB_ENOMEM;
}

void sb__secure_finish(sb_session *s)
{
    if (s->secure == NULL)
        return;
    sb__mech_finish(&s->secure->mech);
    sb__assembly_finish(&s->secure->box);
    sb_buf_unref(s->secure->clear);
    sb__bytes_finish(&s->secure->lane);
    free(s->secure);
    s->secure = NULL;
}
