/* Messages: views of frames, their edits, copies and packed form. Place: below queues and sessions, above
 * buffers. */
#include "engine/msg.h"
#include "engine/wire/frame.h"

#include <stdlib.h>

/* A frame (or packed run) from this size on is referenced by a kept message rather than copied ... */
#define KEEP_LARGE 4096
/* ... if that pins at most this many times its own size. */
#define KEEP_PIN 4

static void wire_clear(sb_msg *msg)
{
    msg->wire = NULL;
    msg->wire_len = 0;
    msg->wire_buf = NULL;
    msg->wire_first = 0;
}

void sb_msg_finish(sb_msg *msg)
{
    for (uint32_t i = 0; i < msg->n; i++)
        if (msg->frames[i].held)
            sb_buf_unref(msg->frames[i].buf);
    if (msg->frames != msg->inl)
        free(msg->frames);
    sb_msg_init(msg);
}

size_t sb_msg_size(const sb_msg *msg)
{
    size_t size = 0;

    for (uint32_t i = 0; i < msg->n; i++)
        size += msg->frames[i].len;
    return size;
}

size_t sb_msg_body_size(const sb_msg *msg)
{
    size_t size = 0;

    for (uint32_t i = msg->envelope; i < msg->n; i++)
        size += msg->frames[i].len;
    return size;
}

/* ---- edits ---- */

static sb_err grow(sb_msg *msg, uint32_t cap)
{
    sb_frame *frames;

    if (cap < msg->cap) /* wrapped */
        return SB_ENOMEM;
    frames = malloc(cap * sizeof *frames);
    if (frames == NULL)
        return SB_ENOMEM;
    memcpy(frames, msg->frames, msg->n * sizeof *frames);
    if (msg->frames != msg->inl)
        free(msg->frames);
    msg->frames = frames;
    msg->cap = cap;
    return SB_OK;
}

static inline sb_err reserve(sb_msg *msg)
{
    return msg->n < msg->cap ? SB_OK : grow(msg, msg->cap * 2);
}

sb_err sb_msg_push(sb_msg *msg, const void *data, size_t len, sb_buf *buf)
{
    if (reserve(msg) != SB_OK)
        return SB_ENOMEM;
    msg->frames[msg->n++] = (sb_frame){.data = data, .len = len, .buf = buf};
    wire_clear(msg);
    return SB_OK;
}

static sb_err insert(sb_msg *msg, uint32_t at, sb_frame frame)
{
    if (at > msg->n)
        return SB_EINVAL;
    if (reserve(msg) != SB_OK)
        return SB_ENOMEM;
    memmove(&msg->frames[at + 1], &msg->frames[at], (msg->n - at) * sizeof frame);
    msg->frames[at] = frame;
    msg->n++;
    if (at < msg->envelope)
        msg->envelope++;
    if (msg->wire_len > 0 && at <= msg->wire_first)
        msg->wire_first++;
    else
        wire_clear(msg);
    return SB_OK;
}

sb_err sb_msg_insert(sb_msg *msg, uint32_t at, const void *data, size_t len, sb_buf *buf)
{
    return insert(msg, at, (sb_frame){.data = data, .len = len, .buf = buf});
}

/* A frame with a copy of the bytes in a buffer of its own; buf is NULL when out of memory. */
static sb_frame frame_copy(const void *data, size_t len)
{
    sb_buf *buf = sb_buf_create(len);

    if (buf == NULL)
        return (sb_frame){0};
    if (len > 0)
        memcpy(buf->data, data, len);
    return (sb_frame){.data = buf->data, .len = len, .buf = buf, .held = true};
}

sb_err sb_msg_insert_copy(sb_msg *msg, uint32_t at, const void *data, size_t len)
{
    sb_frame frame;
    sb_err err;

    if (at > msg->n)
        return SB_EINVAL;
    frame = frame_copy(data, len);
    if (frame.buf == NULL)
        return SB_ENOMEM;
    err = insert(msg, at, frame);
    if (err != SB_OK)
        sb_buf_unref(frame.buf);
    return err;
}

sb_err sb_msg_push_copy(sb_msg *msg, const void *data, size_t len)
{
    return sb_msg_insert_copy(msg, msg->n, data, len);
}

static void set(sb_msg *msg, uint32_t at, sb_frame frame)
{
    if (msg->frames[at].held)
        sb_buf_unref(msg->frames[at].buf);
    msg->frames[at] = frame;
    if (at >= msg->wire_first)
        wire_clear(msg);
}

sb_err sb_msg_set_copy(sb_msg *msg, uint32_t at, const void *data, size_t len)
{
    sb_frame frame;

    if (at >= msg->n)
        return SB_EINVAL;
    frame = frame_copy(data, len);
    if (frame.buf == NULL)
        return SB_ENOMEM;
    set(msg, at, frame);
    return SB_OK;
}

sb_err sb_msg_set(sb_msg *msg, uint32_t at, const void *data, size_t len, sb_buf *buf)
{
    if (at >= msg->n)
        return SB_EINVAL;
    set(msg, at, (sb_frame){.data = data, .len = len, .buf = buf});
    return SB_OK;
}

sb_err sb_msg_remove(sb_msg *msg, uint32_t at)
{
    if (at >= msg->n)
        return SB_EINVAL;
    if (at == 0) {
        sb_msg_drop_front(msg, 1);
        return SB_OK;
    }
    if (msg->frames[at].held)
        sb_buf_unref(msg->frames[at].buf);
    msg->n--;
    memmove(&msg->frames[at], &msg->frames[at + 1], (msg->n - at) * sizeof *msg->frames);
    if (at < msg->envelope)
        msg->envelope--;
    if (at < msg->wire_first)
        msg->wire_first--;
    else
        wire_clear(msg);
    return SB_OK;
}

/* The packed run without the frames before k; the head of frame k follows the octets of the frame before it.
 */
static void wire_drop(sb_msg *msg, uint32_t k)
{
    const uint8_t *next;

    if (msg->wire_len == 0)
        return;
    if (k <= msg->wire_first) {
        msg->wire_first -= k;
        return;
    }
    if (k >= msg->n) {
        wire_clear(msg);
        return;
    }
    next = msg->frames[k - 1].data + msg->frames[k - 1].len;
    msg->wire_len -= (size_t)(next - msg->wire);
    msg->wire = next;
    msg->wire_first = 0;
}

void sb_msg_drop_front(sb_msg *msg, uint32_t k)
{
    if (k > msg->n)
        k = msg->n;
    wire_drop(msg, k);
    for (uint32_t i = 0; i < k; i++)
        if (msg->frames[i].held)
            sb_buf_unref(msg->frames[i].buf);
    msg->n -= k;
    msg->envelope = msg->envelope > k ? msg->envelope - k : 0;
    memmove(msg->frames, msg->frames + k, msg->n * sizeof *msg->frames);
}

/* ---- the envelope as one value ---- */

#define NUMBER_LEN 4

uint32_t sb_msg_routing_id(const sb_msg *msg)
{
    const uint8_t *p = msg->envelope == 1 && msg->frames[0].len == NUMBER_LEN ? msg->frames[0].data : NULL;

    return p != NULL ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static sb_err set_envelope(sb_msg *msg, const void *data, size_t len)
{
    sb_err err;

    sb_msg_drop_front(msg, msg->envelope);
    err = sb_msg_insert_copy(msg, 0, data, len);
    msg->envelope = err == SB_OK;
    return err;
}

sb_err sb_msg_set_routing_id(sb_msg *msg, uint32_t id)
{
    uint8_t number[NUMBER_LEN];

    for (int i = 0; i < NUMBER_LEN; i++)
        number[i] = (uint8_t)(id >> (24 - 8 * i));
    return id != 0 ? set_envelope(msg, number, sizeof number) : SB_EINVAL;
}

const void *sb_msg_group(const sb_msg *msg, size_t *len)
{
    *len = msg->envelope == 1 ? msg->frames[0].len : 0;
    return msg->envelope == 1 ? msg->frames[0].data : NULL;
}

sb_err sb_msg_set_group(sb_msg *msg, const void *group, size_t len)
{
    return len <= SB_GROUP_MAX ? set_envelope(msg, group, len) : SB_EINVAL;
}

/* ---- packed form ---- */

size_t sb_msg_packed_size(const sb_msg *msg)
{
    uint32_t end = msg->wire_len > 0 ? msg->wire_first : msg->n;
    size_t size = msg->wire_len;

    for (uint32_t i = 0; i < end; i++)
        size += sb__frame_head_size(msg->frames[i].len) + msg->frames[i].len;
    return size;
}

void sb_msg_pack(const sb_msg *msg, uint8_t *out)
{
    uint32_t end = msg->wire_len > 0 ? msg->wire_first : msg->n;

    for (uint32_t i = 0; i < end; i++) {
        const sb_frame *f = &msg->frames[i];

        out += sb__frame_put(out, i + 1 < msg->n ? SB__FRAME_MORE : 0, f->len);
        if (f->len > 0)
            memcpy(out, f->data, f->len);
        out += f->len;
    }
    if (msg->wire_len > 0)
        memcpy(out, msg->wire, msg->wire_len);
}

size_t sb_msg_unpack(sb_msg *msg, sb_buf *buf, const uint8_t *p)
{
    const uint8_t *start = p;
    unsigned flags;

    do {
        uint64_t len;

        p += sb__frame_get(p, SB__FRAME_HEAD, &flags, &len);
        if (reserve(msg) != SB_OK) {
            sb_msg_finish(msg);
            return 0;
        }
        msg->frames[msg->n++] = (sb_frame){.data = p, .len = len, .buf = buf};
        p += len;
    } while (flags & SB__FRAME_MORE);
    msg->wire = start;
    msg->wire_len = (size_t)(p - start);
    msg->wire_buf = buf;
    msg->wire_first = 0;
    return msg->wire_len;
}

/* ---- messages of their own ---- */

static bool worth_pinning(const sb_buf *buf, size_t len)
{
    return buf != NULL && len >= KEEP_LARGE && buf->cap / KEEP_PIN <= len;
}

/* Frames of a message that was packed for many (pattern/fan.c) lie elsewhere than its packed form. */
static bool wire_worth_pinning(const sb_msg *msg)
{
    return msg->wire_len > 0 && msg->wire_first < msg->n &&
           msg->frames[msg->wire_first].buf == msg->wire_buf && worth_pinning(msg->wire_buf, msg->wire_len);
}

/* Whether frame i will be referenced rather than copied. */
static bool stays(const sb_msg *msg, uint32_t i, bool whole)
{
    const sb_frame *f = &msg->frames[i];

    if (whole && i >= msg->wire_first)
        return true;
    return worth_pinning(f->buf, f->len);
}

static void frame_hold(sb_frame *f)
{
    f->held = true;
    sb_buf_ref(f->buf);
}

/* Nothing is worth pinning: one packed copy, which is the new message's wire. */
static sb_err keep_packed(sb_msg *own, const sb_msg *msg)
{
    size_t took;
    sb_buf *buf;

    if (msg->n == 0)
        return SB_OK;
    buf = sb_buf_create(sb_msg_packed_size(msg));
    if (buf == NULL)
        return SB_ENOMEM;
    sb_msg_pack(msg, buf->data);
    took = sb_msg_unpack(own, buf, buf->data);
    for (uint32_t i = 0; i < own->n; i++)
        frame_hold(&own->frames[i]);
    sb_buf_unref(buf);
    return took > 0 ? SB_OK : SB_ENOMEM;
}

/* References what is worth it, the rest goes into one buffer. */
static sb_err keep_mixed(sb_msg *own, const sb_msg *msg, bool whole, size_t copied)
{
    sb_buf *buf = sb_buf_create(copied);
    uint8_t *p;

    if (buf == NULL || (msg->n > own->cap && grow(own, msg->n) != SB_OK)) {
        sb_buf_unref(buf);
        return SB_ENOMEM;
    }
    p = buf->data;
    for (uint32_t i = 0; i < msg->n; i++) {
        sb_frame *f = &own->frames[own->n++];

        *f = msg->frames[i];
        if (!stays(msg, i, whole)) {
            if (f->len > 0)
                memcpy(p, f->data, f->len);
            *f = (sb_frame){.data = p, .len = f->len, .buf = buf};
            p += f->len;
        }
        frame_hold(f);
    }
    sb_buf_unref(buf);
    return SB_OK;
}

static sb_err keep_into(sb_msg *own, const sb_msg *msg)
{
    bool whole = wire_worth_pinning(msg);
    uint32_t referenced = 0;
    size_t copied = 0;
    sb_err err;

    for (uint32_t i = 0; i < msg->n; i++) {
        bool ref = stays(msg, i, whole);

        referenced += ref;
        copied += ref ? 0 : msg->frames[i].len;
    }
    if (referenced == 0)
        return keep_packed(own, msg);
    err = keep_mixed(own, msg, whole, copied);
    if (err == SB_OK && whole) {
        own->wire = msg->wire;
        own->wire_len = msg->wire_len;
        own->wire_buf = msg->wire_buf;
        own->wire_first = msg->wire_first;
    }
    return err;
}

sb_err sb_msg_keep(const sb_msg *msg, sb_msg **out)
{
    sb_msg *own = malloc(sizeof *own);
    sb_err err;

    if (own == NULL)
        return SB_ENOMEM;
    sb_msg_init(own);
    err = keep_into(own, msg);
    if (err != SB_OK) {
        sb_msg_destroy(own);
        return err;
    }
    own->envelope = msg->envelope;
    own->peer = msg->peer;
    *out = own;
    return SB_OK;
}

void sb_msg_destroy(sb_msg *msg)
{
    if (msg == NULL)
        return;
    sb_msg_finish(msg);
    free(msg);
}
