/* Segments in any order become octets in order, within bounds. */
#include "modules/standalone/dump/flow.h"
#include "modules/standalone/dump/early.h"
#include "tests/unit/dump/heard.h"

#include <stdio.h>

#define ZEROS8 "\0\0\0\0\0\0\0\0"
static const uint8_t session[] =
    "\xff\0\0\0\0\0\0\0\1\x7f\3\1NULL" ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 "\0\5hello\0\5there";
#define SESSION (sizeof session - 1)
#define FROM    "10.0.0.1:1000 > 10.0.0.2:5555 "
#define LINES                                                                                                \
    FROM "greeting 3.1 NULL\n" FROM "message 1 frame 5 octets: \"hello\"\n" FROM                             \
         "message 1 frame 5 octets: \"there\"\n"

typedef struct world {
    flows flows;
    heard heard;
} world;

static void world_init(world *w)
{
    heard_clear(&w->heard);
    w->flows = (flows){.say = hear, .user = &w->heard, .shown = 64};
    flows_init(&w->flows);
}

static place place_of(uint8_t last, unsigned port)
{
    return (place){
        .address = {[10] = 0xff, 0xff, 10, 0, 0, last}, .port = {(uint8_t)(port >> 8), (uint8_t)port}};
}

/* From the client, octets [at, at + len) of the session when its first one has number `first`. */
static segment piece(uint32_t first, size_t at, size_t len)
{
    return (segment){.from = place_of(1, 1000),
        .to = place_of(2, 5555),
        .seq = first + (uint32_t)at,
        .data = session + at,
        .len = len};
}

static void take(world *w, segment s)
{
    assert_true(flows_take(&w->flows, &s));
}

static void open_at(world *w, uint32_t first)
{
    segment syn = piece(first - 1, 0, 0);
    syn.syn = true;
    take(w, syn);
}

static void test_in_order(void **state)
{
    world w;
    (void)state;
    for (size_t at = 0; at <= SESSION; at++) {
        world_init(&w);
        open_at(&w, 7);
        take(&w, piece(7, 0, at));
        take(&w, piece(7, at, SESSION - at));
        assert_string_equal(w.heard.text, LINES);
        flows_finish(&w.flows);
    }
}

/* Backwards, over the end of the numbers, everything twice. */
static void test_out_of_order(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    open_at(&w, UINT32_MAX - 30);
    for (size_t at = SESSION; at > 0; at -= at < 6 ? at : 6) {
        size_t start = at < 6 ? 0 : at - 6;
        take(&w, piece(UINT32_MAX - 30, start, at - start));
        take(&w, piece(UINT32_MAX - 30, start, at - start));
    }
    assert_string_equal(w.heard.text, LINES);
    flows_finish(&w.flows);
}

static void test_what_overlaps_counts_once(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    open_at(&w, 0);
    for (size_t at = 0; at < SESSION; at += 5)
        take(&w, piece(0, at > 8 ? at - 8 : 0, SESSION - at < 13 ? SESSION - (at > 8 ? at - 8 : 0) : 13));
    assert_string_equal(w.heard.text, LINES);
    flows_finish(&w.flows);
}

static void test_a_hole_ends_it(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    open_at(&w, 0);
    take(&w, piece(0, 0, 64));
    for (int i = 0; i < EARLY_MAX + 1; i++)
        take(&w, piece(0, 70, 5));
    take(&w, piece(0, 64, SESSION - 64));
    assert_string_equal(
        w.heard.text, FROM "greeting 3.1 NULL\n" FROM "octets were not captured, not decoded any more\n");
    flows_finish(&w.flows);
}

static void test_cut_packets_end_it(void **state)
{
    world w;
    segment cut = piece(0, 0, 64);
    (void)state;
    cut.missing = 1;
    world_init(&w);
    open_at(&w, 0);
    take(&w, cut);
    take(&w, piece(0, 65, 6));
    assert_string_equal(w.heard.text,
        FROM "greeting 3.1 NULL\n" FROM "the capture holds packets in part only, not decoded any more\n");
    flows_finish(&w.flows);
}

static void test_joined_in_the_middle(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    take(&w, piece(0, 64, 7));
    take(&w, piece(0, 71, 7));
    assert_string_equal(w.heard.text, FROM "joined in the middle, not decoded\n");
    flows_finish(&w.flows);
    world_init(&w);
    take(&w, piece(0, 0, SESSION)); /* but before its first octet */
    assert_string_equal(w.heard.text, LINES);
    flows_finish(&w.flows);
}

static void test_ends(void **state)
{
    world w;
    segment fin = piece(0, 64, 3), reset = piece(0, 0, 0);
    (void)state;
    fin.fin = true;
    world_init(&w);
    open_at(&w, 0);
    take(&w, fin); /* before what it ends */
    take(&w, piece(0, 0, 64));
    take(&w, fin);
    take(&w, fin);
    assert_string_equal(w.heard.text,
        FROM "greeting 3.1 NULL\n" FROM "ended within a frame: 4 of 5 octets are missing\n" FROM "closed\n");
    reset.rst = true;
    heard_clear(&w.heard);
    take(&w, reset);
    take(&w, reset);
    assert_string_equal(w.heard.text, FROM "reset\n");
    heard_clear(&w.heard);
    open_at(&w, 500); /* the same ports again */
    take(&w, piece(500, 0, SESSION));
    assert_string_equal(w.heard.text, LINES);
    flows_finish(&w.flows);
}

/* Who was quiet longest is forgotten; all is freed. */
static void test_connections_are_bounded(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    for (unsigned i = 0; i < 3 * FLOWS_MAX; i++) {
        segment s = piece(0, 0, 20);
        s.from = place_of(3, i);
        s.syn = true;
        s.seq = UINT32_MAX;
        take(&w, s);
        assert_true(w.flows.map.n <= FLOWS_MAX);
        heard_clear(&w.heard);
    }
    for (unsigned i = 0; i < FLOWS_MAX; i++) { /* each of the last ones is still followed */
        segment s = piece(0, 20, 44);
        s.from = place_of(3, 2 * FLOWS_MAX + i);
        take(&w, s);
        assert_non_null(strstr(w.heard.text, "greeting 3.1 NULL\n"));
        heard_clear(&w.heard);
    }

    flows_finish(&w.flows);
}

static void test_ipv6_has_brackets(void **state)
{
    world w;
    segment s = piece(0, 0, 64);
    (void)state;
    memset(s.from.address, 0, 16);
    s.from.address[15] = 1;
    world_init(&w);
    take(&w, s);
    assert_string_equal(w.heard.text, "[::1]:1000 > 10.0.0.2:5555 greeting 3.1 NULL\n");
    flows_finish(&w.flows);
}

static void test_early_octets_are_bounded(void **state)
{
    early e = {0};
    static uint8_t block[400];
    (void)state;
    assert_true(early_add(&e, 10, block, 400, 4, 1000));
    assert_true(early_add(&e, 500, block, 400, 4, 1000));
    assert_false(early_add(&e, 1000, block, 400, 4, 1000));
    assert_true(early_add(&e, 1000, block, 100, 4, 1000));
    assert_true(early_add(&e, 1100, block, 100, 4, 1000));
    assert_false(early_add(&e, 1200, block, 0, 4, 1000));
    assert_null(early_take(&e, 9));
    early_finish(&e);
    assert_int_equal(e.octets, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_out_of_order),
        cmocka_unit_test(test_what_overlaps_counts_once),
        cmocka_unit_test(test_a_hole_ends_it),
        cmocka_unit_test(test_cut_packets_end_it),
        cmocka_unit_test(test_joined_in_the_middle),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_connections_are_bounded),
        cmocka_unit_test(test_ipv6_has_brackets),
        cmocka_unit_test(test_early_octets_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
