/* A stranger that says what it likes to a socket, and a good client beside it that must be served all the
 * while. */
#ifndef SB_TEST_STRANGER_H
#define SB_TEST_STRANGER_H

#include "tests/unit/socket/bench.h"

#include <netinet/in.h>

typedef struct rig {
    bench b;
    ear heard;
    sb_socket *sock, *good;
    sb_fake_raw *raw;
    unsigned greetings;
} rig;

static inline void rig_open(rig *r, sb_type type)
{
    memset(r, 0, sizeof *r);
    bench_open(&r->b);
    r->sock = open_socket(&r->b, type, &r->heard);
    bind_to(r->sock, "tcp://127.0.0.1:7000");
    r->good = open_socket(&r->b, type == SB_ROUTER ? SB_DEALER : type == SB_REP ? SB_REQ : SB_SUB, NULL);
    connect_to(r->good, "tcp://127.0.0.1:7000");
    settle(&r->b);
}

static inline void rig_close(rig *r)
{
    sb_fake_raw_close(r->raw, SB_OK);
    ear_clear(&r->heard);
    bench_close(&r->b);
}

static inline void say(rig *r, const void *octets, size_t n)
{
    sb_fake_raw_write(r->raw, octets, n); /* takes nothing once we hung up */
    settle(&r->b);
}
#define SAY(r, text) say(r, text, sizeof(text) - 1)

static inline void call(rig *r)
{
    sb_addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&addr.ss;
    in->sin_family = AF_INET;
    in->sin_port = htons(7000);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sb_fake_raw_close(r->raw, SB_OK);
    assert_int_equal(sb_fake_connect_raw(r->b.loop, &addr, &r->raw), SB_OK);
    settle(&r->b);
}

static inline void greet(rig *r, uint8_t minor)
{
    uint8_t greeting[64] = {0xff, [9] = 0x7f, 3, minor, 'N', 'U', 'L', 'L'};
    call(r);
    say(r, greeting, sizeof greeting);
}

/* A whole handshake, with `more` behind the socket type. */
static inline void meet_with(rig *r, uint8_t minor, const char *type, const void *more, size_t n)
{
    uint8_t ready[300] = {4};
    size_t len = strlen(type);
    greet(r, minor);
    ready[1] = (uint8_t)(22 + len + n);
    memcpy(ready + 2, "\5READY\13Socket-Type\0\0\0", 21);
    ready[23] = (uint8_t)len;
    memcpy(ready + 24, type, len);
    memcpy(ready + 24 + len, more, n);
    say(r, ready, 24 + len + n);
}

static inline void meet(rig *r, const char *type)
{
    meet_with(r, 1, type, "", 0);
}

/* What it has heard so far, without what was heard before. */
static inline size_t hear(rig *r, uint8_t *out, size_t cap)
{
    return sb_fake_raw_read(r->raw, out, cap);
}

static inline bool hung_up(rig *r)
{
    uint8_t block[4096];
    while (hear(r, block, sizeof block) > 0)
        ;
    settle(&r->b);
    return sb_fake_raw_ended(r->raw);
}

static inline uint64_t peers(const rig *r)
{
    sb_stats s;
    sb_socket_stats(r->sock, &s);
    return s.peers;
}

static inline uint64_t dropped(const rig *r, sb_drop why)
{
    sb_stats s;
    sb_socket_stats(r->sock, &s);
    return s.dropped[why];
}

/* The good client is served, and nothing but its message was delivered. */
static inline void check_served(rig *r)
{
    size_t before = r->heard.n;
    assert_int_equal(before, r->greetings);
    assert_int_equal(send_text(r->good, "good"), SB_OK);
    settle(&r->b);
    expect_seen(&r->heard, before, "good");
    r->greetings++;
}

static inline void check_refused(rig *r)
{
    assert_true(hung_up(r));
    assert_int_equal(peers(r), 1);
    check_served(r);
}

#endif
