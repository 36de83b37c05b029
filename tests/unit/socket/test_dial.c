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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_second_address_serves_where_the_first_does_not),
        cmocka_unit_test(test_a_name_that_moved_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
