/* Several services behind one port (RFC 37 "The Resource Property"), on the fake loop. */
#include "tests/unit/socket/bench.h"

#include "tests/raw_peer.h"

#define PORT "tcp://127.0.0.1:5555"

static void test_each_client_finds_its_service(void **state)
{
    (void)state;
    bench b;
    ear orders, ticks, plain;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, &orders), *router = open_socket(&b, SB_ROUTER, &ticks),
              *rest = open_socket(&b, SB_PULL, &plain);
    bind_to(pull, PORT "/orders/eu");
    bind_to(router, PORT "/ticks");
    bind_to(rest, PORT);
    assert_string_equal(sb_socket_last_endpoint(pull), PORT "/orders/eu");
    assert_string_equal(sb_socket_last_endpoint(rest), PORT);
    sb_socket *a = open_socket(&b, SB_PUSH, NULL), *c = open_socket(&b, SB_DEALER, NULL),
              *d = open_socket(&b, SB_PUSH, NULL);
    connect_to(a, PORT "/orders/eu");
    connect_to(c, PORT "/ticks");
    connect_to(d, PORT);
    settle(&b);
    send_text(a, "order");
    send_text(c, "tick");
    send_text(d, "plain");
    settle(&b);
    expect_seen(&orders, 0, "order");
    expect_seen(&ticks, 0, "tick");
    expect_seen(&plain, 0, "plain");
    sb_stats s;
    sb_socket_stats(pull, &s);
    assert_int_equal(s.peers, 1);
    sb_socket_stats(router, &s);
    assert_int_equal(s.peers, 1);
    ear_clear(&orders);
    ear_clear(&ticks);
    ear_clear(&plain);
    bench_close(&b);
}

static void test_an_unknown_service_is_an_error_until_it_is_there(void **state)
{
    (void)state;
    bench b;
    ear client, late;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, NULL), *push = open_socket(&b, SB_PUSH, &client);
    bind_to(pull, PORT "/orders");
    connect_to(push, PORT "/late");
    send_text(push, "x");
    pass(&b, 300);
    assert_non_null(strstr(client.events, "handshake_failed_protocol"));
    sb_socket *service = open_socket(&b, SB_PULL, &late);
    bind_to(service, PORT "/late");
    pass(&b, 40000);
    expect_seen(&late, 0, "x");
    ear_clear(&late);
    bench_close(&b);
}

static void test_what_the_peer_sees(void **state)
{
    (void)state;
    bench b;
    uint8_t bytes[256] = {0};
    char text[1024] = "";
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, NULL), *pub = open_socket(&b, SB_PUB, NULL);
    bind_to(pull, PORT "/orders");
    bind_to(pub, PORT "/feed");
    sb_addr addr = {.len = 16};
    memset(&addr.ss, 0, sizeof addr.ss);
    addr.ss.ss_family = AF_INET;
    ((uint8_t *)&addr.ss)[2] = 5555 >> 8;
    ((uint8_t *)&addr.ss)[3] = 5555 & 255;
    ((uint8_t *)&addr.ss)[4] = 127;
    ((uint8_t *)&addr.ss)[7] = 1;
    static const struct {
        const char *ready;
        size_t len;
        const char *expect;
    } cases[] = {
        {"\4\x2a\5READY\xbSocket-Type\0\0\0\3SUB\x8Resource\0\0\0\4feed", 0, "PUB"},
        {"\4\x2d\5READY\xbSocket-Type\0\0\0\4PUSH\x8resource\0\0\0\6orders", 0, "PULL"},
        {"\4\x2a\5READY\xbSocket-Type\0\0\0\3SUB\x8Resource\0\0\0\4nope", 0, "no such resource"},
        {"\4\x19\5READY\xbSocket-Type\0\0\0\3SUB", 0, "no such resource"},
    };
    static const uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    for (size_t i = 0; i < 4; i++) {
        sb_fake_raw *raw;
        assert_int_equal(sb_fake_connect_raw(b.loop, &addr, &raw), SB_OK);
        raw_put(raw, greeting, sizeof greeting);
        settle(&b);
        assert_int_equal(sb_fake_raw_read(raw, bytes, sizeof bytes), 64); /* no READY before ours */
        raw_put(raw, cases[i].ready, 2 + (size_t)(uint8_t)cases[i].ready[1]);
        settle(&b);
        size_t n = sb_fake_raw_read(raw, bytes, sizeof bytes);
        for (size_t k = 0; k < n; k++)
            text[k] = bytes[k] >= 32 && bytes[k] < 127 ? (char)bytes[k] : '.';
        text[n] = '\0';
        if (strstr(text, cases[i].expect) == NULL)
            fail_msg("case %zu: %s", i, text);
        sb_fake_raw_close(raw, SB_OK);
        settle(&b);
    }
    bench_close(&b);
}

static void test_the_port_outlives_who_opened_it(void **state)
{
    (void)state;
    bench b;
    ear in;
    char err[128];
    bench_open(&b);
    sb_socket *first = open_socket(&b, SB_PULL, NULL), *second = open_socket(&b, SB_PULL, &in),
              *third = open_socket(&b, SB_REP, NULL);
    bind_to(first, PORT "/a");
    bind_to(second, PORT "/b");
    bind_to(third, PORT "/c");
    assert_int_equal(sb_socket_bind(third, PORT "/a", err, sizeof err), SB_EADDRINUSE);
    sb_socket_close(first);
    settle(&b);
    bind_to(third, PORT "/a"); /* free now */
    sb_socket *push = open_socket(&b, SB_PUSH, NULL);
    connect_to(push, PORT "/b");
    send_text(push, "x");
    settle(&b);
    expect_seen(&in, 0, "x");
    assert_int_equal(sb_socket_unbind(second, PORT "/b"), SB_OK);
    sb_socket_close(third);
    settle(&b);
    sb_socket *other = open_socket(&b, SB_PULL, NULL);
    bind_to(other, PORT); /* nobody listens there any more */
    ear_clear(&in);
    bench_close(&b);
}

/* Who has the port is full; that is nothing to those who share it. */
static void test_peers_are_counted_by_the_service_they_want(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    sb_socket *first = open_socket(&b, SB_PULL, NULL), *second = open_socket(&b, SB_PULL, NULL);
    set_int(first, SB_OPT_MAX_PEERS, 1);
    set_int(second, SB_OPT_MAX_PEERS_PER_ADDRESS, 2);
    bind_to(first, PORT "/first");
    bind_to(second, PORT "/second");
    for (int i = 0; i < 3; i++) {
        connect_to(open_socket(&b, SB_PUSH, NULL), PORT "/first");
        connect_to(open_socket(&b, SB_PUSH, NULL), PORT "/second");
        pass(&b, 300);
    }
    assert_int_equal(sb_socket_peers(first), 1);
    assert_int_equal(sb_socket_peers(second), 2);
    bench_close(&b);
}

static void test_plain_ports_are_as_they_were(void **state)
{
    (void)state;
    bench b;
    char err[128];
    bench_open(&b);
    sb_socket *a = open_socket(&b, SB_PULL, NULL), *c = open_socket(&b, SB_PULL, NULL);
    bind_to(a, PORT);
    assert_int_equal(sb_socket_bind(c, PORT, err, sizeof err), SB_EADDRINUSE);
    bind_to(c, PORT "/more"); /* a service may come to a plain port */
    static const char *const bad[] = {PORT "/", PORT "//a", PORT "/a/", PORT "/a b", PORT "/ä"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(sb_socket_bind(c, bad[i], err, sizeof err), SB_EINVAL);
        assert_non_null(strstr(err, "bad resource"));
    }
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_client_finds_its_service),
        cmocka_unit_test(test_an_unknown_service_is_an_error_until_it_is_there),
        cmocka_unit_test(test_what_the_peer_sees),
        cmocka_unit_test(test_the_port_outlives_who_opened_it),
        cmocka_unit_test(test_peers_are_counted_by_the_service_they_want),
        cmocka_unit_test(test_plain_ports_are_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
