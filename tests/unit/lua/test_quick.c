/* Quick functions: what they come to is what Lua comes to, and what they do not know is Lua's. */
#include "script_rig.h"

#include "lua/state.h"

#include <stdlib.h>

/* The function under test between a pull and two pushes; says what comes out where. msg, a, b, sb, t, nobody
 * and number stand around it. */
static const char frame_source[] =
    "local sb = require 'signalbox'\n"
    "local function print(text) sb.log.info(tostring(text):sub(1, 100)) end\n"
    "local function show(where, m) print(where .. ': ' .. m:frames()[1] .. '|' .. table.concat(m:frames(), "
    "'|')) end\n"
    "local from = sb.%s { bind = 'inproc://from' }\n"
    "local a = sb.push { bind = 'inproc://a' }\n"
    "local b = sb.push { bind = 'inproc://b' }\n"
    "sb.pull { connect = 'inproc://a' }:on_message(function(m) show('a', m) end)\n"
    "sb.pull { connect = 'inproc://b' }:on_message(function(m) show('b', m) end)\n"
    "local dead = sb.push { bind = 'inproc://dead' }\n"
    "sb.pull { connect = 'inproc://dead' }:on_message(function(m)\n"
    "  print('dead: ' .. m[1]:match('\"reason\":\"(.-)\"') .. '|' .. table.concat(m:frames(), '|', 2)) end)\n"
    "sb.dead_letter(dead)\n"
    "local t, number, text, yes, nobody = { x = a, key = 'ab' }, 2, 'ab', true, nil\n"
    "local closed = sb.push {} closed:close()\n"
    "local function fn(msg, peer) %s end\n"
    "%s\n"
    "local feed = sb.%s { connect = 'inproc://from' }\n"
    "sb.spawn(function() for _, m in ipairs { { 'ab', 'x', '' }, { 'ab' }, { 'a', 'ab', '3' }, { '', '' }, { "
    "'2' },\n"
    "    { 'z', 'y', 'x', 'w', 'v', 'u', 't' }, { ('q'):rep(5000), 'ab' } } do\n"
    "  feed:send(m) %s end print 'sent' end)\n";

typedef struct place {
    const char *from, *feed, *how, *after;
} place;

static const place row = {"pull", "push", "from:route { { to = fn } }", ""};
static const place pipe_to = {"pull", "push", "from:pipe(a, fn)", ""};
static const place reply = {
    "rep", "req", "from:on_message(fn)", "local r = feed:recv(1) print(r and r:frames()[1])"};

/* What was printed, and how many messages were dealt with without Lua. */
static uint64_t outcome(const place *p, const char *body, bool in_lua, char *out, size_t cap)
{
    static char source[8192];
    script_rig r;
    rig_init(&r);
    snprintf(source, sizeof source, frame_source, p->from, body, p->how, p->feed, p->after);
    sb_script_config cfg = {.phase = SB_SCRIPT_RUN, .libs_unsafe = in_lua};
    if (rig_try(&r, source, cfg) != SB_OK)
        fail_msg("%s: %s", body, r.err);
    rig_run(&r, 20);
    snprintf(out, cap, "%s", r.log);
    uint64_t quick = r.script->quick;
    rig_finish(&r);
    return quick;
}

/* least: so many of the seven messages are to be dealt with without Lua. */
static void compare(const place *p, const char *body, uint64_t least, uint64_t most)
{
    static char lua[32768], quick[32768];
    assert_int_equal(outcome(p, body, true, lua, sizeof lua), 0);
    uint64_t n = outcome(p, body, false, quick, sizeof quick);
    if (strcmp(lua, quick) != 0)
        fail_msg("%s\nin Lua:\n%s\nquickly:\n%s", body, lua, quick);
    if (n < least || n > most)
        fail_msg("%s: %llu messages without Lua", body, (unsigned long long)n);
    assert_true(strstr(lua, "sent") != NULL);
}

typedef struct sample {
    const char *body;
    uint64_t least, most;
} sample;

static void compare_all(const place *p, const sample *samples, size_t n)
{
    for (size_t i = 0; i < n; i++)
        compare(p, samples[i].body, samples[i].least, samples[i].most);
}

#define COMPARE(place, samples) compare_all(&place, samples, sizeof samples / sizeof *samples)

static void test_functions_that_choose_are_quick(void **state)
{
    (void)state;
    static const sample samples[] = {
        {"return a", 7, 7},
        {"if msg:starts(1, 'a') then return a end return b", 7, 7},
        {"if msg:equals(2, 'ab') then return a end return b", 7, 7},
        {"if msg:starts(2, '') then return a end return b", 7, 7},
        {"if msg:equals(9, '') then return a end return b", 7, 7},
        {"if not msg:starts(1, text) then return a end return b", 7, 7},
        {"return msg:starts(1, 'a') and a or b", 7, 7},
        {"local x = msg:starts(1, 'a') or msg:starts(1, '2') if x then return a else return b end", 7, 7},
        {"if #msg > 1 then return a end return b", 7, 7},
        {"if #msg >= number then return a end return b", 7, 7},
        {"if number < #msg then return a end return b", 7, 7},
        {"if #msg == 1 then return a end return b", 7, 7},
        {"if #msg ~= number then return a end return b", 7, 7},
        {"if msg:size() > 4 then return a end return b", 7, 7},
        {"if msg:size(1) <= 1 then return a end return b", 7, 7},
        {"if msg[1] == 'ab' then return a end return b", 7, 7},
        {"if msg[1] == text then return a end return b", 7, 7},
        {"if 'ab' ~= msg[1] then return a end return b", 7, 7},
        {"if msg[#msg] == 'ab' then return a end return b", 7, 7},
        {"if msg[1] == 2 then return a end return b", 7, 7},
        {"if #msg[1] < 2 then return a end return b", 7, 7},
        {"if msg[1] .. 'x' == 'abx' then return a end return b", 6, 6},
        {"if msg[1] == t.key then return a end return b", 7, 7},
        {"if yes then return t.x end return b", 7, 7},
        {"if nobody == nil and msg then return a end return b", 7, 7},
        {"if msg:starts(1, 'a') then return sb.DROP end return b", 7, 7},
        {"if msg:starts(1, 'a') then return b end return nil, 'no'", 2, 6},
        {"local x = msg:starts(1, 'a') == true if x then return a end return b", 7, 7},
        {"if msg == peer then return a end return b", 0, 0},
        {"if a == b then return a end return b", 7, 7},
    };
    COMPARE(row, samples);
}

static void test_functions_that_edit_are_quick(void **state)
{
    (void)state;
    static const sample samples[] = {
        {"msg[1] = 'v2.' .. msg[1] return msg", 5, 5},
        {"msg[1] = 'x' return msg", 6, 6},
        {"msg[1] = msg[#msg] msg[#msg] = text return msg", 6, 6},
        {"msg[number - 1] = '' return msg", 6, 6},
        {"local x = msg[1] msg[1] = 'n' msg[1] = msg[1] .. x return msg", 5, 5},
        {"return msg", 7, 7},
        {"return msg[1]", 7, 7},
        {"return 'text'", 7, 7},
        {"return sb.DROP", 7, 7},
        {"msg[1] = 'x' if msg:equals(1, 'x') then return msg end", 6, 6},
    };
    COMPARE(pipe_to, samples);
    compare(&row, "msg[1] = 'x' return a", 6, 6);
}

static void test_replies_are_quick(void **state)
{
    (void)state;
    static const sample samples[] = {
        {"return msg[1]", 7, 7},
        {"return msg", 7, 7},
        {"msg[1] = 'to ' .. msg[1] return msg", 5, 5},
        {"return 'yes'", 7, 7},
    };
    COMPARE(reply, samples);
}

/* What was done before the function was left is forgotten. */
static void test_other_functions_are_left_to_lua(void **state)
{
    (void)state;
    static const sample samples[] = {
        {"msg[1] = 'x' return msg[1]:upper() == 'X' and a or b", 0, 0},
        {"msg[1] = 'x' .. msg[1] if #msg == 1 then return a end return t[msg[1]]", 1, 2},
        {"for i = 1, 3 do if msg[i] == 'ab' then return a end end return b", 0, 0},
        {"local n = 0 while n < 3 do n = n + 1 end return a", 0, 0},
        {"while not msg:starts(1, '') do end return a", 7, 7},
        {"if msg:starts(1, 'a') then return a end error('no')", 2, 6},
        {"if msg:starts('1', 'a') then return a end return b", 0, 0},
        {"if msg:starts(1, 2) then return a end return b", 0, 0},
        {"if msg:starts(1) then return a end return b", 0, 0},
        {"if msg:size(2) > 0 then return a end return b", 4, 5},
        {"if msg[2] then return a end return b", 4, 5},
        {"if msg[1] < 'b' then return a end return b", 0, 0},
        {"if msg[1] .. 1 == 'ab1' then return a end return b", 0, 0},
        {"msg[1] = 5 return a", 0, 0},
        {"msg[9] = 'x' return a", 0, 0},
        {"msg[#msg + 1] = 'x' return a", 0, 0},
        {"number = number + 1 if number > 4 then return a end return b", 0, 0},
        {"local f = function() return msg end return f() and a", 0, 0},
        {"if peer then return a end return b", 0, 0},
        {"local x = not peer if x then return a end return b", 0, 0},
        {"local x = peer or a return x", 0, 0},
        {"if peer.id then return a end return b", 0, 0},
        {"if t.none then return a end return b", 0, 0},
        {"return closed", 0, 0},
        {"return 'text'", 0, 0},
        {"return sb.DROP, 'reason'", 0, 0},
        {"return nil, 'reason'", 0, 0},
        {"return", 0, 0},
    };
    COMPARE(row, samples);
    compare(&pipe_to, "return { msg, 'more' }", 0, 0);
    compare(&reply, "return nil, 'no'", 0, 0);
}

/* What stands outside is read again when the script has run. */
static void test_values_outside_may_change(void **state)
{
    (void)state;
    static const sample samples[] = {
        {"if msg:starts(1, 'a') then return yes and a or b end yes = not yes return a", 0, 7},
        {"if #msg == 1 then t.x = t.x == a and b or a end return t.x", 0, 7},
    };
    COMPARE(row, samples);
}

/* One that never comes to an end here is not tried again and again. */
static void test_a_function_that_is_always_left_is_given_up(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    rig_load(&r,
        "local sb = require 'signalbox' local n = 0\n"
        "local from = sb.pull { bind = 'inproc://from' } local to = sb.push { sndhwm = 0 }\n"
        "to:bind 'inproc://to' sb.pull { connect = 'inproc://to' }:on_message(function() n = n + 1 end)\n"
        "local t = {}\n"
        "from:route { { to = function(msg) if t.none then return to end return msg:starts(1, 'x') and to end "
        "} }\n"
        "local feed = sb.push { connect = 'inproc://from' }\n"
        "sb.spawn(function() for i = 1, 2000 do feed:send('x') end end)\n"
        "sb.after(0.05, function() print('got ' .. n) end)");
    rig_run(&r, 100);
    assert_true(rig_logged(&r, "got 2000"));
    assert_int_equal(r.script->quick, 0);
    rig_finish(&r);
}

/* Programs are memory of the script's. */
static void test_what_was_read_is_given_back(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    rig_load(&r, "local sb = require 'signalbox' local from, to = sb.pull {}, sb.push {}\n"
                 "sb.spawn(function() for i = 1, 200000 do\n"
                 "  from:route { { to = function(msg) if msg:starts(1, 'a') then return to end end } }\n"
                 "  if i % 1000 == 0 then sb.sleep(0.001) end end print('made') end)");
    rig_run(&r, 400);
    assert_true(rig_logged(&r, "made"));
    assert_true(r.script->alloc.used < 4u << 20);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_that_choose_are_quick),
        cmocka_unit_test(test_functions_that_edit_are_quick),
        cmocka_unit_test(test_replies_are_quick),
        cmocka_unit_test(test_other_functions_are_left_to_lua),
        cmocka_unit_test(test_values_outside_may_change),
        cmocka_unit_test(test_a_function_that_is_always_left_is_given_up),
        cmocka_unit_test(test_what_was_read_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
