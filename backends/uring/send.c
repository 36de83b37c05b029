/* A stream's write: gathered, short, delayed. Before: stream.c. After: head.c, the kernel. */
#include "backends/uring/stream.h"

#include <errno.h>

void sb__uring_skip_empty(struct uring_stream *us)
{
    while (us->niov > 0 && us->iov_off == us->iov->iov_len) {
        us->iov++;
        us->niov--;
        us->iov_off = 0;
    }
}

/* The caller's array stays as it is: after a short write the rest of one piece goes alone, then the others.
 * So does a piece when there is no memory for a head. */
static void send_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
    struct uring_stream *us = OBJECT_OF(op, struct uring_stream, send);
    const int flags = MSG_NOSIGNAL | MSG_WAITALL;
    if (us->niov > 1 && us->iov_off == 0)
        us->head = sb__uring_head_get(sb__uring_loop_of(us));
    if (us->head == NULL) {
        const uint8_t *at = (const uint8_t *)us->iov->iov_base + us->iov_off;
        io_uring_prep_send(sqe, us->fd, at, us->iov->iov_len - us->iov_off, flags);
        return;
    }
    us->head->msg.msg_iov = (struct iovec *)us->iov;
    us->head->msg.msg_iovlen = us->niov;
    io_uring_prep_sendmsg(sqe, us->fd, &us->head->msg, flags);
}

void sb__uring_finish_write(struct uring_stream *us, sb_err err)
{
    us->iov = NULL;
    us->base.events->on_written(&us->base, err);
}

static void count_sent(struct uring_stream *us, size_t n)
{
    while (n > 0) {
        size_t left = us->iov->iov_len - us->iov_off;
        size_t take = n < left ? n : left;
        us->iov_off += take;
        n -= take;
        sb__uring_skip_empty(us);
    }
}

/* A send that takes nothing of something would go on for ever: EIO. ENOMEM: nothing was taken, and may be
 * later. */
static sb_err sent(struct uring_stream *us, int res)
{
    if (res == -EAGAIN || res == -EINTR)
        return SB_EAGAIN;
    if (res <= 0)
        return res == 0 ? SB_EIO : sb_err_from_errno(-res);
    count_sent(us, (size_t)res);
    return us->niov > 0 ? SB_EAGAIN : SB_OK;
}

static void delay(struct uring_stream *us)
{
    struct uring_loop *loop = sb__uring_loop_of(us);
    if (STAILQ_EMPTY(&loop->delayed))
        sb_timer_start(&loop->base, &loop->again, sb_loop_now(&loop->base) + SB__SEND_AGAIN);
    us->delayed = true;
    STAILQ_INSERT_TAIL(&loop->delayed, &us->send, next);
}

void sb__uring_forget_delay(struct uring_stream *us)
{
    if (us->delayed)
        STAILQ_REMOVE(&sb__uring_loop_of(us)->delayed, &us->send, uring_op, next);
    us->delayed = false;
}

static void send_done(struct uring_op *op, int res, unsigned flags)
{
    struct uring_stream *us = OBJECT_OF(op, struct uring_stream, send);
    (void)flags;
    sb_err err = sent(us, res);
    sb__uring_head_done(sb__uring_loop_of(us), us->head);
    us->head = NULL;
    if (us->closing)
        sb__uring_finish_write(us, SB_ECANCELED);
    else if (err == SB_EAGAIN)
        sb__uring_queue(sb__uring_loop_of(us), op);
    else if (err == SB_ENOMEM)
        delay(us);
    else
        sb__uring_finish_write(us, err);
    if (us->closing)
        sb__uring_settle(us);
}

void sb__uring_send_delayed(struct uring_loop *loop)
{
    struct uring_op *op;
    while ((op = STAILQ_FIRST(&loop->delayed)) != NULL) {
        sb__uring_forget_delay(OBJECT_OF(op, struct uring_stream, send));
        sb__uring_queue(loop, op);
    }
}

const struct uring_op_kind sb__uring_send_kind = {send_prep, send_done};
