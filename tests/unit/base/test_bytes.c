/* Octets in at the end, out at the front; cursors stop at their end. */
#include "engine/base/bytes.h"
#include "engine/base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_what_goes_in_comes_out_in_order(void **state)
{
    sb__bytes b = {0};
    uint8_t next_in = 0, next_out = 0;
    uint32_t rng = 7;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        rng = rng * 1664525u + 1013904223u;
        for (uint32_t n = (rng >> 8) % 40; n > 0; n--)
            sb__bytes_put_u8(&b, next_in++);
        for (uint32_t n = (rng >> 16) % 44; n > 0 && sb__bytes_len(&b) > 0; n--) {
            assert_int_equal(*sb__bytes_data(&b), next_out++);
            sb__bytes_drop(&b, 1);
        }
    }
    assert_int_equal((uint8_t)(next_in - next_out), sb__bytes_len(&b) % 256);
    sb__bytes_drop(&b, SIZE_MAX);
    assert_null(b.data); /* idle: no memory */
}

static void test_a_cut_undoes_the_last_puts_only(void **state)
{
    sb__bytes b = {0};
    size_t before;

    (void)state;
    sb__bytes_put(&b, "abcd", 4);
    sb__bytes_drop(&b, 1);
    before = sb__bytes_len(&b);
    sb__bytes_put_u32(&b, 1);
    sb__bytes_cut(&b, before);
    sb__bytes_put_u16(&b, 0x6566);
    assert_int_equal(sb__bytes_len(&b), 5);
    assert_memory_equal(sb__bytes_data(&b), "bcdef", 5);
    sb__bytes_cut(&b, 100);
    assert_int_equal(sb__bytes_len(&b), 5);
    sb__bytes_finish(&b);
}

static void test_a_huge_request_fails_and_is_remembered(void **state)
{
    sb__bytes b = {0};

    (void)state;
    sb__bytes_put(&b, "x", 1);
    assert_null(sb__bytes_add(&b, SIZE_MAX));
    assert_true(b.failed);
    sb__bytes_put(&b, "y", 1); /* nothing comes behind a gap */
    assert_int_equal(sb__bytes_len(&b), 1);
    sb__bytes_finish(&b);
}

static void test_cursors_never_pass_their_end(void **state)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
    sb__cursor c = sb__cursor_of(bytes, sizeof bytes);
    const uint8_t *p;
    uint32_t u32;
    uint16_t u16;
    uint8_t u8;

    (void)state;
    assert_false(sb__cursor_take(&c, 8, &p));
    assert_false(sb__cursor_take(&c, UINT64_MAX, &p));
    assert_true(sb__cursor_u32(&c, &u32));
    assert_int_equal(u32, 0x01020304);
    assert_false(sb__cursor_u32(&c, &u32));
    assert_true(sb__cursor_u16(&c, &u16));
    assert_int_equal(u16, 0x0506);
    assert_false(sb__cursor_u16(&c, &u16));
    assert_true(sb__cursor_u8(&c, &u8));
    assert_int_equal(u8, 7);
    assert_false(sb__cursor_u8(&c, &u8));
    assert_true(sb__cursor_take(&c, 0, &p));
    assert_int_equal(sb__cursor_left(&c), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_goes_in_comes_out_in_order),
        cmocka_unit_test(test_a_cut_undoes_the_last_puts_only),
        cmocka_unit_test(test_a_huge_request_fails_and_is_remembered),
        cmocka_unit_test(test_cursors_never_pass_their_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
