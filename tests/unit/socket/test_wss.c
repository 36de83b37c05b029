/* wss:// on the fake loop: WebSocket over TLS, whom each end trusts, and what it says when it does not. */
#include "tests/unit/socket/bench.h"

#include "tests/certs.h"

#include <arpa/inet.h>
#include <unistd.h>

#define ENDPOINT "wss://localhost:8443/zmq"
#define BOUND    "wss://127.0.0.1:8443/zmq"

static cert authority, server_cert, client_cert, stranger;

static int make_certificates(void **state)
{
    (void)state;
    authority = cert_make("Test authority", NULL, NULL);
    server_cert = cert_make("server", "DNS:localhost,IP:127.0.0.1", &authority);
    client_cert = cert_make("client 7", NULL, &authority);
    stranger = cert_make("Another authority", "DNS:localhost", NULL);
    return 0;
}

static int drop_certificates(void **state)
{
    (void)state;
    cert *const all[] = {&authority, &server_cert, &client_cert, &stranger};
    for (size_t i = 0; i < 4; i++)
        cert_free(all[i]);
    return 0;
}

static void set_text(sb_socket *sock, sb_opt opt, const char *text)
{
    char err[200] = "";
    if (sb_socket_set_bytes(sock, opt, text, strlen(text), err, sizeof err) != SB_OK)
        fail_msg("%s", err);
}

static void certify(sb_socket *sock, const cert *c)
{
    set_text(sock, SB_OPT_WSS_KEY_PEM, c->key_pem);
    set_text(sock, SB_OPT_WSS_CERT_PEM, c->cert_pem);
}

typedef struct pair {
    bench b;
    ear in, out;
    sb_socket *pull, *push;
} pair;

static void open_pair(pair *p)
{
    bench_open(&p->b);
    p->pull = open_socket(&p->b, SB_PULL, &p->in);
    p->push = open_socket(&p->b, SB_PUSH, &p->out);
    certify(p->pull, &server_cert);
    set_text(p->push, SB_OPT_WSS_TRUST_PEM, authority.cert_pem);
}

static void close_pair(pair *p)
{
    ear_clear(&p->in);
    ear_clear(&p->out);
    bench_close(&p->b);
}

static void test_messages_pass_whatever_the_split(void **state)
{
    (void)state;
    static const size_t splits[] = {0, 1, 5, 100, 4096};
    char *big = malloc(100001);
    memset(big, 'z', 100000);
    big[100000] = '\0';
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        pair p;
        open_pair(&p);
        sb_fake_split(p.b.loop, splits[i]);
        bind_to(p.pull, BOUND);
        connect_to(p.push, ENDPOINT);
        send_text(p.push, "early");
        send_frames(p.push, "a||c");
        send_text(p.push, big);
        send_text(p.push, "last");
        assert_true(sb_fake_settle(p.b.loop, 10000000));
        expect_seen(&p.in, 0, "early");
        expect_seen(&p.in, 1, "a||c");
        expect_seen(&p.in, 2, big);
        expect_seen(&p.in, 3, "last");
        assert_string_equal(sb_peer_property(p.in.peer, "tls_version"), "TLSv1.3");
        assert_string_equal(sb_peer_property(p.in.peer, "ws_protocol"), "ZWS2.0/NULL");
        assert_null(sb_peer_property(p.in.peer, "tls_subject"));
        close_pair(&p);
    }
    free(big);
}

static void test_a_client_certificate_is_asked_for_and_named(void **state)
{
    (void)state;
    pair p;
    open_pair(&p);
    set_text(p.pull, SB_OPT_WSS_TRUST_PEM, authority.cert_pem);
    certify(p.push, &client_cert);
    bind_to(p.pull, BOUND);
    connect_to(p.push, ENDPOINT);
    send_text(p.push, "x");
    settle(&p.b);
    expect_seen(&p.in, 0, "x");
    assert_string_equal(sb_peer_property(p.in.peer, "tls_subject"), "CN=client 7");
    close_pair(&p);
}

static void expect_no_handshake(pair *p)
{
    pass(&p->b, 1200);
    assert_int_equal(p->in.n, 0);
    assert_non_null(strstr(p->in.events, "handshake_failed_protocol"));
    assert_non_null(strstr(p->out.events, "connect_retried"));
    assert_null(strstr(p->in.events, "handshake_succeeded"));
}

static void test_who_is_not_trusted_gets_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        pair p;
        open_pair(&p);
        if (i == 0)
            set_text(p.push, SB_OPT_WSS_TRUST_PEM, stranger.cert_pem); /* an unknown authority */
        if (i == 1)
            set_text(p.push, SB_OPT_WSS_HOSTNAME, "example.org"); /* another name */
        if (i >= 2)
            set_text(p.pull, SB_OPT_WSS_TRUST_PEM, authority.cert_pem); /* a certificate is wanted */
        if (i == 3)
            certify(p.push, &stranger);
        bind_to(p.pull, BOUND);
        connect_to(p.push, ENDPOINT);
        send_text(p.push, "secret");
        expect_no_handshake(&p);
        close_pair(&p);
    }
}

static void refuse(pair *p, bool bind, const char *why)
{
    char err[300] = "", expected[300];
    sb_err code = bind ? sb_socket_bind(p->pull, BOUND, err, sizeof err)
                       : sb_socket_connect(p->push, ENDPOINT, err, sizeof err);
    assert_int_equal(code, SB_EINVAL);
    snprintf(expected, sizeof expected, "cannot %s %s: %s", bind ? "bind" : "connect",
        bind ? BOUND : ENDPOINT, why);
    assert_string_equal(err, expected);
}

static void test_bad_texts_are_refused_at_once(void **state)
{
    (void)state;
    pair p;
    open_pair(&p);
    set_text(p.pull, SB_OPT_WSS_KEY_PEM, "");
    refuse(&p, true, "wss_cert_pem and wss_key_pem (or wss_cert_file and wss_key_file) are needed");
    set_text(p.pull, SB_OPT_WSS_KEY_PEM, "nonsense");
    refuse(&p, true, "wss_key_pem is no unencrypted private key in PEM");
    set_text(p.pull, SB_OPT_WSS_KEY_PEM, client_cert.key_pem);
    refuse(&p, true, "wss_key_pem is not the key of wss_cert_pem");
    set_text(p.pull, SB_OPT_WSS_CERT_PEM, "nonsense");
    refuse(&p, true, "wss_cert_pem is no certificate in PEM");
    set_text(p.push, SB_OPT_WSS_TRUST_PEM, "nonsense");
    refuse(&p, false, "wss_trust_pem is no certificate in PEM");
    set_text(p.push, SB_OPT_WSS_TRUST_PEM, "");
    refuse(&p, false,
        "whom to trust? set wss_trust_pem, wss_trust_file or wss_trust_system to connect to wss://");
    set_text(p.push, SB_OPT_WSS_TRUST_FILE, "/nowhere/trust.pem");
    char err[300];
    assert_int_equal(sb_socket_connect(p.push, ENDPOINT, err, sizeof err), SB_ENOENT);
    assert_non_null(strstr(err, "cannot read /nowhere/trust.pem: No such file"));
    close_pair(&p);
}

static void test_files_serve_as_well(void **state)
{
    (void)state;
    pair p;
    char path[] = "/tmp/sb-trust-XXXXXX";
    int fd = mkstemp(path);
    FILE *out = fdopen(fd, "w");
    fputs(authority.cert_pem, out);
    fclose(out);
    open_pair(&p);
    set_text(p.push, SB_OPT_WSS_TRUST_PEM, "");
    set_text(p.push, SB_OPT_WSS_TRUST_FILE, path);
    bind_to(p.pull, BOUND);
    connect_to(p.push, ENDPOINT);
    send_text(p.push, "x");
    settle(&p.b);
    expect_seen(&p.in, 0, "x");
    unlink(path);
    close_pair(&p);
}

static sb_fake_raw *dial(pair *p)
{
    sb_addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&addr.ss;
    sb_fake_raw *raw;
    in->sin_family = AF_INET;
    in->sin_port = htons(8443);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(sb_fake_connect_raw(p->b.loop, &addr, &raw), SB_OK);
    settle(&p->b);
    return raw;
}

/* Plain HTTP, random octets, a huge record, silence: an alert or nothing, and the end. */
static void test_what_is_not_tls_ends(void **state)
{
    (void)state;
    static const char http[] = "GET /zmq HTTP/1.1\r\nHost: x\r\n\r\n";
    for (int i = 0; i < 4; i++) {
        pair p;
        char rest[4096];
        uint8_t noise[3000];
        open_pair(&p);
        bind_to(p.pull, BOUND);
        sb_fake_raw *raw = dial(&p);
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (uint8_t)(k * 7919 >> 3);
        if (i == 0)
            sb_fake_raw_write(raw, http, strlen(http));
        else if (i == 1)
            sb_fake_raw_write(raw, noise, sizeof noise);
        else if (i == 2)
            sb_fake_raw_write(raw, "\x16\x03\x01\xff\xff\x01", 6);
        pass(&p.b, 2);
        if (i == 3)
            sb_fake_raw_shutdown(raw);
        pass(&p.b, 1200);
        while (sb_fake_raw_read(raw, rest, sizeof rest) > 0)
            continue;
        assert_true(sb_fake_raw_ended(raw));
        assert_non_null(strstr(p.in.events, "handshake_failed_protocol"));
        sb_fake_raw_close(raw, SB_OK);
        close_pair(&p);
    }
}

static void test_a_broken_stream_is_told_and_mended(void **state)
{
    (void)state;
    pair p;
    open_pair(&p);
    bind_to(p.pull, BOUND);
    connect_to(p.push, ENDPOINT);
    settle(&p.b);
    assert_int_equal(sb_socket_unbind(p.pull, BOUND), SB_OK);
    pass(&p.b, 50);
    assert_non_null(strstr(p.out.events, "disconnected"));
    bind_to(p.pull, BOUND);
    pass(&p.b, 1500);
    send_text(p.push, "again");
    settle(&p.b);
    expect_seen(&p.in, 0, "again");
    close_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_pass_whatever_the_split),
        cmocka_unit_test(test_a_client_certificate_is_asked_for_and_named),
        cmocka_unit_test(test_who_is_not_trusted_gets_nothing),
        cmocka_unit_test(test_bad_texts_are_refused_at_once),
        cmocka_unit_test(test_files_serve_as_well),
        cmocka_unit_test(test_what_is_not_tls_ends),
        cmocka_unit_test(test_a_broken_stream_is_told_and_mended),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
