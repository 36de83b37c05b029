/* JOIN and LEAVE (RFC 48), both ways. */
#include "tests/unit/session/rig.h"

#define READY_DISH  READY_OF("\4\x1a", "\4", "DISH")
#define READY_RADIO READY_OF("\4\x1b", "\5", "RADIO")

static void radio_init(struct rig *r)
{
    rig_init(r, SB_RADIO);
    FEED(r, GREETING_31 READY_DISH);
    assert_int_equal(r->err, SB_OK);
    r->log[0] = '\0';
}

static void test_a_radio_is_told(void **state)
{
    struct rig r;

    (void)state;
    radio_init(&r);
    FEED(&r, "\4\x9\4JOINnews\4\xa\5LEAVEnews\4\5\4JOIN");
    assert_string_equal(r.log, "sub news\ncancel news\nsub \n");
    rig_finish(&r);
}

static void test_a_radio_takes_no_topics(void **state)
{
    struct rig r;

    (void)state;
    radio_init(&r);
    FEED(&r, "\4\13\x9SUBSCRIBEa\4\x8\6CANCEL"
             "a");
    assert_string_equal(r.log, "");
    assert_int_equal(r.err, SB_OK);
    FEED(&r, "\0\2\1z"); /* what publishers take for a subscription is a message here */
    assert_string_equal(r.log, "msg [%01z]\n");
    rig_finish(&r);
}

static void test_every_split(void **state)
{
    static const char bytes[] = "\4\x9\4JOINnews\4\xa\5LEAVEnews";

    (void)state;
    for (size_t i = 1; i < sizeof bytes - 1; i++) {
        struct rig r;

        radio_init(&r);
        rig_feed(&r, bytes, i);
        rig_feed(&r, bytes + i, sizeof bytes - 1 - i);
        assert_string_equal(r.log, "sub news\ncancel news\n");
        rig_finish(&r);
    }
}

/* The longest group has 255 octets. */
static void feed_join(struct rig *r, size_t group)
{
    uint8_t bytes[9 + 5 + 256] = {6, 0, 0, 0, 0, 0, 0, 1, 0, 4, 'J', 'O', 'I', 'N'};

    memset(bytes + 14, 'g', group);
    bytes[8] = (uint8_t)(5 + group - 256);
    rig_feed(r, bytes, 14 + group);
}

static void test_group_of_255_octets_is_the_longest(void **state)
{
    struct rig r;

    (void)state;
    radio_init(&r);
    feed_join(&r, 255);
    assert_string_equal(r.log, "sub #255\n");
    feed_join(&r, 256);
    rig_assert_over(&r, SB_EPROTO, SB_CAUSE_FRAME);
    rig_finish(&r);
}

static void test_others_ignore_it(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, SB_PUB);
    FEED(&r, GREETING_31 READY_SUB);
    r.log[0] = '\0';
    FEED(&r, "\4\x9\4JOINnews");
    assert_int_equal(r.err, SB_OK);
    assert_string_equal(r.log, "");
    rig_finish(&r);
}

static void check_dish(const char *greeting, size_t len)
{
    struct rig r;
    uint8_t out[256];
    static const char joined[] = "\4\6\4JOINg\4\7\5LEAVEg";

    rig_init(&r, SB_DISH);
    rig_feed(&r, greeting, len);
    FEED(&r, READY_RADIO);
    assert_int_equal(r.err, SB_OK);
    rig_drop_output(&r);
    assert_int_equal(sb_session_subscribe(r.s, (const uint8_t *)"g", 1, true), SB_OK);
    assert_int_equal(sb_session_subscribe(r.s, (const uint8_t *)"g", 1, false), SB_OK);
    assert_int_equal(rig_take(&r, out, sizeof out), sizeof joined - 1);
    assert_memory_equal(out, joined, sizeof joined - 1);
    rig_finish(&r);
}

static void test_a_dish_says_so_to_any_version(void **state)
{
    static const char old[] = GREETING_30, new[] = GREETING_31;

    (void)state;
    check_dish(old, sizeof old - 1);
    check_dish(new, sizeof new - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_radio_is_told),
        cmocka_unit_test(test_a_radio_takes_no_topics),
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_group_of_255_octets_is_the_longest),
        cmocka_unit_test(test_others_ignore_it),
        cmocka_unit_test(test_a_dish_says_so_to_any_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
