/* Memory is refused once while messages of many frames are on their way: what that costs is counted, and
 * nothing behind it waits for ever. Every allocation in turn. */
#include "tests/sim/memory.h"
#include "tests/unit/socket/bench.h"

#define FRAMES 12 /* more than a message holds without an allocation */
#define SENT   6

/* Counts; what an ear does needs memory itself. */
typedef struct counter {
    sb_handler base;
    uint64_t n;
    bool full;
} counter;

typedef struct scene {
    bench b;
    counter e;
    sb_socket *from, *to;
} scene;

static sb_err count(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    counter *c = (counter *)self;
    (void)sock, (void)peer, (void)msg;
    if (c->full)
        return SB_EAGAIN;
    c->n++;
    return SB_OK;
}

static void send_some(sb_socket *sock)
{
    sb_msg msg;
    for (uint32_t i = 0; i < SENT; i++) {
        sb_msg_init(&msg);
        for (uint32_t k = 0; k < FRAMES; k++)
            assert_int_equal(sb_msg_push(&msg, "x", 1, NULL), SB_OK);
        assert_int_equal(sb_socket_send(sock, &msg), SB_OK);
        sb_msg_finish(&msg);
    }
}

static void open_scene(scene *s, sb_type from, sb_type to)
{
    bench_open(&s->b);
    s->e = (counter){.base = {.on_msg = count}};
    s->to = open_socket(&s->b, to, NULL);
    sb_socket_set_handler(s->to, &s->e.base);
    bind_to(s->to, "inproc://refused");
    s->from = open_socket(&s->b, from, NULL);
    connect_to(s->from, "inproc://refused");
    settle(&s->b);
}

static uint64_t lost(const sb_socket *sock)
{
    sb_stats st;
    sb_socket_stats(sock, &st);
    return st.dropped[SB_DROP_LOST];
}

/* One round without the allocation number `nth`; false when there was no such. */
static bool round_of(uint64_t nth, void (*act)(scene *s), sb_type from, sb_type to)
{
    scene s;
    uint64_t before = sim_memory_refused();
    open_scene(&s, from, to);
    act(&s);
    sim_memory_refuse(nth, 1);
    settle(&s.b);
    sim_memory_refuse(1, 0);
    bool refused = sim_memory_refused() > before;
    settle(&s.b);
    assert_int_equal(s.e.n + lost(s.from) + lost(s.to), SENT);
    if (!refused)
        assert_int_equal(s.e.n, SENT);
    bench_close(&s.b);
    return refused;
}

static void each_allocation(void (*act)(scene *s), sb_type from, sb_type to)
{
    uint64_t nth = 1;
    while (round_of(nth, act, from, to))
        nth++;
    assert_in_range(nth, 2, 1000); /* some were refused */
}

static void send_now(scene *s)
{
    send_some(s->from);
}

static void test_messages_behind_one_that_is_lost_go_on(void **state)
{
    (void)state;
    each_allocation(send_now, SB_PUSH, SB_PULL);
}

/* They wait in the in queue; then the handler takes them. */
static void send_to_a_queue(scene *s)
{
    s->e.full = true;
    send_some(s->from);
    settle(&s->b);
    s->e.full = false;
    sb_socket_resume(s->to);
}

static void test_queued_messages_behind_one_that_is_lost_go_on(void **state)
{
    (void)state;
    each_allocation(send_to_a_queue, SB_PUSH, SB_PULL);
}

/* Subscriptions are messages too, for an XPUB. */
static void subscribe_some(scene *s)
{
    static const char topics[SENT][2] = {"a", "b", "c", "d", "e", "f"};
    s->e.full = true;
    for (uint32_t i = 0; i < SENT; i++)
        assert_int_equal(sb_socket_subscribe(s->from, topics[i], 1), SB_OK);
    settle(&s->b);
    s->e.full = false;
    sb_socket_resume(s->to);
}

static void test_subscriptions_behind_one_that_is_lost_are_told(void **state)
{
    (void)state;
    each_allocation(subscribe_some, SB_SUB, SB_XPUB);
}

/* Over a stream: a topic is said again on the next connection, not left out of this one. */
static bool subscribed_without(uint64_t nth)
{
    scene s;
    sb_stats st;
    uint64_t before = sim_memory_refused();
    bench_open(&s.b);
    s.to = open_socket(&s.b, SB_XPUB, NULL);
    s.e = (counter){.base = {.on_msg = count}};
    sb_socket_set_handler(s.to, &s.e.base);
    bind_to(s.to, "tcp://127.0.0.1:1");
    s.from = open_socket(&s.b, SB_SUB, NULL);
    connect_to(s.from, "tcp://127.0.0.1:1");
    settle(&s.b);
    static const char topic[2000] = "t"; /* more than what was said before has room for */
    sim_memory_refuse(nth, 1);
    sb_err err = sb_socket_subscribe(s.from, topic, sizeof topic);
    settle(&s.b);
    sim_memory_refuse(1, 0);
    bool refused = sim_memory_refused() > before;
    pass(&s.b, 500);
    sb_socket_stats(s.to, &st);
    assert_int_equal(st.subscriptions, err == SB_OK);
    bench_close(&s.b);
    return refused;
}

static void test_a_subscription_without_memory_is_made_again(void **state)
{
    uint64_t nth = 1;
    (void)state;
    while (subscribed_without(nth))
        nth++;
    assert_in_range(nth, 2, 1000);
}

/* A greeting goes in front of what waits for the peer, which moves behind it. */
static bool greeted_without(uint64_t nth)
{
    scene s;
    uint64_t before = sim_memory_refused();
    bench_open(&s.b);
    s.e = (counter){.base = {.on_msg = count}};
    s.from = open_socket(&s.b, SB_DEALER, NULL);
    assert_int_equal(sb_socket_set_bytes(s.from, SB_OPT_HELLO_MSG, "hello", 5, NULL, 0), SB_OK);
    connect_to(s.from, "inproc://refused");
    send_some(s.from);
    s.to = open_socket(&s.b, SB_DEALER, NULL);
    sb_socket_set_handler(s.to, &s.e.base);
    bind_to(s.to, "inproc://refused");
    sim_memory_refuse(nth, 1);
    pass(&s.b, 500);
    sim_memory_refuse(1, 0);
    bool refused = sim_memory_refused() > before;
    pass(&s.b, 500);
    assert_int_equal(s.e.n + lost(s.from) + lost(s.to), SENT + 1);
    bench_close(&s.b);
    return refused;
}

static void test_what_a_greeting_costs_is_counted(void **state)
{
    uint64_t nth = 1;
    (void)state;
    while (greeted_without(nth))
        nth++;
    assert_in_range(nth, 2, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_behind_one_that_is_lost_go_on),
        cmocka_unit_test(test_queued_messages_behind_one_that_is_lost_go_on),
        cmocka_unit_test(test_subscriptions_behind_one_that_is_lost_are_told),
        cmocka_unit_test(test_a_subscription_without_memory_is_made_again),
        cmocka_unit_test(test_what_a_greeting_costs_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
