/* Cases of the loop suite: timers, posts from other threads, names, foreign descriptors, sleeping and waking.
 */
#include "tests/loop/suite.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- Timers ---- */

struct tick {
    sb_timer timer;
    struct fixture *fx;
    size_t *order; /* of the next to fire */
    size_t fired, place;
    int what;
    struct tick *other;
};

static void handle_tick(sb_timer *timer)
{
    struct tick *t = (struct tick *)timer; /* timer is the first member */
    assert_int_equal(timer->deadline, SB_NEVER);
    t->fired++;
    t->place = (*t->order)++;
}

static void tick_start(struct tick *t, struct fixture *fx, size_t *order, uint64_t deadline)
{
    *t = (struct tick){.fx = fx, .order = order};
    sb_timer_init(&t->timer, handle_tick);
    assert_int_equal(sb_timer_start(fx->loop, &t->timer, deadline), SB_OK);
}

static void test_timers_fire_in_order_of_deadline_then_start(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct tick t[6];
    size_t order = 0;
    static const unsigned ms[] = {30, 10, 20, 10, 0, 10};
    static const size_t want[] = {5, 1, 4, 2, 0, 3};
    uint64_t now = sb_loop_now(fx->loop);
    for (size_t i = 0; i < 6; i++)
        tick_start(&t[i], fx, &order, now + ms[i] * SB_NS_PER_MS);
    drive(fx, &order, 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(t[i].place, want[i]);
}

static void test_a_thousand_timers_fire_each_once_and_sorted(void **state)
{
    enum { N = 1000 };
    struct fixture *fx = fixture_of(state);
    struct tick *t = calloc(N, sizeof *t);
    size_t order = 0, stopped = 0;
    uint64_t now = sb_loop_now(fx->loop);
    for (size_t i = 0; i < N; i++)
        tick_start(&t[i], fx, &order, now + i * 7919 % N * 50000);
    for (size_t i = 0; i < N; i += 3, stopped++)
        sb_timer_stop(fx->loop, &t[i].timer);
    drive(fx, &order, N - stopped);
    drive_for(fx, 5);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(t[i].fired, i % 3 != 0);
    for (size_t i = 1; i < N; i++)
        if (i % 3 != 0 && (i + 1) % 3 != 0 && i + 1 < N) /* neighbours by start, 7919 apart by deadline */
            assert_int_equal(t[i].place < t[i + 1].place, i * 7919 % N < (i + 1) * 7919 % N);
    assert_int_equal(order, N - stopped);
    free(t);
}

static void restart_at_once(sb_timer *timer)
{
    struct tick *t = (struct tick *)timer;
    t->fired++;
    if (t->fired < 50)
        assert_int_equal(sb_timer_start(t->fx->loop, timer, 0), SB_OK);
}

static void test_a_zero_timer_restarted_in_its_callback_lets_others_in(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct tick t, other;
    size_t order = 0;
    tick_start(&t, fx, &order, 0);
    t.timer.on_expire = restart_at_once;
    tick_start(&other, fx, &order, 0);
    sb_loop_step(fx->loop);
    assert_int_equal(other.fired, 1);
    assert_true(t.fired >= 1 && t.fired <= 2); /* a step has two rounds of timers */
    drive(fx, &t.fired, 50);
    assert_int_equal(t.fired, 50);
}

static void stop_other(sb_timer *timer)
{
    struct tick *t = (struct tick *)timer;
    t->fired++;
    sb_timer_stop(t->fx->loop, &t->other->timer);
    sb_timer_stop(t->fx->loop, &t->other->timer);
}

static void test_a_timer_stopped_by_another_callback_stays_silent(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct tick a, b;
    size_t order = 0;
    uint64_t at = sb_loop_now(fx->loop);
    tick_start(&a, fx, &order, at);
    tick_start(&b, fx, &order, at);
    a.timer.on_expire = stop_other;
    a.other = &b;
    drive(fx, &a.fired, 1);
    drive_for(fx, 5);
    assert_int_equal(b.fired, 0);
    sb_timer_stop(fx->loop, &b.timer);
}

static void test_timeout_tells_the_next_deadline_rounded_up(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct tick t;
    size_t order = 0;
    drive_for(fx, 1);
    sb_loop_step(fx->loop);
    assert_int_equal(sb_loop_timeout(fx->loop), -1);
    sb_loop_update(fx->loop);
    tick_start(&t, fx, &order, sb_loop_now(fx->loop) + 5000 * SB_NS_PER_MS);
    assert_in_range(sb_loop_timeout(fx->loop), 4000, 5000);
    sb_timer_start(fx->loop, &t.timer, sb_loop_now(fx->loop) + 1);
    assert_in_range(sb_loop_timeout(fx->loop), 0, 1);
    sb_timer_stop(fx->loop, &t.timer);
    assert_int_equal(sb_loop_timeout(fx->loop), -1);
}

static void test_a_timer_never_fires_early(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct tick t;
    size_t order = 0;
    sb_loop_update(fx->loop);
    for (uint64_t us = 100; us < 6000; us = us * 3 / 2) {
        uint64_t deadline = sb_loop_now(fx->loop) + us * 1000;
        tick_start(&t, fx, &order, deadline);
        drive(fx, &t.fired, 1);
        assert_true(sb_loop_now(fx->loop) >= deadline);
    }
}

static void test_run_returns_when_nothing_is_left(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct tick t;
    size_t order = 0;
    assert_int_equal(sb_loop_run(fx->loop), SB_OK);
    tick_start(&t, fx, &order, sb_loop_now(fx->loop) + 2 * SB_NS_PER_MS);
    assert_int_equal(sb_loop_run(fx->loop), SB_OK);
    assert_int_equal(t.fired, 1);
}

/* ---- Posts ---- */

struct note {
    sb_post post;
    size_t *next; /* shared: the number expected */
    size_t number;
};

static void handle_note(sb_post *post)
{
    struct note *n = (struct note *)post;
    assert_int_equal(n->number, *n->next);
    (*n->next)++;
}

static void test_posts_run_later_in_order(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct note notes[100];
    size_t next = 0;
    for (size_t i = 0; i < 100; i++) {
        notes[i] = (struct note){.post = {.run = handle_note}, .next = &next, .number = i};
        sb_loop_post(fx->loop, &notes[i].post);
    }
    assert_int_equal(next, 0);
    assert_int_equal(sb_loop_timeout(fx->loop), 0);
    drive(fx, &next, 100);
}

struct poster {
    struct fixture *fx;
    struct note *notes;
    size_t n;
    _Atomic size_t sent;
};

static void *post_slowly(void *arg)
{
    struct poster *p = arg;
    for (size_t i = 0; i < p->n; i++) {
        if (i % 16 == 0) { /* lets the loop fall asleep */
            struct timespec ts = {.tv_nsec = 200000};
            nanosleep(&ts, NULL);
        }
        sb_loop_post(p->fx->loop, &p->notes[i].post);
    }
    return NULL;
}

static void test_posts_from_another_thread_wake_the_loop(void **state)
{
    enum { N = 2000 };
    struct fixture *fx = fixture_of(state);
    struct note *notes = calloc(N, sizeof *notes);
    size_t next = 0;
    for (size_t i = 0; i < N; i++)
        notes[i] = (struct note){.post = {.run = handle_note}, .next = &next, .number = i};
    struct poster p = {.fx = fx, .notes = notes, .n = N};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_slowly, &p), 0);
    drive(fx, &next, N);
    pthread_join(thread, NULL);
    free(notes);
}

/* ---- Sleeping and waking: the other end is a blocking socket in another thread, so every trip sleeps ----
 */

static void *echo_blocking(void *arg)
{
    int fd = *(int *)arg;
    uint8_t bytes[4096];
    ssize_t n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        if (write(fd, bytes, (size_t)n) != n)
            break;
    return NULL;
}

static void test_two_thousand_round_trips_lose_no_wake_up(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a;
    int sv[2];
    pthread_t thread;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    assert_int_equal(pthread_create(&thread, NULL, echo_blocking, &sv[1]), 0);
    peer_init(&a, fx, 5, 5);
    assert_int_equal(sb_loop_adopt_stream(fx->loop, sv[0], &peer_events, &a, &a.st), SB_OK);
    sb_stream_read_start(a.st);
    for (size_t i = 0; i < 2000; i++) {
        peer_send(&a, 1 + i % 100);
        drive(fx, &a.bytes_in, a.goal_out);
        drive(fx, &a.written, i + 1);
    }
    peer_close(&a);
    pthread_join(thread, NULL);
    close(sv[1]);
}

static void assert_sleeps(struct fixture *fx)
{
    struct timespec before, after;
    drive_for(fx, 5);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    drive_for(fx, 200);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_true((after.tv_sec - before.tv_sec) * 1000000000ll + after.tv_nsec - before.tv_nsec < 50000000);
}

static void test_an_idle_loop_uses_no_time(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    sb_stream_read_start(a.st);
    assert_sleeps(fx);
    peer_close(&a);
    peer_close(&b);
}

static void test_bytes_for_a_stopped_reader_use_no_time(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    sb_stream_read_start(b.st);
    peer_send(&a, 100);
    drive(fx, &b.bytes_in, 100);
    sb_stream_read_stop(b.st);
    peer_send(&a, 64 << 20); /* the writer stalls, too */
    assert_sleeps(fx);
    assert_int_equal(b.bytes_in, 100);
    peer_close(&a);
    assert_sleeps(fx);
    peer_close(&b);
}

static void test_a_room_nobody_fills_uses_no_time(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    sb_stream_read_start(b.st);
    peer_send(&a, 16 << 20);
    drive(fx, &b.bytes_in, 16 << 20);
    assert_sleeps(fx);
    peer_close(&a);
    peer_close(&b);
}

/* The cached clock must not be the one from before the wait: heartbeats are reckoned with it. */
static void note_lag(struct peer *p, int what)
{
    struct timespec ts;
    if (what != PEER_READ)
        return;
    uint64_t cached = sb_loop_now(p->fx->loop);
    clock_gettime(CLOCK_MONOTONIC, &ts);
    *(uint64_t *)p->data = (uint64_t)ts.tv_sec * SB_NS_PER_S + (uint64_t)ts.tv_nsec - cached;
}

static void *write_late(void *arg)
{
    struct timespec ts = {.tv_nsec = 400000000};
    uint8_t byte = pattern_byte(5, 0);
    nanosleep(&ts, NULL);
    return write(*(int *)arg, &byte, 1) == 1 ? arg : NULL;
}

static void test_the_clock_is_read_again_after_a_wait(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a;
    int sv[2];
    pthread_t thread;
    uint64_t lag = UINT64_MAX;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    peer_init(&a, fx, 5, 5);
    a.data = &lag;
    a.on_event = note_lag;
    assert_int_equal(sb_loop_adopt_stream(fx->loop, sv[0], &peer_events, &a, &a.st), SB_OK);
    sb_stream_read_start(a.st);
    assert_int_equal(pthread_create(&thread, NULL, write_late, &sv[1]), 0);
    drive(fx, &a.reads, 1);
    pthread_join(thread, NULL);
    assert_true(lag < 200 * SB_NS_PER_MS);
    peer_close(&a);
    close(sv[1]);
}

/* ---- Names ---- */

struct ask {
    sb_lookup lk;
    size_t done, n;
    sb_err err;
    sb_addr first;
};

static void handle_done(sb_lookup *lk, sb_err err, const sb_addr *addrs, size_t n)
{
    struct ask *a = (struct ask *)lk;
    assert_int_equal(n == 0, err != SB_OK);
    a->done++;
    a->err = err;
    a->n = n;
    if (n > 0)
        a->first = addrs[0];
}

static void ask_for(struct fixture *fx, struct ask *a, const char *host, int family)
{
    *a = (struct ask){.lk = {.on_done = handle_done}};
    assert_int_equal(sb_loop_resolve(fx->loop, host, 4711, family, &a->lk), SB_OK);
    assert_int_equal(a->done, 0);
    drive(fx, &a->done, 1);
    assert_int_equal(a->done, 1);
}

static void test_resolves_numeric_hosts_later(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct ask a;
    ask_for(fx, &a, "192.0.2.7", AF_UNSPEC);
    assert_int_equal(a.err, SB_OK);
    assert_int_equal(a.first.ss.ss_family, AF_INET);
    assert_int_equal(((struct sockaddr_in *)&a.first.ss)->sin_addr.s_addr, htonl(0xC0000207));
    assert_int_equal(((struct sockaddr_in *)&a.first.ss)->sin_port, htons(4711));
    ask_for(fx, &a, "2001:db8::1", AF_UNSPEC);
    assert_int_equal(a.err, SB_OK);
    assert_int_equal(a.first.ss.ss_family, AF_INET6);
    assert_int_equal(((struct sockaddr_in6 *)&a.first.ss)->sin6_port, htons(4711));
    ask_for(fx, &a, "2001:db8::1", AF_INET);
    assert_int_not_equal(a.err, SB_OK);
}

static void test_resolves_localhost(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct ask a;
    ask_for(fx, &a, "localhost", AF_INET);
    assert_int_equal(a.err, SB_OK);
    assert_int_equal(((struct sockaddr_in *)&a.first.ss)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    ask_for(fx, &a, "localhost", AF_UNSPEC);
    assert_int_equal(a.err, SB_OK);
}

/* .invalid never exists (RFC 2606); without a name server the answer is another error, in bounded time. */
static void test_an_unknown_host_is_an_error(void **state)
{
    struct ask a;
    ask_for(fixture_of(state), &a, "no-such-host.invalid", AF_UNSPEC);
    assert_int_not_equal(a.err, SB_OK);
}

static void test_refuses_bad_lookups(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct ask a = {.lk = {.on_done = handle_done}};
    assert_int_equal(sb_loop_resolve(fx->loop, "", 1, AF_UNSPEC, &a.lk), SB_EINVAL);
    assert_int_equal(sb_loop_resolve(fx->loop, "localhost", 1, AF_UNIX, &a.lk), SB_EINVAL);
}

static void test_a_cancelled_lookup_is_not_told(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "no-such-host.invalid"};
    struct fixture *fx = fixture_of(state);
    struct ask a[3];
    for (size_t i = 0; i < 3; i++) {
        a[i] = (struct ask){.lk = {.on_done = handle_done}};
        assert_int_equal(sb_loop_resolve(fx->loop, hosts[i], 1, AF_UNSPEC, &a[i].lk), SB_OK);
    }
    for (size_t i = 0; i < 3; i++) {
        sb_loop_resolve_cancel(fx->loop, &a[i].lk);
        sb_loop_resolve_cancel(fx->loop, &a[i].lk);
    }
    drive_for(fx, 20);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(a[i].done, 0);
    assert_int_equal(sb_loop_run(fx->loop), SB_OK); /* nothing left: returns */
}

static void test_a_loop_is_destroyed_with_a_lookup_open(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct ask a = {.lk = {.on_done = handle_done}};
    assert_int_equal(sb_loop_resolve(fx->loop, "no-such-host.invalid", 1, AF_UNSPEC, &a.lk), SB_OK);
    sb_loop_step(fx->loop);
    sb_loop_destroy(fx->loop);
    fx->loop = NULL;
    assert_true(a.done <= 1);
}

/* ---- Watches ---- */

struct eye {
    sb_watch w;
    struct fixture *fx;
    size_t readable, writable;
    bool stop_inside;
};

static void handle_ready(sb_watch *w, bool readable, bool writable)
{
    struct eye *e = (struct eye *)w;
    assert_true(readable || writable);
    e->readable += readable;
    e->writable += writable;
    if (e->stop_inside)
        sb_watch_stop(e->fx->loop, w);
}

static void test_a_watch_is_level_triggered_and_restartable(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct eye e = {.w = {.on_ready = handle_ready}, .fx = fx};
    int sv[2];
    char byte;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    e.w.fd = sv[0];
    assert_int_equal(sb_watch_start(fx->loop, &e.w, true, false), SB_OK);
    drive_for(fx, 5);
    assert_int_equal(e.readable, 0);
    assert_int_equal(write(sv[1], "x", 1), 1);
    drive(fx, &e.readable, 3); /* unread: told again and again */
    assert_int_equal(read(sv[0], &byte, 1), 1);
    drive_for(fx, 2);
    size_t before = e.readable;
    drive_for(fx, 5);
    assert_int_equal(e.readable, before);
    assert_int_equal(e.writable, 0);
    assert_int_equal(sb_watch_start(fx->loop, &e.w, false, true), SB_OK);
    drive(fx, &e.writable, 1);
    sb_watch_stop(fx->loop, &e.w);
    sb_watch_stop(fx->loop, &e.w);
    before = e.writable;
    drive_for(fx, 5);
    assert_int_equal(e.writable, before);
    close(sv[0]);
    close(sv[1]);
}

static void test_a_watch_stops_inside_its_callback(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct eye e = {.w = {.on_ready = handle_ready}, .fx = fx, .stop_inside = true};
    int sv[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    for (size_t round = 1; round <= 20; round++) {
        e.w.fd = sv[0];
        assert_int_equal(sb_watch_start(fx->loop, &e.w, false, true), SB_OK);
        drive(fx, &e.writable, round);
        drive_for(fx, 1);
        assert_int_equal(e.writable, round);
    }
    close(sv[0]);
    close(sv[1]);
}

const struct suite_case time_cases[] = {
    SUITE_CASE(test_timers_fire_in_order_of_deadline_then_start, 0),
    SUITE_CASE(test_a_thousand_timers_fire_each_once_and_sorted, 0),
    SUITE_CASE(test_a_zero_timer_restarted_in_its_callback_lets_others_in, 0),
    SUITE_CASE(test_a_timer_stopped_by_another_callback_stays_silent, 0),
    SUITE_CASE(test_timeout_tells_the_next_deadline_rounded_up, 0),
    SUITE_CASE(test_a_timer_never_fires_early, 0),
    SUITE_CASE(test_run_returns_when_nothing_is_left, 0),
    SUITE_CASE(test_posts_run_later_in_order, 0),
    SUITE_CASE(test_posts_from_another_thread_wake_the_loop, SUITE_THREADS),
    SUITE_CASE(test_two_thousand_round_trips_lose_no_wake_up, SUITE_FDS | SUITE_THREADS),
    SUITE_CASE(test_the_clock_is_read_again_after_a_wait, SUITE_FDS | SUITE_THREADS),
    SUITE_CASE(test_bytes_for_a_stopped_reader_use_no_time, SUITE_FDS),
    SUITE_CASE(test_a_room_nobody_fills_uses_no_time, SUITE_FDS),
    SUITE_CASE(test_an_idle_loop_uses_no_time, SUITE_FDS),
    SUITE_CASE(test_resolves_numeric_hosts_later, 0),
    SUITE_CASE(test_resolves_localhost, 0),
    SUITE_CASE(test_an_unknown_host_is_an_error, 0),
    SUITE_CASE(test_refuses_bad_lookups, 0),
    SUITE_CASE(test_a_cancelled_lookup_is_not_told, 0),
    SUITE_CASE(test_a_loop_is_destroyed_with_a_lookup_open, 0),
    SUITE_CASE(test_a_watch_is_level_triggered_and_restartable, SUITE_WATCH | SUITE_FDS),
    SUITE_CASE(test_a_watch_stops_inside_its_callback, SUITE_WATCH | SUITE_FDS),
    {0},
};
