/* Cases of the loop suite: closing in every state, and from inside every callback. */
#include "tests/loop/suite.h"

#include <stdlib.h>

static void test_closes_while_connecting(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a;
    struct door d;
    struct peer b;
    sb_addr addr = any_port();
    peer_init(&a, fx, 1, 2);
    peer_init(&b, fx, 2, 1);
    door_open(&d, fx, &addr, &b, 1);
    assert_int_equal(sb_loop_connect(fx->loop, &d.addr, NULL, &peer_events, &a, &a.st), SB_OK);
    sb_stream_close(a.st);
    assert_int_equal(a.closed, 0);
    drive(fx, &a.closed, 1);
    drive_for(fx, 5);
    assert_int_equal(a.connected, 0);
    if (b.st != NULL)
        sb_stream_close(b.st);
    door_close(&d);
    if (d.accepted > 0)
        drive(fx, &b.closed, 1);
    peer_finish(&a);
    peer_finish(&b);
}

static void test_closes_twice_with_one_closed_callback(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    sb_stream_read_start(a.st);
    drive_for(fx, 2);
    sb_stream_close(a.st);
    sb_stream_close(a.st);
    sb_stream_read_start(a.st);
    sb_stream_read_stop(a.st);
    drive(fx, &a.closed, 1);
    drive_for(fx, 2);
    peer_finish(&a);
    peer_close(&b);
}

static void test_closing_cancels_a_stalled_write_first(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    a.max_iov = 32 << 20;
    peer_send(&a, 32 << 20);
    drive_for(fx, 10);
    assert_int_equal(a.written, 0);
    sb_stream_close(a.st);
    assert_int_equal(a.written, 0);
    drive(fx, &a.closed, 1);
    assert_int_equal(a.written, 1);
    assert_int_equal(a.write_err, SB_ECANCELED);
    peer_finish(&a);
    peer_close(&b);
}

static void test_closing_right_after_a_write_tells_it_first(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    sb_stream_read_start(a.st);
    peer_send(&a, 10);
    sb_stream_close(a.st);
    assert_int_equal(a.closed + a.written, 0);
    drive(fx, &a.closed, 1);
    assert_int_equal(a.written, 1);
    peer_finish(&a);
    peer_close(&b);
}

static void close_at(struct peer *p, int what)
{
    if (what != *(int *)p->data)
        return;
    sb_stream_close(p->st);
    sb_stream_close(p->st);
    assert_int_equal(p->closed, 0);
}

static void test_closes_inside_read_written_and_end(void **state)
{
    static const int places[] = {PEER_READ, PEER_WRITTEN, PEER_END};
    struct fixture *fx = fixture_of(state);
    for (size_t i = 0; i < 3; i++) {
        struct peer a, b;
        int what = places[i];
        make_pair(fx, &a, &b);
        a.data = &what;
        a.on_event = close_at;
        sb_stream_read_start(a.st);
        sb_stream_read_start(b.st);
        peer_send(&b, 700000);
        if (what == PEER_WRITTEN)
            peer_send(&a, 700000);
        if (what == PEER_END) {
            drive(fx, &a.bytes_in, 700000);
            sb_stream_close(b.st);
        }
        drive(fx, &a.closed, 1);
        assert_int_equal(a.closed, 1);
        peer_finish(&a);
        peer_close(&b);
    }
}

static void test_closes_inside_connected(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    struct door d;
    int what = PEER_CONNECTED;
    sb_addr addr = any_port();
    peer_init(&a, fx, 1, 2);
    peer_init(&b, fx, 2, 1);
    a.data = &what;
    a.on_event = close_at;
    door_open(&d, fx, &addr, &b, 1);
    assert_int_equal(sb_loop_connect(fx->loop, &d.addr, NULL, &peer_events, &a, &a.st), SB_OK);
    drive(fx, &a.closed, 1);
    drive(fx, &d.accepted, 1);
    peer_close(&b);
    door_close(&d);
    peer_finish(&a);
}

static void close_accepted(struct door *d, struct peer *p)
{
    (void)d;
    sb_stream_close(p->st);
    assert_int_equal(p->closed, 0);
}

static void test_closes_a_stream_inside_accept(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    struct door d;
    sb_addr addr = any_port();
    peer_init(&a, fx, 1, 2);
    peer_init(&b, fx, 2, 1);
    door_open(&d, fx, &addr, &b, 1);
    d.on_accepted = close_accepted;
    assert_int_equal(sb_loop_connect(fx->loop, &d.addr, NULL, &peer_events, &a, &a.st), SB_OK);
    drive(fx, &b.closed, 1);
    drive(fx, &a.connected, 1);
    sb_stream_read_start(a.st);
    drive(fx, &a.ended, 1);
    peer_close(&a);
    door_close(&d);
    peer_finish(&b);
}

static void close_door(struct door *d, struct peer *p)
{
    (void)p;
    sb_listener_close(d->ln);
    sb_listener_close(d->ln);
    assert_int_equal(d->closed, 0);
}

static void test_a_listener_closed_inside_accept_accepts_no_more(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer clients[5], servers[5];
    struct door d;
    sb_addr addr = any_port();
    door_open(&d, fx, &addr, servers, 5);
    d.on_accepted = close_door;
    for (size_t i = 0; i < 5; i++) {
        peer_init(&clients[i], fx, 1, 2);
        peer_init(&servers[i], fx, 2, 1);
        assert_int_equal(
            sb_loop_connect(fx->loop, &d.addr, NULL, &peer_events, &clients[i], &clients[i].st), SB_OK);
    }
    drive(fx, &d.closed, 1);
    drive_for(fx, 10);
    assert_int_equal(d.accepted, 1);
    for (size_t i = 0; i < 5; i++)
        peer_close(&clients[i]);
    peer_close(&servers[0]);
}

static void test_a_listener_closes_before_its_first_turn(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct door d;
    sb_addr addr = any_port();
    door_open(&d, fx, &addr, NULL, 0);
    sb_listener_close(d.ln);
    sb_listener_close(d.ln);
    assert_int_equal(d.closed, 0);
    drive(fx, &d.closed, 1);
    assert_int_equal(d.closed, 1);
    sb_listener_close(NULL);
    sb_stream_close(NULL);
}

/* Closes the other one from inside a callback: both orders of completions happen over the rounds. */
static void close_other(struct peer *p, int what)
{
    struct peer *other = p->data;
    if (what == PEER_READ && p->reads == 3 && other->st != NULL)
        sb_stream_close(other->st);
}

static void test_closing_another_stream_inside_a_callback(void **state)
{
    struct fixture *fx = fixture_of(state);
    for (int round = 0; round < 20; round++) {
        struct peer a, b, c, e;
        make_pair(fx, &a, &b);
        make_pair(fx, &c, &e);
        b.data = &e;
        b.on_event = close_other;
        sb_stream_read_start(b.st);
        sb_stream_read_start(e.st);
        a.max_iov = c.max_iov = 1000;
        peer_send(&c, 50000 + (size_t)round);
        peer_send(&a, 50000);
        drive(fx, &e.closed, 1);
        peer_finish(&e);
        peer_close(&a);
        peer_close(&b);
        peer_close(&c);
    }
}

/* Data, close and cancel race in every order a few hundred times. */
static void test_closing_races_with_arriving_data(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct door d;
    struct peer *clients = calloc(100, sizeof *clients), *servers = calloc(100, sizeof *servers);
    sb_addr addr = any_port();
    for (size_t i = 0; i < 100; i++)
        peer_init(&servers[i], fx, 2, 1);
    door_open(&d, fx, &addr, servers, 100);
    for (size_t i = 0; i < 100; i++) {
        struct peer *a = &clients[i], *b = &servers[i];
        peer_init(a, fx, 1, 2);
        assert_int_equal(sb_loop_connect(fx->loop, &d.addr, NULL, &peer_events, a, &a->st), SB_OK);
        drive(fx, &d.accepted, i + 1);
        drive(fx, &a->connected, 1);
        sb_stream_read_start(b->st);
        sb_stream_read_start(a->st);
        peer_send(a, 100 + i * 997);
        peer_send(b, 100 + i * 499);
        for (size_t k = 0; k < i % 4; k++)
            sb_loop_step(fx->loop);
        sb_stream_close(i % 2 ? a->st : b->st);
        for (size_t k = 0; k < i % 3; k++)
            sb_loop_step(fx->loop);
        if (i % 2 ? b->st != NULL : a->st != NULL)
            sb_stream_close(i % 2 ? b->st : a->st);
        drive(fx, &a->closed, 1);
        drive(fx, &b->closed, 1);
    }
    for (size_t i = 0; i < 100; i++) {
        peer_finish(&clients[i]);
        peer_finish(&servers[i]);
    }
    door_close(&d);
    free(clients);
    free(servers);
}

static void keep_first(struct peer *p, int what)
{
    if (what == PEER_READ && p->data == NULL)
        p->data = sb_buf_ref(p->last);
}

static void test_a_kept_buffer_outlives_its_stream(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    b.on_event = keep_first;
    sb_stream_read_start(b.st);
    peer_send(&a, 1000);
    drive(fx, &b.bytes_in, 1000);
    sb_buf *kept = b.data;
    uint8_t first = kept->data[0];
    peer_send(&a, 1 << 20);
    drive(fx, &b.bytes_in, (1 << 20) + 1000);
    peer_close(&a);
    peer_close(&b);
    assert_int_equal(kept->data[0], first);
    sb_buf_unref(kept);
}

static void test_a_kept_buffer_outlives_its_loop(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    b.on_event = keep_first;
    sb_stream_read_start(b.st);
    peer_send(&a, 1000);
    drive(fx, &b.bytes_in, 1000);
    sb_buf *kept = b.data;
    uint8_t first = kept->data[0];
    peer_close(&a);
    peer_close(&b);
    sb_loop_destroy(fx->loop);
    fx->loop = NULL;
    assert_int_equal(kept->data[0], first);
    sb_buf_unref(kept);
}

const struct suite_case close_cases[] = {
    SUITE_CASE(test_closes_while_connecting, 0),
    SUITE_CASE(test_closes_twice_with_one_closed_callback, 0),
    SUITE_CASE(test_closing_cancels_a_stalled_write_first, 0),
    SUITE_CASE(test_closing_right_after_a_write_tells_it_first, 0),
    SUITE_CASE(test_closes_inside_read_written_and_end, 0),
    SUITE_CASE(test_closes_inside_connected, 0),
    SUITE_CASE(test_closes_a_stream_inside_accept, 0),
    SUITE_CASE(test_a_listener_closed_inside_accept_accepts_no_more, 0),
    SUITE_CASE(test_a_listener_closes_before_its_first_turn, 0),
    SUITE_CASE(test_closing_another_stream_inside_a_callback, 0),
    SUITE_CASE(test_closing_races_with_arriving_data, 0),
    SUITE_CASE(test_a_kept_buffer_outlives_its_stream, 0),
    SUITE_CASE(test_a_kept_buffer_outlives_its_loop, 0),
    {0},
};
