/* sb_hash and sb__hash_keyed. */
#include "engine/base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static uint64_t rnd(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 16;
}

/* Every octet and the length tell; nothing before or behind the key does. */
static void test_a_keyed_hash_depends_on_each_octet(void **state)
{
    uint8_t key[80];
    uint64_t seed = 1;
    (void)state;
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)rnd(&seed);
    for (size_t len = 0; len < 70; len++) {
        const uint64_t hash = sb__hash_keyed(key + 4, len, 7);
        for (size_t i = 0; i < sizeof key; i++) {
            key[i] ^= 0x10;
            if (i < 4 || i >= 4 + len)
                assert_true(sb__hash_keyed(key + 4, len, 7) == hash);
            else
                assert_true(sb__hash_keyed(key + 4, len, 7) != hash);
            key[i] ^= 0x10;
        }
        assert_true(sb__hash_keyed(key + 4, len + 1, 7) != hash);
        assert_true(sb__hash_keyed(key + 4, len, 8) != hash);
    }
}

/* Numbers as text fall into the buckets of a table as chance would have it: no bucket holds many. */
static void test_a_keyed_hash_spreads(void **state)
{
    static uint16_t buckets[4096];
    uint16_t most = 0;
    (void)state;
    for (uint32_t i = 0; i < 4096; i++) {
        uint8_t key[] = "topic.0000";
        for (uint32_t at = 9, n = i; at > 5; at--, n /= 10)
            key[at] = (uint8_t)('0' + n % 10);
        uint16_t n = ++buckets[sb__hash_keyed(key, 10, 99) % 4096];
        most = n > most ? n : most;
    }
    assert_in_range(most, 2, 9);
}

/* Keys made to bring the first factor of a product to zero for whoever knows no secret. */
static void test_no_key_makes_others_collide(void **state)
{
    const uint64_t known[] = {0xd6e8feb86659fd93ull, 0x9e3779b97f4a7c15ull, 0};
    (void)state;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        uint64_t key[3] = {known[k], 1, 5}, other[3] = {known[k], 2, 5};
        for (size_t len = 16; len <= 24; len += 8)
            assert_true(sb__hash_keyed(key, len, 12345) != sb__hash_keyed(other, len, 12345));
    }
}

/* Processes agree on it. */
static void test_the_common_hash_is_what_it_was(void **state)
{
    (void)state;
    assert_true(sb_hash("a", 1, 0) != sb_hash("b", 1, 0));
    assert_true(sb_hash("0123456789abcdefg", 17, 0) == 0xd81e39ccd09f5b33ull);
}

static void test_seeds_differ(void **state)
{
    int salt = 0;
    (void)state;
    assert_true(sb__hash_seed(&salt) != sb__hash_seed(&salt));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_keyed_hash_depends_on_each_octet),
        cmocka_unit_test(test_a_keyed_hash_spreads),
        cmocka_unit_test(test_no_key_makes_others_collide),
        cmocka_unit_test(test_the_common_hash_is_what_it_was),
        cmocka_unit_test(test_seeds_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
