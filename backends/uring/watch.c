/* Watches on io_uring: one poll after the other, which makes them level-triggered. */
#include "backends/uring/uring.h"

#include <poll.h>
#include <stdlib.h>

/* Behind one start of a sb_watch; the caller's memory is not touched after stop. */
struct uring_watch {
    struct uring_loop *loop;
    sb_watch *w; /* NULL: stopped */
    struct uring_op poll, cancel;
    LIST_ENTRY(uring_watch) link; /* in loop.watches */
    unsigned mask;
    int fd;
};

static void watch_free(struct uring_watch *uw)
{
    LIST_REMOVE(uw, link);
    free(uw);
}

static void settle(struct uring_watch *uw)
{
    if (uw->w == NULL && !uw->poll.busy && !uw->cancel.busy)
        watch_free(uw);
    else if (uw->w != NULL && !uw->poll.busy)
        sb__uring_queue(uw->loop, &uw->poll);
}

static void poll_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
    struct uring_watch *uw = OBJECT_OF(op, struct uring_watch, poll);
    io_uring_prep_poll_add(sqe, uw->fd, uw->mask);
}

/* An error shows as whatever is waited for: the owner's next call on the descriptor tells it. */
static void poll_done(struct uring_op *op, int res, unsigned flags)
{
    struct uring_watch *uw = OBJECT_OF(op, struct uring_watch, poll);
    (void)flags;
    if (uw->w != NULL && res != 0) {
        bool broken = res < 0 || (res & (POLLERR | POLLHUP | POLLNVAL)) != 0;
        bool readable = (uw->mask & POLLIN) && (broken || (res & (POLLIN | POLLRDHUP)));
        bool writable = (uw->mask & POLLOUT) && (broken || (res & POLLOUT));
        /* stop inside the callback must not free what we still look at */
        op->busy = true;
        uw->w->on_ready(uw->w, readable, writable);
        op->busy = false;
    }
    settle(uw);
}

static const struct uring_op_kind poll_kind = {poll_prep, poll_done};

static void cancel_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
    io_uring_prep_cancel(sqe, &OBJECT_OF(op, struct uring_watch, cancel)->poll, 0);
}

static void cancel_done(struct uring_op *op, int res, unsigned flags)
{
    (void)res, (void)flags;
    settle(OBJECT_OF(op, struct uring_watch, cancel));
}

static const struct uring_op_kind cancel_kind = {cancel_prep, cancel_done};

void sb__uring_watch_stop(sb_loop *loop, sb_watch *w)
{
    struct uring_watch *uw = w->state;
    if (uw == NULL)
        return;
    w->state = NULL;
    uw->w = NULL;
    uring_from_loop(loop)->open--;
    if (uw->poll.busy)
        sb__uring_queue(uw->loop, &uw->cancel);
    else
        settle(uw);
}

sb_err sb__uring_watch_start(sb_loop *loop, sb_watch *w, bool readable, bool writable)
{
    struct uring_watch *uw = calloc(1, sizeof *uw);
    if (uw == NULL)
        return SB_ENOMEM;
    sb__uring_watch_stop(loop, w);
    uw->loop = uring_from_loop(loop);
    uw->w = w;
    uw->fd = w->fd;
    uw->mask = (readable ? POLLIN : 0u) | (writable ? POLLOUT : 0u);
    uw->poll.kind = &poll_kind;
    uw->cancel.kind = &cancel_kind;
    LIST_INSERT_HEAD(&uw->loop->watches, uw, link);
    uw->loop->open++;
    w->state = uw;
    sb__uring_queue(uw->loop, &uw->poll);
    return SB_OK;
}

void sb__uring_watches_finish(struct uring_loop *loop)
{
    struct uring_watch *uw;
    while ((uw = LIST_FIRST(&loop->watches)) != NULL)
        watch_free(uw);
}
