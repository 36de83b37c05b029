/* Several services behind one port whose peers must show who they are: whatever the order of the binds,
 * nobody reaches a service by a way into the port that this service would not have let it in by. */
#include "tests/unit/socket/bench.h"

#define PORT "tcp://127.0.0.1:5555"

typedef struct rig {
    bench b;
    sb_authenticator
        judge; /* says yes to everybody but the password "wrong", and keeps whom it was asked about */
    char asked[256];
    ear orders, feed;
    sb_curve_pair server, client;
} rig;

static void on_request(sb_authenticator *self, const sb_auth_request *r)
{
    rig *g = (rig *)((char *)self - offsetof(rig, judge));
    const sb_session_verdict v = {
        .status = strcmp(r->password, "wrong") == 0 ? 400 : 200, .user_id = r->username};
    snprintf(g->asked, sizeof g->asked, "%s/%s/%s", sb_socket_name(r->socket), r->mechanism, r->domain);
    assert_int_equal(sb_auth_answer(g->b.engine, r->id, &v), SB_OK);
}

static void start(rig *g)
{
    memset(g, 0, sizeof *g);
    bench_open(&g->b);
    assert_int_equal(sb_curve_generate(&g->server), SB_OK);
    assert_int_equal(sb_curve_generate(&g->client), SB_OK);
    g->judge.on_request = on_request;
}

static void finish(rig *g)
{
    ear_clear(&g->orders);
    ear_clear(&g->feed);
    bench_close(&g->b);
}

static void set_bytes(sb_socket *sock, sb_opt opt, const void *value, size_t len)
{
    assert_int_equal(sb_socket_set_bytes(sock, opt, value, len, NULL, 0), SB_OK);
}

static void as_curve_server(const rig *g, sb_socket *sock)
{
    set_int(sock, SB_OPT_CURVE_SERVER, 1);
    set_bytes(sock, SB_OPT_CURVE_SECRETKEY, g->server.secret_key, SB_CURVE_KEY);
}

static void as_curve_client(const rig *g, sb_socket *sock)
{
    set_bytes(sock, SB_OPT_CURVE_SERVERKEY, g->server.public_key, SB_CURVE_KEY);
    set_bytes(sock, SB_OPT_CURVE_SECRETKEY, g->client.secret_key, SB_CURVE_KEY);
}

static void expect_no_sharing(sb_socket *sock, const char *endpoint)
{
    char err[256] = "";
    assert_int_equal(sb_socket_bind(sock, endpoint, err, sizeof err), SB_EMECHANISM);
    assert_non_null(strstr(err, "security: mechanisms, keys, zap_domain must agree"));
}

static void test_curve_peers_find_their_service(void **state)
{
    (void)state;
    rig g;
    start(&g);
    sb_socket *orders = open_socket(&g.b, SB_PULL, &g.orders), *feed = open_socket(&g.b, SB_PULL, &g.feed);
    as_curve_server(&g, orders);
    as_curve_server(&g, feed);
    bind_to(orders, PORT "/orders");
    bind_to(feed, PORT);
    const char *const wanted[] = {PORT "/orders", PORT};
    for (size_t i = 0; i < 2; i++) {
        sb_socket *push = open_socket(&g.b, SB_PUSH, NULL);
        as_curve_client(&g, push);
        connect_to(push, wanted[i]);
        send_text(push, wanted[i]);
    }
    sb_socket *open = open_socket(&g.b, SB_PUSH, NULL); /* NULL: nobody lets it in */
    connect_to(open, PORT "/orders");
    send_text(open, "in the clear");
    pass(&g.b, 500);
    assert_int_equal(g.orders.n, 1);
    assert_int_equal(g.feed.n, 1);
    expect_seen(&g.orders, 0, PORT "/orders");
    expect_seen(&g.feed, 0, PORT);
    finish(&g);
}

static void test_plain_peers_are_asked_about_before_they_name_a_service(void **state)
{
    (void)state;
    rig g;
    start(&g);
    sb_engine_set_authenticator(g.b.engine, &g.judge);
    sb_socket *orders = open_socket(&g.b, SB_PULL, &g.orders), *feed = open_socket(&g.b, SB_ROUTER, &g.feed);
    set_int(orders, SB_OPT_PLAIN_SERVER, 1);
    set_int(feed, SB_OPT_PLAIN_SERVER, 1);
    bind_to(orders, PORT "/orders");
    bind_to(feed, PORT "/feed");
    const char *const passwords[] = {"right", "wrong"};
    for (size_t i = 0; i < 2; i++) {
        sb_socket *dealer = open_socket(&g.b, SB_DEALER, NULL);
        set_bytes(dealer, SB_OPT_PLAIN_USERNAME, "ada", 3);
        set_bytes(dealer, SB_OPT_PLAIN_PASSWORD, passwords[i], 5);
        connect_to(dealer, PORT "/feed"); /* what orders is could not talk to it */
        send_text(dealer, passwords[i]);
    }
    pass(&g.b, 500);
    assert_int_equal(g.feed.n, 1);
    expect_seen(&g.feed, 0, "right");
    finish(&g);
}

/* The order does not matter: who came first does not open a door for who came next. */
static void test_sockets_that_do_not_agree_share_no_port(void **state)
{
    static const char *const places[][2] = {{PORT, PORT "/a"}, {PORT "/a", PORT}, {PORT "/a", PORT "/b"}};
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        for (int secure_first = 0; secure_first < 2; secure_first++) {
            rig g;
            start(&g);
            sb_socket *a = open_socket(&g.b, SB_PULL, NULL), *c = open_socket(&g.b, SB_PULL, NULL);
            as_curve_server(&g, secure_first ? a : c);
            bind_to(a, places[i][0]);
            expect_no_sharing(c, places[i][1]);
            finish(&g);
        }
}

static void test_every_part_of_the_security_must_agree(void **state)
{
    (void)state;
    for (int part = 0; part < 4; part++) {
        rig g;
        start(&g);
        sb_socket *a = open_socket(&g.b, SB_PULL, NULL), *c = open_socket(&g.b, SB_PULL, NULL);
        as_curve_server(&g, a);
        as_curve_server(&g, c);
        if (part == 0)
            set_bytes(c, SB_OPT_CURVE_SECRETKEY, g.client.secret_key, SB_CURVE_KEY);
        else if (part == 1)
            set_int(c, SB_OPT_ALLOW_NULL, 1);
        else if (part == 2)
            set_int(c, SB_OPT_PLAIN_SERVER, 1);
        else
            set_bytes(c, SB_OPT_ZAP_DOMAIN, "inside", 6);
        bind_to(a, PORT "/a");
        expect_no_sharing(c, PORT "/c");
        finish(&g);
    }
}

static void test_the_service_that_was_named_is_asked(void **state)
{
    (void)state;
    rig g;
    start(&g);
    sb_engine_set_authenticator(g.b.engine, &g.judge);
    sb_socket *orders = open_socket(&g.b, SB_PULL, &g.orders), *feed = open_socket(&g.b, SB_PULL, &g.feed);
    as_curve_server(&g, orders);
    as_curve_server(&g, feed);
    bind_to(orders, PORT "/orders");
    bind_to(feed, PORT "/feed");
    sb_socket *push = open_socket(&g.b, SB_PUSH, NULL);
    as_curve_client(&g, push);
    connect_to(push, PORT "/feed");
    settle(&g.b);
    char expected[256];
    snprintf(expected, sizeof expected, "%s/CURVE/", sb_socket_name(feed));
    assert_string_equal(g.asked, expected);
    finish(&g);
}

/* An option that changed after the bind counts for who comes next. */
static void test_a_service_that_became_stricter_is_not_reached_through_the_port(void **state)
{
    (void)state;
    rig g;
    start(&g);
    sb_socket *orders = open_socket(&g.b, SB_PULL, &g.orders), *feed = open_socket(&g.b, SB_PULL, &g.feed);
    bind_to(orders, PORT "/orders");
    bind_to(feed, PORT "/feed");
    as_curve_server(&g, feed);
    sb_socket *push = open_socket(&g.b, SB_PUSH, NULL);
    connect_to(push, PORT "/feed");
    send_text(push, "in the clear");
    pass(&g.b, 500);
    assert_int_equal(g.feed.n, 0);
    finish(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_curve_peers_find_their_service),
        cmocka_unit_test(test_plain_peers_are_asked_about_before_they_name_a_service),
        cmocka_unit_test(test_sockets_that_do_not_agree_share_no_port),
        cmocka_unit_test(test_every_part_of_the_security_must_agree),
        cmocka_unit_test(test_the_service_that_was_named_is_asked),
        cmocka_unit_test(test_a_service_that_became_stricter_is_not_reached_through_the_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
