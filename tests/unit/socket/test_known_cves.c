/* CVEs of other engines, by name: what was sent to them is sent to us. What they say about mechanisms is
 * tested with the mechanisms; docs/security-rows.md has the list. */
#include "tests/unit/socket/stranger.h"

/* Below 3.0 there are no mechanisms: with one, nothing below 3.0 is let in. */
static void test_cve_2014_7202_and_9721_old_versions_do_not_pass_by_the_mechanism(void **state)
{
    static const char v1[] = "\1\0\5\0evil", v2[] = "\xff\0\0\0\0\0\0\0\1\x7f\1\5\0\0\0\4evil";
    rig r;
    (void)state;
    rig_open(&r, SB_ROUTER);
    sb_socket_unbind(r.sock, "tcp://127.0.0.1:7000");
    settle(&r.b);
    set_int(r.sock, SB_OPT_PLAIN_SERVER, 1);
    bind_to(r.sock, "tcp://127.0.0.1:7000");
    for (int i = 0; i < 2; i++) {
        call(&r);
        say(&r, i == 0 ? v1 : v2, i == 0 ? sizeof v1 - 1 : sizeof v2 - 1);
        assert_true(hung_up(&r));
        assert_int_equal(peers(&r), 0);
        assert_int_equal(r.heard.n, 0);
    }
    rig_close(&r);
}

static void test_cve_2019_6250_lengths_that_wrap(void **state)
{
    static const char *const heads[] = {"\2\xff\xff\xff\xff\xff\xff\xff\xff", "\2\x80\0\0\0\0\0\0\0",
        "\3\xff\xff\xff\xff\xff\xff\xff\xf7", "\6\xff\xff\xff\xff\xff\xff\xff\xff"};
    rig r;
    (void)state;
    rig_open(&r, SB_ROUTER);
    for (size_t i = 0; i < 8; i++) {
        set_int(r.sock, SB_OPT_MAX_MESSAGE, i < 4 ? 0 : 268435456); /* also where no limit of ours helps */
        meet(&r, "DEALER");
        if (i % 4 < 3)
            SAY(&r, "\1\5frame");
        say(&r, heads[i % 4], 9);
        SAY(&r, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        check_refused(&r);
    }
    meet(&r, "DEALER");
    SAY(&r, "\2\x7f\xff\xff\xff\xff\xff\xff\xff"
            "only this came"); /* refused or waited for, but never allocated */
    assert_in_range(peers(&r), 1, 2);
    check_served(&r);
    rig_close(&r);
}

static void test_cve_2019_13132_metadata_of_any_size(void **state)
{
    static uint8_t ready[70000] = {6, 0, 0, 0, 0, 0, 1, 0x11, 0x67}; /* 69991 octets, LONG */
    rig r;
    (void)state;
    rig_open(&r, SB_ROUTER);
    memcpy(ready + 9, "\5READY\13Socket-Type\0\0\0\6DEALER\7X-large\0\1\x11\x3f",
        40); /* all well but its size */
    memset(ready + 49, 'A', sizeof ready - 49);
    greet(&r, 1);
    sb_fake_raw_write(r.raw, ready, sizeof ready);
    settle(&r.b);
    check_refused(&r);
    rig_close(&r);
}

static void test_cve_2020_15166_a_silent_connection_blocks_nobody(void **state)
{
    rig r;
    ear got;
    (void)state;
    rig_open(&r, SB_ROUTER);
    sb_socket *push = open_socket(&r.b, SB_PUSH, NULL), *pull = open_socket(&r.b, SB_PULL, &got);
    bind_to(push, "tcp://127.0.0.1:7001");
    sb_addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&addr.ss;
    in->sin_family = AF_INET;
    in->sin_port = htons(7001);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(sb_fake_connect_raw(r.b.loop, &addr, &r.raw), SB_OK); /* and says nothing */
    settle(&r.b);
    assert_int_equal(send_text(push, "x"), SB_EAGAIN); /* it is no peer */
    connect_to(pull, "tcp://127.0.0.1:7001");
    settle(&r.b);
    for (int i = 0; i < 100; i++)
        assert_int_equal(send_text(push, "x"), SB_OK);
    settle(&r.b);
    assert_int_equal(got.n, 100);
    pass(&r.b, 31000); /* the handshake's limit */
    assert_true(hung_up(&r));
    ear_clear(&got);
    rig_close(&r);
}

static void test_cve_2021_20234_half_messages_do_not_stay(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, SB_ROUTER);
    for (int i = 0; i < 300; i++) {
        meet(&r, "DEALER");
        SAY(&r, "\1\5first\1\6second\0\100half"); /* the sanitizer counts what stays */
    }
    call(&r);
    assert_int_equal(dropped(&r, SB_DROP_INCOMPLETE), 300);
    check_served(&r);
    rig_close(&r);
}

static void test_cve_2021_20235_and_2020_36400_version_1_messages_are_not_taken(void **state)
{
    static uint8_t message[9000] = {0xff, 0, 0, 0, 0, 0, 0, 0x23, 0x1e, 0};
    rig r;
    (void)state;
    rig_open(&r, SB_ROUTER);
    call(&r);
    SAY(&r, "\1\0");
    sb_fake_raw_write(r.raw, message, sizeof message);
    sb_fake_raw_write(r.raw, message, sizeof message);
    settle(&r.b);
    check_refused(&r);
    rig_close(&r);
}

static size_t subscribe(uint8_t *out, size_t len, bool on)
{
    uint64_t body = (on ? 10 : 7) + len;
    out[0] = 6;
    for (int i = 0; i < 8; i++)
        out[1 + i] = (uint8_t)(body >> (56 - 8 * i));
    memcpy(out + 9, on ? "\11SUBSCRIBE" : "\6CANCEL", on ? 10 : 7);
    memset(out + 9 + (on ? 10 : 7), 'a', len);
    return 9 + body;
}

/* A trie as deep as the topic is long, taken down without recursion. */
static void test_cve_2021_20236_long_topics_and_their_end(void **state)
{
    static uint8_t block[1100000];
    rig r;
    (void)state;
    rig_open(&r, SB_PUB);
    meet(&r, "SUB");
    for (size_t len = 65000; len > 64000; len -= 50) {
        size_t n = subscribe(block, len, true);
        say(&r, block, n);
    }
    for (size_t len = 65000; len > 64500; len -= 50) {
        size_t n = subscribe(block, len, false);
        say(&r, block, n);
    }
    assert_int_equal(peers(&r), 2);
    call(&r); /* hangs up: the rest goes at once */
    assert_int_equal(peers(&r), 1);
    meet(&r, "SUB");
    size_t n = subscribe(block, 1000000, true);
    sb_fake_raw_write(r.raw, block, n < 200000 ? n : 200000);
    settle(&r.b);
    assert_true(hung_up(&r)); /* a topic of a megabyte is too long */
    assert_int_equal(peers(&r), 1);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cve_2014_7202_and_9721_old_versions_do_not_pass_by_the_mechanism),
        cmocka_unit_test(test_cve_2019_6250_lengths_that_wrap),
        cmocka_unit_test(test_cve_2019_13132_metadata_of_any_size),
        cmocka_unit_test(test_cve_2020_15166_a_silent_connection_blocks_nobody),
        cmocka_unit_test(test_cve_2021_20234_half_messages_do_not_stay),
        cmocka_unit_test(test_cve_2021_20235_and_2020_36400_version_1_messages_are_not_taken),
        cmocka_unit_test(test_cve_2021_20236_long_topics_and_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
