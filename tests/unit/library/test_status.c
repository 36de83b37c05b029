/* The state of a board as JSON: read back by a JSON library, whatever names and octets are in it. */
#include "engine/security.h"
#include "engine/signalbox.h"
#include "modules/library/board.h"
#include "modules/library/samples.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

int luaopen_cjson(lua_State *L);

/* Runs Lua over the decoded status, which it finds in the global `s`. */
static void expect(const sb_text *status, const char *checks)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_requiref(L, "cjson", luaopen_cjson, 1);
    lua_getfield(L, -1, "decode");
    lua_pushlstring(L, status->text, status->len);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK)
        fail_msg("%s in:\n%s", lua_tostring(L, -1), status->text);
    lua_setglobal(L, "s");
    if (luaL_dostring(L, checks))
        fail_msg("%s in:\n%s", lua_tostring(L, -1), status->text);
    lua_close(L);
}

static sb_board *open_board(const char *source)
{
    sb_board_error error;
    sb_board *board;
    const sb_script_config script = {.name = "a.lua", .source = source, .source_len = strlen(source)};
    const sb_board_config cfg = {.backend = "uv", .scripts = &script, .nscripts = 1};
    if (sb_board_create(&cfg, &error, &board) != SB_OK)
        fail_msg("%s", error.text);
    for (int i = 0; i < 50; i++)
        sb_engine_step(sb_board_engine(board));
    return board;
}

static void test_what_a_broker_does_can_be_seen(void **state)
{
    (void)state;
    sb_board *board = open_board(
        "local sb = require 'signalbox'\n"
        "local front = sb.pull { name = 'front', bind = 'inproc://front' }\n"
        "local back = sb.push { name = 'back', bind = 'inproc://back' }\n"
        "local sink = sb.pull { name = 'sink', connect = 'inproc://back' }\n"
        "sink:on_message(function(msg) error('no ' .. msg[1]) end)\n"
        "front:route { { frame = 1, prefix = 'a', to = back }, { drop = true } }\n"
        "local from = sb.push { name = 'from', connect = 'inproc://front' }\n"
        "for _, t in ipairs { 'a1', 'a2', 'b' } do from:send(t) end\n"
        "local feed = sb.xpub { name = 'feed', bind = 'inproc://feed' }\n"
        "sb.sub { name = 'eve', connect = 'inproc://feed', subscribe = { 'x.', 'y.\\xff\\0\"' } }\n"
        "sb.push { name = 'lost', connect = 'ipc://@nobody-is-here' }\n"
        "sb.metrics { gauge = 'nan' }:set(0/0) sb.metrics { gauge = 'half' }:set(0.5)\n");
    sb_text out = {0};
    sb_board_status(board, &out);
    assert_false(out.failed);
    expect(&out,
        "local by = {} for _, sock in ipairs(s.sockets) do by[sock.name] = sock end\n"
        "assert(s.backend == 'uv' and s.pid > 0)\n"
        "assert(by.front.type == 'PULL' and by.front.peers == 1 and by.front.messages['in'] == 3)\n"
        "assert(by.front.routes[1].messages == 2 and by.front.routes[1].to[1] == 'back')\n"
        "assert(by.front.routes[2].messages == 1 and by.front.dropped.denied == 1)\n"
        "assert(by.front.endpoints[1].kind == 'bind')\n"
        "assert(by.front.queue['in'].age == 0 and by.front.rates.messages['in'] > 0)\n"
        "assert(by.front.peer_list[1].rates.bytes['in'] > by.front.peer_list[1].rates.messages['in'])\n"
        "assert(by.front.peer_list[1].type == 'PUSH' and by.front.peer_list[1].messages['in'] == 3)\n"
        "assert(by.feed.subscriptions == 2 and by.feed.topics[1].topic == 'x.')\n"
        "assert(by.feed.topics[2].topic == 'y.\\u{ff}\\0\"' and by.feed.topics[2].peers == 1, "
        "cjson.encode(by.feed.topics))\n"
        "local fault = s.scripts[1].faults[1]\n"
        "assert(s.scripts[1].errors == 2 and fault.count == 2 and fault.where == 'a.lua:5')\n"
        "assert(fault.what:find('sink', 1, true), fault.what)\n"
        "assert(s.scripts[1].metrics.half == 0.5 and s.scripts[1].metrics.nan == nil)\n"
        "local kinds = {} for _, e in ipairs(s.events) do kinds[e.event] = true end\n"
        "assert(kinds.handshake_succeeded and kinds.subscribed, cjson.encode(kinds))\n"
        "assert(not kinds.connect_delayed)\n");
    sb_text_finish(&out);
    sb_board_destroy(board);
}

/* Steps until every client is in; bounded. */
static void let_in(sb_board *board, sb_text *out, const char *all)
{
    for (int i = 0; i < 4000 && (out->text == NULL || strstr(out->text, all) == NULL); i++) {
        struct pollfd p = {.fd = sb_engine_fd(sb_board_engine(board)), .events = POLLIN};
        poll(&p, 1, 5);
        sb_engine_step(sb_board_engine(board));
        sb_text_finish(out);
        *out = (sb_text){0};
        sb_board_status(board, out);
    }
    assert_non_null(strstr(out->text, all));
}

static void test_who_waited_for_a_turn_to_shake_hands_is_told(void **state)
{
    static const char format[] =
        "local sb = require 'signalbox'\n"
        "sb.authenticate(function() return true end)\n"
        "local door = sb.pull { name = 'door', bind = 'tcp://127.0.0.1:*', curve_server = true,\n"
        "  curve_secretkey = '%s', handshakes_per_turn = 1 }\n"
        "for i = 1, 16 do sb.push { connect = door:get 'last_endpoint', curve_secretkey = '%s',\n"
        "  curve_serverkey = '%s' } end\n";
    char text[1024], secret[41], public[41], line[80];
    sb_curve_pair key;
    (void)state;
    assert_int_equal(sb_curve_generate(&key), SB_OK);
    sb_z85_encode(key.secret_key, SB_CURVE_KEY, secret);
    sb_z85_encode(key.public_key, SB_CURVE_KEY, public);
    snprintf(text, sizeof text, format, secret, secret, public);
    sb_board *board = open_board(text);
    sb_text out = {0}, metrics = {0};
    let_in(board, &out, "\"name\":\"door\",\"type\":\"PULL\",\"peers\":16,");
    expect(&out, "delayed = s.sockets[1].handshakes_delayed assert(delayed > 0 and delayed <= 16, delayed)");
    sb_board_metrics(board, &metrics);
    const char *told = strstr(metrics.text, "\nsignalbox_handshakes_delayed_total{socket=\"door\"} ");
    assert_non_null(told);
    snprintf(line, sizeof line, "\"handshakes_delayed\":%d,", atoi(strchr(told, ' ')));
    assert_non_null(strstr(out.text, line));
    sb_text_finish(&out);
    sb_text_finish(&metrics);
    sb_board_destroy(board);
}

static void test_lists_are_cut(void **state)
{
    (void)state;
    sb_board *board = open_board("local sb = require 'signalbox'\n"
                                 "local sub = sb.sub { name = 'sub', connect = 'inproc://none' }\n"
                                 "for i = 1, 1000 do sub:subscribe(('t%04d.'):format(i)) end\n");
    sb_text out = {0};
    sb_board_status(board, &out);
    expect(&out, "local sub = s.sockets[1]\n"
                 "assert(sub.subscriptions == 1000 and #sub.topics == 200)\n"
                 "assert(sub.topics[1].topic == 't0001.')");
    sb_text_finish(&out);
    sb_board_destroy(board);
}

static void test_octets_of_any_kind_are_json(void **state)
{
    (void)state;
    static const char odd[] = "a\"\\\n\x7f\xc3\xa9\xc3(\xed\xa0\x80\xf0\x9f\x98\x80\xf8";
    sb_text out = {0};
    sb_text_json(&out, odd, sizeof odd - 1);
    assert_string_equal(
        out.text, "\"a\\\"\\\\\\u000a\\u007f\xc3\xa9\\u00c3(\\u00ed\\u00a0\\u0080\xf0\x9f\x98\x80\\u00f8\"");
    sb_text_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_broker_does_can_be_seen),
        cmocka_unit_test(test_who_waited_for_a_turn_to_shake_hands_is_told),
        cmocka_unit_test(test_lists_are_cut),
        cmocka_unit_test(test_octets_of_any_kind_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
