/* Any bytes into a session, twice: in one piece, and in pieces whose sizes come from the input too. Both must
 * tell the same story. Built by scripts/fuzz.sh with clang's libFuzzer; the sanitizers look for the rest. */
#include "engine/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct story {
    bool octets;   /* STREAM: how they are cut into messages tells nothing */
    uint64_t hash; /* of everything told, in order */
    unsigned msgs;
    sb_err err;
    sb_session_cause cause;
    sb_session_state state;
} story;

static void tell(story *st, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++)
        st->hash = (st->hash ^ p[i]) * 0x100000001b3ull;
    if (!st->octets)
        st->hash = (st->hash ^ len) * 0x100000001b3ull;
}

static sb_err on_ready(sb_session *s, const sb_peer_info *info)
{
    tell(sb_session_data(s), info->identity, info->identity_len);
    for (uint32_t i = 0; i < info->nprops; i++)
        tell(sb_session_data(s), info->props[i].value, info->props[i].value_len);
    return SB_OK;
}

static sb_err on_msg(sb_session *s, sb_msg *msg)
{
    story *st = sb_session_data(s);
    sb_msg *kept;
    if (sb_msg_keep(msg, &kept) != SB_OK)
        abort();
    for (uint32_t i = 0; i < kept->n; i++)
        tell(st, kept->frames[i].data, kept->frames[i].len);
    st->msgs++;
    sb_msg_destroy(kept);
    return SB_OK;
}

static sb_err on_subscribe(sb_session *s, const uint8_t *topic, size_t len, bool subscribe)
{
    tell(sb_session_data(s), &subscribe, 1);
    tell(sb_session_data(s), topic, len);
    return SB_OK;
}

static void on_rtt(sb_session *s, uint64_t rtt)
{
    (void)s, (void)rtt;
}

static const sb_session_events events = {
    .on_ready = on_ready, .on_msg = on_msg, .on_subscribe = on_subscribe, .on_rtt = on_rtt};

static sb_session *open_session(story *st, uint8_t kind)
{
    sb_session_config cfg = {
        .type = (sb_type)(kind % SB_TYPE_COUNT),
        .strict = (kind & 0x40) != 0,
        .max_frame = (kind & 0x20) != 0 ? 300 : -1,
        .max_frames = 20,
    };
    sb_session *s;
    st->octets = cfg.type == SB_STREAM;
    st->hash = 0xcbf29ce484222325ull;
    return sb_session_create(&cfg, &events, st, 1, &s) == SB_OK ? s : NULL;
}

/* Output is taken as it comes, as a connection would. */
static void take_output(sb_session *s)
{
    const uint8_t *out;
    size_t n = sb_session_output(s, &out);
    sb_session_sent(s, n);
}

/* A piece in a buffer of exactly its size: one octet beyond it is seen. */
static sb_err feed(sb_session *s, const uint8_t *p, size_t n)
{
    size_t taken = 0;
    sb_buf *buf = sb_buf_create(n);
    memcpy(buf->data, p, n);
    sb_err err = sb_session_feed(s, buf, buf->data, n, 2, &taken);
    sb_buf_unref(buf);
    take_output(s);
    return err;
}

static story run(uint8_t kind, const uint8_t *p, size_t n, const uint8_t *cuts)
{
    story st = {0};
    sb_session *s = open_session(&st, kind);
    for (size_t at = 0, i = 0; s != NULL && at < n && st.err == SB_OK; i++) {
        size_t piece = cuts == NULL ? n : (size_t)cuts[i % 4] % 40 + 1;
        piece = piece < n - at ? piece : n - at;
        st.err = feed(s, p + at, piece);
        at += piece;
    }
    if (s != NULL) {
        st.state = sb_session_get_state(s);
        st.cause = sb_session_why(s, NULL);
    }
    sb_session_destroy(s);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 6)
        return 0;
    story whole = run(data[0], data + 5, size - 5, NULL), pieces = run(data[0], data + 5, size - 5, data + 1);
    if (whole.hash == pieces.hash && whole.err == pieces.err && whole.cause == pieces.cause &&
        whole.state == pieces.state)
        return 0;
    fprintf(stderr, "whole: %u messages, %s; in pieces: %u messages, %s\n", whole.msgs, sb_errname(whole.err),
        pieces.msgs, sb_errname(pieces.err));
    abort();
}
