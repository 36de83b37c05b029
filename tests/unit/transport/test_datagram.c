/* Datagrams: endpoints, addresses as text, the form with a group. */
#include "engine/transport/datagram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static sb_err ends_of(const char *text, sb__datagram_ends *out)
{
    sb__endpoint ep;
    char err[160] = "";
    if (sb__endpoint_parse(text, &ep, err, sizeof err) != SB_OK)
        fail_msg("%s", err);
    return sb__datagram_ends_of(&ep, false, out);
}

static void expect(const sb_addr *addr, const char *text)
{
    char out[64];
    sb__datagram_format(addr, out, sizeof out);
    assert_string_equal(out, text);
}

static void test_unicast(void **state)
{
    (void)state;
    sb__datagram_ends e;
    assert_int_equal(ends_of("udp://127.0.0.1:5555", &e), SB_OK);
    assert_false(e.multicast);
    expect(&e.target, "127.0.0.1:5555");
    expect(&e.local, "127.0.0.1:5555");
    assert_int_equal(ends_of("udp://*:5555", &e), SB_OK);
    expect(&e.local, "0.0.0.0:5555");
    assert_int_equal(ends_of("udp://[::1]:5555", &e), SB_OK);
    expect(&e.local, "[::1]:5555");
    assert_int_equal(ends_of("udp://a.name.somewhere:5555", &e), SB_EADDRNOTAVAIL);
}

static void test_groups_and_interfaces(void **state)
{
    (void)state;
    sb__datagram_ends e;
    assert_int_equal(ends_of("udp://239.0.0.1:5555", &e), SB_OK);
    assert_true(e.multicast);
    expect(&e.target, "239.0.0.1:5555");
    expect(&e.local, "0.0.0.0:5555");
    assert_int_equal(ends_of("udp://127.0.0.1;239.0.0.1:5555", &e), SB_OK);
    expect(&e.local, "127.0.0.1:5555");
    assert_int_equal(ends_of("udp://lo;239.0.0.1:5555", &e), SB_OK);
    expect(&e.local, "127.0.0.1:5555");
    assert_int_not_equal(e.interface, 0);
    assert_int_equal(ends_of("udp://*;239.0.0.1:5555", &e), SB_OK);
    expect(&e.local, "0.0.0.0:5555");
    assert_int_equal(ends_of("udp://nothere;239.0.0.1:5555", &e), SB_EADDRNOTAVAIL);
    assert_int_equal(ends_of("udp://lo;127.0.0.1:5555", &e), SB_EINVAL); /* no group */
    assert_int_equal(ends_of("udp://lo;[ff02::1]:5555", &e), SB_OK);
    assert_true(e.multicast);
}

static void test_bad_endpoints_say_what_is_right(void **state)
{
    static const char *const bad[] = {
        "udp://", "udp://host", "udp://;239.0.0.1:1", "udp://host:port", "udp://host:65536"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sb__endpoint ep;
        char err[160] = "";
        assert_int_equal(sb__endpoint_parse(bad[i], &ep, err, sizeof err), SB_EINVAL);
        assert_non_null(strstr(err, "expected"));
    }
}

static bool parse(const char *text, size_t len, sb_addr *out)
{
    return sb__datagram_parse((const uint8_t *)text, len, out);
}

static void test_addresses_there_and_back(void **state)
{
    static const char *const good[] = {"127.0.0.1:1", "[::1]:65535", "10.0.0.1:9"};
    static const char *const bad[] = {"", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:*", "*:5", "a.name:5",
        "lo;239.0.0.1:5", "127.0.0.1:99999", ":5"};
    sb_addr addr;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(parse(good[i], strlen(good[i]), &addr));
        expect(&addr, good[i]);
        assert_true(parse(good[i], strlen(good[i]) + 1, &addr)); /* libzmq's NUL */
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(parse(bad[i], strlen(bad[i]), &addr));
    assert_false(parse("127.0.0.1:5\0:6", 14, &addr));
}

static void put(const char *group, size_t body, size_t expect_len)
{
    static uint8_t octets[SB__DATAGRAM_GROUPS + 1];
    uint8_t head[1 + SB_GROUP_MAX];
    struct iovec iov[2];
    sb_msg msg;
    sb_msg_init(&msg);
    sb_msg_push(&msg, group, strlen(group), NULL);
    sb_msg_push(&msg, octets, body, NULL);
    assert_int_equal(sb__datagram_put(&msg, head, iov), expect_len);
    if (expect_len > 0) {
        assert_int_equal(iov[0].iov_len, 1 + strlen(group));
        assert_int_equal(head[0], strlen(group));
        assert_memory_equal(head + 1, group, strlen(group));
        assert_int_equal(iov[1].iov_len, body);
    }
    sb_msg_finish(&msg);
}

static void test_the_form_with_a_group(void **state)
{
    (void)state;
    put("news", 10, 15);
    put("", 0, 1);
    put("g", SB__DATAGRAM_GROUPS - 2, SB__DATAGRAM_GROUPS);
    put("g", SB__DATAGRAM_GROUPS - 1, 0);
}

static void get(const char *data, size_t len, bool good, const char *group, const char *body)
{
    sb_msg msg;
    sb_msg_init(&msg);
    assert_int_equal(sb__datagram_get(&msg, (const uint8_t *)data, len), good);
    if (good) {
        assert_int_equal(msg.n, 2);
        assert_int_equal(msg.frames[0].len, strlen(group));
        assert_memory_equal(msg.frames[0].data, group, strlen(group));
        assert_int_equal(msg.frames[1].len, strlen(body));
        assert_memory_equal(msg.frames[1].data, body, strlen(body));
    }
    sb_msg_finish(&msg);
}

static void test_a_group_longer_than_its_datagram_is_refused(void **state)
{
    (void)state;
    get("\4newsbody", 9, true, "news", "body");
    get("\4news", 5, true, "news", "");
    get("\0", 1, true, "", "");
    get("\4new", 4, false, "", "");
    get("\xff", 1, false, "", "");
    get("", 0, false, "", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unicast),
        cmocka_unit_test(test_groups_and_interfaces),
        cmocka_unit_test(test_bad_endpoints_say_what_is_right),
        cmocka_unit_test(test_addresses_there_and_back),
        cmocka_unit_test(test_the_form_with_a_group),
        cmocka_unit_test(test_a_group_longer_than_its_datagram_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
