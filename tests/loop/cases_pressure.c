/* Cases of the loop suite: back-pressure, few buffers for many readers, holders of buffers, fairness. */
#include "tests/loop/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Now, not the peak: an earlier case may have had a higher one. */
static long rss_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void test_a_stopped_reader_stalls_its_writer_until_it_resumes(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    a.max_iov = 64 << 20;
    peer_send(&a, 64 << 20); /* far more than the kernel's buffers take */
    sb_stream_read_start(b.st);
    drive(fx, &b.bytes_in, 100000);
    sb_stream_read_stop(b.st);
    size_t stopped_at = b.bytes_in;
    long rss = rss_kib();
    drive_for(fx, 50);
    assert_int_equal(b.bytes_in, stopped_at);
    assert_int_equal(a.written, 0);
    assert_true(rss_kib() - rss < 24 * 1024); /* the rest is not taken into memory */
    sb_stream_read_start(b.st);
    drive(fx, &b.bytes_in, 64 << 20);
    drive(fx, &a.written, 1);
    assert_int_equal(a.write_err, SB_OK);
    peer_close(&a);
    peer_close(&b);
}

static void stop_reading(struct peer *p, int what)
{
    if (what == PEER_READ)
        sb_stream_read_stop(p->st);
}

static void test_stopped_readers_do_not_starve_the_others(void **state)
{
    enum { STUCK = 20 };
    struct fixture *fx = fixture_of(state);
    struct peer a[STUCK], b[STUCK], c, d;
    for (size_t i = 0; i < STUCK; i++) {
        make_pair(fx, &a[i], &b[i]);
        b[i].on_event = stop_reading; /* at once: the turns that follow could read it all */
        sb_stream_read_start(b[i].st);
        peer_send(&a[i], 4 << 20);
    }
    make_pair(fx, &c, &d);
    for (size_t i = 0; i < STUCK; i++)
        drive(fx, &b[i].bytes_in, 1);
    sb_stream_read_start(d.st);
    peer_send(&c, 8 << 20);
    drive(fx, &d.bytes_in, 8 << 20);
    for (size_t i = 0; i < STUCK; i++) {
        assert_true(b[i].bytes_in < 4 << 20);
        b[i].on_event = NULL;
        sb_stream_read_start(b[i].st);
        drive(fx, &b[i].bytes_in, 4 << 20);
    }
    for (size_t i = 0; i < STUCK; i++) {
        peer_close(&a[i]);
        peer_close(&b[i]);
    }
    peer_close(&c);
    peer_close(&d);
}

/* Holds the last few buffers it was given. */
struct holder {
    sb_buf *held[4];
    size_t next;
};

static void hold(struct peer *p, int what)
{
    struct holder *h = p->data;
    if (what != PEER_READ)
        return;
    sb_buf_unref(h->held[h->next % 4]);
    h->held[h->next++ % 4] = sb_buf_ref(p->last);
}

static void let_go(struct holder *h)
{
    for (size_t i = 0; i < 4; i++)
        sb_buf_unref(h->held[i]);
}

static void test_more_readers_than_buffers_with_holders_among_them(void **state)
{
    enum { N = 100, BYTES = 150000 };
    struct fixture *fx = fixture_of(state);
    struct peer *a = calloc(N, sizeof *a), *b = calloc(N, sizeof *b);
    struct holder *h = calloc(N, sizeof *h);
    for (size_t i = 0; i < N; i++) {
        make_pair(fx, &a[i], &b[i]);
        b[i].data = &h[i];
        b[i].on_event = i % 2 ? hold : NULL;
        sb_stream_read_start(b[i].st);
    }
    for (size_t i = 0; i < N; i++)
        peer_send(&a[i], BYTES + i);
    for (size_t i = 0; i < N; i++)
        drive(fx, &b[i].bytes_in, BYTES + i);
    drive_for(fx, 2);
    for (size_t i = 0; i < N; i++) { /* nobody was forgotten: all can still read */
        peer_send(&a[i], 10);
        drive(fx, &b[i].bytes_in, BYTES + i + 10);
    }
    for (size_t i = 0; i < N; i++) {
        peer_close(&a[i]);
        peer_close(&b[i]);
        let_go(&h[i]);
    }
    free(a);
    free(b);
    free(h);
}

static void test_a_flood_does_not_keep_timers_waiting(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    sb_stream_read_start(b.st);
    peer_send(&a, (size_t)1 << 30); /* never finishes within this test */
    for (int i = 0; i < 20; i++) {
        uint64_t before = sb_loop_now(fx->loop);
        drive_for(fx, 2);
        sb_loop_update(fx->loop);
        assert_true(sb_loop_now(fx->loop) - before < SB_NS_PER_S);
    }
    assert_true(b.bytes_in > 0);
    sb_stream_close(b.st);
    drive(fx, &b.closed, 1);
    peer_finish(&b);
    peer_close(&a);
}

/* A stream whose bytes wait while it is stopped gets them first, in order, before those that come later. */
static void test_what_waited_comes_first_after_resuming(void **state)
{
    struct fixture *fx = fixture_of(state);
    for (int round = 0; round < 50; round++) {
        struct peer a, b;
        make_pair(fx, &a, &b);
        sb_stream_read_start(b.st);
        peer_send(&a, 400000);
        for (int k = 0; k < round % 5; k++)
            sb_loop_step(fx->loop);
        sb_stream_read_stop(b.st);
        drive_for(fx, 1);
        sb_stream_read_start(b.st);
        sb_stream_read_stop(b.st);
        sb_stream_read_start(b.st);
        peer_send(&a, 100000);
        drive(fx, &b.bytes_in, 500000);
        peer_close(&a);
        peer_close(&b);
    }
}

static void test_closing_with_bytes_waiting_drops_them(void **state)
{
    struct fixture *fx = fixture_of(state);
    for (int round = 0; round < 20; round++) {
        struct peer a, b;
        make_pair(fx, &a, &b);
        sb_stream_read_start(b.st);
        peer_send(&a, 2 << 20);
        drive(fx, &b.bytes_in, 1);
        sb_stream_read_stop(b.st);
        for (int k = 0; k < round % 4; k++)
            sb_loop_step(fx->loop);
        size_t before = b.bytes_in;
        sb_stream_close(b.st);
        drive(fx, &b.closed, 1);
        assert_int_equal(b.bytes_in, before);
        peer_finish(&b);
        peer_close(&a);
    }
}

/* ---- a consumer slower than its source ---- */

struct pauser {
    sb_timer timer; /* first member */
    struct peer *peer;
};

static void go_on(sb_timer *timer)
{
    sb_stream_read_start(((struct pauser *)timer)->peer->st);
}

/* Goes on before the loop waits again: no turn passes in which the stop could have reached the kernel. */
static void pause_reading(struct peer *p, int what)
{
    struct pauser *pauser = p->data;
    if (what != PEER_READ)
        return;
    sb_stream_read_stop(p->st);
    sb_timer_start(p->fx->loop, &pauser->timer, sb_loop_now(p->fx->loop));
}

static void test_a_reader_that_stops_again_and_again_hoards_nothing(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    struct pauser pauser = {.peer = &b};
    sb_timer_init(&pauser.timer, go_on);
    b.data = &pauser;
    b.on_event = pause_reading;
    peer_send(&a, 256 << 20);
    sb_stream_read_start(b.st);
    drive(fx, &b.reads, 1);
    long rss = rss_kib();
    drive(fx, &b.reads, 300);
    assert_true(rss_kib() - rss < 24 * 1024);
    sb_timer_stop(fx->loop, &pauser.timer);
    b.on_event = NULL;
    peer_close(&a);
    peer_close(&b);
}

/* A handler that works for a millisecond. */
static void take_time(struct peer *p, int what)
{
    struct timespec begin, now;
    if (what != PEER_READ)
        return;
    ++*(size_t *)p->data;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000000L + now.tv_nsec - begin.tv_nsec < 1000000);
}

static void note_reads(struct peer *p, int what)
{
    size_t *reads = p->data;
    if (what == PEER_WRITTEN)
        reads[1] = reads[0];
}

/* However much has arrived: each stream has one turn, then writes go on. */
static void test_readers_that_take_their_time_do_not_hold_up_writers(void **state)
{
    enum { N = 4 };
    struct fixture *fx = fixture_of(state);
    struct peer a[N], b[N], c, d;
    size_t reads[2] = {0, 1000};
    for (size_t i = 0; i < N; i++) {
        make_pair(fx, &a[i], &b[i]);
        peer_send(&a[i], 2 << 20);
        b[i].data = reads;
        b[i].on_event = take_time;
    }
    make_pair(fx, &c, &d);
    c.data = reads;
    c.on_event = note_reads;
    drive_for(fx, 50); /* what the kernel has room for is there */
    for (size_t i = 0; i < N; i++)
        sb_stream_read_start(b[i].st);
    peer_send(&c, 1);
    drive(fx, &c.written, 1);
    assert_in_range(reads[1], 0, 2 * N);
    drive(fx, &reads[0], 100);
    for (size_t i = 0; i < N; i++)
        b[i].on_event = NULL; /* thousands of such reads take too long on a busy machine */
    for (size_t i = 0; i < N; i++)
        drive(fx, &b[i].bytes_in, 2 << 20); /* in order: peers check what they read */
    for (size_t i = 0; i < N; i++) {
        peer_close(&a[i]);
        peer_close(&b[i]);
    }
    peer_close(&c);
    peer_close(&d);
}

const struct suite_case pressure_cases[] = {
    SUITE_CASE(test_a_reader_that_stops_again_and_again_hoards_nothing, 0),
    SUITE_CASE(test_a_stopped_reader_stalls_its_writer_until_it_resumes, 0),
    SUITE_CASE(test_stopped_readers_do_not_starve_the_others, 0),
    SUITE_CASE(test_more_readers_than_buffers_with_holders_among_them, 0),
    SUITE_CASE(test_a_flood_does_not_keep_timers_waiting, 0),
    SUITE_CASE(test_readers_that_take_their_time_do_not_hold_up_writers, SUITE_FDS),
    SUITE_CASE(test_what_waited_comes_first_after_resuming, 0),
    SUITE_CASE(test_closing_with_bytes_waiting_drops_them, 0),
    {0},
};
