/* PUSH, PULL, PAIR and DEALER. */
#include "fake.h"

static void test_pull_cannot_send(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, SB_PULL, NULL);
    assert_false(r.pat->impl->can_send);
    assert_true(r.pat->impl->can_recv);
    assert_null(r.pat->impl->send);
    rig_finish(&r);
}

static void test_push_discards_what_peers_send(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    rig_init(&r, SB_PUSH, NULL);
    fake_join(&r, &a, 1);
    message(&msg, "x", NULL);
    assert_false(r.pat->impl->can_recv);
    assert_int_equal(filter(&r, &a, &msg), SB_ECANCELED);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_push_goes_round(void **state)
{
    (void)state;
    rig r;
    fake p[3];
    char text[16];
    rig_init(&r, SB_PUSH, NULL);
    for (int i = 0; i < 3; i++)
        fake_join(&r, &p[i], 0);
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(send_text(&r, text), SB_OK);
    }
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "%d", i);
        check_sent(&p[i % 3], text);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(p[i].outputs, 1); /* once, when the queue became not empty */
        fake_leave(&r, &p[i]);
    }
    rig_finish(&r);
}

static void test_push_waits_without_peers_and_says_when_one_came(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_PUSH, NULL);
    assert_int_equal(send_text(&r, "x"), SB_EAGAIN);
    assert_int_equal(r.writable, 0);
    fake_join(&r, &a, 1);
    assert_int_equal(r.writable, 1);
    assert_int_equal(send_text(&r, "x"), SB_OK);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_push_skips_full_peers_and_loses_nothing(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_PUSH, NULL);
    fake_join(&r, &a, 2);
    fake_join(&r, &b, 4);
    for (int i = 0; i < 6; i++)
        assert_int_equal(send_text(&r, "x"), SB_OK);
    assert_int_equal(a.peer.out.msgs, 2);
    assert_int_equal(b.peer.out.msgs, 4);
    assert_int_equal(send_text(&r, "y"), SB_EAGAIN);
    assert_int_equal(a.peer.out.msgs + b.peer.out.msgs, 6);
    check_sent(&b, "x");
    assert_int_equal(r.writable, 0); /* 3 of 4: not yet at half */
    check_sent(&b, "x");
    assert_int_equal(r.writable, 1);
    assert_int_equal(send_text(&r, "y"), SB_OK);
    assert_int_equal(send_text(&r, "y"), SB_OK);
    assert_int_equal(send_text(&r, "y"), SB_EAGAIN);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_hwm_of_one_wakes_only_when_there_is_room(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_PUSH, NULL);
    fake_join(&r, &a, 1);
    assert_int_equal(send_text(&r, "x"), SB_OK);
    assert_int_equal(send_text(&r, "y"), SB_EAGAIN);
    sb__pipe_drained(&a.peer);
    assert_int_equal(r.writable, 0);
    check_sent(&a, "x");
    assert_int_equal(r.writable, 1);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_a_reconnecting_peer_keeps_its_queue(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_PUSH, NULL);
    assert_int_equal(fake_attach(&r, &a, 10), SB_OK);
    assert_int_equal(send_text(&r, "before"), SB_OK);
    assert_int_equal(a.outputs, 0);
    assert_int_equal(fake_ready(&r, &a, NULL), SB_OK);
    fake_lost(&r, &a);
    assert_int_equal(send_text(&r, "meanwhile"), SB_OK);
    check_sent(&a, "before");
    check_sent(&a, "meanwhile");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_a_lost_flight_makes_room(void **state)
{
    (void)state;
    rig r;
    fake a;
    struct iovec iov[SB__QUEUE_IOV];
    rig_init(&r, SB_PUSH, NULL);
    fake_join(&r, &a, 1);
    assert_int_equal(send_text(&r, "x"), SB_OK);
    assert_int_equal(send_text(&r, "y"), SB_EAGAIN);
    assert_int_equal(sb__queue_iov(&a.peer.out, iov, SB__QUEUE_IOV, 100), 1);
    assert_int_equal(sb__queue_lost(&a.peer.out), 1);
    fake_lost(&r, &a);
    assert_int_equal(r.writable, 1);
    assert_int_equal(send_text(&r, "y"), SB_OK);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_conflating_push_keeps_the_last(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb__pattern_options o = {.conflate = true};
    rig_init(&r, SB_PUSH, &o);
    fake_join(&r, &a, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(send_text(&r, i < 4 ? "old" : "new"), SB_OK);
    assert_int_equal(a.peer.out.msgs, 1);
    check_sent(&a, "new");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_pair_refuses_a_second_peer(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_PAIR, NULL);
    fake_join(&r, &a, 1);
    assert_int_equal(fake_attach(&r, &b, 1), SB_EREFUSED);
    assert_int_equal(send_text(&r, "x"), SB_OK);
    /* also while the first one is full */
    assert_int_equal(send_text(&r, "y"), SB_EAGAIN);
    assert_int_equal(fake_attach(&r, &b, 1), SB_EREFUSED);
    check_sent(&a, "x");
    fake_leave(&r, &a);
    assert_int_equal(fake_attach(&r, &b, 1), SB_OK);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void check_envelope(uint32_t hops, uint32_t expect, const char *f1, const char *f2, const char *f3)
{
    rig r;
    fake a;
    sb_msg msg;
    sb__pattern_options o = {.hops = hops};
    rig_init(&r, SB_DEALER, &o);
    fake_join(&r, &a, 1);
    message(&msg, f1, f2, f3, NULL);
    assert_int_equal(filter(&r, &a, &msg), SB_OK);
    assert_int_equal(msg.envelope, expect);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_dealer_marks_the_envelope(void **state)
{
    (void)state;
    check_envelope(0, 0, "body", "more", NULL);
    check_envelope(0, 1, "", "body", NULL);
    check_envelope(0, 0, "", NULL, NULL); /* the last frame is body */
    check_envelope(1, 1, "id", "body", NULL);
    check_envelope(1, 2, "id", "", "body");
    check_envelope(1, 1, "id", "", NULL);
    check_envelope(3, 2, "a", "b", "c");
}

static void test_probing_dealer_sends_an_empty_message(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb__pattern_options o = {.probe_router = true};
    rig_init(&r, SB_DEALER, &o);
    fake_join(&r, &a, 1);
    check_sent(&a, "");
    assert_int_equal(a.peer.out.msgs, 0);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_unknown_types_are_refused(void **state)
{
    (void)state;
    sb_pattern *pat;
    assert_int_equal(sb__pattern_create(SB_TYPE_COUNT, NULL, NULL, NULL, &pat), SB_EINVAL);
    assert_null(pat);
    assert_null(sb__pattern_impl_of((sb_type)99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pull_cannot_send),
        cmocka_unit_test(test_push_discards_what_peers_send),
        cmocka_unit_test(test_push_goes_round),
        cmocka_unit_test(test_push_waits_without_peers_and_says_when_one_came),
        cmocka_unit_test(test_push_skips_full_peers_and_loses_nothing),
        cmocka_unit_test(test_hwm_of_one_wakes_only_when_there_is_room),
        cmocka_unit_test(test_a_reconnecting_peer_keeps_its_queue),
        cmocka_unit_test(test_a_lost_flight_makes_room),
        cmocka_unit_test(test_conflating_push_keeps_the_last),
        cmocka_unit_test(test_pair_refuses_a_second_peer),
        cmocka_unit_test(test_dealer_marks_the_envelope),
        cmocka_unit_test(test_probing_dealer_sends_an_empty_message),
        cmocka_unit_test(test_unknown_types_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
