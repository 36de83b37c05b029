/* A hand-made ZMTP 3.1 peer on the fake loop: the test is the other side. */
#ifndef SB_TEST_RAW_PEER_H
#define SB_TEST_RAW_PEER_H

#include <string.h>

#include "backends/fake/fake.h"

static inline void raw_put(sb_fake_raw *raw, const void *bytes, size_t n)
{
    assert_int_equal(sb_fake_raw_write(raw, bytes, n), n);
}

/* Connects to 127.0.0.1:`port`. */
static inline sb_fake_raw *raw_connect(sb_loop *loop, uint16_t port)
{
    sb_addr addr = {.len = sizeof(uint8_t)};
    sb_fake_raw *raw;
    struct sockaddr_storage *ss = &addr.ss;
    memset(ss, 0, sizeof *ss);
    ss->ss_family = AF_INET;
    uint8_t *in = (uint8_t *)ss; /* port and address at offsets 2 and 4 of sockaddr_in */
    in[3] = (uint8_t)port;
    in[4] = 127;
    in[7] = 1;
    addr.len = 16;
    assert_int_equal(sb_fake_connect_raw(loop, &addr, &raw), SB_OK);
    return raw;
}

/* Connects, sends greeting and READY as a socket of `type`. */
static inline sb_fake_raw *raw_join(sb_loop *loop, uint16_t port, const char *type)
{
    uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    uint8_t ready[64] = {4, 0, 5, 'R', 'E', 'A', 'D', 'Y', 11, 'S', 'o', 'c', 'k', 'e', 't', '-', 'T', 'y',
        'p', 'e', 0, 0, 0, (uint8_t)strlen(type)};
    sb_fake_raw *raw = raw_connect(loop, port);
    ready[1] = (uint8_t)(22 + strlen(type));
    memcpy(ready + 24, type, strlen(type));
    raw_put(raw, greeting, sizeof greeting);
    raw_put(raw, ready, 24 + strlen(type));
    assert_true(sb_fake_settle(loop, 1000));
    return raw;
}

#endif
