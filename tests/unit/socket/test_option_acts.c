/* Options that no other test looks at: what they do, on both real loops. */
#include "tests/unit/socket/real.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define FDS 256 /* descriptors of a process this small */

/* A socket of ours of that kind whose option has this value. */
static bool some_fd(int type, int level, int option, const void *value, socklen_t len)
{
    for (int fd = 3; fd < FDS; fd++) {
        char got[64] = "";
        int kind = 0;
        socklen_t size = sizeof kind;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) != 0 || kind != type)
            continue;
        size = sizeof got;
        if (getsockopt(fd, level, option, got, &size) == 0 && size >= len && memcmp(got, value, len) == 0)
            return true;
    }
    return false;
}

static void those_without_effect_are_kept(bench *b, ear *in)
{
    static const struct {
        sb_opt opt;
        int64_t value;
    } kept[] = {
        {SB_OPT_AFFINITY, 3},
        {SB_OPT_IN_BATCH_SIZE, 77},
        {SB_OPT_OUT_BATCH_SIZE, 78},
        {SB_OPT_LOOPBACK_FASTPATH, 1},
        {SB_OPT_ONLY_FIRST_SUBSCRIBE, 0},
    };
    sb_socket *sock = open_socket(b, SB_XPUB, in);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        int64_t value;
        set_int(sock, kept[i].opt, kept[i].value);
        assert_int_equal(sb_socket_get_int(sock, kept[i].opt, &value), SB_OK);
        assert_int_equal(value, kept[i].value);
    }
}

static void a_subscriber_is_welcomed(bench *b, ear *in)
{
    sb_socket *pub = open_socket(b, SB_PUB, NULL), *sub = open_socket(b, SB_SUB, in);
    assert_int_equal(sb_socket_set_bytes(pub, SB_OPT_XPUB_WELCOME_MSG, "welcome", 7, NULL, 0), SB_OK);
    bind_to(pub, "tcp://127.0.0.1:*");
    connect_to(sub, sb_socket_last_endpoint(pub));
    assert_int_equal(sb_socket_subscribe(sub, "w", 1), SB_OK);
    await(b, in, 1);
    expect_seen(in, 0, "welcome");
}

static void a_device_is_bound_to(bench *b, ear *in)
{
    char err[200] = "";
    sb_socket *pull = open_socket(b, SB_PULL, in), *push = open_socket(b, SB_PUSH, NULL);
    assert_int_equal(sb_socket_set_bytes(pull, SB_OPT_BINDTODEVICE, "lo", 2, NULL, 0), SB_OK);
    assert_int_equal(sb_socket_set_bytes(push, SB_OPT_BINDTODEVICE, "no-such-dev", 11, NULL, 0), SB_OK);
    if (sb_socket_bind(pull, "tcp://127.0.0.1:*", err, sizeof err) == SB_OK)
        assert_true(some_fd(SOCK_STREAM, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
    assert_int_not_equal(sb_socket_bind(push, "tcp://127.0.0.1:*", err, sizeof err), SB_OK);
}

static void multicast_has_hops_and_no_echo(bench *b, ear *in)
{
    const int hops = 7, echo = 0;
    sb_socket *radio = open_socket(b, SB_RADIO, NULL);
    ear_open(in);
    set_int(radio, SB_OPT_MULTICAST_HOPS, hops);
    set_int(radio, SB_OPT_MULTICAST_LOOP, echo);
    connect_to(radio, "udp://lo;239.255.7.10:9999");
    assert_true(some_fd(SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof hops));
    assert_true(some_fd(SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_LOOP, &echo, sizeof echo));
}

/* How often the handler of inproc://zeromq.zap.01 is asked about a PLAIN client of a socket without domain.
 */
static size_t questions(bench *b, ear *in, bool enforce)
{
    ear room;
    sb_socket *zap = open_socket(b, SB_ROUTER, in), *router = open_socket(b, SB_ROUTER, &room);
    sb_socket *dealer = open_socket(b, SB_DEALER, NULL);
    set_int(router, SB_OPT_PLAIN_SERVER, 1);
    set_int(router, SB_OPT_ZAP_ENFORCE_DOMAIN, enforce);
    assert_int_equal(sb_socket_set_bytes(dealer, SB_OPT_PLAIN_USERNAME, "u", 1, NULL, 0), SB_OK);
    assert_int_equal(sb_socket_set_bytes(dealer, SB_OPT_PLAIN_PASSWORD, "p", 1, NULL, 0), SB_OK);
    bind_to(zap, "inproc://zeromq.zap.01");
    bind_to(router, "tcp://127.0.0.1:*");
    connect_to(dealer, sb_socket_last_endpoint(router));
    for (int i = 0; i < 2000 && in->n == 0 && strstr(room.events, "handshake_failed_auth") == NULL; i++) {
        struct pollfd p = {.fd = sb_engine_fd(b->engine), .events = POLLIN};
        poll(&p, 1, 5);
        sb_engine_step(b->engine);
    }
    sb_socket_close(zap);
    sb_socket_set_handler(router, NULL);
    ear_clear(&room);
    return in->n;
}

static void a_zap_handler_is_asked_without_domain(bench *b, ear *in)
{
    assert_int_equal(questions(b, in, false), 1);
}

static void an_enforced_domain_leaves_the_zap_handler_alone(bench *b, ear *in)
{
    assert_int_equal(questions(b, in, true), 0);
}

/* Octets, not messages, are what is full; the receiver's limit reaches the sender. */
static void octets_are_what_is_full(bench *b, ear *in)
{
    enum { SIZE = 100000 };
    static const char block[SIZE];
    size_t sent = 0;
    sb_stats s;
    sb_socket *pull = open_socket(b, SB_PULL, in), *push = open_socket(b, SB_PUSH, NULL);
    in->take = 0;
    set_int(pull, SB_OPT_RCVHWM_BYTES, SIZE);
    set_int(push, SB_OPT_SNDHWM_BYTES, SIZE);
    set_int(pull, SB_OPT_RCVBUF, 65536);
    set_int(push, SB_OPT_SNDBUF, 65536);
    bind_to(pull, "tcp://127.0.0.1:*");
    connect_to(push, sb_socket_last_endpoint(pull));
    for (int i = 0; i < 300; i++) {
        struct pollfd p = {.fd = sb_engine_fd(b->engine), .events = POLLIN};
        for (int k = 0; k < 10; k++)
            sent += sb_socket_send_bytes(push, block, SIZE) == SB_OK;
        sb_engine_step(b->engine);
        poll(&p, 1, 1);
    }
    sb_socket_stats(pull, &s);
    assert_in_range(s.queued_in_bytes, 1, 4 * SIZE);
    sb_socket_stats(push, &s);
    assert_in_range(s.queued_out_bytes, 1, 3 * SIZE);
    assert_in_range(sent, 2, 200); /* of 3000: 1000 of each would fit into what is counted in messages */
}

#define ON_EACH(name)                                                                                        \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        (void)state;                                                                                         \
        on_each_backend(name);                                                                               \
    }
ON_EACH(those_without_effect_are_kept)
ON_EACH(a_subscriber_is_welcomed)
ON_EACH(a_device_is_bound_to)
ON_EACH(multicast_has_hops_and_no_echo)
ON_EACH(a_zap_handler_is_asked_without_domain)
ON_EACH(an_enforced_domain_leaves_the_zap_handler_alone)
ON_EACH(octets_are_what_is_full)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_without_effect_are_kept),
        cmocka_unit_test(test_a_subscriber_is_welcomed),
        cmocka_unit_test(test_a_device_is_bound_to),
        cmocka_unit_test(test_multicast_has_hops_and_no_echo),
        cmocka_unit_test(test_a_zap_handler_is_asked_without_domain),
        cmocka_unit_test(test_an_enforced_domain_leaves_the_zap_handler_alone),
        cmocka_unit_test(test_octets_are_what_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
