/* Sessions of every version as lines, in whatever pieces they come. */
#include "modules/standalone/dump/decoder.h"
#include "tests/unit/dump/heard.h"

#define OCTETS(text) (const uint8_t *)(text), sizeof(text) - 1

#define ZEROS31   "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define SIGNATURE "\xff\0\0\0\0\0\0\0\1\x7f"
#define MODERN                                                                                               \
    SIGNATURE "\3\1"                                                                                         \
              "NULL"                                                                                         \
              "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"                                                             \
              "\0" ZEROS31
#define SECURE                                                                                               \
    SIGNATURE "\3\1"                                                                                         \
              "CURVE"                                                                                        \
              "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"                                                               \
              "\1" ZEROS31
#define READY(t)                                                                                             \
    "\4\x19"                                                                                                 \
    "\5READY"                                                                                                \
    "\xbSocket-Type"                                                                                         \
    "\0\0\0\3" t

/* Two directions that know each other. */
typedef struct world {
    decoder a, b;
    decoder_sink sink;
    heard heard;
} world;

static void world_init(world *w)
{
    heard_clear(&w->heard);
    w->sink = (decoder_sink){.say = hear, .user = &w->heard, .shown = 8};
    decoder_init(&w->a, &w->b, &w->sink);
    decoder_init(&w->b, &w->a, &w->sink);
}

static void feed_in_pieces(decoder *d, const uint8_t *octets, size_t len, size_t piece)
{
    for (size_t at = 0; at < len; at += piece)
        decoder_feed(d, octets + at, len - at < piece ? len - at : piece);
}

/* The same lines for every split into equal pieces, and into two. */
static void check(const uint8_t *octets, size_t len, const char *expected)
{
    world w;
    for (size_t piece = 1; piece <= len; piece++) {
        world_init(&w);
        feed_in_pieces(&w.a, octets, len, piece);
        assert_string_equal(w.heard.text, expected);
    }
    for (size_t at = 0; at <= len; at++) {
        world_init(&w);
        decoder_feed(&w.a, octets, at);
        decoder_feed(&w.a, octets + at, len - at);
        assert_string_equal(w.heard.text, expected);
    }
}

static void test_a_modern_session(void **state)
{
    (void)state;
    check(OCTETS(MODERN READY("PUB") "\1\3abc"
                                     "\0\0"
                                     "\0\4de\"\n"),
        "greeting 3.1 NULL\n"
        "READY Socket-Type=\"PUB\"\n"
        "message 2 frames 3 octets: \"abc\" \"\"\n"
        "message 1 frame 4 octets: \"de\\x22\\x0a\"\n");
}

static void test_commands(void **state)
{
    (void)state;
    check(OCTETS(MODERN READY("SUB") "\4\xe"
                                     "\11SUBSCRIBEtick"
                                     "\4\xb"
                                     "\6CANCELtick"
                                     "\4\xc"
                                     "\4PING\0\x19"
                                     "abcde"
                                     "\4\x7"
                                     "\4PONGab"
                                     "\4\x8"
                                     "\5ERROR\1x"
                                     "\4\x6"
                                     "\5LEAVE"
                                     "\4\x5"
                                     "\4PING"
                                     "\4\x6"
                                     "\3NEWab"),
        "greeting 3.1 NULL\n"
        "READY Socket-Type=\"SUB\"\n"
        "SUBSCRIBE \"tick\"\n"
        "CANCEL \"tick\"\n"
        "PING ttl=2.5s context=\"abcde\"\n"
        "PONG context=\"ab\"\n"
        "ERROR \"x\"\n"
        "LEAVE \"\"\n"
        "PING (malformed)\n"
        "NEW 6 octets\n");
}

static void test_a_password_is_not_shown(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    decoder_feed(&w.a, OCTETS(MODERN "\4\x10"
                                     "\5HELLO"
                                     "\4user"
                                     "\4pass"));
    assert_string_equal(w.heard.text, "greeting 3.1 NULL\nHELLO username=\"user\"\n");
}

static void test_subscriptions_in_messages(void **state)
{
    (void)state;
    check(OCTETS(MODERN READY("SUB") "\0\5\1tick"
                                     "\0\1\1"
                                     "\0\5\0tick"
                                     "\0\2hi"),
        "greeting 3.1 NULL\n"
        "READY Socket-Type=\"SUB\"\n"
        "subscribe \"tick\"\n"
        "subscribe \"\"\n"
        "cancel \"tick\"\n"
        "message 1 frame 2 octets: \"hi\"\n");
}

static void test_what_is_in_boxes_stays_there(void **state)
{
    (void)state;
    check(OCTETS(SECURE "\4\x9"
                        "\5READYabc"
                        "\0\xc"
                        "\7MESSAGE"
                        "1234"
                        "\4\x8"
                        "\5ERROR\1x"),
        "greeting 3.1 CURVE as server\n"
        "READY sealed, 9 octets\n"
        "sealed frame, 12 octets\n"
        "ERROR \"x\"\n");
}

static void test_a_2_0_peer(void **state)
{
    (void)state;
    check(OCTETS(SIGNATURE "\1\10"
                           "\0\2me"
                           "\1\1a"
                           "\0\1b"),
        "greeting 2.0 Socket-Type=8 PUSH\n"
        "identity \"me\"\n"
        "message 2 frames 2 octets: \"a\" \"b\"\n");
}

static void test_a_1_0_peer(void **state)
{
    (void)state;
    check(OCTETS("\3\0me"
                 "\2\1a"
                 "\xff\0\0\0\0\0\0\0\2\0"
                 "b"),
        "greeting 1.0\n"
        "identity \"me\"\n"
        "message 2 frames 2 octets: \"a\" \"b\"\n");
    check(OCTETS("\xff\0\0\0\0\0\0\0\3\0"
                 "me"
                 "\1\0"),
        "greeting 1.0\n"
        "identity \"me\"\n"
        "message 1 frame 0 octets: \"\"\n");
}

/* A modern peer that finds an old one goes on as the old one speaks. */
static void test_both_speak_the_older_version(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    decoder_feed(&w.a, OCTETS(SIGNATURE));
    decoder_feed(&w.b, OCTETS("\1\0"));
    decoder_feed(&w.a, OCTETS("\2\0x"));
    assert_string_equal(
        w.heard.text, "greeting 1.0\nidentity \"\"\ngreeting as to 1.0\nmessage 1 frame 1 octets: \"x\"\n");
    world_init(&w);
    decoder_feed(&w.a, OCTETS(SIGNATURE "\3"));
    decoder_feed(&w.b, OCTETS(SIGNATURE "\1\7"
                                        "\0\0"));
    decoder_feed(&w.a, OCTETS("\10"
                              "\0\0"
                              "\0\1x"));
    assert_string_equal(w.heard.text,
        "greeting 2.0 Socket-Type=7 PULL\nidentity \"\"\n"
        "greeting 2.0 Socket-Type=8 PUSH\nidentity \"\"\nmessage 1 frame 1 octets: \"x\"\n");
}

static void test_others_are_named(void **state)
{
    (void)state;
    check(OCTETS("GET / HTTP/1.1\r\n"), "HTTP or WebSocket, not decoded\n");
    check(OCTETS("\x16\x03\x01\x02"), "TLS, not decoded\n");
    check(OCTETS("PROXY TCP4 "), "PROXY protocol, not decoded\n");
    check(OCTETS("\x47\0GE"), "greeting 1.0\n"); /* a 1.0 identity of 70 octets */
}

static void test_malformed_octets_end_it(void **state)
{
    (void)state;
    check(OCTETS(MODERN "\x80\1a"
                        "\0\1b"),
        "greeting 3.1 NULL\nmalformed: reserved bits in the flags of a frame\n");
    check(OCTETS("\0\0"), "greeting 1.0\nmalformed: a frame of 1.0 without its flags\n");
    check(OCTETS(MODERN "\4\0"
                        "\4\2"
                        "\7x"),
        "greeting 3.1 NULL\ncommand without a name, 0 octets\ncommand without a name, 2 octets\n");
    check(OCTETS(MODERN "\4\xa"
                        "\5READY"
                        "\xbSoc"),
        "greeting 3.1 NULL\nREADY (malformed metadata)\n");
}

static void test_the_end_tells_what_is_missing(void **state)
{
    static const struct {
        const uint8_t *octets;
        size_t len;
        const char *told;
    } rows[] = {
        {OCTETS(MODERN "\0\5ab"), "ended within a frame: 3 of 5 octets are missing\n"},
        {OCTETS(MODERN "\2\x80\0\0\0\0\0\0\0ab"),
            "ended within a frame: 9223372036854775806 of 9223372036854775808 octets are missing\n"},
        {OCTETS(MODERN "\0"), "ended within the head of a frame\n"},
        {OCTETS(MODERN "\1\1a"), "ended within a message, behind 1 frames with MORE\n"},
        {OCTETS(MODERN), ""},
    };
    world w;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_init(&w);
        decoder_feed(&w.a, rows[i].octets, rows[i].len);
        heard_clear(&w.heard);
        decoder_end(&w.a);
        assert_string_equal(w.heard.text, rows[i].told);
    }
    world_init(&w);
    decoder_feed(&w.a, OCTETS("\xff\0"));
    decoder_end(&w.a);
    assert_string_equal(w.heard.text, "ended within the greeting\n");
}

/* A line stays a line, however many frames without end there are. */
static void test_endless_more_is_counted_only(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    decoder_feed(&w.a, OCTETS(MODERN));
    heard_clear(&w.heard);
    for (int i = 0; i < 100000; i++)
        decoder_feed(&w.a, OCTETS("\1\1x"));
    assert_int_equal(w.heard.len, 0);
    decoder_feed(&w.a, OCTETS("\0\1y"));
    assert_non_null(strstr(w.heard.text, "message 100001 frames 100001 octets: \"x\" \"x\""));
    assert_non_null(strstr(w.heard.text, "\"x\" +99985 frames\n"));
}

static void test_long_frames_are_cut(void **state)
{
    uint8_t frame[9 + 5000] = {2, 0, 0, 0, 0, 0, 0, 0x13, 0x88};
    world w;
    (void)state;
    world_init(&w);
    memset(frame + 9, 'z', 5000);
    decoder_feed(&w.a, OCTETS(MODERN));
    decoder_feed(&w.a, frame, sizeof frame);
    frame[0] = 6; /* a command, whose name is said to have 122 octets */
    decoder_feed(&w.a, frame, sizeof frame);
    assert_non_null(strstr(w.heard.text, "message 1 frame 5000 octets: \"zzzzzzzz\"+4992\n"));
    assert_non_null(strstr(w.heard.text, "z 5000 octets\n"));
}

static void test_lost_octets_end_it(void **state)
{
    world w;
    (void)state;
    world_init(&w);
    decoder_feed(&w.a, OCTETS(MODERN));
    decoder_lost(&w.a, "lost");
    decoder_lost(&w.a, "lost");
    decoder_feed(&w.a, OCTETS("\0\1x"));
    decoder_end(&w.a);
    assert_string_equal(w.heard.text, "greeting 3.1 NULL\nlost\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_modern_session),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_a_password_is_not_shown),
        cmocka_unit_test(test_subscriptions_in_messages),
        cmocka_unit_test(test_what_is_in_boxes_stays_there),
        cmocka_unit_test(test_a_2_0_peer),
        cmocka_unit_test(test_a_1_0_peer),
        cmocka_unit_test(test_both_speak_the_older_version),
        cmocka_unit_test(test_others_are_named),
        cmocka_unit_test(test_malformed_octets_end_it),
        cmocka_unit_test(test_the_end_tells_what_is_missing),
        cmocka_unit_test(test_endless_more_is_counted_only),
        cmocka_unit_test(test_long_frames_are_cut),
        cmocka_unit_test(test_lost_octets_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
