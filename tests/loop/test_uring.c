/* What only the io_uring loop has: its features in use, its buffers all accounted for, a ring that can do
 * nothing else. */
#include "backends/uring/uring.h"
#include "tests/loop/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static sb_err make_usual(sb_loop **out)
{
    return sb__uring_create(NULL, NULL, out);
}

static const suite_backend usual = {.name = "uring", .make = make_usual};

static struct uring_loop *loop_of(void **state)
{
    return uring_from_loop(fixture_of(state)->loop);
}

static bool kernel_has(unsigned major, unsigned minor)
{
    FILE *f = fopen("/proc/sys/kernel/osrelease", "r");
    unsigned a = 0, b = 0;
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%u.%u", &a, &b), 2);
    fclose(f);
    return a > major || (a == major && b >= minor);
}

static void test_a_new_kernel_keeps_every_feature_in_use(void **state)
{
    struct uring_loop *loop = loop_of(state);
    struct peer a, b;
    bool new = kernel_has(6, 1);
    make_pair(fixture_of(state), &a, &b);
    sb_stream_read_start(b.st);
    peer_send(&a, 100000);
    drive(fixture_of(state), &b.bytes_in, 100000);
    assert_true(!new || (loop->ring.flags & IORING_SETUP_DEFER_TASKRUN));
    assert_true(!new || (loop->multishot_accept && loop->multishot_recv && loop->slots.ring != NULL));
    peer_close(&a);
    peer_close(&b);
}

static void keep(struct peer *p, int what)
{
    sb_buf **kept = p->data;
    if (what != PEER_READ)
        return;
    sb_buf_unref(*kept);
    *kept = sb_buf_ref(p->last);
}

static void test_every_buffer_is_back_in_its_place_at_rest(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct uring_loop *loop = loop_of(state);
    struct peer a, b;
    sb_buf *kept = NULL;
    make_pair(fx, &a, &b);
    b.data = &kept;
    b.on_event = keep;
    sb_stream_read_start(b.st);
    peer_send(&a, 20 << 20);
    drive(fx, &b.bytes_in, 20 << 20);
    if (loop->slots.ring != NULL)
        assert_int_equal(loop->slots.in_ring, loop->slots.want);
    sb_buf_unref(kept);
    assert_true(loop->slots.pool->nspare <= 64);
    assert_int_equal(
        loop->slots.pool->refs, 1 + loop->slots.in_ring + loop->slots.pool->nspare); /* none is lost */
    peer_close(&a);
    peer_close(&b);
}

static void test_an_idle_loop_has_no_buffers_yet(void **state)
{
    struct peer a, b;
    make_pair(fixture_of(state), &a, &b);
    assert_int_equal(loop_of(state)->slots.in_ring, 0);
    assert_int_equal(loop_of(state)->slots.pool->refs, 1);
    peer_close(&a);
    peer_close(&b);
}

static void test_readers_that_meet_an_empty_ring_get_more_buffers(void **state)
{
    enum { N = 40 };
    struct fixture *fx = fixture_of(state);
    struct peer *a = calloc(N, sizeof *a), *b = calloc(N, sizeof *b);
    loop_of(state)->slots.want = 1;
    for (size_t i = 0; i < N; i++) {
        make_pair(fx, &a[i], &b[i]);
        sb_stream_read_start(b[i].st);
    }
    drive_for(fx, 2);
    for (size_t i = 0; i < N; i++)
        peer_send(&a[i], 200000);
    for (size_t i = 0; i < N; i++)
        drive(fx, &b[i].bytes_in, 200000);
    if (loop_of(state)->slots.ring != NULL)
        assert_in_range(loop_of(state)->slots.want, 2, loop_of(state)->slots.n);
    assert_true(TAILQ_EMPTY(&loop_of(state)->starved));
    for (size_t i = 0; i < N; i++) {
        peer_close(&a[i]);
        peer_close(&b[i]);
    }
    free(a);
    free(b);
}

struct open_op {
    struct uring_op op;
    size_t done;
    int res;
};

static void open_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
    (void)op;
    io_uring_prep_openat(sqe, AT_FDCWD, "/", O_RDONLY, 0);
}

static void open_done(struct uring_op *op, int res, unsigned flags)
{
    struct open_op *o = (struct open_op *)op;
    (void)flags;
    o->res = res;
    o->done++;
}

static void test_the_ring_opens_no_files(void **state)
{
    static const struct uring_op_kind open_kind = {open_prep, open_done};
    struct open_op o = {.op = {.kind = &open_kind}};
    sb__uring_queue(loop_of(state), &o.op);
    loop_of(state)->open++;
    drive(fixture_of(state), &o.done, 1);
    loop_of(state)->open--;
    assert_int_equal(o.res, -EACCES);
}

/* Stopping and starting again within one turn costs the kernel nothing: no cancel, no new receive. */
static void test_stop_and_start_in_one_turn_leave_the_receive_alone(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    sb_stream_read_start(b.st);
    drive_for(fx, 2);
    unsigned before = io_uring_sq_ready(&loop_of(state)->ring);
    for (int i = 0; i < 100; i++) {
        sb_stream_read_stop(b.st);
        sb_stream_read_start(b.st);
    }
    assert_int_equal(io_uring_sq_ready(&loop_of(state)->ring), before);
    peer_send(&a, 1000);
    drive(fx, &b.bytes_in, 1000);
    peer_close(&a);
    peer_close(&b);
}

#define LOOP_TEST(fn) SUITE_TEST(fn, usual)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_a_new_kernel_keeps_every_feature_in_use),
        LOOP_TEST(test_every_buffer_is_back_in_its_place_at_rest),
        LOOP_TEST(test_an_idle_loop_has_no_buffers_yet),
        LOOP_TEST(test_readers_that_meet_an_empty_ring_get_more_buffers),
        LOOP_TEST(test_the_ring_opens_no_files),
        LOOP_TEST(test_stop_and_start_in_one_turn_leave_the_receive_alone),
    };
    const char *reason;
    sb_loop *loop;
    if (sb__uring_create(NULL, &reason, &loop) != SB_OK) {
        printf("skipped: no io_uring (%s)\n", reason);
        return 77;
    }
    sb_loop_destroy(loop);
    return cmocka_run_group_tests_name("uring", tests, NULL, NULL);
}
