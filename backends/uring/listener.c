/* Listeners on io_uring: one multishot accept, or one accept after the other. After: stream.c. */
#include "backends/uring/uring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct uring_listener {
    sb_listener base;
    struct uring_op accept, cancel;
    struct uring_task task;
    sb_timer retry;   /* after running out of descriptors or memory */
    uint64_t backoff; /* ns; 0: all is well */
    int fd;
    int sndbuf; /* of accepted unix streams; 0: theirs is right */
    bool own, adopted, closing;
};

static const sb_listener_impl listener_impl;

static struct uring_listener *uring_from_listener(const sb_listener *ln)
{
    assert(ln->impl == &listener_impl);
    return (struct uring_listener *)ln; /* base is the first member */
}

static struct uring_loop *loop_of(const struct uring_listener *ul)
{
    return uring_from_loop(ul->base.loop);
}

static void settle(struct uring_listener *ul)
{
    if (ul->closing && !ul->accept.busy && !ul->cancel.busy)
        sb__uring_task(loop_of(ul), &ul->task);
}

/* ---- Accepting ---- */

static void accept_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
    struct uring_listener *ul = OBJECT_OF(op, struct uring_listener, accept);
    io_uring_prep_accept(sqe, ul->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (loop_of(ul)->multishot_accept)
        sqe->ioprio |= IORING_ACCEPT_MULTISHOT;
}

static void accept_next(struct uring_listener *ul)
{
    if (!ul->accept.busy && !ul->closing)
        sb__uring_queue(loop_of(ul), &ul->accept);
}

static void back_off(struct uring_listener *ul, sb_err err)
{
    bool first = ul->backoff == 0;
    ul->backoff = first ? SB__ACCEPT_BACKOFF_MIN : ul->backoff * 2;
    if (ul->backoff > SB__ACCEPT_BACKOFF_MAX)
        ul->backoff = SB__ACCEPT_BACKOFF_MAX;
    if (sb_timer_start(ul->base.loop, &ul->retry, sb_loop_now(ul->base.loop) + ul->backoff) != SB_OK)
        accept_next(ul); /* rather often than never again */
    if (first && ul->base.events->on_error != NULL)
        ul->base.events->on_error(&ul->base, err);
}

static void handle_retry(sb_timer *timer)
{
    accept_next(OBJECT_OF(timer, struct uring_listener, retry));
}

static void take(struct uring_listener *ul, int fd)
{
    if (ul->closing) {
        close(fd);
        return;
    }
    struct uring_stream *us = sb__uring_stream_create(loop_of(ul), fd);
    if (us == NULL) {
        close(fd);
        back_off(ul, SB_ENOMEM);
        return;
    }
    if (ul->adopted) /* our own listening sockets pass it on */
        sb__socket_nodelay(fd);
    sb__socket_set_sndbuf(fd, ul->sndbuf);
    ul->backoff = 0;
    ul->base.events->on_accept(&ul->base, sb__uring_stream_base(us));
}

static void accept_failed(struct uring_listener *ul, int res)
{
    struct uring_loop *loop = loop_of(ul);
    if (ul->closing || res == -ECANCELED)
        return;
    if (res == -EINVAL && loop->multishot_accept) {
        loop->multishot_accept = false;
        accept_next(ul);
    } else if (res == -ECONNABORTED || res == -EAGAIN || res == -EINTR) {
        accept_next(ul);
    } else {
        back_off(ul, sb_err_from_errno(-res));
    }
}

static void accept_done(struct uring_op *op, int res, unsigned flags)
{
    struct uring_listener *ul = OBJECT_OF(op, struct uring_listener, accept);
    (void)flags;
    if (res >= 0) {
        take(ul, res);
        if (ul->backoff == 0)
            accept_next(ul);
    } else {
        accept_failed(ul, res);
    }
    settle(ul);
}

static const struct uring_op_kind accept_kind = {accept_prep, accept_done};

/* ---- Closing: a multishot accept survives close() of its descriptor, so it is cancelled ---- */

static void cancel_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
    io_uring_prep_cancel(sqe, &OBJECT_OF(op, struct uring_listener, cancel)->accept, 0);
}

static void cancel_done(struct uring_op *op, int res, unsigned flags)
{
    struct uring_listener *ul = OBJECT_OF(op, struct uring_listener, cancel);
    (void)flags;
    if (ul->accept.busy && (res == -ENOENT || res == -EALREADY))
        sb__uring_queue(loop_of(ul), op);
    settle(ul);
}

static const struct uring_op_kind cancel_kind = {cancel_prep, cancel_done};

static void listener_close(sb_listener *ln)
{
    struct uring_listener *ul = uring_from_listener(ln);
    if (ul->closing)
        return;
    ul->closing = true;
    sb_timer_stop(ln->loop, &ul->retry);
    if (ul->accept.busy)
        sb__uring_queue(loop_of(ul), &ul->cancel);
    settle(ul);
}

static void listener_run(struct uring_task *task)
{
    struct uring_listener *ul = OBJECT_OF(task, struct uring_listener, task);
    loop_of(ul)->open--;
    if (ul->own)
        close(ul->fd);
    ul->base.events->on_closed(&ul->base);
    free(ul);
}

static sb_err listener_addr(const sb_listener *ln, sb_addr *out)
{
    return sb__socket_addr(uring_from_listener(ln)->fd, out);
}

static const sb_listener_impl listener_impl = {.addr = listener_addr, .close = listener_close};

static sb_err listener_create(struct uring_loop *loop, int fd, const sb_listener_events *events, void *data,
    struct uring_listener **out)
{
    struct uring_listener *ul = calloc(1, sizeof *ul);
    if (ul == NULL)
        return SB_ENOMEM;
    ul->base = (sb_listener){.data = data, .events = events, .loop = &loop->base, .impl = &listener_impl};
    ul->accept.kind = &accept_kind;
    ul->cancel.kind = &cancel_kind;
    ul->task.run = listener_run;
    ul->fd = fd;
    sb_timer_init(&ul->retry, handle_retry);
    loop->open++;
    accept_next(ul);
    *out = ul;
    return SB_OK;
}

sb_err sb__uring_listen(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out)
{
    int fd;
    struct uring_listener *ul;
    sb_err err = sb__socket_listen(addr, opts, &fd);
    if (err != SB_OK)
        return err;
    if ((err = listener_create(uring_from_loop(loop), fd, events, data, &ul)) != SB_OK) {
        close(fd);
        return err;
    }
    ul->own = true;
    if (addr->ss.ss_family == AF_UNIX)
        ul->sndbuf = sb__socket_sndbuf(AF_UNIX, opts);
    *out = &ul->base;
    return SB_OK;
}

sb_err sb__uring_adopt_listener(sb_loop *loop, int fd, bool own, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out)
{
    struct uring_listener *ul;
    sb_err err = sb__socket_adoptable(fd);
    if (err == SB_OK)
        sb__socket_dress(fd, opts);
    if (err == SB_OK)
        err = listener_create(uring_from_loop(loop), fd, events, data, &ul);
    if (err != SB_OK)
        return err;
    ul->own = own;
    ul->adopted = true;
    *out = &ul->base;
    return SB_OK;
}
