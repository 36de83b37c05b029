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

#define SIZE (256 * 1024)

static const char source[] = "local sb = require 'signalbox'\n"
                             "sb.pull { name = 'in', bind = 'inproc://x' }\n"
                             "local out = sb.push { name = 'out', connect = 'inproc://x' }\n"
                             "for i = 1, 3 do out:send('x') end\n"
                             "sb.metrics { gauge = 'level' }:set(7)\n"
                             "sb.metrics { counter = 'orders_total' }:add(2)\n";

static sb_board *open_worker(uint32_t worker, uint32_t workers)
{
    sb_script_config script = {.name = "a.lua", .source = source, .source_len = strlen(source)};
    const sb_board_config cfg = {
        .backend = "uv", .scripts = &script, .nscripts = 1, .worker = worker, .workers = workers};
    sb_board_error error;
    sb_board *board;
    if (sb_board_create(&cfg, &error, &board) != SB_OK)
        fail_msg("%s", error.text);
    for (int i = 0; i < 20; i++)
        sb_engine_step(sb_board_engine(board));
    return board;
}

static sb_board *open_board(void)
{
    return open_worker(0, 0);
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

static void expect_in(const sb_text *text, const char *line, bool there)
{
    if ((strstr(text->text, line) != NULL) != there)
        fail_msg("%s \"%s\" in:\n%s", there ? "no" : "there is", line, text->text);
}

static void test_workers_show_each_other_what_they_have_now(void **state)
{
    (void)state;
    void *mem = zeroed();
    sb_ledger *ledgers[2];
    sb_board *boards[2];
    sb_text metrics = {0}, status = {0}, later = {0};
    for (uint32_t i = 0; i < 2; i++) {
        boards[i] = open_worker(i, 2);
        assert_int_equal(sb_ledger_create(mem, SIZE, &ledgers[i]), SB_OK);
        sb_board_set_ledger(boards[i], ledgers[i]);
    }
    sb_board_metrics(boards[1], &metrics); /* the other one has said nothing yet */
    expect_in(&metrics, "signalbox_peers{socket=\"in\",worker=\"1\"} 1\n", true);
    expect_in(&metrics, "worker=\"0\"", false);
    sb_board_status(boards[0], &status);
    expect_in(&status, "\"worker\":0,\"workers\":2,", true);
    expect_in(&status,
        "\"workers\":[{\"worker\":0,\"peers\":1,\"subscriptions\":0,\"messages\":{\"in\":0,\"out\":3}", true);
    expect_in(&status,
        "{\"worker\":1,\"peers\":1,\"subscriptions\":0,\"messages\":{\"in\":3,\"out\":0},\"bytes\":{\"in\":",
        true);
    sb_text_finish(&metrics);
    sb_board_metrics(boards[1], &metrics);
    expect_in(&metrics,
        "signalbox_peers{socket=\"in\",worker=\"0\"} 1\nsignalbox_peers{socket=\"in\",worker=\"1\"} 1\n",
        true);
    expect_in(&metrics, "signalbox_messages_total{socket=\"in\",dir=\"in\"} 6\n", true);
    expect_in(
        &metrics, "level{script=\"a.lua\",worker=\"0\"} 7\nlevel{script=\"a.lua\",worker=\"1\"} 7\n", true);
    double value;
    const sb_sample sample = {.family = "signalbox_peers", .suffix = "", .labels = {{"socket", "in"}}};
    assert_true(sb_ledger_of_worker(ledgers[1], boards[1], &sample, 0, &value));
    sb_ledger_leave(ledgers[0]);
    sb_ledger_take(ledgers[0], boards[0]);
    sb_board_status(boards[1], &later);
    for (int i = 0; i < 2; i++) {
        sb_ledger_destroy(ledgers[i]);
        sb_board_destroy(boards[i]);
    }
    sb_text_finish(&metrics);
    sb_text_finish(&status);
    sb_text_finish(&later);
    free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals_go_on_from_board_to_board),
        cmocka_unit_test(test_what_did_not_fit_is_added_later),
        cmocka_unit_test(test_workers_show_each_other_what_they_have_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
