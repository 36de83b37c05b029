/* Sessions over CURVE: what is sent arrives, in any pieces; what is changed on the way ends the session. */
#include "tests/unit/session/auth_rig.h"

#include <sys/uio.h>

static size_t seal(struct rig *r, const char *packed, size_t len, uint8_t *out)
{
    struct iovec iov = {(void *)(uintptr_t)packed, len};
    sb_buf *buf = NULL;

    assert_int_equal(sb_session_seal(r->s, &iov, 1, &buf), SB_OK);
    len = buf->cap;
    memcpy(out, buf->data, len);
    sb_buf_unref(buf);
    return len;
}

#define SEAL(r, literal, out) seal(r, literal, sizeof(literal) - 1, out)

static const char three[] = "\0\5hello\1\3one\0\3two\0\0";
static const char three_log[] = "msg [hello]\nmsg [one] [two]\nmsg []\n";

static void marry(struct auth_rig *a, sb_type client, sb_type server)
{
    auth_prepare(a, SB_MECHANISM_CURVE, client, server);
    auth_marry(a);
    assert_false(sb_session_passthrough(a->client.s));
}

static void test_messages_arrive_in_any_pieces(void **state)
{
    uint8_t wire[1024];
    struct auth_rig a;

    (void)state;
    for (size_t step = 1; step < 160; step++) {
        marry(&a, SB_PUSH, SB_PULL);
        size_t len = seal(&a.client, three, sizeof three - 1, wire);
        rig_feed_pieces(&a.server, wire, len, step);
        assert_int_equal(a.server.err, SB_OK);
        assert_string_equal(a.server.log, three_log);
        auth_finish(&a);
    }
}

static void test_messages_arrive_at_every_split(void **state)
{
    uint8_t wire[1024];
    struct auth_rig a;

    (void)state;
    marry(&a, SB_PUSH, SB_PULL);
    size_t len = seal(&a.client, three, sizeof three - 1, wire);
    for (size_t cut = 0; cut <= len; cut++) {
        a.server.log[0] = '\0';
        rig_feed(&a.server, wire, cut);
        rig_feed(&a.server, wire + cut, len - cut);
        assert_string_equal(a.server.log, three_log);
        len = seal(&a.client, three, sizeof three - 1, wire);
    }
    auth_finish(&a);
}

static void test_large_messages_arrive(void **state)
{
    static char packed[300000 + 9];
    static uint8_t wire[sizeof packed + 64];
    struct auth_rig a;

    (void)state;
    marry(&a, SB_PUSH, SB_PULL);
    packed[0] = 2;
    packed[6] = (char)(300000 >> 16), packed[7] = (char)(300000 >> 8 & 255), packed[8] = (char)(300000 & 255);
    for (size_t step = 1000; step < 400000; step *= 7) {
        size_t len = seal(&a.client, packed, sizeof packed, wire);
        rig_feed_pieces(&a.server, wire, len, step);
        assert_string_equal(a.server.log, "msg [#300000]\n");
        a.server.log[0] = '\0';
    }
    auth_finish(&a);
}

/* Heads and bodies may lie apart, as a queue gives them. */
static void test_bodies_in_vectors_of_their_own_are_sealed(void **state)
{
    struct iovec iov[3] = {{"\1\1a\0\4", 5}, {"body", 4}, {"\0\0\0\1z", 5}};
    uint8_t wire[512];
    struct auth_rig a;
    sb_buf *buf;

    (void)state;
    marry(&a, SB_PUSH, SB_PULL);
    assert_int_equal(sb_session_seal(a.client.s, iov, 3, &buf), SB_OK);
    memcpy(wire, buf->data, buf->cap);
    rig_feed(&a.server, wire, buf->cap);
    assert_string_equal(a.server.log, "msg [a] [body]\nmsg []\nmsg [z]\n");
    sb_buf_unref(buf);
    auth_finish(&a);
}

static void test_a_flipped_octet_anywhere_ends_the_session(void **state)
{
    uint8_t wire[256];
    struct auth_rig a;

    (void)state;
    size_t len = 40;
    for (size_t i = 0; i < len; i++) {
        marry(&a, SB_PUSH, SB_PULL);
        len = SEAL(&a.client, "\0\5hello", wire);
        assert_int_equal(len, 40);
        wire[i] ^= 0x10;
        rig_feed(&a.server, wire, len);
        if (i == 1) /* a longer or shorter frame: the rest is missing, or too much */
            rig_feed(&a.server, wire, len);
        assert_int_equal(sb_session_get_state(a.server.s), SB_SESSION_OVER);
        assert_string_equal(a.server.log, "");
        auth_finish(&a);
    }
}

static void test_replayed_boxes_end_the_session(void **state)
{
    uint8_t wire[256];
    struct auth_rig a;

    (void)state;
    marry(&a, SB_PUSH, SB_PULL);
    size_t len = SEAL(&a.client, "\0\5hello", wire);
    rig_feed(&a.server, wire, len);
    rig_feed(&a.server, wire, len);
    rig_assert_over(&a.server, SB_EPROTO, SB_CAUSE_CRYPTO);
    assert_string_equal(a.server.log, "msg [hello]\n");
    auth_finish(&a);
}

/* RFC 37 says COMMAND frames, libzmq sends plain ones: both come in. MORE in clear never does. */
static void test_flags_outside_of_the_box_mean_nothing(void **state)
{
    static const uint8_t flags[] = {0x04, 0x01, 0x05, 0x08};
    uint8_t wire[256];
    struct auth_rig a;

    (void)state;
    for (int i = 0; i < 4; i++) {
        marry(&a, SB_PUSH, SB_PULL);
        size_t len = SEAL(&a.client, "\0\5hello", wire);
        assert_int_equal(wire[0], 0);
        wire[0] |= flags[i];
        rig_feed(&a.server, wire, len);
        if (i == 0)
            assert_string_equal(a.server.log, "msg [hello]\n");
        else
            rig_assert_over(&a.server, SB_EPROTO, SB_CAUSE_FRAME);
        auth_finish(&a);
    }
}

static void test_clear_frames_after_ready_end_the_session(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } clear[] = {{"\0\1x", 3}, {"\4\7\4PING\0\0", 9}, {"\4\13\11SUBSCRIBEt", 13}, {"\0\0", 2},
        {"\2\xff\xff\xff\xff\xff\xff\xff\xff", 9}};
    struct auth_rig a;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        marry(&a, SB_SUB, SB_XPUB);
        rig_feed(&a.server, clear[i].bytes, clear[i].len);
        assert_int_equal(sb_session_get_state(a.server.s), SB_SESSION_OVER);
        assert_string_equal(a.server.log, "");
        auth_finish(&a);
    }
}

static void test_limits_hold_inside_boxes(void **state)
{
    static const char long_frame[] = "\0\144"
                                     "0123456789012345678901234567890123456789012345678901234567890123456789"
                                     "012345678901234567890123456789";
    uint8_t wire[512];
    struct auth_rig a;

    (void)state;
    for (int i = 0; i < 3; i++) {
        auth_prepare(&a, SB_MECHANISM_CURVE, SB_PUSH, SB_PULL);
        a.server_config.max_frame = i == 0 ? 10 : -1;
        a.server_config.max_message = i == 1 ? 10 : 0;
        a.server_config.max_frames = i == 2 ? 2 : 0;
        auth_marry(&a);
        size_t len = i == 2 ? SEAL(&a.client, "\1\1a\1\1b\0\1c", wire)
                            : seal(&a.client, long_frame, sizeof long_frame - 1, wire);
        rig_feed(&a.server, wire, len);
        rig_assert_over(&a.server, SB_EMSGSIZE, SB_CAUSE_OVERSIZE);
        auth_finish(&a);
    }
}

static void test_subscriptions_and_heartbeats_travel_in_boxes(void **state)
{
    const uint8_t *out;
    struct auth_rig a;

    (void)state;
    auth_prepare(&a, SB_MECHANISM_CURVE, SB_SUB, SB_XPUB);
    a.client_config.heartbeat_ivl = 5 * S;
    auth_marry(&a);
    assert_int_equal(sb_session_subscribe(a.client.s, (const uint8_t *)"news", 4, true), SB_OK);
    assert_int_equal(sb_session_output(a.client.s, &out), 2 + 33 + 14);
    assert_int_equal(out[0], 0);
    rig_marry(&a.client, &a.server);
    assert_string_equal(a.server.log, "sub news\n");
    assert_int_equal(sb_session_expire(a.client.s, 6 * S), SB_OK);
    a.client.now = a.server.now = 6 * S + 7;
    rig_marry(&a.client, &a.server);
    assert_string_equal(a.client.log, "rtt 7\n");
    auth_finish(&a);
}

/* EAGAIN stops behind the message; what is left over is fed again. */
static void test_a_stop_loses_and_repeats_nothing(void **state)
{
    uint8_t wire[1024];
    struct auth_rig a;

    (void)state;
    marry(&a, SB_PUSH, SB_PULL);
    size_t len = seal(&a.client, three, sizeof three - 1, wire), at = 0;
    a.server.say = SB_EAGAIN;
    for (int i = 0; at < len; i++) {
        assert_true(i < 3);
        at += rig_feed(&a.server, wire + at, len - at);
        assert_int_equal(a.server.err, SB_OK);
        assert_int_equal(a.server.msgs, i + 1);
    }
    assert_string_equal(a.server.log, three_log);
    auth_finish(&a);
}

static void test_an_unfinished_message_is_counted_as_such(void **state)
{
    uint8_t wire[256];
    struct auth_rig a;

    (void)state;
    marry(&a, SB_PUSH, SB_PULL);
    size_t len = SEAL(&a.client, "\1\3one\0\3two", wire);
    assert_int_equal(sb_session_unfinished(a.server.s), 0);
    rig_feed(&a.server, wire, len - 1);
    assert_true(sb_session_unfinished(a.server.s) > 0);
    rig_feed(&a.server, wire + len - 1, 1);
    assert_int_equal(sb_session_unfinished(a.server.s), 0);
    auth_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_arrive_in_any_pieces),
        cmocka_unit_test(test_messages_arrive_at_every_split),
        cmocka_unit_test(test_large_messages_arrive),
        cmocka_unit_test(test_bodies_in_vectors_of_their_own_are_sealed),
        cmocka_unit_test(test_a_flipped_octet_anywhere_ends_the_session),
        cmocka_unit_test(test_replayed_boxes_end_the_session),
        cmocka_unit_test(test_flags_outside_of_the_box_mean_nothing),
        cmocka_unit_test(test_clear_frames_after_ready_end_the_session),
        cmocka_unit_test(test_limits_hold_inside_boxes),
        cmocka_unit_test(test_subscriptions_and_heartbeats_travel_in_boxes),
        cmocka_unit_test(test_a_stop_loses_and_repeats_nothing),
        cmocka_unit_test(test_an_unfinished_message_is_counted_as_such),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
