/* inproc where it could differ from connections with octets. */
#include "bench.h"

/* Its time came while nobody was there: it is queued for who comes before that one is ready. */
static void test_a_request_is_asked_again_of_who_comes_back(void **state)
{
    (void)state;
    bench b;
    ear heard;
    bench_open(&b);
    sb_socket *req = open_socket(&b, SB_REQ, NULL), *router = open_socket(&b, SB_ROUTER, &heard);
    set_int(req, SB_OPT_REQ_RESEND, 100);
    bind_to(req, "inproc://again");
    connect_to(router, "inproc://again");
    settle(&b);
    assert_int_equal(send_text(req, "question"), SB_OK);
    settle(&b);
    expect_seen(&heard, 0, "question");
    assert_int_equal(sb_socket_disconnect(router, "inproc://again"), SB_OK);
    pass(&b, 200);
    connect_to(router, "inproc://again");
    pass(&b, 10);
    assert_int_equal(heard.n, 2);
    expect_seen(&heard, 1, "question");
    bench_close(&b);
    ear_clear(&heard);
}

static void send_numbers(sb_socket *sock, int from, int to)
{
    char text[16];
    for (int i = from; i < to; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(send_text(sock, text), SB_OK);
    }
}

static void expect_numbers(ear *e, int from, int to)
{
    char text[16];
    for (int i = from; i < to; i++) {
        snprintf(text, sizeof text, "%d", i);
        expect_seen(e, (size_t)i, text);
    }
    assert_int_equal(e->n, to);
}

/* They are handed on many at once: those that are not taken stay in order, and count as waiting. */
static void test_who_takes_some_gets_the_others_later(void **state)
{
    (void)state;
    bench b;
    ear heard;
    sb_stats stats;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &heard);
    heard.take = 7;
    set_int(pull, SB_OPT_RCVHWM, 5);
    bind_to(pull, "inproc://some");
    connect_to(push, "inproc://some");
    settle(&b);
    send_numbers(push, 0, 40);
    settle(&b);
    expect_numbers(&heard, 0, 7);
    sb_socket_stats(push, &stats);
    assert_int_equal(stats.msgs_out + stats.queued_out_msgs, 40);
    assert_in_range(stats.msgs_out, 7, 13);
    heard.take = SIZE_MAX;
    sb_socket_resume(pull);
    settle(&b);
    expect_numbers(&heard, 0, 40);
    sb_socket_stats(push, &stats);
    assert_int_equal(stats.msgs_out, 40);
    bench_close(&b);
    ear_clear(&heard);
}

/* Echoes until there is nothing left to answer, and closes its socket then. */
typedef struct closer {
    sb_handler base;
    int left;
} closer;

static sb_err close_at_last(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    closer *c = (closer *)self;
    (void)peer;
    assert_int_equal(sb_socket_send(sock, msg), SB_OK);
    if (--c->left == 0)
        sb_socket_close(sock);
    return SB_OK;
}

static void test_who_gets_many_may_answer_and_close_meanwhile(void **state)
{
    (void)state;
    bench b;
    ear heard;
    closer c = {.base = {.on_msg = close_at_last}, .left = 5};
    bench_open(&b);
    sb_socket *asks = open_socket(&b, SB_PAIR, &heard), *answers = open_socket(&b, SB_PAIR, NULL);
    sb_socket_set_handler(answers, &c.base);
    bind_to(answers, "inproc://many");
    connect_to(asks, "inproc://many");
    settle(&b);
    send_numbers(asks, 0, 20);
    settle(&b);
    assert_int_equal(c.left, 0);
    assert_true(heard.n <= 5);
    bench_close(&b);
    ear_clear(&heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_asked_again_of_who_comes_back),
        cmocka_unit_test(test_who_takes_some_gets_the_others_later),
        cmocka_unit_test(test_who_gets_many_may_answer_and_close_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
