/* Access logs: formats, escapes, samples; and one line for every way a message can take through a script. */
#include "engine/signalbox.h"
#include "modules/library/access.h"
#include "modules/library/board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct log {
    sb_tap tap;
    sb_access *access;
    char text[16384];
    size_t len;
} log;

static void on_passed(sb_tap *self, const sb_passage *passage)
{
    log *l = (log *)self;
    assert_true(l->len + SB_ACCESS_LINE < sizeof l->text);
    l->len += sb_access_line(l->access, passage, l->text + l->len);
    l->text[l->len] = '\0';
}

static void open_log(log *l, const sb_access_config *cfg)
{
    char err[256];
    *l = (log){.tap.passed = on_passed};
    if (sb_access_create(cfg, err, sizeof err, &l->access) != SB_OK)
        fail_msg("%s", err);
}

static sb_board *open_board(const char *source, log *l)
{
    sb_board_error error;
    sb_board *board;
    const sb_script_config script = {.name = "a.lua", .source = source, .source_len = strlen(source)};
    const sb_board_config cfg = {.backend = "uv", .scripts = &script, .nscripts = 1};
    if (sb_board_create(&cfg, &error, &board) != SB_OK)
        fail_msg("%s", error.text);
    sb_engine_set_tap(sb_board_engine(board), &l->tap);
    for (int i = 0; i < 200; i++)
        sb_engine_step(sb_board_engine(board));
    return board;
}

static void expect_line(const log *l, const char *text)
{
    char whole[256];
    snprintf(whole, sizeof whole, "%s\n", text);
    if (strstr(l->text, whole) == NULL)
        fail_msg("no line \"%s\" in:\n%s", text, l->text);
}

#define FEED                                                                                                 \
    "local from = sb.dealer { name = 'from', connect = 'inproc://front' }\n"                                 \
    "from:on_message(function() end)\n"

static void test_every_decision_is_a_line(void **state)
{
    (void)state;
    log l;
    open_log(&l, &(sb_access_config){.format = "$signalbox_socket $signalbox_topic $signalbox_size "
                                               "$signalbox_route ${signalbox_action} $signalbox_target "
                                               "$signalbox_reason"});
    sb_board *board = open_board("local sb = require 'signalbox'\n"
                                 "local front = sb.router { name = 'front', bind = 'inproc://front' }\n"
                                 "local back = sb.push { name = 'back', bind = 'inproc://back' }\n"
                                 "local sink = sb.pull { name = 'sink', connect = 'inproc://back' }\n"
                                 "sink:on_message(function() end)\n"
                                 "front:route {\n"
                                 "  { frame = 1, equals = 'to', to = back },\n"
                                 "  { frame = 1, equals = 'reply', reply = 'x' },\n"
                                 "  { frame = 1, equals = 'drop', drop = true },\n"
                                 "  { frame = 1, prefix = 'f.', to = function(msg)\n"
                                 "    if msg[1] == 'f.wait' then sb.sleep(0.001) end\n"
                                 "    if msg[1] == 'f.drop' then return sb.DROP, 'not today' end\n"
                                 "    if msg[1] == 'f.bad' then error('no such thing') end\n"
                                 "    if msg[1] == 'f.nil' then return nil, 'no idea' end\n"
                                 "    return back\n"
                                 "  end },\n"
                                 "}\n" FEED "for _, t in ipairs { 'to', 'reply', 'drop', 'f.on', 'f.wait', "
                                 "'f.drop', 'f.bad', 'f.nil', 'what' } do\n"
                                 "  from:send { t, 'abc' }\n"
                                 "end\n",
        &l);
    for (int i = 0; i < 300; i++) /* f.wait sleeps */
    {
        sb_engine_step(sb_board_engine(board));
        usleep(50);
    }
    expect_line(&l, "front to 5 1 to back -");
    expect_line(&l, "front reply 8 2 reply - -");
    expect_line(&l, "front drop 7 3 drop - -");
    expect_line(&l, "front f.on 7 4 to back -");
    expect_line(&l, "front f.wait 9 4 to back -");
    expect_line(&l, "front f.drop 9 4 drop - not today");
    expect_line(&l, "front f.bad 8 4 dead - a.lua:13: no such thing");
    expect_line(&l, "front f.nil 8 4 dead - no idea");
    expect_line(&l, "front what 7 - dead - no route");
    assert_non_null(
        strstr(l.text, " 10 - handled - -\n")); /* at the sink the routing id is a frame like others */
    expect_line(&l, "from x 1 - handled - -");
    size_t lines = 0;
    for (const char *at = l.text; *at != '\0'; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 9 + 3 + 1); /* one each, three arrive at the sink, one answer comes back */
    sb_board_destroy(board);
    sb_access_destroy(l.access);
}

static void test_actions_and_samples_choose(void **state)
{
    (void)state;
    log l;
    open_log(&l, &(sb_access_config){.format = "$signalbox_topic", .actions = "drop,dead", .sample = 2});
    sb_board *board = open_board("local sb = require 'signalbox'\n"
                                 "local front = sb.router { name = 'front', bind = 'inproc://front' }\n"
                                 "front:on_message(function(msg)\n"
                                 "  if msg[1] == 'fine' then return 'ok' end\n"
                                 "  return sb.DROP\n"
                                 "end)\n" FEED "for i = 1, 5 do from:send('fine') from:send('d' .. i) end\n",
        &l);
    assert_string_equal(l.text, "d1\nd3\nd5\n");
    sb_board_destroy(board);
    sb_access_destroy(l.access);
}

static void test_without_a_tap_nothing_is_told_and_nothing_stays(void **state)
{
    (void)state;
    log l;
    open_log(&l, &(sb_access_config){.format = "$signalbox_topic"});
    sb_board *board = open_board("local sb = require 'signalbox'\n"
                                 "local front = sb.router { name = 'front', bind = 'inproc://front' }\n"
                                 "front:on_message(function(msg) return 'ok' end)\n" FEED "from:send('one')\n"
                                 "sb.after(0.01, function() from:send('two') end)\n",
        &l);
    expect_line(&l, "one");
    sb_engine_set_tap(sb_board_engine(board), NULL);
    usleep(12000);
    for (int i = 0; i < 100; i++)
        sb_engine_step(sb_board_engine(board));
    assert_null(strstr(l.text, "two"));
    sb_stats stats;
    sb_socket_stats(sb_engine_find_socket(sb_board_engine(board), "front"), &stats);
    assert_int_equal(stats.msgs_in, 2);
    sb_board_destroy(board);
    sb_access_destroy(l.access);
}

/* A message that nobody sent, for lines alone. */
static size_t line_of(const char *format, const char *escape, const void *topic, size_t len, char *out)
{
    log l;
    sb_engine *engine;
    sb_socket *sock;
    sb_msg msg;
    open_log(&l, &(sb_access_config){.format = format, .escape = escape});
    assert_int_equal(sb_engine_create(&(sb_engine_config){.backend = "uv"}, NULL, 0, &engine), SB_OK);
    assert_int_equal(sb_socket_create(engine, SB_PULL, "a \"name\"", &sock), SB_OK);
    sb_msg_init(&msg);
    sb_msg_push(&msg, topic, len, NULL);
    size_t n = sb_access_line(l.access, &(sb_passage){.socket = sock, .msg = &msg}, out);
    sb_msg_finish(&msg);
    sb_engine_destroy(engine);
    sb_access_destroy(l.access);
    return n;
}

static void test_what_a_peer_sends_cannot_break_a_line(void **state)
{
    (void)state;
    char out[SB_ACCESS_LINE], big[10000];
    size_t n = line_of("[$signalbox_topic]", NULL, "a\n\"b\\\xff", 6, out);
    assert_memory_equal(out, "[a\\x0A\\x22b\\x5C\\xFF]\n", n);
    n = line_of("{\"t\":\"$signalbox_topic\",\"s\":\"$signalbox_socket\"}", "json", "a\n\"b\xff", 5, out);
    assert_memory_equal(out, "{\"t\":\"a\\u000a\\\"b\\u00ff\",\"s\":\"a \\\"name\\\"\"}\n", n);
    memset(big, '\n', sizeof big);
    n = line_of("$signalbox_topic$signalbox_topic$signalbox_topic$signalbox_topic$signalbox_topic", "json",
        big, sizeof big, out);
    assert_int_equal(n, SB_ACCESS_LINE);
    assert_int_equal(out[n - 1], '\n');
    n = line_of("$time_iso8601|$time_local|$msec|$signalbox_peer", NULL, "x", 1, out);
    out[n] = '\0';
    int y;
    char zone[8];
    assert_int_equal(sscanf(out, "%4d-%*2d-%*2dT%*2d:%*2d:%*2d%6[+0-9:-]|", &y, zone), 2);
    assert_int_equal(zone[3], ':');
    assert_non_null(strstr(out, "|-\n"));
}

static void test_mistakes_say_what_there_is(void **state)
{
    (void)state;
    static const struct {
        sb_access_config cfg;
        const char *text;
    } wrong[] = {
        {{.format = "$signalbox_topci"},
            "unknown variable \"$signalbox_topci\", did you mean \"$signalbox_topic\"?"},
        {{.format = "a ${msec"}, "unknown variable \"$msec\""},
        {{.format = "5 $"}, "unknown variable \"$\""},
        {{.escape = "xml"}, "unknown escape \"xml\", use default, json or none"},
        {{.actions = "drop,lost"}, "unknown action \"lost\", there are to, reply, handled, drop, dead"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char err[256];
        sb_access *a;
        assert_int_equal(sb_access_create(&wrong[i].cfg, err, sizeof err, &a), SB_EINVAL);
        if (strncmp(err, wrong[i].text, strlen(wrong[i].text)) != 0)
            fail_msg("\"%s\" instead of \"%s\"", err, wrong[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_decision_is_a_line),
        cmocka_unit_test(test_actions_and_samples_choose),
        cmocka_unit_test(test_without_a_tap_nothing_is_told_and_nothing_stays),
        cmocka_unit_test(test_what_a_peer_sends_cannot_break_a_line),
        cmocka_unit_test(test_mistakes_say_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
