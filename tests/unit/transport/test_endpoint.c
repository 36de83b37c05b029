/* Endpoints: text to values, addresses to text, and an error line that helps. */
#include "engine/transport/endpoint.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <cmocka.h>

static sb__endpoint parse(const char *text)
{
    char err[200] = "";
    sb__endpoint ep;

    if (sb__endpoint_parse(text, &ep, err, sizeof err) != SB_OK)
        fail_msg("%s", err);
    return ep;
}

static void assert_refused(const char *text, const char *why)
{
    char err[400], expected[400];
    sb__endpoint ep;

    snprintf(expected, sizeof expected, "%s: %s", text, why);
    assert_int_equal(sb__endpoint_parse(text, &ep, err, sizeof err), SB_EINVAL);
    assert_string_equal(err, expected);
    assert_int_equal(sb__endpoint_parse(text, &ep, NULL, 0), SB_EINVAL);
}

static void assert_tcp(const char *text, const char *host, unsigned port)
{
    sb__endpoint ep = parse(text);

    assert_int_equal(ep.kind, SB__ENDPOINT_TCP);
    assert_string_equal(ep.host, host);
    assert_int_equal(ep.port, port);
    assert_int_equal(ep.any_port, port == 0);
    assert_int_equal(ep.any_host, strcmp(host, "*") == 0);
}

static void test_tcp_hosts_and_ports(void **state)
{
    (void)state;
    assert_tcp("tcp://example.org:5555", "example.org", 5555);
    assert_tcp("tcp://127.0.0.1:65535", "127.0.0.1", 65535);
    assert_tcp("tcp://*:*", "*", 0);
    assert_tcp("tcp://*:0", "*", 0);
    assert_tcp("tcp://[::1]:5555", "::1", 5555);
    assert_tcp("tcp://[::]:*", "::", 0);
    assert_tcp("tcp://eth0:5555", "eth0", 5555);
}

static void test_tcp_source_addresses(void **state)
{
    sb__endpoint ep = parse("tcp://192.0.2.1:0;[2001:db8::1]:7000");

    (void)state;
    assert_string_equal(ep.source_host, "192.0.2.1");
    assert_int_equal(ep.source_port, 0);
    assert_string_equal(ep.host, "2001:db8::1");
    assert_int_equal(ep.port, 7000);
    assert_string_equal(parse("tcp://a:1").source_host, "");
}

static void test_ipc_and_inproc_names(void **state)
{
    sb__endpoint ep = parse("ipc:///run/sb/x");

    (void)state;
    assert_int_equal(ep.kind, SB__ENDPOINT_IPC);
    assert_string_equal(ep.name, "/run/sb/x");
    assert_false(ep.abstract || ep.any_path);
    ep = parse("ipc://@hidden");
    assert_true(ep.abstract);
    assert_string_equal(ep.name, "hidden");
    assert_true(parse("ipc://*").any_path);
    ep = parse("inproc://a:b;c*");
    assert_int_equal(ep.kind, SB__ENDPOINT_INPROC);
    assert_string_equal(ep.name, "a:b;c*");
}

static void test_ws_paths(void **state)
{
    sb__endpoint ep = parse("ws://[::1]:80/a/b:c");

    (void)state;
    assert_int_equal(ep.kind, SB__ENDPOINT_WS);
    assert_string_equal(ep.host, "::1");
    assert_int_equal(ep.port, 80);
    assert_string_equal(ep.path, "/a/b:c");
    ep = parse("wss://example.org:*");
    assert_int_equal(ep.kind, SB__ENDPOINT_WSS);
    assert_true(ep.any_port);
    assert_string_equal(ep.path, "/");
}

static void test_vsock_numbers(void **state)
{
    sb__endpoint ep = parse("vsock://2:70000");

    (void)state;
    assert_int_equal(ep.kind, SB__ENDPOINT_VSOCK);
    assert_int_equal(ep.cid, 2);
    assert_int_equal(ep.vport, 70000);
    ep = parse("vsock://*:*");
    assert_true(ep.any_host && ep.any_port);
}

static void test_addresses_keep_scheme_and_path(void **state)
{
    sb__endpoint ep = parse("ws://127.0.0.1:80/x");
    char text[100];
    sb_addr addr;

    (void)state;
    assert_int_equal(sb__endpoint_addr(&ep, false, &addr), SB_OK);
    sb__endpoint_resolved(&ep, &addr, text, sizeof text);
    assert_string_equal(text, "ws://127.0.0.1:80/x");
    static const char *const numbers[] = {"vsock://1:5", "vsock://1:*", "vsock://*:5", "vsock://*:*"};
    for (size_t i = 0; i < 4; i++) {
        ep = parse(numbers[i]);
        assert_int_equal(sb__endpoint_addr(&ep, true, &addr), SB_OK);
        sb__endpoint_resolved(&ep, &addr, text, sizeof text);
        assert_string_equal(text, numbers[i]);
    }
    ep = parse("ws://example.org:80");
    assert_int_equal(sb__endpoint_addr(&ep, false, &addr), SB_EADDRNOTAVAIL);
}

static void test_refusals_say_what_would_be_right(void **state)
{
    (void)state;
    assert_refused("tcp://x", "port is missing, expected HOST:PORT");
    assert_refused("tcp://", "port is missing, expected HOST:PORT");
    assert_refused("tcp://:5555", "bad host, expected HOST:PORT");
    assert_refused("tcp://x:", "bad host, expected HOST:PORT");
    assert_refused("tcp://x:65536", "bad port, expected 0 to 65535 or *");
    assert_refused("tcp://x:-1", "bad port, expected 0 to 65535 or *");
    assert_refused("tcp://x:5555x", "bad port, expected 0 to 65535 or *");
    assert_refused("tcp://x: 5", "bad port, expected 0 to 65535 or *");
    assert_refused("tcp://src;x:1", "bad source address, expected tcp://SOURCE:PORT;HOST:PORT");
    assert_refused("ipc://", "path is missing, expected ipc://PATH or ipc://@NAME");
    assert_refused("ipc://@", "path is missing, expected ipc://PATH or ipc://@NAME");
    assert_refused("inproc://", "expected inproc://NAME of 1 to 255 octets");
    assert_refused("ws://x/p", "port is missing, expected HOST:PORT");
    assert_refused("ws://x:1/p q", "bad path, expected ws://HOST:PORT/PATH without spaces, ? and #");
    assert_refused("vsock://1", "expected vsock://CID:PORT");
    assert_refused("vsock://x:1", "bad CID, expected a number (1 is this machine, 2 the host) or *");
    assert_refused("vsock://1:-1", "bad port, expected a number below 4294967295 or *");
    assert_refused("pgm://x:1",
        "unknown transport, expected tcp://, ipc://, inproc://, udp://, ws://, wss:// or "
        "vsock://");
    assert_refused("", "unknown transport, expected tcp://, ipc://, inproc://, udp://, ws://, wss:// or "
                       "vsock://");
}

static void test_lengths_are_bounded(void **state)
{
    char text[400] = "ipc://";
    sb__endpoint ep;

    (void)state;
    memset(text + 6, 'p', 300);
    text[6 + 108] = '\0';
    assert_int_equal(sb__endpoint_parse(text, &ep, NULL, 0), SB_EINVAL);
    text[6 + 107] = '\0';
    assert_int_equal(sb__endpoint_parse(text, &ep, NULL, 0), SB_OK);
    memcpy(text, "tcp://", 6);
    memset(text + 6, 'h', 300);
    strcpy(text + 6 + 256, ":1");
    assert_int_equal(sb__endpoint_parse(text, &ep, NULL, 0), SB_EINVAL);
    strcpy(text + 6 + 255, ":1");
    assert_int_equal(sb__endpoint_parse(text, &ep, NULL, 0), SB_OK);
    assert_int_equal(strlen(ep.host), 255);
}

static void assert_local(const char *endpoint, const char *formatted)
{
    sb__endpoint ep = parse(endpoint);
    char text[200];
    sb_addr addr;

    if (ep.kind == SB__ENDPOINT_TCP)
        assert_int_equal(sb__endpoint_local(ep.host, ep.any_host, ep.port, false, &addr), SB_OK);
    else
        assert_int_equal(sb__endpoint_addr(&ep, false, &addr), SB_OK);
    sb__endpoint_format(&addr, text, sizeof text);
    assert_string_equal(text, formatted);
}

static void test_addresses_come_back_as_text(void **state)
{
    sb_addr none = {0};
    char text[8] = "?";

    (void)state;
    assert_local("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555");
    assert_local("tcp://*:5555", "tcp://0.0.0.0:5555");
    assert_local("tcp://lo:80", "tcp://127.0.0.1:80");
    assert_local("tcp://[::1]:5555", "tcp://[::1]:5555");
    assert_local("ipc:///run/x", "ipc:///run/x");
    assert_local("ipc://relative", "ipc://relative");
    assert_local("ipc://@name", "ipc://@name");
    sb__endpoint_format(&none, text, sizeof text);
    assert_string_equal(text, "");
}

static void test_names_that_are_no_address_cannot_be_bound(void **state)
{
    sb_addr addr;

    (void)state;
    assert_int_equal(sb__endpoint_local("no-such-interface", false, 1, false, &addr), SB_EADDRNOTAVAIL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp_hosts_and_ports),
        cmocka_unit_test(test_tcp_source_addresses),
        cmocka_unit_test(test_ipc_and_inproc_names),
        cmocka_unit_test(test_ws_paths),
        cmocka_unit_test(test_vsock_numbers),
        cmocka_unit_test(test_addresses_keep_scheme_and_path),
        cmocka_unit_test(test_refusals_say_what_would_be_right),
        cmocka_unit_test(test_lengths_are_bounded),
        cmocka_unit_test(test_addresses_come_back_as_text),
        cmocka_unit_test(test_names_that_are_no_address_cannot_be_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
