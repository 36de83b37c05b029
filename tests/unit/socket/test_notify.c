/* What a peer's coming and going says: hello_msg, disconnect_msg, hiccup_msg, router_notify. */
#include "bench.h"

static const char *const ways[] = {"tcp://127.0.0.1:5555", "inproc://x"};

static void set_text(sb_socket *sock, sb_opt opt, const char *text)
{
    char err[128] = "";
    if (sb_socket_set_bytes(sock, opt, text, strlen(text), err, sizeof err) != SB_OK)
        fail_msg("%s", err);
}

static void test_hello_is_the_first_message_of_each(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench b;
        ear ear_s, ear_c;
        bench_open(&b);
        sb_socket *server = open_socket(&b, SB_SERVER, &ear_s), *client = open_socket(&b, SB_CLIENT, &ear_c);
        set_text(server, SB_OPT_HELLO_MSG, "welcome");
        set_text(client, SB_OPT_HELLO_MSG, "it is me");
        set_int(client, SB_OPT_SNDHWM, 1);
        connect_to(client, ways[i]);
        assert_int_equal(send_text(client, "queued before"), SB_OK);
        assert_int_equal(send_text(client, "full"), SB_EAGAIN);
        bind_to(server, ways[i]);
        pass(&b, 1000);
        assert_int_equal(ear_s.n, 2);
        expect_seen(&ear_s, 0, "it is me");
        expect_seen(&ear_s, 1, "queued before");
        assert_int_equal(ear_c.n, 1);
        expect_seen(&ear_c, 0, "welcome");
        bench_close(&b);
        ear_clear(&ear_s);
        ear_clear(&ear_c);
    }
}

/* What was taken stays, also where the budget of the engine has no room for a greeting before it. */
static void test_hello_costs_nobody_his_place(void **state)
{
    (void)state;
    bench b;
    ear ear_s;
    assert_int_equal(sb_fake_create(&b.loop), SB_OK);
    sb_engine_config cfg = {.loop = b.loop, .max_queued = 40};
    assert_int_equal(sb_engine_create(&cfg, NULL, 0, &b.engine), SB_OK);
    sb_socket *server = open_socket(&b, SB_ROUTER, &ear_s), *client = open_socket(&b, SB_DEALER, NULL);
    set_text(client, SB_OPT_HELLO_MSG, "hello");
    connect_to(client, ways[0]);
    for (int i = 0; i < 4; i++)
        assert_int_equal(send_text(client, "one"), SB_OK);
    assert_int_equal(send_text(client, "one"), SB_EAGAIN);
    bind_to(server, ways[0]);
    pass(&b, 1000);
    assert_int_equal(ear_s.n, 5);
    ear_clear(&ear_s);
    bench_close(&b);
}

static void test_hello_comes_again_after_a_reconnect(void **state)
{
    (void)state;
    bench b;
    ear ear_s, ear_c;
    bench_open(&b);
    sb_socket *server = open_socket(&b, SB_SERVER, &ear_s), *client = open_socket(&b, SB_CLIENT, &ear_c);
    set_text(client, SB_OPT_HELLO_MSG, "hello");
    set_text(client, SB_OPT_HICCUP_MSG, "hiccup");
    set_text(server, SB_OPT_DISCONNECT_MSG, "gone");
    bind_to(server, ways[0]);
    connect_to(client, ways[0]);
    settle(&b);
    assert_int_equal(send_text(client, "1"), SB_OK);
    settle(&b);
    sb_socket_unbind(server, ways[0]);
    settle(&b);
    assert_int_equal(send_text(client, "2"), SB_OK);
    bind_to(server, ways[0]);
    pass(&b, 1000);
    static const char *const heard[] = {"hello", "1", "gone", "hello", "2"};
    assert_int_equal(ear_s.n, 5);
    for (size_t i = 0; i < 5; i++)
        expect_seen(&ear_s, i, heard[i]);
    assert_int_equal(ear_c.n, 1);
    expect_seen(&ear_c, 0, "hiccup");
    bench_close(&b);
    ear_clear(&ear_s);
    ear_clear(&ear_c);
}

static void test_a_goodbye_stands_behind_what_was_sent(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench b;
        ear ear_r;
        bench_open(&b);
        sb_socket *router = open_socket(&b, SB_ROUTER, &ear_r), *dealer = open_socket(&b, SB_DEALER, NULL);
        set_text(router, SB_OPT_DISCONNECT_MSG, "gone");
        set_int(router, SB_OPT_ROUTER_NOTIFY, 3);
        set_text(dealer, SB_OPT_ROUTING_ID, "me");
        bind_to(router, ways[i]);
        ear_r.take = 0; /* all waits in the queue */
        connect_to(dealer, ways[i]);
        assert_int_equal(send_text(dealer, "last words"), SB_OK);
        settle(&b);
        sb_socket_close(dealer);
        settle(&b);
        ear_r.take = SIZE_MAX;
        sb_socket_resume(router);
        settle(&b);
        static const char *const heard[] = {"", "last words", "", "gone"};
        assert_int_equal(ear_r.n, 4);
        for (size_t k = 0; k < 4; k++)
            expect_seen(&ear_r, k, heard[k]);
        bench_close(&b);
        ear_clear(&ear_r);
    }
}

/* One message at a time, as recv shows it. */
static void expect_recv(sb_socket *sock, const char *id, const char *body)
{
    sb_msg msg;
    sb_msg_init(&msg);
    assert_int_equal(sb_socket_recv(sock, &msg), SB_OK);
    assert_int_equal(msg.n, 2);
    assert_int_equal(msg.envelope, 1);
    assert_memory_equal(msg.frames[0].data, id, strlen(id));
    assert_int_equal(msg.frames[1].len, strlen(body));
    assert_memory_equal(msg.frames[1].data, body, strlen(body));
    sb_msg_finish(&msg);
}

static void test_notices_carry_the_name(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    sb_socket *router = open_socket(&b, SB_ROUTER, NULL), *dealer = open_socket(&b, SB_DEALER, NULL);
    set_int(router, SB_OPT_ROUTER_NOTIFY, 3);
    set_int(router, SB_OPT_RCVHWM, 1);
    set_text(dealer, SB_OPT_ROUTING_ID, "me");
    bind_to(router, ways[0]);
    connect_to(dealer, ways[0]);
    settle(&b);
    sb_socket_close(dealer);
    settle(&b);
    expect_recv(router, "me", "");
    expect_recv(router, "me", "");
    sb_msg msg;
    sb_msg_init(&msg);
    assert_int_equal(sb_socket_recv(router, &msg), SB_EAGAIN);
    bench_close(&b);
}

static void test_a_refused_peer_is_no_news(void **state)
{
    (void)state;
    bench b;
    ear ear_r;
    bench_open(&b);
    sb_socket *router = open_socket(&b, SB_ROUTER, &ear_r), *pull = open_socket(&b, SB_PULL, NULL);
    set_int(router, SB_OPT_ROUTER_NOTIFY, 3);
    set_text(router, SB_OPT_DISCONNECT_MSG, "gone");
    bind_to(router, ways[0]);
    connect_to(pull, ways[0]);
    pass(&b, 500);
    assert_int_equal(ear_r.n, 0);
    bench_close(&b);
    ear_clear(&ear_r);
}

static void test_types_that_have_none_say_so(void **state)
{
    (void)state;
    bench b;
    char err[128] = "";
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL);
    assert_int_equal(sb_socket_set_bytes(push, SB_OPT_HELLO_MSG, "x", 1, err, sizeof err), SB_ENOTSUP);
    assert_non_null(strstr(err, "hello_msg"));
    sb_socket *router = open_socket(&b, SB_ROUTER, NULL);
    assert_int_equal(sb_socket_set_int(router, SB_OPT_ROUTER_NOTIFY, 4, err, sizeof err), SB_EINVAL);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_is_the_first_message_of_each),
        cmocka_unit_test(test_hello_costs_nobody_his_place),
        cmocka_unit_test(test_hello_comes_again_after_a_reconnect),
        cmocka_unit_test(test_a_goodbye_stands_behind_what_was_sent),
        cmocka_unit_test(test_notices_carry_the_name),
        cmocka_unit_test(test_a_refused_peer_is_no_news),
        cmocka_unit_test(test_types_that_have_none_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
