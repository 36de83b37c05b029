/* STREAM as a socket: the other side of its connections is the test. */
#include "bench.h"

#include "tests/raw_peer.h"

typedef struct rig {
    bench b;
    ear heard;
    sb_socket *sock;
    sb_fake_raw *raw;
} rig;

static void rig_open(rig *r, bool notify)
{
    bench_open(&r->b);
    r->sock = open_socket(&r->b, SB_STREAM, &r->heard);
    set_int(r->sock, SB_OPT_STREAM_NOTIFY, notify);
    bind_to(r->sock, "tcp://127.0.0.1:9");
    r->raw = raw_connect(r->b.loop, 9);
    settle(&r->b);
}

static void rig_close(rig *r)
{
    sb_fake_raw_close(r->raw, SB_OK);
    bench_close(&r->b);
    ear_clear(&r->heard);
}

static sb_err send_to(rig *r, sb_peer *peer, const char *text)
{
    size_t len;
    sb_msg msg;
    sb_msg_init(&msg);
    const void *id = sb_peer_routing_id(peer, &len);
    sb_msg_push(&msg, id, len, NULL);
    sb_msg_push(&msg, text, strlen(text), NULL);
    sb_err err = sb_socket_send(r->sock, &msg);
    sb_msg_finish(&msg);
    settle(&r->b);
    return err;
}

static void expect_read(rig *r, const char *expect)
{
    char text[64] = "";
    sb_fake_raw_read(r->raw, text, sizeof text - 1);
    assert_string_equal(text, expect);
}

static void test_octets_in_and_out(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, true);
    assert_int_equal(r.heard.n, 1);
    expect_seen(&r.heard, 0, "");
    raw_put(r.raw, "GET /", 5);
    settle(&r.b);
    expect_seen(&r.heard, 1, "GET /");
    assert_int_equal(send_to(&r, r.heard.peer, "200 OK"), SB_OK);
    expect_read(&r, "200 OK");
    sb_stats st;
    sb_socket_stats(r.sock, &st);
    assert_int_equal(st.peers, 1);
    assert_int_equal(st.msgs_out, 1);
    assert_int_equal(st.bytes_in, 2 + 5);
    rig_close(&r);
}

/* The notice of the connection fills the queue: its first octets are not lost behind it. */
static void test_the_notice_takes_no_octets_place(void **state)
{
    (void)state;
    rig r;
    bench_open(&r.b);
    r.sock = open_socket(&r.b, SB_STREAM, &r.heard);
    set_int(r.sock, SB_OPT_RCVHWM, 1);
    r.heard.take = 0;
    bind_to(r.sock, "tcp://127.0.0.1:9");
    r.raw = raw_connect(r.b.loop, 9);
    settle(&r.b);
    raw_put(r.raw, "first", 5);
    settle(&r.b);
    raw_put(r.raw, "second", 6);
    settle(&r.b);
    r.heard.take = SIZE_MAX;
    sb_socket_resume(r.sock);
    settle(&r.b);
    char all[64] = "";
    for (size_t i = 0; i < r.heard.n; i++)
        strcat(all, r.heard.seen[i]);
    assert_string_equal(all, "firstsecond");
    rig_close(&r);
}

static void test_their_end_is_told(void **state)
{
    (void)state;
    for (int notify = 0; notify < 2; notify++) {
        rig r;
        rig_open(&r, notify);
        raw_put(r.raw, "bye", 3);
        sb_fake_raw_shutdown(r.raw);
        settle(&r.b);
        assert_int_equal(r.heard.n, notify ? 3 : 1);
        expect_seen(&r.heard, notify, "bye");
        if (notify)
            expect_seen(&r.heard, 2, "");
        rig_close(&r);
    }
}

static void test_an_empty_frame_ends_it_behind_what_is_queued(void **state)
{
    (void)state;
    rig r;
    size_t len;
    sb_msg msg;
    rig_open(&r, true);
    sb_msg_init(&msg);
    const void *id = sb_peer_routing_id(r.heard.peer, &len);
    sb_msg_push(&msg, id, len, NULL);
    sb_msg_push(&msg, "last words", 10, NULL);
    assert_int_equal(sb_socket_send(r.sock, &msg), SB_OK);
    assert_int_equal(send_to(&r, r.heard.peer, ""), SB_OK);
    sb_msg_finish(&msg);
    expect_read(&r, "last words");
    assert_true(sb_fake_raw_ended(r.raw));
    pass(&r.b, 2000);
    assert_int_equal(r.heard.n, 1); /* who ended it need not be told */
    sb_stats st;
    sb_socket_stats(r.sock, &st);
    assert_int_equal(st.peers, 0);
    rig_close(&r);
}

static void test_many_sizes_lose_their_heads(void **state)
{
    (void)state;
    rig r;
    static char out[70000], in[sizeof out];
    size_t got = 0, n;
    rig_open(&r, false);
    sb_fake_raw_close(r.raw, SB_OK);
    r.raw = raw_connect(r.b.loop, 9);
    raw_put(r.raw, "x", 1);
    settle(&r.b);
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (char)('a' + i % 26);
    static const size_t sizes[] = {1, 255, 256, 4095, 4096, 61297};
    for (size_t i = 0, at = 0; i < 6; at += sizes[i++]) {
        size_t len;
        sb_msg msg;
        sb_msg_init(&msg);
        const void *id = sb_peer_routing_id(r.heard.peer, &len);
        sb_msg_push(&msg, id, len, NULL);
        sb_msg_push(&msg, out + at, sizes[i], NULL);
        assert_int_equal(sb_socket_send(r.sock, &msg), SB_OK);
        sb_msg_finish(&msg);
    }
    settle(&r.b);
    while ((n = sb_fake_raw_read(r.raw, in + got, sizeof in - got)) > 0) {
        got += n;
        settle(&r.b);
    }
    assert_int_equal(got, sizeof out);
    assert_memory_equal(in, out, sizeof out);
    rig_close(&r);
}

static void test_it_connects_by_a_name(void **state)
{
    (void)state;
    bench b;
    ear heard;
    sb_peer *peer;
    size_t len;
    bench_open(&b);
    sb_fake_port *port;
    sb_addr addr = {.len = 16};
    uint8_t *in = (uint8_t *)&addr.ss;
    addr.ss.ss_family = AF_INET;
    in[3] = 7, in[4] = 127, in[7] = 1;
    assert_int_equal(sb_fake_listen_raw(b.loop, &addr, &port), SB_OK);
    sb_socket *sock = open_socket(&b, SB_STREAM, &heard);
    assert_int_equal(sb_socket_set_bytes(sock, SB_OPT_CONNECT_ROUTING_ID, "web", 3, NULL, 0), SB_OK);
    assert_int_equal(sb_socket_connect_peer(sock, "tcp://127.0.0.1:7", &peer, NULL, 0), SB_OK);
    assert_memory_equal(sb_peer_routing_id(peer, &len), "web", 3);
    assert_int_equal(send_frames(sock, "web|hello"), SB_OK);
    settle(&b);
    sb_fake_raw *raw = sb_fake_port_accept(port);
    char text[16] = "";
    sb_fake_raw_read(raw, text, sizeof text - 1);
    assert_string_equal(text, "hello");
    expect_seen(&heard, 0, "");
    sb_fake_raw_close(raw, SB_OK); /* it is tried again, under the same name */
    pass(&b, 500);
    raw = sb_fake_port_accept(port);
    assert_non_null(raw);
    assert_int_equal(heard.n, 3);
    assert_int_equal(send_frames(sock, "web|again"), SB_OK);
    settle(&b);
    sb_fake_raw_read(raw, text, sizeof text - 1);
    assert_string_equal(text, "again");
    assert_int_equal(send_frames(sock, "web|"), SB_OK); /* ended by us: not tried again */
    settle(&b);
    assert_true(sb_fake_raw_ended(raw));
    pass(&b, 500);
    assert_null(sb_fake_port_accept(port));
    sb_fake_raw_close(raw, SB_OK);
    sb_fake_port_close(port);
    bench_close(&b);
    ear_clear(&heard);
}

static void test_two_streams_over_inproc(void **state)
{
    (void)state;
    bench b;
    ear ear_a, ear_z;
    sb_peer *peer;
    size_t len;
    bench_open(&b);
    sb_socket *a = open_socket(&b, SB_STREAM, &ear_a), *z = open_socket(&b, SB_STREAM, &ear_z);
    bind_to(a, "inproc://x");
    assert_int_equal(sb_socket_set_bytes(z, SB_OPT_CONNECT_ROUTING_ID, "a", 1, NULL, 0), SB_OK);
    assert_int_equal(sb_socket_connect_peer(z, "inproc://x", &peer, NULL, 0), SB_OK);
    settle(&b);
    assert_memory_equal(sb_peer_routing_id(peer, &len), "a", 1);
    assert_int_equal(send_frames(z, "a|data"), SB_OK);
    assert_int_equal(send_frames(z, "a|"), SB_OK);
    settle(&b);
    assert_int_equal(ear_a.n, 3);
    expect_seen(&ear_a, 1, "data");
    expect_seen(&ear_a, 2, "");
    assert_int_equal(ear_z.n, 1);
    bench_close(&b);
    ear_clear(&ear_a);
    ear_clear(&ear_z);
}

static void test_a_router_can_be_one(void **state)
{
    (void)state;
    rig r = {0};
    char err[200] = "";
    bench_open(&r.b);
    r.sock = open_socket(&r.b, SB_ROUTER, &r.heard);
    set_int(r.sock, SB_OPT_ROUTER_RAW, 1);
    assert_int_equal(sb_socket_bind(r.sock, "ws://127.0.0.1:8", err, sizeof err), SB_ENOTSUP);
    bind_to(r.sock, "tcp://127.0.0.1:9");
    r.raw = raw_connect(r.b.loop, 9);
    settle(&r.b);
    expect_seen(&r.heard, 0, "");
    raw_put(r.raw, "GET /", 5);
    settle(&r.b);
    expect_seen(&r.heard, 1, "GET /");
    assert_int_equal(send_to(&r, r.heard.peer, "200"), SB_OK);
    expect_read(&r, "200");
    assert_int_equal(send_frames(r.sock, "nobody|x"), SB_OK); /* as a ROUTER's: dropped */
    assert_int_equal(send_frames(r.sock, "nobody|x|y"), SB_EINVAL);
    assert_int_equal(send_to(&r, r.heard.peer, ""), SB_OK);
    assert_true(sb_fake_raw_ended(r.raw));
    assert_int_equal(r.heard.n, 2); /* ended by us: not told */
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_octets_in_and_out),
        cmocka_unit_test(test_the_notice_takes_no_octets_place),
        cmocka_unit_test(test_their_end_is_told),
        cmocka_unit_test(test_an_empty_frame_ends_it_behind_what_is_queued),
        cmocka_unit_test(test_many_sizes_lose_their_heads),
        cmocka_unit_test(test_it_connects_by_a_name),
        cmocka_unit_test(test_two_streams_over_inproc),
        cmocka_unit_test(test_a_router_can_be_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
