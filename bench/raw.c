/* Ends and go-betweens without any ZeroMQ library: the raw limit, and the cheap ends of the broker rows.
 * Roles: send, recv, relay (one in, any number out), ping, pong. */
#include "bench/args.h"
#include "bench/cheap.h"
#include "bench/meter.h"

#include <fcntl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 128 * 1024 };

/* Every connection the arguments ask for; listening ports take `each` of them. */
static int open_all(const bench_args *a, int *fds, int each)
{
    int n = 0;
    for (int i = 0; i < a->nlisten; i++) {
        int listener = cheap_listen(a->listen[i]);
        for (int k = 0; k < each; k++)
            fds[n++] = cheap_accept(listener);
    }
    for (int i = 0; i < a->nconnect; i++)
        fds[n++] = cheap_connect(a->connect[i]);
    for (int i = 0; i < n; i++)
        cheap_handshake(fds[i], a->type);
    return n;
}

static void run_send(const bench_args *a)
{
    int fds[BENCH_PORTS];
    cheap_batch batch;
    open_all(a, fds, 1);
    cheap_batch_make(&batch, a->size, CHUNK / 2);
    for (;;)
        cheap_write(fds[0], batch.data, batch.len);
}

static void recv_one(const bench_args *a, int fd)
{
    static uint8_t buf[CHUNK];
    cheap_walk walk = {0};
    meter m;
    meter_init(&m, a->warm_ms, a->window_ms);
    for (ssize_t n; (n = recv(fd, buf, sizeof buf, 0)) > 0;)
        meter_add(&m, cheap_walk_feed(&walk, buf, (size_t)n));
    bench_die("the sender left");
}

static void recv_many(const bench_args *a, const int *fds, int n)
{
    static uint8_t buf[CHUNK];
    cheap_walk walks[BENCH_PORTS] = {0};
    struct epoll_event events[BENCH_PORTS];
    int ep = epoll_create1(EPOLL_CLOEXEC);
    meter m;
    meter_init(&m, a->warm_ms, a->window_ms);
    for (int i = 0; i < n; i++)
        epoll_ctl(
            ep, EPOLL_CTL_ADD, fds[i], &(struct epoll_event){.events = EPOLLIN, .data.u32 = (uint32_t)i});
    for (;;) {
        int ready = epoll_wait(ep, events, BENCH_PORTS, -1);
        for (int i = 0; i < ready; i++) {
            uint32_t k = events[i].data.u32;
            ssize_t got = recv(fds[k], buf, sizeof buf, MSG_DONTWAIT);
            if (got == 0)
                bench_die("the sender left");
            if (got > 0)
                meter_add(&m, cheap_walk_feed(&walks[k], buf, (size_t)got));
        }
    }
}

/* connect=port,port,... or the same port many times for many subscribers. */
static void run_recv(const bench_args *a)
{
    int fds[BENCH_PORTS], n = open_all(a, fds, 1);
    if (n == 1)
        recv_one(a, fds[0]);
    recv_many(a, fds, n);
}

/* Copies whole frames, as a broker that looks at each message must; returns the octets of whole frames. */
static size_t copy_frames(uint8_t *out, const uint8_t *in, size_t n)
{
    size_t at = 0;
    while (at < n) {
        size_t h = (in[at] & 2) != 0 ? 9 : 2;
        if (n - at < h)
            break;
        uint64_t len = 0;
        for (size_t i = 1; i < h; i++)
            len = len << 8 | in[at + i];
        if (len > n - at - h)
            break;
        memcpy(out + at, in + at, h + len);
        at += h + len;
    }
    return at;
}

/* listen=IN,OUT: one connection on the first port, `outs` on the second. */
static void run_relay(const bench_args *a)
{
    static uint8_t in[CHUNK], out[CHUNK];
    int listen_in = cheap_listen(a->listen[0]), listen_out = cheap_listen(a->listen[1]), outs[BENCH_PORTS];
    bool pubsub = strcmp(a->type, "XPUB") == 0;
    for (int i = 0; i < a->outs; i++) {
        outs[i] = cheap_accept(listen_out);
        cheap_handshake(outs[i], pubsub ? "XPUB" : "PUSH");
    }
    int from = cheap_accept(listen_in);
    cheap_handshake(from, pubsub ? "XSUB" : "PULL");
    size_t have = 0;
    for (ssize_t n; (n = recv(from, in + have, sizeof in - have, 0)) > 0;) {
        have += (size_t)n;
        size_t whole = copy_frames(out, in, have);
        for (int i = 0; i < a->outs; i++)
            cheap_write(outs[i], out, whole);
        have -= whole;
        memmove(in, in + whole, have);
    }
}

static int watch(int fd)
{
    int ep = epoll_create1(EPOLL_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN});
    return ep;
}

/* Waits with epoll, as an event loop does, and reads what is there; 0 when the other end left. */
static size_t wait_read(int ep, int fd, uint8_t *buf, size_t cap)
{
    struct epoll_event ev;
    for (;;) {
        ssize_t n = recv(fd, buf, cap, 0);
        if (n >= 0)
            return (size_t)n;
        if (errno != EAGAIN || epoll_wait(ep, &ev, 1, -1) < 0)
            return 0;
    }
}

/* A request is [empty delimiter][body], as REQ sends it. */
static void run_ping(const bench_args *a)
{
    static uint8_t buf[CHUNK];
    int fds[BENCH_PORTS];
    cheap_batch batch;
    meter m;
    open_all(a, fds, 1);
    int ep = watch(fds[0]);
    cheap_batch_make(&batch, a->size, 0);
    uint8_t *request = malloc(2 + batch.frame);
    memcpy(request, "\1\0", 2);
    memcpy(request + 2, batch.data, batch.frame);
    meter_init(&m, a->warm_ms, a->window_ms);
    for (cheap_walk walk = {0};;) {
        cheap_write(fds[0], request, 2 + batch.frame);
        for (uint64_t back = 0; back == 0;) {
            size_t n = wait_read(ep, fds[0], buf, sizeof buf);
            if (n == 0)
                bench_die("the other end left");
            back = cheap_walk_feed(&walk, buf, n);
        }
        meter_add(&m, 1);
    }
}

static void run_pong(const bench_args *a)
{
    static uint8_t buf[CHUNK];
    int fds[BENCH_PORTS];
    open_all(a, fds, 1);
    int ep = watch(fds[0]);
    for (size_t n; (n = wait_read(ep, fds[0], buf, sizeof buf)) > 0;)
        cheap_write(fds[0], buf, n);
}

static const struct {
    const char *name;
    void (*run)(const bench_args *a);
} roles[] = {
    {"send", run_send},
    {"recv", run_recv},
    {"relay", run_relay},
    {"ping", run_ping},
    {"pong", run_pong},
};

int main(int argc, char **argv)
{
    bench_args a;
    bench_args_parse(&a, argc, argv);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(a.role, roles[i].name) == 0)
            roles[i].run(&a);
    return 0;
}
