/* Frames to messages and commands. The hot path: every octet a peer sends passes here.
 * Before: the receive buffer. After: on_msg with a view, control.c, handshake.c. */
#include "engine/session/plain.h"
#include "engine/trace.h"

/* ---- handing on ---- */

static sb_err after_callback(sb_session *s, sb__input *in, sb_err err)
{
    if (err == SB_OK)
        return SB_OK;
    if (err != SB_EAGAIN)
        return sb__session_fail(s, err, SB_CAUSE_REFUSED, "%s", sb_strerror(err));
    in->stop = true;
    return SB_OK;
}

/* PUB and XPUB: single frames led by 0x00 or 0x01 are subscriptions, from peers of any version. What else a
 * PUB gets its pattern discards and counts. */
static sb_err deliver_to_publisher(sb_session *s, sb_msg *msg)
{
    const sb_frame *f = &msg->frames[0];

    if (msg->n == 1 && f->len > 0 && f->data[0] <= 1)
        return sb__control_subscribe(s, f->data + 1, f->len - 1, f->data[0] == 1);
    return s->events->on_msg(s, msg);
}

/* The callee may have put frames of its own in; views that it left alone need no call. */
static inline bool owns_memory(const sb_msg *msg)
{
    bool owns = msg->frames != msg->inl;

    for (uint32_t i = 0; i < msg->n && !owns; i++)
        owns = msg->frames[i].held;
    return owns;
}

static inline sb_err deliver(sb_session *s, sb__input *in, sb_msg *msg)
{
    SB_TRACE(5);
    sb_err err = s->publisher ? deliver_to_publisher(s, msg) : s->events->on_msg(s, msg);

    if (owns_memory(msg))
        sb_msg_finish(msg);
    if (__builtin_expect(err == SB_OK, 1))
        return SB_OK;
    return s->state == SB_SESSION_OVER ? err : after_callback(s, in, err);
}

/* Frame by frame, beyond what the message holds inline. */
static sb_err push_rest(sb_msg *msg, sb_buf *buf, const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        unsigned flags;
        uint64_t len = 0;

        at += sb__frame_get(at, (size_t)(end - at), &flags, &len);
        if (sb_msg_push(msg, at, len, buf) != SB_OK)
            return SB_ENOMEM;
        at += len;
    }
    return SB_OK;
}

/* A view of a whole message at p; its heads were checked. */
static sb_err view(sb_msg *msg, sb_buf *buf, const uint8_t *p, const sb__unit *unit)
{
    const uint8_t *end = p + unit->scanned, *at = p;

    sb_msg_init(msg);
    while (at < end && msg->n < SB_MSG_INLINE) {
        unsigned flags;
        uint64_t len = 0;

        at += sb__frame_get(at, (size_t)(end - at), &flags, &len);
        msg->inl[msg->n++] = (sb_frame){.data = at, .len = len, .buf = buf};
        at += len;
    }
    if (at < end && push_rest(msg, buf, at, end) != SB_OK)
        return SB_ENOMEM;
    if (unit->plain) {
        msg->wire = p;
        msg->wire_len = unit->scanned;
        msg->wire_buf = buf;
    }
    return SB_OK;
}

static sb_err hand_on_command(sb_session *s, sb__input *in, const uint8_t *p)
{
    unsigned flags;
    uint64_t len = 0;
    size_t head = sb__frame_get(p, SB__FRAME_HEAD, &flags, &len);

    if (s->state == SB_SESSION_HANDSHAKE)
        return sb__handshake_command(s, in, p + head, len);
    return sb__control_command(s, in, p + head, len);
}

static sb_err hand_on(sb_session *s, sb__input *in, sb_buf *buf, const uint8_t *p, const sb__unit *unit)
{
    sb_msg msg;

    if (unit->command)
        return hand_on_command(s, in, p);
    if (view(&msg, buf, p, unit) != SB_OK) {
        sb_msg_finish(&msg);
        return sb__session_fail(s, SB_ENOMEM, SB_CAUSE_NONE, "out of memory");
    }
    return deliver(s, in, &msg);
}

/* ---- looking at heads ---- */

static sb_err bad(sb_session *s, const char *what)
{
    return sb__session_fail(s, SB_EPROTO, SB_CAUSE_FRAME, "%s", what);
}

static sb_err oversize(sb_session *s, const char *what, uint64_t size, uint64_t limit)
{
    return sb__session_fail(s, SB_EMSGSIZE, SB_CAUSE_OVERSIZE, "%s of %llu octets, limit %llu", what,
        (unsigned long long)size, (unsigned long long)limit);
}

/* A subscription is the longest command there is after the handshake. */
static sb_err check_command(sb_session *s, const sb__unit *unit, unsigned flags, uint64_t len)
{
    uint64_t limit = s->max_handshake;

    if (s->old != 0)
        return bad(s, "command from a peer of an older version");
    if (unit->frames > 0)
        return bad(s, "command inside a message");
    if ((flags & SB__FRAME_MORE) && s->strict)
        return bad(s, "command with MORE");
    if (s->state == SB_SESSION_READY && limit < s->max_topic + 10ull)
        limit = s->max_topic + 10ull;
    return len > limit ? oversize(s, "command", len, limit) : SB_OK;
}

static sb_err check_body(sb_session *s, const sb__unit *unit, uint64_t len)
{
    if (s->state == SB_SESSION_HANDSHAKE)
        return bad(s, "message before READY");
    if (len > s->max_frame)
        return oversize(s, "frame", len, s->max_frame);
    if (unit->frames >= s->max_frames)
        return sb__session_fail(
            s, SB_EMSGSIZE, SB_CAUSE_OVERSIZE, "message of more than %u frames", s->max_frames);
    if (len > s->max_message - unit->octets)
        return oversize(s, "message", unit->octets + len, s->max_message);
    return SB_OK;
}

/* Everything that can be wrong about a head, before any octet of the body is kept. */
static sb_err check_head(sb_session *s, const sb__unit *unit, unsigned flags, uint64_t len)
{
    if ((flags & SB__FRAME_RESERVED) && s->strict)
        return bad(s, "reserved flag bits");
    if (len > INT64_MAX)
        return bad(s, "length of 2^63 or more");
    if (flags & SB__FRAME_COMMAND)
        return check_command(s, unit, flags, len);
    return check_body(s, unit, len);
}

static void count(sb__unit *unit, unsigned flags, size_t head, uint64_t len)
{
    if (unit->frames == 0)
        unit->plain = true;
    if ((flags & SB__FRAME_RESERVED) || head != sb__frame_head_size(len))
        unit->plain = false;
    unit->command = (flags & SB__FRAME_COMMAND) != 0;
    unit->whole = unit->command || (flags & SB__FRAME_MORE) == 0;
    unit->scanned += head + len;
    unit->octets += len;
    unit->frames++;
}

/* Looks at frames from unit->scanned on until the message is whole or more octets are needed. */
static sb_err scan(sb_session *s, sb__unit *unit, const uint8_t *p, size_t avail)
{
    while (!unit->whole) {
        size_t left = avail - unit->scanned;
        const uint8_t *at = p + unit->scanned;
        unsigned flags;
        uint64_t len;
        size_t head = sb__frame_get(at, left, &flags, &len);
        sb_err err;

        if (head == 0) {
            unit->want = unit->scanned + (left > 0 && (at[0] & SB__FRAME_LONG) ? 9 : 2);
            return SB_OK;
        }
        err = check_head(s, unit, flags, len);
        if (err != SB_OK)
            return err;
        if (len > left - head) {
            unit->want = unit->scanned + head + len;
            return SB_OK;
        }
        count(unit, flags, head, len);
    }
    return SB_OK;
}

/* ---- unfinished messages ---- */

static sb_err part_add(sb_session *s, sb__input *in, size_t len)
{
    if (sb__assembly_add(&s->part, in->p, len, s->part_unit.want) != SB_OK)
        return sb__session_fail(s, SB_ENOMEM, SB_CAUSE_NONE, "out of memory");
    in->p += len;
    return SB_OK;
}

static sb_err part_done(sb_session *s, sb__input *in)
{
    sb__unit unit = s->part_unit;
    sb_buf *buf = sb__assembly_take(&s->part);
    sb_err err = hand_on(s, in, buf, buf->data, &unit);

    sb_buf_unref(buf);
    return err;
}

/* Goes on with the message that an earlier feed left unfinished. */
static sb_err part_feed(sb_session *s, sb__input *in)
{
    sb__unit *unit = &s->part_unit;

    while (!unit->whole && in->p < in->end) {
        uint64_t missing = unit->want - s->part.len;
        size_t left = (size_t)(in->end - in->p);
        sb_err err = part_add(s, in, missing < left ? (size_t)missing : left);

        if (err != SB_OK)
            return err;
        if (s->part.len < unit->want)
            return SB_OK;
        err = scan(s, unit, s->part.buf->data, s->part.len);
        if (err != SB_OK)
            return err;
    }
    return unit->whole ? part_done(s, in) : SB_OK;
}

/* ---- from the receive buffer ---- */

/* One message or command of any shape; what is unfinished at the end of the bytes is kept. */
static sb_err next_unit(sb_session *s, sb__input *in)
{
    sb__unit unit = {0};
    const uint8_t *p = in->p;
    sb_err err = scan(s, &unit, p, (size_t)(in->end - p));

    if (err != SB_OK)
        return err;
    if (unit.whole) {
        in->p += unit.scanned;
        return hand_on(s, in, in->buf, p, &unit);
    }
    s->part_unit = unit;
    return part_add(s, in, (size_t)(in->end - p));
}

/* A view of the message at p if it is whole and as plain as nearly all are: few frames, heads as we write
 * them, within the limits. Returns its octets; 0 for anything else, which next_unit then looks at. */
static inline __attribute__((always_inline)) size_t plain_view(
    const sb_session *s, sb_msg *msg, sb_buf *buf, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *at = p;
    uint64_t octets = 0;
    uint32_t n = 0;
    unsigned flags;

    SB_TRACE(4);
    do {
        sb_frame *f = &msg->inl[n];
        uint64_t len;
        size_t head = n < s->max_plain ? sb__plain_head(s, at, (size_t)(end - at), &flags, &len) : 0;

        if (head == 0)
            return 0;
        octets += len;
        f->data = at + head;
        f->len = len;
        f->buf = buf;
        f->held = false;
        n++;
        at += head + len;
    } while (flags & SB__FRAME_MORE);
    msg->n = n;
    return octets <= s->max_message ? (size_t)(at - p) : 0;
}

static inline __attribute__((always_inline)) bool next_plain(const sb_session *s, sb__input *in, sb_msg *msg)
{
    size_t size;

    sb_msg_init(msg);
    size = plain_view(s, msg, in->buf, in->p, in->end);
    if (size == 0)
        return false;
    msg->wire = in->p;
    msg->wire_len = size;
    msg->wire_buf = in->buf;
    in->p += size;
    return true;
}

/* Plain messages, one behind the other; stops before anything else. */
static sb_err plain_run(sb_session *s, sb__input *in)
{
    sb_err err = SB_OK;
    sb_msg msg;

    while (err == SB_OK && !in->stop && next_plain(s, in, &msg))
        err = deliver(s, in, &msg);
    return err;
}

bool sb_session_next(sb_session *s, sb_msg *msg)
{
    sb__input *in = s->input;

    if (in == NULL || in->stop || s->publisher || s->state != SB_SESSION_READY)
        return false;
    SB_TRACE(5);
    if (owns_memory(msg))
        sb_msg_finish(msg);
    s->read = in->p;
    if (next_plain(s, in, msg))
        return true;
    sb_msg_init(msg);
    return false;
}

void sb_session_unread(sb_session *s, sb_msg *msg)
{
    s->input->p = s->read;
    sb_msg_finish(msg);
}

sb_err sb__decode_feed(sb_session *s, sb__input *in)
{
    sb_err err = SB_OK;

    if (s->old != 0)
        return sb__old_feed(s, in);
    if (s->secure == NULL)
        err = sb__decode_clear(s, in);
    if (err == SB_OK && s->secure != NULL && !in->stop)
        err = sb__secure_feed(s, in);
    return err;
}

sb_err sb__decode_clear(sb_session *s, sb__input *in)
{
    const sb__secure *secure = s->secure;
    sb__input *outer = s->input;
    sb_err err = SB_OK;

    s->input = in;
    while (err == SB_OK && !in->stop && in->p < in->end && s->secure == secure) {
        if (s->part.buf != NULL) {
            err = part_feed(s, in);
            continue;
        }
        if (s->state == SB_SESSION_READY)
            err = plain_run(s, in);
        if (err == SB_OK && !in->stop && in->p < in->end)
            err = next_unit(s, in);
    }
    s->input = outer;
    return err;
}
