/* Log lines: what they are about stands at their end, whatever stands before it. */
#include "bench.h"

static void test_an_event_is_one_line_whatever_a_peer_says(void **state)
{
    (void)state;
    bench b;
    char line[512], small[24];
    bench_open(&b);
    sb_socket *sock = open_socket(&b, SB_ROUTER, NULL);
    const sb_event event = {.kind = SB_EVENT_DISCONNECTED,
        .conn_id = 7,
        .address = "tcp://10.0.0.3:4711",
        .endpoint = "tcp://*:5555",
        .detail = "the peer says: a\nfront\x1b[2J, socket: other"};
    size_t n = sb_event_line(sock, &event, line, sizeof line);
    assert_int_equal(n, strlen(line));
    assert_string_equal(line, "disconnected: the peer says: a?front?[2J, socket: other, socket: router-1, "
                              "peer: tcp://10.0.0.3:4711, connection: 7, endpoint: tcp://*:5555");
    assert_int_equal(sb_event_line(sock, &event, small, sizeof small), 23);
    assert_string_equal(small, "disconnected: the peer ");
    bench_close(&b);
}

typedef struct listener {
    sb_host host;
    char last[2048];
} listener;

static void on_log(sb_host *self, sb_log_level level, const char *line)
{
    (void)level;
    snprintf(((listener *)self)->last, 2048, "%s", line);
}

static void test_a_long_text_leaves_room_for_what_it_is_about(void **state)
{
    (void)state;
    listener l = {.host.log = on_log};
    char text[3000];
    bench b;
    assert_int_equal(sb_fake_create(&b.loop), SB_OK);
    sb_engine_config cfg = {.loop = b.loop, .host = &l.host};
    assert_int_equal(sb_engine_create(&cfg, NULL, 0, &b.engine), SB_OK);
    sb_socket *sock = open_socket(&b, SB_ROUTER, NULL);
    sb_socket_log(sock, NULL, SB_LOG_WARN, "%d", 5);
    assert_string_equal(l.last, "5, socket: router-1");
    memset(text, 'x', sizeof text);
    sb_socket_log(sock, NULL, SB_LOG_WARN, "%.*s", (int)sizeof text, text);
    assert_string_equal(l.last + strlen(l.last) - 20, "xx, socket: router-1");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_event_is_one_line_whatever_a_peer_says),
        cmocka_unit_test(test_a_long_text_leaves_room_for_what_it_is_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
