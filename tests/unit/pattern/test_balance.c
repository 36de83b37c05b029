/* balance = least_queued, weighted, sticky. */
#include "fake.h"

#include "engine/base/map.h"

static void join_as(rig *r, fake *f, uint32_t hwm, uint32_t weight, uint64_t place)
{
    assert_int_equal(fake_attach(r, f, hwm), SB_OK);
    f->peer.weight = weight;
    f->peer.place = place;
    assert_int_equal(fake_ready(r, f, NULL), SB_OK);
}

static void test_the_one_with_the_least_gets_it(void **state)
{
    (void)state;
    rig r;
    fake p[3];
    sb__pattern_options o = {.balance = SB_BALANCE_LEAST_QUEUED};
    rig_init(&r, SB_PUSH, &o);
    for (int i = 0; i < 3; i++)
        join_as(&r, &p[i], 0, 1, (uint64_t)i);
    for (int i = 0; i < 9; i++)
        assert_int_equal(send_text(&r, "x"), SB_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(p[i].peer.out.msgs, 3);
    for (int i = 0; i < 3; i++)
        check_sent(&p[1], "x"); /* a quick one */
    for (int i = 0; i < 3; i++)
        assert_int_equal(send_text(&r, "y"), SB_OK);
    assert_int_equal(p[1].peer.out.msgs, 3);
    for (int i = 0; i < 3; i++)
        fake_leave(&r, &p[i]);
    rig_finish(&r);
}

static void test_what_is_not_answered_counts_for_a_dealer(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    sb__pattern_options o = {.balance = SB_BALANCE_LEAST_QUEUED};
    rig_init(&r, SB_DEALER, &o);
    join_as(&r, &a, 0, 1, 1);
    join_as(&r, &b, 0, 1, 2);
    a.peer.msgs_out = 12; /* four are with it, nothing is queued */
    a.peer.msgs_in = 8;
    b.peer.msgs_out = 3;
    b.peer.msgs_in = 3;
    for (int i = 0; i < 4; i++)
        assert_int_equal(send_text(&r, "x"), SB_OK);
    assert_int_equal(a.peer.out.msgs, 0);
    assert_int_equal(b.peer.out.msgs, 4);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_shares_follow_the_weights_smoothly(void **state)
{
    (void)state;
    rig r;
    fake p[3];
    char order[16] = "";
    sb__pattern_options o = {.balance = SB_BALANCE_WEIGHTED};
    rig_init(&r, SB_PUSH, &o);
    for (int i = 0; i < 3; i++)
        join_as(&r, &p[i], 0, i == 0 ? 5 : 1, (uint64_t)i);
    for (int i = 0; i < 7; i++) {
        uint32_t before[3] = {p[0].peer.out.msgs, p[1].peer.out.msgs, p[2].peer.out.msgs};
        assert_int_equal(send_text(&r, "x"), SB_OK);
        for (int k = 0; k < 3; k++)
            if (p[k].peer.out.msgs != before[k])
                order[i] = (char)('a' + k);
    }
    assert_int_equal(p[0].peer.out.msgs, 5);
    assert_int_equal(p[1].peer.out.msgs, 1);
    assert_int_equal(p[2].peer.out.msgs, 1);
    assert_null(strstr(order, "aaaa")); /* not all of a share at once */
    for (int i = 0; i < 3; i++)
        fake_leave(&r, &p[i]);
    rig_finish(&r);
}

static void test_a_full_heavy_one_leaves_the_rest_to_the_others(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    sb__pattern_options o = {.balance = SB_BALANCE_WEIGHTED};
    rig_init(&r, SB_PUSH, &o);
    join_as(&r, &a, 2, 100, 1);
    join_as(&r, &b, 4, 1, 2);
    for (int i = 0; i < 6; i++)
        assert_int_equal(send_text(&r, "x"), SB_OK);
    assert_int_equal(send_text(&r, "x"), SB_EAGAIN);
    check_sent(&a, "x");
    assert_int_equal(r.writable, 1);
    assert_int_equal(send_text(&r, "x"), SB_OK);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

enum { KEYS = 200, PEERS = 4 };

/* Sends every key once; who[] gets the peer of each. */
static void spread(rig *r, fake *p, int n, int *who)
{
    for (int k = 0; k < KEYS; k++) {
        char key[8];
        sb_msg msg;
        snprintf(key, sizeof key, "k%d", k);
        message(&msg, "body", key, NULL);
        uint32_t before[PEERS];
        for (int i = 0; i < n; i++)
            before[i] = p[i].peer.out.msgs;
        assert_int_equal(r->pat->impl->send(r->pat, &msg), SB_OK);
        sb_msg_finish(&msg);
        for (int i = 0; i < n; i++)
            if (p[i].peer.attached && p[i].peer.out.msgs != before[i])
                who[k] = i;
    }
}

static void test_a_key_stays_with_its_peer(void **state)
{
    (void)state;
    rig r;
    fake p[PEERS];
    int first[KEYS], second[KEYS], count[PEERS] = {0}, moved = 0;
    sb__pattern_options o = {.balance = SB_BALANCE_STICKY, .balance_key = 2};
    rig_init(&r, SB_PUSH, &o);
    for (int i = 0; i < PEERS; i++)
        join_as(&r, &p[i], 0, 1, sb_hash(&i, sizeof i, 0));
    spread(&r, p, PEERS, first);
    spread(&r, p, PEERS, second);
    assert_memory_equal(first, second, sizeof first);
    for (int k = 0; k < KEYS; k++)
        count[first[k]]++;
    for (int i = 0; i < PEERS; i++)
        assert_in_range(count[i], KEYS / PEERS / 2, KEYS / PEERS * 2);
    fake_leave(&r, &p[3]); /* only its keys move */
    spread(&r, p, 3, second);
    for (int k = 0; k < KEYS; k++) {
        assert_true(first[k] == 3 || first[k] == second[k]);
        moved += first[k] != second[k];
    }
    assert_int_equal(moved, count[3]);
    int id = 3;
    join_as(&r, &p[3], 0, 1, sb_hash(&id, sizeof id, 0)); /* back again: all is as it was */
    spread(&r, p, PEERS, second);
    assert_memory_equal(first, second, sizeof first);
    for (int i = 0; i < PEERS; i++)
        fake_leave(&r, &p[i]);
    rig_finish(&r);
}

static void test_a_key_waits_for_its_peer(void **state)
{
    (void)state;
    rig r;
    fake a, b;
    sb__pattern_options o = {.balance = SB_BALANCE_STICKY, .balance_key = 1};
    rig_init(&r, SB_PUSH, &o);
    assert_int_equal(send_text(&r, "key"), SB_EAGAIN);
    join_as(&r, &a, 1, 1, 1);
    join_as(&r, &b, 1, 1, 2);
    assert_int_equal(send_text(&r, "key"), SB_OK);
    fake *its = a.peer.out.msgs > 0 ? &a : &b, *other = its == &a ? &b : &a;
    r.writable = 0;
    assert_int_equal(send_text(&r, "key"), SB_EAGAIN); /* the other one has room */
    assert_int_equal(other->peer.out.msgs, 0);
    check_sent(its, "key");
    assert_int_equal(r.writable, 1);
    assert_int_equal(send_text(&r, "key"), SB_OK);
    r.options.on_full = SB_ON_FULL_DROP_NEW;
    assert_int_equal(send_text(&r, "key"), SB_OK);
    assert_int_equal(r.dropped[SB_DROP_HWM], 1);
    fake_leave(&r, &a);
    fake_leave(&r, &b);
    rig_finish(&r);
}

static void test_a_request_is_keyed_by_its_body(void **state)
{
    (void)state;
    rig r;
    fake p[2];
    int hits[2] = {0};
    sb__pattern_options o = {
        .balance = SB_BALANCE_STICKY, .balance_key = 1, .req_relaxed = true, .req_correlate = true};
    rig_init(&r, SB_REQ, &o);
    for (int i = 0; i < 2; i++)
        join_as(&r, &p[i], 0, 1, sb_hash(&i, sizeof i, 0));
    for (int k = 0; k < 40; k++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", k);
        assert_int_equal(send_text(&r, key), SB_OK);
    }
    for (int i = 0; i < 2; i++)
        hits[i] = (int)p[i].peer.out.msgs;
    assert_int_equal(hits[0] + hits[1], 40);
    assert_in_range(hits[0], 8, 32); /* by the delimiter all would go to one */
    for (int i = 0; i < 2; i++)
        fake_leave(&r, &p[i]);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_one_with_the_least_gets_it),
        cmocka_unit_test(test_what_is_not_answered_counts_for_a_dealer),
        cmocka_unit_test(test_shares_follow_the_weights_smoothly),
        cmocka_unit_test(test_a_full_heavy_one_leaves_the_rest_to_the_others),
        cmocka_unit_test(test_a_key_stays_with_its_peer),
        cmocka_unit_test(test_a_key_waits_for_its_peer),
        cmocka_unit_test(test_a_request_is_keyed_by_its_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
