/* What a callee of on_msg sees of the messages behind its own. */
#include "tests/unit/session/rig.h"

#include "engine/wire/frame.h"

#include <string.h>

static uint32_t most = 1000;
static sb_run seen[64];
static unsigned calls, msgs;
static bool takes;

static sb_err look_ahead(sb_session *s, sb_msg *msg)
{
    assert_true(msg->n > 0);
    msgs++;
    if (sb_session_run(s, most, &seen[calls])) {
        if (takes)
            sb_session_took(s, seen[calls].len);
        calls++;
    }
    return SB_OK;
}

static const sb_session_events events = {
    .on_ready = rig_on_ready, .on_msg = look_ahead, .on_subscribe = rig_on_subscribe, .on_rtt = rig_on_rtt};

static sb_session *ready_session(struct rig *r, const sb_session_config *cfg)
{
    static const uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    static const char ready[] = "\4\32\5READY\13Socket-Type\0\0\0\4PUSH";
    memset(r, 0, sizeof *r);
    calls = msgs = 0;
    assert_int_equal(sb_session_create(cfg, &events, r, 0, &r->s), SB_OK);
    rig_feed(r, greeting, sizeof greeting);
    rig_feed(r, ready, sizeof ready - 1);
    assert_int_equal(sb_session_get_state(r->s), SB_SESSION_READY);
    return r->s;
}

static void feed(const sb_session_config *cfg, const char *wire, size_t len)
{
    struct rig r;
    ready_session(&r, cfg);
    rig_feed(&r, wire, len);
    sb_session_destroy(r.s);
}

#define FED(cfg, wire) feed(cfg, wire, sizeof(wire) - 1)

static void test_all_that_is_whole_is_shown(void **state)
{
    (void)state;
    sb_session_config cfg = rig_config(SB_PULL);
    takes = true;
    FED(&cfg, "\0\1a\0\1b\1\2xy\0\1c\0\0\0\5part");
    assert_int_equal(msgs, 1);
    assert_int_equal(calls, 1);
    assert_int_equal(seen[0].n, 3);
    assert_int_equal(seen[0].len, 3 + 7 + 2);
}

static void test_not_more_than_was_asked_for(void **state)
{
    (void)state;
    sb_session_config cfg = rig_config(SB_PULL);
    takes = true;
    most = 2;
    FED(&cfg, "\0\1a\0\1b\0\1c\0\1d\0\1e\0\1f");
    most = 1000;
    assert_int_equal(msgs, 2); /* a, then d */
    assert_int_equal(calls, 2);
    assert_int_equal(seen[0].n, 2);
    assert_int_equal(seen[1].n, 2);
}

static void test_what_is_only_shown_is_delivered(void **state)
{
    (void)state;
    sb_session_config cfg = rig_config(SB_PULL);
    takes = false;
    FED(&cfg, "\0\1a\0\1b\0\1c");
    assert_int_equal(msgs, 3);
    assert_int_equal(calls, 2);
    assert_int_equal(seen[0].n, 2);
    assert_int_equal(seen[1].n, 1);
}

/* Commands, heads longer than they must be, reserved bits, limits: all that is left to the decoder. */
static void test_a_run_ends_before_what_is_not_plain(void **state)
{
    (void)state;
    static const char *const odd[] = {"\4\6\4PINGx", "\2\0\0\0\0\0\0\0\1z", "\10\1z", "\0\12overlimits",
        "\1\5five.\0\5five.", "\1\1z\1\1z\0\1z"};
    static const size_t len[] = {8, 10, 3, 12, 14, 9};
    sb_session_config cfg = rig_config(SB_PULL);
    cfg.max_frame = 9;
    cfg.max_message = 9;
    cfg.max_frames = 2;
    takes = true;
    for (size_t i = 0; i < 6; i++) {
        char wire[64] = "\0\1a\0\1b";
        memcpy(wire + 6, odd[i], len[i]);
        memcpy(wire + 6 + len[i], "\0\1c", 3);
        feed(&cfg, wire, 6 + len[i] + 3);
        assert_int_equal(seen[0].n, 1);
        assert_int_equal(seen[0].len, 3);
    }
}

static void test_outside_of_a_message_there_is_none(void **state)
{
    (void)state;
    struct rig r;
    sb_session_config cfg = rig_config(SB_PAIR);
    takes = true;
    sb_run run;
    rig_init_with(&r, &cfg);
    assert_false(sb_session_run(r.s, 10, &run)); /* nothing is being fed */
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_that_is_whole_is_shown),
        cmocka_unit_test(test_not_more_than_was_asked_for),
        cmocka_unit_test(test_what_is_only_shown_is_delivered),
        cmocka_unit_test(test_a_run_ends_before_what_is_not_plain),
        cmocka_unit_test(test_outside_of_a_message_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
