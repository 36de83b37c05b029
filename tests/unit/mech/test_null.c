/* The NULL mechanism by itself: READY out at once, READY in, nothing else; asking first when told so. */
#include "engine/mech/mech.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const sb__mech_config config = {.metadata = (const uint8_t *)"meta", .metadata_len = 4};
static const sb__mech_config asking = {
    .metadata = (const uint8_t *)"meta", .metadata_len = 4, .security = {.ask = true}};

static void start(sb__mech *m, const sb__mech_config *cfg, sb__bytes *out)
{
    memset(out, 0, sizeof *out);
    sb__mech_init(m, sb__mech_get(SB_MECHANISM_NULL, false), cfg);
    assert_int_equal(m->impl->start(m, out), SB__MECH_ON);
}

static bool matches(const char *name, uint32_t allowed)
{
    uint8_t padded[20] = {0};
    sb_mechanism id;

    memcpy(padded, name, strlen(name));
    return sb__mech_match(padded, allowed, &id) && strcmp(sb_mechanism_name(id), name) == 0;
}

static void test_mechanisms_are_found_by_their_exact_name(void **state)
{
    (void)state;
    assert_true(matches("NULL", ~0u));
    assert_true(matches("PLAIN", ~0u));
    assert_true(matches("CURVE", ~0u));
    assert_false(matches("PLAIN", SB_MECHANISM_BIT(SB_MECHANISM_NULL)));
    assert_false(matches("null", ~0u));
    assert_false(matches("NULLS", ~0u));
    assert_false(matches("NUL", ~0u));
    assert_false(matches("", ~0u));
    assert_null(sb_mechanism_name(SB_MECHANISM_COUNT));
}

static void test_ready_goes_out_first(void **state)
{
    sb__bytes out;
    sb__mech m;

    (void)state;
    start(&m, &config, &out);
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
    start(&m, &config, &out);
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

static void test_who_asks_waits_with_ready(void **state)
{
    sb__bytes out;
    sb__mech m;

    (void)state;
    start(&m, &asking, &out);
    assert_int_equal(sb__bytes_len(&out), 0);
    assert_int_equal(step(&m, &out, "\5READYxyz", 9), SB__MECH_ASK);
    assert_true(m.has_metadata);
    assert_int_equal(sb__bytes_len(&out), 0);
    assert_int_equal(m.impl->accept(&m, &out), SB__MECH_DONE);
    assert_memory_equal(sb__bytes_data(&out), "\4\12\5READYmeta", 12);
    sb__bytes_finish(&out);
    sb__mech_finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mechanisms_are_found_by_their_exact_name),
        cmocka_unit_test(test_ready_goes_out_first),
        cmocka_unit_test(test_only_ready_comes_in),
        cmocka_unit_test(test_who_asks_waits_with_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
