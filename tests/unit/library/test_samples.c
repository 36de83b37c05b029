/* Numbers of a board as Prometheus' text: families together, names unique, values exact. */
#include "engine/socket.h"
#include "modules/library/samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SB "local sb = require 'signalbox'\n"

static sb_board *open_board(const char *const *texts, const char *const *names, size_t n)
{
    sb_script_config scripts[4] = {0};
    sb_board_error error;
    sb_board *board;
    for (size_t i = 0; i < n; i++)
        scripts[i] = (sb_script_config){.name = names[i], .source = texts[i], .source_len = strlen(texts[i])};
    const sb_board_config cfg = {.backend = "uv", .scripts = scripts, .nscripts = n};
    if (sb_board_create(&cfg, &error, &board) != SB_OK)
        fail_msg("%s", error.text);
    return board;
}

static void expect_line(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    while (at != NULL && !((at == text || at[-1] == '\n') && at[strlen(line)] == '\n'))
        at = strstr(at + 1, line);
    if (at == NULL)
        fail_msg("no line '%s' in:\n%s", line, text);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
        n++;
    return n;
}

static void test_sockets_and_scripts_are_told(void **state)
{
    (void)state;
    const char *texts[] = {SB "sb.pull { name = 'in', bind = 'inproc://x' }"
                              "local out = sb.push { name = 'out', connect = 'inproc://x', sndhwm = 0 }"
                              "for i = 1, 3 do out:send('x') end\n"
                              "sb.metrics { counter = 'orders_total', help = 'all \"orders\"' }:add(2)"};
    const char *names[] = {"a.lua"};
    sb_board *board = open_board(texts, names, 1);
    for (int i = 0; i < 20; i++)
        sb_engine_step(sb_board_engine(board));
    sb_text out = {0};
    sb_board_metrics(board, &out);
    assert_false(out.failed);
    const char *text = out.text;
    expect_line(text, "# TYPE signalbox_messages_total counter");
    expect_line(text, "signalbox_messages_total{socket=\"out\",dir=\"out\"} 3");
    expect_line(text, "signalbox_peers{socket=\"in\"} 1");
    expect_line(text, "signalbox_queue_messages{socket=\"in\",dir=\"in\"} 3");
    expect_line(text, "signalbox_dropped_total{socket=\"in\",reason=\"hwm\"} 0");
    expect_line(text, "# TYPE signalbox_handshakes_delayed_total counter");
    expect_line(text, "signalbox_handshakes_delayed_total{socket=\"in\"} 0");
    expect_line(text, "signalbox_script_errors_total{script=\"a.lua\"} 0");
    expect_line(text, "signalbox_loop_info{backend=\"uv\"} 1");
    expect_line(text, "# HELP orders_total all \\\"orders\\\"");
    expect_line(text, "orders_total{script=\"a.lua\"} 2");
    sb_text_finish(&out);
    sb_board_destroy(board);
}

static void test_a_family_comes_once_however_many_scripts_have_it(void **state)
{
    (void)state;
    const char *text1 = SB "sb.pull { bind = 'inproc://a' } sb.metrics { gauge = 'depth' }:set(1.5)";
    const char *text2 = SB "sb.pull { bind = 'inproc://b' } sb.metrics { gauge = 'other' }:set(7)"
                           " sb.metrics { gauge = 'depth' }:set(2)";
    const char *texts[] = {text1, text2}, *names[] = {"same.lua", "same.lua"};
    sb_board *board = open_board(texts, names, 2);
    sb_text out = {0};
    sb_board_metrics(board, &out);
    const char *text = out.text;
    assert_int_equal(count(text, "# TYPE depth gauge"), 1);
    expect_line(text, "depth{script=\"same.lua\"} 1.5");
    expect_line(text, "depth{script=\"same.lua#2\"} 2");
    expect_line(text, "other{script=\"same.lua#2\"} 7");
    assert_int_equal(count(text, "# TYPE signalbox_peers gauge"), 1);
    assert_int_equal(count(text, "# TYPE signalbox_script_seconds histogram"), 1);
    expect_line(text, "signalbox_script_seconds_count{script=\"same.lua\"} 0");
    sb_text_finish(&out);
    sb_board_destroy(board);
}

static void test_what_a_label_says_cannot_break_the_text(void **state)
{
    (void)state;
    sb_exposition e = {0};
    const sb_sample sample = {.family = "f",
        .suffix = "",
        .help = "",
        .kind = SB_SAMPLE_GAUGE,
        .labels = {{"socket", "a\"b\\c\nd"}},
        .value = 1e300};
    sb_exposition_add(&e, &sample);
    assert_string_equal(e.text.text, "# TYPE f gauge\nf{socket=\"a\\\"b\\\\c\\nd\"} 1e+300\n");
    sb_text_finish(&e.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sockets_and_scripts_are_told),
        cmocka_unit_test(test_a_family_comes_once_however_many_scripts_have_it),
        cmocka_unit_test(test_what_a_label_says_cannot_break_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
