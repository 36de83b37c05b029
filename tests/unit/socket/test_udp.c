/* udp:// on a real loop, both ends ours; what a script that only declares gets; wrong uses. */
#include "bench.h"

#include <poll.h>

/* An engine on the kernel's sockets. */
static void real_open(bench *b, const char *backend)
{
    sb_engine_config cfg = {.backend = backend};
    b->loop = NULL;
    assert_int_equal(sb_engine_create(&cfg, NULL, 0, &b->engine), SB_OK);
}

/* Steps until so many messages were heard; never longer than some seconds. */
static void until(bench *b, const ear *e, size_t n)
{
    for (int i = 0; i < 5000 && e->n < n; i++) {
        struct pollfd pfd = {.fd = sb_engine_fd(b->engine), .events = POLLIN};
        assert_int_equal(sb_engine_step(b->engine), SB_OK);
        if (e->n < n && sb_engine_timeout(b->engine) != 0)
            poll(&pfd, 1, 1);
    }
    assert_int_equal(e->n, n);
}

static const char *bound(sb_socket *sock, const char *endpoint)
{
    bind_to(sock, endpoint);
    return sb_socket_last_endpoint(sock);
}

static void test_radio_to_dish(void **state)
{
    static const char *const backends[] = {"auto", "uv", "auto"};
    static const char *const at[] = {"udp://127.0.0.1:*", "udp://127.0.0.1:*", "udp://[::1]:*"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        bench b;
        ear heard;
        real_open(&b, backends[i]);
        sb_socket *dish = open_socket(&b, SB_DISH, &heard), *radio = open_socket(&b, SB_RADIO, NULL);
        assert_int_equal(sb_socket_join(dish, "news", 4), SB_OK);
        connect_to(radio, bound(dish, at[i]));
        assert_int_equal(send_frames(radio, "other|no"), SB_OK);
        assert_int_equal(send_frames(radio, "news|rain"), SB_OK);
        assert_int_equal(send_frames(radio, "news|"), SB_OK);
        until(&b, &heard, 2);
        expect_seen(&heard, 0, "rain");
        expect_seen(&heard, 1, "");
        sb_stats st;
        sb_socket_stats(dish, &st);
        assert_int_equal(st.dropped[SB_DROP_FILTERED], 1);
        sb_socket_stats(radio, &st);
        assert_int_equal(st.msgs_out, 3);
        sb_engine_destroy(b.engine);
        ear_clear(&heard);
    }
}

static void test_a_group_of_machines(void **state)
{
    (void)state;
    bench b;
    ear one, two;
    char endpoint[64];
    real_open(&b, "auto");
    sb_socket *a = open_socket(&b, SB_DISH, &one), *z = open_socket(&b, SB_DISH, &two);
    sb_socket *radio = open_socket(&b, SB_RADIO, NULL), *probe = open_socket(&b, SB_DGRAM, NULL);
    snprintf(endpoint, sizeof endpoint, "udp://lo;239.255.7.9%s",
        strrchr(bound(probe, "udp://127.0.0.1:*"), ':')); /* a port that is free */
    sb_socket_close(probe);
    assert_int_equal(sb_socket_join(a, "g", 1), SB_OK);
    assert_int_equal(sb_socket_join(z, "g", 1), SB_OK);
    bind_to(a, endpoint);
    bind_to(z, endpoint);
    connect_to(radio, endpoint);
    assert_int_equal(send_frames(radio, "g|to all"), SB_OK);
    until(&b, &one, 1);
    until(&b, &two, 1);
    expect_seen(&one, 0, "to all");
    static char large[2000];
    memset(large, 'x', sizeof large);
    memcpy(large, "g|", 2);
    large[sizeof large - 1] = '\0';
    assert_int_equal(send_frames(radio, large), SB_OK);
    assert_int_equal(send_frames(radio, "g|after"), SB_OK);
    until(&b, &one, 2);
    sb_stats st;
    sb_socket_stats(radio, &st);
    assert_int_equal(st.dropped[SB_DROP_OVERSIZE], 1); /* multicast_maxtpdu */
    sb_engine_destroy(b.engine);
    ear_clear(&one);
    ear_clear(&two);
}

static sb_err echo(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    (void)self;
    return sb_socket_reply(sock, peer, msg, msg);
}

static void test_datagrams_there_and_back(void **state)
{
    (void)state;
    bench b;
    ear heard;
    sb_handler echoes = {.on_msg = echo};
    char text[300];
    real_open(&b, "auto");
    sb_socket *server = open_socket(&b, SB_DGRAM, NULL), *client = open_socket(&b, SB_DGRAM, &heard);
    sb_socket_set_handler(server, &echoes);
    const char *at = bound(server, "udp://127.0.0.1:*");
    connect_to(client, at);
    assert_int_equal(send_frames(client, "|to whom it is connected"), SB_OK);
    snprintf(text, sizeof text, "%s|by name", at + strlen("udp://"));
    assert_int_equal(send_frames(client, text), SB_OK);
    until(&b, &heard, 2);
    expect_seen(&heard, 0, "to whom it is connected");
    expect_seen(&heard, 1, "by name");
    assert_int_equal(send_frames(client, "nonsense|x"), SB_OK);
    assert_int_equal(send_frames(client, "one frame"), SB_EINVAL);
    assert_int_equal(send_frames(client, text), SB_OK);
    until(&b, &heard, 3);
    sb_stats st;
    sb_socket_stats(client, &st);
    assert_int_equal(st.dropped[SB_DROP_NO_PEER], 1);
    sb_engine_destroy(b.engine);
    ear_clear(&heard);
}

static void test_what_is_not_taken_is_dropped(void **state)
{
    (void)state;
    bench b;
    ear heard;
    sb_stats st = {0};
    real_open(&b, "auto");
    sb_socket *dish = open_socket(&b, SB_DISH, &heard), *radio = open_socket(&b, SB_RADIO, NULL);
    set_int(dish, SB_OPT_RCVHWM, 2);
    heard.take = 0;
    assert_int_equal(sb_socket_join(dish, "g", 1), SB_OK);
    connect_to(radio, bound(dish, "udp://127.0.0.1:*"));
    for (int i = 0; i < 6; i++)
        assert_int_equal(send_frames(radio, "g|x"), SB_OK);
    for (int i = 0; i < 2000 && st.dropped[SB_DROP_HWM] == 0; i++) {
        struct pollfd pfd = {.fd = sb_engine_fd(b.engine), .events = POLLIN};
        sb_engine_step(b.engine);
        poll(&pfd, 1, 1);
        sb_socket_stats(dish, &st);
    }
    assert_true(st.dropped[SB_DROP_HWM] >= 1);
    heard.take = SIZE_MAX;
    sb_socket_resume(dish);
    until(&b, &heard, 6 - st.dropped[SB_DROP_HWM]);
    sb_engine_destroy(b.engine);
    ear_clear(&heard);
}

static void refuse(sb_socket *sock, bool bind, const char *endpoint, sb_err expect, const char *says)
{
    char err[256] = "";
    sb_err got = bind ? sb_socket_bind(sock, endpoint, err, sizeof err)
                      : sb_socket_connect(sock, endpoint, err, sizeof err);
    assert_int_equal(got, expect);
    if (strstr(err, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err, says);
}

static void test_wrong_uses(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    sb_socket *radio = open_socket(&b, SB_RADIO, NULL), *dish = open_socket(&b, SB_DISH, NULL);
    sb_socket *pub = open_socket(&b, SB_PUB, NULL), *dgram = open_socket(&b, SB_DGRAM, NULL);
    refuse(radio, true, "udp://127.0.0.1:5555", SB_ENOTSUP, "RADIO to connect");
    refuse(dish, false, "udp://127.0.0.1:5555", SB_ENOTSUP, "DISH to bind");
    refuse(pub, true, "udp://127.0.0.1:5555", SB_ENOTSUP, "udp://");
    refuse(dgram, true, "tcp://127.0.0.1:5555", SB_ENOTSUP, "DGRAM");
    refuse(radio, false, "udp://*:5555", SB_EINVAL, "cannot connect");
    refuse(dish, true, "udp://no.such.interface:5555", SB_EADDRNOTAVAIL, "cannot bind");
    assert_int_equal(sb_socket_set_bytes(radio, SB_OPT_PLAIN_USERNAME, "me", 2, NULL, 0), SB_OK);
    refuse(radio, false, "udp://127.0.0.1:5555", SB_ENOTSUP, "secure");
    bench_close(&b);
}

static void test_a_loop_without_descriptors_only_declares(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    sb_socket *dish = open_socket(&b, SB_DISH, NULL), *radio = open_socket(&b, SB_RADIO, NULL);
    assert_string_equal(bound(dish, "udp://127.0.0.1:5555"), "udp://127.0.0.1:5555");
    connect_to(radio, "udp://127.0.0.1:5555");
    assert_int_equal(send_frames(radio, "g|goes nowhere"), SB_OK);
    settle(&b);
    sb_stats st;
    sb_socket_stats(radio, &st);
    assert_int_equal(st.queued_out_msgs, 0);
    assert_int_equal(sb_socket_disconnect(radio, "udp://127.0.0.1:5555"), SB_OK);
    settle(&b);
    sb_socket_stats(radio, &st);
    assert_int_equal(st.peers, 0);
    bench_close(&b);
}

static void test_a_kick_ends_the_endpoint(void **state)
{
    (void)state;
    bench b;
    sb_peer *peer;
    bench_open(&b);
    sb_socket *radio = open_socket(&b, SB_RADIO, NULL);
    assert_int_equal(sb_socket_connect_peer(radio, "udp://127.0.0.1:5555", &peer, NULL, 0), SB_OK);
    assert_int_equal(sb_peer_kick(peer, "enough"), SB_OK);
    settle(&b);
    sb_stats st;
    sb_socket_stats(radio, &st);
    assert_int_equal(st.peers, 0);
    assert_int_equal(sb_socket_disconnect(radio, "udp://127.0.0.1:5555"), SB_ENOENT);
    bench_close(&b);
}

static void test_dgram_over_inproc(void **state)
{
    (void)state;
    bench b;
    ear heard;
    bench_open(&b);
    sb_socket *a = open_socket(&b, SB_DGRAM, &heard), *z = open_socket(&b, SB_DGRAM, NULL);
    bind_to(a, "inproc://x");
    connect_to(z, "inproc://x");
    settle(&b);
    assert_int_equal(send_frames(z, "any name|body"), SB_OK);
    settle(&b);
    expect_seen(&heard, 0, "body");
    bench_close(&b);
    ear_clear(&heard);
}

/* What came is received, also where there is no room for it: else more would be dropped than there was. */
static void test_a_datagram_without_room_was_received(void **state)
{
    static const char *const backends[] = {"auto", "uv"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench b;
        sb_stats st = {0};
        real_open(&b, backends[i]);
        sb_socket *to = open_socket(&b, SB_DGRAM, NULL), *from = open_socket(&b, SB_DGRAM, NULL);
        char text[80];
        set_int(to, SB_OPT_RCVHWM, 1);
        snprintf(text, sizeof text, "%s|hello", bound(to, "udp://127.0.0.1:*") + strlen("udp://"));
        bound(from, "udp://127.0.0.1:*");
        for (int n = 0; n < 5; n++)
            assert_int_equal(send_frames(from, text), SB_OK);
        for (int n = 0; n < 5000 && st.msgs_in < 5; n++) {
            struct pollfd pfd = {.fd = sb_engine_fd(b.engine), .events = POLLIN};
            assert_int_equal(sb_engine_step(b.engine), SB_OK);
            poll(&pfd, 1, 1);
            sb_socket_stats(to, &st);
        }
        assert_int_equal(st.msgs_in, 5);
        assert_int_equal(st.queued_in_msgs + st.dropped[SB_DROP_HWM], 5);
        assert_true(st.dropped[SB_DROP_HWM] > 0);
        sb_engine_destroy(b.engine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_datagram_without_room_was_received),
        cmocka_unit_test(test_radio_to_dish),
        cmocka_unit_test(test_a_group_of_machines),
        cmocka_unit_test(test_datagrams_there_and_back),
        cmocka_unit_test(test_what_is_not_taken_is_dropped),
        cmocka_unit_test(test_wrong_uses),
        cmocka_unit_test(test_a_loop_without_descriptors_only_declares),
        cmocka_unit_test(test_a_kick_ends_the_endpoint),
        cmocka_unit_test(test_dgram_over_inproc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
