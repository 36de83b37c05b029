/* What is kept, counted and told when peers, sockets and engines end in unlucky moments. Each of these was
 * first seen by the simulator (tests/sim). */
#include "tests/unit/socket/bench.h"

#include <netinet/in.h>

static sb_stats stats_of(const sb_socket *sock)
{
    sb_stats s;
    sb_socket_stats(sock, &s);
    return s;
}

static void test_a_socket_closes_although_a_lost_peer_left_messages(void **state)
{
    bench b;
    ear e;
    (void)state;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, &e), *push = open_socket(&b, SB_PUSH, NULL);
    e.take = 0;
    bind_to(pull, "tcp://127.0.0.1:7000");
    connect_to(push, "tcp://127.0.0.1:7000");
    send_text(push, "one");
    send_text(push, "two");
    settle(&b);
    sb_socket_close(push);
    settle(&b);
    assert_int_equal(stats_of(pull).queued_in_msgs, 2);
    sb_socket_close(pull);
    settle(&b);
    assert_int_equal(e.closed, 1);
    ear_clear(&e);
    bench_close(&b);
}

/* CVE-2021-20237 of another engine kept them. */
static void check_publisher(const char *endpoint, bool heard)
{
    bench b;
    ear e;
    bench_open(&b);
    sb_socket *pub = open_socket(&b, SB_PUB, heard ? &e : NULL), *xsub = open_socket(&b, SB_XSUB, NULL);
    bind_to(pub, endpoint);
    connect_to(xsub, endpoint);
    settle(&b);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(send_frames(xsub, "for|nobody"), SB_OK);
    settle(&b);
    sb_stats s = stats_of(pub);
    assert_true(!heard || e.n == 0);
    assert_int_equal(s.queued_in_msgs, 0);
    assert_true(s.msgs_in > 0);
    assert_int_equal(s.msgs_in, s.dropped[SB_DROP_FILTERED]);
    assert_int_equal(stats_of(xsub).queued_out_msgs, 0);
    bench_close(&b);
}

static void test_what_subscribers_send_to_a_pub_is_discarded_and_counted(void **state)
{
    (void)state;
    for (int heard = 0; heard < 2; heard++) {
        check_publisher("tcp://127.0.0.1:7000", heard);
        check_publisher("inproc://pub", heard);
    }
}

static void test_a_request_given_up_before_it_was_sent_is_counted(void **state)
{
    bench b;
    (void)state;
    bench_open(&b);
    sb_socket *req = open_socket(&b, SB_REQ, NULL);
    set_int(req, SB_OPT_REQ_RELAXED, 1);
    connect_to(req, "tcp://127.0.0.1:7000"); /* nobody is there */
    for (int i = 0; i < 5; i++)
        assert_int_equal(send_text(req, "?"), SB_OK);
    sb_stats s = stats_of(req);
    assert_int_equal(s.queued_out_msgs, 1);
    assert_int_equal(s.dropped[SB_DROP_LOST], 4);
    bench_close(&b);
}

typedef struct fickle {
    sb_handler base;
    int calls;
} fickle;

/* First not now, then it fails. */
static sb_err fickle_msg(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    fickle *f = (fickle *)self;
    (void)sock, (void)peer, (void)msg;
    return f->calls++ == 0 ? SB_EAGAIN : SB_EINVAL;
}

static void test_a_failure_on_the_second_look_is_counted_and_rep_goes_on(void **state)
{
    bench b;
    ear e;
    fickle f = {.base = {.on_msg = fickle_msg}};
    (void)state;
    bench_open(&b);
    sb_socket *rep = open_socket(&b, SB_REP, NULL), *one = open_socket(&b, SB_REQ, NULL),
              *two = open_socket(&b, SB_REQ, &e);
    sb_socket_set_handler(rep, &f.base);
    bind_to(rep, "tcp://127.0.0.1:7000");
    connect_to(one, "tcp://127.0.0.1:7000");
    send_text(one, "a");
    settle(&b);
    sb_socket_resume(rep);
    settle(&b);
    assert_int_equal(f.calls, 2);
    assert_int_equal(stats_of(rep).dropped[SB_DROP_SCRIPT], 1);
    connect_to(two, "tcp://127.0.0.1:7000");
    send_text(two, "b");
    settle(&b);
    assert_int_equal(f.calls, 3); /* the next request is taken */
    bench_close(&b);
}

static bool kick(void *arg, sb_peer *peer)
{
    (void)arg;
    assert_int_equal(sb_peer_kick(peer, "test"), SB_OK);
    return false;
}

/* A REP that connects has one peer through all its connections; what waits of an earlier one nobody awaits.
 */
static void test_who_asks_anew_is_not_answered_what_it_asked_before(void **state)
{
    bench b;
    ear asked, answered;
    (void)state;
    bench_open(&b);
    sb_socket *rep = open_socket(&b, SB_REP, &asked), *other = open_socket(&b, SB_REQ, NULL),
              *req = open_socket(&b, SB_REQ, &answered);
    set_int(req, SB_OPT_REQ_RELAXED, 1);
    bind_to(other, "tcp://127.0.0.1:7000");
    bind_to(req, "tcp://127.0.0.1:7001");
    connect_to(rep, "tcp://127.0.0.1:7000");
    connect_to(rep, "tcp://127.0.0.1:7001");
    settle(&b);
    assert_int_equal(send_text(other, "keeps it busy"), SB_OK);
    settle(&b);
    assert_int_equal(send_text(req, "old"), SB_OK);
    settle(&b);
    sb_socket_each_peer(req, kick, NULL);
    pass(&b, 500);
    assert_int_equal(send_text(req, "new"), SB_OK);
    settle(&b);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(asked.n, i + 1);
        assert_int_equal(send_frames(rep, asked.seen[i]), SB_OK);
        settle(&b);
    }
    assert_string_equal(asked.seen[1], "old");
    assert_int_equal(stats_of(rep).dropped[SB_DROP_NO_PEER], 1);
    assert_int_equal(answered.n, 1);
    expect_seen(&answered, 0, "new");
    ear_clear(&asked);
    ear_clear(&answered);
    bench_close(&b);
}

/* ... nor what was not sent yet when its connection went. */
static void test_an_answer_ends_with_its_connection(void **state)
{
    bench b;
    ear asked, answered;
    (void)state;
    bench_open(&b);
    sb_socket *rep = open_socket(&b, SB_REP, &asked), *req = open_socket(&b, SB_REQ, &answered);
    set_int(req, SB_OPT_REQ_RELAXED, 1);
    bind_to(req, "inproc://asks");
    connect_to(rep, "inproc://asks");
    settle(&b);
    assert_int_equal(send_text(req, "old"), SB_OK);
    settle(&b);
    assert_int_equal(sb_socket_unbind(req, "inproc://asks"), SB_OK);
    assert_int_equal(send_text(rep, "old"), SB_OK); /* in the same turn */
    settle(&b);
    bind_to(req, "inproc://asks");
    pass(&b, 500);
    assert_int_equal(stats_of(rep).dropped[SB_DROP_LOST], 1);
    assert_int_equal(send_text(req, "new"), SB_OK);
    settle(&b);
    assert_int_equal(send_text(rep, "new"), SB_OK);
    settle(&b);
    assert_int_equal(answered.n, 1);
    expect_seen(&answered, 0, "new");
    ear_clear(&asked);
    ear_clear(&answered);
    bench_close(&b);
}

/* What it asked is taken when it is gone for good, and answered when nothing is left of it. */
static void test_who_is_gone_is_answered_into_the_void(void **state)
{
    bench b;
    ear asked;
    (void)state;
    bench_open(&b);
    sb_socket *rep = open_socket(&b, SB_REP, &asked), *other = open_socket(&b, SB_REQ, NULL),
              *req = open_socket(&b, SB_REQ, NULL);
    bind_to(rep, "tcp://127.0.0.1:7000");
    connect_to(other, "tcp://127.0.0.1:7000");
    settle(&b);
    assert_int_equal(send_text(other, "keeps it busy"), SB_OK);
    settle(&b);
    connect_to(req, "tcp://127.0.0.1:7000");
    assert_int_equal(send_text(req, "goes"), SB_OK);
    settle(&b);
    sb_socket_close(req);
    pass(&b, 2000);
    assert_int_equal(sb_socket_peers(rep), 1);
    assert_int_equal(send_text(rep, "answer"), SB_OK);
    settle(&b);
    assert_int_equal(asked.n, 2);
    expect_seen(&asked, 1, "goes");
    assert_int_equal(send_text(rep, "answer"), SB_OK);
    settle(&b);
    assert_int_equal(stats_of(rep).dropped[SB_DROP_NO_PEER], 1);
    ear_clear(&asked);
    bench_close(&b);
}

static void test_with_immediate_a_peer_that_was_full_is_sent_to_after_it_came_back(void **state)
{
    bench b;
    ear e;
    sb_loop *far;
    sb_engine *other;
    (void)state;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL);
    set_int(push, SB_OPT_IMMEDIATE, 1);
    set_int(push, SB_OPT_SNDHWM, 1);
    connect_to(push, "tcp://127.0.0.1:7000");
    for (int life = 0; life < 2; life++) {
        assert_int_equal(sb_fake_create_beside(b.loop, &far), SB_OK);
        sb_engine_config cfg = {.loop = far};
        assert_int_equal(sb_engine_create(&cfg, NULL, 0, &other), SB_OK);
        bench o = {far, other};
        sb_socket *pull = open_socket(&o, SB_PULL, &e);
        bind_to(pull, "tcp://127.0.0.1:7000");
        for (int i = 0; i < 400; i++) {
            sb_fake_advance(b.loop, SB_NS_PER_MS);
            settle(&b);
            settle(&o);
        }
        while (send_text(push, "x") == SB_OK && life == 0)
            ; /* until it is full */
        settle(&b);
        settle(&o);
        assert_true(e.n > 0);
        while (send_text(push, "x") == SB_OK && life == 0)
            ;
        ear_clear(&e);
        bench_close(&o);
        settle(&b);
    }
    bench_close(&b);
}

static void test_an_inproc_peer_that_is_kicked_is_not_queued_to(void **state)
{
    bench b;
    ear e;
    (void)state;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, &e), *push = open_socket(&b, SB_PUSH, NULL);
    bind_to(pull, "inproc://in");
    connect_to(push, "inproc://in");
    send_text(push, "one");
    settle(&b);
    assert_int_equal(sb_peer_kick(e.peer, "enough"), SB_OK);
    settle(&b);
    assert_int_equal(send_text(push, "two"), SB_EAGAIN);
    assert_int_equal(stats_of(push).peers, 0);
    connect_to(push, "inproc://in"); /* a new connect is a new peer */
    settle(&b);
    assert_int_equal(send_text(push, "three"), SB_OK);
    settle(&b);
    expect_seen(&e, 1, "three");
    ear_clear(&e);
    bench_close(&b);
}

static void test_a_refused_inproc_connect_waits_before_it_tries_again(void **state)
{
    bench b;
    ear e;
    (void)state;
    bench_open(&b);
    sb_socket *bound = open_socket(&b, SB_PAIR, &e), *first = open_socket(&b, SB_PAIR, NULL),
              *second = open_socket(&b, SB_PAIR, NULL);
    bind_to(bound, "inproc://p");
    connect_to(first, "inproc://p");
    settle(&b);
    connect_to(second, "inproc://p");
    settle(&b); /* a connect that tried again at once would never get here */
    assert_int_equal(stats_of(bound).peers, 1);
    sb_socket_close(first);
    pass(&b, 200);
    assert_int_equal(send_text(second, "mine now"), SB_OK);
    settle(&b);
    expect_seen(&e, 0, "mine now");
    ear_clear(&e);
    bench_close(&b);
}

/* A peer that says hello and then neither reads nor ends. */
static sb_fake_raw *deaf_peer(bench *b, const char *type)
{
    sb_addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&addr.ss;
    uint8_t greeting[64] = {0xff, [9] = 0x7f, 3, 1, 'N', 'U', 'L', 'L'}, ready[64] = {4, 0};
    sb_fake_raw *raw;
    size_t len = strlen(type);
    in->sin_family = AF_INET;
    in->sin_port = htons(7000);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ready[1] = (uint8_t)(22 + len);
    memcpy(ready + 2, "\5READY\13Socket-Type\0\0\0", 21);
    ready[23] = (uint8_t)len;
    memcpy(ready + 24, type, len);
    assert_int_equal(sb_fake_connect_raw(b->loop, &addr, &raw), SB_OK);
    sb_fake_raw_write(raw, greeting, sizeof greeting);
    sb_fake_raw_write(raw, ready, 24 + len);
    settle(b);
    return raw;
}

static void test_a_closing_socket_gives_a_peer_that_does_not_read_a_second(void **state)
{
    bench b;
    ear e;
    (void)state;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, &e);
    set_int(pull, SB_OPT_HEARTBEAT_IVL, 100);
    set_int(pull, SB_OPT_HEARTBEAT_TIMEOUT, 60000);
    bind_to(pull, "tcp://127.0.0.1:7000");
    sb_fake_raw *raw = deaf_peer(&b, "PUSH");
    assert_int_equal(stats_of(pull).peers, 1);
    sb_fake_limit(b.loop, 1); /* the next PING stays in flight */
    pass(&b, 150);
    sb_socket_close(pull);
    pass(&b, 500);
    assert_int_equal(e.closed, 0);
    pass(&b, 600);
    assert_int_equal(e.closed, 1);
    sb_fake_raw_close(raw, SB_OK);
    bench_close(&b);
}

static void test_an_engine_is_destroyed_at_once_whatever_its_peers_do_not_read(void **state)
{
    bench b;
    ear e;
    (void)state;
    for (int closing = 0; closing < 2; closing++) {
        bench_open(&b);
        sb_socket *pull = open_socket(&b, SB_PULL, &e);
        set_int(pull, SB_OPT_HEARTBEAT_IVL, 100);
        set_int(pull, SB_OPT_HEARTBEAT_TIMEOUT, closing ? 60000 : 100);
        bind_to(pull, "tcp://127.0.0.1:7000");
        sb_fake_raw *raw = deaf_peer(&b, "PUSH");
        sb_fake_limit(b.loop, 1);
        pass(&b, 150);
        if (closing)
            sb_socket_close(pull); /* writes its last PING first */
        else
            sb_fake_raw_write(
                raw, "\4\7\4PING\0\0", 9); /* the heartbeat ends it with a PONG that cannot leave */
        pass(&b, 250);
        sb_engine_destroy(b.engine);
        assert_int_equal(e.closed, 1);
        assert_null(sb_fake_stream(b.loop, 0));
        sb_fake_raw_close(raw, SB_OK);
        sb_loop_destroy(b.loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_socket_closes_although_a_lost_peer_left_messages),
        cmocka_unit_test(test_what_subscribers_send_to_a_pub_is_discarded_and_counted),
        cmocka_unit_test(test_a_request_given_up_before_it_was_sent_is_counted),
        cmocka_unit_test(test_a_failure_on_the_second_look_is_counted_and_rep_goes_on),
        cmocka_unit_test(test_who_asks_anew_is_not_answered_what_it_asked_before),
        cmocka_unit_test(test_an_answer_ends_with_its_connection),
        cmocka_unit_test(test_who_is_gone_is_answered_into_the_void),
        cmocka_unit_test(test_with_immediate_a_peer_that_was_full_is_sent_to_after_it_came_back),
        cmocka_unit_test(test_an_inproc_peer_that_is_kicked_is_not_queued_to),
        cmocka_unit_test(test_a_refused_inproc_connect_waits_before_it_tries_again),
        cmocka_unit_test(test_a_closing_socket_gives_a_peer_that_does_not_read_a_second),
        cmocka_unit_test(test_an_engine_is_destroyed_at_once_whatever_its_peers_do_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
