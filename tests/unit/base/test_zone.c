/* Zones: what is put in is found by everybody, what does not fit is refused, a dead holder leaves no mess. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/zone.h"

#define SIZE (64 * 1024)

static void *memory(void)
{
    void *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    return p;
}

static sb__zone open_zone(void *mem)
{
    sb__zone zone;
    assert_int_equal(sb__zone_open(mem, SIZE, &zone), SB_OK);
    return zone;
}

static sb__zone_key key_of(const char *name, const char *key)
{
    return (sb__zone_key){.name = name, .key = key, .len = strlen(key)};
}

static sb_err set_text(sb__zone *zone, const char *key, const char *text, uint64_t now, uint64_t until)
{
    sb__zone_key k = key_of("d", key);
    sb__zone_value v = {.type = SB__ZONE_STRING, .data = text, .len = strlen(text)};
    return sb__zone_set(zone, &k, &v, now, until, false);
}

static void expect_text(sb__zone *zone, const char *key, const char *text, uint64_t now)
{
    char buf[4096] = "";
    sb__zone_value v;
    sb__zone_key k = key_of("d", key);
    sb_err err = sb__zone_get(zone, &k, now, buf, sizeof buf, &v);
    if (text == NULL) {
        assert_int_equal(err, SB_ENOENT);
        return;
    }
    assert_int_equal(err, SB_OK);
    assert_int_equal(v.len, strlen(text));
    assert_memory_equal(buf, text, v.len);
}

static void test_values_of_every_length_come_back(void **state)
{
    (void)state;
    void *mem = memory();
    sb__zone zone = open_zone(mem);
    char text[400] = "";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        assert_int_equal(set_text(&zone, "key", text, 1, 0), SB_OK);
        expect_text(&zone, "key", text, 1);
        text[n] = (char)('a' + n % 26);
    }
    munmap(mem, SIZE);
}

static void test_names_keep_dictionaries_apart(void **state)
{
    (void)state;
    void *mem = memory();
    sb__zone zone = open_zone(mem), other = open_zone(mem);
    sb__zone_key a = key_of("a", "bc"), ab = key_of("ab", "c");
    sb__zone_value v = {.type = SB__ZONE_INTEGER, .integer = 7}, out;
    assert_int_equal(sb__zone_set(&zone, &a, &v, 1, 0, false), SB_OK);
    assert_int_equal(sb__zone_get(&other, &ab, 1, NULL, 0, &out), SB_ENOENT);
    assert_int_equal(sb__zone_get(&other, &a, 1, NULL, 0, &out), SB_OK);
    assert_int_equal(out.integer, 7);
    munmap(mem, SIZE);
}

static void test_time_ends_entries_and_a_new_one_may_be_added_then(void **state)
{
    (void)state;
    void *mem = memory();
    sb__zone zone = open_zone(mem);
    sb__zone_key k = key_of("d", "key");
    sb__zone_value v = {.type = SB__ZONE_BOOLEAN, .boolean = true};
    assert_int_equal(sb__zone_set(&zone, &k, &v, 10, 20, true), SB_OK);
    assert_int_equal(sb__zone_set(&zone, &k, &v, 19, 0, true), SB_EEXIST);
    assert_int_equal(sb__zone_set(&zone, &k, &v, 20, 0, true), SB_OK);
    assert_int_equal(sb__zone_expire(&zone, &k, 20, 30), SB_OK);
    assert_int_equal(sb__zone_expire(&zone, &k, 30, 40), SB_ENOENT);
    munmap(mem, SIZE);
}

static void test_numbers_add_up(void **state)
{
    (void)state;
    void *mem = memory();
    sb__zone zone = open_zone(mem);
    sb__zone_key k = key_of("d", "n");
    sb__zone_value one = {.type = SB__ZONE_INTEGER, .integer = 1},
                   ten = {.type = SB__ZONE_INTEGER, .integer = 10}, sum;
    sb__zone_value half = {.type = SB__ZONE_NUMBER, .number = 0.5};
    assert_int_equal(sb__zone_incr(&zone, &k, &one, NULL, 1, 0, &sum), SB_ENOENT);
    assert_int_equal(sb__zone_incr(&zone, &k, &one, &ten, 1, 0, &sum), SB_OK);
    assert_int_equal(sum.integer, 11);
    assert_int_equal(sb__zone_incr(&zone, &k, &half, NULL, 1, 0, &sum), SB_OK);
    assert_true(sum.type == SB__ZONE_NUMBER && sum.number == 11.5);
    set_text(&zone, "n", "text", 1, 0);
    assert_int_equal(sb__zone_incr(&zone, &k, &one, NULL, 1, 0, &sum), SB_EINVAL);
    munmap(mem, SIZE);
}

static void test_a_full_zone_refuses_and_keeps_what_it_has(void **state)
{
    (void)state;
    void *mem = memory();
    sb__zone zone = open_zone(mem);
    char key[32];
    size_t all, left, before;
    uint32_t n = 0;
    sb__zone_room(&zone, &all, &before);
    assert_int_equal(set_text(&zone, "short", "lived", 1, 5), SB_OK);
    for (;; n++) {
        snprintf(key, sizeof key, "key-%u", n);
        if (set_text(&zone, key, key, 1, 0) != SB_OK)
            break;
        assert_true(n < SIZE);
    }
    assert_int_equal(set_text(&zone, key, key, 1, 0), SB_ENOMEM);
    assert_int_equal(set_text(&zone, key, key, 5, 0), SB_OK); /* the short-lived one has made room */
    for (uint32_t i = 0; i <= n; i++) {
        snprintf(key, sizeof key, "key-%u", i);
        expect_text(&zone, key, key, 5);
        sb__zone_key k = key_of("d", key);
        assert_int_equal(sb__zone_delete(&zone, &k), SB_OK);
        assert_int_equal(sb__zone_delete(&zone, &k), SB_ENOENT);
    }
    sb__zone_room(&zone, &all, &left);
    assert_int_equal(left, before);
    munmap(mem, SIZE);
}

static void test_keys_are_listed(void **state)
{
    (void)state;
    void *mem = memory();
    sb__zone zone = open_zone(mem);
    char buf[256];
    size_t n;
    set_text(&zone, "one", "1", 1, 0);
    set_text(&zone, "two", "2", 1, 2);
    assert_int_equal(sb__zone_keys(&zone, "d", 1, 10, buf, sizeof buf, &n), 2 * (4 + 3));
    assert_int_equal(n, 2);
    sb__zone_keys(&zone, "d", 2, 10, buf, sizeof buf, &n);
    assert_int_equal(n, 1);
    assert_memory_equal(buf + 4, "one", 3);
    sb__zone_keys(&zone, "e", 1, 10, buf, sizeof buf, &n);
    assert_int_equal(n, 0);
    munmap(mem, SIZE);
}

static void test_memory_that_is_no_zone_is_refused(void **state)
{
    (void)state;
    void *mem = memory();
    sb__zone zone;
    assert_int_equal(sb__zone_open(mem, SB__ZONE_MIN - 1, &zone), SB_EINVAL);
    memset(mem, 1, 64);
    assert_int_equal(sb__zone_open(mem, SIZE, &zone), SB_EINVAL);
    munmap(mem, SIZE);
}

/* Writers are killed at any moment; what the others find is whole, and nothing is lost for good. */
static void test_killed_writers_leave_it_whole(void **state)
{
    (void)state;
    void *mem = memory();
    sb__zone zone = open_zone(mem);
    size_t all, left, before;
    sb__zone_room(&zone, &all, &before);
    for (int round = 0; round < 50; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            char text[600];
            memset(text, 'x', sizeof text);
            for (unsigned i = 0;; i++) {
                text[100 + i % 400] = '\0';
                set_text(&zone, i % 2 ? "odd" : "even", text, 1, 0);
                text[100 + i % 400] = 'x';
            }
        }
        usleep(1000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        assert_int_equal(set_text(&zone, "mine", "here", 1, 0), SB_OK);
        expect_text(&zone, "mine", "here", 1);
    }
    static const char *const keys[] = {"odd", "even", "mine"};
    for (int i = 0; i < 3; i++) {
        sb__zone_key k = key_of("d", keys[i]);
        while (sb__zone_delete(&zone, &k) == SB_OK)
            ;
    }
    sb__zone_room(&zone, &all, &left);
    assert_int_equal(left, before);
    munmap(mem, SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_of_every_length_come_back),
        cmocka_unit_test(test_names_keep_dictionaries_apart),
        cmocka_unit_test(test_time_ends_entries_and_a_new_one_may_be_added_then),
        cmocka_unit_test(test_numbers_add_up),
        cmocka_unit_test(test_a_full_zone_refuses_and_keeps_what_it_has),
        cmocka_unit_test(test_keys_are_listed),
        cmocka_unit_test(test_memory_that_is_no_zone_is_refused),
        cmocka_unit_test(test_killed_writers_leave_it_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
