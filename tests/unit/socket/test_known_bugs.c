/* Bugs of other engines that must not be here, by the name under which they are known; docs/security-rows.md
 * has the list. */
#include "engine/wire/frame.h"
#include "tests/unit/socket/stranger.h"

#include "tests/raw_peer.h"

static void test_libzmq_13387c5c_pings_at_the_wrong_moment(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, SB_ROUTER);
    greet(&r, 1);
    SAY(&r, "\4\7\4PING\0\0"); /* before READY */
    check_refused(&r);
    meet(&r, "DEALER");
    SAY(&r, "\1\1a\4\7\4PING\0\0"); /* inside a message */
    check_refused(&r);
    meet(&r, "DEALER");
    for (int i = 0; i < 5000; i++) /* whose PONGs nobody reads */
        sb_fake_raw_write(r.raw, "\4\13\4PING\0\0abcd", 13);
    settle(&r.b);
    check_served(&r);
    rig_close(&r);
}

typedef struct waits {
    sb_handler base;
    uint64_t longest, n;
} waits;

static void note_wait(sb_handler *self, sb_socket *sock, const sb_event *event)
{
    waits *w = (waits *)self;
    (void)sock;
    if (event->kind != SB_EVENT_CONNECT_RETRIED)
        return;
    w->n++;
    w->longest = event->interval > w->longest ? event->interval : w->longest;
}

static void test_libzmq_d61d662e_waits_do_not_overflow(void **state)
{
    bench b;
    waits w = {.base = {.on_event = note_wait}};
    (void)state;
    bench_open(&b);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL);
    sb_socket_set_handler(push, &w.base);
    set_int(push, SB_OPT_RECONNECT_IVL, 1000);
    set_int(push, SB_OPT_RECONNECT_IVL_MAX, INT32_MAX);
    connect_to(push, "tcp://127.0.0.1:7000"); /* nobody, for a hundred years */
    for (int i = 0; i < 60; i++) {
        sb_fake_advance(b.loop, (uint64_t)INT32_MAX * 2 * SB_NS_PER_MS);
        settle(&b);
    }
    assert_true(w.n >= 55); /* it never stopped trying */
    assert_in_range(w.longest, (uint64_t)INT32_MAX * SB_NS_PER_MS, (uint64_t)INT32_MAX * 2 * SB_NS_PER_MS);
    bench_close(&b);
}

static void test_libzmq_4226_a_ttl_over_65_seconds(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, SB_ROUTER);
    meet(&r, "DEALER");
    SAY(&r, "\4\7\4PING\2\x90"); /* 656 tenths */
    pass(&r.b, 5000);
    assert_false(hung_up(&r));
    for (int i = 0; i < 90; i++) {
        sb_fake_advance(r.b.loop, SB_NS_PER_S);
        settle(&r.b);
    }
    assert_true(hung_up(&r));
    check_served(&r);
    rig_close(&r);
}

/* PROTOCOL: libzmq reads more than 655 tenths as next to nothing. */
static void test_protocol_36_a_ttl_of_ours_stays_below_65_5_seconds(void **state)
{
    rig r;
    uint8_t heard[512];
    (void)state;
    rig_open(&r, SB_ROUTER);
    set_int(r.sock, SB_OPT_HEARTBEAT_IVL, 100);
    set_int(r.sock, SB_OPT_HEARTBEAT_TIMEOUT, 10000);
    set_int(r.sock, SB_OPT_HEARTBEAT_TTL, 6553599);
    sb_socket_unbind(r.sock, "tcp://127.0.0.1:7000");
    settle(&r.b);
    bind_to(r.sock, "tcp://127.0.0.1:7000");
    meet(&r, "DEALER");
    pass(&r.b, 150);
    size_t n = hear(&r, heard, sizeof heard);
    const uint8_t *ping = memmem(heard, n, "\4PING", 5);
    assert_non_null(ping);
    assert_in_range(ping[5] << 8 | ping[6], 600, 655);
    rig_close(&r);
}

static void test_libzmq_325_duplicate_identities(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, SB_ROUTER);
    meet_with(&r, 1, "DEALER", "\10Identity\0\0\0\2me", 15);
    assert_int_equal(peers(&r), 2);
    sb_fake_raw *first = r.raw;
    r.raw = NULL;
    meet_with(&r, 1, "DEALER", "\10Identity\0\0\0\2me", 15);
    assert_true(hung_up(&r));
    assert_int_equal(peers(&r), 2);
    check_served(&r);
    sb_fake_raw_close(first, SB_OK);
    rig_close(&r);
}

static void test_libzmq_2942_and_protocol_23_subscriptions_know_no_hwm(void **state)
{
    bench b;
    ear got;
    char topic[16];
    (void)state;
    bench_open(&b);
    sb_socket *sub = open_socket(&b, SB_SUB, &got);
    set_int(sub, SB_OPT_SNDHWM, 1);
    connect_to(sub, "tcp://127.0.0.1:7000");
    for (int i = 0; i < 5000; i++) {
        snprintf(topic, sizeof topic, "t%d", i);
        assert_int_equal(sb_socket_subscribe(sub, topic, strlen(topic)), SB_OK);
    }
    for (int life = 0; life < 3; life++) { /* and again after each reconnect */
        sb_socket *pub = open_socket(&b, SB_PUB, NULL);
        sb_stats s;
        bind_to(pub, "tcp://127.0.0.1:7000");
        pass(&b, 300);
        sb_socket_stats(pub, &s);
        assert_int_equal(s.subscriptions, 5000);
        sb_socket_close(pub);
        pass(&b, 10);
    }
    bench_close(&b);
}

/* Reads all that is there; how many frames of it are SUBSCRIBE. */
static size_t count_subscribes(bench *b, sb_fake_raw *raw)
{
    static uint8_t all[1 << 20];
    size_t n = 0, got, found = 0;
    while ((got = sb_fake_raw_read(raw, all + n, sizeof all - n)) > 0) {
        n += got;
        settle(b);
    }
    for (size_t at = 64; at < n;) {
        bool large = all[at] & 2;
        size_t len = large ? (size_t)sb__be64_get(all + at + 1) : all[at + 1];
        at += large ? 9 : 2;
        found += len >= 10 && memcmp(all + at, "\11SUBSCRIBE", 10) == 0;
        at += len;
        assert_true(at <= n); /* frames, exactly to the end */
    }
    return found;
}

/* A publisher that does not read, an XSUB that may not queue more for it: subscriptions come behind what
 * waits. */
static void test_protocol_23_subscriptions_pass_a_full_queue(void **state)
{
    bench b;
    sb_stats s = {0};
    char text[16];
    (void)state;
    bench_open(&b);
    sb_socket *sub = open_socket(&b, SB_XSUB, NULL);
    set_int(sub, SB_OPT_SNDHWM, 1);
    bind_to(sub, "tcp://127.0.0.1:1");
    settle(&b);
    for (int life = 0; life < 3; life++) {
        static const uint8_t message[60000] = {'m'};
        sb_fake_raw *raw = raw_join(b.loop, 1, "XPUB");
        uint64_t before = s.dropped[SB_DROP_HWM];
        for (int i = 0; i < 50 && s.dropped[SB_DROP_HWM] == before; i++) {
            assert_int_equal(sb_socket_send_bytes(sub, message, sizeof message), SB_OK);
            settle(&b);
            sb_socket_stats(sub, &s);
        }
        assert_true(s.dropped[SB_DROP_HWM] > before);
        for (int i = 0; i < 100; i++) {
            snprintf(text, sizeof text, "%d.%d", life, i);
            assert_int_equal(sb_socket_subscribe(sub, text, strlen(text)), SB_OK);
            settle(&b);
        }
        assert_int_equal(count_subscribes(&b, raw), 100 * (life + 1)); /* those of before came at the start */
        sb_fake_raw_close(raw, SB_ECLOSED);
        settle(&b);
    }
    bench_close(&b);
}

static void test_identities_that_begin_with_zero_are_refused(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, SB_ROUTER);
    meet_with(&r, 1, "DEALER", "\10Identity\0\0\0\5\0\0\0\0\1", 18);
    check_refused(&r);
    rig_close(&r);
}

static void test_an_error_command_is_spelled_right(void **state)
{
    rig r;
    uint8_t heard[512];
    (void)state;
    rig_open(&r, SB_ROUTER);
    meet(&r, "PULL"); /* nothing a ROUTER talks to */
    size_t n = hear(&r, heard, sizeof heard);
    assert_non_null(memmem(heard, n, "\5ERROR", 6));
    check_refused(&r);
    rig_close(&r);
}

static void test_subscriptions_never_reach_a_router_s_application(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, SB_ROUTER);
    meet(&r, "DEALER");
    SAY(&r, "\4\13\11SUBSCRIBEa\4\7\6CANCEL");
    check_served(&r);
    rig_close(&r);
}

static void test_endless_more_ends(void **state)
{
    static uint8_t empties[20000];
    rig r;
    (void)state;
    for (size_t i = 0; i < sizeof empties; i += 2)
        empties[i] = 1;
    rig_open(&r, SB_ROUTER);
    meet(&r, "DEALER");
    sb_fake_raw_write(r.raw, empties, sizeof empties);
    settle(&r.b);
    assert_int_equal(dropped(&r, SB_DROP_OVERSIZE), 1);
    check_refused(&r);
    rig_close(&r);
}

static void test_jeromq_440_and_netmq_1168_port_scanners(void **state)
{
    static const char *const hellos[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
        "\x16\3\1\0\xa5\1", "\2\xff\xff\xff\xff\xff\xff\xff\xff", "EHLO x\r\n", "\x80", "\n"};
    rig r;
    (void)state;
    rig_open(&r, SB_ROUTER);
    for (size_t i = 0; i < sizeof hellos / sizeof *hellos; i++) {
        call(&r);
        say(&r, hellos[i], strlen(hellos[i]));
        check_refused(&r);
    }
    rig_close(&r);
}

static void test_zmq_rs_286_short_lengths_in_ready(void **state)
{
    static const char ready[] = "\5READY\13Socket-Type\0\0\0\6DEALER";
    rig r;
    (void)state;
    rig_open(&r, SB_ROUTER);
    for (size_t len = 1; len + 1 < sizeof ready - 1; len++) {
        uint8_t frame[64] = {4, (uint8_t)len};
        if (len == 6)
            continue; /* READY without properties is another case */
        memcpy(frame + 2, ready, len);
        greet(&r, 1);
        say(&r, frame, 2 + len);
        check_refused(&r);
    }
    rig_close(&r);
}

static void test_zmq_rs_132_rep_and_deep_or_missing_envelopes(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, SB_REP);
    meet(&r, "DEALER");
    SAY(&r, "\0\1x");                /* no delimiter */
    SAY(&r, "\0\0");                 /* nothing behind it */
    SAY(&r, "\1\1a\1\1b\1\1c\0\1d"); /* never one */
    assert_int_equal(dropped(&r, SB_DROP_FILTERED), 3);
    for (int i = 0; i < 100; i++)
        sb_fake_raw_write(r.raw, "\1\1e", 3);
    SAY(&r, "\1\0\0\3ask");
    assert_int_equal(r.heard.n, 1);
    expect_seen(&r.heard, 0, "ask");
    assert_int_equal(send_text(r.sock, "answer"), SB_OK);
    r.greetings = 1;
    check_served(&r);
    rig_close(&r);
}

static void test_rzmq_8_short_pings(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, SB_ROUTER);
    meet(&r, "DEALER");
    SAY(&r, "\4\6\4PING\0");
    check_refused(&r);
    meet(&r, "DEALER");
    SAY(&r, "\4\5\4PING");
    check_refused(&r);
    meet(&r, "DEALER");
    SAY(&r, "\4\0");
    check_refused(&r);
    rig_close(&r);
}

/* libzmq HEAD writes eight octets of length without saying so. */
static void test_protocol_22_a_topic_of_255_octets_to_an_old_publisher(void **state)
{
    rig r;
    uint8_t heard[1024], topic[255];
    (void)state;
    rig_open(&r, SB_PUB);
    sb_socket *sub = open_socket(&r.b, SB_SUB, NULL);
    memset(topic, 't', sizeof topic);
    bind_to(sub, "tcp://127.0.0.1:7002");
    for (size_t len = 244; len <= 255; len++)
        assert_int_equal(sb_socket_subscribe(sub, topic, len), SB_OK);
    sb_addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&addr.ss;
    in->sin_family = AF_INET;
    in->sin_port = htons(7002);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (uint8_t minor = 0; minor < 2; minor++) {
        static uint8_t all[8192];
        size_t n = 0, got, found = 0;
        uint8_t greeting[64] = {0xff, [9] = 0x7f, 3, minor, 'N', 'U', 'L', 'L'};
        sb_fake_raw_close(r.raw, SB_OK);
        assert_int_equal(sb_fake_connect_raw(r.b.loop, &addr, &r.raw), SB_OK);
        say(&r, greeting, 64);
        SAY(&r, "\4\31\5READY\13Socket-Type\0\0\0\3PUB");
        while ((got = hear(&r, heard, sizeof heard)) > 0) {
            memcpy(all + n, heard, got);
            n += got;
            settle(&r.b);
        }
        for (size_t at = 64; at < n;) { /* frames, exactly to the end */
            size_t head = all[at] & 2 ? 9 : 2,
                   len = head == 2 ? all[at + 1] : (size_t)all[at + 7] << 8 | all[at + 8];
            size_t before = minor == 0 ? 1 : 10;
            if (len >= 244 + before && all[at + head] == (minor == 0 ? 1 : 9))
                found++;
            at += head + len;
            assert_true(at <= n);
        }
        assert_int_equal(found, 12);
    }
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_libzmq_13387c5c_pings_at_the_wrong_moment),
        cmocka_unit_test(test_libzmq_d61d662e_waits_do_not_overflow),
        cmocka_unit_test(test_libzmq_4226_a_ttl_over_65_seconds),
        cmocka_unit_test(test_protocol_36_a_ttl_of_ours_stays_below_65_5_seconds),
        cmocka_unit_test(test_libzmq_325_duplicate_identities),
        cmocka_unit_test(test_libzmq_2942_and_protocol_23_subscriptions_know_no_hwm),
        cmocka_unit_test(test_protocol_23_subscriptions_pass_a_full_queue),
        cmocka_unit_test(test_identities_that_begin_with_zero_are_refused),
        cmocka_unit_test(test_an_error_command_is_spelled_right),
        cmocka_unit_test(test_subscriptions_never_reach_a_router_s_application),
        cmocka_unit_test(test_endless_more_ends),
        cmocka_unit_test(test_jeromq_440_and_netmq_1168_port_scanners),
        cmocka_unit_test(test_zmq_rs_286_short_lengths_in_ready),
        cmocka_unit_test(test_zmq_rs_132_rep_and_deep_or_missing_envelopes),
        cmocka_unit_test(test_rzmq_8_short_pings),
        cmocka_unit_test(test_protocol_22_a_topic_of_255_octets_to_an_old_publisher),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
