/* A ring that runs out: of receive buffers (ENOBUFS), of places for completions (overflow), of places for
 * submissions. Nothing is lost, nobody forgotten, and it really did run out. */
#include "backends/uring/uring.h"
#include "tests/loop/suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static sb_err make_tight(sb_loop **out)
{
    static const sb__uring_setup setup = {
        .sq_entries = 4, .cq_entries = 8, .buffers = 4, .buffer_size = 4096};
    return sb__uring_create(&setup, NULL, out);
}

static const suite_backend tight = {.name = "uring", .make = make_tight};

static struct uring_loop *loop_of(void **state)
{
    return uring_from_loop(fixture_of(state)->loop);
}

/* ---- Receive buffers ---- */

#define READERS 400
#define BYTES   30000

static size_t starvings;

static void count_starvings(struct peer *p, int what)
{
    if (what == PEER_READ)
        starvings += !TAILQ_EMPTY(&uring_from_loop(p->st->loop)->starved);
}

/* What every reader gets is checked octet by octet (suite.c), so that nothing changes places either. */
static void test_enobufs_forgets_no_reader(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer *a = calloc(READERS, sizeof *a), *b = calloc(READERS, sizeof *b);
    starvings = 0;
    for (size_t i = 0; i < READERS; i++) {
        make_pair(fx, &a[i], &b[i]);
        b[i].on_event = count_starvings;
        sb_stream_read_start(b[i].st);
    }
    for (size_t round = 1; round <= 2; round++) { /* once more: all of them still read */
        for (size_t i = 0; i < READERS; i++)
            peer_send(&a[i], BYTES);
        for (size_t i = 0; i < READERS; i++)
            drive(fx, &b[i].bytes_in, round * BYTES);
    }
    drive_for(fx, 2);
    assert_true(TAILQ_EMPTY(&loop_of(state)->starved));
    if (loop_of(state)->slots.ring != NULL) {
        assert_true(starvings > READERS);
        assert_int_equal(loop_of(state)->slots.in_ring, loop_of(state)->slots.want);
    }
    printf("%d readers, 4 buffers: %zu reads while others waited for one, %d octets each, none missing\n",
        READERS, starvings, 2 * BYTES);
    for (size_t i = 0; i < READERS; i++) {
        peer_close(&a[i]);
        peer_close(&b[i]);
    }
    free(a);
    free(b);
}

/* ---- Completions ---- */

struct ask {
    struct uring_op op;
    unsigned done;
    int res;
};

static size_t asks_done, overflows;

static void ask_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
    (void)op;
    io_uring_prep_cancel(sqe, &asks_done, 0); /* of nothing: it completes at once */
}

static void ask_done(struct uring_op *op, int res, unsigned flags)
{
    struct ask *ask = (struct ask *)op;
    (void)flags;
    ask->done++;
    ask->res = res;
    asks_done++;
}

static const struct uring_op_kind ask_kind = {ask_prep, ask_done};

static void test_more_completions_than_places_lose_none(void **state)
{
    enum { N = 10000 };
    struct uring_loop *loop = loop_of(state);
    struct ask *asks = calloc(N, sizeof *asks);
    asks_done = overflows = 0;
    for (size_t i = 0; i < N; i++) {
        asks[i].op.kind = &ask_kind;
        sb__uring_queue(loop, &asks[i].op);
        overflows += (IO_URING_READ_ONCE(*loop->ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW) != 0;
    }
    loop->open++;
    drive(fixture_of(state), &asks_done, N);
    loop->open--;
    assert_true(overflows > N / 2); /* the queue has 8 places */
    assert_int_equal(asks_done, N);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(asks[i].done, 1);
        assert_int_equal(asks[i].res, -ENOENT);
        assert_false(asks[i].op.busy);
    }
    assert_true(STAILQ_EMPTY(&loop->unsent));
    printf("%d operations, 8 places: each completed once, overflow seen %zu times\n", N, overflows);
    free(asks);
}

/* The same while streams carry data, which shares the ring. */
static void test_overflow_beside_traffic_loses_and_repeats_nothing(void **state)
{
    enum { N = 3000 };
    struct fixture *fx = fixture_of(state);
    struct uring_loop *loop = loop_of(state);
    struct ask *asks = calloc(N, sizeof *asks);
    struct peer a[20], b[20];
    asks_done = 0;
    for (size_t i = 0; i < 20; i++) {
        make_pair(fx, &a[i], &b[i]);
        sb_stream_read_start(b[i].st);
        peer_send(&a[i], 300000);
    }
    for (size_t i = 0; i < N; i++) {
        asks[i].op.kind = &ask_kind;
        sb__uring_queue(loop, &asks[i].op);
    }
    drive(fx, &asks_done, N);
    for (size_t i = 0; i < 20; i++)
        drive(fx, &b[i].bytes_in, 300000);
    assert_int_equal(asks_done, N);
    for (size_t i = 0; i < 20; i++) {
        peer_close(&a[i]);
        peer_close(&b[i]);
    }
    free(asks);
}

#define LOOP_TEST(fn) SUITE_TEST(fn, tight)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_enobufs_forgets_no_reader),
        LOOP_TEST(test_more_completions_than_places_lose_none),
        LOOP_TEST(test_overflow_beside_traffic_loses_and_repeats_nothing),
    };
    const char *reason;
    sb_loop *loop;
    if (sb__uring_create(NULL, &reason, &loop) != SB_OK) {
        printf("skipped: no io_uring (%s)\n", reason);
        return 77;
    }
    sb_loop_destroy(loop);
    return cmocka_run_group_tests_name("exhausted", tests, NULL, NULL);
}
