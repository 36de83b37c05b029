/* on_full, message_ttl, conflate_key, congestion events and the shared budget, on the fake loop. */
#include "tests/unit/socket/bench.h"

#include "tests/raw_peer.h"

static const char *const endpoints[] = {"tcp://127.0.0.1:5555", "inproc://overload"};

static uint64_t dropped(const sb_socket *sock, sb_drop why)
{
    sb_stats s;
    sb_socket_stats(sock, &s);
    return s.dropped[why];
}

static void send_numbers(sb_socket *sock, int from, int to, sb_err want)
{
    char text[16];
    for (int i = from; i <= to; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(send_text(sock, text), want);
    }
}

/* Nobody listens yet: everything waits at the sender. */
static void test_a_full_sender_drops_what_it_is_told(void **state)
{
    (void)state;
    static const struct {
        sb_on_full policy;
        sb_err beyond;
        const char *first;
        sb_drop why;
    } cases[] = {
        {SB_ON_FULL_DEFAULT, SB_EAGAIN, "1", SB_DROP_HWM},
        {SB_ON_FULL_BLOCK, SB_EAGAIN, "1", SB_DROP_HWM},
        {SB_ON_FULL_DROP_NEW, SB_OK, "1", SB_DROP_HWM},
        {SB_ON_FULL_DROP_OLD, SB_OK, "8", SB_DROP_EVICTED},
    };
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
            bench b;
            ear in;
            bench_open(&b);
            sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
            set_int(push, SB_OPT_SNDHWM, 5);
            set_int(push, SB_OPT_ON_FULL, cases[k].policy);
            connect_to(push, endpoints[i]);
            send_numbers(push, 1, 5, SB_OK);
            send_numbers(push, 6, 12, cases[k].beyond);
            bind_to(pull, endpoints[i]);
            pass(&b, 400);
            assert_int_equal(in.n, 5);
            expect_seen(&in, 0, cases[k].first);
            assert_int_equal(dropped(push, cases[k].why), cases[k].beyond == SB_OK ? 7 : 0);
            ear_clear(&in);
            bench_close(&b);
        }
    }
}

static void test_dropping_without_a_peer_counts_no_peer(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL);
    set_int(push, SB_OPT_ON_FULL, SB_ON_FULL_DROP_NEW);
    send_numbers(push, 1, 3, SB_OK);
    assert_int_equal(dropped(push, SB_DROP_NO_PEER), 3);
    bench_close(&b);
}

static void test_drop_old_prefers_peers_with_room(void **state)
{
    (void)state;
    bench b;
    ear in;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
    set_int(push, SB_OPT_SNDHWM, 2);
    set_int(push, SB_OPT_ON_FULL, SB_ON_FULL_DROP_OLD);
    bind_to(pull, "inproc://there");
    connect_to(push, "inproc://there");
    connect_to(push, "inproc://away");
    settle(&b);
    for (int i = 1; i <= 20; i++) {
        send_numbers(push, i, i, SB_OK);
        settle(&b);
    }
    assert_int_equal(in.n, 18); /* two wait for the other one, none was thrown away */
    assert_int_equal(dropped(push, SB_DROP_EVICTED), 0);
    ear_clear(&in);
    bench_close(&b);
}

/* A subscriber that reads only when told to. Messages "nn" take four octets on the wire. */
static sb_socket *slow_feed(bench *b, sb_fake_raw **raw, ear *e, sb_on_full policy, int hwm)
{
    char sink[256];
    sb_socket *pub = open_socket(b, SB_PUB, e);
    set_int(pub, SB_OPT_SNDHWM, hwm);
    set_int(pub, SB_OPT_ON_FULL, policy);
    bind_to(pub, "tcp://127.0.0.1:9");
    *raw = raw_join(b->loop, 9, "SUB");
    raw_put(*raw, "\0\1\1", 3);
    settle(b);
    while (sb_fake_raw_read(*raw, sink, sizeof sink) > 0)
        settle(b);
    sb_fake_limit(b->loop, 8);
    return pub;
}

/* The bodies that come out, joined with blanks. */
static void expect_read(bench *b, sb_fake_raw *raw, const char *expect)
{
    uint8_t bytes[4096];
    char text[4096] = "";
    size_t have = 0, n;
    while ((n = sb_fake_raw_read(raw, bytes + have, sizeof bytes - have)) > 0) {
        have += n;
        settle(b);
    }
    for (size_t at = 0; at + 2 <= have; at += 2u + bytes[at + 1])
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s", text[0] ? " " : "", bytes[at + 1],
            (const char *)bytes + at + 2);
    assert_string_equal(text, expect);
}

static void test_a_slow_subscriber_gets_what_the_policy_leaves(void **state)
{
    (void)state;
    static const struct {
        sb_on_full policy;
        const char *left;
        sb_drop why;
    } cases[] = {
        {SB_ON_FULL_DEFAULT, "10 11 12 13 14 15 16", SB_DROP_HWM},
        {SB_ON_FULL_DROP_NEW, "10 11 12 13 14 15 16", SB_DROP_HWM},
        {SB_ON_FULL_DROP_OLD, "10 11 16 17 18 19 20", SB_DROP_EVICTED},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        bench b;
        sb_fake_raw *raw;
        ear e;
        bench_open(&b);
        sb_socket *pub = slow_feed(&b, &raw, &e, cases[k].policy, 5);
        send_numbers(pub, 10, 11, SB_OK);
        settle(&b); /* two are on their way, eight octets, and count no more */
        send_numbers(pub, 12, 20, SB_OK);
        assert_int_equal(dropped(pub, cases[k].why), 4);
        settle(&b);
        assert_non_null(strstr(e.events, "congested"));
        assert_null(strstr(e.events, "relieved"));
        expect_read(&b, raw, cases[k].left);
        assert_non_null(strstr(e.events, "relieved"));
        sb_fake_raw_close(raw, SB_OK);
        settle(&b);
        bench_close(&b);
    }
}

static void test_a_publisher_may_wait(void **state)
{
    (void)state;
    bench b;
    sb_fake_raw *raw;
    ear e;
    bench_open(&b);
    sb_socket *pub = slow_feed(&b, &raw, &e, SB_ON_FULL_BLOCK, 3);
    send_numbers(pub, 10, 12, SB_OK);
    send_numbers(pub, 13, 13, SB_EAGAIN);
    settle(&b);
    expect_read(&b, raw, "10 11 12");
    assert_int_equal(e.writables, 1);
    sb_fake_raw_close(raw, SB_OK);
    settle(&b);
    bench_close(&b);
}

static void test_a_publisher_that_drops_disconnects_at_once(void **state)
{
    (void)state;
    bench b;
    sb_fake_raw *raw;
    sb_stats s;
    ear e;
    bench_open(&b);
    sb_socket *pub = slow_feed(&b, &raw, &e, SB_ON_FULL_DISCONNECT, 3);
    send_numbers(pub, 10, 13, SB_OK);
    settle(&b);
    sb_socket_stats(pub, &s);
    assert_int_equal(s.peers, 0);
    assert_int_equal(s.dropped[SB_DROP_HWM], 1);
    assert_int_equal(s.dropped[SB_DROP_LOST], 3);
    assert_non_null(strstr(e.events, "disconnected"));
    sb_fake_raw_close(raw, SB_OK);
    settle(&b);
    bench_close(&b);
}

/* ROUTER's choice, which is otherwise router_mandatory's. */
static void test_a_router_follows_on_full(void **state)
{
    (void)state;
    static const sb_err want[] = {SB_OK, SB_EAGAIN, SB_OK, SB_OK};
    for (int policy = SB_ON_FULL_DEFAULT; policy <= SB_ON_FULL_DROP_OLD; policy++) {
        bench b;
        bench_open(&b);
        sb_socket *router = open_socket(&b, SB_ROUTER, NULL);
        set_int(router, SB_OPT_SNDHWM, 2);
        set_int(router, SB_OPT_ON_FULL, policy);
        assert_int_equal(sb_socket_set_bytes(router, SB_OPT_CONNECT_ROUTING_ID, "x", 1, NULL, 0), SB_OK);
        connect_to(router, "tcp://127.0.0.1:9");
        assert_int_equal(send_frames(router, "x|1"), SB_OK);
        assert_int_equal(send_frames(router, "x|2"), SB_OK);
        assert_int_equal(send_frames(router, "x|3"), want[policy]);
        assert_int_equal(dropped(router, SB_DROP_EVICTED), policy == SB_ON_FULL_DROP_OLD);
        assert_int_equal(
            dropped(router, SB_DROP_HWM), want[policy] == SB_OK && policy != SB_ON_FULL_DROP_OLD);
        bench_close(&b);
    }
}

/* ---- receivers ---- */

static void test_a_slow_receiver_sheds(void **state)
{
    (void)state;
    static const struct {
        sb_on_full policy;
        const char *first, *last;
        sb_drop why;
        uint64_t drops;
    } cases[] = {
        {SB_ON_FULL_BLOCK, "0", "19", SB_DROP_HWM, 0},
        {SB_ON_FULL_DROP_NEW, "0", "4", SB_DROP_HWM, 15},
        {SB_ON_FULL_DROP_OLD, "15", "19", SB_DROP_EVICTED, 15},
    };
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
            bench b;
            ear e;
            bench_open(&b);
            sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, NULL);
            ear_open(&e);
            set_int(pull, SB_OPT_RCVHWM, 5);
            set_int(pull, SB_OPT_ON_FULL, cases[k].policy);
            bind_to(pull, endpoints[i]);
            connect_to(push, endpoints[i]);
            settle(&b);
            for (int n = 0; n < 20; n++) {
                send_numbers(push, n, n, SB_OK);
                settle(&b);
            }
            assert_int_equal(dropped(pull, cases[k].why), cases[k].drops);
            sb_socket_set_handler(pull, &e.base);
            settle(&b);
            assert_int_equal(e.n, 20 - cases[k].drops);
            expect_seen(&e, 0, cases[k].first);
            expect_seen(&e, e.n - 1, cases[k].last);
            ear_clear(&e);
            bench_close(&b);
        }
    }
}

/* recv shows the first message until the next call: it is not taken from under the caller's eyes. */
static void test_what_recv_shows_stays(void **state)
{
    (void)state;
    bench b;
    sb_msg msg;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, NULL);
    set_int(pull, SB_OPT_RCVHWM, 2);
    set_int(pull, SB_OPT_ON_FULL, SB_ON_FULL_DROP_OLD);
    set_int(pull, SB_OPT_MESSAGE_TTL, 50);
    bind_to(pull, "tcp://127.0.0.1:9");
    connect_to(push, "tcp://127.0.0.1:9");
    send_numbers(push, 1, 9, SB_OK);
    settle(&b);
    static const char *const expect[] = {"8", "9"};
    for (int i = 0; i < 2; i++) {
        sb_msg_init(&msg);
        assert_int_equal(sb_socket_recv(pull, &msg), SB_OK);
        char *text = text_of(&msg);
        assert_string_equal(text, expect[i]);
        free(text);
        sb_msg_finish(&msg);
    }
    send_numbers(push, 10, 11, SB_OK);
    settle(&b);
    pass(&b, 60);
    sb_msg_init(&msg);
    assert_int_equal(sb_socket_recv(pull, &msg), SB_EAGAIN);
    assert_int_equal(dropped(pull, SB_DROP_EXPIRED), 2);
    bench_close(&b);
}

/* ---- time and keys ---- */

static void test_messages_expire_on_both_sides(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench b;
        ear in;
        sb_stats s;
        bench_open(&b);
        sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
        set_int(push, SB_OPT_MESSAGE_TTL, 1000);
        set_int(pull, SB_OPT_MESSAGE_TTL, 1000);
        connect_to(push, endpoints[i]);
        send_numbers(push, 1, 3, SB_OK);
        pass(&b, 600);
        send_numbers(push, 4, 5, SB_OK);
        pass(&b, 600);
        sb_socket_stats(push, &s);
        assert_int_equal(s.queued_out_msgs, 2); /* gone by themselves, nobody looked */
        assert_int_equal(s.dropped[SB_DROP_EXPIRED], 3);
        in.take = 0;
        bind_to(pull, endpoints[i]);
        pass(&b, 300);
        sb_socket_stats(pull, &s);
        assert_int_equal(s.queued_in_msgs, 2);
        pass(&b, 1100);
        sb_socket_stats(pull, &s);
        assert_int_equal(s.dropped[SB_DROP_EXPIRED], 2); /* also the one the handler did not want */
        assert_int_equal(s.queued_in_msgs, 0);
        bench_close(&b);
    }
}

static void test_expired_messages_make_room(void **state)
{
    (void)state;
    bench b;
    ear e;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, &e);
    set_int(push, SB_OPT_SNDHWM, 2);
    set_int(push, SB_OPT_MESSAGE_TTL, 100);
    connect_to(push, "tcp://127.0.0.1:9");
    send_numbers(push, 1, 2, SB_OK);
    send_numbers(push, 3, 3, SB_EAGAIN);
    pass(&b, 110);
    assert_int_equal(e.writables, 1);
    assert_non_null(strstr(e.events, "congested closed connect_retried relieved"));
    send_numbers(push, 3, 4, SB_OK);
    bench_close(&b);
}

static void test_only_the_newest_of_a_key_waits(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench b;
        ear in;
        bench_open(&b);
        sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
        set_int(push, SB_OPT_CONFLATE_KEY, 1);
        connect_to(push, endpoints[i]);
        static const char *const all[] = {"a|1", "b|1", "a|2|more", "c|1", "b|2", "a|3|of|it"};
        for (size_t k = 0; k < 6; k++)
            assert_int_equal(send_frames(push, all[k]), SB_OK);
        bind_to(pull, endpoints[i]);
        pass(&b, 400);
        assert_int_equal(in.n, 3);
        expect_seen(&in, 0, "a|3|of|it");
        expect_seen(&in, 1, "b|2");
        expect_seen(&in, 2, "c|1");
        assert_int_equal(dropped(push, SB_DROP_CONFLATED), 3);
        ear_clear(&in);
        bench_close(&b);
    }
}

/* Nobody listens yet: what a newer one replaced is counted, one by one. */
static void test_conflate_counts_what_it_replaces(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench b;
        ear in;
        bench_open(&b);
        sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
        set_int(push, SB_OPT_CONFLATE, 1);
        connect_to(push, endpoints[i]);
        send_numbers(push, 1, 7, SB_OK);
        assert_int_equal(dropped(push, SB_DROP_CONFLATED), 6);
        bind_to(pull, endpoints[i]);
        pass(&b, 400);
        assert_int_equal(in.n, 1);
        expect_seen(&in, 0, "7");
        ear_clear(&in);
        bench_close(&b);
    }
}

static void test_conflate_with_a_lifetime(void **state)
{
    (void)state;
    bench b;
    ear in;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
    set_int(push, SB_OPT_CONFLATE, 1);
    set_int(push, SB_OPT_MESSAGE_TTL, 100);
    connect_to(push, "inproc://one");
    send_numbers(push, 1, 3, SB_OK);
    pass(&b, 150);
    send_numbers(push, 4, 6, SB_OK);
    bind_to(pull, "inproc://one");
    settle(&b);
    assert_int_equal(in.n, 1);
    expect_seen(&in, 0, "6");
    assert_int_equal(dropped(push, SB_DROP_EXPIRED), 1);
    ear_clear(&in);
    bench_close(&b);
}

static void test_a_lifetime_set_later_counts(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL);
    connect_to(push, "inproc://nobody");
    send_numbers(push, 1, 2, SB_OK);
    set_int(push, SB_OPT_MESSAGE_TTL, 100);
    send_numbers(push, 3, 4, SB_OK);
    pass(&b, 150);
    assert_int_equal(dropped(push, SB_DROP_EXPIRED), 2); /* the others began to wait without one */
    bench_close(&b);
}

/* ---- the budget ---- */

/* Three greedy peers and one that came late: nobody is kept out by what the others hold. */
static void test_the_budget_is_shared_fairly(void **state)
{
    (void)state;
    enum { MAX = 100000, SIZE = 102 };
    bench b;
    char text[SIZE - 2];
    memset(text, 'x', sizeof text);
    assert_int_equal(sb_fake_create(&b.loop), SB_OK);
    sb_engine_config cfg = {.loop = b.loop, .max_queued = MAX};
    assert_int_equal(sb_engine_create(&cfg, NULL, 0, &b.engine), SB_OK);
    sb_socket *push[4];
    uint64_t held[4], all = 0;
    for (int i = 0; i < 4; i++) {
        push[i] = open_socket(&b, SB_PUSH, NULL);
        set_int(push[i], SB_OPT_SNDHWM, 0);
        if (i == 3)
            set_int(push[i], SB_OPT_MESSAGE_TTL, 60000); /* what waits in a stage counts as well */
        connect_to(push[i], "inproc://nobody");
        while (sb_socket_send_bytes(push[i], text, sizeof text) == SB_OK)
            continue;
    }
    for (int i = 0; i < 4; i++) {
        sb_stats s;
        sb_socket_stats(push[i], &s);
        held[i] = s.queued_out_bytes;
        all += held[i];
    }
    assert_in_range(
        held[0], MAX / 2 - SIZE, MAX / 2 + SIZE); /* alone: half of it; then half of what is left */
    assert_in_range(held[3], MAX / 16 - SIZE, MAX / 16 + SIZE);
    assert_true(all <= MAX);
    bench_close(&b);
}

/* One peer fills the budget while the other one's next message is on its way: who waits loses nothing. */
static void test_a_budget_that_others_filled_loses_nothing(void **state)
{
    (void)state;
    for (int ttl = 0; ttl < 2; ttl++) {
        bench b;
        ear in;
        assert_int_equal(sb_fake_create(&b.loop), SB_OK);
        sb_engine_config cfg = {.loop = b.loop, .max_queued = 4000};
        assert_int_equal(sb_engine_create(&cfg, NULL, 0, &b.engine), SB_OK);
        sb_socket *pull = open_socket(&b, SB_PULL, &in);
        set_int(pull, SB_OPT_MESSAGE_TTL, ttl * 1000000);
        in.take = 0;
        bind_to(pull, endpoints[0]);
        sb_socket *push[2] = {open_socket(&b, SB_PUSH, NULL), open_socket(&b, SB_PUSH, NULL)};
        for (int i = 0; i < 2; i++)
            connect_to(push[i], endpoints[0]);
        settle(&b);
        int sent = 0;
        for (int i = 0; i < 200; i++) { /* by turns, a few octets at a time */
            sent += send_text(push[i % 2], "a message of some octets") == SB_OK;
            settle(&b);
        }
        in.take = SIZE_MAX;
        sb_socket_resume(pull);
        pass(&b, 50);
        assert_int_equal(dropped(pull, SB_DROP_LOST) + dropped(pull, SB_DROP_HWM), 0);
        assert_int_equal(in.n, sent);
        ear_clear(&in);
        bench_close(&b);
    }
}

/* Each new connection brings a message that is too much: the next one is made after a while, not at once. */
static void test_a_disconnect_over_inproc_is_not_made_again_at_once(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    sb_socket *pub = open_socket(&b, SB_PUB, NULL), *sub = open_socket(&b, SB_SUB, NULL);
    assert_int_equal(sb_socket_set_bytes(pub, SB_OPT_XPUB_WELCOME_MSG, "a", 1, NULL, 0), SB_OK);
    set_int(sub, SB_OPT_RCVHWM, 1);
    set_int(sub, SB_OPT_ON_FULL, SB_ON_FULL_DISCONNECT);
    set_int(sub, SB_OPT_RECONNECT_IVL, 10);
    bind_to(pub, "inproc://welcome");
    connect_to(sub, "inproc://welcome");
    assert_int_equal(sb_socket_subscribe(sub, "", 0), SB_OK);
    settle(&b);
    send_text(pub, "too much");
    pass(&b, 100);
    sb_msg msg;
    sb_msg_init(&msg);
    while (sb_socket_recv(sub, &msg) == SB_OK)
        sb_msg_finish(&msg);
    pass(&b, 20);
    assert_int_equal(sb_socket_peers(sub), 1); /* it is back once there is room */
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_sender_drops_what_it_is_told),
        cmocka_unit_test(test_dropping_without_a_peer_counts_no_peer),
        cmocka_unit_test(test_drop_old_prefers_peers_with_room),
        cmocka_unit_test(test_a_slow_subscriber_gets_what_the_policy_leaves),
        cmocka_unit_test(test_a_publisher_may_wait),
        cmocka_unit_test(test_a_publisher_that_drops_disconnects_at_once),
        cmocka_unit_test(test_a_router_follows_on_full),
        cmocka_unit_test(test_a_slow_receiver_sheds),
        cmocka_unit_test(test_what_recv_shows_stays),
        cmocka_unit_test(test_messages_expire_on_both_sides),
        cmocka_unit_test(test_expired_messages_make_room),
        cmocka_unit_test(test_only_the_newest_of_a_key_waits),
        cmocka_unit_test(test_conflate_counts_what_it_replaces),
        cmocka_unit_test(test_conflate_with_a_lifetime),
        cmocka_unit_test(test_a_lifetime_set_later_counts),
        cmocka_unit_test(test_the_budget_is_shared_fairly),
        cmocka_unit_test(test_a_budget_that_others_filled_loses_nothing),
        cmocka_unit_test(test_a_disconnect_over_inproc_is_not_made_again_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
