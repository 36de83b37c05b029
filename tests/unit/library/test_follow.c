/* Feeds and followers: one subscription for many, what the script says about it, and resuming. */
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

static const char script[] = "local sb = require 'signalbox'\n"
                             "local feed = sb.xpub { name = 'feed', bind = 'inproc://feed' }\n"
                             "feed:on_subscribe(function(topic, peer)\n"
                             "  if topic == 'secret' then return sb.DENY, 'no' end\n"
                             "  if topic == 'slow' then sb.sleep(0.01) return sb.ACCEPT end\n"
                             "  if topic:sub(1, 4) == 'old.' then return 'new.' .. topic:sub(5) end\n"
                             "  return sb.ACCEPT\n"
                             "end)\n"
                             "local into = sb.pull { name = 'into', bind = 'inproc://into' }\n"
                             "into:pipe(feed)\n";

static const sb_use uses[] = {{SB_USE_SUBSCRIBE, "feed", 4}};

typedef struct seen {
    sb_follower follower; /* first member */
    int answers, messages;
    sb_follow_status status;
    sb_event_id last;
    char text[256]; /* "topic=body;" of all messages */
} seen;

typedef struct rig {
    sb_board *board;
    sb_gate *gate;
    sb_gateway *gw;
    sb_engine *engine;
    sb_socket *push;
} rig;

static void on_status(sb_follower *self, sb_follow_status status)
{
    seen *s = (seen *)self;
    s->answers++;
    s->status = status;
}

static void on_message(sb_follower *self, const sb_event_id *id, const struct iovec *frames, size_t n)
{
    seen *s = (seen *)self;
    s->messages++;
    s->last = *id;
    for (size_t i = 0; i < n; i++) {
        strncat(s->text, frames[i].iov_base, frames[i].iov_len);
        strcat(s->text, i + 1 < n ? "=" : ";");
    }
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
    assert_int_equal(sb_gate_create(r.board, NULL, uses, 1, &r.gate), SB_OK);
    assert_int_equal(sb_gateway_create(r.engine, SB_GATE_INPROC, uses, 1, &r.gw), SB_OK);
    assert_int_equal(sb_socket_create(r.engine, SB_PUSH, "push", &r.push), SB_OK);
    assert_int_equal(sb_socket_connect(r.push, "inproc://into", NULL, 0), SB_OK);
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

static void follow_since(rig *r, seen *s, const char *topic, const sb_event_id *since)
{
    memset(s, 0, sizeof *s);
    s->follower.on_status = on_status;
    s->follower.on_message = on_message;
    assert_int_equal(sb_gateway_follow(r->gw, 0, topic, strlen(topic), since, &s->follower), SB_OK);
    for (int i = 0; i < STEPS && s->answers == 0; i++)
        step(r, 1);
    assert_int_equal(s->answers, 1);
}

static void follow(rig *r, seen *s, const char *topic)
{
    follow_since(r, s, topic, NULL);
    assert_int_equal(s->status, SB_FOLLOW_OK);
}

static void publish(rig *r, const char *topic, const char *body)
{
    sb_msg msg;
    sb_msg_init(&msg);
    sb_msg_push(&msg, topic, strlen(topic), NULL);
    sb_msg_push(&msg, body, strlen(body), NULL);
    assert_int_equal(sb_socket_send(r->push, &msg), SB_OK);
    sb_msg_finish(&msg);
    step(r, 10);
}

static uint64_t subscriptions(rig *r)
{
    sb_stats stats;
    sb_socket_stats(sb_engine_find_socket(r->engine, "feed"), &stats);
    return stats.subscriptions;
}

static void test_followers_get_what_begins_with_their_topic(void **state)
{
    rig *r = *state;
    static seen a, b, all;
    follow(r, &a, "a");
    follow(r, &b, "b.");
    follow(r, &all, "");
    publish(r, "ab", "1");
    publish(r, "b.c", "2");
    publish(r, "c", "3");
    assert_string_equal(a.text, "ab=1;");
    assert_string_equal(b.text, "b.c=2;");
    assert_string_equal(all.text, "ab=1;b.c=2;c=3;");
}

static void test_one_subscription_serves_all_of_a_topic(void **state)
{
    rig *r = *state;
    static seen s[20];
    for (int i = 0; i < 20; i++)
        follow(r, &s[i], "a");
    assert_int_equal(subscriptions(r), 1);
    publish(r, "a", "x");
    for (int i = 0; i < 20; i++)
        assert_string_equal(s[i].text, "a=x;");
    for (int i = 0; i < 20; i++) {
        sb_gateway_unfollow(r->gw, &s[i].follower);
        sb_gateway_unfollow(r->gw, &s[i].follower);
    }
    publish(r, "a", "y");
    assert_string_equal(s[0].text, "a=x;");
}

static void test_the_script_denies_rewrites_and_takes_its_time(void **state)
{
    rig *r = *state;
    static seen no, old, slow;
    follow_since(r, &no, "secret", NULL);
    assert_int_equal(no.status, SB_FOLLOW_DENIED);
    follow(r, &old, "old.x");
    follow(r, &slow, "slow");
    publish(r, "secret", "1");
    publish(r, "new.x.y", "2");
    publish(r, "slow", "3");
    assert_string_equal(no.text, "");
    assert_string_equal(old.text, "old.x.y=2;");
    assert_string_equal(slow.text, "slow=3;");
}

static void test_what_was_missed_comes_first(void **state)
{
    rig *r = *state;
    static seen a, b;
    sb_event_id since;
    follow(r, &a, "a");
    publish(r, "a", "1");
    since = a.last;
    sb_gateway_unfollow(r->gw, &a.follower);
    publish(r, "a", "2");
    publish(r, "a", "3");
    follow_since(r, &b, "a", &since);
    publish(r, "a", "4");
    assert_string_equal(b.text, "a=2;a=3;a=4;");
    assert_int_equal(b.last.epoch, since.epoch);
    assert_int_equal(b.last.number, since.number + 3);
}

static void test_only_so_much_is_kept(void **state)
{
    rig *r = *state;
    static seen a, b;
    char body[2] = "0";
    follow(r, &a, "a");
    for (int i = 0; i < 9; i++) {
        body[0]++;
        publish(r, "a", body);
    }
    const sb_event_id other = {.epoch = a.last.epoch + 1, .number = 1000};
    follow_since(r, &b, "a", &other); /* of another epoch: all that is kept */
    assert_string_equal(b.text, "a=6;a=7;a=8;a=9;");
}

static void test_a_follower_that_leaves_in_between_gets_no_answer(void **state)
{
    rig *r = *state;
    static seen s;
    memset(&s, 0, sizeof s);
    s.follower.on_status = on_status;
    s.follower.on_message = on_message;
    assert_int_equal(sb_gateway_follow(r->gw, 0, "slow", 4, NULL, &s.follower), SB_OK);
    step(r, 2);
    sb_gateway_unfollow(r->gw, &s.follower);
    step(r, 50);
    assert_int_equal(s.answers, 0);
}

static void test_a_topic_may_not_be_too_long(void **state)
{
    rig *r = *state;
    static seen s;
    char topic[SB_FOLLOW_TOPIC + 1];
    memset(topic, 't', sizeof topic);
    memset(&s, 0, sizeof s);
    assert_int_equal(sb_gateway_follow(r->gw, 0, topic, sizeof topic, NULL, &s.follower), SB_EMSGSIZE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_followers_get_what_begins_with_their_topic),
        TEST(test_one_subscription_serves_all_of_a_topic),
        TEST(test_the_script_denies_rewrites_and_takes_its_time),
        TEST(test_what_was_missed_comes_first),
        TEST(test_only_so_much_is_kept),
        TEST(test_a_follower_that_leaves_in_between_gets_no_answer),
        TEST(test_a_topic_may_not_be_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
