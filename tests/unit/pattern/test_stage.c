/* The stage before a queue: expiry, conflation by key, eviction, limits over both, the flight left alone. */
#include "fake.h"

typedef struct stand {
    sb__queue queue;
    sb__stage_rules rules;
    uint64_t dropped[SB_DROP_COUNT];
    sb__budget budget;
    sb__stage *stage;
} stand;

static void stand_open(stand *s, uint32_t hwm, sb__stage_rules rules)
{
    *s = (stand){.rules = rules};
    sb__queue_init(&s->queue, hwm, 0);
    s->queue.budget = &s->budget;
    s->stage = sb__stage_create(&s->queue, &s->rules, s->dropped);
    assert_non_null(s->stage);
}

static void stand_close(stand *s)
{
    sb__stage_destroy(s->stage);
    sb__queue_finish(&s->queue);
    assert_int_equal(s->budget.used, 0);
}

static sb_err put(stand *s, uint64_t now, bool evict, const char *key, const char *body)
{
    sb_msg msg;
    message(&msg, key, body, NULL);
    sb_err err = sb__stage_push(s->stage, &msg, now, evict);
    sb_msg_finish(&msg);
    assert_true(s->stage->msgs == 0 || s->queue.msgs > 0);
    assert_int_equal(s->budget.used, s->queue.bytes + s->stage->bytes);
    return err;
}

/* Takes everything out and compares it with "key|body key|body". */
static void drain(stand *s, uint64_t now, const char *expect)
{
    char text[512] = "";
    sb__stage_fill(s->stage, 0, now);
    while (s->queue.msgs > 0) {
        sb_msg msg;
        sb_msg_init(&msg);
        assert_true(sb__queue_peek(&s->queue, &msg));
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s|%.*s", text[0] ? " " : "",
            (int)msg.frames[0].len, (const char *)msg.frames[0].data, (int)msg.frames[1].len,
            (const char *)msg.frames[1].data);
        sb_msg_finish(&msg);
        sb__queue_pop(&s->queue);
        sb__stage_fill(s->stage, 0, now);
    }
    assert_string_equal(text, expect);
}

static void test_messages_expire(void **state)
{
    (void)state;
    stand s;
    stand_open(&s, 0, (sb__stage_rules){.ttl = 100});
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(put(&s, i * 10, false, "k", &"0\0001\0002\0003"[2 * i]), SB_OK);
    assert_int_equal(sb__stage_expire(s.stage, 99), 100);
    assert_int_equal(s.dropped[SB_DROP_EXPIRED], 0);
    assert_int_equal(sb__stage_expire(s.stage, 110), 120); /* two are too old, also the one in the queue */
    assert_int_equal(s.dropped[SB_DROP_EXPIRED], 2);
    drain(&s, 121, "k|3"); /* 2 expires on its way out */
    assert_int_equal(s.dropped[SB_DROP_EXPIRED], 3);
    assert_int_equal(sb__stage_expire(s.stage, 1000), UINT64_MAX);
    stand_close(&s);
}

static void test_the_newest_of_a_key_stays_in_the_place_of_the_first(void **state)
{
    (void)state;
    stand s;
    stand_open(&s, 3, (sb__stage_rules){.key = 1});
    put(&s, 0, false, "a", "1");
    put(&s, 0, false, "b", "1");
    put(&s, 0, false, "c", "1");
    put(&s, 0, false, "b", "2");
    put(&s, 0, false, "a", "2"); /* that one waits in the queue itself */
    put(&s, 0, false, "b", "3");
    assert_int_equal(put(&s, 0, false, "d", "1"), SB_EAGAIN);
    assert_int_equal(s.dropped[SB_DROP_CONFLATED], 3);
    drain(&s, 0, "a|2 b|3 c|1");
    stand_close(&s);
}

static void test_a_key_may_be_a_prefix_or_nothing(void **state)
{
    (void)state;
    stand s;
    stand_open(&s, 0, (sb__stage_rules){.key = 1, .prefix = 2});
    put(&s, 0, false, "ab1", "1");
    put(&s, 0, false, "ac1", "1");
    put(&s, 0, false, "ab2", "2");
    put(&s, 0, false, "a", "1");
    drain(&s, 0, "ab2|2 ac1|1 a|1");
    stand_close(&s);
    stand_open(&s, 0, (sb__stage_rules){.key = SB__STAGE_ONE});
    put(&s, 0, false, "a", "1");
    put(&s, 0, false, "b", "2");
    drain(&s, 0, "b|2");
    stand_close(&s);
    stand_open(&s, 0, (sb__stage_rules){.key = 3}); /* no such frame: nothing is replaced */
    put(&s, 0, false, "a", "1");
    put(&s, 0, false, "a", "2");
    drain(&s, 0, "a|1 a|2");
    stand_close(&s);
}

static void test_the_oldest_makes_room(void **state)
{
    (void)state;
    stand s;
    stand_open(&s, 3, (sb__stage_rules){0});
    for (int i = 0; i < 10; i++) {
        char body[4];
        snprintf(body, sizeof body, "%d", i);
        assert_int_equal(put(&s, 0, true, "k", body), SB_OK);
    }
    assert_int_equal(s.queue.msgs + s.stage->msgs, 3);
    assert_int_equal(s.dropped[SB_DROP_EVICTED], 7);
    assert_int_equal(put(&s, 0, false, "k", "x"), SB_EAGAIN);
    drain(&s, 0, "k|7 k|8 k|9");
    stand_close(&s);
}

static void test_what_is_being_written_stays(void **state)
{
    (void)state;
    stand s;
    struct iovec iov[SB__QUEUE_IOV];
    stand_open(&s, 2, (sb__stage_rules){.key = 1, .ttl = 10});
    put(&s, 0, false, "a", "1");
    sb__stage_fill(s.stage, 1000, 0);
    assert_int_equal(sb__queue_iov(&s.queue, iov, SB__QUEUE_IOV, 1000), 1);
    assert_int_equal(put(&s, 1, false, "a", "2"), SB_OK); /* behind it, not in its place */
    assert_int_equal(put(&s, 1, false, "b", "1"), SB_EAGAIN);
    assert_int_equal(sb__stage_expire(s.stage, 10), 11); /* it does not expire */
    s.queue.hwm_msgs = 1;
    assert_int_equal(put(&s, 10, true, "b", "1"), SB_OK); /* the newest may wait */
    assert_int_equal(s.stage->msgs, 1);
    assert_int_equal(put(&s, 10, true, "c", "1"), SB_OK);
    assert_int_equal(s.stage->msgs, 1);
    sb__queue_sent(&s.queue);
    drain(&s, 10, "c|1");
    stand_close(&s);
}

static void test_what_is_shown_stays(void **state)
{
    (void)state;
    stand s;
    stand_open(&s, 2, (sb__stage_rules){.key = 1});
    put(&s, 0, false, "a", "1");
    s.stage->shown = true;
    put(&s, 0, true, "a", "2");
    put(&s, 0, true, "b", "1"); /* evicts a|2: a|1 is in somebody's hands */
    s.stage->shown = false;
    assert_int_equal(s.dropped[SB_DROP_EVICTED], 1);
    drain(&s, 0, "a|1 b|1");
    stand_close(&s);
}

static void test_octets_and_the_budget_count_both(void **state)
{
    (void)state;
    stand s;
    stand_open(&s, 0, (sb__stage_rules){.ttl = 10});
    s.queue.hwm_bytes = 20; /* 6 octets each */
    for (int i = 0; i < 4; i++)
        assert_int_equal(put(&s, 0, false, "k", "1"), SB_OK);
    assert_int_equal(put(&s, 0, false, "k", "1"), SB_EAGAIN);
    s.queue.hwm_bytes = 0;
    s.budget.max = 60;
    assert_int_equal(put(&s, 0, false, "k", "1"), SB_OK);
    assert_int_equal(put(&s, 0, false, "k", "1"), SB_EAGAIN); /* half of it */
    assert_int_equal(put(&s, 10, false, "k", "2"), SB_OK);    /* the others are too old by now */
    drain(&s, 10, "k|2");
    assert_int_equal(s.dropped[SB_DROP_EXPIRED], 5);
    stand_close(&s);
}

static void test_moving_keeps_the_order(void **state)
{
    (void)state;
    stand a, b;
    stand_open(&a, 0, (sb__stage_rules){.ttl = 10});
    stand_open(&b, 2, (sb__stage_rules){.ttl = 10});
    for (int i = 0; i < 4; i++)
        put(&a, 0, false, "k", i == 1 ? "1" : i == 2 ? "2" : "x");
    assert_int_equal(sb__stage_move(a.stage, &b.queue, b.stage, 0), 1);
    drain(&a, 0, "k|x");
    drain(&b, 0, "k|1 k|2");
    stand_close(&a);
    stand_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_expire),
        cmocka_unit_test(test_the_newest_of_a_key_stays_in_the_place_of_the_first),
        cmocka_unit_test(test_a_key_may_be_a_prefix_or_nothing),
        cmocka_unit_test(test_the_oldest_makes_room),
        cmocka_unit_test(test_what_is_being_written_stays),
        cmocka_unit_test(test_what_is_shown_stays),
        cmocka_unit_test(test_octets_and_the_budget_count_both),
        cmocka_unit_test(test_moving_keeps_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
