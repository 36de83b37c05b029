/* How messages flow between sockets on the fake loop: queues before the connection, limits, forwarding,
 * reconnects. */
#include "tests/unit/socket/bench.h"

#include "tests/raw_peer.h"

static const char *const endpoints[] = {"tcp://127.0.0.1:5555", "ipc://@flow", "inproc://flow"};

static void test_messages_sent_before_the_connection_arrive_after_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        bench b;
        ear in;
        bench_open(&b);
        sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
        connect_to(push, endpoints[i]);
        assert_int_equal(send_text(push, "early"), SB_OK);
        assert_int_equal(send_frames(push, "a||c"), SB_OK);
        settle(&b);
        bind_to(pull, endpoints[i]);
        pass(&b, 400);
        expect_seen(&in, 0, "early");
        expect_seen(&in, 1, "a||c");
        assert_int_equal(in.n, 2);
        ear_clear(&in);
        bench_close(&b);
    }
}

static void test_a_full_pipe_says_again_and_later_writable(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        bench b;
        ear in, out;
        bench_open(&b);
        sb_socket *push = open_socket(&b, SB_PUSH, &out), *pull = open_socket(&b, SB_PULL, &in);
        set_int(push, SB_OPT_SNDHWM, 10);
        connect_to(push, endpoints[i]);
        for (int k = 0; k < 10; k++)
            assert_int_equal(send_text(push, "x"), SB_OK);
        assert_int_equal(send_text(push, "x"), SB_EAGAIN);
        assert_int_equal(out.writables, 0);
        bind_to(pull, endpoints[i]);
        pass(&b, 400);
        assert_int_equal(out.writables, 1);
        assert_int_equal(in.n, 10);
        ear_clear(&in);
        bench_close(&b);
    }
}

/* With both queues full exactly sndhwm + rcvhwm + 1 (set aside by the handler) are accepted over inproc,
 * where no stream's buffers lie between. */
static void test_inproc_limits_are_exact(void **state)
{
    (void)state;
    bench b;
    ear in;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
    in.take = 0;
    set_int(push, SB_OPT_SNDHWM, 7);
    set_int(pull, SB_OPT_RCVHWM, 5);
    bind_to(pull, "inproc://x");
    connect_to(push, "inproc://x");
    int accepted = 0;
    for (int round = 0; round < 100; round++) {
        settle(&b);
        accepted += send_text(push, "m") == SB_OK;
    }
    assert_int_equal(accepted, 7 + 5 + 1);
    in.take = SIZE_MAX;
    sb_socket_resume(pull);
    settle(&b);
    assert_int_equal(in.n, accepted);
    ear_clear(&in);
    bench_close(&b);
}

/* inproc has no stream or timer that keeps a loop alive: run must not end before what is queued went through.
 */
static void test_run_moves_what_only_inproc_has(void **state)
{
    (void)state;
    bench b;
    ear in;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
    bind_to(pull, "inproc://x");
    connect_to(push, "inproc://x");
    assert_int_equal(send_text(push, "m"), SB_OK);
    assert_int_equal(sb_engine_run(b.engine), SB_OK);
    assert_int_equal(in.n, 1);
    ear_clear(&in);
    bench_close(&b);
}

static sb_socket *route_all(bench *b, sb_type type, ear *e, sb_socket *to)
{
    char err[128];
    sb_route *route;
    sb_socket *sock = open_socket(b, type, e);
    sb_route_row row = {.action = SB_ROUTE_TO, .to = {to}, .nto = 1};
    assert_int_equal(sb_route_create(&row, 1, err, sizeof err, &route), SB_OK);
    sb_socket_set_route(sock, route);
    return sock;
}

static void test_a_slow_consumer_stops_the_source_and_loses_nothing(void **state)
{
    (void)state;
    bench b;
    ear in;
    char text[16];
    bench_open(&b);
    sb_socket *out = open_socket(&b, SB_PUSH, NULL);
    sb_socket *front = route_all(&b, SB_PULL, NULL, out);
    sb_socket *source = open_socket(&b, SB_PUSH, NULL), *sink = open_socket(&b, SB_PULL, &in);
    set_int(out, SB_OPT_SNDHWM, 3);
    set_int(front, SB_OPT_RCVHWM, 3);
    set_int(sink, SB_OPT_RCVHWM, 2);
    set_int(source, SB_OPT_SNDHWM, 0);
    sb_fake_limit(b.loop, 64);
    in.take = 0;
    bind_to(front, "tcp://127.0.0.1:1");
    bind_to(out, "tcp://127.0.0.1:2");
    connect_to(source, "tcp://127.0.0.1:1");
    connect_to(sink, "tcp://127.0.0.1:2");
    settle(&b);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(send_text(source, text), SB_OK);
        settle(&b);
    }
    sb_stats s;
    sb_socket_stats(source, &s);
    assert_true(s.queued_out_msgs > 900); /* it stands at the source, nowhere in between */
    for (int i = 0; i < 2000 && in.n < 1000; i++) {
        in.take = 1;
        sb_socket_resume(sink);
        settle(&b);
    }
    assert_int_equal(in.n, 1000);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "%d", i);
        expect_seen(&in, (size_t)i, text);
    }
    ear_clear(&in);
    bench_close(&b);
}

static void test_recv_is_fair_over_peers(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, NULL), *a = open_socket(&b, SB_PUSH, NULL),
              *z = open_socket(&b, SB_PUSH, NULL);
    bind_to(pull, "tcp://127.0.0.1:1");
    connect_to(a, "tcp://127.0.0.1:1");
    connect_to(z, "tcp://127.0.0.1:1");
    for (int i = 0; i < 5; i++) {
        send_text(a, "a");
        send_text(z, "z");
    }
    settle(&b);
    char got[11] = "";
    for (int i = 0; i < 10; i++) {
        sb_msg msg;
        sb_msg_init(&msg);
        assert_int_equal(sb_socket_recv(pull, &msg), SB_OK);
        got[i] = (char)sb_msg_frame(&msg, 0)->data[0];
        sb_msg_finish(&msg);
    }
    sb_msg none;
    sb_msg_init(&none);
    assert_int_equal(sb_socket_recv(pull, &none), SB_EAGAIN);
    assert_true(strcmp(got, "azazazazaz") == 0 || strcmp(got, "zazazazaza") == 0);
    bench_close(&b);
}

static void test_what_a_gone_peer_sent_is_still_delivered(void **state)
{
    (void)state;
    bench b;
    ear in;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, &in), *push = open_socket(&b, SB_PUSH, NULL);
    in.take = 0;
    bind_to(pull, "tcp://127.0.0.1:1");
    connect_to(push, "tcp://127.0.0.1:1");
    for (int i = 0; i < 20; i++)
        send_text(push, "m");
    settle(&b);
    sb_socket_close(push);
    pass(&b, 20);
    in.take = SIZE_MAX;
    sb_socket_resume(pull);
    settle(&b);
    assert_int_equal(in.n, 20);
    assert_non_null(strstr(in.events, "disconnected"));
    ear_clear(&in);
    bench_close(&b);
}

static bool break_peer(void *arg, sb_peer *peer)
{
    (void)arg;
    sb_peer_kick(peer, "test");
    return true;
}

static void test_a_kicked_peer_reconnects_and_gets_what_was_queued(void **state)
{
    (void)state;
    bench b;
    ear in, out;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, &in), *push = open_socket(&b, SB_PUSH, &out);
    bind_to(pull, "tcp://127.0.0.1:1");
    connect_to(push, "tcp://127.0.0.1:1");
    send_text(push, "one");
    settle(&b);
    sb_socket_each_peer(pull, break_peer, NULL);
    settle(&b);
    assert_int_equal(send_text(push, "two"), SB_OK);
    pass(&b, 400);
    expect_seen(&in, 0, "one");
    expect_seen(&in, 1, "two");
    assert_non_null(
        strstr(out.events, "disconnected connect_retried connect_delayed connected handshake_succeeded"));
    ear_clear(&in);
    bench_close(&b);
}

static void test_incompatible_types_are_told_on_both_sides(void **state)
{
    (void)state;
    bench b;
    ear in, out;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, &in), *req = open_socket(&b, SB_REQ, &out);
    bind_to(pull, "tcp://127.0.0.1:1");
    connect_to(req, "tcp://127.0.0.1:1");
    settle(&b);
    assert_non_null(strstr(in.events, "handshake_failed_protocol"));
    assert_non_null(strstr(out.events, "handshake_failed_protocol"));
    sb_stats s;
    sb_socket_stats(pull, &s);
    assert_int_equal(s.handshake_failures[SB_CAUSE_PEER_TYPE], 1);
    bench_close(&b);
}

static sb_err close_own(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    ear *e = (ear *)self;
    (void)peer, (void)msg;
    e->n++;
    sb_socket_close(sock);
    return SB_OK;
}

static void test_a_handler_may_close_its_own_socket(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        bench b;
        ear in;
        bench_open(&b);
        sb_socket *pull = open_socket(&b, SB_PULL, &in), *push = open_socket(&b, SB_PUSH, NULL);
        in.base.on_msg = close_own;
        bind_to(pull, endpoints[i]);
        connect_to(push, endpoints[i]);
        for (int k = 0; k < 5; k++)
            send_text(push, "m");
        pass(&b, 2000);
        assert_int_equal(in.n, 1);
        assert_int_equal(in.closed, 1);
        bench_close(&b);
    }
}

static sb_err pause_first(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    ear *e = (ear *)self;
    if (e->n == 0)
        sb_peer_pause(peer);
    return ear_msg(self, sock, peer, msg);
}

static void test_a_req_that_has_not_asked_cannot_receive(void **state)
{
    (void)state;
    bench b;
    ear in;
    sb_msg msg;
    bench_open(&b);
    sb_socket *req = open_socket(&b, SB_REQ, NULL), *rep = open_socket(&b, SB_REP, &in);
    bind_to(rep, "tcp://127.0.0.1:1");
    connect_to(req, "tcp://127.0.0.1:1");
    sb_msg_init(&msg);
    assert_int_equal(sb_socket_recv(req, &msg), SB_EFSM);
    send_text(req, "ask");
    settle(&b);
    assert_int_equal(sb_socket_recv(req, &msg), SB_EAGAIN);
    send_frames(rep, "answer|more");
    settle(&b);
    assert_int_equal(sb_socket_recv(req, &msg), SB_OK);
    assert_int_equal(msg.n, 2);
    assert_int_equal(msg.envelope, 0);
    assert_memory_equal(msg.frames[0].data, "answer", 6);
    sb_msg_finish(&msg);
    assert_int_equal(sb_socket_recv(req, &msg), SB_EFSM);
    ear_clear(&in);
    bench_close(&b);
}

static void test_a_paused_peer_goes_on_where_it_stopped(void **state)
{
    (void)state;
    bench b;
    ear in;
    char text[8];
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, &in), *push = open_socket(&b, SB_PUSH, NULL);
    in.base.on_msg = pause_first;
    bind_to(pull, "tcp://127.0.0.1:1");
    connect_to(push, "tcp://127.0.0.1:1");
    for (int i = 0; i < 60; i++) {
        snprintf(text, sizeof text, "%d", i);
        send_text(push, text);
        settle(&b);
    }
    assert_int_equal(in.n, 1);
    sb_peer_resume(in.peer);
    settle(&b);
    assert_int_equal(in.n, 60);
    expect_seen(&in, 59, "59");
    ear_clear(&in);
    bench_close(&b);
}

/* The socket stayed for ever when it closed with messages of a peer that had gone. */
static void test_a_socket_ends_with_messages_nobody_took(void **state)
{
    (void)state;
    bench b;
    ear in;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
    in.take = 0;
    bind_to(pull, "tcp://127.0.0.1:1");
    connect_to(push, "tcp://127.0.0.1:1");
    for (int i = 0; i < 5; i++)
        assert_int_equal(send_text(push, "x"), SB_OK);
    settle(&b);
    sb_socket_close(push);
    settle(&b);
    sb_socket_close(pull);
    settle(&b);
    assert_int_equal(in.closed, 1);
    assert_int_equal(sb_engine_sockets(b.engine), 0);
    bench_close(&b);
}

static void test_one_budget_for_all_peers(void **state)
{
    (void)state;
    bench b;
    ear in;
    char text[100];
    memset(text, 'x', sizeof text);
    assert_int_equal(sb_fake_create(&b.loop), SB_OK);
    sb_engine_config cfg = {.loop = b.loop, .max_queued = 1020};
    assert_int_equal(sb_engine_create(&cfg, NULL, 0, &b.engine), SB_OK);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
    connect_to(push, "tcp://127.0.0.1:1");
    connect_to(push, "tcp://127.0.0.1:2");
    int accepted = 0;
    while (sb_socket_send_bytes(push, text, sizeof text) == SB_OK)
        accepted++;
    assert_int_equal(accepted, 7); /* 102 octets each on the wire; two greedy queues get a third each */
    bind_to(pull, "tcp://127.0.0.1:1");
    bind_to(pull, "tcp://127.0.0.1:2");
    pass(&b, 400);
    assert_int_equal(in.n, 7);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(sb_socket_send_bytes(push, text, sizeof text), SB_OK);
        settle(&b);
    }
    assert_int_equal(in.n, 57);
    ear_clear(&in);
    bench_close(&b);
}

static void test_a_rep_goes_on_after_a_request_nobody_answers(void **state)
{
    (void)state;
    bench b;
    ear in;
    char err[128];
    sb_route *route;
    bench_open(&b);
    sb_socket *rep = open_socket(&b, SB_REP, NULL), *bad = open_socket(&b, SB_REQ, NULL),
              *good = open_socket(&b, SB_REQ, &in);
    const sb_route_row rows[] = {
        {.frame = 1, .bytes = (const uint8_t *)"bad", .len = 3, .action = SB_ROUTE_DROP},
        {.action = SB_ROUTE_REPLY, .reply = (const uint8_t *)"yes", .reply_len = 3},
    };
    assert_int_equal(sb_route_create(rows, 2, err, sizeof err, &route), SB_OK);
    sb_socket_set_route(rep, route);
    bind_to(rep, "tcp://127.0.0.1:1");
    connect_to(bad, "tcp://127.0.0.1:1");
    connect_to(good, "tcp://127.0.0.1:1");
    settle(&b);
    send_text(bad, "bad");
    settle(&b);
    send_text(good, "good");
    settle(&b);
    expect_seen(&in, 0, "yes");
    ear_clear(&in);
    bench_close(&b);
}

static void test_a_message_that_never_became_whole_is_counted(void **state)
{
    (void)state;
    bench b;
    ear in;
    sb_stats stats;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, &in);
    bind_to(pull, "tcp://127.0.0.1:1");
    sb_fake_raw *raw = raw_join(b.loop, 1, "PUSH");
    raw_put(raw, "\0\1a\1\1b\0\5half", 12); /* "a" is whole; "b" and half a frame are not */
    settle(&b);
    sb_fake_raw_close(raw, SB_OK);
    settle(&b);
    assert_int_equal(in.n, 1);
    expect_seen(&in, 0, "a");
    sb_socket_stats(pull, &stats);
    assert_int_equal(stats.dropped[SB_DROP_INCOMPLETE], 1);
    ear_clear(&in);
    bench_close(&b);
}

/* An answer that the handler has no time for is not taken: asking is out of turn, as where it is fetched. */
static void test_an_answer_that_waits_is_not_taken_for_the_next_one(void **state)
{
    (void)state;
    for (int relaxed = 0; relaxed <= 1; relaxed++) {
        bench b;
        ear in, out;
        bench_open(&b);
        sb_socket *rep = open_socket(&b, SB_REP, &in), *req = open_socket(&b, SB_REQ, &out);
        set_int(req, SB_OPT_REQ_RELAXED, relaxed);
        bind_to(rep, "tcp://127.0.0.1:5555");
        connect_to(req, "tcp://127.0.0.1:5555");
        out.take = 0;
        assert_int_equal(send_text(req, "one"), SB_OK);
        settle(&b);
        assert_int_equal(send_text(rep, "answer to one"), SB_OK);
        settle(&b);
        assert_int_equal(send_text(req, "two"), relaxed ? SB_OK : SB_EFSM);
        out.take = SIZE_MAX;
        sb_socket_resume(req);
        settle(&b);
        pass(&b, 1000);
        assert_int_equal(out.n, relaxed ? 0 : 1);
        assert_int_equal(in.n, relaxed ? 2 : 1);
        assert_int_equal(send_text(rep, "answer to two"), relaxed ? SB_OK : SB_EFSM);
        settle(&b);
        expect_seen(&out, 0, relaxed ? "answer to two" : "answer to one");
        bench_close(&b);
        ear_clear(&in);
        ear_clear(&out);
    }
}

/* ... nor is a request. */
static void test_a_request_that_waits_is_not_answered(void **state)
{
    (void)state;
    bench b;
    ear in, out;
    bench_open(&b);
    sb_socket *rep = open_socket(&b, SB_REP, &in), *req = open_socket(&b, SB_REQ, &out);
    bind_to(rep, "tcp://127.0.0.1:5555");
    connect_to(req, "tcp://127.0.0.1:5555");
    in.take = 0;
    assert_int_equal(send_text(req, "one"), SB_OK);
    settle(&b);
    assert_int_equal(send_text(rep, "answer to nothing"), SB_EFSM);
    in.take = SIZE_MAX;
    sb_socket_resume(rep);
    settle(&b);
    assert_int_equal(send_text(rep, "answer to one"), SB_OK);
    settle(&b);
    expect_seen(&out, 0, "answer to one");
    bench_close(&b);
    ear_clear(&in);
    ear_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_that_waits_is_not_taken_for_the_next_one),
        cmocka_unit_test(test_a_request_that_waits_is_not_answered),
        cmocka_unit_test(test_messages_sent_before_the_connection_arrive_after_it),
        cmocka_unit_test(test_a_full_pipe_says_again_and_later_writable),
        cmocka_unit_test(test_inproc_limits_are_exact),
        cmocka_unit_test(test_run_moves_what_only_inproc_has),
        cmocka_unit_test(test_a_slow_consumer_stops_the_source_and_loses_nothing),
        cmocka_unit_test(test_recv_is_fair_over_peers),
        cmocka_unit_test(test_what_a_gone_peer_sent_is_still_delivered),
        cmocka_unit_test(test_a_message_that_never_became_whole_is_counted),
        cmocka_unit_test(test_a_kicked_peer_reconnects_and_gets_what_was_queued),
        cmocka_unit_test(test_incompatible_types_are_told_on_both_sides),
        cmocka_unit_test(test_a_handler_may_close_its_own_socket),
        cmocka_unit_test(test_a_req_that_has_not_asked_cannot_receive),
        cmocka_unit_test(test_a_paused_peer_goes_on_where_it_stopped),
        cmocka_unit_test(test_a_socket_ends_with_messages_nobody_took),
        cmocka_unit_test(test_one_budget_for_all_peers),
        cmocka_unit_test(test_a_rep_goes_on_after_a_request_nobody_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
