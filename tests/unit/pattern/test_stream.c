/* STREAM: connections addressed by id, ended by an empty frame. */
#include "fake.h"

static void join(rig *r, fake *f)
{
    static const sb__pattern_options options = {.random = 7};
    rig_init(r, SB_STREAM, &options);
    fake_join(r, f, 1);
}

static sb_err send_to(rig *r, const fake *f, const char *text)
{
    sb_msg msg;
    sb_msg_init(&msg);
    sb_msg_push(&msg, f->peer.routing_id, f->peer.routing_id_len, NULL);
    sb_msg_push(&msg, text, strlen(text), NULL);
    sb_err err = r->pat->impl->send(r->pat, &msg);
    sb_msg_finish(&msg);
    return err;
}

static void test_ids_are_libzmqs(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    join(&r, &a);
    assert_int_equal(a.peer.routing_id_len, 5);
    assert_memory_equal(a.peer.routing_id, "\0\0\0\0\7", 5);
    message(&msg, "data", NULL);
    assert_int_equal(filter(&r, &a, &msg), SB_OK);
    assert_int_equal(msg.n, 2);
    assert_int_equal(msg.envelope, 1);
    assert_memory_equal(msg.frames[0].data, "\0\0\0\0\7", 5);
    sb_msg_finish(&msg);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_it_sends_to_whom_it_names(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    join(&r, &a);
    assert_int_equal(send_to(&r, &a, "1"), SB_OK);
    assert_int_equal(send_to(&r, &a, "2"), SB_EAGAIN);
    check_sent(&a, "1");
    assert_int_equal(r.writable, 1);
    message(&msg, "nobody", "x", NULL);
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_EHOSTUNREACH);
    sb_msg_finish(&msg);
    message(&msg, "one frame", NULL);
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_EINVAL);
    sb_msg_finish(&msg);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_an_empty_frame_ends_it(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    join(&r, &a);
    assert_int_equal(send_to(&r, &a, "last"), SB_OK);
    assert_int_equal(send_to(&r, &a, ""), SB_OK);
    assert_int_equal(a.ends, 1);
    assert_int_equal(a.peer.out.msgs, 1);
    assert_int_equal(send_to(&r, &a, "after"), SB_EHOSTUNREACH);
    assert_int_equal(send_to(&r, &a, ""), SB_EHOSTUNREACH);
    assert_int_equal(a.ends, 1);
    message(&msg, "late", NULL);
    assert_int_equal(filter(&r, &a, &msg), SB_ECANCELED);
    sb_msg_finish(&msg);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_a_connect_may_be_named(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    sb__pattern_options options = {.connect_routing_id = (const uint8_t *)"web", .connect_routing_id_len = 3};
    rig_init(&r, SB_STREAM, &options);
    fake_prepare(&r, &a, 1);
    a.peer.dialed = true;
    assert_int_equal(r.pat->impl->attach(r.pat, &a.peer), SB_OK);
    a.peer.attached = true;
    assert_memory_equal(a.peer.routing_id, "web", 3);
    fake_prepare(&r, &b, 1);
    b.peer.dialed = true;
    assert_int_equal(r.pat->impl->attach(r.pat, &b.peer), SB_EEXIST);
    assert_int_equal(send_to(&r, &a, "waits for the connection"), SB_OK);
    assert_int_equal(send_to(&r, &a, ""), SB_EHOSTUNREACH); /* there is none to end */
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_who_waits_learns_of_the_end(void **state)
{
    (void)state;
    rig r;
    fake a;
    join(&r, &a);
    assert_int_equal(send_to(&r, &a, "1"), SB_OK);
    assert_int_equal(send_to(&r, &a, "2"), SB_EAGAIN);
    fake_leave(&r, &a);
    assert_int_equal(r.writable, 1);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_libzmqs),
        cmocka_unit_test(test_it_sends_to_whom_it_names),
        cmocka_unit_test(test_an_empty_frame_ends_it),
        cmocka_unit_test(test_a_connect_may_be_named),
        cmocka_unit_test(test_who_waits_learns_of_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
