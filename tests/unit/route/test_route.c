/* Route tables give the answers of a naive matcher, whatever their size; weights, refusals and texts. */
#include "engine/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct sb_socket {
    const char *name;
};

static struct sb_socket eu = {"eu"}, us = {"us"}, dlq = {"dlq"};

static const char *name_of(const sb_socket *sock)
{
    return sock->name;
}

static sb_route_row prefix(uint32_t frame, const char *bytes, sb_socket *to)
{
    return (sb_route_row){.frame = frame,
        .bytes = (const uint8_t *)bytes,
        .len = strlen(bytes),
        .action = SB_ROUTE_TO,
        .to = {to},
        .nto = 1};
}

static sb_route_row equals(uint32_t frame, const char *bytes, sb_socket *to)
{
    sb_route_row row = prefix(frame, bytes, to);

    row.equals = true;
    return row;
}

static sb_route *create(const sb_route_row *rows, size_t n)
{
    char err[128];
    sb_route *route = NULL;

    if (sb_route_create(rows, n, err, sizeof err, &route) != SB_OK)
        fail_msg("%s", err);
    assert_string_equal(err, "");
    return route;
}

static int match(const sb_route *route, const char *one, const char *two)
{
    sb_msg msg;
    int row;

    sb_msg_init(&msg);
    sb_msg_push(&msg, "id", 2, NULL);
    msg.envelope = 1;
    sb_msg_push(&msg, one, strlen(one), NULL);
    if (two != NULL)
        sb_msg_push(&msg, two, strlen(two), NULL);
    row = sb_route_match(route, &msg);
    sb_msg_finish(&msg);
    return row;
}

/* ---- against a naive matcher ---- */

static bool row_matches(const sb_route_row *row, const sb_msg *msg)
{
    const sb_frame *f;

    if (row->frame == 0)
        return true;
    if (row->frame > sb_msg_count(msg))
        return false;
    f = sb_msg_frame(msg, row->frame - 1);
    if (row->equals ? f->len != row->len : f->len < row->len)
        return false;
    return row->len == 0 || memcmp(f->data, row->bytes, row->len) == 0;
}

static int naive_match(const sb_route_row *rows, size_t n, const sb_msg *msg)
{
    for (size_t i = 0; i < n; i++)
        if (row_matches(&rows[i], msg))
            return (int)i;
    return -1;
}

static uint32_t rng;

static uint32_t pick(uint32_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 17;
    rng ^= rng << 5;
    return rng % below;
}

#define LONGEST 24

/* Few letters and shared beginnings, so that rows overlap; high octets too. */
static size_t random_octets(uint8_t *out)
{
    static const uint8_t letters[] = {'a', 'b', 0, 0xff};
    size_t len = pick(4) == 0 ? pick(LONGEST) : pick(12);

    for (size_t i = 0; i < len; i++)
        out[i] = i < 3 && pick(2) ? 'a' : letters[pick(4)];
    return len;
}

static bool shadowed(const sb_route_row *rows, size_t n, const sb_route_row *row)
{
    for (size_t i = 0; i < n; i++) {
        const sb_route_row *r = &rows[i];
        bool same = r->frame == row->frame && row->len >= r->len && memcmp(row->bytes, r->bytes, r->len) == 0;

        if (same && (!r->equals || (row->equals && row->len == r->len)))
            return true;
    }
    return false;
}

/* As many rows as asked for that the compiler will not refuse. */
static size_t random_rows(sb_route_row *rows, uint8_t (*bytes)[LONGEST], size_t want, uint32_t frames)
{
    size_t n = 0;

    for (size_t tries = 0; n < want && tries < want * 50; tries++) {
        sb_route_row row = prefix(1 + pick(frames), "", &eu);

        row.len = random_octets(bytes[n]);
        row.bytes = bytes[n];
        row.equals = pick(3) == 0;
        if (row.len < (want > 100 ? 6 : 2) && !row.equals)
            continue; /* would shadow too much */
        if (!shadowed(rows, n, &row))
            rows[n++] = row;
    }
    return n;
}

static void compare(const sb_route *route, const sb_route_row *rows, size_t n, uint32_t frames)
{
    unsigned hits = 0;

    for (int i = 0; i < (n > 1000 ? 1000 : 2000); i++) {
        uint8_t octets[3][LONGEST * 2];
        sb_msg msg;
        int expected;

        sb_msg_init(&msg);
        for (uint32_t f = 0; f < 1 + pick(frames); f++) {
            size_t len = random_octets(octets[f]);
            const sb_route_row *like = &rows[pick((uint32_t)n)];

            if (pick(2)) { /* begin like a row, go on by chance */
                memcpy(octets[f], like->bytes, like->len);
                len = like->len + (pick(2) ? random_octets(octets[f] + like->len) : 0);
            }
            sb_msg_push(&msg, octets[f], len, NULL);
        }
        expected = naive_match(rows, n, &msg);
        hits += expected >= 0;
        assert_int_equal(sb_route_match(route, &msg), expected);
        sb_msg_finish(&msg);
    }
    assert_true(hits > 100);
}

static void test_tables_of_any_size_agree_with_a_naive_matcher(void **state)
{
    static const size_t sizes[] = {1, 2, 7, 8, 9, 10, 100, 10000};
    sb_route_row *rows = calloc(10000, sizeof *rows);
    uint8_t(*bytes)[LONGEST] = calloc(10001, LONGEST);

    (void)state;
    rng = 20260101;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int round = 0; round < (sizes[i] > 1000 ? 2 : 6); round++) {
            uint32_t frames = round % 2 ? 3 : 1;
            size_t n = random_rows(rows, bytes, sizes[i], frames);
            sb_route *route = create(rows, n);

            assert_int_equal(n, sizes[i]);
            assert_int_equal(sb_route_count(route), n);
            compare(route, rows, n, frames);
            sb_route_destroy(route);
        }
    free(bytes);
    free(rows);
}

/* ---- corners ---- */

static void test_no_rows_match_nothing(void **state)
{
    sb_route *route = create(NULL, 0);

    (void)state;
    assert_int_equal(match(route, "a", NULL), -1);
    assert_null(sb_route_get(route, 0));
    sb_route_destroy(route);
}

static void test_first_match_wins_and_envelopes_do_not_count(void **state)
{
    const sb_route_row rows[] = {
        prefix(1, "order.eu.", &eu), prefix(1, "order.", &us), equals(2, "PING", &eu), prefix(0, "", &dlq)};
    sb_route *route = create(rows, 4);

    (void)state;
    assert_int_equal(match(route, "order.eu.1", "PING"), 0);
    assert_int_equal(match(route, "order.e", "PING"), 1);
    assert_int_equal(match(route, "order", "PING"), 2);
    assert_int_equal(match(route, "order", "PING!"), 3);
    assert_int_equal(match(route, "", NULL), 3);
    sb_route_destroy(route);
}

static void test_an_empty_prefix_asks_for_the_frame_to_exist(void **state)
{
    const sb_route_row rows[] = {equals(2, "", &eu), prefix(2, "", &us)};
    sb_route *route = create(rows, 2);

    (void)state;
    assert_int_equal(match(route, "a", NULL), -1);
    assert_int_equal(match(route, "a", ""), 0);
    assert_int_equal(match(route, "a", "b"), 1);
    sb_route_destroy(route);
}

static void test_deeply_nested_prefixes_do_not_recurse(void **state)
{
    enum { N = 20000 };
    sb_route_row *rows = calloc(N, sizeof *rows);
    char *text = malloc(N + 1);
    sb_route *route;
    sb_msg msg;

    (void)state;
    memset(text, 'x', N);
    text[N] = '\0';
    for (int i = 0; i < N; i++) {
        rows[i] = prefix(1, "", &eu);
        rows[i].bytes = (const uint8_t *)text;
        rows[i].len = (size_t)(N - i);
    }
    route = create(rows, N);
    sb_msg_init(&msg);
    sb_msg_push(&msg, text, N - 5, NULL);
    assert_int_equal(sb_route_match(route, &msg), 5);
    sb_msg_finish(&msg);
    sb_route_destroy(route);
    free(text);
    free(rows);
}

static void assert_refused(const sb_route_row *rows, size_t n, const char *text)
{
    char err[128];
    sb_route *route = NULL;

    assert_int_equal(sb_route_create(rows, n, err, sizeof err, &route), SB_EINVAL);
    assert_string_equal(err, text);
    assert_int_equal(sb_route_create(rows, n, NULL, 0, &route), SB_EINVAL);
    assert_null(route);
}

static void test_rows_that_can_never_match_are_refused(void **state)
{
    const sb_route_row after_all[] = {prefix(1, "a", &eu), prefix(0, "", &us), prefix(1, "b", &eu)};
    const sb_route_row shadow[] = {
        prefix(1, "order.", &us), prefix(2, "order.eu.", &eu), prefix(1, "order.eu.", &eu)};
    const sb_route_row twice[] = {equals(1, "a", &us), prefix(1, "a", &us), equals(1, "a", &us)};

    (void)state;
    assert_refused(after_all, 3, "row 3 can never match: row 2 matches everything before it");
    assert_refused(shadow, 3, "row 3 can never match: row 1 matches all of it before");
    assert_refused(twice, 3, "row 3 can never match: row 1 matches all of it before");
}

static void test_rows_without_an_end_are_refused(void **state)
{
    sb_route_row none = prefix(1, "a", NULL), call = prefix(1, "a", &eu), many = prefix(1, "a", &eu);

    (void)state;
    assert_refused(&none, 1, "row 1: target 1 is no socket");
    none.nto = 0;
    assert_refused(&none, 1, "row 1 has no target");
    many.nto = SB_ROUTE_TARGETS + 1;
    assert_refused(&many, 1, "row 1 has 17 targets, at most 16 are possible");
    call.action = SB_ROUTE_CALL;
    assert_refused(&call, 1, "row 1 has no function");
}

static void test_targets_take_turns_by_weight(void **state)
{
    sb_route_row row = prefix(0, "", &eu);
    sb_route *route;
    char turns[12] = "";
    unsigned count = 0;

    (void)state;
    row.to[1] = &us;
    row.nto = 2;
    row.weight[0] = 3; /* and 0, which counts as 1 */
    route = create(&row, 1);
    for (int i = 0; i < 8; i++)
        turns[i] = sb_route_pick(route, 0) == &eu ? 'e' : 'u';
    assert_string_equal(turns, "eeueeeue");
    sb_route_destroy(route);
    row.weight[0] = 90;
    row.weight[1] = 10;
    route = create(&row, 1);
    for (int i = 0; i < 1000; i++)
        count += sb_route_pick(route, 0) == &us;
    assert_int_equal(count, 100);
    sb_route_destroy(route);
}

static void assert_explains(const sb_route *route, size_t row, const char *text)
{
    char out[200], small[20];

    sb_route_explain(route, row, name_of, out, sizeof out);
    assert_string_equal(out, text);
    sb_route_explain(route, row, name_of, small, sizeof small);
    assert_int_equal(strlen(small), strlen(text) < 19 ? strlen(text) : 19);
    assert_memory_equal(small, text, strlen(small));
}

static void test_rows_explain_themselves(void **state)
{
    sb_route_row rows[5] = {prefix(1, "order.", &us), equals(2, "P\1\"", &eu), prefix(3, "x", NULL),
        prefix(3, "y", NULL), prefix(0, "", &dlq)};
    sb_route *route;

    (void)state;
    rows[0].to[1] = &eu;
    rows[0].nto = 2;
    rows[0].weight[0] = 10;
    rows[0].weight[1] = 90;
    rows[2].action = SB_ROUTE_REPLY;
    rows[2].reply = (const uint8_t *)"PONG";
    rows[2].reply_len = 4;
    rows[3].action = SB_ROUTE_DROP;
    rows[4].reason = "no route";
    route = create(rows, 5);
    assert_explains(route, 0, "row 1: frame 1 starts with \"order.\" -> us (10), eu (90)");
    assert_explains(route, 1, "row 2: frame 2 equals \"P\\x01\\\"\" -> eu");
    assert_explains(route, 2, "row 3: frame 3 starts with \"x\" -> reply \"PONG\"");
    assert_explains(route, 3, "row 4: frame 3 starts with \"y\" -> drop");
    assert_explains(route, 4, "row 5: every message -> dlq as dead letter: no route");
    assert_explains(route, 5, "");
    sb_route_destroy(route);
}

struct counted {
    sb_route_call base;
    int destroyed;
};

static void count_destroy(sb_route_call *self)
{
    ((struct counted *)self)->destroyed++;
}

static void test_calls_belong_to_a_table_that_was_made(void **state)
{
    struct counted call = {.base = {.destroy = count_destroy}};
    sb_route_row rows[2] = {prefix(1, "a", NULL), prefix(1, "ab", &eu)};

    (void)state;
    rows[0].action = SB_ROUTE_CALL;
    rows[0].call = &call.base;
    assert_refused(rows, 2, "row 2 can never match: row 1 matches all of it before");
    assert_int_equal(call.destroyed, 0);
    sb_route_destroy(create(rows, 1));
    assert_int_equal(call.destroyed, 1);
    sb_route_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_of_any_size_agree_with_a_naive_matcher),
        cmocka_unit_test(test_no_rows_match_nothing),
        cmocka_unit_test(test_first_match_wins_and_envelopes_do_not_count),
        cmocka_unit_test(test_an_empty_prefix_asks_for_the_frame_to_exist),
        cmocka_unit_test(test_deeply_nested_prefixes_do_not_recurse),
        cmocka_unit_test(test_rows_that_can_never_match_are_refused),
        cmocka_unit_test(test_rows_without_an_end_are_refused),
        cmocka_unit_test(test_targets_take_turns_by_weight),
        cmocka_unit_test(test_rows_explain_themselves),
        cmocka_unit_test(test_calls_belong_to_a_table_that_was_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
