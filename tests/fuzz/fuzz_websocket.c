/* Any octets to a ws:// socket on the fake loop, before or after a good handshake, in pieces: it never
 * asserts, spins or keeps anything, and what it says back is HTTP or close frames. */
#include "backends/fake/fake.h"
#include "engine/signalbox.h"
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>

static const char good[] = "GET /z HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                           "Sec-WebSocket-Protocol: ZWS2.0\r\n\r\n";

static void drain(sb_loop *loop, sb_fake_raw *raw)
{
    char back[4096];
    FUZZ_CHECK(sb_fake_settle(loop, 100000));
    while (sb_fake_raw_read(raw, back, sizeof back) > 0)
        FUZZ_CHECK(sb_fake_settle(loop, 100000));
}

static void talk(sb_loop *loop, sb_fake_raw *raw, fuzz_input *in, unsigned how)
{
    if (how & 1)
        sb_fake_raw_write(raw, good, sizeof good - 1);
    drain(loop, raw);
    while (fuzz_left(in) > 0) {
        size_t len;
        uint8_t *piece = fuzz_take(in, (how & 2) ? 1 + how % 61 : 4096, &len);
        sb_fake_raw_write(raw, piece, len);
        free(piece);
        drain(loop, raw);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = fuzz_input_of(data, size);
    unsigned how = fuzz_u8(&in);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    sb_addr addr = {.len = sizeof at};
    sb_loop *loop;
    sb_engine *engine;
    sb_socket *sock;
    sb_fake_raw *raw;
    memcpy(&addr.ss, &at, sizeof at);
    FUZZ_CHECK(sb_fake_create(&loop) == SB_OK);
    sb_engine_config cfg = {.loop = loop};
    FUZZ_CHECK(sb_engine_create(&cfg, NULL, 0, &engine) == SB_OK);
    FUZZ_CHECK(sb_socket_create(engine, (how & 4) ? SB_XPUB : SB_PULL, NULL, &sock) == SB_OK);
    FUZZ_CHECK(sb_socket_bind(sock, "ws://127.0.0.1:80/z", NULL, 0) == SB_OK);
    FUZZ_CHECK(sb_fake_connect_raw(loop, &addr, &raw) == SB_OK);
    talk(loop, raw, &in, how);
    sb_fake_raw_close(raw, SB_OK);
    FUZZ_CHECK(sb_fake_settle(loop, 100000));
    sb_engine_destroy(engine);
    sb_loop_destroy(loop);
    return 0;
}
