/* ws:// on the fake loop: sockets of ours on both ends. */
#include "tests/unit/socket/bench.h"

#define ENDPOINT "ws://127.0.0.1:8080/zmq"

/* ---- ours to ours ---- */

static void test_messages_pass_whatever_the_split(void **state)
{
    (void)state;
    static const size_t splits[] = {0, 1, 2, 3, 7, 64, 4096};
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        bench b;
        ear in;
        char *big = malloc(200001);
        bench_open(&b);
        sb_fake_split(b.loop, splits[i]);
        sb_socket *pull = open_socket(&b, SB_PULL, &in), *push = open_socket(&b, SB_PUSH, NULL);
        bind_to(pull, ENDPOINT);
        connect_to(push, ENDPOINT);
        memset(big, 'x', 200000);
        big[200000] = '\0';
        assert_int_equal(send_text(push, "early"), SB_OK);
        assert_int_equal(send_frames(push, "a||c"), SB_OK);
        assert_int_equal(send_text(push, ""), SB_OK);
        assert_int_equal(send_text(push, big), SB_OK);
        assert_int_equal(send_text(push, "last"), SB_OK);
        assert_true(sb_fake_settle(b.loop, 10000000));
        expect_seen(&in, 0, "early");
        expect_seen(&in, 1, "a||c");
        expect_seen(&in, 2, "");
        expect_seen(&in, 3, big);
        expect_seen(&in, 4, "last");
        ear_clear(&in);
        bench_close(&b);
        free(big);
    }
}

static void test_both_directions_and_routing_ids(void **state)
{
    (void)state;
    bench b;
    ear at_router, at_dealer;
    bench_open(&b);
    sb_socket *router = open_socket(&b, SB_ROUTER, &at_router);
    sb_socket *dealer = open_socket(&b, SB_DEALER, &at_dealer);
    assert_int_equal(sb_socket_set_bytes(dealer, SB_OPT_ROUTING_ID, "me", 2, NULL, 0), SB_OK);
    bind_to(router, "ws://*:*");
    assert_memory_equal(sb_socket_last_endpoint(router), "ws://0.0.0.0:", 13);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "ws://127.0.0.1:%s", sb_socket_last_endpoint(router) + 13);
    connect_to(dealer, endpoint);
    send_text(dealer, "question");
    settle(&b);
    expect_seen(&at_router, 0, "question");
    assert_string_equal(sb_peer_get_info(at_router.peer)->mechanism, "NULL");
    send_frames(router, "me|answer");
    settle(&b);
    expect_seen(&at_dealer, 0, "answer");
    ear_clear(&at_router);
    ear_clear(&at_dealer);
    bench_close(&b);
}

static void test_subscriptions_pass(void **state)
{
    (void)state;
    bench b;
    ear in;
    bench_open(&b);
    sb_socket *pub = open_socket(&b, SB_PUB, NULL), *sub = open_socket(&b, SB_SUB, &in);
    bind_to(pub, ENDPOINT);
    assert_int_equal(sb_socket_subscribe(sub, "a", 1), SB_OK);
    connect_to(sub, ENDPOINT);
    settle(&b);
    send_text(pub, "b1");
    send_text(pub, "a1");
    settle(&b);
    assert_int_equal(sb_socket_unsubscribe(sub, "a", 1), SB_OK);
    settle(&b);
    send_text(pub, "a2");
    settle(&b);
    expect_seen(&in, 0, "a1");
    assert_int_equal(in.n, 1);
    ear_clear(&in);
    bench_close(&b);
}

static void test_full_is_full(void **state)
{
    (void)state;
    bench b;
    ear in, out;
    bench_open(&b);
    sb_fake_limit(b.loop, 1024);
    sb_socket *pull = open_socket(&b, SB_PULL, &in), *push = open_socket(&b, SB_PUSH, &out);
    in.take = 0;
    set_int(push, SB_OPT_SNDHWM, 10);
    set_int(pull, SB_OPT_RCVHWM, 10);
    bind_to(pull, ENDPOINT);
    connect_to(push, ENDPOINT);
    settle(&b);
    size_t accepted = 0;
    char text[1000];
    memset(text, 'y', sizeof text);
    for (int i = 0; i < 1000; i++) {
        accepted += sb_socket_send_bytes(push, text, sizeof text) == SB_OK;
        settle(&b);
    }
    assert_in_range(accepted, 20, 40); /* both queues, and what lies in buffers */
    in.take = SIZE_MAX;
    sb_socket_resume(pull);
    settle(&b);
    assert_int_equal(in.n, accepted);
    assert_true(out.writables > 0);
    ear_clear(&in);
    bench_close(&b);
}

static void test_heartbeats_are_websocket_pings(void **state)
{
    (void)state;
    bench b;
    ear in;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, &in), *push = open_socket(&b, SB_PUSH, NULL);
    set_int(pull, SB_OPT_HEARTBEAT_IVL, 10);
    bind_to(pull, ENDPOINT);
    connect_to(push, ENDPOINT);
    send_text(push, "x");
    pass(&b, 100);
    assert_int_equal(in.n, 1);
    assert_null(strstr(in.events, "disconnected"));
    ear_clear(&in);
    bench_close(&b);
}

static void set_text(sb_socket *sock, sb_opt opt, const char *text)
{
    char err[200] = "";
    if (sb_socket_set_bytes(sock, opt, text, strlen(text), err, sizeof err) != SB_OK)
        fail_msg("%s", err);
}

#define SERVER_PUBLIC "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define SERVER_SECRET "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
#define CLIENT_PUBLIC "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define CLIENT_SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

typedef struct doorman {
    sb_authenticator base;
    sb_engine *engine;
} doorman;

static void let_in(sb_authenticator *self, const sb_auth_request *request)
{
    sb_session_verdict yes = {.status = 200};
    sb_auth_answer(((doorman *)self)->engine, request->id, &yes);
}

/* A server of PLAIN and CURVE; clients of each. */
static void test_mechanisms_are_subprotocols(void **state)
{
    (void)state;
    for (int curve = 0; curve < 2; curve++) {
        bench b;
        ear in;
        bench_open(&b);
        doorman everybody = {.base.on_request = let_in, .engine = b.engine};
        sb_engine_set_authenticator(b.engine, &everybody.base);
        sb_socket *pull = open_socket(&b, SB_PULL, &in), *push = open_socket(&b, SB_PUSH, NULL);
        set_int(pull, SB_OPT_PLAIN_SERVER, 1);
        set_int(pull, SB_OPT_CURVE_SERVER, 1);
        set_text(pull, SB_OPT_CURVE_SECRETKEY, SERVER_SECRET);
        if (curve) {
            set_text(push, SB_OPT_CURVE_SERVERKEY, SERVER_PUBLIC);
            set_text(push, SB_OPT_CURVE_PUBLICKEY, CLIENT_PUBLIC);
            set_text(push, SB_OPT_CURVE_SECRETKEY, CLIENT_SECRET);
        } else {
            set_text(push, SB_OPT_PLAIN_USERNAME, "me");
            set_text(push, SB_OPT_PLAIN_PASSWORD, "secret");
        }
        bind_to(pull, ENDPOINT);
        connect_to(push, ENDPOINT);
        send_frames(push, "a|b");
        settle(&b);
        expect_seen(&in, 0, "a|b");
        assert_string_equal(
            sb_peer_property(in.peer, "ws_protocol"), curve ? "ZWS2.0/CURVE" : "ZWS2.0/PLAIN");
        ear_clear(&in);
        bench_close(&b);
    }
}

static void test_closing_says_goodbye_and_comes_back(void **state)
{
    (void)state;
    bench b;
    ear in, out;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, &in), *push = open_socket(&b, SB_PUSH, &out);
    bind_to(pull, ENDPOINT);
    connect_to(push, ENDPOINT);
    pass(&b, 10);
    assert_int_equal(sb_socket_unbind(pull, ENDPOINT), SB_OK);
    pass(&b, 50);
    assert_non_null(strstr(out.events, "disconnected"));
    bind_to(pull, ENDPOINT);
    pass(&b, 2000);
    send_text(push, "again");
    settle(&b);
    expect_seen(&in, 0, "again");
    ear_clear(&in);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_pass_whatever_the_split),
        cmocka_unit_test(test_both_directions_and_routing_ids),
        cmocka_unit_test(test_subscriptions_pass),
        cmocka_unit_test(test_full_is_full),
        cmocka_unit_test(test_heartbeats_are_websocket_pings),
        cmocka_unit_test(test_mechanisms_are_subprotocols),
        cmocka_unit_test(test_closing_says_goodbye_and_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
