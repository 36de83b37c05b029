/* Scripts as hosts see them: loading, phases, arguments, the end, memory that runs out. */
#include "script_rig.h"

static void test_load_tells_syntax_errors(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    assert_int_equal(rig_try(&r, "local x = \n= 1", (sb_script_config){0}), SB_EINVAL);
    assert_string_equal(r.err, "t.lua:2: unexpected symbol near '='");
    rig_finish(&r);
}

static void test_load_tells_unknown_options_with_line(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    const char *source = "local sb = require 'signalbox'\n\nsb.pull { rcvhvm = 1 }";
    assert_int_equal(rig_try(&r, source, (sb_script_config){0}), SB_EINVAL);
    assert_string_equal(r.err, "t.lua:3: unknown option 'rcvhvm', did you mean 'rcvhwm'?");
    assert_int_equal(sb_engine_sockets(r.engine), 0);
    rig_finish(&r);
}

/* What the top level does wrong, behind two sockets to do it with, and what is said of it. */
static const struct mistake {
    const char *line, *said;
} mistakes[] = {
    {"sb.roter {}", "attempt to call a nil value (field 'roter'), did you mean 'router'?"},
    {"pull:on_mesage(print)", "attempt to call a nil value (method 'on_mesage'), did you mean 'on_message'?"},
    {"push:sned('x')", "attempt to call a nil value (method 'sned'), did you mean 'send'?"},
    {"sb.frobnicate()", "attempt to call a nil value (field 'frobnicate')"},
    {"pull:route { { to = pull } }", "row 1: 'to' leads to socket 'in', and a PULL cannot send"},
    {"push:route { { to = push } }",
        "a route is of no use: socket 'out' is a PUSH, which receives no messages"},
    {"push:on_message(print)", "on_message is of no use: socket 'out' is a PUSH, which receives no messages"},
    {"push:pipe(push)", "pipe is of no use: socket 'out' is a PUSH, which receives no messages"},
    {"pull:pipe(pull)", "pipe leads to socket 'in', and a PULL cannot send"},
    {"sb.dead_letter(pull)", "dead letters go to socket 'in', and a PULL cannot send"},
    {"error({})", "the error is a table, not a text"},
    {"error(setmetatable({}, { __tostring = function() return 'its own words' end }))", "its own words"},
};

static void test_load_tells_what_was_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        script_rig r;
        char source[512];
        rig_init(&r);
        snprintf(source, sizeof source,
            "local sb = require 'signalbox' local pull, push = sb.pull { name = 'in' }, sb.push { name = "
            "'out' }\n%s",
            mistakes[i].line);
        assert_int_equal(rig_try(&r, source, (sb_script_config){0}), SB_EINVAL);
        assert_string_equal(strncmp(r.err, "t.lua:2: ", 9) == 0 ? r.err + 9 : r.err, mistakes[i].said);
        rig_finish(&r);
    }
}

static void test_load_fails_with_the_code_of_a_bind(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    const char *source = "local sb = require 'signalbox' sb.pull { bind = 'tcp://127.0.0.1:5555' } "
                         "sb.pull { bind = 'tcp://127.0.0.1:5555' }";
    assert_int_equal(rig_try(&r, source, (sb_script_config){.phase = SB_SCRIPT_DECLARE}), SB_EADDRINUSE);
    assert_true(strstr(r.err, "t.lua:1: ") == r.err);
    sb_fake_settle(r.loop, 100);
    assert_int_equal(sb_engine_sockets(r.engine), 0);
    rig_finish(&r);
}

static void test_binary_chunks_are_refused(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    assert_int_equal(rig_try(&r, "\x1bLuaT", (sb_script_config){0}), SB_EINVAL);
    assert_true(strstr(r.err, "binary chunk") != NULL);
    rig_finish(&r);
}

static void test_first_line_may_name_the_program(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    assert_int_equal(
        rig_try(&r, "#!/usr/bin/env -S signalbox run\nerror('here')", (sb_script_config){0}), SB_EINVAL);
    assert_string_equal(r.err, "t.lua:2: here");
    rig_finish(&r);
}

static void test_arguments_arrive_as_a_table(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    const char *const args[] = {"region=eu", "x=a=b"};
    sb_script_config cfg = {.args = args, .nargs = 2, .phase = SB_SCRIPT_RUN};
    assert_int_equal(rig_try(&r, "local a = ... print(a.region, a.x)", cfg), SB_OK);
    assert_true(rig_logged(&r, "t.lua: eu a=b"));
    sb_script_destroy(r.script);
    r.script = NULL;
    const char *const bad[] = {"region"};
    cfg = (sb_script_config){.args = bad, .nargs = 1};
    assert_int_equal(rig_try(&r, "", cfg), SB_EINVAL);
    rig_finish(&r);
}

static bool count_bind(void *arg, sb_socket *sock, const char *endpoint)
{
    (void)sock;
    (void)endpoint;
    ++*(int *)arg;
    return true;
}

static void test_declare_runs_the_top_level_only(void **state)
{
    (void)state;
    script_rig r;
    int binds = 0;
    rig_init(&r);
    const char *source = "local sb = require 'signalbox'\n"
                         "local a = sb.router { bind = { 'tcp://*:5555', 'ipc:///tmp/x' } }\n"
                         "local b = sb.push { connect = 'tcp://example.org:1' }\n"
                         "a:route { { prefix = 'x', to = b } }\n"
                         "sb.spawn(function() print('never') end)\n"
                         "sb.after(0, function() print('never') end):cancel()\n"
                         "sb.every(1, function() print('never') end)\n"
                         "print(sb.phase())";
    if (rig_try(&r, source, (sb_script_config){.phase = SB_SCRIPT_DECLARE}) != SB_OK)
        fail_msg("%s", r.err);
    sb_engine_each_bind(r.engine, count_bind, &binds);
    assert_int_equal(binds, 2);
    rig_run(&r, 2000);
    assert_true(rig_logged(&r, "t.lua: declare"));
    assert_false(rig_logged(&r, "never"));
    rig_finish(&r);
}

static void test_top_level_cannot_wait(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    assert_int_equal(
        rig_try(&r, "require 'signalbox'.sleep(1)", (sb_script_config){.phase = SB_SCRIPT_RUN}), SB_EINVAL);
    assert_true(strstr(r.err, "sb.spawn") != NULL);
    assert_int_equal(rig_try(&r, "coroutine.yield()", (sb_script_config){.phase = SB_SCRIPT_RUN}), SB_EINVAL);
    assert_true(strstr(r.err, "coroutine.yield at the top level") != NULL);
    rig_finish(&r);
}

static void test_exiting_ends_waits_and_tells_timers_once(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    rig_load(&r, "local sb = require 'signalbox'\n"
                 "sb.every(1, function(exiting) print('tick', exiting) end)\n"
                 "sb.spawn(function() print('sleep', sb.sleep(100)) print('again', sb.sleep(1)) end)\n"
                 "local s = sb.pull { bind = 'tcp://127.0.0.1:*' }\n"
                 "sb.spawn(function() for m in s:messages() do end print('loop ended') end)");
    rig_run(&r, 1500);
    assert_true(rig_logged(&r, "tick false"));
    assert_false(rig_logged(&r, "exiting"));
    sb_script_exiting(r.script);
    sb_script_exiting(r.script);
    rig_run(&r, 3000);
    assert_true(rig_logged(&r, "sleep nil exiting ECANCELED"));
    assert_true(rig_logged(&r, "again nil exiting ECANCELED"));
    assert_true(rig_logged(&r, "loop ended"));
    char *first = strstr(r.log, "tick true");
    assert_non_null(first);
    assert_null(strstr(first + 1, "tick"));
    rig_finish(&r);
}

static void test_destroy_with_everything_open(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    rig_load(&r, "local sb = require 'signalbox'\n"
                 "local a = sb.router { bind = 'tcp://127.0.0.1:7001' }\n"
                 "local b = sb.dealer { connect = 'tcp://127.0.0.1:7001' }\n"
                 "local c = sb.push { connect = 'tcp://127.0.0.1:7009' }\n"
                 "local feed = sb.xpub { bind = 'tcp://127.0.0.1:7002' }\n"
                 "local sub = sb.sub { connect = 'tcp://127.0.0.1:7002', subscribe = 'x' }\n"
                 "feed:on_subscribe(function() sb.sleep(1000) return sb.ACCEPT end)\n"
                 "a:on_peer(function() sb.sleep(1000) end)\n"
                 "a:route { { prefix = 'r', to = function(m) m[1] = 'edit' sb.sleep(1000) return c end }, { "
                 "to = c } }\n"
                 "sb.spawn(function() b:request('r', 1000) end)\n"
                 "sb.spawn(function() b:send('r2') b:send('m') b:recv() end)\n"
                 "sb.spawn(function() local r <close> = sb.req {} r:request('x') end)\n"
                 "sb.every(0.001, function() sb.sleep(1000) end)\n"
                 "sb.after(1000, print)\n"
                 "local k = sb.message{'a'}:keep()\n");
    rig_run(&r, 20);
    sb_script_stats st;
    sb_script_get_stats(r.script, &st);
    assert_true(st.tasks >= 6);
    assert_true(st.calls > 0);
    assert_true(st.memory > 10000);
    assert_int_equal(st.errors, 0);
    sb_script_destroy(r.script);
    r.script = NULL;
    rig_run(&r, 20);
    rig_finish(&r);
}

static const char memory_script[] =
    "local sb = require 'signalbox' local json = require 'cjson.safe'\n"
    "local pull = sb.pull { bind = 'tcp://127.0.0.1:*' }\n"
    "local push = sb.push { connect = pull.last_endpoint }\n"
    "local out = sb.push { connect = pull.last_endpoint }\n"
    "pull:on_peer(function(e, p, i) end)\n"
    "pull:on_message(function(m, p) m[1] = json.encode { m[1], p.address } local k = m:copy() "
    "sb.sleep(0.001) end)\n"
    "sb.every(0.001, function() push:send { 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' } end)\n"
    "sb.spawn(function() local hoard = {} while true do hoard[#hoard + 1] = ('x'):rep(50) push:send('y') "
    "sb.sleep(0.001) end end)";

/* Every size of memory: whatever fails, nothing crashes and nothing is lost but the script's work. */
static void test_memory_may_run_out_anywhere(void **state)
{
    (void)state;
    int loaded = 0, refused = 0;
    for (size_t memory = 20000; memory < 140000; memory += 397) {
        script_rig r;
        rig_init(&r);
        sb_script_config cfg = {.phase = SB_SCRIPT_RUN, .memory = memory};
        sb_err err = rig_try(&r, memory_script, cfg);
        if (err == SB_OK) {
            loaded++;
            rig_run(&r, 30);
        } else {
            refused++;
            assert_int_equal(err, SB_ENOMEM);
            assert_null(r.script);
        }
        rig_finish(&r);
    }
    assert_true(loaded > 10);
    assert_true(refused > 10);
}

static void add_value(void *arg, const char *name, const char *help, bool counter, double value)
{
    (void)help;
    if (counter && strcmp(name, "orders_total") == 0)
        *(double *)arg += value;
}

static void test_own_metrics_reach_the_host(void **state)
{
    (void)state;
    script_rig r;
    double sum = 0;
    rig_init(&r);
    rig_load(&r, "require 'signalbox'.metrics { counter = 'orders_total' }:add(3)");
    sb_script_each_metric(r.script, add_value, &sum);
    assert_true(sum == 3);
    rig_finish(&r);
}

static void test_a_file_that_is_not_there(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    assert_int_equal(sb_engine_load(r.engine, "no/such.lua", NULL, 0, r.err, sizeof(r.err), NULL), SB_ENOENT);
    assert_true(strstr(r.err, "no/such.lua") != NULL);
    rig_finish(&r);
}

static void test_a_script_nobody_holds_ends_with_the_engine(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    const char *path = "examples/broker.lua";
    if (sb_engine_load(r.engine, path, NULL, 0, r.err, sizeof(r.err), NULL) != SB_OK)
        fail_msg("%s", r.err);
    rig_run(&r, 20);
    assert_int_equal(sb_engine_sockets(r.engine), 6);
    rig_finish(&r); /* the leak checker is the judge */
}

static void test_a_handler_that_fails_after_its_socket_is_gone(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    rig_load(&r, "local sb = require 'signalbox'\n"
                 "local pull = sb.pull { bind = 'tcp://127.0.0.1:*' }\n"
                 "local push = sb.push { connect = pull.last_endpoint, linger = 0 }\n"
                 "pull:on_message(function() pull:close() sb.sleep(1) error 'boom' end)\n"
                 "sb.spawn(function() push:send 'x' end)");
    rig_run(&r, 1500);
    assert_true(rig_logged(&r, "(closed) on_message: t.lua:4: boom"));
    rig_finish(&r);
}

/* What no hook interrupts is not begun: here with 5 ms, and so with texts of half a megabyte. */
/* Each refusal would cost a collection of the whole cap: the report of one has room of its own. */
static void test_a_lack_of_memory_is_reported_with_its_traceback(void **state)
{
    (void)state;
    static const char source[] = "local sb = require 'signalbox'\n"
                                 "local kept = {}\n"
                                 "sb.after(0.01, function() while true do kept[#kept + 1] = {} end end)\n"
                                 "sb.after(0.02, function() while true do kept[#kept + 1] = {} end end)\n";
    script_rig r;
    rig_init(&r);
    sb_script_config cfg = {
        .phase = SB_SCRIPT_RUN, .memory = 1 << 20, .handler_time = 60 * (uint64_t)SB_NS_PER_S};
    assert_int_equal(rig_try(&r, source, cfg), SB_OK);
    for (int i = 0; i < 2; i++) {
        r.log[r.log_len = 0] = '\0';
        rig_run(&r, 12);
        assert_true(rig_logged(&r, "not enough memory"));
        assert_true(rig_logged(&r, "stack traceback"));
    }
    rig_finish(&r);
}

static void test_texts_are_walked_only_as_far_as_there_is_time(void **state)
{
    static const char source[] =
        "local s = ('x'):rep(600000) "
        "local function no(fn, ...) local ok, err = pcall(fn, ...) "
        "assert(not ok and err:find('larger than the script has time for', 1, true), err) end "
        "require('signalbox').spawn(function() "
        "no(utf8.len, s) no(utf8.offset, s, -1) no(string.format, '%q', s) no(load, s) end) "
        "assert(#('%s'):format(s:sub(1, 100)) == 100 and utf8.len('abc') == 3)";
    script_rig r;
    sb_script_stats st;
    (void)state;
    rig_init(&r);
    sb_script_config cfg = {.phase = SB_SCRIPT_RUN, .handler_time = 5 * SB_NS_PER_MS};
    if (rig_try(&r, source, cfg) != SB_OK)
        fail_msg("%s", r.err);
    rig_run(&r, 10);
    sb_script_get_stats(r.script, &st);
    if (st.errors != 0)
        fail_msg("%s", r.log);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lack_of_memory_is_reported_with_its_traceback),
        cmocka_unit_test(test_texts_are_walked_only_as_far_as_there_is_time),
        cmocka_unit_test(test_load_tells_syntax_errors),
        cmocka_unit_test(test_load_tells_unknown_options_with_line),
        cmocka_unit_test(test_load_tells_what_was_meant),
        cmocka_unit_test(test_load_fails_with_the_code_of_a_bind),
        cmocka_unit_test(test_binary_chunks_are_refused),
        cmocka_unit_test(test_first_line_may_name_the_program),
        cmocka_unit_test(test_arguments_arrive_as_a_table),
        cmocka_unit_test(test_declare_runs_the_top_level_only),
        cmocka_unit_test(test_top_level_cannot_wait),
        cmocka_unit_test(test_exiting_ends_waits_and_tells_timers_once),
        cmocka_unit_test(test_destroy_with_everything_open),
        cmocka_unit_test(test_memory_may_run_out_anywhere),
        cmocka_unit_test(test_own_metrics_reach_the_host),
        cmocka_unit_test(test_a_file_that_is_not_there),
        cmocka_unit_test(test_a_script_nobody_holds_ends_with_the_engine),
        cmocka_unit_test(test_a_handler_that_fails_after_its_socket_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
