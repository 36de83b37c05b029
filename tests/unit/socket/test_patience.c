/* on_full = disconnect where somebody would wait: who takes something stays, who takes nothing for a while is
 * disconnected, and nobody has to send anything for it. On the fake loop. */
#include "tests/unit/socket/bench.h"

#include "tests/raw_peer.h"

#define SOON  900  /* ms in which nobody is given up */
#define AFTER 1200 /* ... and by when, together, whoever takes nothing is */

static const char *const endpoints[] = {"tcp://127.0.0.1:5555", "inproc://patience"};

static uint64_t dropped(const sb_socket *sock, sb_drop why)
{
    sb_stats s;
    sb_socket_stats(sock, &s);
    return s.dropped[why];
}

static void send_numbers(sb_socket *sock, int from, int to)
{
    char text[16];
    for (int i = from; i <= to; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(send_text(sock, text), SB_OK);
    }
}

/* A socket that gives up peers that are full at once `hwm` messages wait for them. */
static sb_socket *strict(bench *b, sb_type type, ear *e, sb_opt hwm_opt, int hwm)
{
    sb_socket *sock = open_socket(b, type, e);
    set_int(sock, hwm_opt, hwm);
    set_int(sock, SB_OPT_ON_FULL, SB_ON_FULL_DISCONNECT);
    return sock;
}

/* A connection of a stranger who has greeted and reads nothing from here on; a little of what it gets fits.
 */
static sb_fake_raw *idler(bench *b, const char *type, const char *subscribe)
{
    char sink[256];
    sb_fake_raw *raw = raw_join(b->loop, 9, type);
    if (subscribe != NULL)
        raw_put(raw, subscribe, 3);
    settle(b);
    while (sb_fake_raw_read(raw, sink, sizeof sink) > 0)
        settle(b);
    sb_fake_limit(b->loop, 8);
    return raw;
}

static void leave(bench *b, sb_fake_raw *raw)
{
    sb_fake_raw_close(raw, SB_OK);
    settle(b);
    bench_close(b);
}

static void expect_end_of_patience(bench *b, const ear *e)
{
    pass(b, SOON);
    assert_null(strstr(e->events, "disconnected"));
    pass(b, AFTER);
    assert_non_null(strstr(e->events, "disconnected"));
}

/* What waits behind a route is far more than sndhwm, and meets an empty queue each time. */
static void test_an_honest_peer_behind_a_backlog_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench b;
        ear out, in;
        bench_open(&b);
        sb_socket *front = open_socket(&b, SB_PULL, NULL);
        sb_socket *back = strict(&b, SB_PUSH, &out, SB_OPT_SNDHWM, 1);
        sb_socket *source = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
        sb_route_row row = {.action = SB_ROUTE_TO, .to = {back}, .nto = 1};
        sb_route *route;
        assert_int_equal(sb_route_create(&row, 1, NULL, 0, &route), SB_OK);
        sb_socket_set_route(front, route);
        bind_to(front, "tcp://127.0.0.1:1");
        connect_to(source, "tcp://127.0.0.1:1");
        bind_to(back, endpoints[i]);
        settle(&b);
        send_numbers(source, 1, 300);
        pass(&b, 5000); /* nobody is there yet who could be given up */
        connect_to(pull, endpoints[i]);
        pass(&b, 5000);
        assert_int_equal(in.n, 300);
        expect_seen(&in, 299, "300");
        assert_null(strstr(out.events, "disconnected"));
        assert_int_equal(dropped(back, SB_DROP_LOST), 0);
        ear_clear(&in);
        bench_close(&b);
    }
}

/* The queue is full once, and nobody sends again. */
static void test_who_takes_nothing_is_disconnected(void **state)
{
    (void)state;
    static const struct {
        sb_type type;
        const char *peer;
    } cases[] = {{SB_PUSH, "PULL"}, {SB_DEALER, "DEALER"}, {SB_PAIR, "PAIR"}, {SB_SCATTER, "GATHER"},
        {SB_CLIENT, "SERVER"}, {SB_CHANNEL, "CHANNEL"}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        bench b;
        ear e;
        bench_open(&b);
        sb_socket *sock = strict(&b, cases[k].type, &e, SB_OPT_SNDHWM, 3);
        bind_to(sock, "tcp://127.0.0.1:9");
        sb_fake_raw *raw = idler(&b, cases[k].peer, NULL);
        send_numbers(sock, 10, 11); /* are with its kernel */
        settle(&b);
        send_numbers(sock, 12, 14);
        settle(&b);
        assert_int_equal(send_text(sock, "15"), SB_EAGAIN);
        expect_end_of_patience(&b, &e);
        assert_int_equal(sb_socket_peers(sock), 0);
        assert_int_equal(dropped(sock, SB_DROP_LOST), 3);
        assert_int_equal(dropped(sock, SB_DROP_HWM), 0);
        leave(&b, raw);
    }
}

/* Slow, but it takes something in each second. */
static void test_who_takes_little_stays(void **state)
{
    (void)state;
    bench b;
    ear e;
    char one[4];
    bench_open(&b);
    sb_socket *push = strict(&b, SB_PUSH, &e, SB_OPT_SNDHWM, 1);
    bind_to(push, "tcp://127.0.0.1:9");
    sb_fake_raw *raw = idler(&b, "PULL", NULL);
    for (int i = 0; i < 40; i++) {
        while (send_text(push, "nn") == SB_OK)
            settle(&b);
        pass(&b, 800);
        assert_int_equal(sb_fake_raw_read(raw, one, sizeof one), sizeof one);
        settle(&b);
    }
    assert_null(strstr(e.events, "disconnected"));
    while (send_text(push, "nn") == SB_OK)
        settle(&b);
    pass(&b, SOON + AFTER);
    assert_non_null(strstr(e.events, "disconnected"));
    leave(&b, raw);
}

/* Whose queue was full before it came is given up as well, though nothing can be sent to it any more. */
static void test_a_backlog_that_nobody_takes_ends_each_connection(void **state)
{
    (void)state;
    bench b;
    ear e;
    bench_open(&b);
    sb_socket *push = strict(&b, SB_PUSH, &e, SB_OPT_SNDHWM, 8);
    sb_socket *pull = open_socket(&b, SB_PULL, NULL); /* takes one, and leaves the others where they are */
    set_int(pull, SB_OPT_RCVHWM, 1);
    connect_to(push, "inproc://later");
    send_numbers(push, 1, 8);
    assert_int_equal(send_text(push, "9"), SB_EAGAIN);
    pass(&b, 5000);
    bind_to(pull, "inproc://later");
    settle(&b);
    expect_end_of_patience(&b, &e);
    assert_int_equal(dropped(push, SB_DROP_LOST), 7);
    assert_int_equal(e.writables, 1);
    bench_close(&b);
}

/* Who is addressed is waited for as well, and whoever waits learns that it is gone. */
static void test_who_waits_for_an_addressed_peer_goes_on(void **state)
{
    (void)state;
    bench b;
    ear e;
    char text[300];
    bench_open(&b);
    sb_socket *router = strict(&b, SB_ROUTER, &e, SB_OPT_SNDHWM, 1);
    set_int(router, SB_OPT_ROUTER_MANDATORY, 1);
    bind_to(router, "tcp://127.0.0.1:9");
    sb_fake_raw *raw = idler(&b, "DEALER", NULL);
    raw_put(raw, "\0\1x", 3);
    settle(&b);
    size_t len;
    const void *id = sb_peer_routing_id(e.peer, &len);
    sb_msg msg;
    sb_err err = SB_OK;
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 10 && err == SB_OK; i++) {
        sb_msg_init(&msg);
        sb_msg_push(&msg, id, len, NULL);
        sb_msg_push(&msg, text, sizeof text, NULL);
        err = sb_socket_send(router, &msg);
        sb_msg_finish(&msg);
        settle(&b);
    }
    assert_int_equal(err, SB_EAGAIN);
    expect_end_of_patience(&b, &e);
    assert_int_equal(e.writables, 1);
    assert_int_equal(dropped(router, SB_DROP_HWM), 0);
    ear_clear(&e);
    leave(&b, raw);
}

/* With xpub_nodrop a publisher waits: then for no longer than that. */
static void test_a_publisher_that_waits_has_patience(void **state)
{
    (void)state;
    bench b;
    ear e;
    bench_open(&b);
    sb_socket *pub = strict(&b, SB_PUB, &e, SB_OPT_SNDHWM, 3);
    set_int(pub, SB_OPT_XPUB_NODROP, 1);
    bind_to(pub, "tcp://127.0.0.1:9");
    sb_fake_raw *raw = idler(&b, "SUB", "\0\1\1");
    send_numbers(pub, 10, 12);
    assert_int_equal(send_text(pub, "13"), SB_EAGAIN);
    expect_end_of_patience(&b, &e);
    assert_int_equal(e.writables, 1);
    send_numbers(pub, 13, 13);
    leave(&b, raw);
}

/* ---- receivers ---- */

/* More than rcvhwm comes at once, before anybody could take any of it. */
static void test_a_burst_that_is_taken_ends_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench b;
        ear e;
        bench_open(&b);
        sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = strict(&b, SB_PULL, &e, SB_OPT_RCVHWM, 2);
        bind_to(pull, endpoints[i]);
        connect_to(push, endpoints[i]);
        settle(&b);
        e.take = 0;
        send_numbers(push, 1, 100);
        settle(&b);
        for (int n = 0; n < 100; n++) { /* one in a while, for much longer than the patience lasts */
            e.take = 1;
            sb_socket_resume(pull);
            pass(&b, 300);
        }
        assert_int_equal(e.n, 100);
        expect_seen(&e, 99, "100");
        assert_null(strstr(e.events, "disconnected"));
        assert_int_equal(dropped(pull, SB_DROP_HWM) + dropped(pull, SB_DROP_LOST), 0);
        ear_clear(&e);
        bench_close(&b);
    }
}

/* Nobody takes what comes: who sent it is let go, and what it sent so far is not lost. */
static void test_a_receiver_that_takes_nothing_lets_go(void **state)
{
    (void)state;
    for (int ttl = 0; ttl < 2; ttl++) { /* with a stage, too */
        bench b;
        ear e;
        bench_open(&b);
        sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = strict(&b, SB_PULL, &e, SB_OPT_RCVHWM, 2);
        set_int(pull, SB_OPT_MESSAGE_TTL, ttl * 600000);
        set_int(push, SB_OPT_RECONNECT_IVL, -1);
        e.take = 0;
        bind_to(pull, "tcp://127.0.0.1:9");
        connect_to(push, "tcp://127.0.0.1:9");
        settle(&b);
        send_numbers(push, 1, 10);
        settle(&b);
        expect_end_of_patience(&b, &e);
        assert_int_equal(dropped(pull, SB_DROP_HWM) + dropped(pull, SB_DROP_LOST), 0);
        e.take = SIZE_MAX;
        sb_socket_resume(pull);
        settle(&b);
        assert_int_equal(e.n, 2);
        ear_clear(&e);
        bench_close(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_honest_peer_behind_a_backlog_stays),
        cmocka_unit_test(test_who_takes_nothing_is_disconnected),
        cmocka_unit_test(test_who_takes_little_stays),
        cmocka_unit_test(test_a_backlog_that_nobody_takes_ends_each_connection),
        cmocka_unit_test(test_who_waits_for_an_addressed_peer_goes_on),
        cmocka_unit_test(test_a_publisher_that_waits_has_patience),
        cmocka_unit_test(test_a_burst_that_is_taken_ends_nothing),
        cmocka_unit_test(test_a_receiver_that_takes_nothing_lets_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
