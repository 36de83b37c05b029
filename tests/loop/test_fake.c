/* What only the fake loop has: raw ends, knobs, names, a clock by hand. */
#include "backends/fake/fake.h"
#include "tests/loop/suite.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const suite_backend fake = {.name = "fake", .make = sb_fake_create};

static void settle(struct fixture *fx)
{
    assert_true(sb_fake_settle(fx->loop, 1000));
}

static sb_addr addr_of(const char *host, uint16_t port)
{
    sb_addr addr = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&addr.ss;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr.ss;
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        addr.len = sizeof *in;
        return addr;
    }
    assert_int_equal(inet_pton(AF_INET6, host, &in6->sin6_addr), 1);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    addr.len = sizeof *in6;
    return addr;
}

/* A door, a peer behind it and the test's own end in front of it. */
static sb_fake_raw *raw_pair(struct fixture *fx, struct peer *b)
{
    struct door d;
    sb_fake_raw *raw;
    sb_addr addr = any_port();
    peer_init(b, fx, 1, 2);
    door_open(&d, fx, &addr, b, 1);
    assert_int_equal(sb_fake_connect_raw(fx->loop, &d.addr, &raw), SB_OK);
    drive(fx, &d.accepted, 1);
    door_close(&d);
    return raw;
}

static void raw_send(sb_fake_raw *raw, size_t from, size_t n)
{
    uint8_t bytes[4096];
    assert_true(n <= sizeof bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = pattern_byte(1, from + i);
    assert_int_equal(sb_fake_raw_write(raw, bytes, n), n);
}

static void test_a_raw_end_talks_both_ways(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer b;
    uint8_t bytes[300];
    sb_fake_raw *raw = raw_pair(fx, &b);
    sb_stream_read_start(b.st);
    raw_send(raw, 0, 1000);
    settle(fx);
    assert_int_equal(b.bytes_in, 1000);
    peer_send(&b, 300);
    settle(fx);
    assert_int_equal(sb_fake_raw_available(raw), 300);
    assert_int_equal(sb_fake_raw_read(raw, bytes, sizeof bytes), 300);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(bytes[i], pattern_byte(2, i));
    assert_false(sb_fake_raw_ended(raw));
    peer_close(&b);
    assert_true(sb_fake_raw_ended(raw));
    assert_int_equal(sb_fake_raw_write(raw, "x", 1), 0);
    sb_fake_raw_close(raw, SB_OK);
}

static void test_split_gives_pieces_of_that_size(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer b;
    sb_fake_split(fx->loop, 7);
    sb_fake_raw *raw = raw_pair(fx, &b);
    sb_stream_read_start(b.st);
    raw_send(raw, 0, 70);
    settle(fx);
    assert_int_equal(b.bytes_in, 70);
    assert_int_equal(b.reads, 10);
    sb_fake_raw_close(raw, SB_OK);
    peer_close(&b);
}

static void test_the_limit_keeps_a_write_in_flight(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer b;
    uint8_t bytes[1000];
    sb_fake_limit(fx->loop, 100);
    sb_fake_raw *raw = raw_pair(fx, &b);
    peer_send(&b, 150);
    settle(fx);
    assert_int_equal(b.written, 0);
    assert_int_equal(sb_fake_raw_available(raw), 100);
    assert_int_equal(sb_fake_raw_read(raw, bytes, 60), 60);
    settle(fx);
    assert_int_equal(b.written, 1);
    assert_int_equal(sb_fake_raw_available(raw), 90);
    assert_int_equal(sb_fake_raw_write(raw, bytes, 1000), 100);
    sb_fake_raw_close(raw, SB_OK);
    peer_close(&b);
}

static void test_a_break_loses_what_is_on_the_way_and_tells_both(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    peer_send(&a, 500);
    settle(fx);
    sb_fake_break(b.st, SB_ECONNRESET);
    settle(fx);
    assert_int_equal(a.end_err, SB_ECONNRESET); /* told though nobody reads: it broke */
    assert_int_equal(b.end_err, SB_ECONNRESET);
    sb_stream_read_start(b.st);
    settle(fx);
    assert_int_equal(b.bytes_in, 0);
    assert_int_equal(b.ended, 1);
    peer_send(&a, 1);
    settle(fx);
    assert_int_equal(a.write_err, SB_ECONNRESET);
    peer_close(&a);
    peer_close(&b);
}

static void test_a_raw_end_shuts_down_closes_and_breaks(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer b, c;
    sb_fake_raw *raw = raw_pair(fx, &b);
    raw_send(raw, 0, 10);
    sb_fake_raw_shutdown(raw);
    sb_stream_read_start(b.st);
    settle(fx);
    assert_int_equal(b.bytes_in, 10);
    assert_int_equal(b.end_err, SB_ECLOSED);
    peer_send(&b, 20);
    settle(fx);
    assert_int_equal(b.write_err, SB_OK);
    assert_int_equal(sb_fake_raw_available(raw), 20);
    sb_fake_raw_close(raw, SB_OK);
    peer_close(&b);
    raw = raw_pair(fx, &c);
    sb_stream_read_start(c.st);
    sb_fake_raw_close(raw, SB_ETIMEDOUT);
    settle(fx);
    assert_int_equal(c.end_err, SB_ETIMEDOUT);
    peer_close(&c);
}

static void test_a_raw_listener_is_connected_to(void **state)
{
    struct fixture *fx = fixture_of(state);
    sb_fake_port *port;
    struct peer a;
    sb_addr addr = any_port();
    peer_init(&a, fx, 1, 2);
    assert_int_equal(sb_fake_listen_raw(fx->loop, &addr, &port), SB_OK);
    sb_fake_port_addr(port, &addr);
    assert_true(ntohs(((struct sockaddr_in *)&addr.ss)->sin_port) >= 49152);
    assert_null(sb_fake_port_accept(port));
    assert_int_equal(sb_loop_connect(fx->loop, &addr, NULL, &peer_events, &a, &a.st), SB_OK);
    settle(fx);
    assert_int_equal(a.connected, 1);
    sb_fake_raw *raw = sb_fake_port_accept(port);
    assert_non_null(raw);
    sb_stream_read_start(a.st);
    raw_send(raw, 0, 99);
    settle(fx);
    assert_int_equal(a.bytes_in, 99);
    sb_fake_raw_close(raw, SB_OK);
    sb_fake_port_close(port);
    peer_close(&a);
}

static void test_addresses_clash_as_in_a_kernel(void **state)
{
    struct fixture *fx = fixture_of(state);
    static const struct {
        const char *first, *second;
        bool dual, clash;
    } rows[] = {
        {"127.0.0.1", "127.0.0.1", false, true},
        {"127.0.0.1", "127.0.0.2", false, false},
        {"0.0.0.0", "127.0.0.1", false, true},
        {"127.0.0.1", "0.0.0.0", false, true},
        {"::", "127.0.0.1", false, false},
        {"::", "127.0.0.1", true, true},
        {"::", "::1", false, true},
        {"::1", "127.0.0.1", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sb_sockopts opts = SB_SOCKOPTS_DEFAULT;
        struct door one = {.fx = fx}, two = {.fx = fx};
        sb_addr a = addr_of(rows[i].first, 5555), b = addr_of(rows[i].second, 5555);
        opts.ipv6_dual = rows[i].dual;
        assert_int_equal(sb_loop_listen(fx->loop, &a, &opts, &door_events, &one, &one.ln), SB_OK);
        sb_err err = sb_loop_listen(fx->loop, &b, NULL, &door_events, &two, &two.ln);
        assert_int_equal(err, rows[i].clash ? SB_EADDRINUSE : SB_OK);
        if (err == SB_OK)
            door_close(&two);
        door_close(&one);
    }
}

static void test_a_connection_nobody_accepted_breaks_with_its_listener(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct door d;
    sb_fake_raw *raw;
    sb_addr addr = any_port();
    door_open(&d, fx, &addr, NULL, 0);
    assert_int_equal(sb_fake_connect_raw(fx->loop, &d.addr, &raw), SB_OK);
    door_close(&d);
    assert_true(sb_fake_raw_ended(raw));
    sb_fake_raw_close(raw, SB_OK);
    assert_int_equal(sb_fake_connect_raw(fx->loop, &d.addr, &raw), SB_ECONNREFUSED);
}

struct ask {
    sb_lookup lk;
    size_t done, n;
    sb_err err;
};

static void handle_done(sb_lookup *lk, sb_err err, const sb_addr *addrs, size_t n)
{
    struct ask *a = (struct ask *)lk;
    a->done++;
    a->err = err;
    a->n = n;
    for (size_t i = 0; i < n; i++)
        assert_int_equal(((const struct sockaddr_in *)&addrs[i].ss)->sin_port, htons(80));
}

static size_t answers(struct fixture *fx, const char *name, int family)
{
    struct ask a = {.lk = {.on_done = handle_done}};
    assert_int_equal(sb_loop_resolve(fx->loop, name, 80, family, &a.lk), SB_OK);
    settle(fx);
    assert_int_equal(a.done, 1);
    assert_int_equal(a.err, a.n > 0 ? SB_OK : SB_ENOENT);
    return a.n;
}

static void test_names_are_what_the_test_says(void **state)
{
    struct fixture *fx = fixture_of(state);
    sb_addr v4 = addr_of("192.0.2.1", 0), other = addr_of("192.0.2.2", 0), v6 = addr_of("2001:db8::1", 0);
    assert_int_equal(answers(fx, "db.example", AF_UNSPEC), 0);
    assert_int_equal(sb_fake_host(fx->loop, "db.example", &v4), SB_OK);
    assert_int_equal(sb_fake_host(fx->loop, "db.example", &other), SB_OK);
    assert_int_equal(sb_fake_host(fx->loop, "db.example", &v6), SB_OK);
    assert_int_equal(answers(fx, "db.example", AF_UNSPEC), 3);
    assert_int_equal(answers(fx, "db.example", AF_INET), 2);
    assert_int_equal(answers(fx, "db.example", AF_INET6), 1);
    assert_int_equal(sb_fake_host(fx->loop, "db.example", NULL), SB_OK);
    assert_int_equal(answers(fx, "db.example", AF_UNSPEC), 0);
    assert_int_equal(answers(fx, "localhost", AF_UNSPEC), 2);
}

static void count_expiry(sb_timer *timer)
{
    (void)timer;
}

static void test_the_clock_moves_only_by_hand_in_steps(void **state)
{
    struct fixture *fx = fixture_of(state);
    sb_timer timer;
    sb_timer_init(&timer, count_expiry);
    uint64_t start = sb_loop_now(fx->loop);
    sb_timer_start(fx->loop, &timer, start + 10 * SB_NS_PER_MS);
    for (int i = 0; i < 5; i++)
        sb_loop_step(fx->loop);
    assert_int_equal(sb_loop_now(fx->loop), start);
    assert_int_equal(sb_loop_timeout(fx->loop), 10);
    sb_fake_advance(fx->loop, 10 * SB_NS_PER_MS);
    sb_loop_step(fx->loop);
    assert_int_equal(timer.deadline, SB_NEVER);
    assert_int_equal(sb_loop_now(fx->loop), start + 10 * SB_NS_PER_MS);
}

#define LOOP_TEST(fn) SUITE_TEST(fn, fake)

static void test_loops_beside_each_other_share_a_network(void **state)
{
    struct fixture *fx = fixture_of(state), far = *fx;
    struct peer a, b;
    struct door d;
    sb_addr addr = any_port();
    assert_int_equal(sb_fake_create_beside(fx->loop, &far.loop), SB_OK);
    peer_init(&a, &far, 1, 2);
    peer_init(&b, fx, 2, 1);
    door_open(&d, fx, &addr, &b, 1);
    assert_int_equal(sb_loop_connect(far.loop, &d.addr, NULL, &peer_events, &a, &a.st), SB_OK);
    for (int i = 0; i < 4; i++) {
        settle(&far);
        settle(fx);
    }
    assert_int_equal(a.connect_err, SB_OK);
    assert_ptr_equal(sb_fake_stream(far.loop, 0), a.st);
    assert_null(sb_fake_stream(far.loop, 1));
    sb_stream_read_start(b.st);
    peer_send(&a, 5000);
    settle(&far);
    settle(fx);
    assert_int_equal(b.bytes_in, 5000);
    peer_close(&a);
    peer_close(&b);
    door_close(&d);
    sb_loop_destroy(far.loop);
}

typedef struct wind {
    sb_fake_weather base;
    size_t most;
} wind;

static size_t wind_pass(sb_fake_weather *self, sb_loop *from, sb_loop *to, size_t n)
{
    size_t most = ((wind *)self)->most;
    assert_ptr_equal(from, to);
    return n < most ? n : most;
}

static sb_err wind_meet(sb_fake_weather *self, sb_loop *from, sb_loop *to)
{
    (void)from, (void)to;
    return ((wind *)self)->most > 0 ? SB_OK : SB_EAGAIN;
}

static void test_the_weather_holds_bytes_and_connects_back(void **state)
{
    struct fixture *fx = fixture_of(state);
    wind w = {.base = {.pass = wind_pass, .meet = wind_meet}};
    struct peer a, b;
    struct door d;
    sb_addr addr = any_port();
    sb_fake_set_weather(fx->loop, &w.base);
    peer_init(&a, fx, 1, 2);
    peer_init(&b, fx, 2, 1);
    door_open(&d, fx, &addr, &b, 1);
    assert_int_equal(sb_loop_connect(fx->loop, &d.addr, NULL, &peer_events, &a, &a.st), SB_OK);
    settle(fx); /* asked once, and nothing to do until time passes */
    assert_int_equal(a.connected, 0);
    w.most = 7;
    sb_fake_advance(fx->loop, 1);
    settle(fx);
    assert_int_equal(a.connected, 1);
    sb_stream_read_start(b.st);
    peer_send(&a, 100);
    settle(fx);
    assert_int_equal(b.bytes_in, 100);
    assert_int_equal(b.reads, 15);
    w.most = 0;
    peer_send(&a, 100);
    settle(fx);
    assert_int_equal(b.bytes_in, 100);
    sb_fake_set_weather(fx->loop, NULL);
    settle(fx);
    assert_int_equal(b.bytes_in, 200);
    peer_close(&a);
    peer_close(&b);
    door_close(&d);
}

static void test_a_broken_promise_is_a_complaint(void **state)
{
    struct fixture *fx = fixture_of(state);
    struct peer a, b;
    make_pair(fx, &a, &b);
    peer_send(&a, 10);
    settle(fx);
    assert_null(sb_fake_complaint(fx->loop));
    peer_send(&a, 10);
    a.out[0] ^= 1;
    settle(fx);
    assert_string_equal(sb_fake_complaint(fx->loop), "the octets of a write changed before on_written");
    peer_close(&a);
    peer_close(&b);
}

/* Descriptors 1 and 2 of a kernel that the test plays. */
typedef struct kernel {
    sb_fake_kernel base;
    bool readable[3], writable[3];
} kernel;

typedef struct seen_watch {
    sb_watch base;
    sb_loop *loop;
    struct seen_watch *stops; /* from inside its callback */
    int readable, writable;
} seen_watch;

static bool is_ready(sb_fake_kernel *self, int fd, bool to_write)
{
    const kernel *k = (const kernel *)self;
    return to_write ? k->writable[fd] : k->readable[fd];
}

static void note_ready(sb_watch *w, bool readable, bool writable)
{
    seen_watch *seen = (seen_watch *)w;
    seen->readable += readable;
    seen->writable += writable;
    if (seen->stops != NULL)
        sb_watch_stop(seen->loop, &seen->stops->base);
}

static void test_a_kernel_of_the_tests_own_is_watched(void **state)
{
    sb_loop *loop;
    (void)state;
    kernel k = {.base = {.ready = is_ready}};
    assert_int_equal(sb_fake_create(&loop), SB_OK);
    seen_watch a = {.base = {.on_ready = note_ready, .fd = 1}, .loop = loop};
    seen_watch b = {.base = {.on_ready = note_ready, .fd = 2}, .loop = loop};
    assert_int_equal(sb_watch_start(loop, &a.base, true, false), SB_ENOTSUP);
    sb_fake_set_kernel(loop, &k.base);
    assert_int_equal(sb_watch_start(loop, &b.base, true, true), SB_OK);
    assert_int_equal(sb_watch_start(loop, &a.base, true, false), SB_OK);
    k.writable[1] = true; /* nobody asked for that */
    assert_int_equal(sb_loop_timeout(loop), -1);
    k.readable[1] = true;
    assert_int_equal(sb_loop_timeout(loop), 0);
    sb_loop_step(loop);
    sb_loop_step(loop);
    assert_int_equal(a.readable, 2); /* as long as it is ready */
    assert_int_equal(a.writable + b.readable + b.writable, 0);
    assert_int_equal(sb_watch_start(loop, &a.base, false, true), SB_OK);
    sb_loop_step(loop);
    assert_int_equal(a.readable, 2);
    assert_int_equal(a.writable, 1);
    k.readable[2] = k.writable[2] = true;
    a.stops = &b; /* whoever is told first */
    b.stops = &a;
    sb_loop_step(loop);
    assert_int_not_equal(a.writable == 2, b.readable == 1);
    sb_watch_stop(loop, &a.base);
    sb_watch_stop(loop, &b.base);
    assert_int_equal(sb_loop_timeout(loop), -1);
    sb_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_loops_beside_each_other_share_a_network),
        LOOP_TEST(test_the_weather_holds_bytes_and_connects_back),
        LOOP_TEST(test_a_broken_promise_is_a_complaint),
        LOOP_TEST(test_a_raw_end_talks_both_ways),
        LOOP_TEST(test_split_gives_pieces_of_that_size),
        LOOP_TEST(test_the_limit_keeps_a_write_in_flight),
        LOOP_TEST(test_a_break_loses_what_is_on_the_way_and_tells_both),
        LOOP_TEST(test_a_raw_end_shuts_down_closes_and_breaks),
        LOOP_TEST(test_a_raw_listener_is_connected_to),
        LOOP_TEST(test_addresses_clash_as_in_a_kernel),
        LOOP_TEST(test_a_connection_nobody_accepted_breaks_with_its_listener),
        LOOP_TEST(test_names_are_what_the_test_says),
        LOOP_TEST(test_the_clock_moves_only_by_hand_in_steps),
        cmocka_unit_test(test_a_kernel_of_the_tests_own_is_watched),
    };
    return cmocka_run_group_tests_name("fake", tests, NULL, NULL);
}
