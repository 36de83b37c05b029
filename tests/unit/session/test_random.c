/* Random octets, fixed seeds: whatever comes, however it is cut, two sessions that saw the same bytes say the
 * same, and memory stays in bounds. */
#include "tests/unit/session/rig.h"
#include "engine/session/internal.h"

static uint32_t rng;

static uint32_t pick(uint32_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 17;
    rng ^= rng << 5;
    return rng % below;
}

/* Mostly frames that could be true, with commands, bad heads and noise between them. */
static size_t random_traffic(uint8_t *out, size_t cap)
{
    static const char *const commands[] = {"\4PING\0\5ctx", "\4PONG12345678", "\x9SUBSCRIBEabc",
        "\6CANCELabc", "\4WHAT", "\5ERROR\1x", "\5READY", "\xffx"};
    static const uint8_t sizes[] = {10, 13, 13, 10, 5, 8, 6, 2};
    size_t at = 0;
    bool inside = false;

    while (at + 400 < cap) {
        uint32_t kind = pick(40);
        size_t len = pick(8) ? pick(20) : pick(350);

        if (kind < 4 && (!inside || pick(30) == 0)) {
            uint32_t c = pick(kind == 0 ? 8 : 5);

            out[at++] = 4;
            out[at++] = sizes[c];
            memcpy(out + at, commands[c], sizes[c]);
            at += sizes[c];
            continue;
        }
        out[at++] = (uint8_t)((kind & 1) | (len > 255 || pick(9) == 0 ? 2 : 0) | (pick(300) == 0 ? 8 : 0));
        inside = kind & 1;
        if (out[at - 1] & 2) {
            memset(out + at, 0, 6);
            at += 6;
            out[at++] = (uint8_t)(len >> 8);
            if (pick(300) == 0)
                out[at - 7 + pick(7)] = (uint8_t)pick(256);
        }
        out[at++] = (uint8_t)len;
        for (size_t i = 0; i < len; i++)
            out[at++] = (uint8_t)pick(256);
    }
    return at;
}

static void feed_all(struct rig *r, const uint8_t *bytes, size_t len, uint32_t step)
{
    size_t at = 0;

    r->err = SB_OK;
    while (at < len && r->err == SB_OK) {
        size_t n = step > 0 ? step : 1 + pick(300);
        size_t took = rig_feed(r, bytes + at, n < len - at ? n : len - at);

        r->say = SB_OK;
        at += took;
        assert_true(r->s->part.buf == NULL || r->s->part.buf->cap <= 256 * 1024);
        rig_drop_output(r);
    }
}

static void test_any_cut_of_any_traffic_says_the_same(void **state)
{
    static uint8_t bytes[4096];
    unsigned ends = 0;

    (void)state;
    for (uint32_t seed = 1; seed <= 400; seed++) {
        bool strict = seed % 2;
        sb_session_config cfg = rig_config(seed % 3 ? SB_XPUB : SB_ROUTER);
        const char *ready = seed % 3 ? READY_SUB : READY_DEALER;
        size_t ready_len = seed % 3 ? sizeof(READY_SUB) - 1 : sizeof(READY_DEALER) - 1, len;
        struct rig r[3];

        rng = seed * 2654435761u;
        cfg.strict = strict;
        cfg.max_frame = pick(4) ? -1 : 300;
        cfg.max_frames = pick(4) ? 0 : 9;
        len = random_traffic(bytes, sizeof bytes);
        for (int i = 0; i < 3; i++) {
            rig_init_with(&r[i], &cfg);
            FEED(&r[i], GREETING_31);
            rig_feed(&r[i], ready, ready_len);
            feed_all(&r[i], bytes, len, i == 0 ? sizeof bytes : i == 1 ? 1 : 0);
        }
        for (int i = 1; i < 3; i++) {
            assert_string_equal(r[i].log, r[0].log);
            assert_int_equal(r[i].err, r[0].err);
            assert_int_equal(sb_session_why(r[i].s, NULL), sb_session_why(r[0].s, NULL));
        }
        ends += r[0].err != SB_OK;
        for (int i = 0; i < 3; i++)
            rig_finish(&r[i]);
    }
    assert_in_range(ends, 40, 390); /* both ways of ending are tried */
}

static void test_noise_from_the_first_octet_on(void **state)
{
    static const uint8_t start[] = GREETING_31 READY_DEALER;
    uint8_t bytes[sizeof start + 64];

    (void)state;
    for (uint32_t seed = 1; seed <= 3000; seed++) {
        size_t keep;
        struct rig r;

        rng = seed * 2246822519u;
        keep = pick(sizeof start);
        memcpy(bytes, start, sizeof start);
        for (size_t i = keep; i < sizeof bytes; i++)
            if (i >= sizeof start || pick(10) == 0)
                bytes[i] = (uint8_t)pick(256);
        rig_init(&r, SB_DEALER);
        r.quiet = true;
        rig_feed_pieces(&r, bytes, sizeof bytes, 1 + pick(64));
        rig_finish(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_cut_of_any_traffic_says_the_same),
        cmocka_unit_test(test_noise_from_the_first_octet_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
