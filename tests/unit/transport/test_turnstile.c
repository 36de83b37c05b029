/* The turnstile: so many steps per turn, and no line is passed over for good. */
#include "engine/transport/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define STEPS 8

/* Connections that want one step after the other, and how many each got. */
typedef struct crowd {
    sb_loop loop;
    sb__hub hub;
    sb__conn conns[SB__LINES];
    sb__newcomer in[SB__LINES];
    uint32_t got[SB__LINES], n;
} crowd;

static void step(sb__task *task)
{
    (void)task;
}

static void meet(crowd *c, uint32_t n, uint32_t lines)
{
    *c = (crowd){.n = n};
    sb__turnstile_init(&c->hub.turnstile);
    sb_list_init(&c->hub.input);
    c->hub.loop = &c->loop;
    for (uint32_t i = 0; i < n; i++) {
        c->conns[i] = (sb__conn){.hub = &c->hub};
        c->in[i] = (sb__newcomer){.conn = &c->conns[i], .steps_per_turn = STEPS, .line = i % lines};
        sb_list_node_init(&c->in[i].in_line);
        sb__task_init(&c->conns[i].feed, step);
    }
}

static void ask(crowd *c, uint32_t i)
{
    if (!sb_list_linked(&c->in[i].in_line))
        c->got[i] += sb__turnstile_pass(&c->hub.turnstile, &c->in[i]);
}

/* Everybody who does not wait asks, and the turn ends; how many steps were made in it. */
static uint32_t turn(crowd *c)
{
    uint32_t before = 0, after = 0;
    c->loop.turns++;
    for (uint32_t i = 0; i < c->n; i++)
        before += c->got[i];
    for (uint32_t i = 0; i < c->n; i++)
        ask(c, i);
    sb__turnstile_turn(&c->hub.turnstile);
    for (uint32_t i = 0; i < c->n; i++) {
        c->got[i] += sb_list_linked(&c->conns[i].feed.node);
        sb__task_cancel(&c->conns[i].feed);
        after += c->got[i];
    }
    return after - before;
}

static void test_a_turn_makes_its_steps_and_no_more(void **state)
{
    crowd c;
    (void)state;
    meet(&c, 20, 20);
    for (int i = 0; i < 10; i++)
        assert_int_equal(turn(&c), STEPS);
}

static void test_the_end_of_a_turn_that_is_told_twice_makes_no_more(void **state)
{
    crowd c;
    (void)state;
    meet(&c, 20, 20);
    turn(&c);
    c.loop.turns--; /* turn() counts it again */
    assert_int_equal(turn(&c), 0);
}

static void test_lines_get_the_same_however_many_there_are(void **state)
{
    (void)state;
    for (uint32_t lines = STEPS + 1; lines <= SB__LINES; lines++) {
        crowd c;
        meet(&c, lines, lines);
        while (c.loop.turns < 4 * (uint64_t)lines)
            turn(&c);
        for (uint32_t i = 0; i < lines; i++)
            assert_in_range(c.got[i], 4 * STEPS - 1, 4 * STEPS + 1);
    }
}

/* A crowd behind one address and somebody alone: the crowd has what the one leaves. */
static void test_a_crowd_has_all_that_others_leave(void **state)
{
    crowd c;
    uint32_t of_the_crowd = 0;
    (void)state;
    meet(&c, 31, 31);
    for (uint32_t i = 1; i < c.n; i++)
        c.in[i].line = 1;
    for (int i = 0; i < 60; i++)
        assert_int_equal(turn(&c), STEPS);
    for (uint32_t i = 1; i < c.n; i++)
        of_the_crowd += c.got[i];
    assert_in_range(c.got[0], 58, 60); /* one step in a turn: it asks for no more */
    assert_int_equal(of_the_crowd, 60 * STEPS - c.got[0]);
    for (uint32_t i = 1; i < c.n; i++)
        assert_in_range(c.got[i], 60 * 7 / 30 - 2, 60 * 7 / 30 + 2);
}

static void test_who_left_is_not_called(void **state)
{
    crowd c;
    (void)state;
    meet(&c, 20, 3);
    turn(&c);
    for (uint32_t i = 0; i < c.n; i++)
        sb__turnstile_leave(&c.hub.turnstile, &c.in[i]);
    assert_int_equal(c.hub.turnstile.waiting, 0);
    c.loop.turns++;
    sb__turnstile_turn(&c.hub.turnstile);
    assert_true(sb_list_empty(&c.hub.input));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_turn_makes_its_steps_and_no_more),
        cmocka_unit_test(test_the_end_of_a_turn_that_is_told_twice_makes_no_more),
        cmocka_unit_test(test_lines_get_the_same_however_many_there_are),
        cmocka_unit_test(test_a_crowd_has_all_that_others_leave),
        cmocka_unit_test(test_who_left_is_not_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
