/* PUB, XPUB, SUB and XSUB. */
#include "engine/pattern/alias.h"
#include "fake.h"

static sb_err subscribed(rig *r, fake *f, const char *topic, bool on)
{
    return r->pat->impl->subscribed(r->pat, &f->peer, (const uint8_t *)topic, strlen(topic), on);
}

static sb_err subscribe(rig *r, const char *topic, bool on)
{
    return r->pat->impl->subscribe(r->pat, (const uint8_t *)topic, strlen(topic), on);
}

static sb_err publish(rig *r, const char *topic, const char *body)
{
    sb_msg msg;
    message(&msg, topic, body, NULL);
    sb_err err = r->pat->impl->send(r->pat, &msg);
    sb_msg_finish(&msg);
    return err;
}

static void check_events(rig *r, const char *expect)
{
    char text[512] = "";
    for (int i = 0; i < r->events; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", r->event[i]);
    assert_string_equal(text, expect);
}

/* ---- publishing ---- */

static void test_pub_sends_once_to_each_matching_peer(void **state)
{
    (void)state;
    rig r;
    fake a, b, c;
    rig_init(&r, SB_PUB, NULL);
    fake_join(&r, &a, 10);
    fake_join(&r, &b, 10);
    fake_join(&r, &c, 10);
    subscribed(&r, &a, "", true);
    subscribed(&r, &a, "n", true);
    subscribed(&r, &a, "news", true);
    subscribed(&r, &b, "news.eu", true);
    subscribed(&r, &c, "sport", true);
    assert_int_equal(r.pat->impl->subscriptions(r.pat), 5);
    assert_int_equal(publish(&r, "news.eu", "x"), SB_OK);
    assert_int_equal(publish(&r, "news", "y"), SB_OK);
    assert_int_equal(a.peer.out.msgs, 2);
    check_sent(&a, "news.eu|x");
    check_sent(&a, "news|y");
    assert_int_equal(b.peer.out.msgs, 1);
    check_sent(&b, "news.eu|x");
    assert_int_equal(c.peer.out.msgs, 0);
    assert_int_equal(r.events, 0); /* PUB's application sees none */
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    fake_leave(&r, &c);
    assert_int_equal(r.pat->impl->subscriptions(r.pat), 0);
    rig_finish(&r);
}

static void test_pub_drops_for_the_full_peer_only(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_PUB, NULL);
    fake_join(&r, &a, 3);
    fake_join(&r, &b, 0);
    subscribed(&r, &a, "", true);
    subscribed(&r, &b, "", true);
    for (int i = 0; i < 10; i++)
        assert_int_equal(publish(&r, "t", "x"), SB_OK);
    assert_int_equal(a.peer.out.msgs, 3);
    assert_int_equal(b.peer.out.msgs, 10);
    assert_int_equal(r.dropped[SB_DROP_HWM], 7);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_nodrop_sends_to_all_or_none(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    sb__pattern_options o = {.xpub_nodrop = true};
    rig_init(&r, SB_XPUB, &o);
    fake_join(&r, &a, 1);
    fake_join(&r, &b, 5);
    subscribed(&r, &a, "a", true);
    subscribed(&r, &b, "", true);
    assert_int_equal(publish(&r, "a", "1"), SB_OK);
    assert_int_equal(publish(&r, "a", "2"), SB_EAGAIN);
    assert_int_equal(b.peer.out.msgs, 1);
    assert_int_equal(publish(&r, "b", "3"), SB_OK); /* a does not want it */
    assert_int_equal(r.dropped[SB_DROP_HWM], 0);
    assert_int_equal(r.writable, 0);
    check_sent(&a, "a|1");
    assert_int_equal(r.writable, 1);
    assert_int_equal(publish(&r, "a", "2"), SB_OK);
    assert_int_equal(publish(&r, "a", "4"), SB_EAGAIN);
    fake_leave(&r, &a); /* nobody is in the way any more */
    assert_int_equal(r.writable, 2);
    assert_int_equal(publish(&r, "a", "4"), SB_OK);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_inverted_pub_sends_to_the_others(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    sb__pattern_options o = {.invert_matching = true};
    rig_init(&r, SB_PUB, &o);
    fake_join(&r, &a, 10);
    fake_join(&r, &b, 10);
    subscribed(&r, &a, "x", true);
    assert_int_equal(publish(&r, "xy", "1"), SB_OK);
    assert_int_equal(publish(&r, "z", "2"), SB_OK);
    check_sent(&a, "z|2");
    check_sent(&b, "xy|1");
    check_sent(&b, "z|2");
    assert_int_equal(a.peer.out.msgs, 0);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_pub_shares_one_copy_of_a_large_message(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    static char body[20001];
    memset(body, 'x', 20000);
    rig_init(&r, SB_PUB, NULL);
    fake_join(&r, &a, 10);
    fake_join(&r, &b, 10);
    subscribed(&r, &a, "", true);
    subscribed(&r, &b, "", true);
    assert_int_equal(publish(&r, "t", body), SB_OK);
    struct iovec va[SB__QUEUE_IOV], vb[SB__QUEUE_IOV];
    assert_int_equal(sb__queue_iov(&a.peer.out, va, SB__QUEUE_IOV, 1), 1);
    assert_int_equal(sb__queue_iov(&b.peer.out, vb, SB__QUEUE_IOV, 1), 1);
    assert_ptr_equal(va[0].iov_base, vb[0].iov_base);
    assert_int_equal(va[0].iov_len, 3 + 9 + 20000);
    sb__queue_sent(&a.peer.out);
    fake_leave(&r, &a);
    assert_int_equal(((uint8_t *)vb[0].iov_base)[3], 2); /* ASan: still b's */
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_the_welcome_comes_first(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb__pattern_options o = {.welcome = (const uint8_t *)"hello", .welcome_len = 5};
    rig_init(&r, SB_XPUB, &o);
    fake_join(&r, &a, 10);
    check_sent(&a, "hello");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_a_conflating_pub_keeps_the_last(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb__pattern_options o = {.conflate = true};
    rig_init(&r, SB_PUB, &o);
    fake_join(&r, &a, 1);
    subscribed(&r, &a, "", true);
    assert_int_equal(send_text(&r, "old"), SB_OK);
    assert_int_equal(send_text(&r, "new"), SB_OK);
    check_sent(&a, "new");
    assert_int_equal(r.dropped[SB_DROP_HWM], 0);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_the_envelope_is_not_published(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    rig_init(&r, SB_PUB, NULL);
    fake_join(&r, &a, 10);
    subscribed(&r, &a, "topic", true);
    message(&msg, "id", "", "topic", "x", NULL);
    msg.envelope = 2;
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_OK);
    check_sent(&a, "topic|x");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_a_rewritten_subscription_gets_the_topic_asked_for(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_XPUB, NULL);
    fake_join(&r, &a, 10);
    fake_join(&r, &b, 10);
    assert_int_equal(sb__alias_add(&a.peer, (const uint8_t *)"old.", 4, (const uint8_t *)"v2.", 3), SB_OK);
    subscribed(&r, &a, "v2.", true);
    subscribed(&r, &b, "v2.", true);
    assert_int_equal(publish(&r, "v2.tick", "x"), SB_OK);
    check_sent(&a, "old.tick|x");
    check_sent(&b, "v2.tick|x");
    sb__alias_clear(&a.peer);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

/* ---- subscriptions as XPUB's application sees them ---- */

static void play_subscriptions(rig *r, fake *a, fake *b)
{
    fake_join(r, a, 10);
    fake_join(r, b, 10);
    assert_int_equal(subscribed(r, a, "t", true), SB_OK);
    assert_int_equal(subscribed(r, a, "t", true), SB_OK);
    assert_int_equal(subscribed(r, b, "t", true), SB_OK);
    assert_int_equal(subscribed(r, a, "t", false), SB_OK);
    assert_int_equal(subscribed(r, a, "t", false), SB_OK);
    assert_int_equal(subscribed(r, a, "t", false), SB_ENOENT);
    assert_int_equal(subscribed(r, b, "t", false), SB_OK);
}

static void test_xpub_tells_first_and_last(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_XPUB, NULL);
    play_subscriptions(&r, &a, &b);
    check_events(&r, "+t -t ");
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_verbose_xpub_tells_every_subscription(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    sb__pattern_options o = {.xpub_verbose = true};
    rig_init(&r, SB_XPUB, &o);
    play_subscriptions(&r, &a, &b);
    check_events(&r, "+t +t +t -t ");
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_verboser_xpub_tells_every_cancel_too(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    sb__pattern_options o = {.xpub_verboser = true};
    rig_init(&r, SB_XPUB, &o);
    play_subscriptions(&r, &a, &b);
    check_events(&r, "+t +t +t -t -t -t ");
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_a_lost_peer_unsubscribes_what_nobody_else_holds(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_XPUB, NULL);
    fake_join(&r, &a, 10);
    fake_join(&r, &b, 10);
    subscribed(&r, &a, "both", true);
    subscribed(&r, &b, "both", true);
    subscribed(&r, &a, "mine", true);
    fake_lost(&r, &a);
    check_events(&r, "+both +mine -mine ");
    assert_int_equal(publish(&r, "mine", "x"), SB_OK);
    assert_int_equal(a.peer.out.msgs, 0);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    check_events(&r, "+both +mine -mine -both ");
    rig_finish(&r);
}

static void test_subscriptions_per_peer_are_limited(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    char big[300];
    sb__pattern_options o = {.max_subscriptions = 2};
    rig_init(&r, SB_PUB, &o);
    fake_join(&r, &a, 10);
    fake_join(&r, &b, 10);
    assert_int_equal(subscribed(&r, &a, "1", true), SB_OK);
    assert_int_equal(subscribed(&r, &a, "2", true), SB_OK);
    assert_int_equal(subscribed(&r, &a, "3", true), SB_EREFUSED);
    assert_int_equal(subscribed(&r, &a, "2", true), SB_OK); /* one it has */
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = '\0';
    assert_int_equal(subscribed(&r, &b, big, true), SB_EREFUSED); /* 128 octets are its share */
    assert_int_equal(subscribed(&r, &b, "3", true), SB_OK);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

/* ---- subscribing ---- */

static void test_sub_tells_all_publishers_each_topic_once(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_SUB, NULL);
    assert_false(r.pat->impl->can_send);
    assert_int_equal(subscribe(&r, "early", true), SB_OK);
    fake_join(&r, &a, 10);
    assert_int_equal(fake_attach(&r, &b, 10), SB_OK); /* not connected yet */
    assert_int_equal(subscribe(&r, "t", true), SB_OK);
    assert_int_equal(subscribe(&r, "t", true), SB_OK);
    assert_int_equal(a.subs, 2);
    assert_string_equal(a.sub[0], "+early");
    assert_string_equal(a.sub[1], "+t");
    assert_int_equal(b.subs, 0);
    assert_int_equal(fake_ready(&r, &b, NULL), SB_OK);
    assert_int_equal(b.subs, 2);
    assert_int_equal(subscribe(&r, "t", false), SB_OK);
    assert_int_equal(a.subs, 2); /* one reference is left */
    assert_int_equal(subscribe(&r, "t", false), SB_OK);
    assert_string_equal(a.sub[2], "-t");
    assert_string_equal(b.sub[2], "-t");
    assert_int_equal(subscribe(&r, "t", false), SB_ENOENT);
    fake_lost(&r, &a);
    assert_int_equal(fake_ready(&r, &a, NULL), SB_OK);
    assert_int_equal(a.subs, 4);
    assert_string_equal(a.sub[3], "+early");
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_sub_filters_what_it_did_not_subscribe(void **state)
{
    (void)state;
    for (int invert = 0; invert < 2; invert++) {
        rig r;
        fake a;
        sb_msg msg;
        sb__pattern_options o = {.invert_matching = invert};
        rig_init(&r, SB_SUB, &o);
        fake_join(&r, &a, 10);
        subscribe(&r, "new", true);
        message(&msg, "news", "x", NULL);
        assert_int_equal(filter(&r, &a, &msg), invert ? SB_ECANCELED : SB_OK);
        message(&msg, "old", "new", NULL);
        assert_int_equal(filter(&r, &a, &msg), invert ? SB_OK : SB_ECANCELED);
        fake_leave(&r, &a);
        rig_finish(&r);
    }
}

static void test_xsub_subscribes_by_sending(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    rig_init(&r, SB_XSUB, NULL);
    fake_join(&r, &a, 10);
    assert_null(r.pat->impl->filter);
    assert_int_equal(send_text(&r, "\1t"), SB_OK);
    assert_int_equal(send_text(&r, "\1t"), SB_OK);
    assert_int_equal(a.subs, 2); /* repeats go up */
    message(&msg, NULL);
    sb_msg_push(&msg, "\0t", 2, NULL);
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_OK);
    assert_int_equal(a.subs, 2);
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_OK);
    assert_string_equal(a.sub[2], "-t");
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_OK); /* unknown: nothing happens */
    assert_int_equal(a.subs, 3);
    assert_int_equal(a.peer.out.msgs, 0);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_xsub_sends_other_messages_to_all_publishers(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_XSUB, NULL);
    fake_join(&r, &a, 1);
    fake_join(&r, &b, 2);
    assert_int_equal(publish(&r, "\1t", "two frames"), SB_OK);
    assert_int_equal(send_text(&r, "plain"), SB_OK);
    check_sent(&a, "\1t|two frames");
    check_sent(&b, "\1t|two frames");
    check_sent(&b, "plain");
    assert_int_equal(r.dropped[SB_DROP_HWM], 1);
    assert_int_equal(a.subs, 0);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pub_sends_once_to_each_matching_peer),
        cmocka_unit_test(test_pub_drops_for_the_full_peer_only),
        cmocka_unit_test(test_nodrop_sends_to_all_or_none),
        cmocka_unit_test(test_inverted_pub_sends_to_the_others),
        cmocka_unit_test(test_pub_shares_one_copy_of_a_large_message),
        cmocka_unit_test(test_the_welcome_comes_first),
        cmocka_unit_test(test_a_conflating_pub_keeps_the_last),
        cmocka_unit_test(test_the_envelope_is_not_published),
        cmocka_unit_test(test_a_rewritten_subscription_gets_the_topic_asked_for),
        cmocka_unit_test(test_xpub_tells_first_and_last),
        cmocka_unit_test(test_verbose_xpub_tells_every_subscription),
        cmocka_unit_test(test_verboser_xpub_tells_every_cancel_too),
        cmocka_unit_test(test_a_lost_peer_unsubscribes_what_nobody_else_holds),
        cmocka_unit_test(test_subscriptions_per_peer_are_limited),
        cmocka_unit_test(test_sub_tells_all_publishers_each_topic_once),
        cmocka_unit_test(test_sub_filters_what_it_did_not_subscribe),
        cmocka_unit_test(test_xsub_subscribes_by_sending),
        cmocka_unit_test(test_xsub_sends_other_messages_to_all_publishers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
