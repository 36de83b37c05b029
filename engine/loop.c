/* The part of a loop that is the same for every backend: argument checks and dispatch, timers, posts, the
 * turn hook and the order of a turn. Before: callers of engine/loop.h. After: the backends' tables. */
#include "engine/loop.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

/* ---- Timers: a pairing heap (Fredman and others, 1986) in the timers themselves, ordered by deadline, then
 * by start, so that equal deadlines fire in the order set. It needs no memory: starting a timer cannot fail.
 * ---- */

static bool timer_before(const sb_timer *a, const sb_timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->seq < b->seq;
}

/* The later of two roots becomes the first child of the earlier; either may be NULL. */
static sb_timer *meld(sb_timer *a, sb_timer *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    sb_timer *first = timer_before(b, a) ? b : a, *second = first == a ? b : a;
    second->before = first;
    second->next = first->child;
    if (second->next != NULL)
        second->next->before = second;
    first->child = second;
    first->next = first->before = NULL;
    return first;
}

/* Makes one heap of siblings: in pairs from the left, then those from the right. */
static sb_timer *meld_siblings(sb_timer *at)
{
    sb_timer *pairs = NULL, *root = NULL;
    while (at != NULL) {
        sb_timer *a = at, *b = at->next;
        at = b != NULL ? b->next : NULL;
        a->next = a->before = NULL;
        if (b != NULL)
            b->next = b->before = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        sb_timer *next = pairs->next;
        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

/* Out of its parent's children, with its own. */
static void cut(sb_timer *timer)
{
    if (timer->before->child == timer)
        timer->before->child = timer->next;
    else
        timer->before->next = timer->next;
    if (timer->next != NULL)
        timer->next->before = timer->before;
    timer->next = timer->before = NULL;
}

static void heap_remove(sb_loop *loop, sb_timer *timer)
{
    sb_timer *rest = meld_siblings(timer->child);
    timer->child = NULL;
    timer->deadline = SB_NEVER;
    if (loop->timers.first == timer) {
        loop->timers.first = rest;
        return;
    }
    cut(timer);
    loop->timers.first = meld(loop->timers.first, rest);
}

void sb_timer_init(sb_timer *timer, void (*on_expire)(sb_timer *timer))
{
    *timer = (sb_timer){.on_expire = on_expire, .deadline = SB_NEVER};
}

sb_err sb_timer_start(sb_loop *loop, sb_timer *timer, uint64_t deadline_ns)
{
    sb_timer_stop(loop, timer);
    if (deadline_ns == SB_NEVER)
        return SB_OK;
    /* Never earlier than now: a timer restarted by its own callback then sorts behind all that expire in this
     * turn. */
    timer->deadline = deadline_ns > loop->now ? deadline_ns : loop->now;
    timer->seq = loop->timers.seq++;
    loop->timers.first = meld(loop->timers.first, timer);
    return SB_OK;
}

void sb_timer_stop(sb_loop *loop, sb_timer *timer)
{
    if (timer->deadline != SB_NEVER)
        heap_remove(loop, timer);
}

/* Fires what is due; what the callbacks start waits for the next turn, or a zero timer would never let go. */
static void run_timers(sb_loop *loop)
{
    uint64_t now = loop->now, limit = loop->timers.seq;
    while (loop->timers.first != NULL) {
        sb_timer *timer = loop->timers.first;
        if (timer->deadline > now || timer->seq >= limit)
            break;
        heap_remove(loop, timer);
        timer->on_expire(timer);
    }
}

/* ---- Posts: a lock-free stack, newest first; the loop takes all at once and turns it round. Builtins,
 * because the header is for C++ hosts too, which know no _Atomic. ---- */

void sb_loop_post(sb_loop *loop, sb_post *post)
{
    sb_post *head = __atomic_load_n(&loop->posts, __ATOMIC_RELAXED);
    do {
        post->next = head;
    } while (
        !__atomic_compare_exchange_n(&loop->posts, &head, post, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    /* Only the first one wakes: the loop empties the stack after it was woken. */
    if (head == NULL)
        loop->impl->wake(loop);
}

static void run_posts(sb_loop *loop)
{
    if (__atomic_load_n(&loop->posts, __ATOMIC_RELAXED) == NULL)
        return;
    sb_post *newest = __atomic_exchange_n(&loop->posts, NULL, __ATOMIC_ACQUIRE);
    sb_post *oldest = NULL;
    while (newest != NULL) {
        sb_post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        sb_post *post = oldest;
        oldest = post->next;
        post->run(post);
    }
}

/* ---- The order of a turn ---- */

static void run_own(sb_loop *loop)
{
    sb_loop_update(loop);
    run_posts(loop);
    run_timers(loop);
    if (loop->turn != NULL)
        loop->turn->on_turn_end(loop->turn);
}

static sb_err turn(sb_loop *loop, int timeout_ms)
{
    loop->turns++;
    return loop->impl->turn(loop, timeout_ms);
}

static bool has_posts(sb_loop *loop)
{
    return __atomic_load_n(&loop->posts, __ATOMIC_ACQUIRE) != NULL;
}

static int ms_until(uint64_t deadline, uint64_t now)
{
    if (deadline <= now)
        return 0;
    uint64_t left = deadline - now;
    if (left > INT32_MAX / 2 * SB_NS_PER_MS)
        return INT32_MAX / 2;
    return (int)((left + SB_NS_PER_MS - 1) / SB_NS_PER_MS);
}

int sb_loop_timeout(sb_loop *loop)
{
    if (has_posts(loop) || loop->impl->pending(loop))
        return 0;
    if (loop->timers.first == NULL)
        return -1;
    return ms_until(loop->timers.first->deadline, loop->impl->clock(loop));
}

static bool is_alive(sb_loop *loop)
{
    return loop->timers.first != NULL || has_posts(loop) || loop->impl->alive(loop);
}

static void leave(sb_loop *loop)
{
    if (loop->turn != NULL)
        loop->turn->on_turn_end(loop->turn);
    if (loop->impl->flush != NULL)
        loop->impl->flush(loop);
    loop->stopped = false;
    loop->running = false;
}

sb_err sb_loop_run(sb_loop *loop)
{
    sb_err err = SB_OK;
    assert(!loop->running && "a callback must not run its own loop");
    loop->running = true;
    while (!loop->stopped && is_alive(loop)) {
        run_own(loop);
        if (loop->stopped || !is_alive(loop))
            break;
        if ((err = turn(loop, sb_loop_timeout(loop))) != SB_OK)
            break;
    }
    leave(loop);
    return err;
}

sb_err sb_loop_step(sb_loop *loop)
{
    assert(!loop->running && "a callback must not step its own loop");
    loop->running = true;
    run_own(loop);
    sb_err err = turn(loop, 0);
    run_own(loop);
    if (loop->impl->flush != NULL)
        loop->impl->flush(loop);
    loop->running = false;
    return err;
}

void sb_loop_stop(sb_loop *loop)
{
    loop->stopped = true;
}

uint64_t sb_loop_now(const sb_loop *loop)
{
    return loop->now;
}

void sb_loop_update(sb_loop *loop)
{
    loop->now = loop->impl->clock(loop);
}

uint64_t sb_loop_turns(const sb_loop *loop)
{
    return loop->turns;
}

void sb_loop_set_turn(sb_loop *loop, sb_turn *turn)
{
    loop->turn = turn;
}

int sb_loop_fd(sb_loop *loop)
{
    return loop->impl->fd != NULL ? loop->impl->fd(loop) : -1;
}

const char *sb_loop_backend(const sb_loop *loop)
{
    return loop->impl->name;
}

void sb_loop_destroy(sb_loop *loop)
{
    if (loop != NULL)
        loop->impl->destroy(loop);
}

void sb_loop_base_init(sb_loop *loop, const sb_loop_impl *impl)
{
    assert(impl->name && impl->destroy && impl->clock && impl->turn && impl->alive && impl->pending);
    assert(impl->wake && impl->listen && impl->connect);
    *loop = (sb_loop){.impl = impl};
    sb_loop_update(loop);
}

void sb_loop_base_finish(sb_loop *loop)
{
    loop->timers.first = NULL;
}

/* ---- Dispatch ---- */

static bool addr_ok(const sb_addr *addr)
{
    return addr != NULL && addr->len >= sizeof(sa_family_t) && addr->len <= sizeof addr->ss;
}

sb_err sb_loop_listen(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out)
{
    if (!addr_ok(addr))
        return SB_EINVAL;
    return loop->impl->listen(loop, addr, opts, events, data, out);
}

sb_err sb_loop_adopt_listener(sb_loop *loop, int fd, bool own, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out)
{
    if (loop->impl->adopt_listener == NULL)
        return SB_ENOTSUP;
    if (fd < 0)
        return SB_EINVAL;
    return loop->impl->adopt_listener(loop, fd, own, opts, events, data, out);
}

sb_err sb_listener_addr(const sb_listener *ln, sb_addr *out)
{
    return ln->impl->addr(ln, out);
}

void sb_listener_close(sb_listener *ln)
{
    if (ln != NULL)
        ln->impl->close(ln);
}

sb_err sb_loop_connect(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_stream_events *events, void *data, sb_stream **out)
{
    if (!addr_ok(addr))
        return SB_EINVAL;
    return loop->impl->connect(loop, addr, opts, events, data, out);
}

sb_err sb_loop_adopt_stream(
    sb_loop *loop, int fd, const sb_stream_events *events, void *data, sb_stream **out)
{
    if (loop->impl->adopt_stream == NULL)
        return SB_ENOTSUP;
    if (fd < 0)
        return SB_EINVAL;
    return loop->impl->adopt_stream(loop, fd, events, data, out);
}

void sb_stream_read_start(sb_stream *st)
{
    st->impl->read_start(st);
}

void sb_stream_read_stop(sb_stream *st)
{
    st->impl->read_stop(st);
}

static bool has_bytes(const struct iovec *iov, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (iov[i].iov_len > 0)
            return true;
    return false;
}

sb_err sb_stream_write(sb_stream *st, const struct iovec *iov, size_t n)
{
    if (n == 0 || n > SB_IOV_MAX || !has_bytes(iov, n))
        return SB_EINVAL;
    return st->impl->write(st, iov, n);
}

void sb_stream_close(sb_stream *st)
{
    if (st != NULL)
        st->impl->close(st);
}

sb_err sb_stream_shutdown(sb_stream *st)
{
    if (st->impl->shutdown != NULL)
        return st->impl->shutdown(st);
    int fd = sb_stream_fd(st);
    if (fd < 0)
        return SB_ENOTSUP;
    return shutdown(fd, SHUT_WR) == 0 ? SB_OK : SB_ECLOSED;
}

const char *sb_stream_property(const sb_stream *st, const char *name)
{
    return st->impl->property != NULL ? st->impl->property(st, name) : NULL;
}

int sb_stream_fd(const sb_stream *st)
{
    return st->impl->fd != NULL ? st->impl->fd(st) : -1;
}

size_t sb_stream_untaken(const sb_stream *st)
{
    int fd = sb_stream_fd(st), octets = 0;
    return fd >= 0 && ioctl(fd, SIOCOUTQ, &octets) == 0 && octets > 0 ? (size_t)octets : 0;
}

static sb_err ask_fd(const sb_stream *st, int (*ask)(int, struct sockaddr *, socklen_t *), sb_addr *out)
{
    int fd = sb_stream_fd(st);
    if (fd < 0)
        return SB_ENOTSUP;
    *out = (sb_addr){.len = sizeof out->ss};
    if (ask(fd, (struct sockaddr *)&out->ss, &out->len) < 0)
        return sb_err_from_errno(errno);
    return SB_OK;
}

static int ask_peer(int fd, struct sockaddr *sa, socklen_t *len)
{
    return getpeername(fd, sa, len);
}

static int ask_local(int fd, struct sockaddr *sa, socklen_t *len)
{
    return getsockname(fd, sa, len);
}

sb_err sb_stream_peer_addr(const sb_stream *st, sb_addr *out)
{
    if (st->impl->peer_addr != NULL)
        return st->impl->peer_addr(st, out);
    return ask_fd(st, ask_peer, out);
}

sb_err sb_stream_local_addr(const sb_stream *st, sb_addr *out)
{
    if (st->impl->local_addr != NULL)
        return st->impl->local_addr(st, out);
    return ask_fd(st, ask_local, out);
}

sb_err sb_loop_resolve(sb_loop *loop, const char *host, uint16_t port, int family, sb_lookup *lk)
{
    if (loop->impl->resolve == NULL)
        return SB_ENOTSUP;
    if (host == NULL || *host == '\0' || (family != AF_UNSPEC && family != AF_INET && family != AF_INET6))
        return SB_EINVAL;
    return loop->impl->resolve(loop, host, port, family, lk);
}

void sb_loop_resolve_cancel(sb_loop *loop, sb_lookup *lk)
{
    if (loop->impl->resolve_cancel != NULL)
        loop->impl->resolve_cancel(loop, lk);
}

sb_err sb_watch_start(sb_loop *loop, sb_watch *w, bool readable, bool writable)
{
    if (loop->impl->watch_start == NULL)
        return SB_ENOTSUP;
    if (w->fd < 0)
        return SB_EINVAL;
    return loop->impl->watch_start(loop, w, readable, writable);
}

void sb_watch_stop(sb_loop *loop, sb_watch *w)
{
    if (loop->impl->watch_stop != NULL)
        loop->impl->watch_stop(loop, w);
}
