/* ws:// on the fake loop, with a hand-made WebSocket client and server of good and bad manners. */
#include "tests/unit/socket/bench.h"

#include <arpa/inet.h>

#define ENDPOINT "ws://127.0.0.1:8080/zmq"

/* ---- a client of the test's own ---- */

static sb_fake_raw *dial(bench *b)
{
    sb_addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&addr.ss;
    sb_fake_raw *raw;
    in->sin_family = AF_INET;
    in->sin_port = htons(8080);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(sb_fake_connect_raw(b->loop, &addr, &raw), SB_OK);
    settle(b);
    return raw;
}

static void put(bench *b, sb_fake_raw *raw, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    while (n > 0) {
        size_t taken = sb_fake_raw_write(raw, p, n);
        p += taken;
        n -= taken;
        settle(b);
        if (taken == 0)
            return; /* the other end is gone */
    }
}

static size_t get(sb_fake_raw *raw, char *out, size_t cap)
{
    size_t n = sb_fake_raw_read(raw, out, cap - 1);
    out[n] = '\0';
    return n;
}

/* Whether the other end closed, once all it said is read. */
static bool ended(sb_fake_raw *raw)
{
    char rest[4096];
    while (get(raw, rest, sizeof rest) > 0)
        continue;
    return sb_fake_raw_ended(raw);
}

#define FIELDS                                                                                               \
    "Host: here\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\nSec-WebSocket-Version: 13\r\n"
#define KEY  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define ZWS  "Sec-WebSocket-Protocol: mqtt, ZWS2.0\r\n"
#define GOOD "GET /zmq?x=1 HTTP/1.1\r\n" FIELDS KEY ZWS "\r\n"

/* A masked message of the client's; lengths up to 65535. */
static size_t masked(uint8_t *out, uint8_t first, const void *bytes, size_t n)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    size_t at = 0;
    out[at++] = first;
    out[at++] = (uint8_t)(0x80 | (n < 126 ? n : 126));
    if (n >= 126) {
        out[at++] = (uint8_t)(n >> 8);
        out[at++] = (uint8_t)n;
    }
    memcpy(out + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < n; i++)
        out[at + i] = ((const uint8_t *)bytes)[i] ^ mask[i % 4];
    return at + n;
}

static void put_masked(bench *b, sb_fake_raw *raw, uint8_t first, const void *bytes, size_t n)
{
    uint8_t *out = malloc(n + 16);
    put(b, raw, out, masked(out, first, bytes, n));
    free(out);
}

typedef struct server {
    bench b;
    ear in;
    sb_socket *sock;
} server;

static void serve(server *s, sb_type type)
{
    bench_open(&s->b);
    s->sock = open_socket(&s->b, type, &s->in);
    bind_to(s->sock, ENDPOINT);
}

static void end(server *s)
{
    ear_clear(&s->in);
    bench_close(&s->b);
}

/* Up to and with the server's routing id, which is empty. */
static sb_fake_raw *join(server *s)
{
    char answer[1024];
    sb_fake_raw *raw = dial(&s->b);
    put(&s->b, raw, GOOD, strlen(GOOD));
    size_t n = get(raw, answer, sizeof answer);
    assert_memory_equal(answer + n - 7, "\r\n\r\n\x82\x01\x00", 7);
    assert_non_null(strstr(answer, "HTTP/1.1 101 "));
    assert_non_null(
        strstr(answer, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")); /* RFC 6455 1.3 */
    assert_non_null(strstr(answer, "\r\nSec-WebSocket-Protocol: ZWS2.0\r\n"));
    return raw;
}

static void test_a_client_without_a_mechanism(void **state)
{
    (void)state;
    server s;
    uint8_t out[64];
    serve(&s, SB_ROUTER);
    sb_fake_raw *raw = join(&s);
    put_masked(&s.b, raw, 0x82, "\0bob", 4);
    put_masked(&s.b, raw, 0x82, "\1one", 4);
    put_masked(&s.b, raw, 0x02, "\0t", 2); /* in fragments, a ping between them */
    put_masked(&s.b, raw, 0x89, "hi", 2);
    put_masked(&s.b, raw, 0x80, "wo", 2);
    expect_seen(&s.in, 0, "one|two");
    assert_int_equal(sb_fake_raw_read(raw, out, sizeof out), 4);
    assert_memory_equal(out, "\x8a\x02hi", 4);
    send_frames(s.sock, "bob|x|y");
    settle(&s.b);
    assert_int_equal(sb_fake_raw_read(raw, out, sizeof out), 8);
    assert_memory_equal(out, "\x82\x02\x01x\x82\x02\x00y", 8);
    put_masked(&s.b, raw, 0x88, "\x03\xe8", 2);
    assert_int_equal(sb_fake_raw_read(raw, out, sizeof out), 4);
    assert_memory_equal(out, "\x88\x02\x03\xe8", 4);
    pass(&s.b, 1100);
    assert_true(ended(raw));
    assert_non_null(strstr(s.in.events, "disconnected"));
    sb_fake_raw_close(raw, SB_OK);
    end(&s);
}

typedef struct refusal {
    const char *request, *status;
} refusal;

static const refusal refusals[] = {
    {"GET /other HTTP/1.1\r\n" FIELDS KEY ZWS "\r\n", "404"},
    {"GET /zmq/ HTTP/1.1\r\n" FIELDS KEY ZWS "\r\n", "404"},
    {"POST /zmq HTTP/1.1\r\n" FIELDS KEY ZWS "\r\n", "405"},
    {"GET /zmq HTTP/1.0\r\n" FIELDS KEY ZWS "\r\n", "400"},
    {"GET /zmq HTTP/1.1\r\nHost: here\r\n\r\n", "426"},
    {"GET /zmq HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
     "Sec-WebSocket-Version: 8\r\n" KEY ZWS "\r\n",
        "426"},
    {"GET /zmq HTTP/1.1\r\n" FIELDS KEY "\r\n", "400"},
    {"GET /zmq HTTP/1.1\r\n" FIELDS KEY "Sec-WebSocket-Protocol: ZWS2.0/CURVE\r\n\r\n", "400"},
    {"GET /zmq HTTP/1.1\r\n" FIELDS "Sec-WebSocket-Key: short\r\n" ZWS "\r\n", "400"},
    {"GET /zmq HTTP/1.1\r\n" FIELDS ZWS "\r\n", "400"},
    {"GET /zmq HTTP/1.1\r\n" FIELDS "Host: two\r\n" KEY ZWS "\r\n", "400"},
    {"GET /zmq HTTP/1.1\r\n" FIELDS " folded: x\r\n" KEY ZWS "\r\n", "400"},
    {"GET /zmq HTTP/1.1\r\n" FIELDS "bad name: x\r\n" KEY ZWS "\r\n", "400"},
    {"GET /zmq HTTP/1.1\n" FIELDS KEY ZWS "\r\n", "400"},
    {"GET  /zmq HTTP/1.1\r\n" FIELDS KEY ZWS "\r\n", "400"},
    {"\r\n\r\n", "400"},
    {"\x16\x03\x01\x02\r\n\r\n", "400"},
};

static void test_bad_requests_get_an_http_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        for (size_t split = 0; split < 2; split++) {
            server s;
            char answer[1024], expected[32];
            serve(&s, SB_PULL);
            sb_fake_split(s.b.loop, split);
            sb_fake_raw *raw = dial(&s.b);
            put(&s.b, raw, refusals[i].request, strlen(refusals[i].request));
            get(raw, answer, sizeof answer);
            snprintf(expected, sizeof expected, "HTTP/1.1 %s ", refusals[i].status);
            if (strncmp(answer, expected, strlen(expected)) != 0)
                fail_msg("request %zu: expected %s, got: %s", i, expected, answer);
            assert_true(ended(raw));
            assert_non_null(strstr(s.in.events, "handshake_failed_protocol"));
            sb_fake_raw_close(raw, SB_OK);
            end(&s);
        }
    }
}

static void test_an_endless_head_is_cut(void **state)
{
    (void)state;
    server s;
    char answer[1024], line[] = "X-Filler: 0123456789012345678901234567890123456789\r\n";
    serve(&s, SB_PULL);
    sb_fake_raw *raw = dial(&s.b);
    put(&s.b, raw, "GET /zmq HTTP/1.1\r\n", 19);
    size_t sent = 0;
    for (; sent < 1000000 && !ended(raw); sent += strlen(line))
        put(&s.b, raw, line, strlen(line));
    assert_in_range(sent, 8000, 9000);
    sb_fake_raw_close(raw, SB_OK);
    raw = dial(&s.b); /* and all at once */
    char *all = malloc(20000);
    memset(all, 'a', 20000);
    put(&s.b, raw, all, 20000);
    get(raw, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 431 "));
    free(all);
    sb_fake_raw_close(raw, SB_OK);
    end(&s);
}

static void test_a_silent_client_times_out(void **state)
{
    (void)state;
    bench b;
    ear in;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, &in);
    set_int(pull, SB_OPT_HANDSHAKE_IVL, 100);
    bind_to(pull, ENDPOINT);
    sb_fake_raw *raw = dial(&b);
    put(&b, raw, "GET /zmq HT", 11);
    pass(&b, 110);
    assert_true(ended(raw));
    sb_fake_raw_close(raw, SB_OK);
    bench_close(&b);
}

typedef struct manners {
    const char *what;
    const uint8_t *bytes;
    size_t len;
    uint16_t code; /* of the close frame that answers */
} manners;

#define NO_CODE 1005
#define BAD(what, code, text)                                                                                \
    {                                                                                                        \
        what, (const uint8_t *)(text), sizeof(text) - 1, code                                                \
    }
static const manners bad_manners[] = {
    BAD("unmasked", 1002, "\x82\x02\x00x"),
    BAD("reserved bits", 1002, "\xc2\x82\0\0\0\0\0x"),
    BAD("unknown opcode", 1002, "\x83\x82\0\0\0\0\0x"),
    BAD("text", 1003, "\x81\x82\0\0\0\0hi"),
    BAD("continuation of nothing", 1002, "\x80\x82\0\0\0\0hi"),
    BAD("a ping in fragments", NO_CODE, "\x09\x82\0\0\0\0hi"),
    BAD("a ping of 126 octets", NO_CODE, "\x89\xfe\0\x7e\0\0\0\0"),
    BAD("no flags octet", 1002, "\x82\x80\0\0\0\0"),
    BAD("unknown flags", 1002, "\x82\x82\0\0\0\0\x04x"),
    BAD("length of 2^63", NO_CODE, "\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0"),
    BAD("close code 1005", 1002, "\x88\x82\0\0\0\0\x03\xed"),
};

static void test_bad_manners_close_with_a_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_manners / sizeof *bad_manners; i++) {
        server s;
        uint8_t out[64];
        serve(&s, SB_PULL);
        sb_fake_raw *raw = join(&s);
        put_masked(&s.b, raw, 0x82, "\0", 1);
        put(&s.b, raw, bad_manners[i].bytes, bad_manners[i].len);
        size_t n = sb_fake_raw_read(raw, out, sizeof out);
        pass(&s.b, 1100);
        if (!ended(raw))
            fail_msg("%s: still open", bad_manners[i].what);
        uint16_t code = n >= 4 ? (uint16_t)(out[2] << 8 | out[3]) : NO_CODE;
        if (n < 2 || out[0] != 0x88 || code != bad_manners[i].code)
            fail_msg("%s: %zu octets, close code %d", bad_manners[i].what, n, code);
        sb_fake_raw_close(raw, SB_OK);
        end(&s);
    }
}

static const uint8_t huge[] = {
    0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 'x'};

/* Only octets that came take memory. */
static void test_a_declared_length_costs_nothing(void **state)
{
    (void)state;
    server s;
    serve(&s, SB_PULL);
    sb_fake_raw *raw = join(&s);
    put_masked(&s.b, raw, 0x82, "\0", 1);
    uint8_t allowed[sizeof huge]; /* 200 MiB: below max_message */
    memcpy(allowed, huge, sizeof huge);
    memcpy(allowed + 2, "\0\0\0\0\x0c\x80\0\0", 8);
    put(&s.b, raw, allowed, sizeof allowed);
    assert_null(strstr(s.in.events, "disconnected"));
    sb_fake_raw_close(raw, SB_OK);
    end(&s);
}

static void test_maxmsgsize_holds_whole_and_in_fragments(void **state)
{
    (void)state;
    server s;
    char piece[300] = "";
    bench_open(&s.b);
    s.sock = open_socket(&s.b, SB_PULL, &s.in);
    set_int(s.sock, SB_OPT_MAXMSGSIZE, 1000);
    bind_to(s.sock, ENDPOINT);
    sb_fake_raw *raw = join(&s);
    put_masked(&s.b, raw, 0x82, "\0", 1);
    put(&s.b, raw, huge, sizeof huge);
    pass(&s.b, 1100);
    assert_true(ended(raw));
    sb_fake_raw_close(raw, SB_OK);
    raw = join(&s);
    put_masked(&s.b, raw, 0x82, "\0", 1);
    put_masked(&s.b, raw, 0x02, piece, sizeof piece);
    for (int i = 0; i < 10; i++)
        put_masked(&s.b, raw, 0x00, piece, sizeof piece);
    pass(&s.b, 1100);
    assert_true(ended(raw));
    sb_fake_raw_close(raw, SB_OK);
    end(&s);
}

/* Who sends pings and reads no pongs is not read any more: what we owe it is bounded. */
static void test_a_flood_of_pings_stops_reading(void **state)
{
    (void)state;
    server s;
    char payload[125] = "";
    uint8_t frame[160];
    serve(&s, SB_PULL);
    sb_fake_limit(s.b.loop, 4096);
    sb_fake_raw *raw = join(&s);
    put_masked(&s.b, raw, 0x82, "\0", 1);
    size_t len = masked(frame, 0x89, payload, sizeof payload), sent = 0;
    for (int i = 0; i < 10000; i++) {
        sent += sb_fake_raw_write(raw, frame, len);
        settle(&s.b);
    }
    assert_in_range(sent, 4096, 4 * 65536);
    sb_fake_raw_close(raw, SB_OK);
    end(&s);
}

/* ---- a server of the test's own ---- */

typedef struct client {
    bench b;
    ear in;
    sb_socket *sock;
    sb_fake_port *port;
} client;

static void call(client *c)
{
    sb_addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&addr.ss;
    in->sin_family = AF_INET;
    in->sin_port = htons(8080);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bench_open(&c->b);
    assert_int_equal(sb_fake_listen_raw(c->b.loop, &addr, &c->port), SB_OK);
    c->sock = open_socket(&c->b, SB_DEALER, &c->in);
    connect_to(c->sock, ENDPOINT);
    settle(&c->b);
}

static void hang_up(client *c)
{
    sb_fake_port_close(c->port);
    ear_clear(&c->in);
    bench_close(&c->b);
}

/* The answer is in flight when its peer goes: nobody above waits for that write. */
static void test_a_pong_that_cannot_be_written_ends_the_connection(void **state)
{
    (void)state;
    server s;
    serve(&s, SB_PULL);
    sb_fake_raw *raw = join(&s);
    put_masked(&s.b, raw, 0x82, "\0bob", 4);
    assert_int_equal(sb_socket_peers(s.sock), 1);
    sb_fake_limit(s.b.loop, 2);
    put_masked(&s.b, raw, 0x89, "hello", 5);
    sb_fake_split(s.b.loop, 1);
    sb_fake_limit(s.b.loop, 0);
    sb_fake_raw_write(raw, "\x82\x82\1\2\3\4\1z", 8);
    sb_fake_raw_close(raw, SB_OK);
    settle(&s.b);
    assert_int_equal(sb_socket_peers(s.sock), 0);
    assert_non_null(strstr(s.in.events, "disconnected"));
    end(&s);
}

/* A peer does not read our close frame; the engine ends, and nobody waits for that. */
static void test_last_words_do_not_hold_the_engines_end(void **state)
{
    (void)state;
    server s;
    serve(&s, SB_PULL);
    sb_fake_raw *raw = join(&s);
    put_masked(&s.b, raw, 0x82, "\0bob", 4);
    put_masked(&s.b, raw, 0x82, "\0hello", 6);
    expect_seen(&s.in, 0, "hello");
    sb_fake_limit(s.b.loop, 1);
    assert_int_equal(sb_peer_kick(s.in.peer, "test"), SB_OK);
    settle(&s.b);
    sb_engine_destroy(s.b.engine);
    assert_int_equal(s.in.closed, 1);
    sb_fake_raw_close(raw, SB_OK);
    ear_clear(&s.in);
    sb_loop_destroy(s.b.loop);
}

/* The client says goodbye behind more than is taken of it. Who does not read is not told so; but what it
 * writes goes nowhere, and that is the end. */
static void test_a_write_behind_the_clients_end_ends_the_connection(void **state)
{
    (void)state;
    server s;
    uint8_t all[256];
    size_t n = 0;
    bench_open(&s.b);
    s.sock = open_socket(&s.b, SB_PAIR, &s.in);
    set_int(s.sock, SB_OPT_RCVHWM, 1);
    bind_to(s.sock, ENDPOINT);
    sb_fake_raw *raw = join(&s);
    put_masked(&s.b, raw, 0x82, "\0bob", 4);
    s.in.take = 0;
    for (int i = 0; i < 4; i++)
        n += masked(all + n, 0x82, "\0x", 2);
    n += masked(all + n, 0x88, "\3\350", 2);
    put(&s.b, raw, all, n);
    assert_int_equal(sb_socket_peers(s.sock), 1);
    send_text(s.sock, "anybody there?");
    pass(&s.b, 10);
    assert_int_equal(sb_socket_peers(s.sock), 0);
    sb_fake_raw_close(raw, SB_OK);
    end(&s);
}

static void test_the_client_asks_as_the_rfc_says(void **state)
{
    (void)state;
    client c;
    char request[1024];
    call(&c);
    sb_fake_raw *raw = sb_fake_port_accept(c.port);
    assert_non_null(raw);
    get(raw, request, sizeof request);
    assert_non_null(strstr(request, "GET /zmq HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"));
    assert_non_null(strstr(request, "Sec-WebSocket-Protocol: ZWS2.0,ZWS2.0/NULL\r\n"));
    sb_fake_raw_close(raw, SB_OK);
    hang_up(&c);
}

static const char *const bad_answers[] = {
    "HTTP/1.1 404 Not Found\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ZWS2.0\r\n\r\n"),
    "\xff\0\0\0\0\0\0\0\1\x7f\3\r\n\r\n",
    "SSH-2.0-x\r\n\r\n",
};

static void test_bad_answers_are_refused_and_tried_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_answers / sizeof *bad_answers; i++) {
        client c;
        call(&c);
        sb_fake_raw *raw = sb_fake_port_accept(c.port);
        assert_non_null(raw);
        put(&c.b, raw, bad_answers[i], i == 3 ? 15 : strlen(bad_answers[i]));
        pass(&c.b, 1100);
        assert_true(ended(raw));
        assert_non_null(strstr(c.in.events, "handshake_failed_protocol"));
        assert_non_null(strstr(c.in.events, "connect_retried"));
        sb_fake_raw_close(raw, SB_OK);
        hang_up(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_without_a_mechanism),
        cmocka_unit_test(test_bad_requests_get_an_http_answer),
        cmocka_unit_test(test_an_endless_head_is_cut),
        cmocka_unit_test(test_a_silent_client_times_out),
        cmocka_unit_test(test_bad_manners_close_with_a_code),
        cmocka_unit_test(test_a_declared_length_costs_nothing),
        cmocka_unit_test(test_maxmsgsize_holds_whole_and_in_fragments),
        cmocka_unit_test(test_a_flood_of_pings_stops_reading),
        cmocka_unit_test(test_a_pong_that_cannot_be_written_ends_the_connection),
        cmocka_unit_test(test_last_words_do_not_hold_the_engines_end),
        cmocka_unit_test(test_a_write_behind_the_clients_end_ends_the_connection),
        cmocka_unit_test(test_the_client_asks_as_the_rfc_says),
        cmocka_unit_test(test_bad_answers_are_refused_and_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
