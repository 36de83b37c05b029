/* Late joiners on the fake loop: what is replayed to a new subscriber, and when a subscriber knows that it is
 * one. */
#include "tests/unit/socket/bench.h"

#include "tests/raw_peer.h"

static const char *const endpoints[] = {"tcp://127.0.0.1:5555", "inproc://late"};

static void subscribe(sb_socket *sock, const char *topic)
{
    assert_int_equal(sb_socket_subscribe(sock, topic, strlen(topic)), SB_OK);
}

static void expect_all(ear *e, const char *expect)
{
    char text[2048] = "";
    for (size_t i = 0; i < e->n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i > 0 ? " " : "", e->seen[i]);
    assert_string_equal(text, expect);
    ear_clear(e);
}

static sb_socket *publisher(bench *b, int last, const char *endpoint)
{
    sb_socket *pub = open_socket(b, SB_XPUB, NULL);
    set_int(pub, SB_OPT_RETAIN_LAST, last);
    bind_to(pub, endpoint);
    return pub;
}

static void test_a_late_subscriber_gets_what_it_missed_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench b;
        ear in;
        bench_open(&b);
        sb_socket *pub = publisher(&b, 2, endpoints[i]), *sub = open_socket(&b, SB_SUB, &in);
        static const char *const before[] = {"a|1", "b|1", "a|2", "c|1", "a|3"};
        for (size_t k = 0; k < 5; k++)
            assert_int_equal(send_frames(pub, before[k]), SB_OK);
        subscribe(sub, "a");
        subscribe(sub, "c");
        connect_to(sub, endpoints[i]);
        settle(&b);
        assert_int_equal(send_frames(pub, "a|4"), SB_OK);
        settle(&b);
        assert_int_equal(in.n, 4);
        expect_seen(&in, 3, "a|4"); /* live traffic comes after it */
        ear_clear(&in);
        subscribe(sub, "b");
        settle(&b);
        expect_all(&in, "b|1");
        bench_close(&b);
    }
}

static void test_nothing_is_replayed_twice(void **state)
{
    (void)state;
    bench b;
    ear in;
    bench_open(&b);
    sb_socket *pub = publisher(&b, 1, "inproc://late"), *sub = open_socket(&b, SB_SUB, &in);
    send_frames(pub, "ab|1");
    send_frames(pub, "ac|1");
    send_frames(pub, "b|1");
    connect_to(sub, "inproc://late");
    subscribe(sub, "ab");
    settle(&b);
    expect_all(&in, "ab|1");
    subscribe(sub, "a"); /* but for what it has */
    settle(&b);
    expect_all(&in, "ac|1");
    subscribe(sub, "ac"); /* it has all of that */
    subscribe(sub, "a");
    settle(&b);
    expect_all(&in, "");
    bench_close(&b);
}

static void test_a_replay_is_not_cut_by_the_limit_of_live_messages(void **state)
{
    (void)state;
    bench b;
    ear in;
    char text[16];
    bench_open(&b);
    sb_socket *pub = publisher(&b, 1, "tcp://127.0.0.1:5555"), *sub = open_socket(&b, SB_SUB, &in);
    set_int(pub, SB_OPT_SNDHWM, 5);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "%d|x", i);
        send_frames(pub, text);
    }
    subscribe(sub, "");
    connect_to(sub, "tcp://127.0.0.1:5555");
    settle(&b);
    assert_int_equal(in.n, 50);
    expect_seen(&in, 0, "0|x");
    expect_seen(&in, 49, "49|x");
    ear_clear(&in);
    bench_close(&b);
}

static void test_retaining_can_be_limited_forgotten_and_ended(void **state)
{
    (void)state;
    bench b;
    sb_stats s;
    ear in;
    bench_open(&b);
    sb_socket *pub = publisher(&b, 1, "inproc://late"), *sub = open_socket(&b, SB_SUB, &in);
    set_int(pub, SB_OPT_RETAIN_MESSAGES, 2);
    send_frames(pub, "a|1");
    send_frames(pub, "b|1");
    send_frames(pub, "c|1");
    sb_socket_stats(pub, &s);
    assert_int_equal(s.retained_msgs, 2);
    assert_int_equal(s.retained_bytes, 12);
    assert_int_equal(sb_socket_forget(pub, "b", 1), 1);
    connect_to(sub, "inproc://late");
    subscribe(sub, "");
    settle(&b);
    expect_all(&in, "c|1");
    set_int(pub, SB_OPT_RETAIN_LAST, 0);
    sb_socket_stats(pub, &s);
    assert_int_equal(s.retained_msgs, 0);
    assert_int_equal(sb_socket_forget(pub, NULL, 0), 0);
    bench_close(&b);
}

static void test_what_is_too_old_is_not_replayed(void **state)
{
    (void)state;
    bench b;
    ear in;
    bench_open(&b);
    sb_socket *pub = publisher(&b, 1, "inproc://late"), *sub = open_socket(&b, SB_SUB, &in);
    set_int(pub, SB_OPT_MESSAGE_TTL, 100);
    send_frames(pub, "old|1");
    pass(&b, 80);
    send_frames(pub, "new|1");
    pass(&b, 50);
    subscribe(sub, "");
    connect_to(sub, "inproc://late");
    settle(&b);
    expect_all(&in, "new|1");
    bench_close(&b);
}

/* ---- confirmation ---- */

static void test_a_subscription_is_confirmed(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench b;
        ear in;
        bench_open(&b);
        sb_socket *pub = open_socket(&b, SB_PUB, NULL), *sub = open_socket(&b, SB_SUB, &in);
        set_int(sub, SB_OPT_CONFIRM_SUBSCRIPTIONS, 1);
        subscribe(sub, "a");
        connect_to(sub, endpoints[i]);
        settle(&b);
        assert_false(sb_socket_confirmed(sub));
        bind_to(pub, endpoints[i]);
        pass(&b, 400);
        assert_true(sb_socket_confirmed(sub));
        assert_non_null(strstr(in.events, "subscription_confirmed"));
        subscribe(sub, "b");
        assert_false(sb_socket_confirmed(sub));
        settle(&b);
        assert_true(sb_socket_confirmed(sub));
        assert_non_null(strstr(in.events, "subscription_confirmed subscription_confirmed"));
        assert_int_equal(send_frames(pub, "b|now"), SB_OK);
        settle(&b);
        expect_all(&in, "b|now");
        bench_close(&b);
    }
}

/* The test is the publisher: what it gets, and what it takes for a confirmation. */
static void test_a_ping_behind_the_subscriptions_is_the_question(void **state)
{
    (void)state;
    static const char command[] = "\4\x10\4PING\0\0M\0\0\0\0\0\0\0\1";
    bench b;
    ear in;
    uint8_t bytes[512];
    bench_open(&b);
    sb_socket *sub = open_socket(&b, SB_SUB, &in);
    set_int(sub, SB_OPT_CONFIRM_SUBSCRIPTIONS, 1);
    subscribe(sub, "x");
    subscribe(sub, "y");
    bind_to(sub, "tcp://127.0.0.1:9");
    sb_fake_raw *raw = raw_join(b.loop, 9, "PUB");
    settle(&b);
    size_t n = sb_fake_raw_read(raw, bytes, sizeof bytes), size = sizeof command - 1;
    assert_true(n > size);
    assert_memory_equal(bytes + n - size, command, size); /* last, and one for both */
    raw_put(raw, "\4\xe\4PONGM\0\0\0\0\0\0\0\0", 16);     /* not ours */
    settle(&b);
    assert_false(sb_socket_confirmed(sub));
    raw_put(raw, "\4\xe\4PONGM\0\0\0\0\0\0\0\1", 16);
    settle(&b);
    assert_true(sb_socket_confirmed(sub));
    sb_fake_raw_close(raw, SB_OK);
    settle(&b);
    assert_false(sb_socket_confirmed(sub)); /* nobody there */
    bench_close(&b);
}

/* No PING follows it: it must not say how long to wait for the next. */
static void test_a_confirmed_subscriber_may_be_silent(void **state)
{
    (void)state;
    bench b;
    ear in;
    bench_open(&b);
    sb_socket *pub = open_socket(&b, SB_PUB, NULL), *sub = open_socket(&b, SB_SUB, &in);
    set_int(sub, SB_OPT_CONFIRM_SUBSCRIPTIONS, 1);
    set_int(sub, SB_OPT_HEARTBEAT_TTL, 200);
    bind_to(pub, "tcp://127.0.0.1:9");
    connect_to(sub, "tcp://127.0.0.1:9");
    subscribe(sub, "x");
    pass(&b, 2000);
    assert_null(strstr(in.events, "disconnected"));
    assert_true(sb_socket_confirmed(sub));
    bench_close(&b);
}

static void test_nobody_is_asked_without_the_option(void **state)
{
    (void)state;
    bench b;
    uint8_t bytes[512];
    bench_open(&b);
    sb_socket *sub = open_socket(&b, SB_SUB, NULL);
    subscribe(sub, "x");
    bind_to(sub, "tcp://127.0.0.1:9");
    sb_fake_raw *raw = raw_join(b.loop, 9, "PUB");
    settle(&b);
    size_t n = sb_fake_raw_read(raw, bytes, sizeof bytes);
    for (size_t i = 0; i + 4 <= n; i++)
        assert_memory_not_equal(bytes + i, "PING", 4);
    sb_fake_raw_close(raw, SB_OK);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_late_subscriber_gets_what_it_missed_first),
        cmocka_unit_test(test_nothing_is_replayed_twice),
        cmocka_unit_test(test_a_replay_is_not_cut_by_the_limit_of_live_messages),
        cmocka_unit_test(test_retaining_can_be_limited_forgotten_and_ended),
        cmocka_unit_test(test_what_is_too_old_is_not_replayed),
        cmocka_unit_test(test_a_subscription_is_confirmed),
        cmocka_unit_test(test_a_ping_behind_the_subscriptions_is_the_question),
        cmocka_unit_test(test_a_confirmed_subscriber_may_be_silent),
        cmocka_unit_test(test_nobody_is_asked_without_the_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
