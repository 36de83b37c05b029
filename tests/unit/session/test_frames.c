/* Frames after READY: every split, every limit, every malformed head, and what happens to memory. */
#include "tests/unit/session/rig.h"
#include "engine/session/internal.h"

#define READY_PULLER(r) RIG_READY(r, SB_PULL, GREETING_31, READY_PUSH)

/* A PULL with other limits, past its handshake. */
static void ready_with(struct rig *r, const sb_session_config *cfg)
{
    rig_init_with(r, cfg);
    FEED(r, GREETING_31 READY_PUSH);
    assert_int_equal(r->err, SB_OK);
    rig_drop_output(r);
    r->log[0] = '\0';
}

static void expect(struct rig *r, const char *log)
{
    assert_string_equal(r->log, log);
    r->log[0] = '\0';
}

/* The stream every split is tried on: also a command, and a frame of 300 octets in a message of two. */
static size_t representative(uint8_t *out)
{
    static const uint8_t head[] = "\0\2hi"
                                  "\0\0"
                                  "\1\1a\1\0\0\1b"
                                  "\4\7\4PING\0\0"
                                  "\0\2ok"
                                  "\1\5topic\2\0\0\0\0\0\0\1\x2c";
    /* long heads with short lengths */
    static const uint8_t tail[] = "\2\0\0\0\0\0\0\0\3abc"
                                  "\1\1x\3\0\0\0\0\0\0\0\2yy\0\1z";
    const size_t n = sizeof head - 1, m = sizeof tail - 1;

    memcpy(out, head, n);
    memset(out + n, 'q', 300);
    memcpy(out + n + 300, tail, m);
    return n + 300 + m;
}

static const char representative_log[] =
    "msg [hi]\nmsg []\nmsg [a] [] [b]\nmsg [ok]\nmsg [topic] [#300]\nmsg [abc] odd\nmsg [x] [yy] [z] odd\n";

static void test_every_split_gives_the_same_messages(void **state)
{
    uint8_t bytes[512];
    size_t len = representative(bytes);

    (void)state;
    for (size_t cut = 0; cut <= len; cut++) {
        struct rig r;

        READY_PULLER(&r);
        rig_feed(&r, bytes, cut);
        rig_feed(&r, bytes + cut, len - cut);
        expect(&r, representative_log);
        rig_finish(&r);
    }
    for (size_t step = 1; step < 40; step++) {
        struct rig r;

        READY_PULLER(&r);
        rig_feed_pieces(&r, bytes, len, step);
        expect(&r, representative_log);
        rig_finish(&r);
    }
}

static void test_a_callback_may_stop_after_any_message(void **state)
{
    uint8_t bytes[512];
    size_t len = representative(bytes);

    (void)state;
    for (size_t step = 1; step < 360; step += 7) {
        struct rig r;
        size_t at = 0, offered;

        READY_PULLER(&r);
        r.say = SB_EAGAIN;
        while (at < len) {
            unsigned before = r.msgs;

            offered = len - at < step ? len - at : step;
            at += rig_feed(&r, bytes + at, offered);
            assert_int_equal(r.err, SB_OK);
            assert_true(r.msgs <= before + 1);
        }
        expect(&r, representative_log);
        rig_finish(&r);
    }
}

static void test_an_error_of_the_owner_ends_the_session(void **state)
{
    struct rig r;

    (void)state;
    READY_PULLER(&r);
    r.say = SB_EPROTO;
    FEED(&r, "\0\1a\0\1b");
    rig_assert_over(&r, SB_EPROTO, SB_CAUSE_REFUSED);
    assert_int_equal(r.msgs, 1);
    rig_finish(&r);
}

/* Each ends a strict session; `lenient` is what another one makes of it. */
static void test_malformed_heads(void **state)
{
#define HEAD(literal, log)                                                                                   \
    {                                                                                                        \
        literal, sizeof(literal) - 1, log                                                                    \
    }
    static const struct {
        const char *bytes;
        size_t len;
        const char *lenient; /* NULL: refused too */
    } heads[] = {
        HEAD("\x08\1x", "msg [x] odd\n"),
        HEAD("\x80\1x", "msg [x] odd\n"),
        HEAD("\xf9\1x\0\1y", "msg [x] [y] odd\n"),
        HEAD("\5\3\2XYz", ""),
        HEAD("\1\1x\4\3\2XYz", NULL),
        HEAD("\4\0", NULL),
        HEAD("\4\1\0", NULL),
        HEAD("\4\2\5R", NULL),
        HEAD("\2\x80\0\0\0\0\0\0\0", NULL),
        HEAD("\2\xff\xff\xff\xff\xff\xff\xff\xff", NULL),
        HEAD("\4\6\4PINGx", NULL),
        HEAD("\4\7\5READYx", NULL),
        HEAD("\4\x18\4PING\0\1"
             "0123456789abcdefg",
            NULL),
    };

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        for (int strict = 0; strict < 2; strict++) {
            sb_session_config cfg = rig_config(SB_PULL);
            struct rig r;

            cfg.strict = strict;
            ready_with(&r, &cfg);
            rig_feed(&r, heads[i].bytes, heads[i].len);
            if (strict || heads[i].lenient == NULL) {
                rig_assert_over(&r, SB_EPROTO, SB_CAUSE_FRAME);
                expect(&r, "");
            } else {
                assert_int_equal(r.err, SB_OK);
                expect(&r, heads[i].lenient);
            }
            rig_finish(&r);
        }
}

static void test_unknown_commands_are_ignored(void **state)
{
    struct rig r;

    (void)state;
    READY_PULLER(&r);
    FEED(&r, "\4\5\4WHAT\4\7\4JOINxy\0\1a");
    assert_int_equal(r.err, SB_OK);
    expect(&r, "msg [a]\n");
    rig_finish(&r);
}

static void test_frame_limit_is_exact(void **state)
{
    sb_session_config cfg = rig_config(SB_PULL);
    struct rig r;

    (void)state;
    cfg.max_frame = 4;
    for (int more = 0; more < 2; more++) {
        ready_with(&r, &cfg);
        rig_feed(&r, more ? "\1\4aaaa\0\4bbbb" : "\0\4aaaa\0\4bbbb", 12);
        assert_int_equal(r.err, SB_OK);
        assert_int_equal(r.msgs, more ? 1 : 2);
        rig_feed(&r, more ? "\1\5" : "\0\5", 2); /* the head is enough */
        rig_assert_over(&r, SB_EMSGSIZE, SB_CAUSE_OVERSIZE);
        rig_finish(&r);
    }
}

static void test_message_limit_counts_all_frames(void **state)
{
    sb_session_config cfg = rig_config(SB_PULL);
    struct rig r;

    (void)state;
    cfg.max_message = 8;
    ready_with(&r, &cfg);
    FEED(&r, "\1\4aaaa\0\4bbbb\0\10cccccccc");
    assert_int_equal(r.err, SB_OK);
    FEED(&r, "\1\4aaaa\1\0\0\5");
    rig_assert_over(&r, SB_EMSGSIZE, SB_CAUSE_OVERSIZE);
    expect(&r, "msg [aaaa] [bbbb]\nmsg [cccccccc]\n");
    rig_finish(&r);
    ready_with(&r, &cfg);
    FEED(&r, "\0\x9");
    rig_assert_over(&r, SB_EMSGSIZE, SB_CAUSE_OVERSIZE);
    rig_finish(&r);
}

static void test_frame_count_limit_is_exact(void **state)
{
    sb_session_config cfg = rig_config(SB_PULL);
    struct rig r;

    (void)state;
    cfg.max_frames = 3;
    ready_with(&r, &cfg);
    FEED(&r, "\1\0\1\0\0\0");
    assert_int_equal(r.err, SB_OK);
    FEED(&r, "\1\0\1\0\1\0");
    assert_int_equal(r.err, SB_OK);
    FEED(&r, "\0\0");
    rig_assert_over(&r, SB_EMSGSIZE, SB_CAUSE_OVERSIZE);
    assert_int_equal(r.msgs, 1);
    rig_finish(&r);
}

static void test_endless_more_ends_at_the_default_limit(void **state)
{
    struct rig r;
    unsigned fed = 0;

    (void)state;
    READY_PULLER(&r);
    for (r.err = SB_OK; r.err == SB_OK && fed < 10000; fed++)
        FEED(&r, "\1\0");
    rig_assert_over(&r, SB_EMSGSIZE, SB_CAUSE_OVERSIZE);
    assert_int_equal(fed, 8193);
    rig_finish(&r);
}

static void test_many_frames_arrive_whole(void **state)
{
    static uint8_t bytes[3 * 5000];
    struct rig r;

    (void)state;
    for (int i = 0; i < 5000; i++)
        memcpy(bytes + 3 * i, i < 4999 ? "\1\1m" : "\0\1m", 3);
    for (size_t step = 1; step <= sizeof bytes; step = step * 3 + 1) {
        READY_PULLER(&r);
        r.quiet = true;
        r.keep = true;
        rig_feed_pieces(&r, bytes, sizeof bytes, step);
        assert_int_equal(r.msgs, 1);
        assert_int_equal(r.kept->n, 5000);
        assert_memory_equal(r.kept->wire, bytes, sizeof bytes);
        rig_finish(&r);
    }
}

static void test_declared_lengths_take_no_memory(void **state)
{
    static uint8_t octets[600000];
    struct rig r;

    (void)state;
    READY_PULLER(&r);
    FEED(&r, "\2\0\0\1\0\0\0\0\0xyz"); /* 2^40 */
    assert_int_equal(r.err, SB_OK);
    assert_true(r.s->part.buf->cap <= 256 * 1024);
    rig_feed(&r, octets, sizeof octets);
    assert_true(r.s->part.buf->cap <= 2 * sizeof octets);
    rig_finish(&r);
}

static void test_a_big_frame_ends_in_a_buffer_of_its_own(void **state)
{
    enum { LEN = 1000000 };
    uint8_t *bytes = malloc(LEN + 12);
    struct rig r;

    (void)state;
    memcpy(bytes, "\1\1k\2\0\0\0\0\0\x0f\x42\x40", 12);
    for (size_t i = 0; i < LEN; i++)
        bytes[12 + i] = (uint8_t)(i * 7);
    READY_PULLER(&r);
    r.quiet = true;
    r.keep = true;
    rig_feed_pieces(&r, bytes, LEN + 12, 65536);
    assert_int_equal(r.msgs, 1);
    assert_memory_equal(r.kept->frames[1].data, bytes + 12, LEN);
    assert_true(r.kept->frames[1].buf->cap <= LEN + 4096); /* kept without a copy, pins no more than itself */
    assert_int_equal(r.kept->wire_len, LEN + 12);
    rig_finish(&r);
    free(bytes);
}

static void test_an_unfinished_message_dies_with_the_session(void **state)
{
    struct rig r;

    (void)state;
    READY_PULLER(&r);
    FEED(&r, "\1\3abc\1\3abc\0\3ab");
    expect(&r, "");
    rig_finish(&r);
}

static void test_edits_of_the_view_leave_nothing_behind(void **state)
{
    struct rig r;

    (void)state;
    READY_PULLER(&r);
    r.keep = true;
    FEED(&r, "\1\1a\1\1b\1\1c\1\1d\1\1e\1\1f\1\1g\0\1h\0\3end");
    expect(&r, "msg [a] [b] [c] [d] [e] [f] [g] [h]\nmsg [end]\n");
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split_gives_the_same_messages),
        cmocka_unit_test(test_a_callback_may_stop_after_any_message),
        cmocka_unit_test(test_an_error_of_the_owner_ends_the_session),
        cmocka_unit_test(test_malformed_heads),
        cmocka_unit_test(test_unknown_commands_are_ignored),
        cmocka_unit_test(test_frame_limit_is_exact),
        cmocka_unit_test(test_message_limit_counts_all_frames),
        cmocka_unit_test(test_frame_count_limit_is_exact),
        cmocka_unit_test(test_endless_more_ends_at_the_default_limit),
        cmocka_unit_test(test_many_frames_arrive_whole),
        cmocka_unit_test(test_declared_lengths_take_no_memory),
        cmocka_unit_test(test_a_big_frame_ends_in_a_buffer_of_its_own),
        cmocka_unit_test(test_an_unfinished_message_dies_with_the_session),
        cmocka_unit_test(test_edits_of_the_view_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
