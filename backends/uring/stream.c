/* Streams on io_uring: receive, send, connect, close. Before: listener.c. After: pool.c.
 *
 * A stream has at most one receive, one send or connect, and one cancel of each in the kernel; it is freed
 * when it is closed and none of them is busy. What a send is, is in send.c. */
#include "backends/uring/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A multishot receive has no brakes: it fills buffers until the ring or the socket is empty. The megabytes of
 * such a turn have left the processor's cache before they are told, and their copies before they are sent. A
 * stream that was stopped lately (its consumer is slower) or filled a buffer receives one at a time, until so
 * many reads in a row did neither. */
#define CALM 16

/* A stream whose last read filled a whole buffer is hot: it receives into the large buffer that was used
 * last, which is still in the processor's cache, and behind the sends, whose bytes it would drive out of it.
 * Such a receive does not wait, so that nobody holds a large buffer for long; and only so many are out at
 * once. */
#define HOT_MAX 16
/* Of so many octets a handler may make a lot of work. */
#define MUCH 4096
/* What telling the bytes of one hot read should take at most: a quiet stream waits so long for its turn. Much
 * less, and a publisher with many subscribers makes a write to each of them for every 64 KiB. */
#define HOT_NS 400000

static const sb_stream_impl stream_impl;

static struct uring_stream *uring_from_stream(const sb_stream *st)
{
    assert(st->impl == &stream_impl);
    return (struct uring_stream *)st; /* base is the first member */
}

static void move_to(struct uring_stream *us, struct uring_streams *list)
{
    if (us->in == list)
        return;
    if (us->in != NULL)
        TAILQ_REMOVE(us->in, us, link);
    if (list != NULL)
        TAILQ_INSERT_TAIL(list, us, link);
    us->in = list;
}

static bool is_quiet(const struct uring_stream *us)
{
    return !us->recv.busy && !us->send.busy && !us->cancel_recv.busy && !us->cancel_send.busy;
}

/* ---- Receiving ---- */

static void recv_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
    struct uring_stream *us = OBJECT_OF(op, struct uring_stream, recv);
    if (us->own != NULL) {
        size_t cap = us->own->base.cap, len = us->hot && us->large < cap ? us->large : cap;
        io_uring_prep_recv(sqe, us->fd, us->own->base.data, len, us->hot ? MSG_DONTWAIT : 0);
        return;
    }
    io_uring_prep_recv(sqe, us->fd, NULL, 0, 0);
    if (sb__uring_loop_of(us)->multishot_recv && us->calm == CALM)
        sqe->ioprio |= IORING_RECV_MULTISHOT;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
}

static bool take_own(struct uring_stream *us)
{
    struct uring_loop *loop = sb__uring_loop_of(us);
    if (us->hot && loop->nhot < HOT_MAX)
        us->own =
            us->large > loop->slots.pool->size ? sb__uring_buf_get_large(loop) : sb__uring_buf_get(loop);
    us->hot = us->own != NULL;
    loop->nhot += us->hot;
    return us->hot;
}

static void receive(struct uring_stream *us)
{
    struct uring_loop *loop = sb__uring_loop_of(us);
    if (!take_own(us) && !sb__uring_slots_ready(loop) && (us->own = sb__uring_buf_get(loop)) == NULL) {
        move_to(us, &loop->starved);
        return;
    }
    move_to(us, NULL);
    sb__uring_queue(loop, &us->recv);
}

static void arm(struct uring_stream *us)
{
    if (us->recv.busy || !us->reading || us->connecting || us->closing || us->end != SB_OK)
        return;
    if (!STAILQ_EMPTY(
            &us->held)) /* what came while stopped goes first, and nothing is added to it meanwhile */
        return;
    if (us->hot)
        move_to(us, &sb__uring_loop_of(us)->eager);
    else
        receive(us);
}

/* The next hot read takes more or less, by how long this one took. */
static void adapt(struct uring_stream *us, uint64_t took)
{
    const size_t least = sb__uring_loop_of(us)->slots.pool->size,
                 most = sb__uring_loop_of(us)->slots.large->size;
    if (took > HOT_NS && us->large / 2 >= least)
        us->large /= 2;
    else if (took < HOT_NS / 3 && us->large * 2 <= most)
        us->large *= 2;
}

static void tell_bytes(struct uring_stream *us, struct uring_buf *buf, size_t len)
{
    sb_loop *loop = us->base.loop;
    uint64_t begin = us->hot ? loop->impl->clock(loop) : 0;
    if (us->calm < CALM)
        us->calm++;
    sb__uring_loop_of(us)->look |= len >= MUCH;
    us->base.events->on_read(&us->base, &buf->base, buf->base.data, len);
    sb__uring_buf_done(sb__uring_loop_of(us), buf);
    if (begin != 0)
        adapt(us, loop->impl->clock(loop) - begin);
}

static void take_bytes(struct uring_stream *us, struct uring_buf *buf, size_t len)
{
    if (us->closing) {
        sb__uring_buf_done(sb__uring_loop_of(us), buf);
        return;
    }
    if (us->reading && STAILQ_EMPTY(&us->held) && !sb__uring_loop_of(us)->late) {
        tell_bytes(us, buf, len);
        return;
    }
    buf->len = len;
    sb__uring_buf_hold(sb__uring_loop_of(us), buf);
    STAILQ_INSERT_TAIL(&us->held, buf, next);
    if (us->reading)
        sb__uring_task(sb__uring_loop_of(us), &us->task);
}

static void drop_held(struct uring_stream *us)
{
    struct uring_buf *buf;
    while ((buf = STAILQ_FIRST(&us->held)) != NULL) {
        STAILQ_REMOVE_HEAD(&us->held, next);
        sb_buf_unref(&buf->base);
    }
}

static void recv_failed(struct uring_stream *us, int res)
{
    struct uring_loop *loop = sb__uring_loop_of(us);
    if (res == -ECANCELED || res == -EAGAIN || res == -EINTR)
        return;
    if (res == -ENOBUFS) {
        if (us->reading && !us->closing)
            move_to(us, &loop->starved);
        return;
    }
    if (res == -EINVAL && loop->multishot_recv) {
        loop->multishot_recv = false;
        return;
    }
    us->end = res == 0 ? SB_ECLOSED : sb_err_from_errno(-res);
}

/* After each completion: what does the stream need next? */
void sb__uring_settle(struct uring_stream *us)
{
    struct uring_loop *loop = sb__uring_loop_of(us);
    if (us->closing) {
        if (is_quiet(us))
            sb__uring_task(loop, &us->task);
        return;
    }
    if (us->end != SB_OK)
        sb__uring_task(loop, &us->task);
    else if (us->in != &loop->starved)
        arm(us);
}

static void recv_done(struct uring_op *op, int res, unsigned flags)
{
    struct uring_stream *us = OBJECT_OF(op, struct uring_stream, recv);
    struct uring_loop *loop = sb__uring_loop_of(us);
    struct uring_buf *buf = us->own;
    loop->nhot -= us->hot && buf != NULL;
    us->own = NULL;
    if ((flags & IORING_CQE_F_BUFFER) != 0)
        buf = sb__uring_buf_taken(loop, flags >> IORING_CQE_BUFFER_SHIFT);
    if (!op->busy && us->in == &loop->stopped)
        move_to(us, NULL);
    us->hot = res > 0 && (size_t)res >= loop->slots.pool->size;
    if (us->hot)
        us->calm = 0;
    if (res > 0 && buf != NULL)
        take_bytes(us, buf, (size_t)res);
    else if (buf != NULL)
        sb__uring_buf_done(loop, buf);
    if (res <= 0)
        recv_failed(us, res);
    if (!op->busy)
        sb__uring_settle(us);
    else if (us->reading && (us->hot || !STAILQ_EMPTY(&us->held)))
        move_to(us, &loop->stopped);
}

static const struct uring_op_kind recv_kind = {recv_prep, recv_done};

static void tell_held(struct uring_stream *us)
{
    struct uring_buf *buf;
    while (us->reading && !us->closing && (buf = STAILQ_FIRST(&us->held)) != NULL) {
        STAILQ_REMOVE_HEAD(&us->held, next);
        tell_bytes(us, buf, buf->len);
        if (!STAILQ_EMPTY(&us->held) && sb__uring_is_late(sb__uring_loop_of(us))) {
            sb__uring_task(sb__uring_loop_of(us), &us->task);
            return;
        }
    }
    if (us->reading && STAILQ_EMPTY(&us->held)) {
        if (us->in == &sb__uring_loop_of(us)->stopped)
            move_to(us, NULL); /* not cancelled yet: it may go on */
        arm(us);
    }
    if (us->end == SB_OK || us->end_told || !us->reading || us->closing)
        return;
    us->end_told = true;
    us->base.events->on_end(&us->base, us->end);
}

/* ---- Connecting ---- */

static void connect_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
    struct uring_stream *us = OBJECT_OF(op, struct uring_stream, send);
    io_uring_prep_connect(sqe, us->fd, (struct sockaddr *)&us->target->ss, us->target->len);
}

static void go_on_connected(struct uring_stream *us, sb_err err)
{
    if (us->closing)
        return;
    if (us->iov != NULL && err != SB_OK)
        sb__uring_finish_write(us, err);
    else if (us->iov != NULL && !us->send.busy)
        sb__uring_queue(sb__uring_loop_of(us), &us->send);
    arm(us);
}

static void connect_done(struct uring_op *op, int res, unsigned flags)
{
    struct uring_stream *us = OBJECT_OF(op, struct uring_stream, send);
    (void)flags;
    us->send.kind = &sb__uring_send_kind;
    us->connecting = false;
    free(us->target);
    us->target = NULL;
    sb_err err = sb_err_from_errno(-res);
    if (err != SB_OK) { /* on_connected says it; on_end would say it again */
        us->end = err;
        us->end_told = true;
    }
    if (!us->closing)
        us->base.events->on_connected(&us->base, err);
    go_on_connected(us, err);
    if (us->closing)
        sb__uring_settle(us);
}

static const struct uring_op_kind connect_kind = {connect_prep, connect_done};

/* ---- Cancelling ---- */

static void cancel_recv_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
    io_uring_prep_cancel(sqe, &OBJECT_OF(op, struct uring_stream, cancel_recv)->recv, 0);
}

static void cancel_send_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
    io_uring_prep_cancel(sqe, &OBJECT_OF(op, struct uring_stream, cancel_send)->send, 0);
}

/* The kernel missed it (it was just being run) and it is still there: once more. */
static void cancel_again(struct uring_stream *us, struct uring_op *cancel, const struct uring_op *op, int res)
{
    if (op->busy && (res == -ENOENT || res == -EALREADY))
        sb__uring_queue(sb__uring_loop_of(us), cancel);
    else if (us->closing)
        sb__uring_settle(us);
}

static void cancel_recv_done(struct uring_op *op, int res, unsigned flags)
{
    struct uring_stream *us = OBJECT_OF(op, struct uring_stream, cancel_recv);
    (void)flags;
    if (us->reading)
        res = 0; /* wanted no more: if it was missed, so much the better */
    cancel_again(us, op, &us->recv, res);
}

static void cancel_send_done(struct uring_op *op, int res, unsigned flags)
{
    struct uring_stream *us = OBJECT_OF(op, struct uring_stream, cancel_send);
    (void)flags;
    cancel_again(us, op, &us->send, res);
}

static const struct uring_op_kind cancel_recv_kind = {cancel_recv_prep, cancel_recv_done};
static const struct uring_op_kind cancel_send_kind = {cancel_send_prep, cancel_send_done};

static void cancel(struct uring_stream *us, struct uring_op *cancel_op, const struct uring_op *op)
{
    if (op->busy && !cancel_op->busy)
        sb__uring_queue(sb__uring_loop_of(us), cancel_op);
}

void sb__uring_cancel_stopped(struct uring_loop *loop)
{
    struct uring_stream *us;
    while ((us = TAILQ_FIRST(&loop->stopped)) != NULL) {
        move_to(us, NULL);
        cancel(us, &us->cancel_recv, &us->recv);
    }
}

void sb__uring_feed_eager(struct uring_loop *loop)
{
    struct uring_stream *us;
    while ((us = TAILQ_FIRST(&loop->eager)) != NULL)
        receive(us);
}

void sb__uring_feed_starved(struct uring_loop *loop)
{
    struct uring_stream *us;
    unsigned n = loop->slots.ring != NULL ? loop->slots.in_ring : 1;
    while (n-- > 0 && (us = TAILQ_FIRST(&loop->starved)) != NULL)
        arm(us);
}

/* ---- What the owner asks ---- */

static void stream_read_start(sb_stream *st)
{
    struct uring_stream *us = uring_from_stream(st);
    struct uring_loop *loop = sb__uring_loop_of(us);
    if (us->reading || us->closing)
        return;
    us->reading = true;
    if (us->in == &loop->stopped && STAILQ_EMPTY(&us->held))
        move_to(us, NULL);
    if (!STAILQ_EMPTY(&us->held) || us->end != SB_OK)
        sb__uring_task(loop, &us->task);
    arm(us);
}

static void stream_read_stop(sb_stream *st)
{
    struct uring_stream *us = uring_from_stream(st);
    if (!us->reading)
        return;
    us->reading = false;
    us->calm = 0;
    if (us->recv.busy) /* what waits shall not hold much */
        us->large = (uint32_t)sb__uring_loop_of(us)->slots.pool->size;
    move_to(us, us->recv.busy ? &sb__uring_loop_of(us)->stopped : NULL);
}

static sb_err stream_write(sb_stream *st, const struct iovec *iov, size_t n)
{
    struct uring_stream *us = uring_from_stream(st);
    if (us->closing)
        return SB_ECLOSED;
    if (us->iov != NULL)
        return SB_EAGAIN;
    us->iov = iov;
    us->niov = (uint16_t)n;
    us->iov_off = 0;
    sb__uring_skip_empty(us);
    if (!us->connecting)
        sb__uring_queue(sb__uring_loop_of(us), &us->send);
    return SB_OK;
}

static void stream_close(sb_stream *st)
{
    struct uring_stream *us = uring_from_stream(st);
    if (us->closing)
        return;
    us->closing = true;
    us->reading = false;
    sb__uring_forget_delay(us);
    move_to(us, NULL);
    drop_held(us);
    cancel(us, &us->cancel_recv, &us->recv);
    cancel(us, &us->cancel_send, &us->send);
    sb__uring_settle(us);
}

static void stream_free(struct uring_stream *us)
{
    sb__uring_loop_of(us)->open--;
    close(us->fd);
    free(us);
}

static void stream_finish(struct uring_stream *us)
{
    if (us->iov != NULL)
        sb__uring_finish_write(us, SB_ECANCELED);
    us->base.events->on_closed(&us->base);
    stream_free(us);
}

static void stream_run(struct uring_task *task)
{
    struct uring_stream *us = OBJECT_OF(task, struct uring_stream, task);
    if (!us->closing)
        tell_held(us);
    else if (is_quiet(us))
        stream_finish(us);
}

static int stream_fd(const sb_stream *st)
{
    return uring_from_stream(st)->fd;
}

static const sb_stream_impl stream_impl = {
    .read_start = stream_read_start,
    .read_stop = stream_read_stop,
    .write = stream_write,
    .close = stream_close,
    .fd = stream_fd,
};

struct uring_stream *sb__uring_stream_create(struct uring_loop *loop, int fd)
{
    struct uring_stream *us = calloc(1, sizeof *us);
    if (us == NULL)
        return NULL;
    us->base.loop = &loop->base;
    us->base.impl = &stream_impl;
    us->recv.kind = &recv_kind;
    us->send.kind = &sb__uring_send_kind;
    us->cancel_recv.kind = &cancel_recv_kind;
    us->cancel_send.kind = &cancel_send_kind;
    us->task.run = stream_run;
    us->fd = fd;
    us->calm = CALM;
    us->large = (uint32_t)loop->slots.pool->size;
    STAILQ_INIT(&us->held);
    loop->open++;
    return us;
}

sb_stream *sb__uring_stream_base(struct uring_stream *us)
{
    return &us->base;
}

sb_err sb__uring_connect(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_stream_events *events, void *data, sb_stream **out)
{
    int fd;
    sb_err err = sb__socket_for_connect(addr, opts, &fd);
    if (err != SB_OK)
        return err;
    struct uring_stream *us = sb__uring_stream_create(uring_from_loop(loop), fd);
    if (us == NULL) {
        close(fd);
        return SB_ENOMEM;
    }
    if ((us->target = malloc(sizeof *us->target)) == NULL) {
        stream_free(us);
        return SB_ENOMEM;
    }
    *us->target = *addr;
    us->base.events = events;
    us->base.data = data;
    us->connecting = true;
    us->send.kind = &connect_kind;
    sb__uring_queue(sb__uring_loop_of(us), &us->send);
    *out = &us->base;
    return SB_OK;
}

sb_err sb__uring_adopt_stream(
    sb_loop *loop, int fd, const sb_stream_events *events, void *data, sb_stream **out)
{
    sb_err err = sb__socket_adoptable(fd);
    if (err != SB_OK)
        return err;
    struct uring_stream *us = sb__uring_stream_create(uring_from_loop(loop), fd);
    if (us == NULL)
        return SB_ENOMEM;
    sb__socket_nodelay(fd);
    us->base.events = events;
    us->base.data = data;
    *out = &us->base;
    return SB_OK;
}
