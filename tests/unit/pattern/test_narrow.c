/* Filters of subscriptions: wildcards, exact topics, asking. */
#include "fake.h"

#include "engine/pattern/narrow.h"

static bool match(const char *pattern, const char *topic)
{
    sb_filter f = {
        .kind = SB_FILTER_MATCH, .pattern = pattern, .pattern_len = strlen(pattern), .separator = '.'};
    return sb_filter_match(&f, topic, strlen(topic));
}

static void test_wildcards(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *topic;
        bool matches;
    } rows[] = {
        {"a.b", "a.b", true},
        {"a.b", "a.b.c", false},
        {"a.b", "a", false},
        {"a.*.c", "a.b.c", true},
        {"a.*.c", "a.bb.c", true},
        {"a.*.c", "a..c", false}, /* a piece is something */
        {"a.*.c", "a.b.d.c", false},
        {"a.*", "a", false},
        {"a.*", "a.", false},
        {"*", "a", true},
        {"*", "", false},
        {"a.>", "a.b", true},
        {"a.>", "a.b.c", true},
        {"a.>", "a", false},
        {">", "a.b", true},
        {"*.b.>", "a.b.c.d", true},
        {"*.b.>", "a.c.c.d", false},
        {"", "", true},
        {"", "a", false},
        {"a*", "ab", false}, /* part of a piece is itself */
        {"a*", "a*", true},
        {"a..c", "a..c", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (match(rows[i].pattern, rows[i].topic) != rows[i].matches)
            fail_msg("%s and %s", rows[i].pattern, rows[i].topic);
}

static sb_err check(const char *pattern, char separator)
{
    sb_filter f = {
        .kind = SB_FILTER_MATCH, .pattern = pattern, .pattern_len = strlen(pattern), .separator = separator};
    return sb_filter_check(&f);
}

static void test_patterns_are_checked(void **state)
{
    (void)state;
    assert_int_equal(check("a.>", '.'), SB_OK);
    assert_int_equal(check("a.>.b", '.'), SB_EINVAL);
    assert_int_equal(check(">.b", '.'), SB_EINVAL);
    assert_int_equal(check("a.>b.c", '.'), SB_OK);
    assert_int_equal(check("a.>.b", '/'), SB_OK);
    assert_int_equal(check("a/>/b", '/'), SB_EINVAL);
}

/* ---- at a publisher ---- */

static int asked, gone;

static bool ask(sb_pattern *pat, sb_peer *peer, const sb_filter *filter, const sb_msg *msg)
{
    sb_msg other;
    asked++;
    message(&other, "x", NULL);
    assert_int_equal(pat->impl->send(pat, &other), SB_EFSM); /* not from inside */
    assert_int_equal(pat->impl->forget(pat, NULL, 0), 0);
    sb_msg_finish(&other);
    assert_non_null(peer);
    return msg->n == 2 && msg->frames[1].len == 1 && msg->frames[1].data[0] == *(char *)filter->data;
}

static void filter_gone(sb_pattern *pat, const sb_filter *filter)
{
    (void)pat, (void)filter;
    gone++;
}

static void publisher(rig *r, const sb__pattern_options *o)
{
    static sb__pattern_host host;
    rig_init(r, SB_PUB, o);
    host = *r->pat->host;
    host.ask = ask;
    host.filter_gone = filter_gone;
    r->pat->host = &host;
    r->pat->impl->option(r->pat, SB_OPT_RETAIN_LAST);
}

static void subscribe(rig *r, fake *f, const char *topic, const sb_filter *filter)
{
    size_t len = strlen(topic);
    if (filter != NULL)
        assert_int_equal(sb__narrow_set(&f->peer, (const uint8_t *)topic, len, filter), SB_OK);
    assert_int_equal(r->pat->impl->subscribed(r->pat, &f->peer, (const uint8_t *)topic, len, true), SB_OK);
}

static void publish(rig *r, const char *topic, const char *body)
{
    sb_msg msg;
    message(&msg, topic, body, NULL);
    assert_int_equal(r->pat->impl->send(r->pat, &msg), SB_OK);
    sb_msg_finish(&msg);
}

static void leave(rig *r, fake *f)
{
    fake_lost(r, f);
    sb__narrow_clear(&f->peer);
    fake_leave(r, f);
}

static const sb_filter eu = {
    .kind = SB_FILTER_MATCH, .pattern = "order.*.eu", .pattern_len = 10, .separator = '.'};
static const sb_filter exact = {.kind = SB_FILTER_EXACT};

static void test_a_narrowed_peer_gets_less_and_others_all(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    publisher(&r, NULL);
    fake_join(&r, &a, 0);
    fake_join(&r, &b, 0);
    subscribe(&r, &a, "order.", &eu);
    subscribe(&r, &a, "status", &exact);
    subscribe(&r, &b, "", NULL);
    publish(&r, "order.1.eu", "1");
    publish(&r, "order.1.us", "2");
    publish(&r, "status", "3");
    publish(&r, "status.more", "4");
    check_sent(&a, "order.1.eu|1");
    check_sent(&a, "status|3");
    assert_int_equal(a.peer.out.msgs, 0);
    assert_int_equal(b.peer.out.msgs, 4);
    leave(&r, &a);
    leave(&r, &b);
    rig_finish(&r);
}

static void test_a_plain_subscription_beside_a_narrowed_one_counts(void **state)
{
    (void)state;
    rig r;
    fake a;
    publisher(&r, NULL);
    fake_join(&r, &a, 0);
    subscribe(&r, &a, "order.", &eu);
    subscribe(&r, &a, "order.1.u", NULL);
    publish(&r, "order.1.us", "1");
    publish(&r, "order.2.us", "2");
    publish(&r, "order.1.eu", "3"); /* once */
    check_sent(&a, "order.1.us|1");
    check_sent(&a, "order.1.eu|3");
    assert_int_equal(a.peer.out.msgs, 0);
    leave(&r, &a);
    rig_finish(&r);
}

static void test_the_filter_goes_with_its_subscription(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_filter f = {.kind = SB_FILTER_ASK, .data = "y"};
    publisher(&r, NULL);
    fake_join(&r, &a, 0);
    asked = gone = 0;
    subscribe(&r, &a, "t", &f);
    subscribe(&r, &a, "t", NULL); /* twice: one more reference */
    publish(&r, "t", "y");
    publish(&r, "t", "n");
    assert_int_equal(asked, 2);
    check_sent(&a, "t|y");
    assert_int_equal(a.peer.out.msgs, 0);
    assert_int_equal(r.pat->impl->subscribed(r.pat, &a.peer, (const uint8_t *)"t", 1, false), SB_OK);
    assert_int_equal(gone, 0);
    assert_int_equal(r.pat->impl->subscribed(r.pat, &a.peer, (const uint8_t *)"t", 1, false), SB_OK);
    assert_int_equal(gone, 1);
    subscribe(&r, &a, "t", &f);
    subscribe(&r, &a, "t", &exact); /* replaces it */
    assert_int_equal(gone, 2);
    leave(&r, &a);
    rig_finish(&r);
}

static void test_a_replay_is_narrowed_too(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb__pattern_options o = {.retain = {.last = 1}};
    sb_filter f = {.kind = SB_FILTER_ASK, .data = "y"};
    publisher(&r, &o);
    publish(&r, "ta", "y");
    publish(&r, "tb", "n");
    fake_join(&r, &a, 0);
    subscribe(&r, &a, "t", &f);
    check_sent(&a, "ta|y");
    assert_int_equal(a.peer.out.msgs, 0);
    leave(&r, &a);
    rig_finish(&r);
}

static void test_a_full_peer_holds_nobody_up_for_what_it_does_not_get(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    sb__pattern_options o = {.xpub_nodrop = true};
    publisher(&r, &o);
    fake_join(&r, &a, 1);
    subscribe(&r, &a, "order.", &eu);
    publish(&r, "order.1.eu", "1");
    publish(&r, "order.1.us", "2");
    message(&msg, "order.2.eu", NULL);
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_EAGAIN);
    leave(&r, &a);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wildcards),
        cmocka_unit_test(test_patterns_are_checked),
        cmocka_unit_test(test_a_narrowed_peer_gets_less_and_others_all),
        cmocka_unit_test(test_a_plain_subscription_beside_a_narrowed_one_counts),
        cmocka_unit_test(test_the_filter_goes_with_its_subscription),
        cmocka_unit_test(test_a_replay_is_narrowed_too),
        cmocka_unit_test(test_a_full_peer_holds_nobody_up_for_what_it_does_not_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
