/* From the first octet to READY: greetings of any age and shape, metadata, types, refusals. */
#include "engine/session/internal.h"
#include "tests/unit/session/rig.h"

static void assert_output_size(struct rig *r, size_t size)
{
    const uint8_t *out;

    assert_int_equal(sb_session_output(r->s, &out), size);
}

static void test_greeting_leaves_in_stages(void **state)
{
    static const char theirs[] = GREETING_31;
    struct rig r;

    (void)state;
    rig_init(&r, SB_PULL);
    assert_output_size(&r, 10);
    rig_feed(&r, theirs, 9);
    assert_output_size(&r, 10);
    rig_feed(&r, theirs + 9, 1);
    assert_output_size(&r, 11);
    rig_feed(&r, theirs + 10, 1);
    assert_output_size(&r, 64);
    rig_feed(&r, theirs + 11, 52);
    assert_output_size(&r, 64);
    rig_feed(&r, theirs + 63, 1);
    assert_output_size(&r, 64 + 2 + 0x1a);
    assert_int_equal(sb_session_get_state(r.s), SB_SESSION_HANDSHAKE);
    rig_finish(&r);
}

static void test_our_greeting_is_3_1_with_null(void **state)
{
    uint8_t out[256];
    struct rig r;

    (void)state;
    rig_init(&r, SB_PUSH);
    FEED(&r, GREETING_31);
    assert_int_equal(rig_take(&r, out, sizeof out), 64 + sizeof(READY_PUSH) - 1);
    assert_memory_equal(out, GREETING_31, 64);
    assert_memory_equal(out + 64, READY_PUSH, sizeof(READY_PUSH) - 1);
    rig_finish(&r);
}

static void test_identity_is_announced_by_types_that_have_one(void **state)
{
    static const char ready[] = "\4\x2d\5READY\13Socket-Type\0\0\0\6DEALER\x8Identity\0\0\0\4node";
    uint8_t out[256];
    struct rig r;

    (void)state;
    for (int i = 0; i < 2; i++) {
        sb_session_config cfg = rig_config(i == 0 ? SB_DEALER : SB_PUSH);

        cfg.identity = (const uint8_t *)"node";
        cfg.identity_len = 4;
        rig_init_with(&r, &cfg);
        FEED(&r, GREETING_31);
        rig_take(&r, out, sizeof out);
        if (i == 0)
            assert_memory_equal(out + 64, ready, sizeof ready - 1);
        else
            assert_memory_equal(out + 64, READY_PUSH, sizeof(READY_PUSH) - 1);
        rig_finish(&r);
    }
}

static void test_bad_configurations_are_refused(void **state)
{
    sb_property bad = {.name = "no spaces", .value = (uint8_t *)"x", .value_len = 1};
    sb_session_config cfg = rig_config(SB_DEALER);
    sb_session *s = NULL;

    (void)state;
    cfg.identity = (const uint8_t *)"\0x";
    cfg.identity_len = 2;
    assert_int_equal(sb_session_create(&cfg, &rig_events, NULL, 0, &s), SB_EINVAL);
    cfg = rig_config(SB_TYPE_COUNT);
    assert_int_equal(sb_session_create(&cfg, &rig_events, NULL, 0, &s), SB_EINVAL);
    cfg = rig_config(SB_PUB);
    cfg.metadata = &bad;
    cfg.nmetadata = 1;
    assert_int_equal(sb_session_create(&cfg, &rig_events, NULL, 0, &s), SB_EINVAL);
    assert_null(s);
}

static void test_foreign_protocols_end_at_their_first_octets(void **state)
{
    static const char *const hellos[] = {"GET / HTTP/1.1", "\x16\x03\x01", "SSH-2.0", "\x01", "\x00"};
    struct rig r;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        rig_init(&r, SB_PULL);
        rig_feed(&r, hellos[i], i < 3 ? strlen(hellos[i]) : 1);
        rig_assert_over(&r, SB_EPROTO, SB_CAUSE_GREETING);
        assert_output_size(&r, 10);
        rig_finish(&r);
    }
}

static void test_padding_filler_and_as_server_are_not_interpreted(void **state)
{
    char greeting[] = GREETING_31 READY_PUSH;
    struct rig r;

    (void)state;
    memset(greeting + 1, 0xab, 8);
    greeting[9] = 0x01;
    greeting[32] = 1;
    memset(greeting + 33, 0xcd, 31);
    rig_init(&r, SB_PULL);
    FEED(&r, greeting);
    assert_string_equal(r.log, "ready PUSH 3.1 \n");
    rig_finish(&r);
}

/* Major, minor, and whether subscriptions go as commands. */
static void test_version_decides_the_dialect(void **state)
{
    static const struct {
        uint8_t major, minor;
        const char *form;
    } versions[] = {{3, 0, "\0\3\1ab"}, {3, 1, "\4\14\x9SUBSCRIBEab"}, {3, 9, "\4\14\x9SUBSCRIBEab"},
        {2, 0, "\4\14\x9SUBSCRIBEab"}, {4, 0, "\4\14\x9SUBSCRIBEab"}, {255, 0, "\4\14\x9SUBSCRIBEab"}};
    char bytes[] = GREETING_31 READY_OF("\4\x19", "\3", "PUB");
    uint8_t out[256];
    struct rig r;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        size_t n = versions[i].minor == 0 && versions[i].major == 3 ? 5 : 14;

        bytes[10] = (char)versions[i].major;
        bytes[11] = (char)versions[i].minor;
        rig_init(&r, SB_SUB);
        assert_int_equal(sb_session_subscribe(r.s, (const uint8_t *)"ab", 2, true), SB_EFSM);
        FEED(&r, bytes);
        assert_int_equal(r.err, SB_OK);
        rig_drop_output(&r);
        assert_int_equal(sb_session_subscribe(r.s, (const uint8_t *)"ab", 2, true), SB_OK);
        assert_int_equal(rig_take(&r, out, sizeof out), n);
        assert_memory_equal(out, versions[i].form, n);
        rig_finish(&r);
    }
}

static void test_all_20_octets_of_the_mechanism_count(void **state)
{
    static const int places[] = {12, 15, 16, 31};
    struct rig r;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        char greeting[] = GREETING_31;

        greeting[places[i]] ^= 0x20;
        rig_init(&r, SB_PULL);
        FEED(&r, greeting);
        rig_assert_over(&r, SB_EMECHANISM, SB_CAUSE_MECHANISM);
        rig_finish(&r);
    }
}

static void test_property_names_match_in_any_case(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, SB_ROUTER);
    FEED(&r, GREETING_31 "\4\x2b\5READY\13sOCKET-tYPE\0\0\0\6DEALER\x8IDENTITY\0\0\0\2me");
    assert_string_equal(r.log, "ready DEALER 3.1 me\n");
    assert_int_equal(sb_session_peer(r.s)->nprops, 2);
    assert_string_equal(sb_session_peer(r.s)->props[1].name, "IDENTITY");
    assert_string_equal((char *)sb_session_peer(r.s)->props[1].value, "me");
    rig_finish(&r);
}

static void test_identity_of_other_types_is_ignored(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, SB_PULL);
    FEED(&r, GREETING_31 "\4\x29\5READY\13Socket-Type\0\0\0\4PUSH\x8Identity\0\0\0\2\0x");
    assert_string_equal(r.log, "ready PUSH 3.1 \n");
    rig_finish(&r);
}

/* Each is refused with ERROR; the first octets are the frame's. */
static void test_malformed_metadata_is_refused(void **state)
{
#define BAD(literal)                                                                                         \
    {                                                                                                        \
        literal, sizeof(literal) - 1                                                                         \
    }
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        BAD("\4\6\5READY"),                                                             /* no Socket-Type */
        BAD("\4\x1b\5READY\13Socket-Type\0\0\0\4PUSHx"),                                /* trailing octet */
        BAD("\4\x1a\5READY\13Socket-Type\0\0\0\5PUSH"),                                 /* value too long */
        BAD("\4\x1a\5READY\13Socket-Type\x80\0\0\4PUSH"),                               /* 32-bit length */
        BAD("\4\x1a\5READY\13Socket-Type\xff\xff\xff\xffPUSH"), BAD("\4\7\5READY\xff"), /* name too long */
        BAD("\4\x1f\5READY\0\0\0\0\0\13Socket-Type\0\0\0\4PUSH"),                       /* empty name */
        BAD("\4\x2e\5READY\13Socket-Type\0\0\0\4PUSH\13Socket-Type\0\0\0\4PUSH"),       /* twice */
        BAD("\4\x2b\5READY\13Socket-Type\0\0\0\6DEALER\x8Identity\0\0\0\2\0x"),         /* NUL-led identity */
    };
    struct rig r;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rig_init(&r, i < 8 ? SB_PULL : SB_ROUTER);
        FEED(&r, GREETING_31);
        rig_feed(&r, bad[i].bytes, bad[i].len);
        rig_assert_over(&r, SB_EPROTO, SB_CAUSE_METADATA);
        assert_string_equal(r.log, "");
        assert_null(sb_session_peer(r.s));
        rig_assert_error_sent(&r);
        rig_finish(&r);
    }
}

static void test_identity_of_255_octets_is_the_longest(void **state)
{
    uint8_t ready[9 + 6 + 22 + 13 + 256];
    struct rig r;

    (void)state;
    for (uint8_t extra = 0; extra < 2; extra++) {
        size_t body = 6u + 22u + 13u + 255u + extra;

        memset(ready, 'i', sizeof ready);
        memcpy(ready, "\6\0\0\0\0\0\0\1", 8);
        ready[8] = (uint8_t)body;
        memcpy(ready + 9, "\5READY\13Socket-Type\0\0\0\6DEALER\x8Identity\0\0", 39);
        ready[9 + 39] = extra ? 1 : 0;
        ready[9 + 40] = extra ? 0 : 255;
        rig_init(&r, SB_ROUTER);
        FEED(&r, GREETING_31);
        rig_feed(&r, ready, 9 + body);
        if (extra)
            rig_assert_over(&r, SB_EPROTO, SB_CAUSE_METADATA);
        else
            assert_string_equal(r.log, "ready DEALER 3.1 #255\n");
        rig_finish(&r);
    }
}

static void test_every_pair_of_types_follows_the_matrix(void **state)
{
    unsigned allowed = 0;

    (void)state;
    for (int a = 0; a < SB_TYPE_COUNT; a++)
        for (int b = 0; b < SB_TYPE_COUNT; b++) {
            struct rig x, y;

            if (sb_type_name((sb_type)a) == NULL || sb_type_name((sb_type)b) == NULL || a == SB_STREAM ||
                b == SB_STREAM)
                continue;
            rig_init(&x, (sb_type)a);
            rig_init(&y, (sb_type)b);
            rig_marry(&x, &y);
            if (sb_type_peers((sb_type)a) & SB_TYPE_BIT(b)) {
                assert_int_equal(sb_session_get_state(x.s), SB_SESSION_READY);
                assert_int_equal(sb_session_get_state(y.s), SB_SESSION_READY);
                allowed++;
            } else {
                assert_int_equal(sb_session_get_state(x.s), SB_SESSION_OVER);
                assert_int_equal(sb_session_get_state(y.s), SB_SESSION_OVER);
                assert_string_equal(x.log, "");
            }
            rig_finish(&x);
            rig_finish(&y);
        }
    assert_int_equal(allowed, 1 + 4 * 2 + 3 + 2 * 2 + 2 + 2 + 1 + 2 + 2 + 2 + 1 + 1 + 1);
}

static void test_incompatible_and_unknown_types_get_an_error_command(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, SB_PULL);
    FEED(&r, GREETING_31 READY_SUB);
    rig_assert_over(&r, SB_EPEERTYPE, SB_CAUSE_PEER_TYPE);
    rig_assert_error_sent(&r);
    rig_finish(&r);
    rig_init(&r, SB_PULL);
    FEED(&r, GREETING_30 READY_OF("\4\x1a", "\4", "DISH"));
    rig_assert_over(&r, SB_EPEERTYPE, SB_CAUSE_PEER_TYPE);
    rig_finish(&r);
}

static void test_error_from_the_peer_is_told(void **state)
{
    const char *detail;
    struct rig r;

    (void)state;
    rig_init(&r, SB_PULL);
    FEED(&r, GREETING_31 "\4\x0d\5ERROR\6go\n\x01!!");
    rig_assert_over(&r, SB_EREFUSED, SB_CAUSE_ERROR_COMMAND);
    sb_session_why(r.s, &detail);
    assert_string_equal(detail, "peer says: go?"
                                "?!!");
    assert_int_equal(FEED(&r, READY_PUSH), 0);
    assert_int_equal(r.err, SB_EREFUSED);
    rig_finish(&r);
}

static void test_the_owner_may_refuse(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, SB_PULL);
    r.ready_say = SB_EEXIST;
    FEED(&r, GREETING_31 READY_PUSH "\0\1x");
    rig_assert_over(&r, SB_EEXIST, SB_CAUSE_REFUSED);
    assert_string_equal(r.log, "ready PUSH 3.1 \n");
    rig_assert_error_sent(&r);
    rig_finish(&r);
}

static void test_nothing_passes_before_ready(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, SB_PULL);
    FEED(&r, GREETING_31 "\0\1x");
    rig_assert_over(&r, SB_EPROTO, SB_CAUSE_FRAME);
    rig_finish(&r);
    rig_init(&r, SB_XPUB);
    FEED(&r, GREETING_31 "\4\13\x9SUBSCRIBEx");
    rig_assert_over(&r, SB_EPROTO, SB_CAUSE_FRAME);
    assert_string_equal(r.log, "");
    rig_finish(&r);
}

static void test_handshake_commands_have_their_own_limit(void **state)
{
    sb_session_config cfg = rig_config(SB_PULL);
    struct rig r;

    (void)state;
    cfg.max_frame = 4; /* does not hit the handshake */
    rig_init_with(&r, &cfg);
    FEED(&r, GREETING_31 READY_PUSH);
    assert_int_equal(r.err, SB_OK);
    rig_finish(&r);
    rig_init(&r, SB_PULL);
    FEED(&r, GREETING_31 "\6\0\0\0\0\0\0\x20\1");
    rig_assert_over(&r, SB_EMSGSIZE, SB_CAUSE_OVERSIZE);
    rig_finish(&r);
}

static void test_one_deadline_covers_the_whole_handshake(void **state)
{
    static const char bytes[] = GREETING_31 READY_PUSH;
    sb_session_config cfg = rig_config(SB_PULL);
    struct rig r;

    (void)state;
    cfg.handshake_ivl = 30 * S;
    rig_init_with(&r, &cfg);
    for (size_t i = 0; i + 1 < sizeof bytes - 1; i++) { /* trickling does not extend it */
        r.now += S / 4;
        rig_feed(&r, bytes + i, 1);
        assert_true(sb_session_deadline(r.s) == 31 * S);
    }
    assert_int_equal(sb_session_expire(r.s, 31 * S - 1), SB_OK);
    r.err = sb_session_expire(r.s, 31 * S);
    rig_assert_over(&r, SB_ETIMEDOUT, SB_CAUSE_TIMEOUT);
    rig_finish(&r);
}

static void test_every_split_of_a_handshake_gives_the_same(void **state)
{
    static const uint8_t bytes[] =
        GREETING_31 "\4\x2c\5READY\13Socket-Type\0\0\0\6DEALER\x8Identity\0\0\0\3abc\0\2hi";
    const size_t len = sizeof bytes - 1;

    (void)state;
    for (size_t step = 1; step <= len; step++) {
        struct rig r;

        rig_init(&r, SB_ROUTER);
        rig_feed_pieces(&r, bytes, len, step);
        assert_string_equal(r.log, "ready DEALER 3.1 abc\nmsg [hi]\n");
        rig_finish(&r);
    }
    for (size_t cut = 0; cut <= len; cut++) {
        struct rig r;

        rig_init(&r, SB_ROUTER);
        rig_feed(&r, bytes, cut);
        rig_feed(&r, bytes + cut, len - cut);
        assert_string_equal(r.log, "ready DEALER 3.1 abc\nmsg [hi]\n");
        rig_finish(&r);
    }
}

/* Ten thousand of these may sit there and say nothing. */
static void test_what_only_the_handshake_needs_goes_with_it(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, SB_ROUTER);
    assert_non_null(r.s->hs);
    FEED(&r, GREETING_31 READY_DEALER);
    assert_null(r.s->hs);
    assert_null(r.s->secure);
    assert_true(sizeof *r.s <= 416);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greeting_leaves_in_stages),
        cmocka_unit_test(test_our_greeting_is_3_1_with_null),
        cmocka_unit_test(test_identity_is_announced_by_types_that_have_one),
        cmocka_unit_test(test_bad_configurations_are_refused),
        cmocka_unit_test(test_foreign_protocols_end_at_their_first_octets),
        cmocka_unit_test(test_padding_filler_and_as_server_are_not_interpreted),
        cmocka_unit_test(test_version_decides_the_dialect),
        cmocka_unit_test(test_all_20_octets_of_the_mechanism_count),
        cmocka_unit_test(test_property_names_match_in_any_case),
        cmocka_unit_test(test_identity_of_other_types_is_ignored),
        cmocka_unit_test(test_malformed_metadata_is_refused),
        cmocka_unit_test(test_identity_of_255_octets_is_the_longest),
        cmocka_unit_test(test_every_pair_of_types_follows_the_matrix),
        cmocka_unit_test(test_incompatible_and_unknown_types_get_an_error_command),
        cmocka_unit_test(test_error_from_the_peer_is_told),
        cmocka_unit_test(test_the_owner_may_refuse),
        cmocka_unit_test(test_nothing_passes_before_ready),
        cmocka_unit_test(test_handshake_commands_have_their_own_limit),
        cmocka_unit_test(test_what_only_the_handshake_needs_goes_with_it),
        cmocka_unit_test(test_one_deadline_covers_the_whole_handshake),
        cmocka_unit_test(test_every_split_of_a_handshake_gives_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
