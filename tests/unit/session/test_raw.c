/* STREAM's sessions: octets as they come. */
#include "tests/unit/session/rig.h"

#include <sys/uio.h>

static void raw_init(struct rig *r)
{
    rig_init(r, SB_STREAM);
    assert_int_equal(sb_session_start(r->s, r->now), SB_OK);
}

static void test_it_is_ready_at_once_and_says_nothing(void **state)
{
    struct rig r;
    const uint8_t *out;

    (void)state;
    rig_init(&r, SB_STREAM);
    assert_int_equal(sb_session_get_state(r.s), SB_SESSION_GREETING);
    assert_int_equal(sb_session_start(r.s, r.now), SB_OK);
    assert_int_equal(sb_session_get_state(r.s), SB_SESSION_READY);
    assert_string_equal(r.log, "ready STREAM 0.0 \n");
    assert_int_equal(sb_session_output(r.s, &out), 0);
    assert_true(sb_session_deadline(r.s) == UINT64_MAX);
    assert_false(sb_session_passthrough(r.s));
    assert_int_equal(sb_session_start(r.s, r.now), SB_OK); /* once */
    assert_string_equal(r.log, "ready STREAM 0.0 \n");
    rig_finish(&r);
}

static void test_octets_start_it_too(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, SB_STREAM);
    FEED(&r, "early");
    assert_string_equal(r.log, "ready STREAM 0.0 \nmsg [early] odd\n");
    rig_finish(&r);
}

static void test_others_start_by_their_greeting(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, SB_PULL);
    assert_int_equal(sb_session_start(r.s, r.now), SB_OK);
    assert_string_equal(r.log, "");
    rig_finish(&r);
}

static void test_octets_are_handed_on_as_they_come(void **state)
{
    struct rig r;

    (void)state;
    raw_init(&r);
    r.log[0] = '\0';
    FEED(&r, "GET / HTTP/1.1");
    FEED(&r, "\4\13\x9SUBSCRIBEa");
    FEED(&r, "\0\1z");
    assert_string_equal(
        r.log, "msg [GET%20/%20HTTP/1.1] odd\nmsg [%04%0b%09SUBSCRIBEa] odd\nmsg [%00%01z] odd\n");
    rig_finish(&r);
}

static void test_max_frame_cuts_them(void **state)
{
    sb_session_config cfg = rig_config(SB_STREAM);
    struct rig r;

    (void)state;
    cfg.max_frame = 4;
    rig_init_with(&r, &cfg);
    assert_int_equal(sb_session_start(r.s, r.now), SB_OK);
    r.log[0] = '\0';
    FEED(&r, "0123456789");
    assert_string_equal(r.log, "msg [0123] odd\nmsg [4567] odd\nmsg [89] odd\n");
    rig_finish(&r);
}

static void test_it_stops_and_goes_on(void **state)
{
    sb_session_config cfg = rig_config(SB_STREAM);
    struct rig r;

    (void)state;
    cfg.max_frame = 4;
    rig_init_with(&r, &cfg);
    assert_int_equal(sb_session_start(r.s, r.now), SB_OK);
    r.log[0] = '\0';
    r.say = SB_EAGAIN;
    assert_int_equal(rig_feed(&r, "0123456789", 10), 4);
    assert_int_equal(r.err, SB_OK);
    r.say = SB_OK;
    assert_int_equal(rig_feed(&r, "456789", 6), 6);
    assert_string_equal(r.log, "msg [0123] odd\nmsg [4567] odd\nmsg [89] odd\n");
    rig_finish(&r);
}

static void test_a_refused_one_is_over(void **state)
{
    struct rig r;
    const uint8_t *out;

    (void)state;
    rig_init(&r, SB_STREAM);
    r.ready_say = SB_EREFUSED;
    assert_int_equal(sb_session_start(r.s, r.now), SB_EREFUSED);
    assert_int_equal(sb_session_get_state(r.s), SB_SESSION_OVER);
    assert_int_equal(sb_session_output(r.s, &out), 0);
    rig_finish(&r);
}

static void test_what_goes_loses_its_heads(void **state)
{
    struct rig r;
    sb_buf *buf;
    uint8_t head[] = {2, 0, 0, 0, 0, 0, 0, 1, 0}, body[256];
    struct iovec iov[] = {{"\0\3abc\0\0\0\2de", 11}, {head, 9}, {body, 256}, {"\0\1f", 3}};

    (void)state;
    raw_init(&r);
    memset(body, 'x', sizeof body);
    assert_int_equal(sb_session_seal(r.s, iov, 4, &buf), SB_OK);
    assert_int_equal(buf->cap, 3 + 2 + 256 + 1);
    assert_memory_equal(buf->data, "abcdex", 6);
    assert_memory_equal(buf->data + 3 + 2 + 255, "xf", 2);
    sb_buf_unref(buf);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_ready_at_once_and_says_nothing),
        cmocka_unit_test(test_octets_start_it_too),
        cmocka_unit_test(test_others_start_by_their_greeting),
        cmocka_unit_test(test_octets_are_handed_on_as_they_come),
        cmocka_unit_test(test_max_frame_cuts_them),
        cmocka_unit_test(test_it_stops_and_goes_on),
        cmocka_unit_test(test_a_refused_one_is_over),
        cmocka_unit_test(test_what_goes_loses_its_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
