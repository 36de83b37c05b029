/* The draft types as sockets: over the fake loop's TCP and over inproc, both ends ours. */
#include "bench.h"

static const char *const ways[] = {"tcp://127.0.0.1:5555", "inproc://x"};

typedef struct two {
    bench b;
    ear a_ear, b_ear;
    sb_socket *a, *z;
} two;

static void two_open(two *t, sb_type bound, sb_type connected, const char *endpoint)
{
    bench_open(&t->b);
    t->a = open_socket(&t->b, bound, &t->a_ear);
    t->z = open_socket(&t->b, connected, &t->b_ear);
    bind_to(t->a, endpoint);
    connect_to(t->z, endpoint);
    settle(&t->b);
}

static void two_close(two *t)
{
    bench_close(&t->b);
    ear_clear(&t->a_ear);
    ear_clear(&t->b_ear);
}

static sb_err send_to(sb_socket *sock, uint32_t number, const char *text)
{
    sb_msg msg;
    sb_msg_init(&msg);
    sb_msg_push(&msg, text, strlen(text), NULL);
    assert_int_equal(sb_msg_set_routing_id(&msg, number), SB_OK);
    sb_err err = sb_socket_send(sock, &msg);
    sb_msg_finish(&msg);
    return err;
}

static void test_client_server(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        two t;
        two_open(&t, SB_SERVER, SB_CLIENT, ways[i]);
        assert_int_equal(send_text(t.z, "ask"), SB_OK);
        settle(&t.b);
        expect_seen(&t.a_ear, 0, "ask");
        uint32_t number = sb_peer_number(t.a_ear.peer);
        assert_int_not_equal(number, 0);
        assert_int_equal(send_to(t.a, number, "answer"), SB_OK);
        assert_int_equal(send_to(t.a, number + 1, "nobody"), SB_EHOSTUNREACH);
        assert_int_equal(send_text(t.a, "no number"), SB_EINVAL);
        settle(&t.b);
        expect_seen(&t.b_ear, 0, "answer");
        two_close(&t);
    }
}

static sb_err echo(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    (void)self;
    return sb_socket_reply(sock, peer, msg, msg);
}

static void test_a_reply_finds_its_client(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        two t;
        sb_handler echoes = {.on_msg = echo};
        two_open(&t, SB_SERVER, SB_CLIENT, ways[i]);
        sb_socket_set_handler(t.a, &echoes);
        assert_int_equal(send_text(t.z, "there and back"), SB_OK);
        settle(&t.b);
        expect_seen(&t.b_ear, 0, "there and back");
        sb_socket_set_handler(t.a, NULL);
        two_close(&t);
    }
}

static void test_peer_peer_is_addressed_before_it_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench b;
        ear ear_a, ear_z;
        sb_peer *peer;
        bench_open(&b);
        sb_socket *a = open_socket(&b, SB_PEER, &ear_a), *z = open_socket(&b, SB_PEER, &ear_z);
        assert_int_equal(sb_socket_connect_peer(z, ways[i], &peer, NULL, 0), SB_OK);
        assert_int_equal(send_to(z, sb_peer_number(peer), "early"), SB_OK);
        bind_to(a, ways[i]);
        pass(&b, 1000); /* the first attempt found nobody */
        expect_seen(&ear_a, 0, "early");
        assert_int_equal(send_to(a, sb_peer_number(ear_a.peer), "back"), SB_OK);
        settle(&b);
        expect_seen(&ear_z, 0, "back");
        bench_close(&b);
        ear_clear(&ear_a);
        ear_clear(&ear_z);
    }
}

static void test_connect_peer_needs_a_peer_at_once(void **state)
{
    (void)state;
    bench b;
    sb_peer *peer;
    char err[128] = "";
    bench_open(&b);
    sb_socket *z = open_socket(&b, SB_PEER, NULL);
    set_int(z, SB_OPT_IMMEDIATE, 1);
    assert_int_equal(sb_socket_connect_peer(z, ways[0], &peer, err, sizeof err), SB_EINVAL);
    assert_non_null(strstr(err, "immediate"));
    bench_close(&b);
}

static void test_scatter_gather_and_channel(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        two t;
        two_open(&t, SB_GATHER, SB_SCATTER, ways[i]);
        assert_int_equal(send_text(t.z, "1"), SB_OK);
        assert_int_equal(send_frames(t.z, "1|2"), SB_EINVAL);
        assert_int_equal(send_text(t.a, "x"), SB_ENOTSUP);
        settle(&t.b);
        assert_int_equal(t.a_ear.n, 1);
        expect_seen(&t.a_ear, 0, "1");
        two_close(&t);
        two_open(&t, SB_CHANNEL, SB_CHANNEL, ways[i]);
        assert_int_equal(send_text(t.z, "to"), SB_OK);
        assert_int_equal(send_text(t.a, "fro"), SB_OK);
        settle(&t.b);
        expect_seen(&t.a_ear, 0, "to");
        expect_seen(&t.b_ear, 0, "fro");
        two_close(&t);
    }
}

static sb_route *everything_to(sb_socket *to)
{
    sb_route *route;
    sb_route_row row = {.action = SB_ROUTE_TO, .to = {to}, .nto = 1};
    assert_int_equal(sb_route_create(&row, 1, NULL, 0, &route), SB_OK);
    return route;
}

/* A DEALER behind a SERVER: the number rides along and finds its client. */
static void test_a_server_routes_like_a_router(void **state)
{
    (void)state;
    bench b;
    ear ear_c;
    sb_handler echoes = {.on_msg = echo};
    bench_open(&b);
    sb_socket *client = open_socket(&b, SB_CLIENT, &ear_c), *server = open_socket(&b, SB_SERVER, NULL);
    sb_socket *dealer = open_socket(&b, SB_DEALER, NULL), *worker = open_socket(&b, SB_DEALER, NULL);
    assert_int_equal(sb_socket_hops(server), 1);
    sb_socket_set_hops(dealer, 1);
    sb_route *to_dealer = everything_to(dealer), *to_server = everything_to(server);
    sb_socket_set_route(server, to_dealer);
    sb_socket_set_route(dealer, to_server);
    sb_socket_set_handler(worker, &echoes);
    bind_to(server, "inproc://front");
    bind_to(dealer, "inproc://back");
    connect_to(client, "inproc://front");
    connect_to(worker, "inproc://back");
    settle(&b);
    assert_int_equal(send_text(client, "through"), SB_OK);
    settle(&b);
    expect_seen(&ear_c, 0, "through");
    bench_close(&b);
    ear_clear(&ear_c);
}

static void test_scatter_may_keep_the_last_only(void **state)
{
    (void)state;
    bench b;
    ear heard;
    bench_open(&b);
    sb_socket *gather = open_socket(&b, SB_GATHER, &heard), *scatter = open_socket(&b, SB_SCATTER, NULL);
    set_int(scatter, SB_OPT_CONFLATE, 1);
    connect_to(scatter, ways[1]);
    for (const char *text = "123"; *text != '\0'; text++)
        assert_int_equal(sb_socket_send_bytes(scatter, text, 1), SB_OK);
    bind_to(gather, ways[1]);
    settle(&b);
    assert_int_equal(heard.n, 1);
    expect_seen(&heard, 0, "3");
    bench_close(&b);
    ear_clear(&heard);
}

static void test_radio_dish(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        two t;
        two_open(&t, SB_RADIO, SB_DISH, ways[i]);
        assert_int_equal(sb_socket_join(t.z, "news", 4), SB_OK);
        assert_int_equal(sb_socket_subscribe(t.z, "news", 4), SB_ENOTSUP);
        assert_int_equal(sb_socket_join(t.a, "news", 4), SB_ENOTSUP);
        settle(&t.b);
        assert_int_equal(send_frames(t.a, "news|rain"), SB_OK);
        assert_int_equal(send_frames(t.a, "newspaper|no"), SB_OK);
        settle(&t.b);
        assert_int_equal(t.b_ear.n, 1);
        expect_seen(&t.b_ear, 0, "rain");
        assert_int_equal(sb_socket_leave(t.z, "news", 4), SB_OK);
        settle(&t.b);
        assert_int_equal(send_frames(t.a, "news|no"), SB_OK);
        settle(&t.b);
        assert_int_equal(t.b_ear.n, 1);
        two_close(&t);
    }
}

static sb_verdict answer_with_other(sb_handler *self, sb_socket *sock, sb_subscription *sub)
{
    (void)self, (void)sock;
    if (sub->len == 4 && memcmp(sub->topic, "deny", 4) == 0)
        return SB_VERDICT_DENY;
    return sb_subscription_rewrite(sub, "real", 4) == SB_OK ? SB_VERDICT_REWRITE : SB_VERDICT_DENY;
}

static void test_a_radio_may_deny_and_rewrite_groups(void **state)
{
    (void)state;
    two t;
    two_open(&t, SB_RADIO, SB_DISH, ways[0]);
    t.a_ear.base.on_subscribe = answer_with_other;
    assert_int_equal(sb_socket_join(t.z, "deny", 4), SB_OK);
    assert_int_equal(sb_socket_join(t.z, "nick", 4), SB_OK);
    settle(&t.b);
    assert_int_equal(send_frames(t.a, "deny|no"), SB_OK);
    assert_int_equal(send_frames(t.a, "nick|no"), SB_OK);
    assert_int_equal(send_frames(t.a, "real|yes"), SB_OK);
    assert_int_equal(send_frames(t.a, "really|no"), SB_OK);
    settle(&t.b);
    assert_int_equal(t.b_ear.n, 1);
    expect_seen(&t.b_ear, 0, "yes");
    two_close(&t);
}

static void test_wrong_partners_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        two t;
        two_open(&t, SB_SERVER, SB_SERVER, ways[i]);
        sb_stats st;
        sb_socket_stats(t.z, &st);
        assert_int_equal(st.peers, 0);
        assert_true(
            st.handshake_failures[SB_CAUSE_PEER_TYPE] + st.handshake_failures[SB_CAUSE_ERROR_COMMAND] > 0);
        two_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_server),
        cmocka_unit_test(test_a_reply_finds_its_client),
        cmocka_unit_test(test_peer_peer_is_addressed_before_it_answers),
        cmocka_unit_test(test_connect_peer_needs_a_peer_at_once),
        cmocka_unit_test(test_scatter_gather_and_channel),
        cmocka_unit_test(test_a_server_routes_like_a_router),
        cmocka_unit_test(test_scatter_may_keep_the_last_only),
        cmocka_unit_test(test_radio_dish),
        cmocka_unit_test(test_a_radio_may_deny_and_rewrite_groups),
        cmocka_unit_test(test_wrong_partners_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
