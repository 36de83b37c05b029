/* Peers of ZMTP 2.0 and 1.0: accepted as RFC 37 says, refused where security is asked for, with every split.
 */
#include "rig.h"

#include <string.h>
#include <sys/uio.h>

/* Signature and revision of a 2.0 peer, its type, an identity frame. */
#define V2(type, identity) "\xff\0\0\0\0\0\0\0\1\x7f\1" type identity

static void start(struct rig *r, sb_type type, uint8_t oldest)
{
    sb_session_config cfg = rig_config(type);

    cfg.oldest = oldest;
    cfg.identity = (const uint8_t *)"me";
    cfg.identity_len = 2;
    rig_init_with(r, &cfg);
}

static void expect_out(struct rig *r, const void *want, size_t len)
{
    uint8_t out[512];

    assert_int_equal(rig_take(r, out, sizeof out), len);
    assert_memory_equal(out, want, len);
}

/* The same octets in pieces of every size tell the same. */
static void every_split(sb_type type, uint8_t oldest, const void *data, size_t len, const char *log)
{
    for (size_t step = 1; step <= len; step++) {
        struct rig r;

        start(&r, type, oldest);
        rig_feed_pieces(&r, data, len, step);
        assert_int_equal(r.err, SB_OK);
        assert_string_equal(r.log, log);
        rig_finish(&r);
    }
}

static void test_a_2_0_peer_talks(void **state)
{
    static const char bytes[] = V2("\5", "\0\3abc") "\1\1x\0\2yz\0\0";

    (void)state;
    every_split(SB_ROUTER, 0, bytes, sizeof bytes - 1, "ready DEALER 2.0 abc\nmsg [x] [yz]\nmsg []\n");
}

static void test_our_side_of_the_greeting_comes_in_stages(void **state)
{
    struct rig r;

    (void)state;
    start(&r, SB_ROUTER, 2);
    expect_out(&r, "\xff\0\0\0\0\0\0\0\3\x7f", 10); /* 1.0 reads it as the head of a frame of 2 octets */
    FEED(&r, "\xff\0\0\0\0\0\0\0\1\x7f");
    expect_out(&r, "\3", 1);
    FEED(&r, "\1");
    expect_out(&r, "\6\0\2me", 5);
    FEED(&r, "\3\0\0");
    assert_string_equal(r.log, "ready REQ 2.0 \n");
    assert_int_equal(sb_session_get_state(r.s), SB_SESSION_READY);
    assert_true(sb_session_passthrough(r.s));
    rig_finish(&r);
}

static void test_subscriptions_with_2_0_are_messages(void **state)
{
    static const char bytes[] = V2("\2", "\0\0") "\0\2\1a\0\2\0a";
    struct rig r;

    (void)state;
    every_split(SB_PUB, 2, bytes, sizeof bytes - 1, "ready SUB 2.0 \nsub a\ncancel a\n");
    start(&r, SB_SUB, 2);
    FEED(&r, V2("\1", "\0\0"));
    rig_drop_output(&r);
    assert_int_equal(sb_session_subscribe(r.s, (const uint8_t *)"t", 1, true), SB_OK);
    expect_out(&r, "\0\2\1t", 4);
    rig_finish(&r);
}

static void test_a_1_0_peer_talks(void **state)
{
    static const char bytes[] = "\4\0abc"
                                "\2\1x"
                                "\3\0yz"
                                "\1\0"
                                "\xff\0\0\0\0\0\0\0\2\0q";

    (void)state;
    every_split(SB_ROUTER, 1, bytes, sizeof bytes - 1, "ready REQ 1.0 abc\nmsg [x] [yz]\nmsg []\nmsg [q]\n");
}

static void test_the_long_form_of_a_1_0_identity_looks_like_a_signature(void **state)
{
    static const char bytes[] = "\xff\0\0\0\0\0\0\0\4\0abc"
                                "\2\0x";

    (void)state;
    every_split(SB_DEALER, 1, bytes, sizeof bytes - 1, "ready REP 1.0 \nmsg [x]\n");
}

static void test_our_identity_follows_our_signature_to_1_0(void **state)
{
    struct rig r;

    (void)state;
    start(&r, SB_DEALER, 1);
    rig_drop_output(&r);
    FEED(&r, "\1");
    expect_out(&r, "me", 2);
    FEED(&r, "\0");
    assert_string_equal(r.log, "ready REP 1.0 \n");
    rig_finish(&r);
}

static void test_a_1_0_subscriber_gets_everything(void **state)
{
    struct rig r;

    (void)state;
    every_split(SB_XPUB, 1, "\1\0", 2, "ready SUB 1.0 \nsub \n");
    start(&r, SB_SUB, 1);
    FEED(&r, "\1\0");
    rig_drop_output(&r);
    assert_int_equal(sb_session_subscribe(r.s, (const uint8_t *)"t", 1, true), SB_OK);
    assert_int_equal(sb_session_output(r.s, &(const uint8_t *){NULL}), 0);
    rig_finish(&r);
}

static void test_messages_to_1_0_are_framed_anew(void **state)
{
    uint8_t big[300] = {0, 0}, body[300];
    struct iovec iov[] = {{"\1\1x\0\2yz\0\0", 9}, {big, 9}, {body, 253}};
    sb_buf *out;
    struct rig r;

    (void)state;
    memset(body, 'b', sizeof body);
    memcpy(big, "\2\0\0\0\0\0\0\0\xfd", 9); /* not as we would write it, but its body is alone */
    start(&r, SB_PUSH, 1);
    FEED(&r, "\1\0");
    assert_int_equal(sb_session_get_state(r.s), SB_SESSION_READY);
    assert_false(sb_session_passthrough(r.s));
    assert_int_equal(sb_session_seal(r.s, iov, 3, &out), SB_OK);
    assert_int_equal(out->cap, 3 + 4 + 2 + 2 + 253);
    assert_memory_equal(out->data, "\2\1x\3\0yz\1\0\xfe\0bbb", 14);
    sb_buf_unref(out);
    memcpy(big, "\2\0\0\0\0\0\0\0\xfe", 9);
    iov[2].iov_len = 254;
    assert_int_equal(sb_session_seal(r.s, iov + 1, 2, &out), SB_OK);
    assert_int_equal(out->cap, 10 + 254);
    assert_memory_equal(out->data, "\xff\0\0\0\0\0\0\0\xff\0bbb", 13);
    sb_buf_unref(out);
    rig_finish(&r);
}

static void refused(
    const sb_session_config *cfg, const void *data, size_t len, sb_err err, sb_session_cause cause)
{
    for (size_t step = 1; step <= len; step++) {
        uint8_t out[512];
        struct rig r;
        size_t n;

        rig_init_with(&r, cfg);
        rig_feed_pieces(&r, data, len, step);
        rig_assert_over(&r, err, cause);
        assert_string_equal(r.log, "");
        n = rig_take(&r, out, sizeof out);
        assert_null(memmem(out, n, "ERROR", 5)); /* they would not know what that is */
        rig_finish(&r);
    }
}

#define REFUSED(cfg, literal, err, cause) refused(&(cfg), literal, sizeof(literal) - 1, err, cause)

static void test_old_versions_are_refused_where_they_are_not_wanted(void **state)
{
    sb_session_config cfg = rig_config(SB_ROUTER);

    (void)state;
    REFUSED(cfg, "\1\0", SB_EPROTO, SB_CAUSE_GREETING); /* 1.0 is off by default */
    REFUSED(cfg, "GET / HTTP/1.1\r\n", SB_EPROTO, SB_CAUSE_GREETING);
    cfg.oldest = 3;
    REFUSED(cfg, V2("\5", "\0\0"), SB_EPROTO, SB_CAUSE_GREETING);
}

static void test_old_versions_are_refused_with_security(void **state)
{
    sb_session_config cfg = rig_config(SB_ROUTER);

    (void)state;
    cfg.oldest = 1;
    cfg.security.ask = true;
    REFUSED(cfg, V2("\5", "\0\0"), SB_EPROTO, SB_CAUSE_GREETING);
    REFUSED(cfg, "\1\0", SB_EPROTO, SB_CAUSE_GREETING);
    cfg.security.ask = false;
    cfg.security.server = true;
    cfg.security.mechanisms = SB_MECHANISM_BIT(SB_MECHANISM_PLAIN);
    REFUSED(cfg, V2("\5", "\0\0"), SB_EPROTO, SB_CAUSE_GREETING);
    REFUSED(cfg, "\1\0", SB_EPROTO, SB_CAUSE_GREETING);
}

static void test_bad_greetings_of_old_peers_end_it(void **state)
{
    sb_session_config cfg = rig_config(SB_ROUTER);

    (void)state;
    cfg.oldest = 1;
    REFUSED(cfg, V2("\1", "\0\0"), SB_EPEERTYPE, SB_CAUSE_PEER_TYPE);
    REFUSED(cfg, V2("\x77", "\0\0"), SB_EPEERTYPE, SB_CAUSE_PEER_TYPE);
    REFUSED(cfg, V2("\5", "\1\0"), SB_EPROTO, SB_CAUSE_FRAME);
    REFUSED(cfg, V2("\5", "\0\2\0x"), SB_EPROTO, SB_CAUSE_METADATA);
    REFUSED(cfg, "\0\0", SB_EPROTO, SB_CAUSE_FRAME);
    REFUSED(cfg, "\1\1", SB_EPROTO, SB_CAUSE_GREETING);
    REFUSED(cfg, "\xff\0\0\0\0\0\0\2\0\0x", SB_EPROTO, SB_CAUSE_GREETING);
    REFUSED(cfg, "GET / HTTP/1.1\r\n", SB_EPROTO, SB_CAUSE_FRAME);
}

/* After the greeting; the limits are those of every frame. */
static void ends(uint8_t oldest, const char *hello, size_t hello_len, const void *data, size_t len,
    sb_err err, sb_session_cause cause)
{
    struct rig r;
    sb_session_config cfg = rig_config(SB_DEALER);

    cfg.oldest = oldest;
    cfg.max_frame = 1000;
    cfg.max_frames = 3;
    rig_init_with(&r, &cfg);
    rig_feed(&r, hello, hello_len);
    rig_drop_output(&r);
    rig_feed(&r, data, len);
    rig_assert_over(&r, err, cause);
    rig_finish(&r);
}

#define ENDS_1(literal, err, cause) ends(1, "\1\0", 2, literal, sizeof(literal) - 1, err, cause)
#define ENDS_2(literal, err, cause) ends(2, V2("\5", "\0\0"), 14, literal, sizeof(literal) - 1, err, cause)

static void test_frames_of_old_peers_are_checked(void **state)
{
    (void)state;
    ENDS_1("\0\0", SB_EPROTO, SB_CAUSE_FRAME); /* a length that does not count the flags */
    ENDS_1("\2\2x", SB_EPROTO, SB_CAUSE_FRAME);
    ENDS_1("\xff\xff\xff\xff\xff\xff\xff\xff\xff\0", SB_EPROTO, SB_CAUSE_FRAME);
    ENDS_1("\xff\0\0\0\0\0\1\0\0\0", SB_EMSGSIZE, SB_CAUSE_OVERSIZE);
    ENDS_1("\1\1\1\1\1\1\1\1", SB_EMSGSIZE, SB_CAUSE_OVERSIZE);
    ENDS_2("\4\5\4PING", SB_EPROTO, SB_CAUSE_FRAME);
    ENDS_2("\2\0\0\0\0\0\1\0\0", SB_EMSGSIZE, SB_CAUSE_OVERSIZE);
}

static void test_old_peers_know_no_heartbeats(void **state)
{
    struct rig r;
    sb_session_config cfg = rig_config(SB_PULL);

    (void)state;
    cfg.heartbeat_ivl = 10 * MS;
    rig_init_with(&r, &cfg);
    FEED(&r, V2("\x8", "\0\0"));
    rig_drop_output(&r);
    assert_true(sb_session_deadline(r.s) == UINT64_MAX);
    rig_finish(&r);
}

static void test_a_callback_may_stop_a_1_0_peer_anywhere(void **state)
{
    static const char bytes[] = "\2\0a\2\0b\2\0c";
    struct rig r;

    (void)state;
    start(&r, SB_PULL, 1);
    FEED(&r, "\1\0");
    r.say = SB_EAGAIN;
    for (size_t at = 0; at < sizeof bytes - 1;)
        at += rig_feed(&r, bytes + at, sizeof bytes - 1 - at);
    assert_string_equal(r.log, "ready PUSH 1.0 \nmsg [a]\nmsg [b]\nmsg [c]\n");
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_2_0_peer_talks),
        cmocka_unit_test(test_our_side_of_the_greeting_comes_in_stages),
        cmocka_unit_test(test_subscriptions_with_2_0_are_messages),
        cmocka_unit_test(test_a_1_0_peer_talks),
        cmocka_unit_test(test_the_long_form_of_a_1_0_identity_looks_like_a_signature),
        cmocka_unit_test(test_our_identity_follows_our_signature_to_1_0),
        cmocka_unit_test(test_a_1_0_subscriber_gets_everything),
        cmocka_unit_test(test_messages_to_1_0_are_framed_anew),
        cmocka_unit_test(test_old_versions_are_refused_where_they_are_not_wanted),
        cmocka_unit_test(test_old_versions_are_refused_with_security),
        cmocka_unit_test(test_bad_greetings_of_old_peers_end_it),
        cmocka_unit_test(test_frames_of_old_peers_are_checked),
        cmocka_unit_test(test_old_peers_know_no_heartbeats),
        cmocka_unit_test(test_a_callback_may_stop_a_1_0_peer_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
