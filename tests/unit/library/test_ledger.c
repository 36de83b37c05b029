/* Counters in a zone go on from board to board; gauges are not kept; a full zone loses nothing for good. */
#include "engine/base/zone.h"
#include "engine/socket.h"
#include "modules/library/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE (64 * 1024)

static const char source[] = "local sb = require 'signalbox'\n"
                             "sb.pull { name = 'in', bind = 'inproc://x' }\n"
                             "local out = sb.push { name = 'out', connect = 'inproc://x' }\n"
                             "for i = 1, 3 do out:send('x') end\n"
                             "sb.metrics { gauge = 'level' }:set(7)\n"
                             "sb.metrics { counter = 'orders_total' }:add(2)\n";

static sb_board *open_board(void)
{
    sb_script_config script = {.name = "a.lua", .source = source, .source_len = strlen(source)};
    const sb_board_config cfg = {.backend = "uv", .scripts = &script, .nscripts = 1};
    sb_board_error error;
    sb_board *board;
    if (sb_board_create(&cfg, &error, &board) != SB_OK)
        fail_msg("%s", error.text);
    for (int i = 0; i < 20; i++)
        sb_engine_step(sb_board_engine(board));
    return board;
}

static void *zeroed(void)
{
    void *mem = aligned_alloc(64, SIZE);
    assert_non_null(mem);
    return memset(mem, 0, SIZE);
}

typedef struct wanted {
    const char *name;
    double value; /* -1: not told */
} wanted;

static void look(void *arg, const char *name, double value)
{
    wanted *w = arg;
    if (strcmp(name, w->name) == 0)
        w->value = value;
}

static double total(sb_ledger *ledger, const char *name)
{
    wanted w = {name, -1};
    assert_int_equal(sb_ledger_each(ledger, look, &w), SB_OK);
    return w.value;
}

/* One life: a board that counts, looked at twice. */
static void live(void *mem)
{
    sb_ledger *ledger;
    sb_board *board = open_board();
    assert_int_equal(sb_ledger_create(mem, SIZE, &ledger), SB_OK);
    sb_ledger_take(ledger, board);
    sb_ledger_take(ledger, board);
    sb_ledger_destroy(ledger);
    sb_board_destroy(board);
}

static void test_totals_go_on_from_board_to_board(void **state)
{
    (void)state;
    void *mem = zeroed();
    sb_ledger *ledger;
    for (int n = 1; n <= 3; n++) {
        live(mem);
        assert_int_equal(sb_ledger_create(mem, SIZE, &ledger), SB_OK);
        assert_true(total(ledger, "signalbox_messages_total{socket=\"out\",dir=\"out\"}") == 3 * n);
        assert_true(total(ledger, "orders_total{script=\"a.lua\"}") == 2 * n);
        assert_true(total(ledger, "level{script=\"a.lua\"}") == -1);
        sb_ledger_destroy(ledger);
    }
    free(mem);
}

static void test_what_did_not_fit_is_added_later(void **state)
{
    (void)state;
    void *mem = zeroed();
    sb__zone zone;
    sb_ledger *ledger;
    static char filler[4000];
    const sb__zone_value v = {.type = SB__ZONE_STRING, .data = filler, .len = sizeof filler};
    assert_int_equal(sb__zone_open(mem, SIZE, &zone), SB_OK);
    char key = 'a';
    sb__zone_key k = {.name = "d", .key = &key, .len = 1};
    for (; sb__zone_set(&zone, &k, &v, 0, 0, false) == SB_OK; key++)
        ;
    for (char small[8] = "s00"; small[1] < '9'; small[2] == '9' ? (small[1]++, small[2] = '0') : small[2]++) {
        sb__zone_key s = {.name = "d", .key = small, .len = 3};
        const sb__zone_value one = {.type = SB__ZONE_INTEGER, .integer = 1};
        sb__zone_set(&zone, &s, &one, 0, 0, false);
    }
    sb_board *board = open_board();
    assert_int_equal(sb_ledger_create(mem, SIZE, &ledger), SB_OK);
    sb_ledger_take(ledger, board);
    assert_true(total(ledger, "orders_total{script=\"a.lua\"}") == -1);
    key = 'a';
    assert_int_equal(sb__zone_delete(&zone, &k), SB_OK);
    key = 'b';
    assert_int_equal(sb__zone_delete(&zone, &k), SB_OK);
    sb_ledger_take(ledger, board);
    assert_true(total(ledger, "orders_total{script=\"a.lua\"}") == 2);
    sb_ledger_destroy(ledger);
    sb_board_destroy(board);
    free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals_go_on_from_board_to_board),
        cmocka_unit_test(test_what_did_not_fit_is_added_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
