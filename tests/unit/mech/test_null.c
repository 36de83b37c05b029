/* The NULL mechanism by itself: READY out at once, READY in, nothing else. */
#include "engine/mech/mech.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const sb__mech_config config = {.metadata = (const uint8_t *)"meta", .metadata_len = 4};

static void start(sb__mech *m, sb__bytes *out)
{
    memset(out, 0, sizeof *out);
    sb__mech_init(m, sb__mech_find("NULL"), &config);
    m->impl->start(m, out);
}

static void test_mechanisms_are_found_by_their_exact_name(void **state)
{
    (void)state;
    assert_non_null(sb__mech_find("NULL"));
    assert_null(sb__mech_find("null"));
    assert_null(sb__mech_find("NULLS"));
    assert_null(sb__mech_find(""));
}

static void test_ready_goes_out_first(void **state)
{
    sb__bytes out;
    sb__mech m;

    (void)state;
    start(&m, &out);
    assert_int_equal(sb__bytes_len(&out), 12);
    assert_memory_equal(sb__bytes_data(&out), "\4\12\5READYmeta", 12);
    sb__bytes_finish(&out);
    sb__mech_finish(&m);
    sb__mech_finish(&m);
}

static sb__mech_step step(sb__mech *m, sb__bytes *out, const char *body, size_t len)
{
    return m->impl->command(m, (const uint8_t *)body, len, out);
}

static void test_only_ready_comes_in(void **state)
{
    sb__bytes out;
    sb__mech m;

    (void)state;
    start(&m, &out);
    assert_int_equal(step(&m, &out, "\4PING\0\0", 7), SB__MECH_UNEXPECTED);
    assert_int_equal(step(&m, &out, "\5HELLO", 6), SB__MECH_UNEXPECTED);
    assert_int_equal(step(&m, &out, "\5READ", 5), SB__MECH_MALFORMED);
    assert_int_equal(step(&m, &out, "", 0), SB__MECH_MALFORMED);
    assert_int_equal(step(&m, &out, "\5READYxyz", 9), SB__MECH_DONE);
    assert_int_equal(sb__cursor_left(&m.peer_metadata), 3);
    assert_memory_equal(m.peer_metadata.p, "xyz", 3);
    assert_int_equal(sb__bytes_len(&out), 12); /* nothing was answered */
    sb__bytes_finish(&out);
    sb__mech_finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mechanisms_are_found_by_their_exact_name),
        cmocka_unit_test(test_ready_goes_out_first),
        cmocka_unit_test(test_only_ready_comes_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
