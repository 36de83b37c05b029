/* ROUTER: names, addressing, handover. */
#include "fake.h"

static sb_err route(rig *r, const char *id, const char *body)
{
    sb_msg msg;
    message(&msg, id, body, NULL);
    return r->pat->impl->send(r->pat, &msg);
}

static void join_as(rig *r, fake *f, const char *id, uint32_t hwm)
{
    assert_int_equal(fake_attach(r, f, hwm), SB_OK);
    assert_int_equal(fake_ready(r, f, id), SB_OK);
}

static void test_router_sends_to_the_named_peer_without_the_name(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_ROUTER, NULL);
    join_as(&r, &a, "alice", 10);
    join_as(&r, &b, "bob", 10);
    assert_int_equal(route(&r, "bob", "hi"), SB_OK);
    assert_int_equal(route(&r, "alice", "ho"), SB_OK);
    assert_int_equal(route(&r, "bob", "again"), SB_OK);
    check_sent(&b, "hi");
    check_sent(&b, "again");
    check_sent(&a, "ho");
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_router_keeps_the_callers_message(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    rig_init(&r, SB_ROUTER, NULL);
    join_as(&r, &a, "a", 10);
    message(&msg, "a", "", "x", "y", NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_OK);
    check_frames(&msg, "a||x|y");
    for (int i = 0; i < 3; i++)
        check_sent(&a, "|x|y");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_router_forwards_packed_messages(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg plain, msg;
    rig_init(&r, SB_ROUTER, NULL);
    join_as(&r, &a, "a", 10);
    message(&plain, "a", "", "body", NULL);
    sb_buf *buf = sb_buf_create(sb_msg_packed_size(&plain));
    sb_msg_pack(&plain, buf->data);
    sb_msg_init(&msg);
    assert_int_equal(sb_msg_unpack(&msg, buf, buf->data), buf->cap);
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_OK);
    check_sent(&a, "|body");
    /* with a routing id put before the packed part */
    assert_int_equal(sb_msg_insert(&msg, 0, "a", 1, NULL), SB_OK);
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_OK);
    check_sent(&a, "a||body");
    sb_msg_finish(&msg);
    sb_buf_unref(buf);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_router_drops_and_counts_what_it_cannot_deliver(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_ROUTER, NULL);
    join_as(&r, &a, "a", 1);
    assert_int_equal(route(&r, "nobody", "x"), SB_OK);
    assert_int_equal(r.dropped[SB_DROP_NO_PEER], 1);
    assert_int_equal(route(&r, "a", "x"), SB_OK);
    assert_int_equal(route(&r, "a", "x"), SB_OK);
    assert_int_equal(r.dropped[SB_DROP_HWM], 1);
    assert_int_equal(a.peer.out.msgs, 1);
    fake_leave(&r, &a);
    assert_int_equal(route(&r, "a", "x"), SB_OK);
    assert_int_equal(r.dropped[SB_DROP_NO_PEER], 2);
    rig_finish(&r);
}

static void test_mandatory_router_says_why(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb__pattern_options o = {.router_mandatory = true};
    rig_init(&r, SB_ROUTER, &o);
    join_as(&r, &a, "a", 1);
    assert_int_equal(route(&r, "nobody", "x"), SB_EHOSTUNREACH);
    assert_int_equal(route(&r, "a", "x"), SB_OK);
    assert_int_equal(route(&r, "a", "y"), SB_EAGAIN);
    assert_int_equal(r.writable, 0);
    check_sent(&a, "x");
    assert_int_equal(r.writable, 1);
    assert_int_equal(route(&r, "a", "y"), SB_OK);
    assert_int_equal(r.dropped[SB_DROP_HWM] + r.dropped[SB_DROP_NO_PEER], 0);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_router_needs_a_body(void **state)
{
    (void)state;
    rig r;
    sb_msg msg;
    rig_init(&r, SB_ROUTER, NULL);
    message(&msg, "id", NULL);
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_EINVAL);
    rig_finish(&r);
}

static void test_automatic_names_count_up_from_the_seed(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    sb__pattern_options o = {.random = 0xfffffffe};
    rig_init(&r, SB_ROUTER, &o);
    join_as(&r, &a, NULL, 1);
    join_as(&r, &b, NULL, 1);
    assert_int_equal(a.peer.routing_id_len, 5);
    assert_memory_equal(a.peer.routing_id, "\0\xff\xff\xff\xfe", 5);
    assert_memory_equal(b.peer.routing_id, "\0\xff\xff\xff\xff", 5);
    /* a new name for a new connection */
    fake_lost(&r, &a);
    assert_int_equal(fake_ready(&r, &a, NULL), SB_OK);
    assert_memory_equal(a.peer.routing_id, "\0\0\0\0\0", 5);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_a_name_outlives_its_connection(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_ROUTER, NULL);
    join_as(&r, &a, "a", 10);
    fake_lost(&r, &a);
    assert_int_equal(route(&r, "a", "meanwhile"), SB_OK);
    assert_int_equal(fake_ready(&r, &a, "a"), SB_OK);
    check_sent(&a, "meanwhile");
    fake_lost(&r, &a);
    assert_int_equal(fake_ready(&r, &a, "other"), SB_OK);
    assert_int_equal(route(&r, "a", "x"), SB_OK);
    assert_int_equal(r.dropped[SB_DROP_NO_PEER], 1);
    assert_int_equal(route(&r, "other", "x"), SB_OK);
    check_sent(&a, "x");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_router_refuses_a_duplicate_name(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_ROUTER, NULL);
    join_as(&r, &a, "same", 10);
    assert_int_equal(fake_attach(&r, &b, 10), SB_OK);
    assert_int_equal(fake_ready(&r, &b, "same"), SB_EEXIST);
    assert_int_equal(route(&r, "same", "x"), SB_OK);
    check_sent(&a, "x");
    assert_int_equal(a.kicks, 0);
    fake_leave(&r, &b);
    assert_int_equal(route(&r, "same", "y"), SB_OK);
    check_sent(&a, "y");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_handover_moves_the_name_and_the_queue(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    struct iovec iov[SB__QUEUE_IOV];
    sb__pattern_options o = {.router_handover = true};
    rig_init(&r, SB_ROUTER, &o);
    join_as(&r, &a, "same", 10);
    assert_int_equal(route(&r, "same", "in flight"), SB_OK);
    assert_int_equal(sb__queue_iov(&a.peer.out, iov, SB__QUEUE_IOV, 1), 1);
    assert_int_equal(route(&r, "same", "1"), SB_OK);
    assert_int_equal(route(&r, "same", "2"), SB_OK);
    assert_int_equal(route(&r, "same", "3"), SB_OK);
    join_as(&r, &b, "same", 2); /* room for two only */
    assert_int_equal(r.dropped[SB_DROP_LOST], 1);
    assert_int_equal(a.kicks, 1);
    assert_int_equal(a.why, SB_EEXIST);
    assert_true(a.forever);
    assert_int_equal(a.peer.out.msgs, 1);
    assert_int_equal(b.outputs, 1);
    check_sent(&b, "1");
    check_sent(&b, "2");
    /* what the old one sent before is still delivered, under a name of its own */
    sb_msg msg;
    message(&msg, "late", NULL);
    assert_int_equal(filter(&r, &a, &msg), SB_OK);
    assert_int_equal(msg.frames[0].len, 5);
    sb_msg_finish(&msg);
    fake_leave(&r, &a);
    assert_int_equal(route(&r, "same", "4"), SB_OK);
    check_sent(&b, "4");
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_connect_routing_id_names_before_the_handshake(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_ROUTER, NULL);
    r.options.connect_routing_id = (const uint8_t *)"given";
    r.options.connect_routing_id_len = 5;
    assert_int_equal(fake_attach(&r, &a, 10), SB_OK);
    assert_int_equal(fake_attach(&r, &b, 10), SB_EEXIST);
    r.options.connect_routing_id_len = 0;
    assert_int_equal(route(&r, "given", "early"), SB_OK);
    assert_int_equal(fake_ready(&r, &a, "announced"), SB_OK);
    check_sent(&a, "early");
    fake_lost(&r, &a);
    assert_int_equal(route(&r, "given", "between"), SB_OK);
    check_sent(&a, "between");
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_filter_puts_the_name_first(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    rig_init(&r, SB_ROUTER, NULL);
    join_as(&r, &a, "a", 1);
    message(&msg, "body", NULL);
    assert_int_equal(filter(&r, &a, &msg), SB_OK);
    check_frames(&msg, "a|body");
    assert_int_equal(msg.envelope, 1);
    sb_msg_finish(&msg);
    message(&msg, "", "body", NULL);
    assert_int_equal(filter(&r, &a, &msg), SB_OK);
    assert_int_equal(msg.envelope, 2);
    sb_msg_finish(&msg);
    sb_msg_init(&msg); /* behind another ROUTER: its automatic name counts too, before a delimiter */
    sb_msg_push(&msg, "\0abcd", 5, NULL);
    sb_msg_push(&msg, "", 0, NULL);
    sb_msg_push(&msg, "body", 4, NULL);
    assert_int_equal(filter(&r, &a, &msg), SB_OK);
    assert_int_equal(msg.envelope, 3);
    sb_msg_finish(&msg);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_many_peers_are_found_by_name(void **state)
{
    (void)state;
    rig r;
    static fake p[2000];
    char name[32];
    rig_init(&r, SB_ROUTER, NULL);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "peer-%d", i);
        join_as(&r, &p[i], name, 1);
    }
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "peer-%d", (i * 7) % 2000);
        assert_int_equal(route(&r, name, name), SB_OK);
        check_sent(&p[(i * 7) % 2000], name);
    }
    for (int i = 0; i < 2000; i++)
        fake_leave(&r, &p[i]);
    assert_int_equal(r.dropped[SB_DROP_NO_PEER], 0);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_router_sends_to_the_named_peer_without_the_name),
        cmocka_unit_test(test_router_keeps_the_callers_message),
        cmocka_unit_test(test_router_forwards_packed_messages),
        cmocka_unit_test(test_router_drops_and_counts_what_it_cannot_deliver),
        cmocka_unit_test(test_mandatory_router_says_why),
        cmocka_unit_test(test_router_needs_a_body),
        cmocka_unit_test(test_automatic_names_count_up_from_the_seed),
        cmocka_unit_test(test_a_name_outlives_its_connection),
        cmocka_unit_test(test_router_refuses_a_duplicate_name),
        cmocka_unit_test(test_handover_moves_the_name_and_the_queue),
        cmocka_unit_test(test_connect_routing_id_names_before_the_handshake),
        cmocka_unit_test(test_filter_puts_the_name_first),
        cmocka_unit_test(test_many_peers_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
