/* Peers of ZMTP 2.0 (RFC 15, libzmq 3) and 1.0 (RFC 13, libzmq 2): their greeting, and 1.0's framing. They
 * know no mechanisms, no commands, no heartbeats; 1.0 does not even say its type or forward subscriptions.
 *
 * 2.0 after the revision: socket type octet, identity frame, then frames as in 3.0. 1.0: frames from the
 * first octet on, the first one is the identity; our signature is the head of ours. A frame is its length
 * (with the flags octet, as one octet or 0xff and eight), flags, body. Before: greeting.c. After: handshake.c
 * (ready), decode.c. */
#include "engine/session/internal.h"
#include "engine/session/walk.h"

#include <stdlib.h>
#include <string.h>

#define V1_LONG 0xffu

static sb_err bad(sb_session *s, const char *what)
{
    return sb__session_fail(s, SB_EPROTO, SB_CAUSE_FRAME, "%s", what);
}

/* ---- our side of the greeting ---- */

static sb__metadata our_identity(const sb_session *s)
{
    sb__cursor data = sb__cursor_of(s->hs->cfg.metadata, s->hs->cfg.metadata_len);
    sb__metadata m;

    while (sb__metadata_get(&data, &m))
        if (m.name_len == 8 && memcmp(m.name, "Identity", 8) == 0)
            return m;
    return (sb__metadata){0};
}

uint8_t sb__old_identity_len(const sb_session *s)
{
    return (uint8_t)our_identity(s).value_len;
}

sb_err sb__old_begin(sb_session *s, unsigned version)
{
    sb__metadata id = our_identity(s);

    s->way = calloc(1, sizeof *s->way);
    if (s->way == NULL)
        return sb__session_fail(s, SB_ENOMEM, SB_CAUSE_NONE, "out of memory");
    s->old = (uint8_t)version;
    s->state = SB_SESSION_HANDSHAKE;
    s->peer.major = s->old;
    sb__heartbeat_init(&s->beat, 0, 0);
    if (version == 2) {
        const uint8_t head[] = {(uint8_t)s->type, 0, (uint8_t)id.value_len};

        sb__bytes_put(&s->out, head, sizeof head);
    }
    if (id.value_len > 0)
        sb__bytes_put(&s->out, id.value, id.value_len);
    if (version == 1) { /* what came so far is the beginning of a frame */
        memcpy(s->way->head, s->hs->greeting, s->hs->greeting_len);
        s->way->len = s->hs->greeting_len;
    }
    return SB_OK;
}

bool sb__old_allowed(const sb_session *s, unsigned version)
{
    const sb_security *cfg = &s->hs->cfg.security;

    return version >= s->oldest && s->type <= SB_XSUB && !cfg->ask &&
           cfg->mechanisms == SB_MECHANISM_BIT(SB_MECHANISM_NULL);
}

/* ---- the peer's side ---- */

/* It has told all it will: type (of 2.0) and identity. */
static sb_err introduce(sb_session *s, sb_type type, const uint8_t *id, size_t len, uint64_t now)
{
    uint8_t *copy = malloc(len + 1);
    sb_err err;

    if (copy == NULL)
        return sb__session_fail(s, SB_ENOMEM, SB_CAUSE_NONE, "out of memory");
    if (len > 0)
        memcpy(copy, id, len);
    s->peer_memory = copy;
    s->peer.type = type;
    err = sb__peer_match(s);
    if (err == SB_OK)
        err = sb__peer_identity(s, copy, (uint32_t)len);
    return err == SB_OK ? sb__handshake_ready(s, now) : err;
}

/* Collects octets until there are `want`; false: more are needed. */
static bool collect(sb_session *s, sb__input *in, size_t want)
{
    while (s->way->len < want && in->p < in->end)
        s->way->head[s->way->len++] = *in->p++;
    return s->way->len >= want;
}

static sb_err hello_2(sb_session *s, sb__input *in)
{
    const uint8_t *p = s->way->head;

    if (!collect(s, in, 3))
        return SB_OK;
    if (p[0] > SB_XSUB)
        return sb__session_fail(s, SB_EPEERTYPE, SB_CAUSE_PEER_TYPE, "unknown socket type %u", p[0]);
    if (p[1] != 0)
        return bad(s, "identity frame with flags");
    if (!collect(s, in, 3u + p[2]))
        return SB_OK;
    s->way->len = 0;
    return introduce(s, (sb_type)p[0], p + 3, p[2], in->now);
}

/* Octets before the body, 0 when they are not all there; *len is of the body. */
static size_t v1_head(const uint8_t *p, size_t avail, uint64_t *len)
{
    size_t head = avail > 0 && p[0] == V1_LONG ? 10 : 2;

    if (avail < head)
        return 0;
    *len = (head == 10 ? sb__be64_get(p + 1) : p[0]) - 1;
    return head;
}

static sb_err check_v1(sb_session *s, size_t head, uint64_t len)
{
    if (len == UINT64_MAX)
        return bad(s, "frame of no length");
    if ((s->way->head[head - 1] & ~SB__FRAME_MORE) != 0 && s->strict)
        return bad(s, "reserved flag bits");
    return SB_OK;
}

/* 1.0 does not tell its type: it is taken for one that fits. It knows no subscriptions: a subscriber gets
 * everything. */
static sb_err ready_1(sb_session *s, sb__input *in, const uint8_t *id, size_t len)
{
    sb_err err = introduce(s, (sb_type)__builtin_ctz(sb_type_peers(s->type)), id, len, in->now);

    if (err != SB_OK || !s->publisher)
        return err;
    err = sb__control_subscribe(s, (const uint8_t *)"", 0, true);
    in->stop = err == SB_EAGAIN;
    return in->stop ? SB_OK : err;
}

static sb_err hello_1(sb_session *s, sb__input *in)
{
    uint64_t len = 0;
    size_t head;
    sb_err err;

    while ((head = v1_head(s->way->head, s->way->len, &len)) == 0)
        if (!collect(s, in, s->way->len + 1u))
            return SB_OK;
    err = check_v1(s, head, len);
    if (err == SB_OK && (len > 255 || (s->way->head[head - 1] & SB__FRAME_MORE)))
        err = sb__session_fail(s, SB_EPROTO, SB_CAUSE_GREETING, "not a ZMTP greeting");
    if (err != SB_OK || !collect(s, in, head + (size_t)len))
        return err;
    s->way->len = 0;
    return ready_1(s, in, s->way->head + head, (size_t)len);
}

/* ---- frames of 1.0, in ---- */

/* Octets in ZMTP 3 framing go to the decoder as if they had come so. */
static sb_err pass_on(sb_session *s, sb__input *in, sb_buf *buf, const uint8_t *p, size_t len)
{
    sb__input inner = {.buf = buf, .p = p, .end = p + len, .now = in->now};
    sb_err err = sb__decode_clear(s, &inner);

    in->stop = in->stop || inner.stop;
    return err;
}

static sb_err translate_head(sb_session *s, sb__input *in, size_t head, uint64_t len)
{
    sb_buf *buf;
    sb_err err = check_v1(s, head, len);

    if (err != SB_OK)
        return err;
    buf = sb_buf_create(SB__FRAME_HEAD);
    if (buf == NULL)
        return sb__session_fail(s, SB_ENOMEM, SB_CAUSE_NONE, "out of memory");
    s->way->left = len;
    err = pass_on(
        s, in, buf, buf->data, sb__frame_put(buf->data, s->way->head[head - 1] & SB__FRAME_MORE, len));
    s->way->len = 0;
    sb_buf_unref(buf);
    return err;
}

static sb_err next_1(sb_session *s, sb__input *in)
{
    size_t avail = (size_t)(in->end - in->p), head;
    uint64_t len = 0;

    if (s->way->left > 0) {
        const uint8_t *p = in->p;
        size_t take = s->way->left < avail ? (size_t)s->way->left : avail;

        s->way->left -= take;
        in->p += take;
        return pass_on(s, in, in->buf, p, take);
    }
    s->way->head[s->way->len++] = *in->p++;
    head = v1_head(s->way->head, s->way->len, &len);
    return head > 0 ? translate_head(s, in, head, len) : SB_OK;
}

static sb_err feed_1(sb_session *s, sb__input *in)
{
    sb_err err = SB_OK;

    while (err == SB_OK && !in->stop && in->p < in->end)
        err = next_1(s, in);
    return err;
}

sb_err sb__old_feed(sb_session *s, sb__input *in)
{
    sb_err err = SB_OK;

    if (s->state == SB_SESSION_HANDSHAKE)
        err = s->old == 2 ? hello_2(s, in) : hello_1(s, in);
    if (err != SB_OK || s->state != SB_SESSION_READY || in->stop)
        return err;
    return s->old == 2 ? sb__decode_clear(s, in) : feed_1(s, in);
}

/* ---- frames of 1.0, out ---- */

static size_t v1_size(size_t len)
{
    return (len + 1 < V1_LONG ? 2 : 10) + len;
}

static uint8_t *v1_put(uint8_t *to, const sb__mech_frame *frame)
{
    if (frame->len + 1 < V1_LONG) {
        *to++ = (uint8_t)(frame->len + 1);
    } else {
        *to++ = V1_LONG;
        sb__be64_put(to, frame->len + 1);
        to += 8;
    }
    *to++ = (uint8_t)(frame->flags & SB__FRAME_MORE);
    if (frame->len > 0)
        memcpy(to, frame->body, frame->len);
    return to + frame->len;
}

sb_err sb__old_frames(const struct iovec *iov, size_t n, sb_buf **out)
{
    sb__mech_frame frame;
    size_t size = 0;
    uint8_t *to;

    for (sb__walk w = {iov, n, 0}; sb__walk_next(&w, &frame);)
        size += v1_size(frame.len);
    *out = sb_buf_create(size);
    if (*out == NULL)
        return SB_ENOMEM;
    to = (*out)->data;
    for (sb__walk w = {iov, n, 0}; sb__walk_next(&w, &frame);)
        to = v1_put(to, &frame);
    return SB_OK;
}
