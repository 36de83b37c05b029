/* Runs and inlets: a queue that takes many messages at once is in the state it would have come to one by one.
 */
#include "engine/pattern/inlet.h"
#include "engine/pattern/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* A run of n messages of one or two frames. */
static sb_run make_run(uint32_t n, uint32_t most)
{
    sb_run run = {.buf = sb_buf_create((size_t)n * 2 * (most + 9)), .n = n};
    uint8_t *p = run.buf->data;
    for (uint32_t i = 0; i < n; i++)
        for (bool more = rnd(5) == 0;; more = false) {
            size_t len = rnd(most);
            p = sb__packed_header_write(p, len, more);
            for (size_t k = 0; k < len; k++)
                *p++ = (uint8_t)rnd(256);
            if (!more)
                break;
        }
    run.p = run.buf->data;
    run.len = (size_t)(p - run.p);
    return run;
}

static uint32_t push_one_by_one(sb__queue *q, const sb_run *run)
{
    size_t at = 0;
    for (uint32_t i = 0; i < run->n; i++) {
        sb_msg msg;
        sb_msg_init(&msg);
        at += sb_msg_unpack(&msg, run->buf, run->p + at);
        sb_err err = sb__queue_push(q, &msg);
        sb_msg_finish(&msg);
        if (err != SB_OK)
            return i;
    }
    return run->n;
}

static void expect_same(sb__queue *a, sb__queue *b)
{
    assert_int_equal(a->msgs, b->msgs);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->budget->used, b->budget->used);
    while (a->msgs > 0) {
        sb_msg x, y;
        sb_msg_init(&x);
        sb_msg_init(&y);
        assert_true(sb__queue_peek(a, &x) && sb__queue_peek(b, &y));
        assert_int_equal(x.wire_len, y.wire_len);
        assert_memory_equal(x.wire, y.wire, x.wire_len);
        sb_msg_finish(&x);
        sb_msg_finish(&y);
        sb__queue_pop(a);
        sb__queue_pop(b);
    }
}

typedef struct limits {
    uint32_t msgs;
    uint64_t bytes, budget;
} limits;

static void check_runs(const limits *l)
{
    sb__budget budgets[2] = {{.max = l->budget}, {.max = l->budget}};
    sb__queue a, b;
    sb__queue_init(&a, l->msgs, l->bytes);
    sb__queue_init(&b, l->msgs, l->bytes);
    a.budget = &budgets[0];
    b.budget = &budgets[1];
    for (uint32_t n = 1 + rnd(6); n > 0; n--) {
        sb_run run = make_run(1 + rnd(60), rnd(4) == 0 ? 5000 : 1 + rnd(300));
        sb_run part = sb__run_first(&run, sb__queue_room(&a, &run));
        if (part.n > 0)
            assert_int_equal(sb__queue_push_run(&a, &part), SB_OK);
        assert_int_equal(part.n, push_one_by_one(&b, &run));
        sb_buf_unref(run.buf);
    }
    expect_same(&a, &b);
    sb__queue_finish(&a);
    sb__queue_finish(&b);
}

static void test_room_is_what_pushing_one_by_one_finds(void **state)
{
    (void)state;
    for (seed = 1; seed < 4000;) {
        uint64_t next = seed + 1;
        limits l = {.msgs = rnd(3) ? rnd(200) : 0, .bytes = rnd(3) ? rnd(20000) : 0};
        l.budget = rnd(3) ? rnd(40000) : 0;
        check_runs(&l);
        seed = next;
    }
}

static int outputs;

static void note_output(sb_peer *peer)
{
    (void)peer;
    outputs++;
}

static const sb__link link_of_test = {.output = note_output};

static void test_inlets_count_what_came_in(void **state)
{
    (void)state;
    sb__budget budgets[2] = {{0}};
    sb_peer peer = {.link = &link_of_test, .ready = true};
    sb__queue alone;
    sb__queue_init(&peer.out, 0, 0);
    sb__queue_init(&alone, 0, 0);
    peer.out.budget = &budgets[0];
    alone.budget = &budgets[1];
    seed = 5;
    outputs = 0;
    for (int i = 0; i < 300; i++) {
        sb__inlets set = {.each = 1000, .all = 1000};
        for (int k = 0; k < 4; k++) {
            sb_run run = make_run(1 + rnd(3), 40);
            sb__inlet *in = sb__inlets_of(&set, &peer);
            assert_true(sb__inlet_put(&set, in, &run));
            push_one_by_one(&alone, &run);
            sb_buf_unref(run.buf);
        }
        sb__inlets_close(&set);
        assert_null(peer.inlet);
    }
    assert_int_equal(outputs, 1);
    expect_same(&peer.out, &alone);
    sb__queue_finish(&peer.out);
    sb__queue_finish(&alone);
}

static void test_an_inlet_has_the_room_of_its_queue(void **state)
{
    (void)state;
    sb_peer peer = {.link = &link_of_test, .ready = true};
    sb__inlets set = {.each = 1000, .all = 1000};
    seed = 6;
    sb_run run = make_run(1, 40);
    sb__queue_init(&peer.out, 5, 0);
    sb__inlet *in = sb__inlets_of(&set, &peer);
    for (int i = 0; i < 5; i++)
        assert_true(sb__inlet_put(&set, in, &run));
    assert_false(sb__inlet_put(&set, in, &run));
    sb__inlets_close(&set);
    assert_int_equal(peer.out.msgs, 5);
    assert_int_equal(sb__pipe_push_run(&peer, &run).n, 0);
    sb__queue_clear(&peer.out);
    peer.out.hwm_msgs = 0;
    peer.out.hwm_bytes = 900; /* it could be reached */
    assert_false(sb__inlet_put(&set, sb__inlets_of(&set, &peer), &run));
    sb__inlets_close(&set);
    sb__queue_finish(&peer.out);
    sb_buf_unref(run.buf);
}

static void test_there_are_so_many_inlets(void **state)
{
    (void)state;
    static sb_peer peers[SB__INLETS + 1];
    sb__inlets set = {0};
    for (int i = 0; i < SB__INLETS; i++)
        assert_non_null(sb__inlets_of(&set, &peers[i]));
    assert_null(sb__inlets_of(&set, &peers[SB__INLETS]));
    assert_non_null(sb__inlets_of(&set, &peers[0]));
    sb__inlets_close(&set);
}

/* A long run is a reference. */
static void test_a_run_is_not_copied(void **state)
{
    (void)state;
    struct iovec iov[SB__QUEUE_IOV];
    sb__queue q;
    seed = 7;
    sb_run run = make_run(200, 60);
    sb__queue_init(&q, 0, 0);
    assert_int_equal(sb__queue_push_run(&q, &run), SB_OK);
    assert_int_equal(sb__queue_iov(&q, iov, SB__QUEUE_IOV, SIZE_MAX), 1);
    assert_ptr_equal(iov[0].iov_base, run.p);
    assert_int_equal(q.flight_msgs, 200);
    sb__queue_sent(&q);
    assert_int_equal(run.buf->refs, 1);
    sb__queue_finish(&q);
    sb_buf_unref(run.buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_is_what_pushing_one_by_one_finds),
        cmocka_unit_test(test_inlets_count_what_came_in),
        cmocka_unit_test(test_an_inlet_has_the_room_of_its_queue),
        cmocka_unit_test(test_there_are_so_many_inlets),
        cmocka_unit_test(test_a_run_is_not_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
