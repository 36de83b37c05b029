/* Key files: certificates, lists, and text that is neither. */
#include "engine/security.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ONE "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define TWO "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"

static sb_err read_text(const char *text, sb_key_entry *out, size_t cap, size_t *n, size_t *line)
{
    size_t len = strlen(text);
    char *exact = malloc(len + 1); /* a sanitizer sees a read too far */
    sb_err err;

    memcpy(exact, text, len);
    err = sb_keyfile_read(exact, len, out, cap, n, line);
    free(exact);
    return err;
}

static void test_certificates_and_lists_are_read(void **state)
{
    sb_key_entry e[8];
    size_t n, line;

    (void)state;
    assert_int_equal(
        read_text(
            "# czmq\n\nmetadata\n    name = \"alice\"\n    email = \"a@b\"\r\ncurve\n    public-key = \"" ONE
            "\"\n    secret-key = \"" TWO "\"\n" ONE "\n" TWO "  bob the builder \n" ONE,
            e, 8, &n, &line),
        SB_OK);
    assert_int_equal(n, 5);
    assert_false(e[0].secret);
    assert_string_equal(e[0].name, "alice");
    assert_true(e[1].secret);
    assert_string_equal(e[2].name, "");
    assert_string_equal(e[3].name, "bob the builder");
    assert_memory_equal(e[1].key, e[3].key, 32);
    assert_memory_equal(e[0].key, e[4].key, 32);
    assert_int_equal(read_text("", e, 8, &n, &line), SB_OK);
    assert_int_equal(n, 0);
}

static void test_what_is_no_key_is_told_by_its_line(void **state)
{
    static const char *const bad[] = {"hello", "\n\n" ONE "x", "public-key = \"short\"",
        "public-key = " ONE "x", "public-key = \"" ONE, ONE "\tname\n-----", "secret-key ="};
    static const size_t lines[] = {1, 3, 1, 1, 1, 2, 1};
    sb_key_entry e[8];
    size_t n, line;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_text(bad[i], e, 8, &n, &line), SB_EINVAL);
        assert_int_equal(line, lines[i]);
    }
    assert_int_equal(read_text(ONE "\n" TWO, e, 1, &n, &line), SB_EMSGSIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificates_and_lists_are_read),
        cmocka_unit_test(test_what_is_no_key_is_told_by_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
