/* The loop on io_uring: submit, wait, tell; waking and sleeping. Before: engine/loop.c, backends/open.c.
 * After: setup.c, stream.c, listener.c, watch.c, pool.c. */
#include "backends/uring/uring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Completions told in one turn, and how long handlers may take for what was received: neither a flood nor
 * handlers that take their time must keep timers, posts and writers waiting. */
#define MAX_PER_TURN 256
#define TURN_NS      SB_NS_PER_MS
#define LOOK_EVERY   16 /* completions; a clock costs about as much as a small one */
#define RETRY_NS     (10 * SB_NS_PER_MS)

static uint64_t loop_clock(sb_loop *base)
{
    struct timespec ts;
    (void)base;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * SB_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* ---- Into the kernel ---- */

static void enable(struct uring_loop *loop)
{
    if (loop->enabled)
        return;
    loop->enabled = true;
    /* liburing 2.3 declares io_uring_enable_rings() but does not export it. */
    io_uring_register((unsigned)loop->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static bool put_sqe(struct uring_loop *loop, struct uring_op *op)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);
    if (sqe == NULL) {
        enable(loop);
        io_uring_submit(&loop->ring);
        if ((sqe = io_uring_get_sqe(&loop->ring)) == NULL)
            return false;
    }
    op->kind->prep(op, sqe);
    io_uring_sqe_set_data(sqe, op);
    return true;
}

void sb__uring_queue(struct uring_loop *loop, struct uring_op *op)
{
    assert(!op->busy && "one object has one operation of a kind at a time");
    op->busy = true;
    if (!STAILQ_EMPTY(&loop->unsent) || !put_sqe(loop, op))
        STAILQ_INSERT_TAIL(&loop->unsent, op, next);
}

static void send_unsent(struct uring_loop *loop)
{
    struct uring_op *op;
    while ((op = STAILQ_FIRST(&loop->unsent)) != NULL && put_sqe(loop, op))
        STAILQ_REMOVE_HEAD(&loop->unsent, next);
}

static void before_submit(struct uring_loop *loop)
{
    enable(loop);
    sb__uring_cancel_stopped(loop);
    sb__uring_feed_eager(loop);
    send_unsent(loop);
}

static unsigned kernel_flags(const struct uring_loop *loop)
{
    return IO_URING_READ_ONCE(*loop->ring.sq.kflags);
}

/* Completions that found no place; asking for events brings them in. */
static bool has_overflow(const struct uring_loop *loop)
{
    return (kernel_flags(loop) & IORING_SQ_CQ_OVERFLOW) != 0;
}

/* With DEFER_TASKRUN completions wait in the kernel until we ask for them; the flag says so without asking.
 * It may also be stale (set just after the work was done), so nothing that could spin may rest on it. */
static void enter_without_wait(struct uring_loop *loop)
{
    if (io_uring_sq_ready(&loop->ring) > 0 || (kernel_flags(loop) & IORING_SQ_TASKRUN) || has_overflow(loop))
        io_uring_submit_and_get_events(&loop->ring);
}

/* Errors (EINTR, EAGAIN, EBUSY while completions overflow) leave the queued entries where they are: telling
 * what completed makes room, and the next turn submits them. ETIME is the timeout. */
static void enter(struct uring_loop *loop, int timeout_ms)
{
    struct io_uring_cqe *cqe;
    if (timeout_ms == 0 || !STAILQ_EMPTY(&loop->unsent) || io_uring_cq_ready(&loop->ring) > 0) {
        enter_without_wait(loop);
        return;
    }
    if (timeout_ms < 0) {
        io_uring_submit_and_wait(&loop->ring, 1);
        return;
    }
    struct __kernel_timespec ts = {
        .tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * (long long)SB_NS_PER_MS};
    io_uring_submit_and_wait_timeout(&loop->ring, &cqe, 1, &ts, NULL);
}

/* ---- Telling ---- */

static void tell_one(const struct io_uring_cqe *cqe)
{
    struct uring_op *op = (struct uring_op *)(uintptr_t)cqe->user_data;
    if (op == NULL)
        return;
    if ((cqe->flags & IORING_CQE_F_MORE) == 0)
        op->busy = false;
    op->kind->done(op, cqe->res, cqe->flags);
}

/* Copied out first: a callback that queues may submit, and the ring's own entry is reused then. */
static bool tell_next(struct uring_loop *loop)
{
    struct io_uring_cqe *at;
    if (io_uring_cq_ready(&loop->ring) == 0)
        return false; /* peeking would enter the kernel, and leave behind what we are about to submit */
    if (io_uring_peek_cqe(&loop->ring, &at) != 0)
        return false;
    const struct io_uring_cqe cqe = *at;
    io_uring_cq_advance(&loop->ring, 1);
    tell_one(&cqe);
    return true;
}

bool sb__uring_is_late(struct uring_loop *loop)
{
    loop->late = loop->late || loop_clock(NULL) - loop->base.now >= TURN_NS;
    return loop->late;
}

/* All that has completed: a late turn only puts received bytes aside (stream.c), so that writes go on. */
static void tell_completions(struct uring_loop *loop)
{
    loop->late = false;
    for (unsigned told = 1; told <= MAX_PER_TURN && tell_next(loop); told++) {
        if (loop->look || told % LOOK_EVERY == 0)
            sb__uring_is_late(loop);
        loop->look = false;
    }
}

void sb__uring_task(struct uring_loop *loop, struct uring_task *task)
{
    if (task->queued)
        return;
    task->queued = true;
    STAILQ_INSERT_TAIL(&loop->tasks, task, next);
}

/* Those queued so far; what they queue is for the next turn. */
static void run_tasks(struct uring_loop *loop)
{
    STAILQ_HEAD(, uring_task) now = STAILQ_HEAD_INITIALIZER(now);
    struct uring_task *task;
    STAILQ_CONCAT(&now, &loop->tasks);
    while ((task = STAILQ_FIRST(&now)) != NULL) {
        STAILQ_REMOVE_HEAD(&now, next);
        task->queued = false;
        task->run(task);
    }
}

static void handle_retry(sb_timer *timer)
{
    (void)timer; /* the turn that follows looks after the starved */
}

static void handle_again(sb_timer *timer)
{
    sb__uring_send_delayed(OBJECT_OF(timer, struct uring_loop, again));
}

static void feed(struct uring_loop *loop)
{
    if (TAILQ_EMPTY(&loop->starved))
        return;
    sb__uring_slots_grow(loop);
    sb__uring_feed_starved(loop);
    if (!TAILQ_EMPTY(&loop->starved) && loop->slots.in_ring == 0)
        (void)sb_timer_start(&loop->base, &loop->retry, sb_loop_now(&loop->base) + RETRY_NS);
}

static void drain_notify(struct uring_loop *loop)
{
    uint64_t count;
    if (loop->host)
        (void)!read(loop->notify_fd, &count, sizeof count);
}

static sb_err loop_turn(sb_loop *base, int timeout_ms)
{
    struct uring_loop *loop = uring_from_loop(base);
    /* Before looking, so that what comes after the look makes the descriptor readable again. */
    drain_notify(loop);
    before_submit(loop);
    enter(loop, timeout_ms);
    sb_loop_update(base);
    tell_completions(loop);
    run_tasks(loop);
    feed(loop);
    sb__uring_ebb(loop);
    return SB_OK;
}

static void loop_flush(sb_loop *base)
{
    struct uring_loop *loop = uring_from_loop(base);
    before_submit(loop);
    if (io_uring_sq_ready(&loop->ring) > 0)
        io_uring_submit(&loop->ring);
}

static bool has_unsubmitted(const struct uring_loop *loop)
{
    return io_uring_sq_ready(&loop->ring) > 0 || !STAILQ_EMPTY(&loop->unsent) ||
           !TAILQ_EMPTY(&loop->stopped) || !TAILQ_EMPTY(&loop->eager);
}

/* While the loop runs, the turn that follows submits and waits in one go; a host that polls fd() would wait
 * for what the kernel does not know yet. */
static bool loop_pending(const sb_loop *base)
{
    const struct uring_loop *loop = uring_from_loop(base);
    if (!STAILQ_EMPTY(&loop->tasks) || io_uring_cq_ready(&loop->ring) > 0 || has_overflow(loop))
        return true;
    if (!TAILQ_EMPTY(&loop->starved) && loop->slots.in_ring > 0)
        return true;
    return !base->running && has_unsubmitted(loop);
}

static bool loop_alive(const sb_loop *base)
{
    const struct uring_loop *loop = uring_from_loop(base);
    return loop->open > 0 || !STAILQ_EMPTY(&loop->tasks) || sb__resolver_busy(loop->resolver);
}

/* ---- Waking ---- */

static void wake_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
    struct uring_loop *loop = OBJECT_OF(op, struct uring_loop, wake_op);
    io_uring_prep_read(sqe, loop->wake_fd, &loop->wake_count, sizeof loop->wake_count, 0);
}

static void wake_done(struct uring_op *op, int res, unsigned flags)
{
    struct uring_loop *loop = OBJECT_OF(op, struct uring_loop, wake_op);
    (void)res, (void)flags;
    sb__uring_queue(loop, op);
}

static const struct uring_op_kind wake_kind = {wake_prep, wake_done};

/* A write to an eventfd that completes an operation cannot signal the ring's own eventfd at once: the kernel
 * puts that off, and 6.18 does so once only. A host is woken directly. */
static void loop_wake(sb_loop *base)
{
    struct uring_loop *loop = uring_from_loop(base);
    uint64_t one = 1;
    if (atomic_load_explicit(&loop->host, memory_order_acquire))
        (void)!write(loop->notify_fd, &one, sizeof one);
    (void)!write(loop->wake_fd, &one, sizeof one);
}

/* The ring's own descriptor may lose the first wake-up (seen on 6.18); an eventfd registered with it does
 * not. Only for those who ask: signalling it costs. */
static int loop_fd(sb_loop *base)
{
    struct uring_loop *loop = uring_from_loop(base);
    if (loop->host)
        return loop->notify_fd;
    enable(loop);
    if (io_uring_register_eventfd(&loop->ring, loop->notify_fd) != 0)
        return -1;
    atomic_store_explicit(&loop->host, true, memory_order_release);
    loop_wake(base); /* something may have completed before */
    return loop->notify_fd;
}

/* ---- Names ---- */

static sb_err loop_resolve(sb_loop *base, const char *host, uint16_t port, int family, sb_lookup *lk)
{
    return sb__resolver_start(&uring_from_loop(base)->resolver, base, host, port, family, lk);
}

static void loop_resolve_cancel(sb_loop *base, sb_lookup *lk)
{
    sb__resolver_cancel(uring_from_loop(base)->resolver, lk);
}

/* ---- Life ---- */

static void close_eventfds(struct uring_loop *loop)
{
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    if (loop->notify_fd >= 0)
        close(loop->notify_fd);
}

/* wake_fd blocks: io_uring answers a read of an empty non-blocking file with EAGAIN instead of waiting. */
static sb_err open_eventfds(struct uring_loop *loop)
{
    loop->wake_fd = eventfd(0, EFD_CLOEXEC);
    loop->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return loop->wake_fd < 0 || loop->notify_fd < 0 ? sb_err_from_errno(errno) : SB_OK;
}

static void loop_destroy(sb_loop *base)
{
    struct uring_loop *loop = uring_from_loop(base);
    sb__resolver_destroy(loop->resolver);
    sb_timer_stop(base, &loop->retry);
    sb_timer_stop(base, &loop->again);
    io_uring_queue_exit(&loop->ring);
    sb__uring_watches_finish(loop);
    sb__uring_ebb_finish(loop);
    sb__uring_slots_finish(loop);
    sb__uring_heads_finish(loop);
    close_eventfds(loop);
    sb_loop_base_finish(base);
    free(loop);
}

const sb_loop_impl sb__uring_impl = {
    .name = "uring",
    .destroy = loop_destroy,
    .clock = loop_clock,
    .turn = loop_turn,
    .flush = loop_flush,
    .alive = loop_alive,
    .pending = loop_pending,
    .fd = loop_fd,
    .wake = loop_wake,
    .listen = sb__uring_listen,
    .adopt_listener = sb__uring_adopt_listener,
    .connect = sb__uring_connect,
    .adopt_stream = sb__uring_adopt_stream,
    .resolve = loop_resolve,
    .resolve_cancel = loop_resolve_cancel,
    .watch_start = sb__uring_watch_start,
    .watch_stop = sb__uring_watch_stop,
};

static struct uring_loop *loop_alloc(const sb__uring_setup *setup)
{
    struct uring_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return NULL;
    loop->wake_fd = loop->notify_fd = -1;
    loop->multishot_accept = (setup->without & SB__URING_NO_MULTISHOT_ACCEPT) == 0;
    loop->multishot_recv = (setup->without & SB__URING_NO_MULTISHOT_RECV) == 0;
    loop->wake_op.kind = &wake_kind;
    STAILQ_INIT(&loop->unsent);
    STAILQ_INIT(&loop->delayed);
    STAILQ_INIT(&loop->tasks);
    TAILQ_INIT(&loop->starved);
    TAILQ_INIT(&loop->eager);
    TAILQ_INIT(&loop->stopped);
    LIST_INIT(&loop->watches);
    sb_timer_init(&loop->retry, handle_retry);
    sb_timer_init(&loop->again, handle_again);
    sb__uring_ebb_init(loop);
    return loop;
}

sb_err sb__uring_create(const sb__uring_setup *setup, const char **reason, sb_loop **out)
{
    static const sb__uring_setup usual = {0};
    const char *why;
    sb_err err;
    setup = setup != NULL ? setup : &usual;
    reason = reason != NULL ? reason : &why;
    *reason = "ENOMEM: out of memory";
    struct uring_loop *loop = loop_alloc(setup);
    if (loop == NULL)
        return SB_ENOMEM;
    if ((err = sb__uring_slots_init(loop, setup)) != SB_OK)
        goto fail;
    *reason = "EMFILE: no descriptor for an eventfd";
    if ((err = open_eventfds(loop)) != SB_OK)
        goto fail;
    if ((err = sb__uring_ring_init(&loop->ring, setup, reason)) != SB_OK)
        goto fail;
    sb_loop_base_init(&loop->base, &sb__uring_impl);
    sb__uring_queue(loop, &loop->wake_op);
    *out = &loop->base;
    return SB_OK;
fail:
    close_eventfds(loop);
    sb__uring_slots_finish(loop);
    free(loop);
    return err;
}
