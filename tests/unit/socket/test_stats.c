/* What is told about waiting and about speed, on the fake loop, where time passes as the test says. */
#include "tests/unit/socket/bench.h"

static const char *const endpoints[] = {"tcp://127.0.0.1:5555", "inproc://stats"};

static void expect_about(uint64_t got, uint64_t ms, uint64_t slack_ms)
{
    if (got + slack_ms * SB_NS_PER_MS < ms * SB_NS_PER_MS || got > (ms + slack_ms) * SB_NS_PER_MS)
        fail_msg("%llu ms, wanted %llu", (unsigned long long)(got / SB_NS_PER_MS), (unsigned long long)ms);
}

static sb_stats stats_of(sb_socket *sock)
{
    sb_stats s;
    sb_socket_stats(sock, &s);
    return s;
}

static bool keep_peer(void *arg, sb_peer *peer)
{
    *(sb_peer **)arg = peer;
    return false;
}

static sb_peer *peer_of(sb_socket *sock)
{
    sb_peer *peer = NULL;
    sb_socket_each_peer(sock, keep_peer, &peer);
    assert_non_null(peer);
    return peer;
}

static void test_an_unsent_message_grows_older(void **state)
{
    bench b;
    (void)state;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL);
    connect_to(push, "tcp://127.0.0.1:5555");
    assert_int_equal(stats_of(push).age_out, 0);
    send_text(push, "first");
    pass(&b, 300);
    expect_about(stats_of(push).age_out, 300, 2);
    send_text(push, "second");
    pass(&b, 200);
    expect_about(stats_of(push).age_out, 500, 2);
    sb_stats peer;
    sb_peer_stats(peer_of(push), &peer);
    assert_int_equal(peer.age_out, stats_of(push).age_out);
    bench_close(&b);
}

/* One message every 10 ms for a nobody, then taken out one by one: each time the oldest left is told. */
static void test_the_age_is_that_of_the_first_message_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench b;
        bench_open(&b);
        sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, NULL);
        bind_to(pull, endpoints[i]);
        connect_to(push, endpoints[i]);
        pass(&b, 200);
        for (int k = 0; k < 100; k++) {
            assert_int_equal(send_text(push, "x"), SB_OK);
            pass(&b, 10);
        }
        sb_msg msg;
        sb_msg_init(&msg);
        for (uint64_t k = 0; k < 100; k++) {
            /* To a sixteenth of the age that the oldest had when this one came. */
            expect_about(stats_of(pull).age_in, 1000 - 10 * k, 2 + 10 * k / 16);
            assert_int_equal(sb_socket_recv(pull, &msg), SB_OK);
            sb_msg_finish(&msg);
            settle(&b);
        }
        assert_int_equal(stats_of(pull).age_in, 0);
        bench_close(&b);
    }
}

/* A peer that reads now and then: whatever left, what is left was sent later. */
static void test_what_is_written_leaves_the_younger(void **state)
{
    bench b;
    (void)state;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, NULL);
    set_int(pull, SB_OPT_RCVHWM, 10);
    set_int(push, SB_OPT_SNDHWM, 0);
    bind_to(pull, "tcp://127.0.0.1:5555");
    connect_to(push, "tcp://127.0.0.1:5555");
    pass(&b, 200);
    char text[8192];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int k = 0; k < 200; k++) {
        send_text(push, text);
        pass(&b, 1);
    }
    uint64_t left = stats_of(push).queued_out_msgs, before = stats_of(push).age_out;
    assert_true(left > 20 && before > 0);
    sb_msg msg;
    sb_msg_init(&msg);
    for (int k = 0; k < 100 && sb_socket_recv(pull, &msg) == SB_OK; k++) {
        sb_msg_finish(&msg);
        settle(&b);
    }
    uint64_t now = stats_of(push).queued_out_msgs;
    assert_true(now > 0 && now < left);
    assert_true(stats_of(push).age_out <= before);
    while (sb_socket_recv(pull, &msg) == SB_OK) {
        sb_msg_finish(&msg);
        settle(&b);
    }
    assert_int_equal(stats_of(push).age_out, 0);
    bench_close(&b);
}

static void test_what_a_handler_refuses_has_an_age(void **state)
{
    bench b;
    ear in;
    (void)state;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
    in.take = 0;
    bind_to(pull, "inproc://x");
    connect_to(push, "inproc://x");
    send_text(push, "m");
    settle(&b);
    pass(&b, 40);
    expect_about(stats_of(pull).age_in, 40, 2);
    in.take = SIZE_MAX;
    sb_socket_resume(pull);
    settle(&b);
    assert_int_equal(stats_of(pull).age_in, 0);
    ear_clear(&in);
    bench_close(&b);
}

/* Held for a target without room, and with a stage: replaced messages are young. */
static void test_held_and_staged_messages_have_an_age(void **state)
{
    bench b;
    (void)state;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL);
    set_int(push, SB_OPT_CONFLATE_KEY, 1);
    connect_to(push, "inproc://nowhere");
    send_frames(push, "a|1");
    send_frames(push, "b|1");
    pass(&b, 50);
    send_frames(push, "c|1");
    send_frames(push, "a|2");
    send_frames(push, "b|2");
    pass(&b, 20);
    expect_about(stats_of(push).age_out, 20, 2);
    bench_close(&b);
}

static void test_rates_are_differences_over_a_second_or_more(void **state)
{
    bench b;
    ear in;
    sb_rates r;
    (void)state;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
    bind_to(pull, "inproc://x");
    connect_to(push, "inproc://x");
    settle(&b);
    for (int i = 0; i < 100; i++) {
        send_text(push, "ten octets");
        pass(&b, 20);
    }
    sb_socket_rates(pull, &r);
    assert_true(r.msgs_in > 49 && r.msgs_in < 51 && r.msgs_out == 0);
    assert_true(r.bytes_in > 49 * 12 && r.bytes_in < 51 * 12);
    pass(&b, 1500); /* two seconds at 50, then nothing */
    sb_socket_rates(pull, &r);
    assert_true(r.msgs_in == 0 && r.span > 1.4);
    for (int i = 0; i < 10; i++) {
        send_text(push, "x");
        pass(&b, 100);
        sb_socket_rates(pull, &r); /* asking often does not make it nervous */
        assert_true(r.span >= 0.09);
    }
    assert_true(r.msgs_in > 3 && r.msgs_in < 11);
    sb_peer_rates(peer_of(pull), &r);
    assert_true(r.msgs_in > 110 / 4.6 && r.msgs_in < 110 / 4.4);
    ear_clear(&in);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_unsent_message_grows_older),
        cmocka_unit_test(test_the_age_is_that_of_the_first_message_left),
        cmocka_unit_test(test_what_is_written_leaves_the_younger),
        cmocka_unit_test(test_what_a_handler_refuses_has_an_age),
        cmocka_unit_test(test_held_and_staged_messages_have_an_age),
        cmocka_unit_test(test_rates_are_differences_over_a_second_or_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
