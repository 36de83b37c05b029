/* The draft types with messages of one frame: CLIENT, SERVER, SCATTER, GATHER, PEER, CHANNEL. */
#include "fake.h"

static const sb_type singles[] = {SB_CLIENT, SB_SERVER, SB_SCATTER, SB_GATHER, SB_PEER, SB_CHANNEL};

static void test_several_frames_are_discarded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof singles / sizeof *singles; i++) {
        rig r;
        fake a;
        sb_msg msg;
        rig_init(&r, singles[i], NULL);
        fake_join(&r, &a, 1);
        message(&msg, "a", "b", NULL);
        assert_int_equal(filter(&r, &a, &msg), SB_ECANCELED);
        sb_msg_finish(&msg);
        message(&msg, "a", NULL);
        assert_int_equal(filter(&r, &a, &msg), r.pat->impl->can_recv ? SB_OK : SB_ECANCELED);
        sb_msg_finish(&msg);
        fake_leave(&r, &a);
        rig_finish(&r);
    }
}

static void test_several_frames_cannot_be_sent(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof singles / sizeof *singles; i++) {
        rig r;
        fake a;
        sb_msg msg;
        rig_init(&r, singles[i], NULL);
        if (r.pat->impl->can_send) {
            fake_join(&r, &a, 1);
            message(&msg, "a", "b", "c", NULL);
            assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_EINVAL);
            assert_int_equal(a.peer.out.msgs, 0);
            sb_msg_finish(&msg);
            fake_leave(&r, &a);
        }
        rig_finish(&r);
    }
}

static void test_an_envelope_stays_behind(void **state)
{
    static const sb_type types[] = {SB_CLIENT, SB_SCATTER, SB_CHANNEL};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        rig r;
        fake a;
        sb_msg msg;
        rig_init(&r, types[i], NULL);
        fake_join(&r, &a, 2);
        message(&msg, "id", "", "body", NULL);
        msg.envelope = 2;
        assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_OK);
        check_sent(&a, "body");
        sb_msg_finish(&msg);
        fake_leave(&r, &a);
        rig_finish(&r);
    }
}

static void test_client_and_scatter_go_round_and_wait(void **state)
{
    static const sb_type types[] = {SB_CLIENT, SB_SCATTER};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        rig r;
        fake a, b;
        rig_init(&r, types[i], NULL);
        assert_int_equal(send_text(&r, "nobody"), SB_EAGAIN);
        fake_join(&r, &a, 1);
        assert_int_equal(r.writable, 1);
        fake_join(&r, &b, 1);
        assert_int_equal(send_text(&r, "1"), SB_OK);
        assert_int_equal(send_text(&r, "2"), SB_OK);
        assert_int_equal(send_text(&r, "3"), SB_EAGAIN);
        check_sent(&a, "1");
        check_sent(&b, "2");
        assert_int_equal(r.writable, 2);
        fake_leave(&r, &a);
        fake_leave(&r, &b);
        rig_finish(&r);
    }
}

static void test_channel_refuses_a_second_peer(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_CHANNEL, NULL);
    fake_join(&r, &a, 1);
    assert_int_equal(fake_attach(&r, &b, 1), SB_EREFUSED);
    fake_leave(&r, &a);
    assert_int_equal(fake_attach(&r, &b, 1), SB_OK);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void join_with_start(rig *r, fake *a, sb_type type, uint32_t random)
{
    sb__pattern_options options = {.random = random};
    rig_init(r, type, &options);
    fake_join(r, a, 1);
}

static void test_numbers_are_never_zero_and_count_on(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    join_with_start(&r, &a, SB_SERVER, UINT32_MAX);
    assert_memory_equal(a.peer.routing_id, "\xff\xff\xff\xff", 4);
    fake_join(&r, &b, 1);
    assert_int_equal(b.peer.routing_id_len, 4);
    assert_memory_equal(b.peer.routing_id, "\0\0\0\1", 4);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_server_adds_the_number_and_takes_it(void **state)
{
    static const sb_type types[] = {SB_SERVER, SB_PEER};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        rig r;
        fake a;
        sb_msg msg, answer;
        join_with_start(&r, &a, types[i], 7);
        assert_int_equal(r.pat->impl->ids, 1);
        message(&msg, "hello", NULL);
        assert_int_equal(filter(&r, &a, &msg), SB_OK);
        assert_int_equal(msg.envelope, 1);
        assert_int_equal(sb_msg_routing_id(&msg), 7);
        message(&answer, "world", NULL);
        assert_int_equal(sb_msg_set_routing_id(&answer, sb_msg_routing_id(&msg)), SB_OK);
        assert_int_equal(r.pat->impl->send(r.pat, &answer), SB_OK);
        check_sent(&a, "world");
        sb_msg_finish(&answer);
        sb_msg_finish(&msg);
        fake_leave(&r, &a);
        rig_finish(&r);
    }
}

static sb_err send_to(rig *r, uint32_t number, const char *text)
{
    sb_msg msg;
    message(&msg, text, NULL);
    assert_int_equal(sb_msg_set_routing_id(&msg, number), SB_OK);
    sb_err err = r->pat->impl->send(r->pat, &msg);
    sb_msg_finish(&msg);
    return err;
}

static void test_server_says_who_is_full_and_who_is_unknown(void **state)
{
    (void)state;
    rig r;
    fake a;
    join_with_start(&r, &a, SB_SERVER, 7);
    assert_int_equal(send_to(&r, 8, "x"), SB_EHOSTUNREACH);
    assert_int_equal(send_to(&r, 7, "x"), SB_OK);
    assert_int_equal(send_to(&r, 7, "y"), SB_EAGAIN);
    assert_int_equal(r.writable, 0);
    check_sent(&a, "x");
    assert_int_equal(r.writable, 1);
    fake_leave(&r, &a);
    assert_int_equal(send_to(&r, 7, "x"), SB_EHOSTUNREACH);
    rig_finish(&r);
}

static void test_who_waits_for_a_peer_learns_that_it_went(void **state)
{
    (void)state;
    rig r;
    fake a;
    join_with_start(&r, &a, SB_SERVER, 7);
    assert_int_equal(send_to(&r, 7, "x"), SB_OK);
    assert_int_equal(send_to(&r, 7, "y"), SB_EAGAIN);
    fake_leave(&r, &a);
    assert_int_equal(r.writable, 1);
    rig_finish(&r);
}

static void test_the_number_stays_over_a_reconnect(void **state)
{
    (void)state;
    rig r;
    fake a;
    join_with_start(&r, &a, SB_PEER, 7);
    fake_lost(&r, &a);
    assert_int_equal(send_to(&r, 7, "x"), SB_OK);
    assert_int_equal(fake_ready(&r, &a, NULL), SB_OK);
    check_sent(&a, "x");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_routing_id_of_a_message(void **state)
{
    (void)state;
    sb_msg msg;
    message(&msg, "id", "", "body", NULL);
    msg.envelope = 2;
    assert_int_equal(sb_msg_routing_id(&msg), 0);
    assert_int_equal(sb_msg_set_routing_id(&msg, 0), SB_EINVAL);
    assert_int_equal(sb_msg_set_routing_id(&msg, 0x01020304), SB_OK);
    assert_int_equal(sb_msg_routing_id(&msg), 0x01020304);
    assert_int_equal(msg.envelope, 1);
    check_frames(&msg, "\1\2\3\4|body");
    assert_int_equal(sb_msg_set_routing_id(&msg, UINT32_MAX), SB_OK);
    assert_int_equal(sb_msg_routing_id(&msg), UINT32_MAX);
    assert_int_equal(msg.n, 2);
    sb_msg_finish(&msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_frames_are_discarded),
        cmocka_unit_test(test_several_frames_cannot_be_sent),
        cmocka_unit_test(test_an_envelope_stays_behind),
        cmocka_unit_test(test_client_and_scatter_go_round_and_wait),
        cmocka_unit_test(test_channel_refuses_a_second_peer),
        cmocka_unit_test(test_numbers_are_never_zero_and_count_on),
        cmocka_unit_test(test_server_adds_the_number_and_takes_it),
        cmocka_unit_test(test_server_says_who_is_full_and_who_is_unknown),
        cmocka_unit_test(test_who_waits_for_a_peer_learns_that_it_went),
        cmocka_unit_test(test_the_number_stays_over_a_reconnect),
        cmocka_unit_test(test_routing_id_of_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
