/* The loop on libuv: waiting, waking, and the order of a turn. Before: engine/loop.c, backends/open.c. After:
 * stream.c, listener.c, watch.c. */
#include "backends/backends.h"
#include "backends/uv/uv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

sb_err sb__uv_err(int status)
{
    return status >= 0 ? SB_OK : sb_err_from_errno(-status);
}

static uint64_t loop_clock(sb_loop *loop)
{
    (void)loop;
    return uv_hrtime();
}

/* ---- A turn ---- */

/* libuv runs timers before it polls, too. Had this one expired by then, nothing would bound the wait:
 * uv_stop makes the poll that follows return at once. */
static void handle_wait_over(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void wait_and_dispatch(struct sb__uv_loop *loop, int timeout_ms)
{
    if (timeout_ms == 0) {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        return;
    }
    loop->fresh = false;
    if (timeout_ms > 0) {
        uv_update_time(&loop->uv);
        uv_timer_start(&loop->wait, handle_wait_over, (uint64_t)timeout_ms, 0);
    }
    uv_run(&loop->uv, UV_RUN_ONCE);
    uv_timer_stop(&loop->wait);
}

static sb_err loop_turn(sb_loop *base, int timeout_ms)
{
    struct sb__uv_loop *loop = sb__uv_loop_from(base);
    bool due = !TAILQ_EMPTY(&loop->told);
    loop->fresh = true;
    /* Telling needs no system call. Every second turn polls, lest a busy writer starve the readers, and those
     * that do whose interest the kernel does not know yet. */
    loop->told_only = due && !loop->told_only && !loop->unregistered;
    if (!loop->told_only) {
        loop->unregistered = false;
        wait_and_dispatch(loop, due ? 0 : timeout_ms);
    }
    sb__uv_tell(loop);
    return SB_OK;
}

/* While the loop runs, the turn that follows registers and waits in one go; a host that polls fd() would miss
 * what the kernel does not know yet. */
static bool loop_pending(const sb_loop *base)
{
    const struct sb__uv_loop *loop = sb__uv_loop_from(base);
    return !TAILQ_EMPTY(&loop->told) || loop->closing > 0 || (loop->unregistered && !base->running);
}

static bool loop_alive(const sb_loop *base)
{
    const struct sb__uv_loop *loop = sb__uv_loop_from(base);
    return loop->open > 0 || loop->watched > 0 || sb__resolver_busy(loop->resolver);
}

static int loop_fd(sb_loop *base)
{
    return uv_backend_fd(&sb__uv_loop_from(base)->uv);
}

static void loop_wake(sb_loop *base)
{
    uv_async_send(&sb__uv_loop_from(base)->wake);
}

/* The posts themselves are run by engine/loop.c. */
static void handle_wake(uv_async_t *wake)
{
    (void)wake;
}

static sb_err loop_resolve(sb_loop *base, const char *host, uint16_t port, int family, sb_lookup *lk)
{
    return sb__resolver_start(&sb__uv_loop_from(base)->resolver, base, host, port, family, lk);
}

static void loop_resolve_cancel(sb_loop *base, sb_lookup *lk)
{
    sb__resolver_cancel(sb__uv_loop_from(base)->resolver, lk);
}

/* ---- Life ---- */

static void loop_destroy(sb_loop *base)
{
    struct sb__uv_loop *loop = sb__uv_loop_from(base);
    sb__resolver_destroy(loop->resolver);
    sb_timer_stop(base, &loop->again);
    assert(loop->open == 0 && loop->watched == 0 && "everything on the loop was closed, and told so");
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->wait, NULL);
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    int status = uv_loop_close(&loop->uv);
    assert(status == 0 && "its last handles were closed above");
    (void)status;
    sb__uv_pool_destroy(loop->pool);
    sb__uv_pool_destroy(loop->large);
    sb_loop_base_finish(base);
    free(loop);
}

static const sb_loop_impl loop_impl = {
    .name = "uv",
    .destroy = loop_destroy,
    .clock = loop_clock,
    .turn = loop_turn,
    .alive = loop_alive,
    .pending = loop_pending,
    .fd = loop_fd,
    .wake = loop_wake,
    .listen = sb__uv_listen,
    .adopt_listener = sb__uv_adopt_listener,
    .connect = sb__uv_connect,
    .adopt_stream = sb__uv_adopt_stream,
    .resolve = loop_resolve,
    .resolve_cancel = loop_resolve_cancel,
    .watch_start = sb__uv_watch_start,
    .watch_stop = sb__uv_watch_stop,
};

/* libuv 1.44 aborts where it finds no descriptors for its process-wide pipe (uv__signal_global_init): look
 * first whether there are as many as it takes, the pipe's two, epoll and eventfd. */
static sb_err find_descriptors(void)
{
    int a[2], b[2];
    if (pipe2(a, O_CLOEXEC) < 0)
        return sb_err_from_errno(errno);
    sb_err err = pipe2(b, O_CLOEXEC) < 0 ? sb_err_from_errno(errno) : SB_OK;
    if (err == SB_OK)
        close(b[0]), close(b[1]);
    close(a[0]), close(a[1]);
    return err;
}

static sb_err loop_init(struct sb__uv_loop *loop)
{
    int status = uv_loop_init(&loop->uv);
    if (status < 0)
        return sb__uv_err(status);
    if ((status = uv_async_init(&loop->uv, &loop->wake, handle_wake)) < 0) {
        uv_loop_close(&loop->uv);
        return sb__uv_err(status);
    }
    uv_timer_init(&loop->uv, &loop->wait);
    TAILQ_INIT(&loop->told);
    TAILQ_INIT(&loop->delayed);
    sb_timer_init(&loop->again, sb__uv_write_delayed);
    sb_loop_base_init(&loop->base, &loop_impl);
    /* Gives the descriptor of `wake` to the kernel: a host may poll fd() before its first step. */
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    return SB_OK;
}

sb_err sb__uv_create(sb_loop **out)
{
    struct sb__uv_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return SB_ENOMEM;
    sb_err err = SB_ENOMEM;
    loop->pool = sb__uv_pool_create(SB__UV_RX_SIZE);
    loop->large = sb__uv_pool_create(SB__UV_RX_LARGE);
    if (loop->pool == NULL || loop->large == NULL)
        goto fail;
    if ((err = find_descriptors()) != SB_OK || (err = loop_init(loop)) != SB_OK)
        goto fail;
    *out = &loop->base;
    return SB_OK;
fail:
    sb__uv_pool_destroy(loop->pool);
    sb__uv_pool_destroy(loop->large);
    free(loop);
    return err;
}
