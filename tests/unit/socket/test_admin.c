/* What surrounds the flow: subscriptions' verdicts, route rows, dead letters, drain, linger, limits, options.
 */
#include "tests/unit/socket/bench.h"

static sb_subscription *waiting;

static sb_verdict judge(sb_handler *self, sb_socket *sock, sb_subscription *sub)
{
    (void)self, (void)sock;
    if (sub->len == 0)
        return SB_VERDICT_DENY;
    if (sub->topic[0] == 'l') {
        sb_subscription_rewrite(sub, "v2.", 3);
        return SB_VERDICT_REWRITE;
    }
    if (sub->topic[0] == 'w') {
        waiting = sub;
        return SB_VERDICT_LATER;
    }
    return SB_VERDICT_ACCEPT;
}

typedef struct feed {
    bench b;
    ear pub_ear, sub_ear;
    sb_socket *pub, *sub;
} feed;

static void feed_open(feed *f, const char *topic)
{
    bench_open(&f->b);
    f->pub = open_socket(&f->b, SB_XPUB, &f->pub_ear);
    f->sub = open_socket(&f->b, SB_SUB, &f->sub_ear);
    f->pub_ear.base.on_subscribe = judge;
    bind_to(f->pub, "tcp://127.0.0.1:1");
    connect_to(f->sub, "tcp://127.0.0.1:1");
    assert_int_equal(sb_socket_subscribe(f->sub, topic, strlen(topic)), SB_OK);
    settle(&f->b);
}

static void feed_close(feed *f)
{
    ear_clear(&f->pub_ear);
    ear_clear(&f->sub_ear);
    bench_close(&f->b);
}

static void test_an_accepted_subscription_gets_its_topic_only(void **state)
{
    (void)state;
    feed f;
    feed_open(&f, "news");
    expect_seen(&f.pub_ear, 0, "\x01news");
    send_frames(f.pub, "news.a|1");
    send_frames(f.pub, "other|2");
    settle(&f.b);
    expect_seen(&f.sub_ear, 0, "news.a|1");
    assert_int_equal(f.sub_ear.n, 1);
    assert_non_null(strstr(f.pub_ear.events, "subscribed"));
    feed_close(&f);
}

static void test_a_denied_subscription_gets_nothing_and_is_counted(void **state)
{
    (void)state;
    feed f;
    sb_stats s;
    feed_open(&f, "");
    send_frames(f.pub, "news|1");
    settle(&f.b);
    assert_int_equal(f.sub_ear.n, 0);
    sb_socket_stats(f.pub, &s);
    assert_int_equal(s.dropped[SB_DROP_DENIED], 1);
    assert_int_equal(s.subscriptions, 0);
    feed_close(&f);
}

static void test_a_rewritten_subscription_gets_the_other_topic_under_its_own_name(void **state)
{
    (void)state;
    feed f;
    feed_open(&f, "legacy.");
    send_frames(f.pub, "v2.tick|1");
    send_frames(f.pub, "legacy.tick|2");
    settle(&f.b);
    assert_int_equal(f.sub_ear.n, 1);
    expect_seen(&f.sub_ear, 0, "legacy.tick|1");
    sb_socket_unsubscribe(f.sub, "legacy.", 7);
    settle(&f.b);
    sb_stats s;
    sb_socket_stats(f.pub, &s);
    assert_int_equal(s.subscriptions, 0);
    feed_close(&f);
}

static void test_a_late_answer_decides(void **state)
{
    (void)state;
    feed f;
    feed_open(&f, "wait");
    send_frames(f.pub, "wait|1");
    settle(&f.b);
    assert_int_equal(f.sub_ear.n, 0);
    sb_subscription_answer(waiting, SB_VERDICT_ACCEPT, NULL, 0);
    send_frames(f.pub, "wait|2");
    settle(&f.b);
    expect_seen(&f.sub_ear, 0, "wait|2");
    feed_close(&f);
}

static void test_a_late_answer_after_the_deadline_changes_nothing(void **state)
{
    (void)state;
    feed f;
    feed_open(&f, "wait");
    pass(&f.b, 5001);
    sb_subscription_answer(waiting, SB_VERDICT_ACCEPT, NULL, 0);
    send_frames(f.pub, "wait|2");
    settle(&f.b);
    assert_int_equal(f.sub_ear.n, 0);
    feed_close(&f);
}

/* ---- routes ---- */

static sb_route *compile(const sb_route_row *rows, size_t n)
{
    char err[256];
    sb_route *route;
    if (sb_route_create(rows, n, err, sizeof err, &route) != SB_OK)
        fail_msg("%s", err);
    return route;
}

#define BYTES(s) (const uint8_t *)(s), .len = strlen(s)

static void test_rows_route_reply_and_drop(void **state)
{
    (void)state;
    bench b;
    ear eu_ear, us_ear, client_ear;
    sb_stats s;
    bench_open(&b);
    sb_socket *front = open_socket(&b, SB_ROUTER, NULL), *eu = open_socket(&b, SB_DEALER, NULL),
              *us = open_socket(&b, SB_DEALER, NULL), *client = open_socket(&b, SB_DEALER, &client_ear);
    sb_socket *eu_worker = open_socket(&b, SB_DEALER, &eu_ear),
              *us_worker = open_socket(&b, SB_DEALER, &us_ear);
    const sb_route_row rows[] = {
        {.frame = 1, .bytes = BYTES("order.eu."), .action = SB_ROUTE_TO, .to = {eu}, .nto = 1},
        {.frame = 1, .bytes = BYTES("order."), .action = SB_ROUTE_TO, .to = {us}, .nto = 1},
        {.frame = 1,
            .equals = true,
            .bytes = BYTES("PING"),
            .action = SB_ROUTE_REPLY,
            .reply = (const uint8_t *)"PONG",
            .reply_len = 4},
        {.frame = 1, .bytes = BYTES("secret"), .action = SB_ROUTE_DROP},
    };
    const sb_route_row back = {.action = SB_ROUTE_TO, .to = {front}, .nto = 1};
    sb_socket_set_route(front, compile(rows, 4));
    sb_socket_set_route(eu, compile(&back, 1));
    sb_socket_set_hops(eu, 1);
    bind_to(front, "tcp://127.0.0.1:1");
    bind_to(eu, "inproc://eu");
    bind_to(us, "ipc://@us");
    connect_to(client, "tcp://127.0.0.1:1");
    connect_to(eu_worker, "inproc://eu");
    connect_to(us_worker, "ipc://@us");
    settle(&b);
    send_frames(client, "order.eu.1|x");
    send_frames(client, "order.us.1|y");
    send_frames(client, "PING");
    send_frames(client, "secret|z");
    send_frames(client, "unknown");
    settle(&b);
    assert_int_equal(eu_ear.n, 1);
    assert_int_equal(us_ear.n, 1);
    assert_non_null(strstr(eu_ear.seen[0], "order.eu.1|x"));
    expect_seen(&client_ear, 0, "PONG");
    sb_socket_stats(front, &s);
    assert_int_equal(s.dropped[SB_DROP_DENIED], 1);
    assert_int_equal(s.dropped[SB_DROP_NO_ROUTE], 1);
    ear_clear(&eu_ear);
    ear_clear(&us_ear);
    ear_clear(&client_ear);
    bench_close(&b);
}

static void test_what_no_row_matches_goes_to_the_dead_letters(void **state)
{
    (void)state;
    bench b;
    ear in;
    bench_open(&b);
    sb_socket *dlq = open_socket(&b, SB_PUSH, NULL), *sink = open_socket(&b, SB_PULL, &in);
    sb_socket *front = open_socket(&b, SB_PULL, NULL), *source = open_socket(&b, SB_PUSH, NULL);
    const sb_route_row row = {.frame = 1, .bytes = BYTES("a"), .action = SB_ROUTE_DROP};
    sb_socket_set_route(front, compile(&row, 1));
    sb_engine_set_dead_letter(b.engine, dlq);
    bind_to(dlq, "inproc://dlq");
    connect_to(sink, "inproc://dlq");
    bind_to(front, "tcp://127.0.0.1:1");
    connect_to(source, "tcp://127.0.0.1:1");
    settle(&b);
    send_frames(source, "lost|body");
    settle(&b);
    assert_int_equal(in.n, 1);
    assert_non_null(strstr(in.seen[0], "\"reason\":\"no route\""));
    assert_non_null(strstr(in.seen[0], "\"socket\":\"pull-"));
    assert_non_null(strstr(in.seen[0], "|lost|body"));
    ear_clear(&in);
    bench_close(&b);
}

static void test_a_route_may_name_a_closed_socket(void **state)
{
    (void)state;
    bench b;
    sb_stats s;
    bench_open(&b);
    sb_socket *out = open_socket(&b, SB_PUSH, NULL), *front = open_socket(&b, SB_PULL, NULL),
              *source = open_socket(&b, SB_PUSH, NULL);
    const sb_route_row row = {.action = SB_ROUTE_TO, .to = {out}, .nto = 1};
    sb_socket_set_route(front, compile(&row, 1));
    bind_to(front, "tcp://127.0.0.1:1");
    connect_to(source, "tcp://127.0.0.1:1");
    sb_socket_close(out);
    settle(&b);
    send_text(source, "m");
    settle(&b);
    sb_socket_stats(front, &s);
    assert_int_equal(s.dropped[SB_DROP_NO_ROUTE], 1);
    bench_close(&b);
}

/* ---- the end ---- */

typedef struct drained {
    sb_drain base;
    sb_drain_report report;
    int n;
} drained;

static void on_drained(sb_drain *self, const sb_drain_report *report)
{
    drained *d = (drained *)self;
    d->report = *report;
    d->n++;
}

static void test_drain_sends_what_is_queued_and_says_so(void **state)
{
    (void)state;
    bench b;
    ear in;
    drained d = {.base = {on_drained}};
    bench_open(&b);
    bench other = {.loop = b.loop};
    sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
    (void)other;
    bind_to(pull, "tcp://127.0.0.1:1");
    connect_to(push, "tcp://127.0.0.1:1");
    settle(&b);
    for (int i = 0; i < 50; i++)
        send_text(push, "m");
    assert_int_equal(sb_engine_drain(b.engine, SB_NS_PER_S, &d.base), SB_OK);
    assert_int_equal(sb_engine_drain(b.engine, SB_NS_PER_S, &d.base), SB_EFSM);
    pass(&b, 1500);
    assert_int_equal(d.n, 1);
    assert_int_equal(d.report.sent_msgs + d.report.unsent_msgs, 50);
    ear_clear(&in);
    bench_close(&b);
}

static void test_drain_reports_what_nobody_took(void **state)
{
    (void)state;
    bench b;
    drained d = {.base = {on_drained}};
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL);
    connect_to(push, "tcp://127.0.0.1:9");
    for (int i = 0; i < 5; i++)
        send_text(push, "hello");
    assert_int_equal(sb_engine_drain(b.engine, 200 * SB_NS_PER_MS, &d.base), SB_OK);
    pass(&b, 100);
    assert_int_equal(d.n, 0);
    pass(&b, 1500);
    assert_int_equal(d.n, 1);
    assert_int_equal(d.report.unsent_msgs, 5);
    assert_int_equal(d.report.unsent_bytes, 5 * 7);
    assert_int_equal(d.report.peers_with_unsent, 1);
    bench_close(&b);
}

static void test_held_connects_begin_when_they_are_released(void **state)
{
    (void)state;
    bench b;
    ear in;
    sb_engine_config cfg = {.hold_connects = true};
    assert_int_equal(sb_fake_create(&b.loop), SB_OK);
    cfg.loop = b.loop;
    assert_int_equal(sb_engine_create(&cfg, NULL, 0, &b.engine), SB_OK);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL), *pull = open_socket(&b, SB_PULL, &in);
    bind_to(pull, "tcp://127.0.0.1:7");
    connect_to(push, "tcp://127.0.0.1:7");
    assert_int_equal(send_text(push, "early"), SB_OK);
    pass(&b, 500);
    assert_int_equal(in.n, 0);
    assert_null(strstr(in.events, "accepted"));
    sb_engine_release_connects(b.engine);
    sb_engine_release_connects(b.engine);
    pass(&b, 500);
    expect_seen(&in, 0, "early");
    assert_ptr_equal(strstr(in.events, "accepted"), strstr(in.events, "accepted handshake_succeeded"));
    ear_clear(&in);
    bench_close(&b);
}

static void test_a_held_connect_with_messages_begins_when_the_engine_drains(void **state)
{
    (void)state;
    bench b;
    drained d = {.base = {on_drained}};
    sb_engine_config cfg = {.hold_connects = true};
    assert_int_equal(sb_fake_create(&b.loop), SB_OK);
    cfg.loop = b.loop;
    assert_int_equal(sb_engine_create(&cfg, NULL, 0, &b.engine), SB_OK);
    ear full, idle;
    sb_socket *has = open_socket(&b, SB_PUSH, &full), *empty = open_socket(&b, SB_PUSH, &idle);
    connect_to(has, "tcp://127.0.0.1:7");
    connect_to(empty, "tcp://127.0.0.1:7");
    send_text(has, "early");
    assert_int_equal(sb_engine_drain(b.engine, 300 * SB_NS_PER_MS, &d.base), SB_OK);
    pass(&b, 200);
    assert_non_null(strstr(full.events, "connect_retried"));
    assert_null(strstr(idle.events, "connect_retried"));
    pass(&b, 1500);
    assert_int_equal(d.report.unsent_msgs, 1);
    bench_close(&b);
}

static void test_subscription_events_nobody_fetches_are_no_unsent_messages(void **state)
{
    (void)state;
    bench b;
    ear pub_ear;
    drained d = {.base = {on_drained}};
    bench_open(&b);
    sb_socket *pub = open_socket(&b, SB_XPUB, &pub_ear), *sub = open_socket(&b, SB_SUB, NULL);
    pub_ear.take = 0;
    bind_to(pub, "tcp://127.0.0.1:1");
    connect_to(sub, "tcp://127.0.0.1:1");
    sb_socket_subscribe(sub, "a", 1);
    sb_socket_subscribe(sub, "b", 1);
    settle(&b);
    assert_int_equal(sb_engine_drain(b.engine, SB_NS_PER_S, &d.base), SB_OK);
    pass(&b, 1500);
    assert_int_equal(d.n, 1);
    assert_int_equal(d.report.unsent_msgs, 0);
    bench_close(&b);
}

static void test_close_lingers_until_all_is_sent(void **state)
{
    (void)state;
    bench b;
    ear in, out;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, &out), *pull = open_socket(&b, SB_PULL, &in);
    connect_to(push, "tcp://127.0.0.1:1");
    send_text(push, "late");
    sb_socket_close(push);
    pass(&b, 300);
    assert_int_equal(out.closed, 0);
    bind_to(pull, "tcp://127.0.0.1:1");
    pass(&b, 2000);
    expect_seen(&in, 0, "late");
    assert_int_equal(out.closed, 1);
    ear_clear(&in);
    bench_close(&b);
}

static void test_linger_gives_up_in_time(void **state)
{
    (void)state;
    bench b;
    ear out;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, &out);
    set_int(push, SB_OPT_LINGER, 50);
    connect_to(push, "tcp://127.0.0.1:1");
    send_text(push, "never");
    sb_socket_close(push);
    pass(&b, 40);
    assert_int_equal(out.closed, 0);
    pass(&b, 20);
    assert_int_equal(out.closed, 1);
    bench_close(&b);
}

/* ---- limits and mistakes ---- */

static void test_more_than_max_peers_are_refused(void **state)
{
    (void)state;
    bench b;
    ear in;
    sb_stats s;
    assert_int_equal(sb_fake_create(&b.loop), SB_OK);
    sb_engine_config cfg = {.loop = b.loop, .max_peers = 3};
    assert_int_equal(sb_engine_create(&cfg, NULL, 0, &b.engine), SB_OK);
    sb_socket *pull = open_socket(&b, SB_PULL, &in);
    bind_to(pull, "tcp://127.0.0.1:1");
    for (int i = 0; i < 3; i++)
        connect_to(open_socket(&b, SB_PUSH, NULL), "tcp://127.0.0.1:1");
    settle(&b);
    sb_socket_stats(pull, &s);
    assert_true(s.peers <= 3);
    assert_non_null(strstr(in.events, "peer_refused"));
    bench_close(&b);
}

static void test_a_bad_option_says_what_would_be_right(void **state)
{
    (void)state;
    bench b;
    char err[128];
    const char *near;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL);
    assert_int_equal(sb_socket_set_int(push, SB_OPT_SNDHWM, -1, err, sizeof err), SB_EINVAL);
    assert_string_equal(err, "option sndhwm cannot be -1, expected 0 to 2147483647");
    assert_int_equal(sb_socket_set_int(push, SB_OPT_ROUTER_MANDATORY, 1, err, sizeof err), SB_ENOTSUP);
    assert_string_equal(err, "option router_mandatory does not apply to PUSH sockets");
    assert_null(sb_option_find("rcvhvm", 6, &near));
    assert_string_equal(near, "rcvhwm");
    assert_int_equal(sb_socket_bind(push, "tcp://127.0.0.1", err, sizeof err), SB_EINVAL);
    assert_string_equal(err, "tcp://127.0.0.1: port is missing, expected HOST:PORT");
    bench_close(&b);
}

static void test_a_second_bind_of_an_address_fails(void **state)
{
    (void)state;
    bench b;
    char err[128];
    bench_open(&b);
    sb_socket *a = open_socket(&b, SB_PULL, NULL), *z = open_socket(&b, SB_PULL, NULL);
    bind_to(a, "tcp://127.0.0.1:7");
    bind_to(a, "inproc://x");
    assert_int_equal(sb_socket_bind(z, "tcp://127.0.0.1:7", err, sizeof err), SB_EADDRINUSE);
    assert_string_equal(err, "cannot bind tcp://127.0.0.1:7: address already in use");
    assert_int_equal(sb_socket_bind(z, "inproc://x", err, sizeof err), SB_EADDRINUSE);
    assert_int_equal(sb_socket_unbind(a, "tcp://127.0.0.1:8"), SB_ENOENT);
    assert_int_equal(sb_socket_unbind(a, "tcp://127.0.0.1:7"), SB_OK);
    settle(&b);
    assert_int_equal(sb_socket_bind(z, "tcp://127.0.0.1:7", err, sizeof err), SB_OK);
    assert_string_equal(sb_socket_last_endpoint(z), "tcp://127.0.0.1:7");
    bench_close(&b);
}

static void test_times_and_sizes_are_read_with_units(void **state)
{
    (void)state;
    int64_t v;
    assert_true(sb_option_parse_ms("500ms", 5, &v) && v == 500);
    assert_true(sb_option_parse_ms("2s", 2, &v) && v == 2000);
    assert_true(sb_option_parse_ms("1.5", 3, &v) && v == 1500);
    assert_true(sb_option_parse_ms("-1", 2, &v) && v == -1);
    assert_true(sb_option_parse_size("64k", 3, &v) && v == 65536);
    assert_true(sb_option_parse_size("1m", 2, &v) && v == 1048576);
    assert_false(sb_option_parse_ms("soon", 4, &v));
    assert_false(sb_option_parse_size("nan", 3, &v));
    assert_false(sb_option_parse_size("", 0, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_accepted_subscription_gets_its_topic_only),
        cmocka_unit_test(test_a_denied_subscription_gets_nothing_and_is_counted),
        cmocka_unit_test(test_a_rewritten_subscription_gets_the_other_topic_under_its_own_name),
        cmocka_unit_test(test_a_late_answer_decides),
        cmocka_unit_test(test_a_late_answer_after_the_deadline_changes_nothing),
        cmocka_unit_test(test_rows_route_reply_and_drop),
        cmocka_unit_test(test_what_no_row_matches_goes_to_the_dead_letters),
        cmocka_unit_test(test_a_route_may_name_a_closed_socket),
        cmocka_unit_test(test_drain_sends_what_is_queued_and_says_so),
        cmocka_unit_test(test_drain_reports_what_nobody_took),
        cmocka_unit_test(test_held_connects_begin_when_they_are_released),
        cmocka_unit_test(test_a_held_connect_with_messages_begins_when_the_engine_drains),
        cmocka_unit_test(test_subscription_events_nobody_fetches_are_no_unsent_messages),
        cmocka_unit_test(test_close_lingers_until_all_is_sent),
        cmocka_unit_test(test_linger_gives_up_in_time),
        cmocka_unit_test(test_more_than_max_peers_are_refused),
        cmocka_unit_test(test_a_bad_option_says_what_would_be_right),
        cmocka_unit_test(test_a_second_bind_of_an_address_fails),
        cmocka_unit_test(test_times_and_sizes_are_read_with_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
