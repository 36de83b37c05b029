/* Packets of every link type down to their TCP octets; cut anywhere, nothing is read beyond the end. */
#include "modules/standalone/dump/segment.h"
#include "tests/unit/dump/heard.h"

#include <pcap/dlt.h>
#include <stdlib.h>

#define PORTS "\x03\xe8\x15\xb3"
#define TCP(f)                                                                                               \
    PORTS "\0\0\1\2"                                                                                         \
          "\0\0\0\0"                                                                                         \
          "\x50" f "\0\0\0\0\0\0"
#define IPV4(n)                                                                                              \
    "\x45\0\0" n "\0\0\x40\0\x40\6\0\0"                                                                      \
    "\x0a\0\0\1"                                                                                             \
    "\x0a\0\0\2"
#define PACKET4 IPV4("\x2b") TCP("\x10") "abc"
#define A6      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
#define PACKET6                                                                                              \
    "\x60\0\0\0"                                                                                             \
    "\0\x1f"                                                                                                 \
    "\0\x40" A6 A6 "\6\0\0\0\0\0\0\0" TCP("\x11") "abc"
#define ETHER "\1\2\3\4\5\6\1\2\3\4\5\6"

typedef struct row {
    int link;
    const char *octets;
    size_t len;
} row;

#define ROW(link, text)                                                                                      \
    {                                                                                                        \
        link, text, sizeof(text) - 1                                                                         \
    }

static const row packets[] = {
    ROW(DLT_EN10MB, ETHER "\x08\0" PACKET4),
    ROW(DLT_EN10MB, ETHER "\x81\0\0\1\x08\0" PACKET4),
    ROW(DLT_EN10MB, ETHER "\x88\xa8\0\1\x81\0\0\1\x86\xdd" PACKET6),
    ROW(DLT_LINUX_SLL, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x08\0" PACKET4),
    ROW(DLT_LINUX_SLL2, "\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" PACKET4),
    ROW(DLT_NULL, "\2\0\0\0" PACKET4),
    ROW(DLT_RAW, PACKET4),
    ROW(DLT_RAW, PACKET6),
};
#define PACKETS (sizeof packets / sizeof *packets)

static bool find(const row *r, size_t captured, size_t whole, segment *out)
{
    uint8_t *exact = malloc(captured + !captured); /* so that a sanitizer sees one octet too many */
    memcpy(exact, r->octets, captured);
    bool found = segment_find(r->link, exact, captured, whole, out);
    if (found)
        out->data = (const uint8_t *)r->octets + (out->data - exact);
    free(exact);
    return found;
}

static void test_octets_are_found(void **state)
{
    segment s = {0};
    (void)state;
    for (size_t i = 0; i < PACKETS; i++) {
        assert_true(find(&packets[i], packets[i].len, packets[i].len, &s));
        assert_int_equal(s.len, 3);
        assert_int_equal(s.missing, 0);
        assert_memory_equal(s.data, "abc", 3);
        assert_int_equal(s.seq, 0x102);
        assert_memory_equal(s.from.port, "\x03\xe8", 2);
        assert_memory_equal(s.to.port, "\x15\xb3", 2);
    }
    assert_true(s.fin && !s.syn && !s.rst); /* the last one */
}

static void test_cut_packets_tell_what_is_missing(void **state)
{
    segment s = {0};
    (void)state;
    for (size_t i = 0; i < PACKETS; i++) {
        for (size_t len = 0; len < packets[i].len; len++) {
            bool found = find(&packets[i], len, packets[i].len, &s);
            assert_int_equal(found, len + 3 >= packets[i].len);
            if (found)
                assert_int_equal(s.len + s.missing, 3);
        }
    }
}

static void test_padding_is_not_data(void **state)
{
    static const row padded = ROW(DLT_EN10MB, ETHER "\x08\0" PACKET4 "\0\0\0\0\0\0");
    segment s = {0};
    (void)state;
    assert_true(find(&padded, padded.len, padded.len, &s));
    assert_int_equal(s.len, 3);
    assert_int_equal(s.missing, 0);
}

/* Captured before the kernel had cut it: the length in the IP head is 0. */
static void test_a_length_of_nothing_is_all_there_is(void **state)
{
    static const row uncut = ROW(DLT_RAW, IPV4("\0") TCP("\x12") "abc");
    segment s = {0};
    (void)state;
    assert_true(find(&uncut, uncut.len, uncut.len, &s));
    assert_int_equal(s.len, 3);
    assert_true(s.syn);
}

static void test_others_are_left_alone(void **state)
{
    static const row others[] = {
        ROW(DLT_RAW, "\x45\0\0\x1c\0\0\x20\0\x40\6\0\0"
                     "\x0a\0\0\1\x0a\0\0\2" TCP("\x10")), /* a fragment */
        ROW(DLT_RAW, "\x45\0\0\x1c\0\0\0\0\x40\x11\0\0"
                     "\x0a\0\0\1\x0a\0\0\2" TCP("\x10")), /* UDP */
        ROW(DLT_RAW, "\x44\0\0\x1c\0\0\0\0\x40\6\0\0"
                     "\x0a\0\0\1\x0a\0\0\2" TCP("\x10")),                        /* a short head */
        ROW(DLT_RAW, IPV4("\x2b") PORTS "\0\0\0\0\0\0\0\0\x40\x10\0\0\0\0\0\0"), /* a short TCP head */
        ROW(DLT_RAW, IPV4("\x15") TCP("\x10") "abc"),                            /* no room for TCP */
        ROW(DLT_RAW, "\x30" PACKET4),
        ROW(DLT_EN10MB, ETHER "\x08\6"
                              "\0\1\x08\0\6\4\0\1"),
        ROW(9999, PACKET4),
    };
    segment s;
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(find(&others[i], others[i].len, others[i].len, &s));
    assert_false(find(&packets[0], packets[0].len, packets[0].len - 1, &s));
    assert_true(segment_link_known(DLT_EN10MB));
    assert_false(segment_link_known(9999));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_octets_are_found),
        cmocka_unit_test(test_cut_packets_tell_what_is_missing),
        cmocka_unit_test(test_padding_is_not_data),
        cmocka_unit_test(test_a_length_of_nothing_is_all_there_is),
        cmocka_unit_test(test_others_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
