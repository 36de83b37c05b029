/* What happens at each limit of docs/limits.md that a socket keeps: the one beyond it ends, the others go on.
 */
#include "engine/socket/internal.h"
#include "tests/unit/socket/bench.h"

#include "tests/raw_peer.h"

#include <netinet/in.h>

typedef struct rig {
    bench b;
    ear ear;
    sb_socket *sock;
} rig;

static void open_limited(rig *r, sb_type type, sb_opt opt, int64_t value)
{
    bench_open(&r->b);
    r->sock = open_socket(&r->b, type, &r->ear);
    set_int(r->sock, opt, value);
    bind_to(r->sock, "tcp://127.0.0.1:1");
    settle(&r->b);
}

static void close_limited(rig *r)
{
    ear_clear(&r->ear);
    bench_close(&r->b);
}

/* A connection that says nothing; it comes from the address that it goes to. */
static sb_fake_raw *knock_from(rig *r, uint32_t ip)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(1)};
    sb_addr addr = {.len = sizeof in};
    sb_fake_raw *raw;
    in.sin_addr.s_addr = htonl(ip);
    memcpy(&addr.ss, &in, sizeof in);
    assert_int_equal(sb_fake_connect_raw(r->b.loop, &addr, &raw), SB_OK);
    settle(&r->b);
    return raw;
}

static sb_fake_raw *knock(rig *r)
{
    return knock_from(r, 0x7f000001);
}

static uint64_t refused(const rig *r)
{
    sb_stats s;
    sb_socket_stats(r->sock, &s);
    return s.handshake_failures[SB_CAUSE_REFUSED];
}

static uint64_t peers(const rig *r)
{
    sb_stats s;
    sb_socket_stats(r->sock, &s);
    return s.peers;
}

static bool is_out(sb_fake_raw *raw)
{
    uint8_t bytes[4096];
    while (sb_fake_raw_read(raw, bytes, sizeof bytes) > 0)
        ;
    return sb_fake_raw_ended(raw);
}

static void test_max_peers_turns_the_next_one_away(void **state)
{
    static const sb_opt opts[] = {SB_OPT_MAX_PEERS, SB_OPT_MAX_PEERS_PER_ADDRESS};
    (void)state;
    for (int i = 0; i < 2; i++) {
        rig r;
        open_limited(&r, SB_PULL, opts[i], 2);
        sb_fake_raw *one = raw_join(r.b.loop, 1, "PUSH"), *two = raw_join(r.b.loop, 1, "PUSH");
        sb_fake_raw *three = knock(&r);
        assert_true(is_out(three));
        assert_false(is_out(one) || is_out(two));
        assert_int_equal(refused(&r), 1);
        assert_non_null(strstr(r.ear.events, "peer_refused"));
        sb_fake_raw_close(two, SB_ECLOSED); /* its place is free again */
        settle(&r.b);
        sb_fake_raw *four = raw_join(r.b.loop, 1, "PUSH");
        assert_false(is_out(four));
        assert_int_equal(peers(&r), 2);
        sb_fake_raw_close(one, SB_ECLOSED);
        sb_fake_raw_close(three, SB_ECLOSED);
        sb_fake_raw_close(four, SB_ECLOSED);
        close_limited(&r);
    }
}

/* An eighth of handshake_ivl is theirs: so long newcomers go, afterwards the oldest. */
static void test_max_handshakes_ends_the_oldest_unfinished_one(void **state)
{
    rig r;
    (void)state;
    open_limited(&r, SB_PULL, SB_OPT_MAX_HANDSHAKES, 2);
    set_int(r.sock, SB_OPT_HANDSHAKE_IVL, 800);
    sb_fake_raw *good = raw_join(r.b.loop, 1, "PUSH");
    sb_fake_raw *mute[6];
    for (int i = 0; i < 3; i++)
        mute[i] = knock(&r);
    assert_false(is_out(mute[0]) || is_out(mute[1]));
    assert_true(is_out(mute[2]));
    pass(&r.b, 100);
    for (int i = 3; i < 6; i++)
        mute[i] = knock(&r);
    assert_true(is_out(mute[0]) && is_out(mute[1]) && is_out(mute[5]));
    assert_false(is_out(mute[3]) || is_out(mute[4]) || is_out(good));
    assert_int_equal(refused(&r), 4);
    raw_put(good, "\0\1x", 3);
    settle(&r.b);
    expect_seen(&r.ear, 0, "x");
    for (int i = 0; i < 6; i++)
        sb_fake_raw_close(mute[i], SB_ECLOSED);
    sb_fake_raw_close(good, SB_ECLOSED);
    close_limited(&r);
}

/* Those of one address that fill all places lose one to somebody of another, and none to one of theirs. */
static void test_a_crowd_of_one_address_keeps_nobody_out(void **state)
{
    static const uint32_t other = 0x7f000002;
    sb_fake_raw *crowd[50], *alone, *late;
    uint32_t out = 0;
    rig r;
    (void)state;
    open_limited(&r, SB_PULL, SB_OPT_MAX_HANDSHAKES, 50);
    r.b.engine->hub.turnstile.seed = 1; /* one with which the two do not share a line */
    bind_to(r.sock, "tcp://127.0.0.2:1");
    settle(&r.b);
    for (int i = 0; i < 50; i++)
        crowd[i] = knock(&r);
    sb__hub_random(&r.b.engine->hub); /* whoever connects again uses it: an address keeps its line */
    alone = knock_from(&r, other);
    late = knock(&r);
    assert_false(is_out(alone));
    assert_true(is_out(late));
    for (int i = 0; i < 50; i++)
        out += is_out(crowd[i]);
    assert_int_equal(out, 1);
    assert_true(is_out(crowd[49])); /* who came last had the least of it */
    for (int i = 0; i < 50; i++)
        sb_fake_raw_close(crowd[i], SB_ECLOSED);
    sb_fake_raw_close(alone, SB_ECLOSED);
    sb_fake_raw_close(late, SB_ECLOSED);
    close_limited(&r);
}

static void test_accept_rate_lets_a_second_s_worth_in(void **state)
{
    rig r;
    sb_fake_raw *raw[20];
    size_t in = 0;
    (void)state;
    open_limited(&r, SB_PULL, SB_OPT_ACCEPT_RATE, 5);
    for (int i = 0; i < 10; i++)
        raw[i] = knock(&r);
    for (int i = 0; i < 10; i++)
        in += !is_out(raw[i]);
    assert_int_equal(in, 5);
    assert_int_equal(refused(&r), 5);
    pass(&r.b, 1000);
    for (int i = 10; i < 20; i++)
        in += !is_out(raw[i] = knock(&r));
    assert_int_equal(in, 10);
    for (int i = 0; i < 20; i++)
        sb_fake_raw_close(raw[i], SB_ECLOSED);
    close_limited(&r);
}

/* A client of CURVE as far as its HELLO, whose box nobody made. */
static sb_fake_raw *say_hello(rig *r)
{
    static const uint8_t head[32] = "\xff\0\0\0\0\0\0\0\0\x7f\3\1CURVE";
    uint8_t octets[64 + 202] = {0};
    sb_fake_raw *raw = raw_connect(r->b.loop, 1);
    memcpy(octets, head, sizeof head);
    memcpy(octets + 64, "\4\xc8\5HELLO\1", 9);
    raw_put(raw, octets, sizeof octets);
    return raw;
}

static uint64_t delayed_of_ten(int64_t per_turn)
{
    static const uint8_t secret[SB_CURVE_KEY] = {7};
    rig r;
    sb_fake_raw *raw[10];
    sb_stats s;
    bench_open(&r.b);
    r.sock = open_socket(&r.b, SB_PULL, &r.ear);
    set_int(r.sock, SB_OPT_CURVE_SERVER, 1);
    assert_int_equal(sb_socket_set_bytes(r.sock, SB_OPT_CURVE_SECRETKEY, secret, 32, NULL, 0), SB_OK);
    set_int(r.sock, SB_OPT_HANDSHAKES_PER_TURN, per_turn);
    bind_to(r.sock, "tcp://127.0.0.1:1");
    settle(&r.b);
    for (int i = 0; i < 10; i++)
        raw[i] = say_hello(&r);
    settle(&r.b);
    sb_socket_stats(r.sock, &s);
    assert_int_equal(s.handshake_failures[SB_CAUSE_CRYPTO], 10); /* nobody is forgotten */
    for (int i = 0; i < 10; i++)
        sb_fake_raw_close(raw[i], SB_ECLOSED);
    close_limited(&r);
    return s.handshakes_delayed;
}

static void test_handshakes_beyond_a_turn_s_worth_wait(void **state)
{
    (void)state;
    assert_int_equal(delayed_of_ten(0), 0);
    assert_int_equal(delayed_of_ten(3), 7);
    assert_int_equal(delayed_of_ten(10), 0);
}

static void subscribe(sb_fake_raw *raw, const char *topic)
{
    uint8_t frame[64] = {0, (uint8_t)(1 + strlen(topic)), 1};
    memcpy(frame + 3, topic, strlen(topic));
    raw_put(raw, frame, 3 + strlen(topic));
}

static void test_subscriptions_beyond_their_limits_end_the_peer(void **state)
{
    static const sb_opt opts[] = {SB_OPT_MAX_SUBSCRIPTIONS, SB_OPT_MAX_SUBSCRIPTION_BYTES, SB_OPT_MAX_TOPIC};
    static const int64_t values[] = {2, 6, 3};
    (void)state;
    for (int i = 0; i < 3; i++) {
        rig r;
        open_limited(&r, SB_XPUB, opts[i], values[i]);
        sb_fake_raw *good = raw_join(r.b.loop, 1, "SUB"), *bad = raw_join(r.b.loop, 1, "SUB");
        subscribe(good, "abc");
        subscribe(bad, "abc");
        subscribe(bad, "abd");
        settle(&r.b);
        assert_false(is_out(bad));
        subscribe(bad, i < 2 ? "abe" : "abcd");
        settle(&r.b);
        assert_true(is_out(bad));
        assert_int_equal(send_text(r.sock, "abc"), SB_OK);
        settle(&r.b);
        assert_true(sb_fake_raw_available(good) > 0);
        assert_false(is_out(good));
        sb_fake_raw_close(good, SB_ECLOSED);
        sb_fake_raw_close(bad, SB_ECLOSED);
        close_limited(&r);
    }
}

/* Topics come and go, and the application that has them told looks at none of it. */
static void test_subscription_events_nobody_fetches_are_bounded(void **state)
{
    static const size_t lens[] = {3, 60000};
    static uint8_t frame[70000] = {2, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    (void)state;
    for (int i = 0; i < 2; i++) {
        rig r;
        sb_stats s;
        bool on = false;
        open_limited(&r, SB_XPUB, SB_OPT_XPUB_VERBOSER, 1);
        r.ear.take = 0;
        sb_fake_raw *raw = raw_join(r.b.loop, 1, "SUB");
        size_t body = lens[i] + 1, n = i == 0 ? 12000 : 600;
        for (int k = 0; k < 4; k++)
            frame[5 + k] = (uint8_t)(body >> (24 - 8 * k));
        for (size_t k = 0; k < n; k++) {
            frame[9] = on = !on;
            raw_put(raw, frame, 9 + body);
            settle(&r.b);
        }
        sb_socket_stats(r.sock, &s);
        assert_false(is_out(raw));
        assert_true(s.dropped[SB_DROP_HWM] >= (i == 0 ? 1000 : 200)); /* the oldest went: 10000, or 16 MiB */
        sb_fake_raw_close(raw, SB_ECLOSED);
        close_limited(&r);
    }
}

/* READY with a long property, and frames and messages beyond their limits. */
static void test_octets_beyond_their_limits_end_the_peer(void **state)
{
    static const struct {
        sb_opt opt;
        int64_t value;
        const char *bytes;
        size_t len;
    } rows[] = {
        {SB_OPT_MAXMSGSIZE, 3, "\0\4abcd", 6},
        {SB_OPT_MAX_MESSAGE, 5, "\1\3abc\0\3def", 10},
        {SB_OPT_MAX_FRAMES, 2, "\1\1a\1\1b\0\1c", 9},
        {SB_OPT_MAX_MESSAGE, 0, "\2\x80\0\0\0\0\0\0\0", 9},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig r;
        open_limited(&r, SB_PULL, rows[i].opt, rows[i].value);
        sb_fake_raw *good = raw_join(r.b.loop, 1, "PUSH"), *bad = raw_join(r.b.loop, 1, "PUSH");
        raw_put(bad, rows[i].bytes, rows[i].len);
        settle(&r.b);
        assert_true(is_out(bad));
        raw_put(good, "\0\1x", 3);
        settle(&r.b);
        assert_int_equal(r.ear.n, 1);
        expect_seen(&r.ear, 0, "x");
        sb_fake_raw_close(good, SB_ECLOSED);
        sb_fake_raw_close(bad, SB_ECLOSED);
        close_limited(&r);
    }
}

static void test_a_handshake_command_beyond_its_limit_ends_the_peer(void **state)
{
    static const uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    rig r;
    (void)state;
    open_limited(&r, SB_PULL, SB_OPT_MAX_HANDSHAKE, 512);
    sb_fake_raw *bad = knock(&r);
    raw_put(bad, greeting, sizeof greeting);
    raw_put(bad, "\6\0\0\0\0\0\0\2\1", 9); /* 513 octets are announced: not one of them is awaited */
    settle(&r.b);
    assert_true(is_out(bad));
    sb_fake_raw_close(bad, SB_ECLOSED);
    close_limited(&r);
}

static void test_the_handshake_deadline_is_not_extended_by_octets(void **state)
{
    static const uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    rig r;
    (void)state;
    open_limited(&r, SB_PULL, SB_OPT_HANDSHAKE_IVL, 1000);
    sb_fake_raw *slow = knock(&r);
    for (int i = 0; i < 9; i++) {
        raw_put(slow, greeting + i, 1);
        pass(&r.b, 100);
    }
    assert_false(is_out(slow));
    pass(&r.b, 150);
    assert_true(is_out(slow));
    sb_fake_raw_close(slow, SB_ECLOSED);
    close_limited(&r);
}

static sb_socket *dealer_named(bench *b, const char *id)
{
    sb_socket *dealer = open_socket(b, SB_DEALER, NULL);
    set_int(dealer, SB_OPT_RECONNECT_IVL, -1);
    if (id != NULL)
        assert_int_equal(sb_socket_set_bytes(dealer, SB_OPT_ROUTING_ID, id, strlen(id), NULL, 0), SB_OK);
    connect_to(dealer, "tcp://127.0.0.1:1");
    settle(b);
    return dealer;
}

static void test_an_identity_has_so_many_connections(void **state)
{
    rig r;
    (void)state;
    open_limited(&r, SB_DEALER, SB_OPT_MAX_PEERS_PER_IDENTITY, 2);
    sb_socket *one = dealer_named(&r.b, "bob");
    dealer_named(&r.b, "bob");
    assert_int_equal(peers(&r), 2);
    dealer_named(&r.b, "bob"); /* one too many */
    assert_int_equal(peers(&r), 2);
    assert_int_equal(refused(&r), 1);
    assert_non_null(strstr(r.ear.events, "peer_refused"));
    dealer_named(&r.b, "kay");
    for (int i = 0; i < 3; i++)
        dealer_named(&r.b, NULL); /* those without a name are nobody's */
    assert_int_equal(peers(&r), 6);
    sb_socket_close(one);
    settle(&r.b);
    dealer_named(&r.b, "bob"); /* its place is free again */
    assert_int_equal(peers(&r), 6);
    assert_int_equal(refused(&r), 1);
    close_limited(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_max_peers_turns_the_next_one_away),
        cmocka_unit_test(test_max_handshakes_ends_the_oldest_unfinished_one),
        cmocka_unit_test(test_a_crowd_of_one_address_keeps_nobody_out),
        cmocka_unit_test(test_accept_rate_lets_a_second_s_worth_in),
        cmocka_unit_test(test_handshakes_beyond_a_turn_s_worth_wait),
        cmocka_unit_test(test_subscriptions_beyond_their_limits_end_the_peer),
        cmocka_unit_test(test_subscription_events_nobody_fetches_are_bounded),
        cmocka_unit_test(test_octets_beyond_their_limits_end_the_peer),
        cmocka_unit_test(test_a_handshake_command_beyond_its_limit_ends_the_peer),
        cmocka_unit_test(test_the_handshake_deadline_is_not_extended_by_octets),
        cmocka_unit_test(test_an_identity_has_so_many_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
