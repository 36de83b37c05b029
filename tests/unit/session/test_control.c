/* The control lane: heartbeats by a clock set by hand, PONGs, subscriptions in both forms. */
#include "tests/unit/session/rig.h"

static void ready_with(struct rig *r, const sb_session_config *cfg)
{
    rig_init_with(r, cfg);
    FEED(r, GREETING_31 READY_DEALER);
    assert_int_equal(r->err, SB_OK);
    rig_drop_output(r);
    r->log[0] = '\0';
}

static sb_session_config beating(uint64_t ivl, uint64_t timeout, uint64_t ttl)
{
    sb_session_config cfg = rig_config(SB_DEALER);

    cfg.heartbeat_ivl = ivl;
    cfg.heartbeat_timeout = timeout;
    cfg.heartbeat_ttl = ttl;
    return cfg;
}

/* Time jumps to the next deadline. */
static sb_err tick(struct rig *r)
{
    r->now = sb_session_deadline(r->s);
    r->err = sb_session_expire(r->s, r->now);
    return r->err;
}

static void assert_output(struct rig *r, const void *bytes, size_t len)
{
    uint8_t out[4096];

    assert_int_equal(rig_take(r, out, sizeof out), len);
    assert_memory_equal(out, bytes, len);
}

#define ASSERT_OUTPUT(r, literal) assert_output(r, literal, sizeof(literal) - 1)

/* ---- heartbeats ---- */

static void test_ping_carries_ttl_and_time(void **state)
{
    sb_session_config cfg = beating(2 * S, 5 * S, 6 * S);
    struct rig r;

    (void)state;
    ready_with(&r, &cfg);
    assert_true(sb_session_deadline(r.s) == 3 * S);
    assert_int_equal(tick(&r), SB_OK);
    ASSERT_OUTPUT(&r, "\4\x0f\4PING\0\x3c\0\0\0\0\xb2\xd0\x5e\0");
    r.now += 7 * MS;
    FEED(&r, "\4\x0d\4PONG\0\0\0\0\xb2\xd0\x5e\0");
    assert_string_equal(r.log, "rtt 7000000\n");
    rig_finish(&r);
}

static void test_advertised_ttl_stays_under_what_libzmq_can_take(void **state)
{
    sb_session_config cfg = beating(S, S, 700 * S);
    struct rig r;

    (void)state;
    ready_with(&r, &cfg);
    tick(&r);
    ASSERT_OUTPUT(&r, "\4\x0f\4PING\x02\x8f\0\0\0\0\x77\x35\x94\0"); /* 655 */
    rig_finish(&r);
}

static void test_silence_after_a_ping_ends_the_session(void **state)
{
    sb_session_config cfg = beating(2 * S, 5 * S, 0);
    struct rig r;

    (void)state;
    ready_with(&r, &cfg);
    tick(&r); /* 3 s: PING */
    tick(&r); /* 5 s */
    tick(&r); /* 7 s */
    assert_int_equal(tick(&r), SB_ETIMEDOUT);
    assert_true(r.now == 8 * S);
    rig_assert_over(&r, SB_ETIMEDOUT, SB_CAUSE_HEARTBEAT);
    rig_finish(&r);
}

static void test_timeout_defaults_to_the_interval(void **state)
{
    sb_session_config cfg = beating(2 * S, 0, 0);
    struct rig r;

    (void)state;
    ready_with(&r, &cfg);
    tick(&r);
    assert_int_equal(tick(&r), SB_ETIMEDOUT);
    assert_true(r.now == 5 * S);
    rig_finish(&r);
}

static void test_any_octet_counts_as_life(void **state)
{
    sb_session_config cfg = beating(2 * S, 3 * S, 0);
    struct rig r;

    (void)state;
    ready_with(&r, &cfg);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(tick(&r), SB_OK);
        r.now += S;
        if (i % 2)
            FEED(&r, "\0");
        else
            sb_session_touch(r.s, r.now);
        if (i % 2 && i < 19)
            FEED(&r, "\1x");
    }
    rig_finish(&r);
}

static void test_pings_do_not_pile_up_while_nothing_is_written(void **state)
{
    sb_session_config cfg = beating(S, 100 * S, 0);
    const uint8_t *out;
    struct rig r;

    (void)state;
    ready_with(&r, &cfg);
    for (int i = 0; i < 50; i++)
        assert_int_equal(tick(&r), SB_OK);
    assert_int_equal(sb_session_output(r.s, &out), 17);
    rig_finish(&r);
}

static void test_without_an_interval_there_is_no_deadline(void **state)
{
    sb_session_config cfg = beating(0, S, S);
    struct rig r;

    (void)state;
    ready_with(&r, &cfg);
    assert_true(sb_session_deadline(r.s) == UINT64_MAX);
    assert_int_equal(sb_session_expire(r.s, 1000 * S), SB_OK);
    rig_finish(&r);
}

static void test_the_ttl_of_the_peer_is_obeyed(void **state)
{
    sb_session_config cfg = beating(0, 0, 0);
    struct rig r;

    (void)state;
    ready_with(&r, &cfg);
    FEED(&r, "\4\7\4PING\0\x0f"); /* 1.5 s */
    assert_true(sb_session_deadline(r.s) == S + 1500 * MS);
    r.now += S;
    FEED(&r, "\0\1x");
    assert_true(sb_session_deadline(r.s) == 2 * S + 1500 * MS);
    FEED(&r, "\4\7\4PING\xff\xff"); /* 6553.5 s do not wrap */
    assert_true(sb_session_deadline(r.s) == 2 * S + 6553500 * MS);
    FEED(&r, "\4\7\4PING\0\0");
    assert_true(sb_session_deadline(r.s) == UINT64_MAX);
    FEED(&r, "\4\7\4PING\0\1");
    assert_int_equal(tick(&r), SB_ETIMEDOUT);
    rig_assert_over(&r, SB_ETIMEDOUT, SB_CAUSE_HEARTBEAT);
    rig_finish(&r);
}

static void test_after_a_stall_of_ours_the_peer_gets_one_more_chance(void **state)
{
    sb_session_config cfg = beating(2 * S, 2 * S, 0);
    struct rig r;

    (void)state;
    ready_with(&r, &cfg);
    tick(&r);
    r.now += 30 * S;
    assert_int_equal(sb_session_expire(r.s, r.now), SB_OK);
    assert_true(sb_session_deadline(r.s) <= r.now + S);
    FEED(&r, "\0\1x"); /* had been waiting in the kernel */
    assert_int_equal(tick(&r), SB_OK);
    r.now += 30 * S;
    assert_int_equal(sb_session_expire(r.s, r.now), SB_OK);
    assert_int_equal(tick(&r), SB_ETIMEDOUT);
    rig_finish(&r);
}

/* ---- PONG ---- */

static void test_pong_echoes_the_context_exactly(void **state)
{
    sb_session_config cfg = beating(0, 0, 0);
    struct rig r;

    (void)state;
    ready_with(&r, &cfg);
    FEED(&r, "\4\7\4PING\0\0");
    ASSERT_OUTPUT(&r, "\4\5\4PONG");
    FEED(&r, "\4\x0a\4PING\0\0a\0b");
    ASSERT_OUTPUT(&r, "\4\10\4PONGa\0b");
    FEED(&r, "\4\x17\4PING\0\0"
             "0123456789abcdef");
    ASSERT_OUTPUT(&r, "\4\x15\4PONG0123456789abcdef");
    rig_finish(&r);
}

static void test_a_flood_of_pings_leaves_two_pongs(void **state)
{
    sb_session_config cfg = beating(0, 0, 0);
    struct rig r;

    (void)state;
    ready_with(&r, &cfg);
    for (char c = 'a'; c <= 'z'; c++) {
        char ping[] = "\4\10\4PING\0\0?";

        ping[9] = c;
        rig_feed(&r, ping, 10);
    }
    ASSERT_OUTPUT(&r, "\4\6\4PONGa");
    ASSERT_OUTPUT(&r, "\4\6\4PONGz"); /* the latest */
    ASSERT_OUTPUT(&r, "");
    rig_finish(&r);
}

static void test_foreign_pongs_measure_nothing(void **state)
{
    sb_session_config cfg = beating(S, 10 * S, 0);
    struct rig r;

    (void)state;
    ready_with(&r, &cfg);
    FEED(&r, "\4\5\4PONG\4\6\4PONGx\4\x0d\4PONG\xff\0\0\0\0\0\0\0\4\x0d\4PONG\0\0\0\0\0\0\0\0");
    assert_int_equal(r.err, SB_OK);
    assert_string_equal(r.log, "");
    rig_finish(&r);
}

/* ---- subscriptions ---- */

static const char both_forms[] = "\4\13\x9SUBSCRIBEa"
                                 "\4\7\6CANCEL"
                                 "\0\3\1bc"
                                 "\0\1\0";

static void test_publishers_take_both_forms_from_any_version(void **state)
{
    static const sb_type types[] = {SB_PUB, SB_XPUB};
    struct rig r;

    (void)state;
    for (int i = 0; i < 4; i++) {
        if (i & 1)
            RIG_READY(&r, types[i / 2], GREETING_30, READY_SUB);
        else
            RIG_READY(&r, types[i / 2], GREETING_31, READY_SUB);
        rig_feed_pieces(&r, (const uint8_t *)both_forms, sizeof both_forms - 1, 5);
        assert_int_equal(r.err, SB_OK);
        assert_string_equal(r.log, "sub a\ncancel \nsub bc\ncancel \n");
        rig_finish(&r);
    }
}

static void test_other_messages_are_the_pattern_s_business(void **state)
{
    struct rig r;

    (void)state;
    for (int x = 0; x < 2; x++) {
        RIG_READY(&r, x ? SB_XPUB : SB_PUB, GREETING_31, READY_SUB);
        FEED(&r, "\0\2hi\0\0\1\1\1\0\1x");
        assert_string_equal(r.log, "msg [hi]\nmsg []\nmsg [%01] [x]\n");
        rig_finish(&r);
    }
}

static void test_subscriptions_never_reach_other_types(void **state)
{
    struct rig r;

    (void)state;
    RIG_READY(&r, SB_ROUTER, GREETING_31, READY_DEALER);
    FEED(&r, "\4\13\x9SUBSCRIBEa\4\7\6CANCEL\0\2\1b");
    assert_int_equal(r.err, SB_OK);
    assert_string_equal(r.log, "msg [%01b]\n"); /* a user's message: not ours to read */
    rig_finish(&r);
}

static void test_topic_limit_is_exact_in_both_forms(void **state)
{
    sb_session_config cfg = rig_config(SB_XPUB);
    struct rig r;

    (void)state;
    cfg.max_topic = 3;
    cfg.max_handshake = 100;
    for (int i = 0; i < 4; i++) {
        rig_init_with(&r, &cfg);
        FEED(&r, GREETING_31 READY_SUB);
        if (i == 0)
            FEED(&r, "\4\15\x9SUBSCRIBEabc\4\12\6CANCELabc\0\4\1abc");
        else if (i == 1)
            FEED(&r, "\4\16\x9SUBSCRIBEabcd");
        else if (i == 2)
            FEED(&r, "\0\5\1abcd");
        else
            FEED(&r, "\0\5\2abcd"); /* no subscription */
        if (i == 1 || i == 2)
            rig_assert_over(&r, SB_EMSGSIZE, SB_CAUSE_OVERSIZE);
        else
            assert_int_equal(r.err, SB_OK);
        rig_finish(&r);
    }
}

static void test_subscription_callbacks_may_stop_and_refuse(void **state)
{
    struct rig r;
    size_t at = 0;

    (void)state;
    RIG_READY(&r, SB_XPUB, GREETING_31, READY_SUB);
    r.say = SB_EAGAIN;
    for (int calls = 0; calls < 4; calls++)
        at += rig_feed(&r, both_forms + at, sizeof both_forms - 1 - at);
    assert_int_equal(at, sizeof both_forms - 1);
    assert_string_equal(r.log, "sub a\ncancel \nsub bc\ncancel \n");
    r.say = SB_EACCES;
    FEED(&r, "\0\2\1x");
    rig_assert_over(&r, SB_EACCES, SB_CAUSE_REFUSED);
    rig_finish(&r);
}

static void test_long_topics_go_out_in_long_frames(void **state)
{
    static uint8_t topic[300];
    uint8_t out[512];
    struct rig r;

    (void)state;
    for (size_t len = 240; len <= 260; len++)
        for (int old = 0; old < 2; old++) {
            size_t body = old ? 1 + len : 7 + len;

            if (old)
                RIG_READY(&r, SB_SUB, GREETING_30, READY_OF("\4\x19", "\3", "PUB"));
            else
                RIG_READY(&r, SB_SUB, GREETING_31, READY_OF("\4\x19", "\3", "PUB"));
            assert_int_equal(sb_session_subscribe(r.s, topic, len, false), SB_OK);
            assert_int_equal(rig_take(&r, out, sizeof out), (body > 255 ? 9 : 2) + body);
            assert_int_equal(out[0], (old ? 0 : 4) | (body > 255 ? 2 : 0));
            rig_finish(&r);
        }
}

/* ---- two sessions ---- */

static void test_two_sessions_live_on_heartbeats_alone(void **state)
{
    sb_session_config cfg = beating(2 * S, 3 * S, 4 * S);
    struct rig a, b;
    int pings = 0;

    (void)state;
    rig_init_with(&a, &cfg);
    rig_init_with(&b, &cfg);
    rig_marry(&a, &b);
    while (a.now < 600 * S) {
        uint64_t da = sb_session_deadline(a.s), db = sb_session_deadline(b.s);

        a.now = b.now = da < db ? da : db;
        assert_int_equal(sb_session_expire(a.s, a.now), SB_OK);
        assert_int_equal(sb_session_expire(b.s, b.now), SB_OK);
        pings += rig_marry(&a, &b) > 0;
    }
    assert_in_range(pings, 299, 301);
    /* b hears nothing any more */
    tick(&b);
    while (b.err == SB_OK) {
        rig_drop_output(&b);
        tick(&b);
    }
    rig_assert_over(&b, SB_ETIMEDOUT, SB_CAUSE_HEARTBEAT);
    assert_true(b.now <= 605 * S);
    rig_finish(&a);
    rig_finish(&b);
}

static void test_an_error_command_after_ready_ends_the_session(void **state)
{
    struct rig r;

    (void)state;
    RIG_READY(&r, SB_PULL, GREETING_31, READY_PUSH);
    FEED(&r, "\4\x0a\5ERROR\3bye\0\1x");
    rig_assert_over(&r, SB_EREFUSED, SB_CAUSE_ERROR_COMMAND);
    assert_string_equal(r.log, "");
    rig_finish(&r);
}

static void test_commands_of_the_handshake_after_ready_end_the_session(void **state)
{
    static const char *const commands[] = {
        "\4\6\5READY", "\4\6\5HELLO", "\4\10\7WELCOME", "\4\11\10INITIATE"};

    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct rig r;

        RIG_READY(&r, SB_PULL, GREETING_31, READY_PUSH);
        rig_feed(&r, commands[i], (size_t)commands[i][1] + 2);
        FEED(&r, "\0\1x");
        rig_assert_over(&r, SB_EPROTO, SB_CAUSE_FRAME);
        assert_string_equal(r.log, "");
        rig_finish(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ping_carries_ttl_and_time),
        cmocka_unit_test(test_advertised_ttl_stays_under_what_libzmq_can_take),
        cmocka_unit_test(test_silence_after_a_ping_ends_the_session),
        cmocka_unit_test(test_timeout_defaults_to_the_interval),
        cmocka_unit_test(test_any_octet_counts_as_life),
        cmocka_unit_test(test_pings_do_not_pile_up_while_nothing_is_written),
        cmocka_unit_test(test_without_an_interval_there_is_no_deadline),
        cmocka_unit_test(test_the_ttl_of_the_peer_is_obeyed),
        cmocka_unit_test(test_after_a_stall_of_ours_the_peer_gets_one_more_chance),
        cmocka_unit_test(test_pong_echoes_the_context_exactly),
        cmocka_unit_test(test_a_flood_of_pings_leaves_two_pongs),
        cmocka_unit_test(test_foreign_pongs_measure_nothing),
        cmocka_unit_test(test_publishers_take_both_forms_from_any_version),
        cmocka_unit_test(test_other_messages_are_the_pattern_s_business),
        cmocka_unit_test(test_subscriptions_never_reach_other_types),
        cmocka_unit_test(test_topic_limit_is_exact_in_both_forms),
        cmocka_unit_test(test_subscription_callbacks_may_stop_and_refuse),
        cmocka_unit_test(test_long_topics_go_out_in_long_frames),
        cmocka_unit_test(test_two_sessions_live_on_heartbeats_alone),
        cmocka_unit_test(test_an_error_command_after_ready_ends_the_session),
        cmocka_unit_test(test_commands_of_the_handshake_after_ready_end_the_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
