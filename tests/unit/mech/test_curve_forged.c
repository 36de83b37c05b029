/* A CURVE client made by hand, which may lie in every field that its boxes do not protect from itself: what
 * it may not say is refused although every box is authentic. */
#include "engine/mech/curve.h"
#include "tests/unit/mech/curve_pair.h"

#include <sodium.h>

#define COOKIE 96
#define VOUCH  80 /* without its nonce */

/* Of an INITIATE, what the client tells; the right values first, the tests change them. */
typedef struct liar {
    struct pair p;
    sb_curve_pair transient;
    uint8_t server_transient[32], cookie[COOKIE];
    sb_curve_pair own;                    /* C */
    uint8_t vouched[32], vouched_for[32]; /* c and S in the vouch */
    uint8_t voucher[32];                  /* whose word it is: C's secret key */
    uint64_t number;
} liar;

static void put_hello(liar *l)
{
    uint8_t nonce[24] = "CurveZMQHELLO---", zeros[64] = {0}, *body = l->p.hello + 2;
    sb__be64_put(nonce + 16, 1);
    memset(l->p.hello, 0, 202);
    l->p.hello[0] = SB__FRAME_COMMAND;
    l->p.hello[1] = 200;
    memcpy(body, "\5HELLO\1\0", 8);
    memcpy(body + 80, l->transient.public_key, 32);
    memcpy(body + 112, nonce + 16, 8);
    assert_int_equal(crypto_box_easy(body + 120, zeros, 64, nonce, l->p.server_keys[0].public_key,
                         l->transient.secret_key),
        0);
    l->p.hello_len = 202;
}

static void read_welcome(liar *l)
{
    uint8_t nonce[24] = "WELCOME-", text[32 + COOKIE];
    const uint8_t *data = l->p.welcome + 2 + 8;
    assert_int_equal(l->p.welcome_len, 170);
    memcpy(nonce + 8, data, 16);
    assert_int_equal(crypto_box_open_easy(text, data + 16, sizeof text + 16, nonce,
                         l->p.server_keys[0].public_key, l->transient.secret_key),
        0);
    memcpy(l->server_transient, text, 32);
    memcpy(l->cookie, text + 32, COOKIE);
}

/* A connection of its own, up to the WELCOME. */
static void meet(liar *l)
{
    sb_curve_generate(&l->transient);
    put_hello(l);
    pair_start_server(&l->p);
    assert_int_equal(pair_give(&l->p, &l->p.server, l->p.hello, l->p.hello_len), SB__MECH_ON);
    l->p.welcome_len = pair_take(&l->p, l->p.welcome);
    read_welcome(l);
    memcpy(l->vouched, l->transient.public_key, 32);
    memcpy(l->vouched_for, l->p.server_keys[0].public_key, 32);
    memcpy(l->voucher, l->own.secret_key, 32);
    l->number = 2;
}

static void put_vouch(const liar *l, uint8_t *to)
{
    uint8_t nonce[24] = "VOUCH---", text[64];
    randombytes_buf(to, 16);
    memcpy(nonce + 8, to, 16);
    memcpy(text, l->vouched, 32);
    memcpy(text + 32, l->vouched_for, 32);
    assert_int_equal(crypto_box_easy(to + 16, text, 64, nonce, l->server_transient, l->voucher), 0);
}

static sb__mech_step initiate(liar *l)
{
    uint8_t nonce[24] = "CurveZMQINITIATE", text[32 + 16 + VOUCH + 8], *body = l->p.initiate + 9;
    size_t len = 9 + 1 + COOKIE + 8 + 16 + sizeof text - 1;
    sb__be64_put(nonce + 16, l->number);
    memcpy(text, l->own.public_key, 32);
    put_vouch(l, text + 32);
    memcpy(text + 32 + 16 + VOUCH, "metadata", 8);
    l->p.initiate[0] = SB__FRAME_COMMAND | SB__FRAME_LONG;
    sb__be64_put(l->p.initiate + 1, len);
    memcpy(body, "\10INITIATE", 9);
    memcpy(body + 9, l->cookie, COOKIE);
    memcpy(body + 9 + COOKIE, nonce + 16, 8);
    assert_int_equal(crypto_box_easy(body + 9 + COOKIE + 8, text, sizeof text, nonce, l->server_transient,
                         l->transient.secret_key),
        0);
    l->p.initiate_len = 9 + len;
    return pair_give(&l->p, &l->p.server, l->p.initiate, l->p.initiate_len);
}

static int set_up(void **state)
{
    liar *l = calloc(1, sizeof *l);
    pair_init(&l->p);
    sb_curve_generate(&l->own);
    meet(l);
    *state = l;
    return 0;
}

static int tear_down(void **state)
{
    liar *l = *state;
    pair_finish(&l->p);
    free(l);
    return 0;
}

static void test_one_that_tells_the_truth_is_asked_about(void **state)
{
    liar *l = *state;
    assert_int_equal(initiate(l), SB__MECH_ASK);
    assert_memory_equal(l->p.server.credentials.key, l->own.public_key, 32);
}

static void test_a_number_that_does_not_grow_is_refused_in_an_authentic_box(void **state)
{
    liar *l = *state;
    for (uint64_t number = 0; number < 2; number++) {
        meet(l);
        l->number = number;
        assert_int_equal(initiate(l), SB__MECH_CRYPTO);
    }
}

/* Somebody who has another's public key, but not the secret one. */
static void test_a_vouch_of_somebody_else_is_refused(void **state)
{
    liar *l = *state;
    sb_curve_pair another;
    sb_curve_generate(&another);
    memcpy(l->own.public_key, another.public_key, 32);
    assert_int_equal(initiate(l), SB__MECH_CRYPTO);
}

static void test_a_vouch_for_another_connection_is_refused(void **state)
{
    liar *l = *state;
    sb_curve_pair another;
    sb_curve_generate(&another);
    memcpy(l->vouched, another.public_key, 32);
    assert_int_equal(initiate(l), SB__MECH_CRYPTO);
}

/* A server that passes on what a client said to it; also with a key that is ours as well. */
static void test_a_vouch_for_another_server_is_refused(void **state)
{
    liar *l = *state;
    memcpy(l->vouched_for, l->p.server_keys[1].public_key, 32);
    assert_int_equal(initiate(l), SB__MECH_CRYPTO);
}

static void test_a_cookie_of_another_connection_is_refused(void **state)
{
    liar *l = *state;
    uint8_t cookie[COOKIE];
    memcpy(cookie, l->cookie, COOKIE);
    meet(l);
    memcpy(l->cookie, cookie, COOKIE);
    assert_int_equal(initiate(l), SB__MECH_CRYPTO);
}

/* ---- numbers of messages ---- */

/* The client's MESSAGE of any number, in an authentic box; whether it is taken. */
static bool say(liar *l, uint64_t number)
{
    uint8_t nonce[24] = "CurveZMQMESSAGEC", text[] = "\0text", box[8 + 8 + 16 + sizeof text - 1];
    uint8_t room[SB__MECH_ROOM + sizeof box];
    sb__mech_frame frame;
    memcpy(box, "\7MESSAGE", 8);
    sb__be64_put(box + 8, number);
    memcpy(nonce + 16, box + 8, 8);
    assert_int_equal(
        crypto_box_easy(box + 16, text, sizeof text - 1, nonce, l->server_transient, l->transient.secret_key),
        0);
    return l->p.server.impl->open(&l->p.server, box, sizeof box, room + SB__MECH_ROOM, &frame);
}

static void come_in(liar *l, uint64_t number)
{
    l->number = number;
    assert_int_equal(initiate(l), SB__MECH_ASK);
    assert_int_equal(l->p.server.impl->accept(&l->p.server, &l->p.out), SB__MECH_DONE);
    l->p.server.impl->settle(&l->p.server);
    pair_take(&l->p, l->p.ready);
}

static void test_cve_2014_7203_numbers_of_messages_rise_by_one(void **state)
{
    static const uint64_t wrong[] = {
        0, 1, 2, 4, 5, 1u << 31, 1ull << 32, (1ull << 32) + 3, UINT64_MAX - 1, UINT64_MAX};
    liar *l = *state;
    come_in(l, 2);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(say(l, wrong[i]));
    for (uint64_t number = 3; number < 100; number++) {
        assert_true(say(l, number));
        for (uint64_t old = 0; old <= number; old++)
            assert_false(say(l, old));
        assert_false(say(l, number + 2));
    }
}

/* From 2^64 - 1 there is no way on: 0 would come again. */
static void test_numbers_do_not_begin_again(void **state)
{
    liar *l = *state;
    come_in(l, UINT64_MAX);
    for (uint64_t number = 0; number < 4; number++)
        assert_false(say(l, number));
    assert_false(say(l, UINT64_MAX));
}

static void test_a_sender_stops_before_its_numbers_begin_again(void **state)
{
    const uint8_t shared[crypto_box_BEFORENMBYTES] = {1};
    const sb__mech_frame frame = {.body = (const uint8_t *)"text", .len = 4};
    uint8_t room[64 + SB__CURVE_OVERHEAD];
    sb__curve_box box;
    (void)state;
    sb__curve_box_init(&box, shared, true, UINT64_MAX - 1);
    assert_true(sb__curve_seal(&box, &frame, room));
    assert_false(sb__curve_seal(&box, &frame, room));
    assert_false(sb__curve_seal(&box, &frame, room));
}

/* ---- a server made by hand ---- */

/* Answers the client's HELLO with keys of our own, so that we can make the READY too. */
static void welcome(struct pair *p, sb_curve_pair *own)
{
    uint8_t nonce[24] = "WELCOME-", text[32 + COOKIE] = {0}, *body = p->welcome + 2;
    sb_curve_generate(own);
    memcpy(text, own->public_key, 32);
    p->welcome[0] = SB__FRAME_COMMAND;
    p->welcome[1] = 168;
    memcpy(body, "\7WELCOME", 8);
    randombytes_buf(body + 8, 16);
    memcpy(nonce + 8, body + 8, 16);
    assert_int_equal(
        crypto_box_easy(body + 24, text, sizeof text, nonce, p->hello + 2 + 80, p->server_keys[0].secret_key),
        0);
    assert_int_equal(pair_give(p, &p->client, p->welcome, 170), SB__MECH_ON);
    pair_take(p, p->initiate);
}

static sb__mech_step ready(struct pair *p, const sb_curve_pair *own, uint64_t number)
{
    uint8_t nonce[24] = "CurveZMQREADY---", *body = p->ready + 2;
    p->ready[0] = SB__FRAME_COMMAND;
    p->ready[1] = 6 + 8 + 16 + 8;
    memcpy(body, "\5READY", 6);
    sb__be64_put(body + 6, number);
    memcpy(nonce + 16, body + 6, 8);
    assert_int_equal(
        crypto_box_easy(body + 14, (const uint8_t *)"server's", 8, nonce, p->hello + 2 + 80, own->secret_key),
        0);
    return pair_give(p, &p->client, p->ready, 2u + p->ready[1]);
}

static void test_a_ready_numbered_0_is_refused_in_an_authentic_box(void **state)
{
    liar *l = *state;
    sb_curve_pair own;
    for (uint64_t number = 0; number < 2; number++) {
        pair_start_client(&l->p);
        welcome(&l->p, &own);
        assert_int_equal(ready(&l->p, &own, number), number == 0 ? SB__MECH_CRYPTO : SB__MECH_DONE);
    }
}

#define FORGED(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FORGED(test_one_that_tells_the_truth_is_asked_about),
        FORGED(test_a_number_that_does_not_grow_is_refused_in_an_authentic_box),
        FORGED(test_a_vouch_of_somebody_else_is_refused),
        FORGED(test_a_vouch_for_another_connection_is_refused),
        FORGED(test_a_vouch_for_another_server_is_refused),
        FORGED(test_a_cookie_of_another_connection_is_refused),
        FORGED(test_cve_2014_7203_numbers_of_messages_rise_by_one),
        FORGED(test_numbers_do_not_begin_again),
        cmocka_unit_test(test_a_sender_stops_before_its_numbers_begin_again),
        FORGED(test_a_ready_numbered_0_is_refused_in_an_authentic_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
