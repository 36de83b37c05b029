/* Streams of a uv loop: readiness in, our own recv and sendmsg. Before: loop.c, listener.c. After: pool.c.
 *
 * Interest is asked for at once and dropped lazily: uv_poll_start() costs two epoll_ctl(), so an interest
 * nobody has any more stays until the kernel reports it once for nothing. A reader that pauses and goes on,
 * or a writer that refills a full socket, then costs no epoll_ctl() at all. */
#include "backends/uv/uv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What telling the bytes of one full read should take at most: the other streams wait so long for their
 * turn. A stream that fills its buffers faster gets larger ones. */
#define READ_NS 80000

struct sb__uv_stream {
    sb_stream base;
    uv_poll_t poll;
    int fd;
    int mask; /* what libuv polls for */
    bool reading;
    bool ended;      /* on_end was told */
    bool connecting; /* on_connected was not told yet */
    bool connected;  /* the result of connecting is in `connect_err` */
    bool writing;    /* a write is in flight, or written and not yet told */
    bool written;    /* its result is in `write_err` */
    bool delayed;    /* the kernel had no memory for its write: in loop->delayed */
    bool closing;
    sb_err connect_err, write_err;
    uint32_t iov_n, next;    /* pieces of the write; octets the next read may take */
    const struct iovec *iov; /* what is left of the write: iov[0] from `off` on, then the others */
    size_t off;
    TAILQ_ENTRY(sb__uv_stream) link; /* in loop->told while connected or written, or in loop->delayed */
    uint64_t batch;
};

static const sb_stream_impl stream_impl;

static struct sb__uv_stream *stream_from(const sb_stream *base)
{
    assert(base->impl == &stream_impl);
    return (struct sb__uv_stream *)base;
}

static struct sb__uv_loop *loop_of(const struct sb__uv_stream *st)
{
    return sb__uv_loop_from(st->base.loop);
}

/* ---- Interest ---- */

static void handle_ready(uv_poll_t *poll, int status, int events);

static int wanted(const struct sb__uv_stream *st)
{
    if (st->connecting)
        return st->connected ? 0 : UV_WRITABLE;
    int mask = st->reading && !st->ended ? UV_READABLE : 0;
    return st->writing && !st->written && !st->delayed ? mask | UV_WRITABLE : mask;
}

static void poll_for(struct sb__uv_stream *st, int mask)
{
    if (mask == st->mask || st->closing)
        return;
    st->mask = mask;
    if (mask == 0) {
        uv_poll_stop(&st->poll);
        return;
    }
    int status = uv_poll_start(&st->poll, mask, handle_ready);
    assert(status == 0 && "the descriptor is ours alone");
    (void)status;
    loop_of(st)->unregistered = true;
}

static void poll_for_wanted(struct sb__uv_stream *st)
{
    int mask = wanted(st);
    if ((mask & ~st->mask) != 0)
        poll_for(st, mask);
}

/* ---- Telling later ---- */

static bool is_due(const struct sb__uv_stream *st)
{
    return st->connected || st->written;
}

static void enqueue(struct sb__uv_stream *st)
{
    struct sb__uv_loop *loop = loop_of(st);
    st->batch = loop->batch;
    TAILQ_INSERT_TAIL(&loop->told, st, link);
}

static void set_connected(struct sb__uv_stream *st, sb_err err)
{
    if (!is_due(st))
        enqueue(st);
    st->connected = true;
    st->connect_err = err;
}

static void set_written(struct sb__uv_stream *st, sb_err err)
{
    if (!is_due(st))
        enqueue(st);
    st->written = true;
    st->write_err = err;
}

/* ---- Writing ---- */

static void advance(struct sb__uv_stream *st, size_t n)
{
    while (st->iov_n > 0 && n >= st->iov[0].iov_len - st->off) {
        n -= st->iov[0].iov_len - st->off;
        st->off = 0;
        st->iov++;
        st->iov_n--;
    }
    st->off += n;
}

static ssize_t send_iov(int fd, const struct iovec *iov, size_t n)
{
    ssize_t sent;
    const struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = n};
    do
        sent = n == 1 ? send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL) : sendmsg(fd, &msg, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

/* The caller's array is not ours to change: a first element that was sent in part is corrected in a copy. */
static ssize_t send_rest(const struct sb__uv_stream *st)
{
    if (st->off == 0)
        return send_iov(st->fd, st->iov, st->iov_n);
    struct iovec rest[SB_IOV_MAX];
    memcpy(rest, st->iov, st->iov_n * sizeof *rest);
    rest[0].iov_base = (char *)rest[0].iov_base + st->off;
    rest[0].iov_len -= st->off;
    return send_iov(st->fd, rest, st->iov_n);
}

static bool is_short_of_memory(int errnum)
{
    return errnum == ENOBUFS || errnum == ENOMEM;
}

static void delay(struct sb__uv_stream *st)
{
    struct sb__uv_loop *loop = loop_of(st);
    if (TAILQ_EMPTY(&loop->delayed))
        sb_timer_start(&loop->base, &loop->again, sb_loop_now(&loop->base) + SB__SEND_AGAIN);
    st->delayed = true;
    TAILQ_INSERT_TAIL(&loop->delayed, st, link);
}

static void forget_delay(struct sb__uv_stream *st)
{
    if (st->delayed)
        TAILQ_REMOVE(&loop_of(st)->delayed, st, link);
    st->delayed = false;
}

static void write_some(struct sb__uv_stream *st)
{
    ssize_t sent = send_rest(st);
    if (sent < 0 && is_short_of_memory(errno)) {
        delay(st);
        return;
    }
    if (sent < 0 && errno != EAGAIN) {
        set_written(st, sb_err_from_errno(errno));
        return;
    }
    if (sent > 0)
        advance(st, (size_t)sent);
    if (st->iov_n == 0)
        set_written(st, SB_OK);
    else
        poll_for_wanted(st);
}

/* Those that were delayed so far; what is delayed meanwhile waits for the next time. */
void sb__uv_write_delayed(sb_timer *timer)
{
    struct sb__uv_loop *loop = (struct sb__uv_loop *)((char *)timer - offsetof(struct sb__uv_loop, again));
    struct sb__uv_told now = TAILQ_HEAD_INITIALIZER(now);
    struct sb__uv_stream *st;
    TAILQ_CONCAT(&now, &loop->delayed, link);
    while ((st = TAILQ_FIRST(&now)) != NULL) {
        TAILQ_REMOVE(&now, st, link);
        st->delayed = false;
        write_some(st);
    }
}

static sb_err stream_write(sb_stream *base, const struct iovec *iov, size_t n)
{
    struct sb__uv_stream *st = stream_from(base);
    if (st->closing)
        return SB_ECLOSED;
    if (st->writing)
        return SB_EAGAIN;
    st->writing = true;
    st->iov = iov;
    st->iov_n = (uint32_t)n;
    st->off = 0;
    if (!st->connecting)
        write_some(st);
    return SB_OK;
}

/* ---- Reading ---- */

static void end(struct sb__uv_stream *st, sb_err why)
{
    st->ended = true;
    poll_for(st, wanted(st));
    st->base.events->on_end(&st->base, why);
}

static ssize_t receive(int fd, void *data, size_t cap)
{
    ssize_t n;
    do
        n = recv(fd, data, cap, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

/* The next read may take more or less, by how long this one took that was full. */
static void adapt(struct sb__uv_stream *st, uint64_t took)
{
    if (took > READ_NS && st->next > SB__UV_RX_SIZE)
        st->next /= 2;
    else if (took < READ_NS / 3 && st->next < SB__UV_RX_LARGE)
        st->next *= 2;
}

static void tell_bytes(struct sb__uv_stream *st, sb_buf *buf, size_t n)
{
    uint64_t begin = n == st->next ? uv_hrtime() : 0;
    if (n < SB__UV_RX_SIZE)
        st->next = SB__UV_RX_SIZE;
    st->base.events->on_read(&st->base, buf, buf->data, n);
    if (begin != 0)
        adapt(st, uv_hrtime() - begin);
}

/* Once per turn. */
static void read_some(struct sb__uv_stream *st)
{
    struct sb__uv_loop *loop = loop_of(st);
    struct sb__uv_pool *pool = st->next > SB__UV_RX_SIZE ? loop->large : loop->pool;
    sb_buf *buf = sb__uv_pool_current(pool);
    if (buf == NULL) {
        end(st, SB_ENOMEM);
        return;
    }
    ssize_t n = receive(st->fd, buf->data, st->next);
    if (n <= 0) {
        if (n == 0)
            end(st, SB_ECLOSED);
        else if (errno != EAGAIN)
            end(st, sb_err_from_errno(errno));
        return;
    }
    tell_bytes(st, buf, (size_t)n);
    sb__uv_pool_settle(pool);
}

static bool is_reading(const struct sb__uv_stream *st)
{
    return st->reading && !st->ended && !st->connecting && !st->closing;
}

static void stream_read_start(sb_stream *base)
{
    struct sb__uv_stream *st = stream_from(base);
    st->reading = true;
    poll_for_wanted(st);
}

static void stream_read_stop(sb_stream *base)
{
    stream_from(base)->reading = false;
}

/* ---- Connecting ---- */

static void tell_connected(struct sb__uv_stream *st, sb_err err)
{
    bool held = st->writing && err == SB_OK; /* given before there was a connection */
    st->connecting = false;
    st->ended = err != SB_OK;
    if (st->writing && err != SB_OK)
        set_written(st, err);
    st->base.events->on_connected(&st->base, err);
    if (st->closing)
        return;
    if (held)
        write_some(st);
    poll_for(st, wanted(st));
}

static void finish_connect(struct sb__uv_stream *st)
{
    int errnum = 0;
    socklen_t len = sizeof errnum;
    if (getsockopt(st->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
        errnum = errno;
    tell_connected(st, errnum == 0 ? SB_OK : sb_err_from_errno(errnum));
}

static void start_connect(struct sb__uv_stream *st, const sb_addr *addr)
{
    st->connecting = true;
    if (connect(st->fd, (const struct sockaddr *)&addr->ss, addr->len) == 0)
        set_connected(st, SB_OK);
    else if (errno == EINPROGRESS || errno == EINTR)
        poll_for_wanted(st);
    else
        set_connected(st, sb_err_from_errno(errno));
}

/* ---- Events ---- */

static void dispatch(struct sb__uv_stream *st, int events)
{
    if (st->connecting) {
        finish_connect(st);
        return;
    }
    int unwanted = events & ~wanted(st);
    if ((events & wanted(st) & UV_WRITABLE) != 0)
        write_some(st);
    if ((events & UV_READABLE) != 0 && is_reading(st))
        read_some(st);
    if (unwanted != 0)
        poll_for(st, wanted(st));
}

static void handle_ready(uv_poll_t *poll, int status, int events)
{
    struct sb__uv_stream *st = poll->data;
    sb__uv_loop_awake(loop_of(st));
    if (status == 0) {
        dispatch(st, events);
        return;
    }
    /* An error condition: libuv stopped polling and says no more. The calls themselves tell what it is. */
    st->mask = 0;
    dispatch(st, wanted(st));
    if (!st->closing)
        poll_for_wanted(st);
}

static void tell(struct sb__uv_stream *st)
{
    TAILQ_REMOVE(&loop_of(st)->told, st, link);
    bool connected = st->connected, written = st->written;
    st->connected = st->written = false;
    if (written)
        st->writing = false;
    if (connected)
        tell_connected(st, st->connect_err);
    else
        st->base.events->on_written(&st->base, st->write_err);
}

void sb__uv_tell(struct sb__uv_loop *loop)
{
    uint64_t batch = loop->batch++;
    for (;;) {
        struct sb__uv_stream *st = TAILQ_FIRST(&loop->told);
        if (st == NULL || st->batch > batch)
            break;
        tell(st);
    }
}

/* ---- Life ---- */

static void handle_closed(uv_handle_t *handle)
{
    struct sb__uv_stream *st = handle->data;
    struct sb__uv_loop *loop = loop_of(st);
    sb__uv_loop_awake(loop);
    loop->closing--;
    loop->open--;
    if (st->writing)
        st->base.events->on_written(&st->base, SB_ECANCELED);
    st->base.events->on_closed(&st->base);
    free(st);
}

static void stream_close(sb_stream *base)
{
    struct sb__uv_stream *st = stream_from(base);
    if (st->closing)
        return;
    st->closing = true;
    forget_delay(st);
    if (is_due(st))
        TAILQ_REMOVE(&loop_of(st)->told, st, link);
    /* uv_close takes the descriptor out of epoll at once, so its number may be used again. */
    uv_close((uv_handle_t *)&st->poll, handle_closed);
    loop_of(st)->closing++;
    close(st->fd);
    st->fd = -1;
}

static int stream_fd(const sb_stream *base)
{
    return stream_from(base)->fd;
}

sb_stream *sb__uv_stream_base(struct sb__uv_stream *st)
{
    return &st->base;
}

sb_err sb__uv_stream_create(struct sb__uv_loop *loop, int fd, struct sb__uv_stream **out)
{
    struct sb__uv_stream *st = calloc(1, sizeof *st);
    if (st == NULL)
        return SB_ENOMEM;
    int status = uv_poll_init(&loop->uv, &st->poll, fd);
    if (status < 0) {
        free(st);
        return sb__uv_err(status);
    }
    st->poll.data = st;
    st->base.loop = &loop->base;
    st->base.impl = &stream_impl;
    st->fd = fd;
    st->next = SB__UV_RX_SIZE;
    loop->open++;
    *out = st;
    return SB_OK;
}

static void give(struct sb__uv_stream *st, const sb_stream_events *events, void *data, sb_stream **out)
{
    st->base.events = events;
    st->base.data = data;
    *out = &st->base;
}

sb_err sb__uv_adopt_stream(sb_loop *loop, int fd, const sb_stream_events *events, void *data, sb_stream **out)
{
    struct sb__uv_stream *st;
    sb_err err = sb__socket_adoptable(fd);
    if (err != SB_OK)
        return err;
    if ((err = sb__uv_stream_create(sb__uv_loop_from(loop), fd, &st)) != SB_OK)
        return err;
    sb__socket_nodelay(fd);
    give(st, events, data, out);
    return SB_OK;
}

sb_err sb__uv_connect(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_stream_events *events, void *data, sb_stream **out)
{
    int fd;
    struct sb__uv_stream *st;
    sb_err err = sb__socket_for_connect(addr, opts, &fd);
    if (err != SB_OK)
        return err;
    if ((err = sb__uv_stream_create(sb__uv_loop_from(loop), fd, &st)) != SB_OK) {
        close(fd);
        return err;
    }
    give(st, events, data, out);
    start_connect(st, addr);
    return SB_OK;
}

static const sb_stream_impl stream_impl = {
    .read_start = stream_read_start,
    .read_stop = stream_read_stop,
    .write = stream_write,
    .close = stream_close,
    .fd = stream_fd,
};
