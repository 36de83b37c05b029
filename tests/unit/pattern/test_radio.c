/* RADIO and DISH: groups. */
#include "fake.h"

static sb_err send_frames(rig *r, const char *group, const char *body)
{
    sb_msg msg;
    message(&msg, group, body, NULL);
    sb_err err = r->pat->impl->send(r->pat, &msg);
    sb_msg_finish(&msg);
    return err;
}

static sb_err join(rig *r, fake *f, const char *group, bool on)
{
    return r->pat->impl->subscribed(r->pat, &f->peer, (const uint8_t *)group, strlen(group), on);
}

static void test_groups_match_exactly(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_RADIO, NULL);
    fake_join(&r, &a, 10);
    fake_join(&r, &b, 10);
    assert_int_equal(join(&r, &a, "news", true), SB_OK);
    assert_int_equal(join(&r, &b, "new", true), SB_OK);
    assert_int_equal(join(&r, &b, "", true), SB_OK);
    assert_int_equal(send_frames(&r, "news", "1"), SB_OK);
    assert_int_equal(send_frames(&r, "new", "2"), SB_OK);
    assert_int_equal(send_frames(&r, "", "3"), SB_OK);
    assert_int_equal(send_frames(&r, "newspaper", "4"), SB_OK);
    check_sent(&a, "news|1");
    check_sent(&b, "new|2");
    check_sent(&b, "|3");
    assert_int_equal(a.peer.out.msgs + b.peer.out.msgs, 0);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_leaving_ends_it_and_a_peer_gets_it_once(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_RADIO, NULL);
    fake_join(&r, &a, 10);
    assert_int_equal(join(&r, &a, "g", true), SB_OK);
    assert_int_equal(join(&r, &a, "g", true), SB_OK);
    assert_int_equal(send_frames(&r, "g", "1"), SB_OK);
    assert_int_equal(a.peer.out.msgs, 1);
    assert_int_equal(join(&r, &a, "g", false), SB_OK);
    assert_int_equal(join(&r, &a, "g", false), SB_OK);
    assert_int_equal(join(&r, &a, "g", false), SB_ENOENT);
    assert_int_equal(send_frames(&r, "g", "2"), SB_OK);
    assert_int_equal(a.peer.out.msgs, 1);
    assert_int_equal(r.events, 0); /* the application is not told */
    fake_leave(&r, &a);
    assert_int_equal(r.pat->impl->subscriptions(r.pat), 0);
    rig_finish(&r);
}

static void test_the_group_may_stand_in_the_envelope(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    char group[SB_GROUP_MAX + 2];
    rig_init(&r, SB_RADIO, NULL);
    fake_join(&r, &a, 10);
    assert_int_equal(join(&r, &a, "g", true), SB_OK);
    message(&msg, "body", NULL);
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_EINVAL);
    assert_int_equal(sb_msg_set_group(&msg, "g", 1), SB_OK);
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_OK);
    check_sent(&a, "g|body");
    memset(group, 'x', sizeof group);
    assert_int_equal(sb_msg_set_group(&msg, group, SB_GROUP_MAX + 1), SB_EINVAL);
    sb_msg_finish(&msg);
    group[SB_GROUP_MAX + 1] = '\0';
    assert_int_equal(send_frames(&r, group, "too long"), SB_EINVAL);
    message(&msg, "id", "", "g", "behind a router", NULL);
    msg.envelope = 2;
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_OK);
    check_sent(&a, "g|behind a router");
    sb_msg_finish(&msg);
    message(&msg, "g", "several", "frames", NULL);
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_EINVAL);
    sb_msg_finish(&msg);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_full_peers_miss_it(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_RADIO, NULL);
    fake_join(&r, &a, 1);
    assert_int_equal(join(&r, &a, "g", true), SB_OK);
    assert_int_equal(send_frames(&r, "g", "1"), SB_OK);
    assert_int_equal(send_frames(&r, "g", "2"), SB_OK);
    assert_int_equal(r.dropped[SB_DROP_HWM], 1);
    r.options.xpub_nodrop = true;
    assert_int_equal(send_frames(&r, "g", "3"), SB_EAGAIN);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static sb_err dish_join(rig *r, const char *group, bool on)
{
    return r->pat->impl->subscribe(r->pat, (const uint8_t *)group, strlen(group), on);
}

static void test_dish_joins_each_group_once(void **state)
{
    (void)state;
    rig r;
    fake a;
    char group[SB_GROUP_MAX + 2] = "";
    rig_init(&r, SB_DISH, NULL);
    assert_true(r.pat->impl->groups);
    assert_int_equal(dish_join(&r, "before", true), SB_OK);
    fake_join(&r, &a, 10);
    assert_string_equal(a.sub[0], "+before");
    assert_int_equal(dish_join(&r, "g", true), SB_OK);
    assert_int_equal(dish_join(&r, "g", true), SB_EEXIST);
    assert_int_equal(dish_join(&r, "g", false), SB_OK);
    assert_int_equal(dish_join(&r, "g", false), SB_ENOENT);
    assert_string_equal(a.sub[1], "+g");
    assert_string_equal(a.sub[2], "-g");
    assert_int_equal(a.subs, 3);
    memset(group, 'x', SB_GROUP_MAX + 1);
    assert_int_equal(dish_join(&r, group, true), SB_EINVAL);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void check_dish(rig *r, fake *f, sb_err expect, const char *one, const char *two, const char *three)
{
    sb_msg msg;
    message(&msg, one, two, three, NULL);
    assert_int_equal(filter(r, f, &msg), expect);
    if (expect == SB_OK) {
        size_t len;
        const void *group = sb_msg_group(&msg, &len);
        assert_int_equal(msg.envelope, 1);
        assert_memory_equal(group, one, len);
    }
    sb_msg_finish(&msg);
}

static void test_dish_takes_its_groups_only(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_DISH, NULL);
    fake_join(&r, &a, 10);
    assert_int_equal(dish_join(&r, "g", true), SB_OK);
    check_dish(&r, &a, SB_OK, "g", "body", NULL);
    check_dish(&r, &a, SB_ECANCELED, "gg", "body", NULL);
    check_dish(&r, &a, SB_ECANCELED, "", "body", NULL);
    check_dish(&r, &a, SB_ECANCELED, "g", NULL, NULL);
    check_dish(&r, &a, SB_ECANCELED, "g", "two", "bodies");
    fake_leave(&r, &a);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_match_exactly),
        cmocka_unit_test(test_leaving_ends_it_and_a_peer_gets_it_once),
        cmocka_unit_test(test_the_group_may_stand_in_the_envelope),
        cmocka_unit_test(test_full_peers_miss_it),
        cmocka_unit_test(test_dish_joins_each_group_once),
        cmocka_unit_test(test_dish_takes_its_groups_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
