/* Greeting, frame heads, commands and metadata: octets <-> values, exactly. */
#include "engine/wire/command.h"
#include "engine/wire/frame.h"
#include "engine/wire/greeting.h"
#include "engine/wire/metadata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void assert_bytes(sb__bytes *b, const char *expected, size_t len)
{
    assert_false(b->failed);
    assert_int_equal(sb__bytes_len(b), len);
    assert_memory_equal(sb__bytes_data(b), expected, len);
    sb__bytes_finish(b);
}

#define ASSERT_BYTES(b, literal) assert_bytes(b, literal, sizeof(literal) - 1)

static void test_heads_change_form_between_255_and_256(void **state)
{
    static const uint64_t lens[] = {0, 1, 255, 256, 65536, INT64_MAX, UINT64_MAX};
    uint8_t head[SB__FRAME_HEAD];

    (void)state;
    for (size_t i = 0; i < 7; i++)
        for (unsigned flags = 0; flags < 8; flags += flags ? 3 : 1) { /* 0, 1, 4, 7 without LONG */
            unsigned wanted = flags & ~SB__FRAME_LONG, got;
            size_t size = sb__frame_put(head, wanted, lens[i]);
            uint64_t len;

            assert_int_equal(size, sb__frame_head_size(lens[i]));
            assert_int_equal(size, lens[i] > 255 ? 9 : 2);
            for (size_t avail = 0; avail < size; avail++)
                assert_int_equal(sb__frame_get(head, avail, &got, &len), 0);
            assert_int_equal(sb__frame_get(head, size, &got, &len), size);
            assert_int_equal(got, wanted | (size == 9 ? SB__FRAME_LONG : 0));
            assert_true(len == lens[i]);
        }
}

static void test_stages_of_the_greeting(void **state)
{
    (void)state;
    for (size_t len = 0; len <= SB__GREETING_SIZE; len++)
        assert_int_equal(sb__greeting_stage(len), len < 10 ? 10 : len == 10 ? 11 : 64);
}

static void test_greeting_goes_both_ways(void **state)
{
    uint8_t bytes[SB__GREETING_SIZE];
    sb__greeting g;

    (void)state;
    sb__greeting_put(bytes, "CURVE", true);
    for (size_t len = 0; len < SB__GREETING_SIZE; len++)
        assert_int_equal(sb__greeting_check(bytes, len), SB__GREETING_MORE);
    assert_int_equal(sb__greeting_check(bytes, SB__GREETING_SIZE), SB__GREETING_DONE);
    sb__greeting_get(bytes, &g);
    assert_int_equal(g.major * 10 + g.minor, 31);
    assert_string_equal(g.mechanism, "CURVE");
    assert_true(g.as_server);
    bytes[9] = 0x7e;
    assert_int_equal(sb__greeting_check(bytes, 9), SB__GREETING_MORE);
    assert_int_equal(sb__greeting_check(bytes, 10), SB__GREETING_FOREIGN);
    bytes[0] = 0xfe;
    assert_int_equal(sb__greeting_check(bytes, 1), SB__GREETING_FOREIGN);
}

static void test_a_mechanism_of_20_octets_fits(void **state)
{
    uint8_t bytes[SB__GREETING_SIZE];
    sb__greeting g;

    (void)state;
    sb__greeting_put(bytes, "ABCDEFGHIJKLMNOPQRSTUV", false);
    sb__greeting_get(bytes, &g);
    assert_string_equal(g.mechanism, "ABCDEFGHIJKLMNOPQRST");
    assert_false(g.as_server);
}

static void test_command_names_are_whole_or_nothing(void **state)
{
    static const uint8_t subscribe[] = "\x9SUBSCRIBEabc";
    sb__command_id id;
    sb__cursor data;

    (void)state;
    for (size_t len = 0; len < 10; len++)
        assert_false(sb__command_get(subscribe, len, &id, &data));
    assert_true(sb__command_get(subscribe, 13, &id, &data));
    assert_int_equal(id, SB__COMMAND_SUBSCRIBE);
    assert_int_equal(sb__cursor_left(&data), 3);
    assert_true(sb__command_get((const uint8_t *)"\4ping", 5, &id, &data));
    assert_int_equal(id, SB__COMMAND_UNKNOWN);
    assert_true(sb__command_get((const uint8_t *)"\3PIN", 4, &id, &data));
    assert_int_equal(id, SB__COMMAND_UNKNOWN);
    assert_false(sb__command_get((const uint8_t *)"\0", 1, &id, &data));
}

static void test_commands_are_written_as_the_rfc_shows_them(void **state)
{
    sb__ping ping = {.ttl = 0x1234, .context_len = 2, .context = "hi"};
    sb__bytes b = {0};

    (void)state;
    sb__ping_put(&b, &ping);
    ASSERT_BYTES(&b, "\4\x9\4PING\x12\x34hi");
    sb__pong_put(&b, &ping);
    ASSERT_BYTES(&b, "\4\7\4PONGhi");
    sb__error_put(&b, "no");
    ASSERT_BYTES(&b, "\4\x9\5ERROR\2no");
    sb__command_put(&b, SB__COMMAND_CANCEL, 0);
    ASSERT_BYTES(&b, "\4\7\6CANCEL");
    sb__command_put(&b, SB__COMMAND_SUBSCRIBE, 246);
    ASSERT_BYTES(&b, "\6\0\0\0\0\0\0\1\0\x9SUBSCRIBE");
}

static void test_ping_needs_a_ttl_and_a_short_context(void **state)
{
    uint8_t bytes[20] = {0, 5};
    sb__ping ping;

    (void)state;
    for (size_t len = 0; len <= sizeof bytes; len++) {
        bool good = len >= 2 && len <= 18;

        assert_int_equal(sb__ping_get(sb__cursor_of(bytes, len), &ping), good);
        assert_int_equal(sb__pong_get(sb__cursor_of(bytes, len), &ping), len <= 16);
        if (good) {
            sb__ping_get(sb__cursor_of(bytes, len), &ping);
            assert_int_equal(ping.ttl, 5);
            assert_int_equal(ping.context_len, len - 2);
        }
    }
}

static void test_an_error_reason_has_exactly_its_length(void **state)
{
    const uint8_t *reason;
    uint8_t len;

    (void)state;
    assert_true(sb__error_get(sb__cursor_of((const uint8_t *)"\2no", 3), &reason, &len));
    assert_int_equal(len, 2);
    assert_true(sb__error_get(sb__cursor_of((const uint8_t *)"\0", 1), &reason, &len));
    assert_false(sb__error_get(sb__cursor_of((const uint8_t *)"\2no", 2), &reason, &len));
    assert_false(sb__error_get(sb__cursor_of((const uint8_t *)"\2not", 4), &reason, &len));
    assert_false(sb__error_get(sb__cursor_of((const uint8_t *)"", 0), &reason, &len));
}

static void test_every_cut_of_metadata_is_malformed(void **state)
{
    sb__metadata m;
    sb__bytes b = {0};
    sb__cursor c;
    size_t len;

    (void)state;
    sb__metadata_put(&b, "X-Name", "value", 5);
    len = sb__bytes_len(&b);
    assert_int_equal(len, 1 + 6 + 4 + 5);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *exact = malloc(cut > 0 ? cut : 1); /* so that a sanitizer sees a read too far */

        memcpy(exact, sb__bytes_data(&b), cut);
        c = sb__cursor_of(exact, cut);
        assert_false(sb__metadata_get(&c, &m));
        assert_int_equal(sb__cursor_left(&c), cut);
        free(exact);
    }
    c = sb__cursor_of(sb__bytes_data(&b), len);
    assert_true(sb__metadata_get(&c, &m));
    assert_true(sb__metadata_is(&m, "x-nAME"));
    assert_false(sb__metadata_is(&m, "X-Nam"));
    assert_int_equal(m.value_len, 5);
    assert_int_equal(sb__cursor_left(&c), 0);
    sb__bytes_finish(&b);
}

static void test_property_names_have_a_grammar(void **state)
{
    (void)state;
    assert_true(sb__metadata_name_ok((const uint8_t *)"aZ09-_.+", 8));
    assert_false(sb__metadata_name_ok((const uint8_t *)"", 0));
    assert_false(sb__metadata_name_ok((const uint8_t *)"a b", 3));
    assert_false(sb__metadata_name_ok((const uint8_t *)"a\0b", 3));
    assert_false(sb__metadata_name_ok((const uint8_t *)"\xe1", 1));
    assert_false(sb__metadata_name_ok((const uint8_t *)"[", 1));
    assert_false(sb__metadata_name_ok((const uint8_t *)"@", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads_change_form_between_255_and_256),
        cmocka_unit_test(test_stages_of_the_greeting),
        cmocka_unit_test(test_greeting_goes_both_ways),
        cmocka_unit_test(test_a_mechanism_of_20_octets_fits),
        cmocka_unit_test(test_command_names_are_whole_or_nothing),
        cmocka_unit_test(test_commands_are_written_as_the_rfc_shows_them),
        cmocka_unit_test(test_ping_needs_a_ttl_and_a_short_context),
        cmocka_unit_test(test_an_error_reason_has_exactly_its_length),
        cmocka_unit_test(test_every_cut_of_metadata_is_malformed),
        cmocka_unit_test(test_property_names_have_a_grammar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
