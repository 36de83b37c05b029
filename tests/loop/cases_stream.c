/* Cases of the loop suite: streams connect, carry every byte, and end. */
#include "tests/loop/suite.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void close_both(struct peer *a, struct peer *b)
{
    peer_close(a);
    peer_close(b);
}

/* Echoes by writing from the receive buffer itself, one piece at a time. */
struct echo {
    sb_buf *buf;
    struct iovec iov;
    size_t rounds;
};

static void echo_read(sb_stream *st, sb_buf *buf, const uint8_t *data, size_t len)
{
    struct echo *e = ((struct peer *)st->data)->data;
    e->buf = sb_buf_ref(buf);
    e->iov = (struct iovec){.iov_base = (void *)data, .iov_len = len};
    sb_stream_read_stop(st);
    assert_int_equal(sb_stream_write(st, &e->iov, 1), SB_OK);
}

static void echo_written(sb_stream *st, sb_err err)
{
    struct echo *e = ((struct peer *)st->data)->data;
    sb_buf_unref(e->buf);
    e->buf = NULL;
    e->rounds++;
    if (err == SB_OK)
        sb_stream_read_start(st);
}

static void echo_end(sb_stream *st, sb_err why)
{
    (void)why;
    sb_stream_close(st);
}

static void echo_closed(sb_stream *st)
{
    struct peer *p = st->data;
    p->st = NULL;
    p->closed++;
}

static const sb_stream_events echo_events = {
    .on_read = echo_read, .on_written = echo_written, .on_end = echo_end, .on_closed = echo_closed};

static void test_echoes_from_the_receive_buffer(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct echo e = {0};
    struct peer a, b;
    make_pair(fx, &a, &b);
    b.st->events = &echo_events;
    b.data = &e;
    a.seed_in = a.seed_out;
    sb_stream_read_start(a.st);
    sb_stream_read_start(b.st);
    for (size_t round = 1; round <= 200; round++) {
        peer_send(&a, round * 37);
        drive(fx, &a.bytes_in, a.goal_out);
    }
    peer_send(&a, 1 << 20);
    drive(fx, &a.bytes_in, a.goal_out);
    peer_close(&a);
    drive(fx, &b.closed, 1);
    peer_finish(&b);
    assert_true(e.rounds >= 200);
}

static void test_carries_both_ways_with_every_byte_intact(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    sb_stream_read_start(a.st);
    sb_stream_read_start(b.st);
    peer_send(&a, 6 << 20);
    peer_send(&b, 5 << 20);
    drive(fx, &a.bytes_in, b.goal_out);
    drive(fx, &b.bytes_in, a.goal_out);
    drive_for(fx, 1);
    assert_int_equal(a.bytes_in, 5 << 20);
    assert_int_equal(b.bytes_in, 6 << 20);
    close_both(&a, &b);
}

static void test_one_write_larger_than_all_buffers_arrives(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    a.max_iov = 16 << 20;
    sb_stream_read_start(b.st);
    peer_send(&a, 12 << 20);
    drive(fx, &b.bytes_in, 12 << 20);
    drive(fx, &a.written, 1);
    assert_int_equal(a.written, 1);
    close_both(&a, &b);
}

static void test_gathers_256_pieces_some_of_them_empty(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    uint8_t bytes[SB_IOV_MAX * 3];
    make_pair(fx, &a, &b);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = pattern_byte(a.seed_out, i);
    size_t at = 0;
    for (size_t i = 0; i < SB_IOV_MAX; i++) {
        a.iov[i] = (struct iovec){.iov_base = bytes + at, .iov_len = i % 4};
        at += i % 4;
    }
    sb_stream_read_start(b.st);
    a.writing = true;
    a.out = malloc(a.max_iov);
    assert_int_equal(sb_stream_write(a.st, a.iov, SB_IOV_MAX), SB_OK);
    drive(fx, &b.bytes_in, at);
    drive(fx, &a.written, 1);
    assert_int_equal(a.write_err, SB_OK);
    close_both(&a, &b);
}

static void test_refuses_bad_writes_and_a_second_one(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    struct iovec empty = {.iov_base = "", .iov_len = 0}, one = {.iov_base = "x", .iov_len = 1};
    make_pair(fx, &a, &b);
    assert_int_equal(sb_stream_write(a.st, &empty, 1), SB_EINVAL);
    assert_int_equal(sb_stream_write(a.st, &one, 0), SB_EINVAL);
    assert_int_equal(sb_stream_write(a.st, &one, SB_IOV_MAX + 1), SB_EINVAL);
    peer_send(&a, 100);
    assert_int_equal(sb_stream_write(a.st, &one, 1), SB_EAGAIN);
    drive(fx, &a.written, 1);
    sb_stream_close(a.st);
    assert_int_equal(sb_stream_write(a.st, &one, 1), SB_ECLOSED);
    drive(fx, &a.closed, 1);
    peer_finish(&a);
    peer_close(&b);
}

static void test_connect_to_nobody_is_refused_later(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a;
    struct door d;
    sb_addr addr = any_port();
    peer_init(&a, fx, 1, 2);
    door_open(&d, fx, &addr, NULL, 0);
    door_close(&d);
    a.in_call = true;
    assert_int_equal(sb_loop_connect(fx->loop, &d.addr, NULL, &peer_events, &a, &a.st), SB_OK);
    a.in_call = false;
    assert_int_equal(a.connected, 0);
    drive(fx, &a.connected, 1);
    assert_int_equal(a.connect_err, SB_ECONNREFUSED);
    assert_int_equal(a.ended, 0);
    peer_close(&a);
    assert_int_equal(a.connected, 1);
}

static void test_end_is_told_once_after_all_bytes(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    peer_send(&a, 300000);
    sb_stream_read_start(b.st);
    drive(fx, &a.written, 2);
    peer_close(&a);
    drive(fx, &b.ended, 1);
    assert_int_equal(b.end_err, SB_ECLOSED);
    assert_int_equal(b.bytes_in, 300000);
    sb_stream_read_stop(b.st);
    sb_stream_read_start(b.st);
    drive_for(fx, 5);
    assert_int_equal(b.ended, 1);
    peer_close(&b);
}

static void test_end_waits_for_a_stopped_reader(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    peer_send(&a, 5000);
    drive(fx, &a.written, 1);
    peer_close(&a);
    drive_for(fx, 20);
    assert_int_equal(b.reads, 0);
    assert_int_equal(b.ended, 0);
    sb_stream_read_start(b.st);
    drive(fx, &b.ended, 1);
    assert_int_equal(b.bytes_in, 5000);
    peer_close(&b);
}

static void test_half_closed_stream_still_writes(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    sb_stream_read_start(a.st);
    sb_stream_read_start(b.st);
    assert_int_equal(shutdown(sb_stream_fd(a.st), SHUT_WR), 0);
    drive(fx, &b.ended, 1);
    assert_int_equal(b.end_err, SB_ECLOSED);
    peer_send(&b, 100000);
    drive(fx, &a.bytes_in, 100000);
    close_both(&a, &b);
}

static void test_write_to_a_closed_peer_fails_quietly(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    peer_close(&b);
    for (size_t i = 1; i <= 50 && a.write_err == SB_OK; i++) {
        peer_send(&a, 10000);
        drive(fx, &a.written, i);
    }
    assert_int_not_equal(a.write_err, SB_OK);
    peer_close(&a);
}

/* Bytes and reset are there before the loop looks. */
static void test_a_reset_is_told_after_the_bytes_before_it(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    struct linger at_once = {.l_onoff = 1};
    uint8_t bytes[1000];
    make_pair(fx, &a, &b);
    sb_stream_read_start(a.st);
    drive_for(fx, 2);
    int fd = sb_stream_fd(b.st);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = pattern_byte(a.seed_in, i);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    assert_int_equal(send(fd, bytes, sizeof bytes, 0), sizeof bytes);
    peer_close(&b);
    drive(fx, &a.ended, 1);
    assert_int_equal(a.bytes_in, sizeof bytes);
    assert_int_equal(a.end_err, SB_ECONNRESET);
    drive_for(fx, 5);
    assert_int_equal(a.ended, 1);
    peer_close(&a);
}

static void toggle(struct peer *p, int what)
{
    if (what != PEER_READ)
        return;
    sb_stream_read_stop(p->st);
    if (p->reads % 2 == 0)
        sb_stream_read_start(p->st);
}

static void test_nothing_is_read_after_stop_and_nothing_lost(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    b.on_event = toggle;
    peer_send(&a, 2 << 20);
    while (b.bytes_in < 2 << 20) {
        size_t before = b.reads;
        sb_stream_read_start(b.st);
        sb_stream_read_stop(b.st);
        sb_stream_read_start(b.st);
        drive(fx, &b.reads, before + 1);
    }
    close_both(&a, &b);
}

static void test_tells_both_addresses(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    sb_addr local, remote;
    make_pair(fx, &a, &b);
    assert_int_equal(sb_stream_local_addr(a.st, &local), SB_OK);
    assert_int_equal(sb_stream_peer_addr(b.st, &remote), SB_OK);
    assert_int_equal(
        ((struct sockaddr_in *)&local.ss)->sin_port, ((struct sockaddr_in *)&remote.ss)->sin_port);
    assert_int_equal(local.ss.ss_family, AF_INET);
    close_both(&a, &b);
}

static void test_two_hundred_streams_run_side_by_side(void **state)
{
    enum { N = 200 };
    struct fixture *fx = fixture_of(state);
    struct peer *clients = calloc(N, sizeof *clients), *servers = calloc(N, sizeof *servers);
    struct door d;
    sb_addr addr = any_port();
    for (size_t i = 0; i < N; i++) {
        peer_init(&clients[i], fx, 7, 7);
        peer_init(&servers[i], fx, 7, 7);
    }
    door_open(&d, fx, &addr, servers, N);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(
            sb_loop_connect(fx->loop, &d.addr, NULL, &peer_events, &clients[i], &clients[i].st), SB_OK);
    drive(fx, &d.accepted, N);
    for (size_t i = 0; i < N; i++) {
        drive(fx, &clients[i].connected, 1);
        sb_stream_read_start(servers[i].st);
        sb_stream_read_start(clients[i].st);
        peer_send(&clients[i], 1000 + i * 100);
        peer_send(&servers[i], 30000);
    }
    size_t sum_out = 0, sum_in = 0;
    for (size_t i = 0; i < N; i++) {
        drive(fx, &clients[i].bytes_in, 30000);
        drive(fx, &servers[i].bytes_in, 1000 + i * 100);
        sum_out += 1000 + i * 100;
        sum_in += servers[i].bytes_in;
    }
    assert_int_equal(sum_in, sum_out);
    for (size_t i = 0; i < N; i++) {
        peer_close(&clients[i]);
        peer_close(&servers[i]);
    }
    door_close(&d);
    free(clients);
    free(servers);
}

static void test_adopts_a_connected_descriptor(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    int sv[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    peer_init(&a, fx, 1, 2);
    peer_init(&b, fx, 2, 1);
    assert_int_equal(sb_loop_adopt_stream(fx->loop, sv[0], &peer_events, &a, &a.st), SB_OK);
    assert_int_equal(sb_loop_adopt_stream(fx->loop, sv[1], &peer_events, &b, &b.st), SB_OK);
    sb_stream_read_start(b.st);
    peer_send(&a, 400000);
    drive(fx, &b.bytes_in, 400000);
    close_both(&a, &b);
}

static void test_refuses_to_adopt_what_is_no_stream(void **state)
{
    struct fixture *fx = fixture_of(state);
    sb_stream *st;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(sb_loop_adopt_stream(fx->loop, fds[0], &peer_events, NULL, &st), SB_EINVAL);
    close(fds[0]);
    close(fds[1]);
}

static void write_in_turn(sb_turn *turn);

struct turner {
    sb_turn turn;
    struct peer *p;
    size_t called;
};

static void write_in_turn(sb_turn *turn)
{
    struct turner *t = (struct turner *)turn;
    t->called++;
    if (t->p->goal_out < 5000 && !t->p->writing)
        peer_send(t->p, 1000);
}

static void test_what_the_turn_hook_writes_leaves_with_the_step(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    struct turner t = {.turn = {write_in_turn}, .p = &a};
    sb_stream_read_start(b.st);
    sb_loop_set_turn(fx->loop, &t.turn);
    for (int i = 0; i < 1000 && b.bytes_in < 5000; i++)
        assert_int_equal(sb_loop_step(fx->loop), SB_OK);
    sb_loop_set_turn(fx->loop, NULL);
    assert_true(t.called > 5);
    drive(fx, &b.bytes_in, 5000);
    close_both(&a, &b);
}

const struct suite_case stream_cases[] = {
    SUITE_CASE(test_echoes_from_the_receive_buffer, 0),
    SUITE_CASE(test_carries_both_ways_with_every_byte_intact, 0),
    SUITE_CASE(test_one_write_larger_than_all_buffers_arrives, 0),
    SUITE_CASE(test_gathers_256_pieces_some_of_them_empty, 0),
    SUITE_CASE(test_refuses_bad_writes_and_a_second_one, 0),
    SUITE_CASE(test_connect_to_nobody_is_refused_later, 0),
    SUITE_CASE(test_end_is_told_once_after_all_bytes, 0),
    SUITE_CASE(test_end_waits_for_a_stopped_reader, 0),
    SUITE_CASE(test_half_closed_stream_still_writes, SUITE_FDS),
    SUITE_CASE(test_write_to_a_closed_peer_fails_quietly, 0),
    SUITE_CASE(test_a_reset_is_told_after_the_bytes_before_it, SUITE_FDS),
    SUITE_CASE(test_nothing_is_read_after_stop_and_nothing_lost, 0),
    SUITE_CASE(test_tells_both_addresses, 0),
    SUITE_CASE(test_two_hundred_streams_run_side_by_side, 0),
    SUITE_CASE(test_adopts_a_connected_descriptor, SUITE_FDS),
    SUITE_CASE(test_refuses_to_adopt_what_is_no_stream, SUITE_FDS),
    SUITE_CASE(test_what_the_turn_hook_writes_leaves_with_the_step, 0),
    {0},
};
