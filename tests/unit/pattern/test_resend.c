/* REQ with req_resend and req_deadline, the clock set by hand. */
#include "fake.h"

#define BOTH ((sb__pattern_options){.req_resend = 100, .req_deadline = 250})

static void tick(rig *r, uint64_t now)
{
    r->now = now;
    r->pat->impl->alarm(r->pat, now);
}

/* Answers the first request in the peer's queue with its own number; what filter says. */
static sb_err answer(rig *r, fake *f, bool forget)
{
    sb_msg sent, msg;
    sb_msg_init(&sent);
    assert_true(sb__queue_peek(&f->peer.out, &sent));
    assert_int_equal(sent.n, 3);
    assert_int_equal(sent.frames[0].len, 4);
    sb_msg_init(&msg);
    assert_int_equal(sb_msg_push_copy(&msg, sent.frames[0].data, 4), SB_OK);
    assert_int_equal(sb_msg_push_copy(&msg, "", 0), SB_OK);
    assert_int_equal(sb_msg_push_copy(&msg, "answer", 6), SB_OK);
    sb_msg_finish(&sent);
    if (forget)
        sb__queue_pop(&f->peer.out);
    sb_err err = filter(r, f, &msg);
    if (err == SB_OK)
        r->pat->impl->taken(r->pat, &f->peer, &msg);
    sb_msg_finish(&msg);
    return err;
}

static void test_no_answer_asks_the_next_and_any_may_answer(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_REQ, &BOTH);
    fake_join(&r, &a, 0);
    fake_join(&r, &b, 0);
    assert_int_equal(send_text(&r, "x"), SB_OK);
    assert_int_equal(r.alarm, 100);
    assert_int_equal(send_text(&r, "y"), SB_EFSM);
    tick(&r, 100);
    assert_int_equal(r.alarm, 200);
    assert_int_equal(a.peer.out.msgs, 1);
    assert_int_equal(b.peer.out.msgs, 1);
    assert_int_equal(answer(&r, &a, false), SB_OK); /* late, but the first */
    assert_int_equal(r.alarm, UINT64_MAX);
    assert_int_equal(answer(&r, &b, false), SB_ECANCELED);
    assert_int_equal(send_text(&r, "z"), SB_OK);
    assert_int_equal(answer(&r, &b, false), SB_ECANCELED); /* still the old number */
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_a_lost_peer_gives_it_on_at_once(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_REQ, &BOTH);
    fake_join(&r, &a, 0);
    assert_int_equal(send_text(&r, "x"), SB_OK);
    sb__queue_clear(&a.peer.out); /* sent */
    fake_leave(&r, &a);
    assert_int_equal(r.readable, 0);
    fake_join(&r, &b, 0); /* nobody was there; the first that comes gets it */
    assert_int_equal(b.peer.out.msgs, 1);
    assert_int_equal(answer(&r, &b, true), SB_OK);
    assert_int_equal(send_text(&r, "y"), SB_OK);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_a_reconnecting_peer_gets_it_again(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_REQ, &BOTH);
    fake_join(&r, &a, 0);
    assert_int_equal(send_text(&r, "x"), SB_OK);
    sb__queue_clear(&a.peer.out);
    fake_lost(&r, &a);
    assert_int_equal(a.peer.out.msgs, 0);
    assert_int_equal(fake_ready(&r, &a, NULL), SB_OK);
    assert_int_equal(a.peer.out.msgs, 1);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_what_was_not_sent_is_taken_back(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_REQ, &BOTH);
    assert_int_equal(fake_attach(&r, &a, 0), SB_OK); /* not connected yet */
    assert_int_equal(send_text(&r, "x"), SB_OK);
    fake_join(&r, &b, 0);
    tick(&r, 100);
    assert_int_equal(a.peer.out.msgs, 0);
    assert_int_equal(b.peer.out.msgs, 1);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_the_deadline_ends_it(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_REQ, &BOTH);
    fake_join(&r, &a, 0);
    assert_int_equal(send_text(&r, "x"), SB_OK);
    tick(&r, 100);
    tick(&r, 200);
    assert_int_equal(r.alarm, 250);
    assert_int_equal(a.peer.out.msgs, 3); /* there was nobody else */
    tick(&r, 250);
    assert_int_equal(r.dropped[SB_DROP_EXPIRED], 1);
    assert_int_equal(r.expired, 1);
    assert_int_equal(r.readable, 1);
    assert_true(r.pat->impl->out_of_turn(r.pat));
    assert_int_equal(answer(&r, &a, false), SB_ECANCELED);
    assert_int_equal(send_text(&r, "y"), SB_OK);
    tick(&r, 100); /* an alarm out of turn does no harm */
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_a_deadline_alone_ends_the_connection_of_a_request_without_number(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb__pattern_options o = {.req_deadline = 100};
    rig_init(&r, SB_REQ, &o);
    fake_join(&r, &a, 0);
    assert_int_equal(send_text(&r, "x"), SB_OK);
    sb__queue_clear(&a.peer.out);
    tick(&r, 100);
    assert_int_equal(a.kicks, 1); /* its answer cannot be told from the next one's */
    assert_false(a.forever);
    fake_leave(&r, &a);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_answer_asks_the_next_and_any_may_answer),
        cmocka_unit_test(test_a_lost_peer_gives_it_on_at_once),
        cmocka_unit_test(test_a_reconnecting_peer_gets_it_again),
        cmocka_unit_test(test_what_was_not_sent_is_taken_back),
        cmocka_unit_test(test_the_deadline_ends_it),
        cmocka_unit_test(test_a_deadline_alone_ends_the_connection_of_a_request_without_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
