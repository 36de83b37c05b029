/* PLAIN by itself: both sides against each other, and against commands of any shape. */
#include "engine/mech/mech.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const sb__mech_config client_config = {.metadata = (const uint8_t *)"C",
    .metadata_len = 1,
    .security = {.username = "ada", .password = "secret"}};
static const sb__mech_config server_config = {
    .metadata = (const uint8_t *)"S", .metadata_len = 1, .security = {.server = true}};

struct side {
    sb__mech m;
    sb__bytes out;
};

static void start(struct side *s, bool server)
{
    memset(s, 0, sizeof *s);
    sb__mech_init(&s->m, sb__mech_get(SB_MECHANISM_PLAIN, server), server ? &server_config : &client_config);
    assert_int_equal(s->m.impl->start(&s->m, &s->out), SB__MECH_ON);
}

static void finish(struct side *s)
{
    sb__mech_finish(&s->m);
    sb__bytes_finish(&s->out);
}

static sb__mech_step step(struct side *s, const char *body, size_t len)
{
    return s->m.impl->command(&s->m, (const uint8_t *)body, len, &s->out);
}

#define STEP(s, literal) step(s, literal, sizeof(literal) - 1)

static void assert_out(struct side *s, const char *text, size_t len)
{
    assert_int_equal(sb__bytes_len(&s->out), len);
    assert_memory_equal(sb__bytes_data(&s->out), text, len);
    sb__bytes_drop(&s->out, len);
}

#define ASSERT_OUT(s, literal) assert_out(s, literal, sizeof(literal) - 1)

static void test_client_says_hello_then_initiate(void **state)
{
    struct side c;

    (void)state;
    start(&c, false);
    ASSERT_OUT(&c, "\4\x11\5HELLO\3ada\6secret");
    assert_int_equal(STEP(&c, "\5READY"), SB__MECH_UNEXPECTED);
    assert_int_equal(STEP(&c, "\7WELCOME"), SB__MECH_ON);
    ASSERT_OUT(&c, "\4\12\x8INITIATEC");
    assert_int_equal(STEP(&c, "\7WELCOME"), SB__MECH_UNEXPECTED);
    assert_int_equal(STEP(&c, "\5READYxyz"), SB__MECH_DONE);
    assert_memory_equal(c.m.peer_metadata.p, "xyz", 3);
    assert_int_equal(STEP(&c, "\5READYxyz"), SB__MECH_UNEXPECTED);
    finish(&c);
}

static void test_server_asks_and_says_nothing_until_the_answer(void **state)
{
    struct side s;

    (void)state;
    start(&s, true);
    assert_int_equal(STEP(&s, "\5HELLO\3ada\6secret"), SB__MECH_ASK);
    assert_string_equal(s.m.credentials.username, "ada");
    assert_string_equal(s.m.credentials.password, "secret");
    assert_false(s.m.has_metadata);
    assert_int_equal(sb__bytes_len(&s.out), 0);
    assert_int_equal(STEP(&s, "\x8INITIATE"), SB__MECH_UNEXPECTED); /* not let in yet */
    assert_int_equal(STEP(&s, "\5HELLO\3ada\6secret"), SB__MECH_UNEXPECTED);
    assert_int_equal(s.m.impl->accept(&s.m, &s.out), SB__MECH_ON);
    ASSERT_OUT(&s, "\4\x8\7WELCOME");
    assert_int_equal(STEP(&s, "\x8INITIATExyz"), SB__MECH_HEAR);
    assert_memory_equal(s.m.peer_metadata.p, "xyz", 3);
    assert_int_equal(sb__bytes_len(&s.out), 0); /* what it says may change what we say */
    assert_int_equal(STEP(&s, "\x8INITIATExyz"), SB__MECH_UNEXPECTED);
    assert_int_equal(s.m.impl->accept(&s.m, &s.out), SB__MECH_DONE);
    ASSERT_OUT(&s, "\4\7\5READYS");
    finish(&s);
}

static void test_commands_of_the_wrong_shape_are_malformed(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } bad[] = {{"\5HELLO", 6}, {"\5HELLO\3ad", 9}, {"\5HELLO\3ada", 10}, {"\5HELLO\3ada\6secre", 16},
        {"\5HELLO\3ada\6secretX", 18}, {"", 0}, {"\0", 1}, {"\6HELLO", 6}};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct side s;

        start(&s, true);
        assert_int_equal(step(&s, bad[i].text, bad[i].len), SB__MECH_MALFORMED);
        finish(&s);
    }
    struct side c;
    start(&c, false);
    assert_int_equal(STEP(&c, "\7WELCOMEX"), SB__MECH_MALFORMED);
    finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_says_hello_then_initiate),
        cmocka_unit_test(test_server_asks_and_says_nothing_until_the_answer),
        cmocka_unit_test(test_commands_of_the_wrong_shape_are_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
