/* Sends one message through a routed broker on the fake loop and compares the stops it passes with the table
 * in docs/path-of-a-message.md. Built from the sources with SB_TRACE_PATH, so that every stop reports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backends/fake/fake.h"
#include "engine/signalbox.h"
#include "engine/trace.h"
#include "lua/script.h"
#include "tests/raw_peer.h"

#define STOPS 15

typedef struct stop {
    int number;
    char function[64];
    char file[96];
} stop;

static bool tracing;
static stop passed[64];
static size_t npassed;

void sb__trace(int number, const char *function)
{
    if (!tracing || npassed == sizeof passed / sizeof passed[0])
        return;
    passed[npassed].number = number;
    snprintf(passed[npassed++].function, sizeof passed[0].function, "%s", function);
}

/* Rows "| 7 | text | file ... | function |". */
static size_t read_table(stop *stops)
{
    char path[512], line[512];
    size_t n = 0;
    const char *source = getenv("SB_SOURCE");
    snprintf(path, sizeof path, "%s/docs/path-of-a-message.md", source != NULL ? source : ".");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL && n < STOPS) {
        char *save, *cell = strtok_r(line, "|", &save);
        int number = cell != NULL ? atoi(cell) : 0;
        if (number == 0)
            continue;
        strtok_r(NULL, "|", &save);
        char *file = strtok_r(NULL, "|", &save), *function = strtok_r(NULL, "|", &save);
        assert_non_null(function);
        stops[n].number = number;
        assert_int_equal(sscanf(file, "%95s", stops[n].file), 1);
        assert_int_equal(sscanf(function, "%63s", stops[n].function), 1);
        n++;
    }
    fclose(f);
    return n;
}

static const char script[] =
    "local sb = require 'signalbox'\n"
    "local front = sb.pull { name = 'front', bind = 'tcp://127.0.0.1:1' }\n"
    "local back = sb.push { name = 'back', bind = 'tcp://127.0.0.1:2' }\n"
    "front:route { { frame = 1, prefix = 'x', to = function(msg) return back end } }\n";

static void send_one(sb_loop *loop, sb_fake_raw *from, sb_fake_raw *to)
{
    uint8_t got[256];
    size_t before = sb_fake_raw_available(to);
    npassed = 0;
    tracing = true;
    raw_put(from, "\0\5x.abc", 7);
    assert_true(sb_fake_settle(loop, 1000));
    tracing = false;
    assert_int_equal(sb_fake_raw_available(to), before + 7);
    size_t n = sb_fake_raw_read(to, got, sizeof got);
    assert_memory_equal(got + n - 7, "\0\5x.abc", 7);
}

/* Every stop, in order; a stop may be seen again by the next bytes, so only first times count. */
static void expect_stops(const stop *table)
{
    size_t next = 0;
    for (size_t i = 0; i < npassed && next < STOPS; i++) {
        if (passed[i].number != table[next].number)
            continue;
        assert_string_equal(passed[i].function, table[next].function);
        next++;
    }
    if (next < STOPS)
        fail_msg("stop %d (%s) was not passed in order", table[next].number, table[next].function);
}

static void test_a_message_passes_the_fifteen_stops_of_the_page_in_order(void **state)
{
    (void)state;
    stop table[STOPS];
    char err[512] = "";
    sb_loop *loop;
    sb_engine *engine;
    sb_script *s;
    assert_int_equal(read_table(table), STOPS);
    for (int i = 0; i < STOPS; i++)
        assert_int_equal(table[i].number, i + 1);
    assert_int_equal(sb_fake_create(&loop), SB_OK);
    sb_engine_config cfg = {.loop = loop};
    assert_int_equal(sb_engine_create(&cfg, err, sizeof err, &engine), SB_OK);
    sb_script_config sc = {
        .name = "path.lua", .source = script, .source_len = strlen(script), .phase = SB_SCRIPT_RUN};
    if (sb_script_load(engine, &sc, err, sizeof err, &s) != SB_OK)
        fail_msg("%s", err);
    sb_fake_raw *to = raw_join(loop, 2, "PULL"), *from = raw_join(loop, 1, "PUSH");
    send_one(loop, from, to);
    expect_stops(table);
    sb_fake_raw_close(from, SB_OK);
    sb_fake_raw_close(to, SB_OK);
    sb_script_destroy(s);
    sb_engine_destroy(engine);
    sb_loop_destroy(loop);
}

static void test_every_stop_is_where_the_page_says(void **state)
{
    (void)state;
    stop table[STOPS];
    assert_int_equal(read_table(table), STOPS);
    for (int i = 0; i < STOPS; i++) {
        char path[512], line[512], mark[32];
        bool found = false;
        const char *source = getenv("SB_SOURCE");
        snprintf(path, sizeof path, "%s/%s", source != NULL ? source : ".", table[i].file);
        snprintf(mark, sizeof mark, "SB_TRACE(%d)", table[i].number);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        while (!found && fgets(line, sizeof line, f) != NULL)
            found = strstr(line, mark) != NULL;
        fclose(f);
        if (!found)
            fail_msg("%s is not in %s", mark, table[i].file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_passes_the_fifteen_stops_of_the_page_in_order),
        cmocka_unit_test(test_every_stop_is_where_the_page_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
