/* Security options and the question who may come in, with the authenticator in C: on the fake loop, with a
 * clock by hand. */
#include "tests/unit/socket/bench.h"

typedef struct judge {
    sb_authenticator base; /* first member */
    sb_engine *engine;
    unsigned status; /* 0: later */
    uint64_t id;     /* of the last question */
    size_t asked;
    char last[256];
} judge;

static sb_err judge_say(judge *j, unsigned status)
{
    const sb_property team = {.name = "X-Team", .value = (uint8_t *)"engines", .value_len = 7};
    const sb_session_verdict v = {
        .status = status, .text = "said so", .user_id = "somebody", .metadata = &team, .nmetadata = 1};
    return sb_auth_answer(j->engine, j->id, &v);
}

static void on_request(sb_authenticator *self, const sb_auth_request *r)
{
    judge *j = (judge *)self;
    j->id = r->id;
    j->asked++;
    snprintf(j->last, sizeof j->last, "%s/%s/%s/%s/%s", r->mechanism, r->domain, r->address, r->username,
        r->password);
    if (j->status != 0) {
        assert_int_equal(judge_say(j, j->status), SB_OK); /* from inside the question */
        assert_int_equal(judge_say(j, 200), SB_ENOENT);   /* once */
    }
}

typedef struct rig {
    bench b;
    judge judge;
    ear in, out;
    sb_socket *server, *client;
} rig;

static void set_text(sb_socket *sock, sb_opt opt, const char *text)
{
    char err[256] = "";
    if (sb_socket_set_bytes(sock, opt, text, strlen(text), err, sizeof err) != SB_OK)
        fail_msg("%s", err);
}

static void start_within(rig *r, unsigned status, int64_t auth_timeout)
{
    memset(r, 0, sizeof *r);
    bench_open(&r->b);
    r->judge = (judge){.base.on_request = on_request, .engine = r->b.engine, .status = status};
    sb_engine_set_authenticator(r->b.engine, &r->judge.base);
    r->server = open_socket(&r->b, SB_PULL, &r->in);
    r->client = open_socket(&r->b, SB_PUSH, &r->out);
    set_int(r->server, SB_OPT_PLAIN_SERVER, 1);
    set_int(r->server, SB_OPT_AUTH_TIMEOUT, auth_timeout);
    set_text(r->client, SB_OPT_PLAIN_USERNAME, "ada");
    set_text(r->client, SB_OPT_PLAIN_PASSWORD, "secret");
    bind_to(r->server, "tcp://127.0.0.1:1");
    connect_to(r->client, "tcp://127.0.0.1:1");
    settle(&r->b);
}

static void start(rig *r, unsigned status)
{
    start_within(r, status, 5000);
}

static void finish(rig *r)
{
    ear_clear(&r->in);
    bench_close(&r->b);
}

static bool only_peer(void *arg, sb_peer *peer)
{
    *(sb_peer **)arg = peer;
    return false;
}

static void test_an_answer_from_inside_the_question_lets_in(void **state)
{
    rig r;
    sb_peer *peer = NULL;
    (void)state;
    start(&r, 200);
    assert_string_equal(r.judge.last, "PLAIN//127.0.0.1/ada/secret");
    sb_socket_each_peer(r.server, only_peer, &peer);
    assert_non_null(peer);
    assert_string_equal(sb_peer_user_id(peer), "somebody");
    assert_int_equal(sb_peer_get_info(peer)->nauth_props, 1);
    assert_string_equal(sb_peer_get_info(peer)->auth_props[0].name, "X-Team");
    assert_memory_equal(sb_peer_get_info(peer)->auth_props[0].value, "engines", 7);
    assert_int_equal(send_text(r.client, "x"), SB_OK);
    settle(&r.b);
    expect_seen(&r.in, 0, "x");
    finish(&r);
}

static void test_a_late_answer_lets_in_and_an_overdue_one_does_not(void **state)
{
    rig r;
    (void)state;
    start(&r, 0);
    pass(&r.b, 4000);
    assert_int_equal(judge_say(&r.judge, 200), SB_OK);
    settle(&r.b);
    assert_non_null(strstr(r.in.events, "handshake_succeeded"));
    finish(&r);
    start(&r, 0);
    uint64_t first = r.judge.id;
    pass(&r.b, 5500);
    assert_null(strstr(r.in.events, "handshake_succeeded"));
    assert_non_null(strstr(r.in.events, "handshake_failed_auth"));
    r.judge.id = first;
    assert_int_equal(judge_say(&r.judge, 200), SB_ENOENT);
    assert_true(r.judge.asked >= 2); /* 300 is silent: the client came again */
    finish(&r);
}

static void test_the_time_for_an_answer_can_be_set(void **state)
{
    rig r;
    (void)state;
    start_within(&r, 0, 1000);
    pass(&r.b, 900);
    assert_null(strstr(r.in.events, "handshake_failed_auth"));
    pass(&r.b, 200);
    assert_non_null(strstr(r.in.events, "handshake_failed_auth"));
    finish(&r);
}

static void test_a_question_ends_with_its_connection(void **state)
{
    rig r;
    (void)state;
    start(&r, 0);
    sb_socket_close(r.client); /* not seen while nothing is read; the answer finds nobody there */
    settle(&r.b);
    assert_int_equal(judge_say(&r.judge, 200), SB_OK);
    settle(&r.b);
    sb_stats s;
    sb_socket_stats(r.server, &s);
    assert_int_equal(s.peers, 0);
    finish(&r);
    start(&r, 0);
    sb_socket_close(r.server);
    settle(&r.b);
    assert_int_equal(judge_say(&r.judge, 200), SB_ENOENT);
    finish(&r);
    start(&r, 0); /* and with the engine */
    finish(&r);
}

static void test_a_refused_client_waits_longer_and_longer(void **state)
{
    rig r;
    (void)state;
    start(&r, 400);
    assert_non_null(strstr(r.in.events, "handshake_failed_auth"));
    assert_non_null(strstr(r.out.events, "handshake_failed_auth"));
    size_t asked = r.judge.asked;
    pass(&r.b, 10000);
    assert_true(r.judge.asked > asked && r.judge.asked < asked + 9); /* 100 ms would make 100 */
    finish(&r);
}

static void test_null_peers_are_asked_about_too(void **state)
{
    rig r;
    (void)state;
    start(&r, 200);
    sb_socket *null = open_socket(&r.b, SB_PULL, NULL), *peer = open_socket(&r.b, SB_PUSH, NULL);
    bind_to(null, "tcp://127.0.0.1:2");
    r.judge.status = 400;
    connect_to(peer, "tcp://127.0.0.1:2");
    settle(&r.b);
    sb_stats s;
    sb_socket_stats(null, &s);
    assert_int_equal(s.handshake_failures[SB_CAUSE_AUTH], 1);
    assert_string_equal(r.judge.last, "NULL//127.0.0.1//");
    finish(&r);
}

/* ---- options ---- */

#define PUBLIC "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define SECRET "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"

static void test_secrets_cannot_be_read_back(void **state)
{
    bench b;
    char value[256];
    size_t len;
    int64_t mechanism;
    (void)state;
    bench_open(&b);
    sb_socket *sock = open_socket(&b, SB_PULL, NULL);
    set_text(sock, SB_OPT_CURVE_SECRETKEY, SECRET);
    set_text(sock, SB_OPT_PLAIN_PASSWORD, "secret");
    assert_int_equal(sb_socket_get_bytes(sock, SB_OPT_CURVE_SECRETKEY, value, sizeof value, &len), SB_EINVAL);
    assert_int_equal(sb_socket_get_bytes(sock, SB_OPT_PLAIN_PASSWORD, value, sizeof value, &len), SB_EINVAL);
    set_text(sock, SB_OPT_CURVE_PUBLICKEY, PUBLIC);
    assert_int_equal(sb_socket_get_bytes(sock, SB_OPT_CURVE_PUBLICKEY, value, sizeof value, &len), SB_OK);
    assert_int_equal(len, 40);
    assert_memory_equal(value, PUBLIC, 40);
    assert_int_equal(sb_socket_get_int(sock, SB_OPT_MECHANISM, &mechanism), SB_OK);
    assert_int_equal(mechanism, SB_MECHANISM_NULL);
    set_int(sock, SB_OPT_CURVE_SERVER, 1);
    sb_socket_get_int(sock, SB_OPT_MECHANISM, &mechanism);
    assert_int_equal(mechanism, SB_MECHANISM_CURVE);
    bench_close(&b);
}

static void expect_contradiction(sb_socket *sock, const char *text)
{
    char err[256] = "";
    assert_int_equal(sb_socket_bind(sock, "tcp://127.0.0.1:1", err, sizeof err), SB_EINVAL);
    if (strstr(err, text) == NULL)
        fail_msg("\"%s\", expected \"%s\"", err, text);
}

static void test_options_that_contradict_each_other_are_told_at_bind(void **state)
{
    static const uint8_t zeros[SB_CURVE_KEY];
    bench b;
    char err[256] = "";
    (void)state;
    bench_open(&b);
    sb_socket *sock = open_socket(&b, SB_PULL, NULL);
    set_int(sock, SB_OPT_CURVE_SERVER, 1);
    expect_contradiction(sock, "curve_server needs curve_secretkey");
    set_text(sock, SB_OPT_CURVE_SECRETKEY, SECRET);
    set_text(sock, SB_OPT_CURVE_SERVERKEY, PUBLIC);
    expect_contradiction(sock, "a socket is one side");
    set_int(sock, SB_OPT_CURVE_SERVER, 0);
    set_text(sock, SB_OPT_PLAIN_USERNAME, "ada");
    expect_contradiction(sock, "a client speaks one mechanism");
    set_text(sock, SB_OPT_PLAIN_USERNAME, "");
    assert_int_equal(sb_socket_set_bytes(sock, SB_OPT_CURVE_PUBLICKEY, zeros, sizeof zeros, NULL, 0), SB_OK);
    expect_contradiction(sock, "curve_publickey does not belong to curve_secretkey");
    assert_int_equal(
        sb_socket_set_bytes(sock, SB_OPT_CURVE_SERVERKEY, "short", 5, err, sizeof err), SB_EINVAL);
    assert_non_null(strstr(err, "curve_serverkey"));
    for (int i = 0; i < 40; i++)
        err[i] = i == 17 ? ' ' : 'x';
    assert_int_equal(sb_socket_set_bytes(sock, SB_OPT_CURVE_SERVERKEY, err, 40, err, sizeof err), SB_EINVAL);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_from_inside_the_question_lets_in),
        cmocka_unit_test(test_a_late_answer_lets_in_and_an_overdue_one_does_not),
        cmocka_unit_test(test_the_time_for_an_answer_can_be_set),
        cmocka_unit_test(test_a_question_ends_with_its_connection),
        cmocka_unit_test(test_a_refused_client_waits_longer_and_longer),
        cmocka_unit_test(test_null_peers_are_asked_about_too),
        cmocka_unit_test(test_secrets_cannot_be_read_back),
        cmocka_unit_test(test_options_that_contradict_each_other_are_told_at_bind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
