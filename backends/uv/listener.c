/* Listeners of a uv loop: accepts what is there, and steps back when descriptors run out. Before: loop.c.
 * After: stream.c. */
#include "backends/uv/uv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* How many connections one listener may take before the others have their turn. */
#define ACCEPTS_PER_TURN 32

struct listener {
    sb_listener base;
    uv_poll_t poll;
    int fd;
    int sndbuf; /* of accepted unix streams; 0: theirs is right */
    bool own, adopted, closing;
    uint64_t backoff; /* ns; 0: accepting goes well */
    sb_timer retry;
};

static const sb_listener_impl listener_impl;

static struct listener *listener_from(const sb_listener *base)
{
    assert(base->impl == &listener_impl);
    return (struct listener *)base;
}

static void handle_ready(uv_poll_t *poll, int status, int events);

static void poll_start(struct listener *ln)
{
    int status = uv_poll_start(&ln->poll, UV_READABLE, handle_ready);
    assert(status == 0 && "no other handle polls this descriptor: uv_poll_init checked it");
    (void)status;
    sb__uv_loop_from(ln->base.loop)->unregistered = true;
}

/* A listening socket stays readable while nothing can be accepted, so polling must stop or it spins. Without
 * memory for the timer it does spin, but it is not forgotten. */
static void back_off(struct listener *ln, sb_err err)
{
    sb_loop *loop = ln->base.loop;
    bool first = ln->backoff == 0;
    ln->backoff = first ? SB__ACCEPT_BACKOFF_MIN : ln->backoff * 2;
    if (ln->backoff > SB__ACCEPT_BACKOFF_MAX)
        ln->backoff = SB__ACCEPT_BACKOFF_MAX;
    if (sb_timer_start(loop, &ln->retry, sb_loop_now(loop) + ln->backoff) == SB_OK)
        uv_poll_stop(&ln->poll);
    else
        poll_start(ln);
    if (first && ln->base.events->on_error != NULL)
        ln->base.events->on_error(&ln->base, err);
}

/* The connection is gone or was bad, the listener is well (accept(2), "Error handling"). */
static const int passing_errors[] = {EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT, EHOSTDOWN,
    ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH};

static bool is_passing(int errnum)
{
    for (size_t i = 0; i < sizeof passing_errors / sizeof *passing_errors; i++)
        if (passing_errors[i] == errnum)
            return true;
    return false;
}

static void welcome(struct listener *ln, int fd)
{
    struct sb__uv_stream *st;
    sb_err err = sb__uv_stream_create(sb__uv_loop_from(ln->base.loop), fd, &st);
    if (err != SB_OK) {
        close(fd);
        back_off(ln, err);
        return;
    }
    if (ln->adopted)
        sb__socket_nodelay(fd);
    sb__socket_set_sndbuf(fd, ln->sndbuf);
    ln->backoff = 0;
    ln->base.events->on_accept(&ln->base, sb__uv_stream_base(st));
}

/* Accepts once; true when there may be more at once. */
static bool accept_some(struct listener *ln)
{
    int fd = accept4(ln->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        welcome(ln, fd);
        return true;
    }
    if (is_passing(errno))
        return true;
    if (errno != EAGAIN)
        back_off(ln, sb_err_from_errno(errno));
    return false;
}

static void accept_turn(struct listener *ln)
{
    for (int i = 0; i < ACCEPTS_PER_TURN && !ln->closing && ln->retry.deadline == SB_NEVER; i++)
        if (!accept_some(ln))
            return;
}

static void handle_ready(uv_poll_t *poll, int status, int events)
{
    struct listener *ln = poll->data;
    (void)events;
    sb__uv_loop_awake(sb__uv_loop_from(ln->base.loop));
    if (status < 0)
        back_off(ln, SB_EIO);
    else
        accept_turn(ln);
}

static void handle_retry(sb_timer *timer)
{
    struct listener *ln = (struct listener *)((char *)timer - offsetof(struct listener, retry));
    poll_start(ln);
}

/* ---- Life ---- */

static void handle_closed(uv_handle_t *handle)
{
    struct listener *ln = handle->data;
    struct sb__uv_loop *loop = sb__uv_loop_from(ln->base.loop);
    sb__uv_loop_awake(loop);
    loop->closing--;
    loop->open--;
    ln->base.events->on_closed(&ln->base);
    free(ln);
}

static void listener_close(sb_listener *base)
{
    struct listener *ln = listener_from(base);
    if (ln->closing)
        return;
    ln->closing = true;
    sb_timer_stop(base->loop, &ln->retry);
    uv_close((uv_handle_t *)&ln->poll, handle_closed);
    sb__uv_loop_from(base->loop)->closing++;
    if (ln->own)
        close(ln->fd);
    ln->fd = -1;
}

static sb_err listener_addr(const sb_listener *base, sb_addr *out)
{
    return sb__socket_addr(listener_from(base)->fd, out);
}

static sb_err listener_create(
    sb_loop *loop, int fd, bool own, const sb_listener_events *events, void *data, sb_listener **out)
{
    struct listener *ln = calloc(1, sizeof *ln);
    if (ln == NULL)
        return SB_ENOMEM;
    int status = uv_poll_init(&sb__uv_loop_from(loop)->uv, &ln->poll, fd);
    if (status < 0) {
        free(ln);
        return sb__uv_err(status);
    }
    ln->base = (sb_listener){.data = data, .events = events, .loop = loop, .impl = &listener_impl};
    ln->poll.data = ln;
    ln->fd = fd;
    ln->own = own;
    sb_timer_init(&ln->retry, handle_retry);
    sb__uv_loop_from(loop)->open++;
    poll_start(ln);
    *out = &ln->base;
    return SB_OK;
}

sb_err sb__uv_adopt_listener(sb_loop *loop, int fd, bool own, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out)
{
    sb_err err = sb__socket_adoptable(fd);
    if (err == SB_OK)
        sb__socket_dress(fd, opts);
    if (err == SB_OK)
        err = listener_create(loop, fd, own, events, data, out);
    if (err == SB_OK)
        listener_from(*out)->adopted = true;
    return err;
}

sb_err sb__uv_listen(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out)
{
    int fd;
    sb_err err = sb__socket_listen(addr, opts, &fd);
    if (err != SB_OK)
        return err;
    if ((err = listener_create(loop, fd, true, events, data, out)) != SB_OK) {
        close(fd);
        return err;
    }
    if (addr->ss.ss_family == AF_UNIX)
        listener_from(*out)->sndbuf = sb__socket_sndbuf(AF_UNIX, opts);
    return SB_OK;
}

static const sb_listener_impl listener_impl = {
    .addr = listener_addr,
    .close = listener_close,
};
