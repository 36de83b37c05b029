/* LD_PRELOAD: the kernel has no memory for a send now and then (ENOBUFS), on either backend. SB_REFUSE=n
 * refuses every n-th send of a stream socket; SB_REFUSE_ENTER=n every n-th io_uring_enter (EBUSY). What was
 * refused is said on stderr at the end.
 *
 * Under io_uring a send is spoilt on its way in (a descriptor of -1), and its completion gets the errno on
 * its way out. */
#include <dlfcn.h>
#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define SPOILT_MAX 4096

static unsigned long sends, refused, enters, turned_away;
static unsigned spoilt;
static unsigned long long spoilt_data[SPOILT_MAX];

static bool every(const char *name, unsigned long *count)
{
    const char *text = getenv(name);
    unsigned long n = text != NULL ? strtoul(text, NULL, 10) : 0;
    return n > 0 && ++*count % n == 0;
}

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static bool refuse(int fd)
{
    if (!is_stream(fd) || !every("SB_REFUSE", &sends))
        return false;
    refused++;
    errno = ENOBUFS;
    return true;
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    ssize_t (*real)(int, const void *, size_t, int) = next("send");
    return refuse(fd) ? -1 : real(fd, data, len, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    ssize_t (*real)(int, const struct msghdr *, int) = next("sendmsg");
    return refuse(fd) ? -1 : real(fd, msg, flags);
}

/* ---- io_uring ---- */

static void spoil(struct io_uring *ring)
{
    for (unsigned at = ring->sq.sqe_head; at != ring->sq.sqe_tail; at++) {
        struct io_uring_sqe *sqe = &ring->sq.sqes[at & *ring->sq.kring_mask];
        bool sending = (sqe->opcode == IORING_OP_SEND || sqe->opcode == IORING_OP_SENDMSG) && sqe->fd >= 0;
        if (!sending || spoilt == SPOILT_MAX || !every("SB_REFUSE", &sends))
            continue;
        sqe->fd = -1;
        spoilt_data[spoilt++] = sqe->user_data;
        refused++;
    }
}

static void give_errno(struct io_uring_cqe *cqe)
{
    for (unsigned i = 0; cqe->res == -EBADF && i < spoilt; i++)
        if (spoilt_data[i] == cqe->user_data) {
            spoilt_data[i] = spoilt_data[--spoilt];
            cqe->res = -ENOBUFS;
        }
}

/* Completions come while the kernel is entered (DEFER_TASKRUN): those that are there now are looked at before
 * anybody else does. */
static int mended(struct io_uring *ring, int res)
{
    unsigned tail = __atomic_load_n(ring->cq.ktail, __ATOMIC_ACQUIRE);
    for (unsigned at = *ring->cq.khead; at != tail; at++)
        give_errno(&ring->cq.cqes[at & *ring->cq.kring_mask]);
    return res;
}

static bool turn_away(void)
{
    bool away = every("SB_REFUSE_ENTER", &enters);
    turned_away += away;
    return away;
}

int io_uring_submit(struct io_uring *ring)
{
    int (*real)(struct io_uring *) = next("io_uring_submit");
    spoil(ring);
    return turn_away() ? -EBUSY : mended(ring, real(ring));
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned n)
{
    int (*real)(struct io_uring *, unsigned) = next("io_uring_submit_and_wait");
    spoil(ring);
    return turn_away() ? -EINTR : mended(ring, real(ring, n));
}

int io_uring_submit_and_get_events(struct io_uring *ring)
{
    int (*real)(struct io_uring *) = next("io_uring_submit_and_get_events");
    spoil(ring);
    return turn_away() ? -EBUSY : mended(ring, real(ring));
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned n,
    struct __kernel_timespec *ts, sigset_t *mask)
{
    int (*real)(struct io_uring *, struct io_uring_cqe **, unsigned, struct __kernel_timespec *, sigset_t *) =
        next("io_uring_submit_and_wait_timeout");
    spoil(ring);
    return turn_away() ? -EINTR : mended(ring, real(ring, cqe, n, ts, mask));
}

__attribute__((destructor)) static void say(void)
{
    if (refused + turned_away > 0)
        fprintf(stderr, "refused %lu sends, %lu enters\n", refused, turned_away);
}
