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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_asked_again_of_who_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
