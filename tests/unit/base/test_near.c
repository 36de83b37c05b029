/* Hints: which word was probably meant. */
#include "engine/base/near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const words[] = {"run", "check", "route", NULL};

static void test_a_swapped_or_missing_letter_is_forgiven(void **state)
{
    (void)state;
    assert_string_equal(sb_near_word("chekc", words), "check");
    assert_string_equal(sb_near_word("rout", words), "route");
    assert_string_equal(sb_near_word("rn", words), "run");
}

static void test_the_distance(void **state)
{
    static const struct {
        const char *a, *b;
        size_t far;
    } cases[] = {{"send", "sned", 1}, {"send", "set", 2}, {"", "abc", 3}, {"abc", "", 3},
        {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"same", "same", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            sb_near_distance(cases[i].a, strlen(cases[i].a), cases[i].b, strlen(cases[i].b)), cases[i].far);
}

static void test_another_word_gives_no_hint(void **state)
{
    (void)state;
    assert_null(sb_near_word("frobnicate", words));
    assert_null(sb_near_word("x", words));
    assert_null(sb_near_word("", words));
}

static void test_very_long_words_are_not_compared(void **state)
{
    (void)state;
    assert_null(sb_near_word("checkcheckcheckcheckcheckcheckcheckcheck", words));
}

static void test_the_nearest_of_several_wins(void **state)
{
    static const char *const list[] = {"--linger", "--lingers", "--linge", NULL};
    (void)state;
    assert_string_equal(sb_near_word("--lingers", list), "--lingers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_swapped_or_missing_letter_is_forgiven),
        cmocka_unit_test(test_the_distance),
        cmocka_unit_test(test_another_word_gives_no_hint),
        cmocka_unit_test(test_very_long_words_are_not_compared),
        cmocka_unit_test(test_the_nearest_of_several_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
