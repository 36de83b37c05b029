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
    assert_true(loop->slots.pool->nspare <= 256);
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

/* ---- Buffers that a burst brought ---- */

/* As readers that met an empty ring do it. False: this kernel has no buffer ring. */
static bool grow(struct uring_loop *loop)
{
    while (loop->slots.ring != NULL && loop->slots.want < 64)
        sb__uring_slots_grow(loop);
    return loop->slots.ring != NULL;
}

static bool at_rest(const struct uring_loop *loop)
{
    return loop->slots.in_ring == loop->slots.usual && loop->slots.pool->nspare == 0 && loop->ebb.fd < 0 &&
           loop->ebb.look.deadline == SB_NEVER;
}

static void rest(struct fixture *fx)
{
    const struct uring_loop *loop = uring_from_loop(fx->loop);
    for (int i = 0; i < 1000 && !at_rest(loop); i++)
        drive_for(fx, 20);
    assert_true(at_rest(loop));
    assert_int_equal(loop->slots.want, loop->slots.usual);
    assert_int_equal(loop->slots.pool->refs, 1 + loop->slots.in_ring); /* none is lost */
}

/* b has read 1000 octets. */
static void make_reading_pair(struct fixture *fx, struct peer *a, struct peer *b)
{
    make_pair(fx, a, b);
    sb_stream_read_start(b->st);
    peer_send(a, 1000);
    drive(fx, &b->bytes_in, 1000);
}

static void test_buffers_that_are_not_needed_any_more_go_back(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct uring_loop *loop = loop_of(state);
    struct peer a, b;
    make_reading_pair(fx, &a, &b);
    if (grow(loop)) {
        assert_int_equal(loop->slots.in_ring, 64);
        drive_for(fx, 2);
        assert_true(loop->ebb.look.deadline != SB_NEVER);
        rest(fx);
        uint64_t turns = sb_loop_turns(fx->loop);
        drive_for(fx, 600);
        assert_in_range(sb_loop_turns(fx->loop) - turns, 0, 2); /* nor is it woken */
    }
    peer_send(&a, 1000000);
    drive(fx, &b.bytes_in, 1001000);
    peer_close(&a);
    peer_close(&b);
}

static void test_a_loop_without_streams_does_not_wait_for_them_to_go(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct uring_loop *loop = loop_of(state);
    struct peer a, b;
    make_reading_pair(fx, &a, &b);
    bool grown = grow(loop);
    peer_close(&a);
    peer_close(&b);
    assert_int_equal(sb_loop_run(fx->loop), SB_OK);
    assert_true(loop->ebb.look.deadline == SB_NEVER);
    if (grown)
        assert_int_equal(loop->slots.want, 64);
}

/* A look at every read, and one is enough as soon as nobody else reads: the ring grows and ebbs all the time.
 */
static void look(struct peer *p, int what)
{
    struct uring_loop *loop = uring_from_loop(p->fx->loop);
    if (what != PEER_READ)
        return;
    loop->ebb.peak = 0;
    loop->ebb.look.on_expire(&loop->ebb.look);
}

static void test_nothing_is_lost_where_buffers_go_while_others_are_needed(void **state)
{
    enum { N = 20, BYTES = 500000 };
    struct fixture *fx = fixture_of(state);
    struct uring_loop *loop = loop_of(state);
    struct peer *a = calloc(N, sizeof *a), *b = calloc(N, sizeof *b);
    loop->slots.want = loop->slots.usual = 1;
    for (size_t i = 0; i < N; i++) {
        make_pair(fx, &a[i], &b[i]);
        b[i].on_event = look;
        sb_stream_read_start(b[i].st);
    }
    for (size_t i = 0; i < N; i++)
        peer_send(&a[i], BYTES);
    for (size_t i = 0; i < N; i++)
        drive(fx, &b[i].bytes_in, BYTES);
    if (loop->slots.ring != NULL)
        rest(fx);
    for (size_t i = 0; i < N; i++) {
        peer_close(&a[i]);
        peer_close(&b[i]);
    }
    free(a);
    free(b);
}

/* ---- A ring that can do nothing else ---- */

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

/* ---- Streams that fill their buffers ---- */

#define ROUNDS 40

/* As much as the kernel takes. */
static void fill(struct peer *from, struct peer *to, size_t *sent)
{
    uint8_t bytes[16384];
    for (ssize_t n = 1; n > 0; *sent += n > 0 ? (size_t)n : 0) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = pattern_byte(to->seed_in, *sent + i);
        n = send(sb_stream_fd(from->st), bytes, sizeof bytes, MSG_DONTWAIT);
    }
}

/* Steps until all is read; returns the most that one step told. */
static size_t drain(sb_loop *loop, const struct peer *b, size_t sent)
{
    size_t most = 0;
    for (size_t i = 0, before = b->bytes_in; b->bytes_in < sent && i < 1000000; i++, before = b->bytes_in) {
        assert_int_equal(sb_loop_step(loop), SB_OK);
        most = b->bytes_in - before > most ? b->bytes_in - before : most;
    }
    assert_true(b->bytes_in >= sent);
    return most;
}

static void set_buffer(int fd, int name, int octets)
{
    assert_int_equal(setsockopt(fd, SOL_SOCKET, name, &octets, sizeof octets), 0);
}

/* A multishot receive would tell whatever the buffers in the ring hold. */
static void test_a_stream_that_was_full_reads_no_more_than_one_large_buffer_a_turn(void **state)
{
    struct uring_loop *loop = loop_of(state);
    struct peer a, b;
    size_t sent = 0, most = 0;
    make_pair(fixture_of(state), &a, &b);
    set_buffer(sb_stream_fd(b.st), SO_RCVBUF, 4 << 20);
    set_buffer(sb_stream_fd(a.st), SO_SNDBUF, 4 << 20);
    sb_stream_read_start(b.st);
    for (int i = 0; i < ROUNDS; i++) {
        fill(&a, &b, &sent);
        size_t told = drain(&loop->base, &b, sent);
        most = i > 0 && told > most ? told : most;
    }
    assert_true(sent > ROUNDS * 2 * loop->slots.pool->size); /* or no read was full */
    assert_in_range(most, 1, loop->slots.large->size);
    peer_close(&a);
    peer_close(&b);
}

struct answers {
    sb_turn turn;
    struct peer *writer;
    size_t asked, late, hot;
};

static void write_one(sb_turn *turn)
{
    struct answers *answers = (struct answers *)turn; /* turn is the first member */
    if (answers->writer->writing)
        return;
    answers->asked++;
    peer_send(answers->writer, 1);
}

static void look_whether_it_was_written(struct peer *reader, int what)
{
    struct answers *answers = reader->data;
    const struct uring_buf *buf = (const struct uring_buf *)reader->last; /* base is the first member */
    if (what != PEER_READ || buf->slot != SLOT_NONE)                      /* of the ring: not a hot read */
        return;
    answers->hot++;
    answers->late += answers->writer->written < answers->asked;
}

/* What a turn wrote leaves ahead of a hot read, and is not driven out of the processor's cache by it. */
static void test_writes_leave_before_a_hot_read(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b, c, d;
    size_t sent = 0;
    make_pair(fx, &a, &b);
    make_pair(fx, &c, &d);
    set_buffer(sb_stream_fd(b.st), SO_RCVBUF, 4 << 20);
    set_buffer(sb_stream_fd(a.st), SO_SNDBUF, 4 << 20);
    struct answers answers = {.turn.on_turn_end = write_one, .writer = &c};
    b.data = &answers;
    sb_stream_read_start(b.st);
    sb_stream_read_start(d.st);
    sb_loop_set_turn(fx->loop, &answers.turn);
    for (int i = 0; i < ROUNDS; i++) {
        fill(&a, &b, &sent);
        drain(fx->loop, &b, sent);
        b.on_event = look_whether_it_was_written; /* the first round was multishot */
    }
    sb_loop_set_turn(fx->loop, NULL);
    assert_true(answers.hot > 0 || loop_of(state)->slots.ring == NULL);
    assert_true(answers.late == 0 || loop_of(state)->slots.ring == NULL);
    peer_close(&a);
    peer_close(&b);
    peer_close(&c);
    peer_close(&d);
}

#define LOOP_TEST(fn) SUITE_TEST(fn, usual)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_a_new_kernel_keeps_every_feature_in_use),
        LOOP_TEST(test_every_buffer_is_back_in_its_place_at_rest),
        LOOP_TEST(test_an_idle_loop_has_no_buffers_yet),
        LOOP_TEST(test_readers_that_meet_an_empty_ring_get_more_buffers),
        LOOP_TEST(test_buffers_that_are_not_needed_any_more_go_back),
        LOOP_TEST(test_a_loop_without_streams_does_not_wait_for_them_to_go),
        LOOP_TEST(test_nothing_is_lost_where_buffers_go_while_others_are_needed),
        LOOP_TEST(test_the_ring_opens_no_files),
        LOOP_TEST(test_stop_and_start_in_one_turn_leave_the_receive_alone),
        LOOP_TEST(test_a_stream_that_was_full_reads_no_more_than_one_large_buffer_a_turn),
        LOOP_TEST(test_writes_leave_before_a_hot_read),
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
