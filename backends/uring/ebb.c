/* The ebb of the receive buffers: those that a burst brought and nobody needs any more go back to the system.
 * Before: loop.c, once a turn. After: pool.c.
 *
 * A buffer that is in the kernel's ring is the kernel's: a receive in one of its workers may be about to
 * write there, so it cannot just be taken away. It is asked for, by reads that are there for nothing else.
 */
#include "backends/uring/uring.h"

#include <sys/eventfd.h>
#include <unistd.h>

#define LOOK_NS (250 * SB_NS_PER_MS)

static void end_draw(struct uring_loop *loop)
{
    close(loop->ebb.fd);
    loop->ebb.fd = -1;
    loop->ebb.draw = 0;
}

static void draw_prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
    struct uring_loop *loop = OBJECT_OF(op, struct uring_loop, ebb.op);
    io_uring_prep_read(sqe, loop->ebb.fd, NULL, sizeof(uint64_t), 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
}

/* One by one: receives that need a buffer meanwhile find the others. */
static void draw_done(struct uring_op *op, int res, unsigned flags)
{
    struct uring_loop *loop = OBJECT_OF(op, struct uring_loop, ebb.op);
    struct uring_ebb *ebb = &loop->ebb;
    bool given = (flags & IORING_CQE_F_BUFFER) != 0;
    if (given)
        sb__uring_slots_shrink(loop, flags >> IORING_CQE_BUFFER_SHIFT);
    if (given && res > 0 && --ebb->draw > 0 && TAILQ_EMPTY(&loop->starved))
        sb__uring_queue(loop, &ebb->op);
    else
        end_draw(loop);
}

static const struct uring_op_kind draw_kind = {draw_prep, draw_done};

/* An eventfd that can be read so many times, and then would block. */
static void begin_draw(struct uring_loop *loop, unsigned n)
{
    struct uring_ebb *ebb = &loop->ebb;
    if (ebb->draw > 0 || n == 0 || (ebb->fd = eventfd(n, EFD_CLOEXEC | EFD_SEMAPHORE)) < 0)
        return;
    ebb->draw = n;
    sb__uring_queue(loop, &ebb->op);
}

/* Twice what a turn took at most, so that a steady stream does not get and lose the same buffers for ever. */
static unsigned surplus(const struct uring_loop *loop)
{
    const struct uring_slots *slots = &loop->slots;
    unsigned need = 2 * loop->ebb.peak > slots->usual ? 2 * loop->ebb.peak : slots->usual;
    return slots->want > need ? slots->want - need : 0;
}

static void handle_look(sb_timer *timer)
{
    struct uring_loop *loop = OBJECT_OF(timer, struct uring_loop, ebb.look);
    struct uring_ebb *ebb = &loop->ebb;
    sb__uring_spare_ebb(loop);
    begin_draw(loop, surplus(loop));
    ebb->peak = 0;
}

/* Without any of it there is nothing to look at, and a loop at rest is not woken. */
static bool has_much(const struct uring_loop *loop)
{
    const struct uring_slots *slots = &loop->slots;
    return slots->want > slots->usual || loop->ebb.draw > 0 || slots->pool->nspare > 0 ||
           slots->large->nspare > 0;
}

void sb__uring_ebb(struct uring_loop *loop)
{
    struct uring_ebb *ebb = &loop->ebb;
    if (loop->slots.taken > ebb->peak)
        ebb->peak = loop->slots.taken;
    loop->slots.taken = 0;
    if (!has_much(loop) || loop->open == 0)
        sb_timer_stop(&loop->base, &ebb->look);
    else if (ebb->look.deadline == SB_NEVER)
        (void)sb_timer_start(&loop->base, &ebb->look, sb_loop_now(&loop->base) + LOOK_NS);
}

void sb__uring_ebb_init(struct uring_loop *loop)
{
    loop->ebb.fd = -1;
    loop->ebb.op.kind = &draw_kind;
    sb_timer_init(&loop->ebb.look, handle_look);
}

void sb__uring_ebb_finish(struct uring_loop *loop)
{
    sb_timer_stop(&loop->base, &loop->ebb.look);
    if (loop->ebb.fd >= 0)
        close(loop->ebb.fd);
}
