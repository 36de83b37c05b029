/* Gate and gateway on one engine: what a script's sockets answer reaches who asked, and nobody else. */
#include "engine/signalbox.h"
#include "modules/library/api.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define STEPS 2000

static const char script[] =
    "local sb = require 'signalbox'\n"
    "local api = sb.router { name = 'api' }\n"
    "api:on_message(function(msg) if msg[1] == 'drop' then return sb.DROP end\n"
    "  return { msg[1]:upper(), '#' .. #msg } end)\n"
    "local who = sb.router { name = 'who' }\n"
    "who:on_message(function(msg, peer) return { peer.address, peer.user_id, '#' .. #msg } end)\n"
    "local rep = sb.rep { name = 'rep' }\n"
    "rep:on_message(function(msg) return 'rep ' .. msg[1] end)\n"
    "local jobs = sb.dealer { name = 'jobs', bind = 'inproc://jobs' }\n"
    "local other = sb.router { name = 'other', bind = 'inproc://other' }\n"
    "other:route { { to = jobs } }; jobs:route { { to = other } }\n"
    "local feed = sb.pub { name = 'feed', bind = 'inproc://feed' }\n"
    "local work = sb.push { name = 'work', bind = 'inproc://work', sndhwm = 2 }\n"
    "local hook = sb.pull { name = 'hook' }\n"
    "hook:pipe(work, function(msg) msg[1] = '<' .. msg[1] .. '>' return msg end)\n";

enum { API, REP, JOBS, FEED, WORK, HOOK, METRICS, WHO, USES };
static const sb_use uses[USES] = {
    {SB_USE_REQUEST, "api"},
    {SB_USE_REQUEST, "rep"},
    {SB_USE_REQUEST, "jobs"},
    {SB_USE_PUBLISH, "feed"},
    {SB_USE_PUBLISH, "work"},
    {SB_USE_PUBLISH, "hook"},
    {SB_USE_PAGE, "metrics"},
    {SB_USE_REQUEST, "who"},
};

typedef struct asked {
    sb_call call; /* first member */
    int replies;
    sb_call_status status;
    size_t n;
    char frames[4][64];
} asked;

typedef struct rig {
    sb_board *board;
    sb_gate *gate;
    sb_gateway *gw;
    sb_engine *engine;
    const sb_client *client; /* who asks from now on */
} rig;

static void on_reply(sb_call *self, sb_call_status status, const struct iovec *frames, size_t n)
{
    asked *a = (asked *)self;
    a->replies++;
    a->status = status;
    a->n = n;
    for (size_t i = 0; i < n && i < 4; i++)
        memcpy(a->frames[i], frames[i].iov_base,
            frames[i].iov_len < sizeof a->frames[i] ? frames[i].iov_len : sizeof a->frames[i]);
}

static int set_up(void **state)
{
    static rig r;
    sb_board_error error;
    const sb_script_config scripts = {.name = "a.lua", .source = script, .source_len = sizeof script - 1};
    const sb_board_config config = {.scripts = &scripts, .nscripts = 1};
    memset(&r, 0, sizeof r);
    if (sb_board_create(&config, &error, &r.board) != SB_OK)
        fail_msg("%s", error.text);
    r.engine = sb_board_engine(r.board);
    assert_int_equal(sb_gate_create(r.board, NULL, uses, USES, &r.gate), SB_OK);
    assert_int_equal(sb_gateway_create(r.engine, SB_GATE_INPROC, uses, USES, &r.gw), SB_OK);
    *state = &r;
    return 0;
}

static int tear_down(void **state)
{
    rig *r = *state;
    sb_board_destroy(r->board);
    sb_gateway_destroy(r->gw);
    sb_gate_destroy(r->gate);
    return 0;
}

static void step(rig *r, int times)
{
    struct pollfd pfd = {.fd = sb_engine_fd(r->engine), .events = POLLIN};
    for (int i = 0; i < times; i++) {
        if (sb_engine_timeout(r->engine) != 0)
            poll(&pfd, 1, 1);
        sb_engine_step(r->engine);
    }
}

static sb_err ask(rig *r, size_t use, asked *a, const char *text)
{
    const struct iovec frame = {.iov_base = (void *)text, .iov_len = strlen(text)};
    memset(a, 0, sizeof *a);
    a->call.on_reply = on_reply;
    a->call.client = r->client;
    return sb_gateway_call(r->gw, use, &frame, 1, &a->call);
}

static void ask_and_wait(rig *r, size_t use, asked *a, const char *text)
{
    assert_int_equal(ask(r, use, a, text), SB_OK);
    for (int i = 0; i < STEPS && a->replies == 0; i++)
        step(r, 1);
    assert_int_equal(a->replies, 1);
}

static sb_socket *peer_of(rig *r, sb_type type, const char *endpoint, sb_handler *handler)
{
    sb_socket *sock;
    assert_int_equal(sb_socket_create(r->engine, type, NULL, &sock), SB_OK);
    sb_socket_set_handler(sock, handler);
    assert_int_equal(sb_socket_connect(sock, endpoint, NULL, 0), SB_OK);
    step(r, 5);
    return sock;
}

static sb_err echo(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    (void)self, (void)peer;
    return sb_socket_send(sock, msg);
}

static sb_handler echo_handler = {.on_msg = echo};

static void test_router_and_rep_answer_as_to_any_peer(void **state)
{
    rig *r = *state;
    asked a;
    ask_and_wait(r, API, &a, "hello");
    assert_int_equal(a.status, SB_CALL_OK);
    assert_int_equal(a.n, 2);
    assert_string_equal(a.frames[0], "HELLO");
    assert_string_equal(a.frames[1], "#1");
    ask_and_wait(r, REP, &a, "x");
    assert_string_equal(a.frames[0], "rep x");
}

static void test_handlers_see_who_asks(void **state)
{
    rig *r = *state;
    const sb_client anna = {"tcp://10.0.0.1:7", "anna"}, nobody = {"tcp://10.0.0.2:8", NULL};
    asked a;
    r->client = &anna;
    ask_and_wait(r, WHO, &a, "x");
    assert_string_equal(a.frames[0], anna.address);
    assert_string_equal(a.frames[1], "anna");
    assert_string_equal(a.frames[2], "#1");
    r->client = &nobody;
    ask_and_wait(r, WHO, &a, "x");
    assert_string_equal(a.frames[0], nobody.address);
    assert_string_equal(a.frames[1], "");
    r->client = NULL; /* the gateway itself */
    ask_and_wait(r, WHO, &a, "x");
    assert_string_equal(a.frames[0], SB_GATE_INPROC "request/who");
}

static void test_what_does_not_fit_is_nobody(void **state)
{
    char frame[SB_CLIENT_FRAME], user[SB_CLIENT_USER + 1], address[SB_CLIENT_ADDRESS + 1];
    (void)state;
    memset(user, 'u', sizeof user);
    memset(address, 'a', sizeof address);
    user[SB_CLIENT_USER] = address[SB_CLIENT_ADDRESS] = '\0';
    assert_int_equal(sb_client_write(&(sb_client){"a", user}, frame), 0);
    assert_int_equal(sb_client_write(&(sb_client){address, "u"}, frame), 0);
    assert_int_equal(sb_client_write(NULL, frame), 0);
    user[SB_CLIENT_USER - 1] = address[SB_CLIENT_ADDRESS - 1] = '\0';
    assert_int_equal(sb_client_write(&(sb_client){address, user}, frame), SB_CLIENT_FRAME - 1);
}

static void test_a_dealers_peers_answer(void **state)
{
    rig *r = *state;
    asked a;
    ask_and_wait(r, JOBS, &a, "x");
    assert_int_equal(a.status, SB_CALL_NO_PEER);
    peer_of(r, SB_REP, "inproc://jobs", &echo_handler);
    ask_and_wait(r, JOBS, &a, "x");
    assert_int_equal(a.status, SB_CALL_OK);
    assert_string_equal(a.frames[0], "x");
}

/* What the script sends through the same DEALER comes back to the script's route. */
static void test_the_scripts_own_replies_stay_its_own(void **state)
{
    rig *r = *state;
    asked a;
    sb_msg msg;
    peer_of(r, SB_REP, "inproc://jobs", &echo_handler);
    sb_socket *req = peer_of(r, SB_REQ, "inproc://other", NULL);
    assert_int_equal(sb_socket_send_bytes(req, "mine", 4), SB_OK);
    ask_and_wait(r, JOBS, &a, "yours");
    assert_string_equal(a.frames[0], "yours");
    sb_msg_init(&msg);
    step(r, 20);
    assert_int_equal(sb_socket_recv(req, &msg), SB_OK);
    assert_memory_equal(sb_msg_frame(&msg, 0)->data, "mine", 4);
    sb_msg_finish(&msg);
}

static void test_a_full_dealer_says_so(void **state)
{
    rig *r = *state;
    enum { MANY = 4000 };
    static asked a[MANY];
    int full = 0;
    peer_of(r, SB_DEALER, "inproc://jobs", NULL); /* takes, and never answers */
    for (int i = 0; i < MANY; i++) {
        ask(r, JOBS, &a[i], "x");
        if (i % 100 == 0)
            step(r, 3);
    }
    step(r, 10);
    for (int i = 0; i < MANY; i++)
        full += a[i].replies == 1 && a[i].status == SB_CALL_FULL;
    assert_true(full > 0);
}

static void test_a_canceled_call_is_late(void **state)
{
    rig *r = *state;
    asked a;
    sb_gateway_stats stats;
    assert_int_equal(ask(r, API, &a, "x"), SB_OK);
    sb_gateway_cancel(r->gw, &a.call);
    sb_gateway_cancel(r->gw, &a.call);
    step(r, 20);
    sb_gateway_get_stats(r->gw, &stats);
    assert_int_equal(a.replies, 0);
    assert_int_equal(stats.late, 1);
    assert_int_equal(stats.waiting, 0);
}

static void test_what_a_script_drops_waits_until_it_is_canceled(void **state)
{
    rig *r = *state;
    asked a;
    sb_gateway_stats stats;
    assert_int_equal(ask(r, API, &a, "drop"), SB_OK);
    step(r, 20);
    sb_gateway_get_stats(r->gw, &stats);
    assert_int_equal(stats.waiting, 1);
    sb_gateway_cancel(r->gw, &a.call);
}

static void test_publishing_tells_whether_somebody_was_there(void **state)
{
    rig *r = *state;
    asked a;
    sb_msg msg;
    ask_and_wait(r, FEED, &a, "t");
    assert_int_equal(a.status, SB_CALL_NOBODY);
    sb_socket *sub = peer_of(r, SB_SUB, "inproc://feed", NULL);
    sb_socket_subscribe(sub, "", 0);
    step(r, 10);
    ask_and_wait(r, FEED, &a, "t");
    assert_int_equal(a.status, SB_CALL_OK);
    sb_msg_init(&msg);
    step(r, 10);
    assert_int_equal(sb_socket_recv(sub, &msg), SB_OK);
    assert_int_equal(msg.n, 1);
    sb_msg_finish(&msg);
}

static void test_a_push_without_workers_and_a_full_one(void **state)
{
    rig *r = *state;
    asked a;
    ask_and_wait(r, WORK, &a, "x");
    assert_int_equal(a.status, SB_CALL_NO_PEER);
    sb_socket *pull = peer_of(r, SB_PULL, "inproc://work", NULL);
    sb_socket_set_int(pull, SB_OPT_RCVHWM, 1, NULL, 0);
    for (int i = 0; i < 5000; i++) {
        ask_and_wait(r, WORK, &a, "x");
        if (a.status != SB_CALL_OK)
            break;
    }
    assert_int_equal(a.status, SB_CALL_FULL);
}

static void test_a_pulls_pipe_sees_what_is_published_into_it(void **state)
{
    rig *r = *state;
    asked a;
    sb_msg msg;
    sb_socket *pull = peer_of(r, SB_PULL, "inproc://work", NULL);
    ask_and_wait(r, HOOK, &a, "x");
    assert_int_equal(a.status, SB_CALL_OK);
    step(r, 20);
    sb_msg_init(&msg);
    assert_int_equal(sb_socket_recv(pull, &msg), SB_OK);
    assert_memory_equal(sb_msg_frame(&msg, 0)->data, "<x>", 3);
    sb_msg_finish(&msg);
}

static void test_uses_are_checked_against_a_plan(void **state)
{
    char err[256];
    sb_type type;
    sb_plan *plan;
    sb_board_error error;
    const sb_script_config scripts = {.name = "a.lua", .source = script, .source_len = sizeof script - 1};
    const sb_board_config config = {.scripts = &scripts, .nscripts = 1};
    (void)state;
    assert_int_equal(sb_plan_create(&config, &error, &plan), SB_OK);
    for (int i = 0; i < USES; i++)
        assert_int_equal(sb_use_check(plan, &uses[i], &type, err, sizeof err), SB_OK);
    const sb_use unknown = {SB_USE_REQUEST, "nobody"}, wrong = {SB_USE_REQUEST, "feed"};
    assert_int_equal(sb_use_check(plan, &unknown, &type, err, sizeof err), SB_ENOENT);
    assert_int_equal(sb_use_check(plan, &wrong, &type, err, sizeof err), SB_ENOTSUP);
    assert_string_equal(err, "socket \"feed\" is a PUB, request wants a ROUTER, REP or DEALER");
    sb_plan_destroy(plan);
}

static void test_the_board_answers_for_its_pages(void **state)
{
    asked a;
    ask_and_wait(*state, METRICS, &a, "");
    assert_int_equal(a.n, 3);
    assert_memory_equal(a.frames[0], "200", 3);
    assert_memory_equal(a.frames[1], "{\"content-type\":\"text/plain", 27);
    assert_memory_equal(a.frames[2], "# HELP signalbox_", 17);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_board_answers_for_its_pages, set_up, tear_down),
        TEST(test_router_and_rep_answer_as_to_any_peer),
        TEST(test_a_dealers_peers_answer),
        TEST(test_the_scripts_own_replies_stay_its_own),
        TEST(test_a_full_dealer_says_so),
        TEST(test_a_canceled_call_is_late),
        TEST(test_what_a_script_drops_waits_until_it_is_canceled),
        TEST(test_publishing_tells_whether_somebody_was_there),
        TEST(test_a_push_without_workers_and_a_full_one),
        TEST(test_a_pulls_pipe_sees_what_is_published_into_it),
        cmocka_unit_test(test_uses_are_checked_against_a_plan),
        cmocka_unit_test(test_what_does_not_fit_is_nobody),
        TEST(test_handlers_see_who_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
