/* Names of several addresses: all are tried, and a name is looked up anew for every round. */
#include "tests/unit/socket/bench.h"

#include <arpa/inet.h>

static sb_addr address(const char *ip)
{
    sb_addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&addr.ss;
    in->sin_family = AF_INET;
    assert_int_equal(inet_pton(AF_INET, ip, &in->sin_addr), 1);
    return addr;
}

static void name(bench *b, const char *ip)
{
    sb_addr addr = address(ip);
    assert_int_equal(sb_fake_host(b->loop, "peer.example.org", &addr), SB_OK);
}

static void test_the_second_address_serves_where_the_first_does_not(void **state)
{
    (void)state;
    bench b;
    ear in, out;
    bench_open(&b);
    name(&b, "192.0.2.1");
    name(&b, "192.0.2.2");
    name(&b, "192.0.2.3");
    sb_socket *pull = open_socket(&b, SB_PULL, &in), *push = open_socket(&b, SB_PUSH, &out);
    bind_to(pull, "tcp://192.0.2.3:5555");
    connect_to(push, "tcp://peer.example.org:5555");
    send_text(push, "x");
    settle(&b); /* no time passes: it is one round of attempts */
    expect_seen(&in, 0, "x");
    assert_null(strstr(out.events, "connect_retried"));
    ear_clear(&in);
    bench_close(&b);
}

static void test_a_name_that_moved_is_found(void **state)
{
    (void)state;
    bench b;
    ear in, again;
    bench_open(&b);
    name(&b, "192.0.2.1");
    sb_socket *pull = open_socket(&b, SB_PULL, &in), *other = open_socket(&b, SB_PULL, &again);
    sb_socket *push = open_socket(&b, SB_PUSH, NULL);
    bind_to(pull, "tcp://192.0.2.1:5555");
    bind_to(other, "tcp://192.0.2.2:5555");
    connect_to(push, "tcp://peer.example.org:5555");
    settle(&b);
    sb_fake_host(b.loop, "peer.example.org", NULL);
    name(&b, "192.0.2.2");
    assert_int_equal(sb_socket_unbind(pull, "tcp://192.0.2.1:5555"), SB_OK);
    pass(&b, 1500);
    send_text(push, "y");
    settle(&b);
    expect_seen(&again, 0, "y");
    ear_clear(&again);
    bench_close(&b);
}

/* ---- waits ---- */

#define CLIENTS 32
#define TRIES   8

typedef struct waits {
    sb_handler base;
    uint64_t of[TRIES];
    size_t n;
} waits;

static void note_wait(sb_handler *self, sb_socket *sock, const sb_event *event)
{
    waits *w = (waits *)self;
    (void)sock;
    if (event->kind == SB_EVENT_CONNECT_RETRIED && w->n < TRIES)
        w->of[w->n++] = event->interval;
}

/* Clients of a server that is away: 100 ms, 200 ms, ... 1 s, each up to half as long again, and no two alike.
 */
static void test_waits_double_up_to_their_limit_and_are_spread(void **state)
{
    static waits w[CLIENTS];
    bench b;
    (void)state;
    bench_open(&b);
    for (int i = 0; i < CLIENTS; i++) {
        sb_socket *push = open_socket(&b, SB_PUSH, NULL);
        w[i] = (waits){.base = {.on_event = note_wait}};
        sb_socket_set_handler(push, &w[i].base);
        set_int(push, SB_OPT_RECONNECT_IVL, 100);
        set_int(push, SB_OPT_RECONNECT_IVL_MAX, 1000);
        connect_to(push, "tcp://127.0.0.1:7000");
    }
    pass(&b, TRIES * 1500);
    for (int k = 0; k < TRIES; k++) {
        uint64_t least = (k < 4 ? 100u << k : 1000) * SB_NS_PER_MS, different = 0;
        for (int i = 0; i < CLIENTS; i++) {
            assert_int_equal(w[i].n, TRIES);
            assert_in_range(w[i].of[k], least, least + least / 2);
            different += w[i].of[k] != w[0].of[k];
        }
        assert_true(different >= CLIENTS / 2);
    }
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_second_address_serves_where_the_first_does_not),
        cmocka_unit_test(test_a_name_that_moved_is_found),
        cmocka_unit_test(test_waits_double_up_to_their_limit_and_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
