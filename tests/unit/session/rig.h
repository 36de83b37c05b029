/* A session under test: everything it tells becomes a line of text, bytes come from literals, the clock is a
 * number. */
#ifndef TEST_SESSION_RIG_H
#define TEST_SESSION_RIG_H

#include "engine/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define MS 1000000ull
#define S  1000000000ull

struct rig {
    sb_session *s;
    char log[32768];
    sb_err say; /* what callbacks return */
    sb_err ready_say;
    uint64_t now, rtt;
    sb_err err; /* of the last feed */
    unsigned msgs;
    bool quiet;   /* count messages, do not log them */
    sb_msg *kept; /* the last message when keep is set */
    bool keep;
};

__attribute__((format(printf, 2, 3))) static inline void rig_note(struct rig *r, const char *format, ...)
{
    size_t at = strlen(r->log);
    va_list args;

    va_start(args, format);
    vsnprintf(r->log + at, sizeof r->log - at, format, args);
    va_end(args);
}

static inline void rig_note_bytes(struct rig *r, const uint8_t *p, size_t len)
{
    if (len > 40)
        rig_note(r, "#%zu", len);
    else
        for (size_t i = 0; i < len; i++)
            rig_note(r, p[i] >= 33 && p[i] < 127 ? "%c" : "%%%02x", p[i]);
}

static inline sb_err rig_on_ready(sb_session *s, const sb_peer_info *info)
{
    struct rig *r = sb_session_data(s);

    rig_note(r, "ready %s %u.%u ", sb_type_name(info->type), info->major, info->minor);
    rig_note_bytes(r, info->identity, info->identity_len);
    rig_note(r, "\n");
    return r->ready_say;
}

static inline sb_err rig_on_msg(sb_session *s, sb_msg *msg)
{
    struct rig *r = sb_session_data(s);

    r->msgs++;
    if (r->keep) {
        sb_msg_destroy(r->kept);
        assert_int_equal(sb_msg_keep(msg, &r->kept), SB_OK);
    }
    if (r->quiet)
        return r->say;
    rig_note(r, "msg");
    for (uint32_t i = 0; i < msg->n; i++) {
        const sb_frame *f = &msg->frames[i];

        assert_non_null(f->buf);
        assert_true(f->data >= f->buf->data && f->data + f->len <= f->buf->data + f->buf->cap);
        rig_note(r, " [");
        rig_note_bytes(r, f->data, f->len);
        rig_note(r, "]");
    }
    if (msg->wire_len > 0) {
        uint8_t *packed = malloc(sb_msg_packed_size(msg));

        /* what may be forwarded as it is must be what we would write */
        assert_int_equal(sb_msg_packed_size(msg), msg->wire_len);
        msg->wire_len = 0;
        sb_msg_pack(msg, packed);
        assert_memory_equal(packed, msg->wire, sb_msg_packed_size(msg));
        free(packed);
    } else {
        rig_note(r, " odd");
    }
    rig_note(r, "\n");
    return r->say;
}

static inline sb_err rig_on_subscribe(sb_session *s, const uint8_t *topic, size_t len, bool subscribe)
{
    struct rig *r = sb_session_data(s);

    rig_note(r, subscribe ? "sub " : "cancel ");
    rig_note_bytes(r, topic, len);
    rig_note(r, "\n");
    return r->say;
}

static inline void rig_on_rtt(sb_session *s, uint64_t rtt)
{
    struct rig *r = sb_session_data(s);

    r->rtt = rtt;
    rig_note(r, "rtt %llu\n", (unsigned long long)rtt);
}

static const sb_session_events rig_events = {
    .on_ready = rig_on_ready,
    .on_msg = rig_on_msg,
    .on_subscribe = rig_on_subscribe,
    .on_rtt = rig_on_rtt,
};

static inline sb_session_config rig_config(sb_type type)
{
    return (sb_session_config){.type = type, .max_frame = -1, .strict = true};
}

static inline void rig_init_with(struct rig *r, const sb_session_config *cfg)
{
    memset(r, 0, sizeof *r);
    r->now = 1 * S;
    assert_int_equal(sb_session_create(cfg, &rig_events, r, r->now, &r->s), SB_OK);
}

static inline void rig_init(struct rig *r, sb_type type)
{
    sb_session_config cfg = rig_config(type);

    rig_init_with(r, &cfg);
}

static inline void rig_finish(struct rig *r)
{
    sb_session_destroy(r->s);
    sb_msg_destroy(r->kept);
}

/* Feeds bytes out of a buffer of exactly their size, so that a sanitizer sees every read too far. */
static inline size_t rig_feed(struct rig *r, const void *data, size_t len)
{
    sb_buf *buf = sb_buf_create(len);
    size_t took;

    memcpy(buf->data, data, len);
    r->err = sb_session_feed(r->s, buf, buf->data, len, r->now, &took);
    sb_buf_unref(buf);
    return took;
}

/* Feeds bytes in pieces of `step`, stopping at the first error. */
static inline void rig_feed_pieces(struct rig *r, const uint8_t *data, size_t len, size_t step)
{
    r->err = SB_OK;
    for (size_t at = 0; at < len && r->err == SB_OK; at += step)
        rig_feed(r, data + at, len - at < step ? len - at : step);
}

#define FEED(r, literal) rig_feed(r, literal, sizeof(literal) - 1)

static inline size_t rig_take(struct rig *r, uint8_t *out, size_t cap)
{
    const uint8_t *p;
    size_t n = sb_session_output(r->s, &p);

    assert_true(n <= cap);
    if (n > 0)
        memcpy(out, p, n);
    sb_session_sent(r->s, n);
    return n;
}

static inline void rig_drop_output(struct rig *r)
{
    uint8_t out[4096];

    rig_take(r, out, sizeof out);
}

/* Moves output to the other until neither has any; returns the octets moved. */
static inline size_t rig_marry(struct rig *a, struct rig *b)
{
    uint8_t out[8192];
    size_t n, total = 0;

    do {
        n = rig_take(a, out, sizeof out);
        if (n > 0)
            rig_feed(b, out, n);
        total += n;
        struct rig *other = a;
        a = b;
        b = other;
    } while (n > 0 || (sb_session_output(a->s, &(const uint8_t *){NULL}) > 0));
    return total;
}

#define GREETING_30 "\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" ZEROS_31
#define GREETING_31 "\xff\0\0\0\0\0\0\0\1\x7f\3\1NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" ZEROS_31
#define ZEROS_31    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

/* READY of a peer without an identity; `head` is "\4" and the length of the body. */
#define READY_OF(head, length, type) head "\5READY\13Socket-Type\0\0\0" length type
#define READY_PUSH                   READY_OF("\4\x1a", "\4", "PUSH")
#define READY_SUB                    READY_OF("\4\x19", "\3", "SUB")
#define READY_DEALER                 READY_OF("\4\x1c", "\6", "DEALER")

/* A session that is past its handshake with a peer of the given READY. */
#define RIG_READY(r, type, greeting, ready)                                                                  \
    do {                                                                                                     \
        rig_init(r, type);                                                                                   \
        FEED(r, greeting ready);                                                                             \
        assert_int_equal((r)->err, SB_OK);                                                                   \
        assert_int_equal(sb_session_get_state((r)->s), SB_SESSION_READY);                                    \
        rig_drop_output(r);                                                                                  \
        (r)->log[0] = '\0';                                                                                  \
    } while (0)

/* The session is over for this cause. */
static inline void rig_assert_over(struct rig *r, sb_err err, sb_session_cause cause)
{
    const char *detail;

    assert_string_equal(sb_session_cause_name(sb_session_why(r->s, &detail)), sb_session_cause_name(cause));
    assert_int_equal(r->err, err);
    assert_true(detail[0] != '\0');
    assert_int_equal(sb_session_get_state(r->s), SB_SESSION_OVER);
    assert_true(sb_session_deadline(r->s) == UINT64_MAX);
}

/* The output ends with an ERROR command. */
static inline void rig_assert_error_sent(struct rig *r)
{
    uint8_t out[4096];
    size_t n = rig_take(r, out, sizeof out);

    assert_true(n > 8);
    for (size_t i = 0; i + 8 <= n; i++)
        if (out[i] == 4 && memcmp(out + i + 2, "\5ERROR", 6) == 0 && i + 2 + out[i + 1] == n)
            return;
    fail_msg("no ERROR command");
}

#endif
