/* The suite's floor: fixtures, driving a loop both ways, peers that check every byte, and the list of all
 * cases. */
#include "tests/loop/suite.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define GUARD_NS (20 * SB_NS_PER_S)

struct fixture *fixture_of(void **state)
{
    return *state;
}

/* ---- Driving ---- */

static void handle_turn(sb_turn *turn)
{
    struct fixture *fx = (struct fixture *)((char *)turn - offsetof(struct fixture, turn));
    if (fx->counter != NULL && *fx->counter >= fx->target)
        sb_loop_stop(fx->loop);
}

static void handle_guard(sb_timer *timer)
{
    struct fixture *fx = (struct fixture *)((char *)timer - offsetof(struct fixture, guard));
    fx->timed_out = true;
    sb_loop_stop(fx->loop);
}

static void poll_and_step(struct fixture *fx)
{
    struct epoll_event ev;
    int timeout = sb_loop_timeout(fx->loop);
    assert_true(timeout >= -1);
    epoll_wait(fx->epfd, &ev, 1, timeout);
    assert_int_equal(sb_loop_step(fx->loop), SB_OK);
}

static void drive_as_host(struct fixture *fx)
{
    while (!fx->timed_out && (fx->counter == NULL || *fx->counter < fx->target))
        poll_and_step(fx);
}

static void drive_until(struct fixture *fx, const size_t *counter, size_t target, uint64_t ns)
{
    fx->counter = counter;
    fx->target = target;
    fx->timed_out = false;
    fx->turn.on_turn_end = handle_turn;
    sb_loop_update(fx->loop);
    assert_int_equal(sb_timer_start(fx->loop, &fx->guard, sb_loop_now(fx->loop) + ns), SB_OK);
    if (fx->host) {
        drive_as_host(fx);
    } else {
        sb_loop_set_turn(fx->loop, &fx->turn);
        assert_int_equal(sb_loop_run(fx->loop), SB_OK);
        sb_loop_set_turn(fx->loop, NULL);
    }
    sb_timer_stop(fx->loop, &fx->guard);
    fx->counter = NULL;
}

void drive(struct fixture *fx, const size_t *counter, size_t target)
{
    drive_until(fx, counter, target, GUARD_NS);
    assert_false(fx->timed_out);
    assert_true(*counter >= target);
}

void drive_for(struct fixture *fx, unsigned ms)
{
    drive_until(fx, NULL, 0, ms * SB_NS_PER_MS);
}

sb_addr any_port(void)
{
    sb_addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&addr.ss;
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return addr;
}

/* ---- Peers ---- */

/* Repeats after a prime number of bytes, so that no misplaced block of a round size goes unseen; two periods
 * lie next to each other for memcmp. */
#define PERIOD 65521

static const uint8_t *pattern_table(void)
{
    static uint8_t table[2 * PERIOD];
    for (uint32_t i = 0; table[1] == 0 && i < PERIOD; i++)
        table[PERIOD - 1 - i] = table[2 * PERIOD - 1 - i] = (uint8_t)((i * 2654435761u >> 11) | 1);
    return table;
}

static size_t pattern_place(uint32_t seed, size_t pos)
{
    return (pos + seed * 977u) % PERIOD;
}

uint8_t pattern_byte(uint32_t seed, size_t pos)
{
    return pattern_table()[pattern_place(seed, pos)];
}

static void pattern_fill(uint8_t *out, size_t n, uint32_t seed, size_t pos)
{
    for (size_t len; n > 0; out += len, pos += len, n -= len) {
        len = n < PERIOD ? n : PERIOD;
        memcpy(out, pattern_table() + pattern_place(seed, pos), len);
    }
}

static void pattern_check(const uint8_t *data, size_t n, uint32_t seed, size_t pos)
{
    for (size_t len; n > 0; data += len, pos += len, n -= len) {
        len = n < PERIOD ? n : PERIOD;
        if (memcmp(data, pattern_table() + pattern_place(seed, pos), len) != 0)
            fail_msg("a byte of pattern %u is wrong in %zu..%zu", seed, pos, pos + len);
    }
}

static void tell(struct peer *p, int what)
{
    assert_false(p->in_call); /* no callback from inside the call that caused it */
    if (p->on_event != NULL)
        p->on_event(p, what);
}

static void peer_connected(sb_stream *st, sb_err err)
{
    struct peer *p = st->data;
    p->connected++;
    p->connect_err = err;
    assert_int_equal(p->closed, 0);
    tell(p, PEER_CONNECTED);
}

static void peer_read(sb_stream *st, sb_buf *buf, const uint8_t *data, size_t len)
{
    struct peer *p = st->data;
    assert_true(len > 0);
    assert_true(data >= buf->data && data + len <= buf->data + buf->cap);
    assert_int_equal(p->ended, 0);
    pattern_check(data, len, p->seed_in, p->bytes_in);
    p->bytes_in += len;
    p->reads++;
    p->last = buf;
    tell(p, PEER_READ);
}

static void peer_end(sb_stream *st, sb_err why)
{
    struct peer *p = st->data;
    assert_int_equal(p->ended, 0);
    assert_int_not_equal(why, SB_OK);
    p->ended++;
    p->end_err = why;
    tell(p, PEER_END);
}

static size_t fill_iov(struct peer *p, size_t total)
{
    size_t n = 0, at = 0;
    while (at < total) {
        size_t len = 1 + (p->bytes_out + at) * 7 % 5003;
        if (len > total - at || n == SB_IOV_MAX - 1)
            len = total - at;
        p->iov[n++] = (struct iovec){.iov_base = p->out + at, .iov_len = len};
        at += len;
    }
    return n;
}

static void send_next(struct peer *p)
{
    size_t total = p->goal_out - p->bytes_out;
    if (total > p->max_iov)
        total = p->max_iov;
    p->out = realloc(p->out, p->max_iov);
    pattern_fill(p->out, total, p->seed_out, p->bytes_out);
    size_t n = fill_iov(p, total);
    p->bytes_out += total;
    p->writing = true;
    p->in_call = true;
    assert_int_equal(sb_stream_write(p->st, p->iov, n), SB_OK);
    p->in_call = false;
}

static void peer_written(sb_stream *st, sb_err err)
{
    struct peer *p = st->data;
    assert_true(p->writing);
    assert_int_equal(p->closed, 0);
    p->writing = false;
    p->written++;
    p->write_err = err;
    memset(p->out, 0xEE, p->max_iov); /* the memory is ours again: nobody may look at it now */
    if (err == SB_OK && p->bytes_out < p->goal_out)
        send_next(p);
    tell(p, PEER_WRITTEN);
}

static void peer_closed(sb_stream *st)
{
    struct peer *p = st->data;
    assert_int_equal(p->closed, 0);
    assert_false(p->writing); /* on_written(SB_ECANCELED) comes first */
    p->closed++;
    p->st = NULL;
    tell(p, PEER_CLOSED);
}

const sb_stream_events peer_events = {
    .on_connected = peer_connected,
    .on_read = peer_read,
    .on_end = peer_end,
    .on_written = peer_written,
    .on_closed = peer_closed,
};

void peer_init(struct peer *p, struct fixture *fx, uint32_t seed_in, uint32_t seed_out)
{
    memset(p, 0, sizeof *p);
    p->fx = fx;
    p->seed_in = seed_in;
    p->seed_out = seed_out;
    p->max_iov = 256 * 1024;
}

void peer_finish(struct peer *p)
{
    assert_null(p->st);
    free(p->out);
    p->out = NULL;
}

void peer_send(struct peer *p, size_t n)
{
    p->goal_out += n;
    if (!p->writing)
        send_next(p);
}

void peer_close(struct peer *p)
{
    sb_stream_close(p->st);
    drive(p->fx, &p->closed, 1);
    peer_finish(p);
}

/* ---- Doors ---- */

static void door_accept(sb_listener *ln, sb_stream *st)
{
    struct door *d = ln->data;
    assert_int_equal(d->closed, 0);
    assert_true(d->accepted < d->npeers);
    struct peer *p = &d->peers[d->accepted++];
    p->st = st;
    st->data = p;
    st->events = &peer_events;
    if (d->on_accepted != NULL)
        d->on_accepted(d, p);
}

static void door_error(sb_listener *ln, sb_err err)
{
    struct door *d = ln->data;
    d->errors++;
    d->err = err;
}

static void door_closed(sb_listener *ln)
{
    struct door *d = ln->data;
    assert_int_equal(d->closed, 0);
    d->closed++;
    d->ln = NULL;
}

const sb_listener_events door_events = {
    .on_accept = door_accept, .on_error = door_error, .on_closed = door_closed};

void door_open(struct door *d, struct fixture *fx, const sb_addr *addr, struct peer *peers, size_t npeers)
{
    sb_sockopts opts = SB_SOCKOPTS_DEFAULT;
    opts.backlog = 512;
    *d = (struct door){.fx = fx, .peers = peers, .npeers = npeers};
    assert_int_equal(sb_loop_listen(fx->loop, addr, &opts, &door_events, d, &d->ln), SB_OK);
    assert_int_equal(sb_listener_addr(d->ln, &d->addr), SB_OK);
}

void door_close(struct door *d)
{
    sb_listener_close(d->ln);
    drive(d->fx, &d->closed, 1);
}

void make_pair(struct fixture *fx, struct peer *a, struct peer *b)
{
    struct door d;
    sb_addr addr = any_port();
    peer_init(a, fx, 1, 2);
    peer_init(b, fx, 2, 1);
    door_open(&d, fx, &addr, b, 1);
    assert_int_equal(sb_loop_connect(fx->loop, &d.addr, NULL, &peer_events, a, &a->st), SB_OK);
    drive(fx, &d.accepted, 1);
    drive(fx, &a->connected, 1);
    assert_int_equal(a->connect_err, SB_OK);
    door_close(&d);
}

/* ---- The list ---- */

static int set_up(void **state)
{
    struct fixture *fx = *state;
    fx->loop = NULL;
    fx->epfd = -1;
    if (fx->backend->make(&fx->loop) != SB_OK)
        return -1;
    sb_timer_init(&fx->guard, handle_guard);
    if (!fx->host)
        return 0;
    struct epoll_event ev = {.events = EPOLLIN};
    fx->epfd = epoll_create1(EPOLL_CLOEXEC);
    return epoll_ctl(fx->epfd, EPOLL_CTL_ADD, sb_loop_fd(fx->loop), &ev);
}

static int tear_down(void **state)
{
    struct fixture *fx = *state;
    sb_loop_destroy(fx->loop);
    fx->loop = NULL;
    if (fx->epfd >= 0)
        close(fx->epfd);
    return 0;
}

static const struct suite_case *const all_cases[] = {
    stream_cases, close_cases, listener_cases, time_cases, pressure_cases, random_cases};

static size_t collect(struct CMUnitTest *tests, struct fixture *fx)
{
    size_t n = 0;
    for (size_t i = 0; i < sizeof all_cases / sizeof *all_cases; i++)
        for (const struct suite_case *c = all_cases[i]; c->name != NULL; c++)
            if ((c->needs & ~fx->backend->caps) == 0)
                tests[n++] = (struct CMUnitTest){c->name, c->fn, set_up, tear_down, fx};
    return n;
}

static int run_mode(const suite_backend *backend, bool host)
{
    static struct CMUnitTest tests[256];
    struct fixture fx = {.backend = backend, .host = host};
    char name[96];
    snprintf(name, sizeof name, "%s, %s", backend->name, host ? "in a host's loop" : "running");
    size_t n = collect(tests, &fx);
    return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

int suite_set_up(void **state)
{
    struct fixture *fx = calloc(1, sizeof *fx);
    assert_non_null(fx);
    fx->backend = *state;
    *state = fx;
    return set_up(state);
}

int suite_tear_down(void **state)
{
    tear_down(state);
    free(*state);
    return 0;
}

int suite_run(const suite_backend *backend)
{
    int failed = run_mode(backend, false);
    if (backend->caps & SUITE_HOST)
        failed += run_mode(backend, true);
    return failed;
}
