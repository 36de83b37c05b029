/* A client and a server session that talk, and somebody on the path who changes what passes. Over CURVE the
 * server must hear nothing but what the client said, in order, each message once; over PLAIN and NULL nothing
 * may break. Input: mechanism, then pairs of octets, an action and where to apply it. */
#include "engine/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define MESSAGES 40

typedef struct side {
    sb_session *s;
    uint32_t heard; /* the number of the last message */
    bool asked, curve;
} side;

static sb_err on_ready(sb_session *s, const sb_peer_info *info)
{
    (void)s, (void)info;
    return SB_OK;
}

static void complain(const char *what)
{
    fprintf(stderr, "fuzz_secure: %s\n", what);
    abort();
}

/* Messages are numbered; what an attacker makes of PLAIN's is not looked at. */
static sb_err on_msg(sb_session *s, sb_msg *msg)
{
    side *me = sb_session_data(s);
    uint32_t number = 0;
    if (!me->curve)
        return SB_OK;
    if (msg->n != 2 || msg->frames[0].len != sizeof number)
        complain("a message that nobody sent");
    memcpy(&number, msg->frames[0].data, sizeof number);
    if (number <= me->heard || number > MESSAGES || msg->frames[1].len != number * 3)
        complain("a message again, or out of order");
    for (size_t i = 0; i < msg->frames[1].len; i++)
        if (msg->frames[1].data[i] != (uint8_t)number)
            complain("a changed message");
    me->heard = number;
    return SB_OK;
}

static sb_err on_subscribe(sb_session *s, const uint8_t *topic, size_t len, bool subscribe)
{
    (void)s, (void)topic, (void)len, (void)subscribe;
    return SB_OK;
}

static void on_rtt(sb_session *s, uint64_t rtt)
{
    (void)s, (void)rtt;
}

static sb_err on_auth(sb_session *s, const sb_credentials *credentials, const sb_peer_info *info)
{
    (void)credentials, (void)info;
    ((side *)sb_session_data(s))->asked = true;
    return SB_OK;
}

static const sb_session_events events = {.on_ready = on_ready,
    .on_msg = on_msg,
    .on_subscribe = on_subscribe,
    .on_rtt = on_rtt,
    .on_auth = on_auth};

/* ---- the path ---- */

typedef struct path {
    const uint8_t *script;
    size_t left;
} path;

enum action { FLIP, CUT, TWICE, INSERT, SWAP, ACTIONS };

/* Changes `len` octets in `data`, of which there is room for twice as many; returns how many there are. */
static size_t change(path *p, uint8_t *data, size_t len)
{
    if (p->left < 2 || len == 0)
        return len;
    uint8_t action = p->script[0], where = p->script[1];
    size_t at = where * len / 256;
    p->script += 2;
    p->left -= 2;
    if (action & 0x80) /* this time not */
        return len;
    switch (action % ACTIONS) {
    case FLIP:
        data[at] ^= (uint8_t)(1u << (action >> 4 & 7));
        return len;
    case CUT:
        return at;
    case TWICE:
        memmove(data + len, data, len - at);
        return len + (len - at);
    case INSERT:
        memmove(data + at + 1, data + at, len - at);
        data[at] = action;
        return len + 1;
    default:
        data[at] = data[len - 1 - at];
        return len;
    }
}

static void feed(side *to, const uint8_t *data, size_t len)
{
    sb_buf *buf = sb_buf_create(len);
    size_t taken = 0, at = 0;
    memcpy(buf->data, data, len);
    do {
        sb_err err = sb_session_feed(to->s, buf, buf->data + at, len - at, 2, &taken);
        at += taken;
        if (err != SB_OK)
            break;
        if (to->asked) {
            to->asked = false;
            sb_session_answer(to->s, &(sb_session_verdict){.status = 200, .user_id = "somebody"}, 2);
        } else if (taken == 0) {
            break;
        }
    } while (at < len);
    sb_buf_unref(buf);
}

static size_t put_message(uint32_t number, uint8_t *out)
{
    size_t len = number * 3;
    out[0] = 1;
    out[1] = sizeof number;
    memcpy(out + 2, &number, sizeof number);
    out[6] = 0;
    out[7] = (uint8_t)len;
    memset(out + 8, (int)number, len);
    return 8 + len;
}

/* Control octets of a side, and one message when it may. */
static size_t speak(side *from, uint32_t number, uint8_t *out)
{
    const uint8_t *control;
    uint8_t packed[256];
    size_t len = sb_session_output(from->s, &control);
    if (len > 0)
        memcpy(out, control, len);
    sb_session_sent(from->s, len);
    if (number == 0 || sb_session_get_state(from->s) != SB_SESSION_READY)
        return len;
    struct iovec iov = {packed, put_message(number, packed)};
    sb_buf *sealed;
    if (sb_session_passthrough(from->s)) {
        memcpy(out + len, packed, iov.iov_len);
        return len + iov.iov_len;
    }
    if (sb_session_seal(from->s, &iov, 1, &sealed) != SB_OK)
        complain("a message could not be sealed");
    memcpy(out + len, sealed->data, sealed->cap);
    len += sealed->cap;
    sb_buf_unref(sealed);
    return len;
}

static void carry(path *p, side *from, side *to, uint32_t number)
{
    static uint8_t wire[2 * 16384];
    size_t len = change(p, wire, speak(from, number, wire));
    if (len > 0 && sb_session_get_state(to->s) != SB_SESSION_OVER)
        feed(to, wire, len);
}

/* ---- a conversation ---- */

static void open_side(side *me, sb_mechanism mechanism, bool server)
{
    static sb_curve_pair keys[2];
    if (keys[0].public_key[0] == 0 && keys[0].public_key[1] == 0)
        for (int i = 0; i < 2; i++)
            sb_curve_generate(&keys[i]);
    sb_session_config cfg = {.type = server ? SB_PULL : SB_PUSH, .max_frame = -1, .strict = true};
    cfg.security = (sb_security){.mechanisms = SB_MECHANISM_BIT(mechanism),
        .server = server,
        .ask = server,
        .username = "ada",
        .password = "secret",
        .keys = &keys[server],
        .nkeys = 1,
        .server_key = keys[1].public_key};
    *me = (side){.curve = mechanism == SB_MECHANISM_CURVE};
    if (sb_session_create(&cfg, &events, me, 1, &me->s) != SB_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    side client, server;
    if (size < 1)
        return 0;
    sb_mechanism mechanism = (sb_mechanism)(data[0] % SB_MECHANISM_COUNT);
    path p = {data + 1, size - 1};
    open_side(&client, mechanism, false);
    open_side(&server, mechanism, true);
    for (uint32_t turn = 0, number = 0; turn < MESSAGES + 8; turn++) {
        bool talks = sb_session_get_state(client.s) == SB_SESSION_READY && number < MESSAGES;
        carry(&p, &client, &server, talks ? ++number : 0);
        carry(&p, &server, &client, 0);
    }
    if (size == 1 && mechanism == SB_MECHANISM_CURVE && server.heard != MESSAGES)
        complain("an undisturbed conversation lost messages");
    sb_session_destroy(client.s);
    sb_session_destroy(server.s);
    return 0;
}
