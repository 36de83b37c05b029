/* sb_map against a plain array, and sb_list. */
#include "engine/base/list.h"
#include "engine/base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void test_an_empty_map_finds_nothing(void **state)
{
    sb_map map = {0};

    (void)state;
    assert_null(sb_map_get(&map, "a", 1));
    assert_null(sb_map_remove(&map, "a", 1));
    sb_map_finish(&map);
}

static void test_keys_are_octets_with_a_length(void **state)
{
    sb_map map;
    int a, b, c;

    (void)state;
    sb_map_init(&map);
    assert_int_equal(sb_map_add(&map, "x\0y", 3, &a), SB_OK);
    assert_int_equal(sb_map_add(&map, "x", 1, &b), SB_OK);
    assert_int_equal(sb_map_add(&map, NULL, 0, &c), SB_OK);
    assert_int_equal(sb_map_add(&map, "x", 1, &a), SB_EEXIST);
    assert_ptr_equal(sb_map_get(&map, "x\0y", 3), &a);
    assert_ptr_equal(sb_map_get(&map, "x", 1), &b);
    assert_ptr_equal(sb_map_get(&map, "", 0), &c);
    assert_int_equal(sb_map_put(&map, "x", 1, &a), SB_OK);
    assert_ptr_equal(sb_map_get(&map, "x", 1), &a);
    assert_int_equal(map.n, 3);
    sb_map_finish(&map);
}

static void test_random_adds_and_removes_agree_with_an_array(void **state)
{
    static char present[512];
    static int values[512];
    sb_map map;
    size_t n = 0, pos = 0, walked = 0;
    uint32_t rng = 12345;

    (void)state;
    memset(present, 0, sizeof present);
    sb_map_init(&map);
    for (int step = 0; step < 20000; step++) {
        char key[24];
        unsigned k;
        int len;

        rng = rng * 1664525u + 1013904223u;
        k = (rng >> 10) % 512;
        len = snprintf(key, sizeof key, "%.*s%u", (int)(k % 17), "abcdefghijklmnopq", k);
        if ((rng >> 30) < 2) {
            assert_int_equal(sb_map_add(&map, key, (size_t)len, &values[k]), present[k] ? SB_EEXIST : SB_OK);
            n += !present[k];
            present[k] = 1;
        } else {
            assert_ptr_equal(sb_map_remove(&map, key, (size_t)len), present[k] ? &values[k] : NULL);
            n -= present[k];
            present[k] = 0;
        }
        assert_int_equal(map.n, n);
    }
    for (sb_map_entry *e; (e = sb_map_next(&map, &pos)) != NULL; walked++)
        assert_true(present[(int *)e->value - values]);
    assert_int_equal(walked, n);
    sb_map_finish(&map);
}

static void test_list_keeps_order_and_removes_twice(void **state)
{
    struct item {
        int v;
        sb_list_node node;
    } a = {.v = 1}, b = {.v = 2}, c = {.v = 3};
    sb_list head, other;
    int sum = 0;

    (void)state;
    sb_list_init(&head);
    assert_null(sb_list_first(&head));
    sb_list_push_back(&head, &b.node);
    sb_list_push_back(&head, &c.node);
    sb_list_push_front(&head, &a.node);
    SB_LIST_EACH(node, &head)
    sum = sum * 10 + SB_LIST_ENTRY(node, struct item, node)->v;
    assert_int_equal(sum, 123);
    sb_list_remove(&b.node);
    sb_list_remove(&b.node);
    SB_LIST_EACH_SAFE(node, after, &head)
    sb_list_remove(node);
    assert_true(sb_list_empty(&head));
    assert_null(sb_list_pop(&head));
    sb_list_init(&other);
    sb_list_push_back(&head, &a.node);
    sb_list_push_back(&other, &b.node);
    sb_list_push_back(&other, &c.node);
    sb_list_splice(&head, &other);
    assert_true(sb_list_empty(&other));
    assert_ptr_equal(sb_list_pop(&head), &a.node);
    assert_ptr_equal(sb_list_next(&head, &b.node), &c.node);
    assert_null(sb_list_next(&head, &c.node));
    sb_list_splice(&head, &other);
    assert_true(sb_list_linked(&c.node));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_map_finds_nothing),
        cmocka_unit_test(test_keys_are_octets_with_a_length),
        cmocka_unit_test(test_random_adds_and_removes_agree_with_an_array),
        cmocka_unit_test(test_list_keeps_order_and_removes_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
