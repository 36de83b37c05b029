/* Ends and go-betweens without any ZeroMQ library: the raw limit, and the cheap ends of the broker rows.
 * Roles: send, recv, relay (one in, any number out), ping, pong, quiet, idle. */
#include "bench/args.h"
#include "bench/cheap.h"
#include "bench/meter.h"

#include <fcntl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 128 * 1024 };

static void greet(const bench_args *a, int fd, int i)
{
    cheap_handshake(fd, a->type);
    if (strcmp(a->type, "SUB") == 0)
        cheap_subscribe(fd, i, a->nlisten + a->nconnect * a->times, a->prefixes);
}

/* Every connection the arguments ask for. One after the other: more at once than the other end's backlog has
 * room for (100 is usual) would wait a second each for the kernel to try again. */
static int open_all(const bench_args *a, int *fds)
{
    int n = 0;
    for (int i = 0; i < a->nlisten; i++, n++)
        greet(a, fds[n] = cheap_accept(cheap_listen(a, a->listen[i])), n);
    for (int i = 0; i < a->nconnect; i++)
        for (int k = 0; k < a->times && n < BENCH_PORTS; k++, n++)
            greet(a, fds[n] = cheap_connect(a, a->connect[i]), n);
    return n;
}

static void send_count(int fd, const cheap_batch *batch, int count)
{
    for (; count > batch->count; count -= batch->count)
        cheap_write(fd, batch->data, batch->len);
    cheap_write(fd, batch->data, (size_t)count * batch->message);
    pause(); /* the driver ends everybody */
}

static void run_send(const bench_args *a)
{
    int fds[BENCH_PORTS];
    cheap_batch batch;
    open_all(a, fds);
    cheap_batch_make(&batch, a, CHUNK / 2);
    if (a->count > 0)
        send_count(fds[0], &batch, a->count);
    for (;;)
        cheap_write(fds[0], batch.data, batch.len);
}

static void recv_one(const bench_args *a, int fd)
{
    static uint8_t buf[CHUNK];
    cheap_walk walk = {0};
    meter m;
    meter_init(&m, a);
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
    meter_init(&m, a);
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

/* connect=port,port,... and times=N connections to each; tell=1: says "open" when they stand. */
static void run_recv(const bench_args *a)
{
    int fds[BENCH_PORTS], n = open_all(a, fds);
    if (a->tell)
        puts("open");
    fflush(stdout);
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
    int listen_in = cheap_listen(a, a->listen[0]), listen_out = cheap_listen(a, a->listen[1]),
        outs[BENCH_PORTS];
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

/* The asking end of a round trip. A request is [empty delimiter][body], as REQ sends it. */
typedef struct asker {
    int fd, ep;
    uint8_t *request;
    size_t len;
    cheap_walk walk;
} asker;

static void asker_init(asker *k, const bench_args *a)
{
    int fds[BENCH_PORTS];
    cheap_batch batch;
    open_all(a, fds);
    cheap_batch_make(&batch, a, 0);
    k->len = 2 + batch.message;
    k->request = malloc(k->len);
    memcpy(k->request, "\1\0", 2);
    memcpy(k->request + 2, batch.data, batch.message);
    k->fd = fds[0];
    k->ep = watch(k->fd);
    k->walk = (cheap_walk){0};
}

static void ask(asker *k)
{
    static uint8_t buf[CHUNK];
    cheap_write(k->fd, k->request, k->len);
    for (uint64_t back = 0; back == 0;) {
        size_t n = wait_read(k->ep, k->fd, buf, sizeof buf);
        if (n == 0)
            bench_die("the other end left");
        back = cheap_walk_feed(&k->walk, buf, n);
    }
}

static void run_ping(const bench_args *a)
{
    asker k;
    meter m;
    asker_init(&k, a);
    meter_init(&m, a);
    for (;;) {
        ask(&k);
        meter_add(&m, 1);
    }
}

static void run_pong(const bench_args *a)
{
    static uint8_t buf[CHUNK];
    int fds[BENCH_PORTS];
    open_all(a, fds);
    int ep = watch(fds[0]);
    for (size_t n; (n = wait_read(ep, fds[0], buf, sizeof buf)) > 0;)
        cheap_write(fds[0], buf, n);
}

/* ---- a quiet client: how long do single requests take ---- */

enum { SAMPLES = 1 << 16, QUIET_US = 700 };

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Says "end REQUESTS NANOSECONDS MEDIAN P99", the last two in ns. */
static void say_tail(uint64_t *took, size_t n, uint64_t window)
{
    qsort(took, n, sizeof *took, by_value);
    printf("end %zu %llu %llu %llu\n", n, (unsigned long long)window, (unsigned long long)took[n / 2],
        (unsigned long long)took[n * 99 / 100]);
}

static void run_quiet(const bench_args *a)
{
    static uint64_t took[SAMPLES];
    size_t n = 0;
    asker k;
    asker_init(&k, a);
    uint64_t start = bench_now(), begin = start + (uint64_t)a->warm_ms * 1000000u;
    uint64_t end = begin + (uint64_t)a->window_ms * 1000000u;
    bool told = false;
    for (uint64_t before = start; before < end && n < SAMPLES; before = bench_now()) {
        ask(&k);
        if (before >= begin)
            took[n++] = bench_now() - before;
        if (before >= begin && !told) {
            told = true;
            puts("start");
            fflush(stdout);
        }
        usleep(QUIET_US);
    }
    say_tail(took, n, end - begin);
}

/* ---- clients that only stay ---- */

enum { AT_ONCE = 64 };

/* Connecting is local and done at once; the other end's greeting and READY come when it has accepted. */
static int start_client(const bench_args *a, const uint8_t *hello, size_t len)
{
    int fd = cheap_connect(a, a->connect[0]);
    cheap_write(fd, hello, len);
    return fd;
}

/* The greeting's 64 octets, then a READY. */
static void await_ready(int fd)
{
    uint8_t buf[512];
    for (size_t have = 0; have <= 64;) {
        ssize_t n = recv(fd, buf, sizeof buf, 0);
        if (n <= 0)
            bench_die("a connection was refused");
        have += (size_t)n;
    }
}

/* Says "start" with the first, then "end CONNECTIONS NANOSECONDS" when all others are ready too, and stays.
 * So many are under way at once; each is waited for in its turn. */
static void run_idle(const bench_args *a)
{
    uint8_t hello[CHEAP_HELLO];
    size_t len = cheap_hello(hello, a->type);
    int fds[AT_ONCE];
    await_ready(start_client(a, hello, len));
    usleep((unsigned)a->warm_ms * 1000);
    puts("start");
    fflush(stdout);
    uint64_t begin = bench_now();
    for (int i = 0; i < a->peers - 1 + AT_ONCE; i++) {
        if (i >= AT_ONCE)
            await_ready(fds[i % AT_ONCE]);
        if (i < a->peers - 1)
            fds[i % AT_ONCE] = start_client(a, hello, len);
    }
    printf("end %d %llu\n", a->peers - 1, (unsigned long long)(bench_now() - begin));
    fflush(stdout);
    pause();
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
    {"quiet", run_quiet},
    {"idle", run_idle},
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
