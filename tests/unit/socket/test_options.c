/* Options: what each sets, what sockets tell of themselves, mistakes told. */
#include "tests/unit/socket/bench.h"

static void expect_text(sb_socket *sock, const char *setting, const char *error)
{
    char err[256] = "";
    sb_err code = sb_socket_set_text(sock, setting, err, sizeof err);
    if (error == NULL) {
        if (code != SB_OK)
            fail_msg("%s: %s", setting, err);
        return;
    }
    assert_int_equal(code, SB_EINVAL);
    if (strstr(err, error) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", setting, err, error);
}

static int64_t get(sb_socket *sock, sb_opt opt)
{
    int64_t value = -99;
    assert_int_equal(sb_socket_get_int(sock, opt, &value), SB_OK);
    return value;
}

static void test_every_kind_can_be_set_as_text(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL);
    expect_text(push, "sndhwm=7", NULL);
    expect_text(push, "linger=1.5", NULL);
    expect_text(push, "linger=-1", NULL);
    expect_text(push, "linger=200ms", NULL);
    expect_text(push, "maxmsgsize=64k", NULL);
    expect_text(push, "immediate=on", NULL);
    expect_text(push, "on_full=block", NULL);
    expect_text(push, "metadata=X-colour:blue", NULL);
    assert_int_equal(get(push, SB_OPT_SNDHWM), 7);
    assert_int_equal(get(push, SB_OPT_LINGER), 200);
    assert_int_equal(get(push, SB_OPT_MAXMSGSIZE), 65536);
    assert_int_equal(get(push, SB_OPT_IMMEDIATE), 1);
    assert_int_equal(get(push, SB_OPT_ON_FULL), SB_ON_FULL_BLOCK);
    expect_text(push, "sndhwm=many", "a whole number");
    expect_text(push, "linger=soon", "a time such as");
    expect_text(push, "maxmsgsize=big", "a size such as");
    expect_text(push, "immediate=perhaps", "true or false");
    expect_text(push, "on_full=blok", "must be one of default block drop_new drop_old disconnect");
    expect_text(push, "sndhvm=1", "did you mean 'sndhwm'?");
    expect_text(push, "sndhwm", "must be option=value");
    expect_text(push, "metadata=colour:blue", "X-name:value");
    expect_text(push, "metadata=X-a b:c", "X-name:value");
    bench_close(&b);
}

static void test_a_socket_tells_of_itself(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, NULL), *push = open_socket(&b, SB_PUSH, NULL);
    int64_t value;
    set_int(push, SB_OPT_SNDHWM, 1);
    set_int(pull, SB_OPT_RCVHWM, 1);
    assert_int_equal(get(push, SB_OPT_TYPE), SB_PUSH);
    assert_int_equal(get(push, SB_OPT_RCVMORE), 0);
    assert_int_equal(get(push, SB_OPT_THREAD_SAFE), 0);
    assert_int_equal(get(push, SB_OPT_FD), sb_engine_fd(b.engine));
    assert_int_equal(get(push, SB_OPT_EVENTS), 0);
    assert_int_equal(sb_socket_get_int(push, SB_OPT_TOPICS_COUNT, &value), SB_ENOTSUP);
    bind_to(pull, "inproc://x");
    connect_to(push, "inproc://x");
    settle(&b);
    assert_int_equal(get(push, SB_OPT_EVENTS), 2);
    assert_int_equal(get(pull, SB_OPT_EVENTS), 0);
    while (send_text(push, "m") == SB_OK)
        settle(&b);
    assert_int_equal(get(push, SB_OPT_EVENTS), 0);
    assert_int_equal(get(pull, SB_OPT_EVENTS), 1);
    bench_close(&b);
}

static void test_topics_are_counted(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    sb_socket *sub = open_socket(&b, SB_SUB, NULL);
    sb_socket_subscribe(sub, "a", 1);
    sb_socket_subscribe(sub, "a", 1);
    sb_socket_subscribe(sub, "b", 1);
    assert_int_equal(get(sub, SB_OPT_TOPICS_COUNT), 2);
    bench_close(&b);
}

static const char *property(const sb_peer_info *info, const char *name)
{
    for (uint32_t i = 0; i < info->nprops; i++)
        if (strcmp(info->props[i].name, name) == 0)
            return (const char *)info->props[i].value;
    return "";
}

static bool note_info(void *arg, sb_peer *peer)
{
    *(const sb_peer_info **)arg = sb_peer_get_info(peer);
    return true;
}

static void test_metadata_reaches_the_peer(void **state)
{
    (void)state;
    bench b;
    const sb_peer_info *info = NULL;
    char text[64] = "";
    size_t len;
    bench_open(&b);
    sb_socket *pull = open_socket(&b, SB_PULL, NULL), *push = open_socket(&b, SB_PUSH, NULL);
    expect_text(push, "metadata=X-colour:blue", NULL);
    expect_text(push, "metadata=X-size:a:b", NULL);
    bind_to(pull, "tcp://127.0.0.1:1");
    connect_to(push, "tcp://127.0.0.1:1");
    settle(&b);
    sb_socket_each_peer(pull, note_info, &info);
    assert_non_null(info);
    assert_string_equal(property(info, "X-colour"), "blue");
    assert_string_equal(property(info, "X-size"), "a:b");
    assert_int_equal(sb_socket_get_bytes(push, SB_OPT_METADATA, text, sizeof text, &len), SB_OK);
    assert_int_equal(len, strlen("X-colour:blue\nX-size:a:b"));
    assert_memory_equal(text, "X-colour:blue\nX-size:a:b", len);
    bench_close(&b);
}

static void test_reconnecting_stops_where_it_shall(void **state)
{
    (void)state;
    bench b;
    ear seen;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, &seen);
    set_int(push, SB_OPT_RECONNECT_STOP, 1);
    connect_to(push, "tcp://127.0.0.1:1"); /* nobody listens */
    pass(&b, 1000);
    assert_null(strstr(seen.events, "connect_retried"));
    set_int(push, SB_OPT_RECONNECT_STOP, 2);
    connect_to(push, "tcp://127.0.0.1:2");
    pass(&b, 1000);
    assert_non_null(strstr(seen.events, "connect_retried"));
    seen.events[0] = '\0';
    sb_socket_disconnect(push, "tcp://127.0.0.1:2");
    sb_socket *sub = open_socket(&b, SB_SUB, NULL); /* of a type that fails the handshake */
    bind_to(sub, "tcp://127.0.0.1:3");
    connect_to(push, "tcp://127.0.0.1:3");
    pass(&b, 40000);
    assert_non_null(strstr(seen.events, "handshake_failed"));
    assert_null(strstr(seen.events, "connect_retried"));
    bench_close(&b);
}

typedef struct feed {
    bench b;
    ear pub_ear, ears[2];
    sb_socket *pub, *subs[2];
} feed;

static void feed_open(feed *f, sb_opt manual)
{
    bench_open(&f->b);
    f->pub = open_socket(&f->b, SB_XPUB, &f->pub_ear);
    set_int(f->pub, manual, 1);
    bind_to(f->pub, "tcp://127.0.0.1:1");
    for (int i = 0; i < 2; i++) {
        f->subs[i] = open_socket(&f->b, SB_SUB, &f->ears[i]);
        connect_to(f->subs[i], "tcp://127.0.0.1:1");
    }
    settle(&f->b);
}

static void feed_close(feed *f)
{
    ear_clear(&f->pub_ear);
    ear_clear(&f->ears[0]);
    ear_clear(&f->ears[1]);
    bench_close(&f->b);
}

static void publish(feed *f, const char *text)
{
    assert_int_equal(send_text(f->pub, text), SB_OK);
    settle(&f->b);
}

static void test_with_xpub_manual_the_application_says_what_a_peer_gets(void **state)
{
    (void)state;
    feed f;
    feed_open(&f, SB_OPT_XPUB_MANUAL);
    assert_int_equal(sb_socket_subscribe(f.pub, "A", 1), SB_EFSM);
    sb_socket_subscribe(f.subs[0], "A", 1);
    settle(&f.b);
    expect_seen(&f.pub_ear, 0,
        "\x01"
        "A");
    publish(&f, "A0");
    assert_int_equal(f.ears[0].n, 0);
    sb_socket_subscribe(f.subs[0], "B", 1); /* so that its own filter lets B pass */
    settle(&f.b);
    assert_int_equal(sb_socket_set_bytes(f.pub, SB_OPT_SUBSCRIBE, "B", 1, NULL, 0), SB_OK);
    publish(&f, "A1");
    publish(&f, "B1");
    assert_int_equal(f.ears[0].n, 1);
    expect_seen(&f.ears[0], 0, "B1");
    assert_int_equal(f.ears[1].n, 0);
    assert_int_equal(sb_socket_set_bytes(f.pub, SB_OPT_UNSUBSCRIBE, "B", 1, NULL, 0), SB_OK);
    publish(&f, "B2");
    assert_int_equal(f.ears[0].n, 1);
    feed_close(&f);
}

static void test_with_manual_last_value_only_the_newest_gets_the_next_message(void **state)
{
    (void)state;
    feed f;
    feed_open(&f, SB_OPT_XPUB_MANUAL_LAST_VALUE);
    for (int i = 0; i < 2; i++) {
        sb_socket_subscribe(f.subs[i], "A", 1);
        settle(&f.b);
        assert_int_equal(sb_socket_subscribe(f.pub, "A", 1), SB_OK);
        publish(&f, i == 0 ? "A last value for 0" : "A last value for 1");
    }
    publish(&f, "A for all");
    assert_int_equal(f.ears[0].n, 2);
    expect_seen(&f.ears[0], 0, "A last value for 0");
    expect_seen(&f.ears[0], 1, "A for all");
    assert_int_equal(f.ears[1].n, 2);
    expect_seen(&f.ears[1], 0, "A last value for 1");
    feed_close(&f);
}

static void unsubscriptions(bool verbose, size_t expected)
{
    bench b;
    ear pub_ear;
    size_t n = 0;
    bench_open(&b);
    sb_socket *pub = open_socket(&b, SB_XPUB, &pub_ear), *sub = open_socket(&b, SB_XSUB, NULL);
    set_int(pub, SB_OPT_XPUB_VERBOSER, 1);
    set_int(sub, SB_OPT_XSUB_VERBOSE_UNSUBSCRIBE, verbose);
    bind_to(pub, "tcp://127.0.0.1:1");
    connect_to(sub, "tcp://127.0.0.1:1");
    settle(&b);
    for (int i = 0; i < 4; i++)
        sb_socket_send_bytes(sub, i < 2 ? "\1t" : "\0t", 2);
    settle(&b);
    for (size_t i = 0; i < pub_ear.n; i++)
        n += pub_ear.seen[i][0] == '~'; /* how a NUL is shown */
    assert_int_equal(n, expected);
    ear_clear(&pub_ear);
    bench_close(&b);
}

static void test_an_xsub_passes_unsubscriptions_up(void **state)
{
    (void)state;
    unsubscriptions(false, 1);
    unsubscriptions(true, 2);
}

static void test_ipv4only_is_ipv6_the_other_way_round(void **state)
{
    (void)state;
    bench b;
    int64_t value;
    bench_open(&b);
    sb_socket *sock = open_socket(&b, SB_PULL, NULL);
    assert_int_equal(sb_socket_get_int(sock, SB_OPT_IPV4ONLY, &value), SB_OK);
    assert_int_equal(value, 1);
    set_int(sock, SB_OPT_IPV4ONLY, 0);
    assert_int_equal(sb_socket_get_int(sock, SB_OPT_IPV6, &value), SB_OK);
    assert_int_equal(value, 1);
    set_int(sock, SB_OPT_IPV6, 0);
    assert_int_equal(sb_socket_get_int(sock, SB_OPT_IPV4ONLY, &value), SB_OK);
    assert_int_equal(value, 1);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_can_be_set_as_text),
        cmocka_unit_test(test_a_socket_tells_of_itself),
        cmocka_unit_test(test_topics_are_counted),
        cmocka_unit_test(test_metadata_reaches_the_peer),
        cmocka_unit_test(test_reconnecting_stops_where_it_shall),
        cmocka_unit_test(test_with_xpub_manual_the_application_says_what_a_peer_gets),
        cmocka_unit_test(test_with_manual_last_value_only_the_newest_gets_the_next_message),
        cmocka_unit_test(test_an_xsub_passes_unsubscriptions_up),
        cmocka_unit_test(test_ipv4only_is_ipv6_the_other_way_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
