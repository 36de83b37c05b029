/* SOCKS5 on the fake loop: the test is the proxy. */
#include "tests/unit/socket/bench.h"

#include <arpa/inet.h>

#define TARGET "tcp://zmq.example.org:5555"

typedef struct call {
    bench b;
    ear in;
    sb_socket *push;
    sb_fake_port *port;
    sb_fake_raw *raw;
} call;

static void start(call *c, const char *endpoint, const char *username)
{
    sb_addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&addr.ss;
    in->sin_family = AF_INET;
    in->sin_port = htons(1080);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bench_open(&c->b);
    assert_int_equal(sb_fake_listen_raw(c->b.loop, &addr, &c->port), SB_OK);
    c->push = open_socket(&c->b, SB_PUSH, &c->in);
    assert_int_equal(sb_socket_set_bytes(c->push, SB_OPT_SOCKS_PROXY, "127.0.0.1:1080", 14, NULL, 0), SB_OK);
    sb_socket_set_bytes(c->push, SB_OPT_SOCKS_USERNAME, username, strlen(username), NULL, 0);
    sb_socket_set_bytes(c->push, SB_OPT_SOCKS_PASSWORD, "secret", 6, NULL, 0);
    connect_to(c->push, endpoint);
    settle(&c->b);
    c->raw = sb_fake_port_accept(c->port);
    assert_non_null(c->raw);
}

static void finish(call *c)
{
    sb_fake_raw_close(c->raw, SB_OK);
    sb_fake_port_close(c->port);
    ear_clear(&c->in);
    bench_close(&c->b);
}

static void hear(call *c, const void *bytes, size_t n)
{
    uint8_t got[600];
    settle(&c->b);
    assert_int_equal(sb_fake_raw_read(c->raw, got, sizeof got), n);
    assert_memory_equal(got, bytes, n);
}

static void say(call *c, const void *bytes, size_t n)
{
    assert_int_equal(sb_fake_raw_write(c->raw, bytes, n), n);
    settle(&c->b);
}

#define HEAR(c, text) hear(c, text, sizeof(text) - 1)
#define SAY(c, text)  say(c, text, sizeof(text) - 1)

/* The proxy's end of the stream is now the peer's: greeting and READY of a PULL. */
static void be_peer(call *c)
{
    uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    static const char ready[] = "\x04\x1a\x05READY\x0bSocket-Type\0\0\0\4PULL";
    char got[600];
    say(c, greeting, sizeof greeting);
    say(c, ready, sizeof ready - 1);
    assert_int_equal(send_text(c->push, "hello"), SB_OK);
    settle(&c->b);
    size_t n = sb_fake_raw_read(c->raw, got, sizeof got);
    assert_true(n > 7);
    assert_memory_equal(got + n - 7, "\0\5hello", 7);
}

static void test_a_name_is_the_proxys_to_look_up(void **state)
{
    (void)state;
    call c;
    start(&c, TARGET, "");
    HEAR(&c, "\5\1\0");
    SAY(&c, "\5\0");
    HEAR(&c, "\5\1\0\3\x0fzmq.example.org\x15\xb3");
    static const char reply[] = "\5\0\0\1\1\2\3\4\5\6"; /* octet by octet */
    for (size_t i = 0; i < sizeof reply - 1; i++)
        say(&c, reply + i, 1);
    be_peer(&c);
    finish(&c);
}

static void test_addresses_and_passwords(void **state)
{
    (void)state;
    call c;
    start(&c, "tcp://192.0.2.7:1", "user");
    HEAR(&c, "\5\2\0\2");
    SAY(&c, "\5\2");
    HEAR(&c, "\1\4user\6secret");
    SAY(&c, "\1\0");
    HEAR(&c, "\5\1\0\1\xc0\0\2\7\0\1");
    SAY(&c, "\5\0\0\3\2ab\0\1");
    be_peer(&c);
    finish(&c);
    start(&c, "tcp://[2001:db8::1]:2", "");
    HEAR(&c, "\5\1\0");
    SAY(&c, "\5\0");
    HEAR(&c, "\5\1\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\2");
    SAY(&c, "\5\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    be_peer(&c);
    finish(&c);
}

typedef struct refusal {
    const char *first, *second;
    size_t first_len, second_len;
} refusal;

#define REFUSAL(a, b)                                                                                        \
    {                                                                                                        \
        a, b, sizeof(a) - 1, sizeof(b) - 1                                                                   \
    }
static const refusal refusals[] = {
    REFUSAL("\4\0", ""),
    REFUSAL("\5\xff", ""),
    REFUSAL("\5\2", ""),
    REFUSAL("HTTP/1.1 400 Bad\r\n", ""),
    REFUSAL("\5\0", "\5\5\0\1\0\0\0\0\0\0"),
    REFUSAL("\5\0", "\5\x63\0\1\0\0\0\0\0\0"),
    REFUSAL("\5\0", "\4\0\0\1\0\0\0\0\0\0"),
    REFUSAL("\5\0", "\5\0\0\7\0\0\0\0\0\0"),
};

static void test_refusals_are_told_and_tried_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        call c;
        start(&c, TARGET, "");
        HEAR(&c, "\5\1\0");
        say(&c, refusals[i].first, refusals[i].first_len);
        if (refusals[i].second_len > 0)
            say(&c, refusals[i].second, refusals[i].second_len);
        pass(&c.b, 1200);
        assert_non_null(strstr(c.in.events, "handshake_failed_protocol"));
        assert_non_null(strstr(c.in.events, "connect_retried"));
        finish(&c);
    }
}

static void test_a_bad_proxy_is_refused_at_once(void **state)
{
    (void)state;
    bench b;
    char err[200];
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL);
    sb_socket_set_bytes(push, SB_OPT_SOCKS_PROXY, "nowhere", 7, NULL, 0);
    assert_int_equal(sb_socket_connect(push, TARGET, err, sizeof err), SB_EINVAL);
    assert_string_equal(err, "cannot connect " TARGET ": bad socks_proxy, expected HOST:PORT: nowhere");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_is_the_proxys_to_look_up),
        cmocka_unit_test(test_addresses_and_passwords),
        cmocka_unit_test(test_refusals_are_told_and_tried_again),
        cmocka_unit_test(test_a_bad_proxy_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
