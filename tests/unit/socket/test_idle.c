/* Connections that say little: how they begin, and what is kept of them. */
#include "tests/unit/socket/stranger.h"

static const uint8_t greeting[64] = {0xff, [9] = 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
static const char ready[] = "\4\x1a\5READY\13Socket-Type\0\0\0\4PUSH";

static void open_rig(rig *r)
{
    memset(r, 0, sizeof *r);
    bench_open(&r->b);
    r->sock = open_socket(&r->b, SB_PULL, &r->heard);
    bind_to(r->sock, "tcp://127.0.0.1:7000");
    settle(&r->b);
}

/* Calls, and has said `n` octets before anybody looks. */
static void call_saying(rig *r, const void *octets, size_t n)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(7000)};
    sb_addr addr = {.len = sizeof in};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&addr.ss, &in, sizeof in);
    assert_int_equal(sb_fake_connect_raw(r->b.loop, &addr, &r->raw), SB_OK);
    assert_int_equal(sb_fake_raw_write(r->raw, octets, n), n);
}

/* Octets of the first write that comes. */
static size_t first_write(rig *r)
{
    size_t n = 0;
    for (int i = 0; i < 100 && n == 0; i++) {
        sb_loop_step(r->b.loop);
        n = sb_fake_raw_available(r->raw);
    }
    return n;
}

static void test_a_greeting_that_is_here_is_answered_with_one_write(void **state)
{
    rig r;
    uint8_t hello[sizeof greeting + sizeof ready - 1];
    (void)state;
    open_rig(&r);
    memcpy(hello, greeting, sizeof greeting);
    memcpy(hello + sizeof greeting, ready, sizeof ready - 1);
    call_saying(&r, hello, sizeof hello);
    assert_int_equal(first_write(&r), sizeof hello); /* PULL's own is as long */
    settle(&r.b);
    assert_int_equal(peers(&r), 1);
    rig_close(&r);
}

static void test_who_waits_for_our_signature_gets_it(void **state)
{
    rig r;
    (void)state;
    open_rig(&r);
    call_saying(&r, "", 0);
    assert_int_equal(first_write(&r), 10);
    rig_close(&r);
}

/* Its message stays when it goes, and so does where it came from. */
static void test_a_peer_that_went_still_has_its_address(void **state)
{
    rig r;
    char before[128];
    (void)state;
    open_rig(&r);
    call_saying(&r, greeting, sizeof greeting);
    SAY(&r, ready);
    SAY(&r, "\0\2hi");
    assert_non_null(r.heard.peer);
    snprintf(before, sizeof before, "%s", sb_peer_address(r.heard.peer));
    assert_memory_equal(before, "tcp://127.0.0.1:", 16);
    sb_peer_pause(r.heard.peer);
    sb_fake_raw_close(r.raw, SB_OK);
    r.raw = NULL;
    settle(&r.b);
    assert_int_equal(peers(&r), 0);
    assert_string_equal(sb_peer_address(r.heard.peer), before);
    sb_peer_resume(r.heard.peer);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_greeting_that_is_here_is_answered_with_one_write),
        cmocka_unit_test(test_who_waits_for_our_signature_gets_it),
        cmocka_unit_test(test_a_peer_that_went_still_has_its_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
