/* REQ and REP: alternation, envelopes, lost peers. */
#include "fake.h"

/* What REQ or REP is given by its application: body only. */
static sb_err say(rig *r, const char *body)
{
    return send_text(r, body);
}

/* A message comes in and, if the pattern lets it pass, is taken. */
static sb_err arrives(rig *r, fake *f, sb_msg *msg)
{
    sb_err err = filter(r, f, msg);
    if (err == SB_OK)
        r->pat->impl->taken(r->pat, &f->peer, msg);
    return err;
}

#define ARRIVES(r, f, expect, ...)                                                                           \
    do {                                                                                                     \
        sb_msg msg_;                                                                                         \
        message(&msg_, __VA_ARGS__, NULL);                                                                   \
        assert_int_equal(arrives(r, f, &msg_), expect);                                                      \
        sb_msg_finish(&msg_);                                                                                \
    } while (0)

static void test_req_alternates_strictly(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_REQ, NULL);
    fake_join(&r, &a, 10);
    ARRIVES(&r, &a, SB_ECANCELED, "", "unasked");
    assert_int_equal(say(&r, "q1"), SB_OK);
    assert_int_equal(say(&r, "q2"), SB_EFSM);
    check_sent(&a, "|q1");
    ARRIVES(&r, &a, SB_OK, "", "a1");
    ARRIVES(&r, &a, SB_ECANCELED, "", "twice");
    assert_int_equal(say(&r, "q2"), SB_OK);
    check_sent(&a, "|q2");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_req_shows_the_body_only(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    rig_init(&r, SB_REQ, NULL);
    fake_join(&r, &a, 10);
    assert_int_equal(say(&r, "q"), SB_OK);
    message(&msg, "", "one", "two", NULL);
    assert_int_equal(filter(&r, &a, &msg), SB_OK);
    assert_int_equal(msg.envelope, 0); /* the delimiter is gone, not hidden: passed on, the answer has none */
    assert_int_equal(msg.n, 2);
    assert_memory_equal(msg.frames[0].data, "one", 3);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_req_goes_round_and_takes_answers_of_the_asked_only(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_REQ, NULL);
    fake_join(&r, &a, 10);
    fake_join(&r, &b, 10);
    assert_int_equal(say(&r, "q1"), SB_OK);
    check_sent(&a, "|q1");
    ARRIVES(&r, &b, SB_ECANCELED, "", "not asked");
    ARRIVES(&r, &a, SB_OK, "", "a1");
    assert_int_equal(say(&r, "q2"), SB_OK);
    check_sent(&b, "|q2");
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_req_ends_connections_that_send_malformed_answers(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_REQ, NULL);
    fake_join(&r, &a, 10);
    assert_int_equal(say(&r, "q"), SB_OK);
    ARRIVES(&r, &a, SB_EPROTO, "no delimiter");
    ARRIVES(&r, &a, SB_EPROTO, "");
    ARRIVES(&r, &a, SB_EPROTO, "abcd", "");
    ARRIVES(&r, &a, SB_EPROTO, "abcd", "body");
    ARRIVES(&r, &a, SB_ECANCELED, "abcd", "", "a number nobody asked for");
    ARRIVES(&r, &a, SB_OK, "", "a");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_req_sends_nothing_without_peer_or_body(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    rig_init(&r, SB_REQ, NULL);
    assert_int_equal(say(&r, "q"), SB_EAGAIN);
    fake_join(&r, &a, 10);
    assert_int_equal(r.writable, 1);
    message(&msg, "only envelope", NULL);
    msg.envelope = 1;
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_EINVAL);
    assert_int_equal(say(&r, "q"), SB_OK);
    check_sent(&a, "|q");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_req_leaves_off_a_foreign_envelope(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    rig_init(&r, SB_REQ, NULL);
    fake_join(&r, &a, 10);
    message(&msg, "id", "", "one", "two", NULL);
    msg.envelope = 2;
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_OK);
    check_sent(&a, "|one|two");
    fake_leave(&r, &a);
    rig_finish(&r);
}

/* The body of a forwarded message is one packed run; what goes before it is encoded anew. */
static void test_packed_bodies_are_forwarded(void **state)
{
    (void)state;
    rig q, p;
    fake a, b;
    sb_msg plain, msg;
    rig_init(&q, SB_REQ, NULL);
    rig_init(&p, SB_REP, NULL);
    fake_join(&q, &a, 10);
    fake_join(&p, &b, 10);
    message(&plain, "id", "", "one", "two", NULL);
    sb_buf *buf = sb_buf_create(sb_msg_packed_size(&plain));
    sb_msg_pack(&plain, buf->data);
    sb_msg_init(&msg);
    assert_int_equal(sb_msg_unpack(&msg, buf, buf->data), buf->cap);
    msg.envelope = 2;
    assert_int_equal(q.pat->impl->send(q.pat, &msg), SB_OK);
    check_sent(&a, "|one|two");
    ARRIVES(&p, &b, SB_OK, "x", "y", "", "request");
    assert_int_equal(p.pat->impl->send(p.pat, &msg), SB_OK);
    check_sent(&b, "x|y||one|two");
    sb_msg_finish(&msg);
    sb_buf_unref(buf);
    fake_leave(&q, &a);
    fake_leave(&p, &b);
    rig_finish(&q);
    rig_finish(&p);
}

static void test_correlated_req_checks_the_number(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    sb__pattern_options o = {.req_correlate = true, .random = 0x41424343};
    rig_init(&r, SB_REQ, &o);
    fake_join(&r, &a, 10);
    assert_int_equal(say(&r, "q"), SB_OK);
    check_sent(&a, "ABCD||q");
    ARRIVES(&r, &a, SB_ECANCELED, "ABCC", "", "old");
    ARRIVES(&r, &a, SB_ECANCELED, "", "none");
    message(&msg, "ABCD", "", "new", NULL);
    assert_int_equal(arrives(&r, &a, &msg), SB_OK);
    assert_int_equal(msg.envelope, 0);
    assert_int_equal(msg.n, 1);
    assert_memory_equal(msg.frames[0].data, "new", 3);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_relaxed_correlated_req_forgets_the_old_request(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb__pattern_options o = {.req_correlate = true, .req_relaxed = true, .random = 0x41424343};
    rig_init(&r, SB_REQ, &o);
    fake_join(&r, &a, 10);
    assert_int_equal(say(&r, "q1"), SB_OK);
    assert_int_equal(say(&r, "q2"), SB_OK);
    check_sent(&a, "ABCD||q1");
    check_sent(&a, "ABCE||q2");
    assert_int_equal(a.kicks, 0);
    ARRIVES(&r, &a, SB_ECANCELED, "ABCD", "", "a1");
    ARRIVES(&r, &a, SB_OK, "ABCE", "", "a2");
    fake_leave(&r, &a);
    rig_finish(&r);
}

/* A relaxed REQ that has asked q1; a1 has arrived and was not looked at yet. */
static void ask_relaxed(rig *r, fake *a)
{
    sb__pattern_options o = {.req_relaxed = true};
    sb_msg msg;
    rig_init(r, SB_REQ, &o);
    fake_join(r, a, 10);
    assert_int_equal(say(r, "q1"), SB_OK);
    check_sent(a, "|q1");
    message(&msg, "", "a1", NULL);
    assert_int_equal(sb__queue_push(&a->peer.in, &msg), SB_OK);
}

static void test_relaxed_req_leaves_the_connection_it_gave_up(void **state)
{
    (void)state;
    rig r;
    fake a;
    ask_relaxed(&r, &a);
    assert_int_equal(say(&r, "q2"), SB_EAGAIN);
    assert_int_equal(a.kicks, 1);
    assert_false(a.forever);
    fake_lost(&r, &a);
    assert_int_equal(fake_ready(&r, &a, NULL), SB_OK);
    assert_int_equal(r.writable, 1);
    assert_int_equal(say(&r, "q2"), SB_OK);
    check_sent(&a, "|q2");
    ARRIVES(&r, &a, SB_ECANCELED, "", "a1");
    ARRIVES(&r, &a, SB_OK, "", "a2");
    fake_leave(&r, &a);
    rig_finish(&r);
}

/* The connection that brought the answer is gone, and the next request waits for the next one. */
static void test_relaxed_req_forgets_an_answer_of_a_connection_that_is_gone(void **state)
{
    (void)state;
    rig r;
    fake a;
    ask_relaxed(&r, &a);
    fake_lost(&r, &a);
    assert_int_equal(say(&r, "q2"), SB_OK);
    assert_int_equal(a.kicks, 0);
    assert_int_equal(fake_ready(&r, &a, NULL), SB_OK);
    check_sent(&a, "|q2");
    ARRIVES(&r, &a, SB_ECANCELED, "", "a1");
    ARRIVES(&r, &a, SB_OK, "", "a2");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_a_request_that_was_given_up_is_not_sent_later(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb__pattern_options o = {.req_relaxed = true};
    rig_init(&r, SB_REQ, &o);
    fake_join(&r, &a, 10);
    assert_int_equal(say(&r, "q1"), SB_OK);
    assert_int_equal(say(&r, "q2"), SB_EAGAIN);
    assert_int_equal(a.kicks, 1);
    assert_int_equal(a.peer.out.msgs, 0);
    assert_int_equal(a.peer.dropped[SB_DROP_LOST], 1);
    fake_lost(&r, &a);
    assert_int_equal(fake_ready(&r, &a, NULL), SB_OK);
    assert_int_equal(say(&r, "q2"), SB_OK);
    check_sent(&a, "|q2");
    ARRIVES(&r, &a, SB_OK, "", "a2");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_a_lost_peer_ends_the_wait(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_REQ, NULL);
    fake_join(&r, &a, 10);
    assert_int_equal(say(&r, "q1"), SB_OK);
    fake_lost(&r, &a); /* not sent yet: goes out after the reconnect */
    assert_int_equal(r.readable, 0);
    assert_int_equal(say(&r, "q2"), SB_EFSM);
    assert_int_equal(fake_ready(&r, &a, NULL), SB_OK);
    check_sent(&a, "|q1");
    fake_lost(&r, &a);
    assert_int_equal(r.readable, 1);
    assert_int_equal(say(&r, "q2"), SB_OK);
    fake_leave(&r, &a);
    assert_int_equal(r.readable, 2);
    assert_int_equal(say(&r, "q3"), SB_EAGAIN);
    rig_finish(&r);
}

static void test_an_answer_of_a_peer_that_left_still_counts(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    rig_init(&r, SB_REQ, NULL);
    fake_join(&r, &a, 10);
    assert_int_equal(say(&r, "q"), SB_OK);
    message(&msg, "", "a", NULL);
    assert_int_equal(sb__queue_push(&a.peer.in, &msg), SB_OK);
    r.pat->impl->detach(r.pat, &a.peer);
    a.peer.attached = false;
    assert_int_equal(r.readable, 0);
    ARRIVES(&r, &a, SB_OK, "", "a");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_rep_answers_with_the_envelope(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_REP, NULL);
    fake_join(&r, &a, 10);
    assert_int_equal(say(&r, "out of turn"), SB_EFSM);
    ARRIVES(&r, &a, SB_OK, "id1", "id2", "", "q", "more");
    assert_int_equal(say(&r, "a"), SB_OK);
    check_sent(&a, "id1|id2||a");
    assert_int_equal(say(&r, "again"), SB_EFSM);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_rep_ends_the_envelope_at_the_first_empty_frame(void **state)
{
    (void)state;
    rig r;
    fake a;
    sb_msg msg;
    rig_init(&r, SB_REP, NULL);
    fake_join(&r, &a, 10);
    message(&msg, "id", "", "", "x", NULL);
    assert_int_equal(arrives(&r, &a, &msg), SB_OK);
    assert_int_equal(msg.envelope, 2);
    /* the socket's reply: envelope of the request, then the body */
    message(&msg, "id", "", "", "y", NULL);
    msg.envelope = 2;
    assert_int_equal(r.pat->impl->send(r.pat, &msg), SB_OK);
    check_sent(&a, "id|||y");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_rep_takes_one_request_at_a_time(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_REP, NULL);
    fake_join(&r, &a, 10);
    fake_join(&r, &b, 10);
    ARRIVES(&r, &a, SB_OK, "", "qa");
    ARRIVES(&r, &b, SB_EAGAIN, "", "qb");
    assert_int_equal(say(&r, "aa"), SB_OK);
    assert_int_equal(r.readable, 1);
    ARRIVES(&r, &b, SB_OK, "", "qb");
    assert_int_equal(say(&r, "ab"), SB_OK);
    check_sent(&a, "|aa");
    check_sent(&b, "|ab");
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_rep_discards_malformed_requests(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_REP, NULL);
    fake_join(&r, &a, 10);
    ARRIVES(&r, &a, SB_ECANCELED, "no delimiter");
    ARRIVES(&r, &a, SB_ECANCELED, "");
    ARRIVES(&r, &a, SB_ECANCELED, "id", "");
    assert_int_equal(say(&r, "a"), SB_EFSM);
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_rep_drops_the_answer_to_a_lost_peer(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    rig_init(&r, SB_REP, NULL);
    fake_join(&r, &a, 10);
    ARRIVES(&r, &a, SB_OK, "", "q");
    fake_leave(&r, &a);
    assert_int_equal(say(&r, "a"), SB_OK);
    assert_int_equal(r.dropped[SB_DROP_NO_PEER], 1);
    fake_join(&r, &b, 10);
    ARRIVES(&r, &b, SB_OK, "", "q");
    fake_lost(&r, &b);
    assert_int_equal(fake_ready(&r, &b, NULL), SB_OK); /* another connection: not the one that asked */
    assert_int_equal(say(&r, "a"), SB_OK);
    assert_int_equal(r.dropped[SB_DROP_NO_PEER], 2);
    assert_int_equal(b.peer.out.msgs, 0);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_rep_goes_on_when_nobody_will_answer(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_REP, NULL);
    fake_join(&r, &a, 10);
    r.pat->impl->abandoned(r.pat, &a.peer);
    assert_int_equal(r.readable, 0); /* there was no request */
    ARRIVES(&r, &a, SB_OK, "", "q1");
    ARRIVES(&r, &a, SB_EAGAIN, "", "q2");
    r.pat->impl->abandoned(r.pat, &a.peer);
    assert_int_equal(r.readable, 1);
    assert_int_equal(say(&r, "late"), SB_EFSM);
    ARRIVES(&r, &a, SB_OK, "", "q2");
    assert_int_equal(say(&r, "a2"), SB_OK);
    check_sent(&a, "|a2");
    fake_leave(&r, &a);
    rig_finish(&r);
}

static void test_rep_never_blocks(void **state)
{
    (void)state;
    rig r;
    fake a;
    rig_init(&r, SB_REP, NULL);
    fake_join(&r, &a, 1);
    ARRIVES(&r, &a, SB_OK, "", "q1");
    assert_int_equal(say(&r, "a1"), SB_OK);
    ARRIVES(&r, &a, SB_OK, "", "q2");
    assert_int_equal(say(&r, "a2"), SB_OK);
    assert_int_equal(r.dropped[SB_DROP_HWM], 1);
    ARRIVES(&r, &a, SB_OK, "", "q3");
    check_sent(&a, "|a1");
    assert_int_equal(say(&r, "a3"), SB_OK);
    check_sent(&a, "|a3");
    fake_leave(&r, &a);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_req_alternates_strictly),
        cmocka_unit_test(test_req_shows_the_body_only),
        cmocka_unit_test(test_req_goes_round_and_takes_answers_of_the_asked_only),
        cmocka_unit_test(test_req_ends_connections_that_send_malformed_answers),
        cmocka_unit_test(test_req_sends_nothing_without_peer_or_body),
        cmocka_unit_test(test_req_leaves_off_a_foreign_envelope),
        cmocka_unit_test(test_packed_bodies_are_forwarded),
        cmocka_unit_test(test_correlated_req_checks_the_number),
        cmocka_unit_test(test_relaxed_correlated_req_forgets_the_old_request),
        cmocka_unit_test(test_relaxed_req_leaves_the_connection_it_gave_up),
        cmocka_unit_test(test_relaxed_req_forgets_an_answer_of_a_connection_that_is_gone),
        cmocka_unit_test(test_a_request_that_was_given_up_is_not_sent_later),
        cmocka_unit_test(test_a_lost_peer_ends_the_wait),
        cmocka_unit_test(test_an_answer_of_a_peer_that_left_still_counts),
        cmocka_unit_test(test_rep_answers_with_the_envelope),
        cmocka_unit_test(test_rep_ends_the_envelope_at_the_first_empty_frame),
        cmocka_unit_test(test_rep_takes_one_request_at_a_time),
        cmocka_unit_test(test_rep_discards_malformed_requests),
        cmocka_unit_test(test_rep_drops_the_answer_to_a_lost_peer),
        cmocka_unit_test(test_rep_goes_on_when_nobody_will_answer),
        cmocka_unit_test(test_rep_never_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
