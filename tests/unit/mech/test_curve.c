/* CURVE by itself: sizes and boxes as the RFC has them (checked with libsodium's own crypto_box), and every
 * way in which a command or a box can be wrong. */
#include "tests/unit/mech/curve_pair.h"

#include <sodium.h>

/* ---- the handshake ---- */

static void test_commands_have_the_sizes_of_the_rfc(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    pair_marry(&p);
    assert_int_equal(p.hello_len - 2, 200);
    assert_int_equal(p.welcome_len - 2, 168);
    assert_int_equal(p.initiate_len - 9, 257 + 8);
    assert_int_equal(p.ready_len - 2, 30 + 8);
    pair_finish(&p);
}

static void test_metadata_and_key_arrive(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    pair_initiate(&p);
    assert_int_equal(pair_give(&p, &p.server, p.initiate, p.initiate_len), SB__MECH_ASK);
    assert_memory_equal(p.server.peer_metadata.p, "client's", 8);
    assert_memory_equal(p.server.credentials.key, p.client_key.public_key, 32);
    pair_ready(&p);
    assert_int_equal(pair_give(&p, &p.client, p.ready, p.ready_len), SB__MECH_DONE);
    assert_int_equal(sb__cursor_left(&p.client.peer_metadata), 8);
    assert_memory_equal(p.client.peer_metadata.p, "server's", 8);
    pair_finish(&p);
}

static void test_a_server_of_two_keys_answers_with_the_one_that_was_meant(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    p.client_config.security.server_key = p.server_keys[1].public_key;
    pair_marry(&p);
    pair_finish(&p);
}

static void test_a_client_of_another_server_is_refused(void **state)
{
    struct pair p;
    sb_curve_pair other;

    (void)state;
    pair_init(&p);
    sb_curve_generate(&other);
    p.client_config.security.server_key = other.public_key;
    pair_start_server(&p);
    pair_start_client(&p);
    assert_int_equal(pair_give(&p, &p.server, p.hello, p.hello_len), SB__MECH_CRYPTO);
    assert_int_equal(sb__bytes_len(&p.out), 0);
    pair_finish(&p);
}

static bool is_refusal(sb__mech_step step)
{
    return step == SB__MECH_MALFORMED || step == SB__MECH_CRYPTO || step == SB__MECH_UNEXPECTED;
}

/* Flips one bit of each octet of a command in turn; `again` brings both sides to where it is expected. */
static void flip_each(
    struct pair *p, void (*again)(struct pair *p), sb__mech *to, uint8_t *frame, size_t *len)
{
    again(p);
    size_t head = (frame[0] & SB__FRAME_LONG) ? 9 : 2;

    for (size_t i = head; i < *len; i++) {
        again(p);
        frame[i] ^= (uint8_t)(1u << (i % 8));
        if (!is_refusal(pair_give(p, to, frame, *len)))
            fail_msg("octet %zu of %zu may be anything", i - head, *len - head);
        assert_int_equal(sb__bytes_len(&p->out), 0);
    }
}

static void to_hello(struct pair *p)
{
    pair_start_server(p);
    pair_start_client(p);
}

static void test_a_flipped_octet_of_any_command_ends_the_handshake(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    flip_each(&p, to_hello, &p.server, p.hello, &p.hello_len);
    flip_each(&p, pair_welcome, &p.client, p.welcome, &p.welcome_len);
    flip_each(&p, pair_initiate, &p.server, p.initiate, &p.initiate_len);
    flip_each(&p, pair_ready, &p.client, p.ready, &p.ready_len);
    pair_finish(&p);
}

static void test_shorter_and_longer_commands_end_the_handshake(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    for (size_t len = 3; len < 210; len++) {
        to_hello(&p);
        if (len != p.hello_len)
            assert_true(is_refusal(pair_give(&p, &p.server, p.hello, len)));
    }
    for (size_t len = 10; len < 280; len++) {
        pair_initiate(&p);
        if (len != p.initiate_len)
            assert_true(is_refusal(pair_give(&p, &p.server, p.initiate, len)));
    }
    pair_finish(&p);
}

static void test_commands_out_of_turn_are_unexpected(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    pair_initiate(&p);
    assert_int_equal(pair_give(&p, &p.server, p.hello, p.hello_len), SB__MECH_UNEXPECTED);
    assert_int_equal(pair_give(&p, &p.client, p.welcome, p.welcome_len), SB__MECH_UNEXPECTED);
    assert_int_equal(pair_give(&p, &p.server, p.initiate, p.initiate_len), SB__MECH_ASK);
    assert_int_equal(pair_give(&p, &p.server, p.initiate, p.initiate_len), SB__MECH_UNEXPECTED);
    pair_finish(&p);
}

/* An INITIATE that was good on one connection, with its cookie, is nothing on another. */
static void test_a_replayed_handshake_is_refused(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    pair_ready(&p);
    pair_start_server(&p);
    assert_int_equal(pair_give(&p, &p.server, p.hello, p.hello_len), SB__MECH_ON);
    assert_int_equal(pair_give(&p, &p.server, p.initiate, p.initiate_len), SB__MECH_CRYPTO);
    pair_finish(&p);
}

/* A HELLO made of any transient key and number, sealed with `secret`. */
static void make_hello(struct pair *p, const uint8_t transient[32], const uint8_t secret[32], uint64_t number)
{
    uint8_t nonce[24], zeros[64] = {0}, *body = p->hello + 2;

    memcpy(nonce, "CurveZMQHELLO---", 16);
    sb__be64_put(nonce + 16, number);
    memset(body, 0, 200);
    memcpy(body, "\5HELLO\1\0", 8);
    memcpy(body + 80, transient, 32);
    memcpy(body + 112, nonce + 16, 8);
    assert_int_equal(crypto_box_easy(body + 120, zeros, 64, nonce, p->server_keys[0].public_key, secret), 0);
    p->hello[0] = SB__FRAME_COMMAND;
    p->hello[1] = 200;
    p->hello_len = 202;
}

static void test_degenerate_and_reflected_keys_are_refused(void **state)
{
    static const uint8_t low_order[3][32] = {{0}, {1},
        {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
            0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00}};
    struct pair p;
    sb_curve_pair c;

    (void)state;
    pair_init(&p);
    sb_curve_generate(&c);
    for (int i = 0; i < 3; i++) {
        pair_start_server(&p);
        make_hello(&p, low_order[i], c.secret_key, 1);
        assert_int_equal(pair_give(&p, &p.server, p.hello, p.hello_len), SB__MECH_CRYPTO);
    }
    pair_start_server(&p); /* the server's own key as the client's transient one */
    make_hello(&p, p.server_keys[0].public_key, p.server_keys[0].secret_key, 1);
    assert_int_equal(pair_give(&p, &p.server, p.hello, p.hello_len), SB__MECH_CRYPTO);
    pair_start_server(&p); /* numbers begin at 1 */
    make_hello(&p, c.public_key, c.secret_key, 0);
    assert_int_equal(pair_give(&p, &p.server, p.hello, p.hello_len), SB__MECH_CRYPTO);
    pair_start_server(&p);
    make_hello(&p, c.public_key, c.secret_key, 1);
    assert_int_equal(pair_give(&p, &p.server, p.hello, p.hello_len), SB__MECH_ON);
    pair_finish(&p);
}

static void test_an_initiate_numbered_as_its_hello_is_refused(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    pair_initiate(&p);
    sb__be64_put(p.initiate + 9 + 105, 1);
    assert_int_equal(pair_give(&p, &p.server, p.initiate, p.initiate_len), SB__MECH_CRYPTO);
    pair_finish(&p);
}

/* ---- traffic ---- */

#define OVERHEAD 33

static size_t seal(sb__mech *m, unsigned flags, const char *text, uint8_t *out)
{
    sb__mech_frame frame = {.flags = flags, .body = (const uint8_t *)text, .len = strlen(text)};

    assert_true(m->impl->seal(m, &frame, out));
    assert_int_equal(m->impl->overhead, OVERHEAD);
    return frame.len + OVERHEAD;
}

static bool open_box(sb__mech *m, const uint8_t *box, size_t len, sb__mech_frame *frame)
{
    static uint8_t room[4096];

    memset(room, 0xaa, sizeof room);
    bool good = m->impl->open(m, box, len, room + SB__MECH_ROOM, frame);
    for (size_t i = 0; i < SB__MECH_ROOM; i++)
        assert_int_equal(room[i], 0xaa);
    return good;
}

static void test_boxes_open_on_the_other_side(void **state)
{
    static const unsigned flags[] = {0, SB__FRAME_MORE, SB__FRAME_COMMAND};
    uint8_t box[256];
    struct pair p;
    sb__mech_frame frame;

    (void)state;
    pair_init(&p);
    pair_marry(&p);
    for (int i = 0; i < 12; i++) {
        sb__mech *from = i & 1 ? &p.client : &p.server, *to = i & 1 ? &p.server : &p.client;
        size_t len = seal(from, flags[i % 3], i < 6 ? "some text" : "", box);

        assert_true(open_box(to, box, len, &frame));
        assert_int_equal(frame.flags, flags[i % 3]);
        assert_int_equal(frame.len, i < 6 ? 9 : 0);
        assert_memory_equal(frame.body, "some text", frame.len);
    }
    pair_finish(&p);
}

/* Sealing has shorter ways for some lengths. */
static void test_boxes_of_every_length_open(void **state)
{
    static char text[600];
    static uint8_t box[700];
    struct pair p;
    sb__mech_frame frame;

    (void)state;
    pair_init(&p);
    pair_marry(&p);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    for (size_t n = 0; n < sizeof text; n++) {
        sb__mech_frame whole = {.flags = SB__FRAME_MORE, .body = (uint8_t *)text, .len = n};

        assert_true(p.client.impl->seal(&p.client, &whole, box));
        assert_true(open_box(&p.server, box, n + OVERHEAD, &frame));
        assert_int_equal(frame.flags, SB__FRAME_MORE);
        assert_int_equal(frame.len, n);
        assert_memory_equal(frame.body, text, n);
        assert_true(p.client.impl->seal(&p.client, &whole, box));
        box[n + OVERHEAD - 1] ^= 1;
        assert_false(open_box(&p.server, box, n + OVERHEAD, &frame));
        box[n + OVERHEAD - 1] ^= 1;
        assert_true(open_box(&p.server, box, n + OVERHEAD, &frame));
    }
    pair_finish(&p);
}

/* What is on the wire is crypto_box with the RFC's nonce: a peer of our own making opens it. */
static void test_a_box_is_the_crypto_box_of_the_rfc(void **state)
{
    uint8_t hello_secret[32], box[256], text[128], nonce[24], s[128 + 16], welcome_nonce[24];
    sb_curve_pair c;
    struct pair p;

    (void)state;
    pair_init(&p);
    sb_curve_generate(&c);
    memcpy(hello_secret, c.secret_key, 32);
    pair_start_server(&p);
    make_hello(&p, c.public_key, c.secret_key, 1);
    assert_int_equal(pair_give(&p, &p.server, p.hello, p.hello_len), SB__MECH_ON);
    p.welcome_len = pair_take(&p, p.welcome);
    memcpy(welcome_nonce, "WELCOME-", 8);
    memcpy(welcome_nonce + 8, p.welcome + 10, 16);
    assert_int_equal(crypto_box_open_easy(
                         s, p.welcome + 26, 144, welcome_nonce, p.server_keys[0].public_key, hello_secret),
        0);
    /* INITIATE by hand */
    uint8_t *body = p.initiate + 9, clear[128 + 8], vouch[64];
    memcpy(body, "\10INITIATE", 9);
    memcpy(body + 9, s + 32, 96);
    memcpy(nonce, "CurveZMQINITIATE", 16);
    sb__be64_put(nonce + 16, 2);
    memcpy(body + 105, nonce + 16, 8);
    memcpy(clear, p.client_key.public_key, 32);
    memcpy(vouch, c.public_key, 32);
    memcpy(vouch + 32, p.server_keys[0].public_key, 32);
    memcpy(welcome_nonce, "VOUCH---", 8);
    randombytes_buf(clear + 32, 16);
    memcpy(welcome_nonce + 8, clear + 32, 16);
    assert_int_equal(crypto_box_easy(clear + 48, vouch, 64, welcome_nonce, s, p.client_key.secret_key), 0);
    memcpy(clear + 128, "metadata", 8);
    assert_int_equal(crypto_box_easy(body + 113, clear, 136, nonce, s, c.secret_key), 0);
    p.initiate[0] = SB__FRAME_COMMAND | SB__FRAME_LONG;
    sb__be64_put(p.initiate + 1, 113 + 152);
    assert_int_equal(pair_give(&p, &p.server, p.initiate, 9 + 113 + 152), SB__MECH_ASK);
    assert_int_equal(p.server.impl->accept(&p.server, &p.out), SB__MECH_DONE);
    /* and a message */
    static const char *const texts[] = {
        "hello", "a text that takes more than one block, and less than four of them"};
    for (int i = 0; i < 2; i++) {
        size_t len = seal(&p.server, SB__FRAME_MORE, texts[i], box);
        memcpy(nonce, "CurveZMQMESSAGES", 16);
        memcpy(nonce + 16, box + 8, 8);
        assert_int_equal(crypto_box_open_easy(text, box + 16, len - 16, nonce, s, c.secret_key), 0);
        assert_int_equal(text[0], 1);
        assert_memory_equal(text + 1, texts[i], strlen(texts[i]));
    }
    pair_finish(&p);
}

static void test_a_flipped_octet_of_a_box_is_refused_and_does_not_move_the_number(void **state)
{
    uint8_t box[256], next[256];
    sb__mech_frame frame;
    struct pair p;

    (void)state;
    pair_init(&p);
    pair_marry(&p);
    size_t len = seal(&p.client, 0, "text", box), next_len = seal(&p.client, 0, "next", next);
    for (size_t i = 0; i < len; i++)
        for (int bit = 0; bit < 8; bit++) {
            box[i] ^= (uint8_t)(1u << bit);
            assert_false(open_box(&p.server, box, len, &frame));
            box[i] ^= (uint8_t)(1u << bit);
        }
    assert_true(open_box(&p.server, box, len, &frame));
    assert_true(open_box(&p.server, next, next_len, &frame));
    pair_finish(&p);
}

static void test_replayed_removed_and_reflected_boxes_are_refused(void **state)
{
    uint8_t one[256], two[256];
    sb__mech_frame frame;
    struct pair p;

    (void)state;
    pair_init(&p);
    pair_marry(&p);
    size_t len = seal(&p.client, 0, "one", one);
    seal(&p.client, 0, "two", two);
    assert_false(open_box(&p.server, two, len, &frame)); /* the one before was taken out */
    assert_true(open_box(&p.server, one, len, &frame));
    assert_false(open_box(&p.server, one, len, &frame)); /* again */
    assert_true(open_box(&p.server, two, len, &frame));
    assert_false(open_box(&p.server, one, len, &frame)); /* late */
    len = seal(&p.client, 0, "three", one);
    assert_false(open_box(&p.client, one, len, &frame)); /* to its sender */
    assert_true(open_box(&p.server, one, len, &frame));
    pair_finish(&p);
}

/* ---- keys ---- */

static void test_z85_is_that_of_rfc_32(void **state)
{
    static const uint8_t octets[8] = {0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b};
    uint8_t back[8], key[32];
    char text[11];

    (void)state;
    sb_z85_encode(octets, 8, text);
    assert_string_equal(text, "HelloWorld");
    assert_true(sb_z85_decode(text, 10, back));
    assert_memory_equal(back, octets, 8);
    assert_false(sb_z85_decode("HelloWorl", 9, back));
    assert_false(sb_z85_decode("Hello orld", 10, back));
    assert_false(sb_z85_decode("#####", 5, back)); /* more than 32 bits */
    assert_false(sb_z85_decode("Hell\0", 5, back));
    assert_false(sb_curve_key("too short", 9, key));
    assert_true(sb_curve_key("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", 41, key));
    assert_int_equal(key[0], 0x54);
}

static void test_a_public_key_follows_from_the_secret_one(void **state)
{
    sb_curve_pair pair;
    uint8_t key[32];

    (void)state;
    assert_int_equal(sb_curve_generate(&pair), SB_OK);
    sb_curve_public(pair.secret_key, key);
    assert_memory_equal(key, pair.public_key, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_have_the_sizes_of_the_rfc),
        cmocka_unit_test(test_metadata_and_key_arrive),
        cmocka_unit_test(test_a_server_of_two_keys_answers_with_the_one_that_was_meant),
        cmocka_unit_test(test_a_client_of_another_server_is_refused),
        cmocka_unit_test(test_a_flipped_octet_of_any_command_ends_the_handshake),
        cmocka_unit_test(test_shorter_and_longer_commands_end_the_handshake),
        cmocka_unit_test(test_commands_out_of_turn_are_unexpected),
        cmocka_unit_test(test_a_replayed_handshake_is_refused),
        cmocka_unit_test(test_degenerate_and_reflected_keys_are_refused),
        cmocka_unit_test(test_an_initiate_numbered_as_its_hello_is_refused),
        cmocka_unit_test(test_boxes_open_on_the_other_side),
        cmocka_unit_test(test_boxes_of_every_length_open),
        cmocka_unit_test(test_a_box_is_the_crypto_box_of_the_rfc),
        cmocka_unit_test(test_a_flipped_octet_of_a_box_is_refused_and_does_not_move_the_number),
        cmocka_unit_test(test_replayed_removed_and_reflected_boxes_are_refused),
        cmocka_unit_test(test_z85_is_that_of_rfc_32),
        cmocka_unit_test(test_a_public_key_follows_from_the_secret_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
