/* on_full of those that send to the peer that asked, or to all that joined, on the fake loop. */
#include "tests/unit/socket/bench.h"

static const struct {
    sb_type type, other;
    bool waits; /* by default */
} addressing[] = {
    {SB_SERVER, SB_CLIENT, true},
    {SB_PEER, SB_PEER, true},
    {SB_REP, SB_DEALER, false},
    {SB_RADIO, SB_DISH, false},
    {SB_STREAM, SB_STREAM, true},
};

static uint64_t dropped(const sb_socket *sock, sb_drop why)
{
    sb_stats s;
    sb_socket_stats(sock, &s);
    return s.dropped[why];
}

typedef struct asked {
    bench b;
    ear here, there;
    sb_socket *sock, *other;
} asked;

/* The other one asks six times, where somebody has to. */
static void asked_open(asked *a, size_t kind, sb_on_full policy)
{
    bench_open(&a->b);
    a->sock = open_socket(&a->b, addressing[kind].type, &a->here);
    a->other = open_socket(&a->b, addressing[kind].other, &a->there);
    a->here.take = 0;
    set_int(a->sock, SB_OPT_SNDHWM, 3);
    set_int(a->sock, SB_OPT_ON_FULL, policy);
    bind_to(a->sock, "tcp://127.0.0.1:9");
    if (addressing[kind].type == SB_RADIO)
        assert_int_equal(sb_socket_join(a->other, "g", 1), SB_OK);
    connect_to(a->other, "tcp://127.0.0.1:9");
    settle(&a->b);
    for (int i = 0; i < 6 && sb_socket_type(a->sock) == SB_REP; i++)
        assert_int_equal(send_frames(a->other, "|q"), SB_OK);
    settle(&a->b);
}

static void asked_close(asked *a)
{
    ear_clear(&a->here);
    ear_clear(&a->there);
    bench_close(&a->b);
}

static bool note_peer(void *arg, sb_peer *peer)
{
    *(sb_peer **)arg = peer;
    return false;
}

static sb_peer *first_peer(sb_socket *sock)
{
    sb_peer *peer = NULL;
    sb_socket_each_peer(sock, note_peer, &peer);
    assert_non_null(peer);
    return peer;
}

static sb_err answer(asked *a, int i)
{
    char text[16];
    sb_msg msg;
    size_t len;
    const void *id = sb_peer_routing_id(first_peer(a->sock), &len);
    sb_msg_init(&msg);
    if (sb_socket_type(a->sock) == SB_RADIO)
        sb_msg_push(&msg, "g", 1, NULL);
    else if (sb_socket_type(a->sock) != SB_REP)
        sb_msg_push(&msg, id, len, NULL);
    snprintf(text, sizeof text, "%d", i);
    sb_msg_push(&msg, text, strlen(text), NULL);
    sb_err err = sb_socket_send(a->sock, &msg);
    sb_msg_finish(&msg);
    return err;
}

/* Nothing is written before the turn ends: the fourth finds the queue full. */
static sb_err answer_four(asked *a)
{
    sb_msg view;
    sb_err err = SB_OK;
    for (int i = 1; i <= 4 && err == SB_OK; i++) {
        sb_msg_init(&view);
        if (sb_socket_type(a->sock) == SB_REP)
            assert_int_equal(sb_socket_recv(a->sock, &view), SB_OK);
        sb_msg_finish(&view);
        err = answer(a, i);
    }
    return err;
}

static void test_an_addressed_peer_that_is_full_gets_what_the_policy_leaves(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof addressing / sizeof addressing[0]; k++) {
        for (int policy = SB_ON_FULL_DEFAULT; policy <= SB_ON_FULL_DROP_OLD; policy++) {
            asked a;
            bool waits = policy == SB_ON_FULL_BLOCK || (policy == SB_ON_FULL_DEFAULT && addressing[k].waits);
            bool old = policy == SB_ON_FULL_DROP_OLD;
            if (addressing[k].type == SB_STREAM && policy >= SB_ON_FULL_DROP_NEW)
                continue;
            asked_open(&a, k, policy);
            ear_clear(&a.there);
            assert_int_equal(answer_four(&a), waits ? SB_EAGAIN : SB_OK);
            assert_int_equal(dropped(a.sock, SB_DROP_HWM), !waits && !old);
            assert_int_equal(dropped(a.sock, SB_DROP_EVICTED), old);
            settle(&a.b);
            assert_int_equal(a.here.writables, waits);
            if (waits)
                assert_int_equal(answer(&a, 4), SB_OK);
            settle(&a.b);
            if (addressing[k].type != SB_STREAM)
                assert_int_equal(a.there.n, waits ? 4 : 3);
            asked_close(&a);
        }
    }
}

/* Four at once are no reason where somebody waits (test_patience.c), and one where nobody does. */
static void test_an_addressed_peer_that_is_full_may_be_disconnected(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof addressing / sizeof addressing[0]; k++) {
        asked a;
        bool waits = addressing[k].waits;
        asked_open(&a, k, SB_ON_FULL_DISCONNECT);
        assert_int_equal(answer_four(&a), waits ? SB_EAGAIN : SB_OK);
        assert_int_equal(dropped(a.sock, SB_DROP_HWM), !waits);
        assert_null(strstr(a.here.events, "disconnected"));
        pass(&a.b, waits ? 3000 : 1);
        assert_int_equal(a.here.writables, waits);
        assert_int_equal(strstr(a.here.events, "disconnected") == NULL, waits);
        asked_close(&a);
    }
}

static void test_a_reply_that_waits_learns_that_its_peer_is_gone(void **state)
{
    (void)state;
    asked a;
    asked_open(&a, 2, SB_ON_FULL_BLOCK);
    assert_int_equal(answer_four(&a), SB_EAGAIN);
    assert_int_equal(sb_peer_kick(first_peer(a.sock), NULL), SB_OK);
    settle(&a.b);
    assert_int_equal(a.here.writables, 1);
    assert_int_equal(answer(&a, 4), SB_OK);
    assert_int_equal(dropped(a.sock, SB_DROP_NO_PEER), 1);
    asked_close(&a);
}

static void test_a_peer_is_found_by_its_routing_id_and_says_whether_it_takes(void **state)
{
    (void)state;
    const sb_type types[][2] = {{SB_ROUTER, SB_DEALER}, {SB_SERVER, SB_CLIENT}, {SB_STREAM, SB_STREAM}};
    for (size_t i = 0; i < 3; i++) {
        bench b;
        size_t len;
        bench_open(&b);
        sb_socket *a = open_socket(&b, types[i][0], NULL), *z = open_socket(&b, types[i][1], NULL);
        set_int(a, SB_OPT_SNDHWM, 2);
        bind_to(a, "tcp://127.0.0.1:9");
        connect_to(z, "tcp://127.0.0.1:9");
        settle(&b);
        sb_peer *peer = first_peer(a);
        const uint8_t *id = sb_peer_routing_id(peer, &len);
        assert_ptr_equal(sb_socket_peer_named(a, id, len), peer);
        assert_null(sb_socket_peer_named(a, "nobody", 6));
        assert_null(sb_socket_peer_named(a, id, len - 1));
        for (int k = 0; k < 2; k++) {
            sb_msg msg;
            assert_true(sb_peer_takes(peer));
            sb_msg_init(&msg);
            sb_msg_push(&msg, id, len, NULL);
            sb_msg_push(&msg, "x", 1, NULL);
            assert_int_equal(sb_socket_send(a, &msg), SB_OK); /* what lies in the queue until the turn ends */
            sb_msg_finish(&msg);
        }
        assert_false(sb_peer_takes(peer));
        settle(&b);
        assert_true(sb_peer_takes(peer));
        bench_close(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_addressed_peer_that_is_full_gets_what_the_policy_leaves),
        cmocka_unit_test(test_an_addressed_peer_that_is_full_may_be_disconnected),
        cmocka_unit_test(test_a_reply_that_waits_learns_that_its_peer_is_gone),
        cmocka_unit_test(test_a_peer_is_found_by_its_routing_id_and_says_whether_it_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
