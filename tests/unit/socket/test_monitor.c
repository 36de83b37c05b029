/* Monitor events: every one that libzmq has, with the connection's number, both endpoints, identity and
 * cause. */
#include "tests/unit/socket/real.h"

#include "tests/raw_peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOTES 64

typedef struct note {
    sb_event_kind kind;
    uint64_t conn_id;
    char endpoint[96], address[96], identity[16], detail[128];
    sb_err err;
    sb_session_cause cause;
    uint64_t interval;
} note;

typedef struct watcher {
    sb_handler base;
    note notes[NOTES];
    size_t n;
    size_t closed_at; /* notes there were when on_closed came */
} watcher;

static void watch_event(sb_handler *self, sb_socket *sock, const sb_event *ev)
{
    watcher *w = (watcher *)self;
    (void)sock;
    assert_true(w->n < NOTES);
    note *n = &w->notes[w->n++];
    *n = (note){.kind = ev->kind,
        .conn_id = ev->conn_id,
        .err = ev->err,
        .cause = ev->cause,
        .interval = ev->interval};
    snprintf(n->endpoint, sizeof n->endpoint, "%s", ev->endpoint);
    snprintf(n->address, sizeof n->address, "%s", ev->address);
    snprintf(n->detail, sizeof n->detail, "%s", ev->detail);
    snprintf(n->identity, sizeof n->identity, "%.*s", (int)ev->identity_len, (const char *)ev->identity);
}

static void watch_closed(sb_handler *self, sb_socket *sock)
{
    (void)sock;
    ((watcher *)self)->closed_at = ((watcher *)self)->n;
}

static sb_socket *watched(bench *b, sb_type type, watcher *w)
{
    sb_socket *sock = open_socket(b, type, NULL);
    *w = (watcher){.base = {.on_event = watch_event, .on_closed = watch_closed}};
    sb_socket_set_handler(sock, &w->base);
    return sock;
}

static const note *only(const watcher *w, sb_event_kind kind)
{
    const note *found = NULL;
    for (size_t i = 0; i < w->n; i++) {
        if (w->notes[i].kind != kind)
            continue;
        if (found != NULL)
            fail_msg("%s twice", sb_event_name(kind));
        found = &w->notes[i];
    }
    if (found == NULL)
        fail_msg("no %s", sb_event_name(kind));
    return found;
}

/* The order in which they came, as names. */
static void expect_order(const watcher *w, const char *expected)
{
    char text[1024] = "";
    for (size_t i = 0; i < w->n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i > 0 ? " " : "",
            sb_event_name(w->notes[i].kind));
    assert_string_equal(text, expected);
}

#define HERE "tcp://127.0.0.1:1"

static void test_a_connection_from_its_beginning_to_its_end(void **state)
{
    (void)state;
    bench b;
    watcher in, out;
    bench_open(&b);
    sb_socket *router = watched(&b, SB_ROUTER, &in), *dealer = watched(&b, SB_DEALER, &out);
    assert_int_equal(sb_socket_set_bytes(dealer, SB_OPT_ROUTING_ID, "bob", 3, NULL, 0), SB_OK);
    bind_to(router, HERE);
    connect_to(dealer, HERE);
    settle(&b);
    sb_socket_close(dealer);
    settle(&b);
    sb_socket_close(router);
    settle(&b);
    expect_order(&in, "listening accepted handshake_succeeded disconnected closed monitor_stopped");
    expect_order(&out, "connect_delayed connected handshake_succeeded disconnected monitor_stopped");
    assert_int_equal(in.closed_at, in.n);
    assert_int_equal(out.closed_at, out.n);
    const note *accepted = only(&in, SB_EVENT_ACCEPTED), *gone = only(&in, SB_EVENT_DISCONNECTED);
    assert_int_not_equal(accepted->conn_id, 0);
    assert_int_equal(only(&in, SB_EVENT_HANDSHAKE_SUCCEEDED)->conn_id, accepted->conn_id);
    assert_int_equal(gone->conn_id, accepted->conn_id);
    assert_string_equal(only(&in, SB_EVENT_HANDSHAKE_SUCCEEDED)->identity, "bob");
    assert_string_equal(gone->identity, "bob");
    for (size_t i = 0; i + 1 < in.n; i++)
        assert_string_equal(in.notes[i].endpoint, HERE);
    assert_memory_equal(accepted->address, "tcp://127.0.0.1:", 16);
    assert_string_equal(gone->address, accepted->address);
    const note *connected = only(&out, SB_EVENT_CONNECTED);
    assert_int_not_equal(connected->conn_id, 0);
    assert_int_equal(only(&out, SB_EVENT_HANDSHAKE_SUCCEEDED)->conn_id, connected->conn_id);
    assert_int_equal(only(&out, SB_EVENT_DISCONNECTED)->conn_id, connected->conn_id);
    assert_string_equal(connected->address, HERE);
    bench_close(&b);
}

static void test_what_a_peer_does_has_the_number_of_its_connection(void **state)
{
    (void)state;
    bench b;
    watcher in;
    bench_open(&b);
    sb_socket *pub = watched(&b, SB_XPUB, &in), *sub = open_socket(&b, SB_SUB, NULL);
    bind_to(pub, HERE);
    connect_to(sub, HERE);
    sb_socket_subscribe(sub, "a", 1);
    settle(&b);
    sb_socket_unsubscribe(sub, "a", 1);
    settle(&b);
    uint64_t id = only(&in, SB_EVENT_ACCEPTED)->conn_id;
    assert_int_equal(only(&in, SB_EVENT_SUBSCRIBED)->conn_id, id);
    assert_int_equal(only(&in, SB_EVENT_UNSUBSCRIBED)->conn_id, id);
    assert_non_null(sb_socket_find_peer(pub, id)); /* it came to a bind: one number for both */
    bench_close(&b);
}

static void test_attempts_that_fail_and_are_made_again(void **state)
{
    (void)state;
    bench b;
    watcher out;
    bench_open(&b);
    connect_to(watched(&b, SB_DEALER, &out), HERE);
    settle(&b);
    expect_order(&out, "connect_delayed closed connect_retried");
    assert_string_equal(only(&out, SB_EVENT_CONNECT_DELAYED)->endpoint, HERE);
    assert_int_equal(only(&out, SB_EVENT_CLOSED)->err, SB_ECONNREFUSED);
    assert_string_equal(only(&out, SB_EVENT_CLOSED)->endpoint, HERE);
    assert_int_equal(only(&out, SB_EVENT_CONNECT_RETRIED)->err, SB_ECONNREFUSED);
    assert_true(only(&out, SB_EVENT_CONNECT_RETRIED)->interval > 0);
    bench_close(&b);
}

static void test_a_bind_that_fails(void **state)
{
    (void)state;
    bench b;
    watcher w;
    bench_open(&b);
    bind_to(open_socket(&b, SB_PULL, NULL), HERE);
    assert_int_equal(sb_socket_bind(watched(&b, SB_PULL, &w), HERE, NULL, 0), SB_EADDRINUSE);
    expect_order(&w, "bind_failed");
    assert_string_equal(only(&w, SB_EVENT_BIND_FAILED)->endpoint, HERE);
    assert_int_equal(only(&w, SB_EVENT_BIND_FAILED)->err, SB_EADDRINUSE);
    bench_close(&b);
}

/* Each handshake that fails is told with the connection's number, its address and why. */
static void expect_failure(const watcher *w, sb_event_kind kind, sb_session_cause cause)
{
    const note *failed = only(w, kind), *accepted = only(w, SB_EVENT_ACCEPTED);
    assert_int_equal(failed->conn_id, accepted->conn_id);
    assert_string_equal(failed->address, accepted->address);
    assert_string_equal(failed->endpoint, HERE);
    assert_int_equal(failed->cause, cause);
    assert_int_not_equal(failed->err, SB_OK);
    assert_string_not_equal(failed->detail, "");
}

static void test_handshakes_that_fail(void **state)
{
    (void)state;
    static const struct {
        sb_event_kind kind;
        sb_session_cause cause;
        const char *type; /* NULL: nothing but a greeting */
        sb_opt opt;
    } rows[] = {
        {SB_EVENT_HANDSHAKE_FAILED_PROTOCOL, SB_CAUSE_PEER_TYPE, "PUB", SB_OPT_TYPE},
        {SB_EVENT_HANDSHAKE_FAILED_PROTOCOL, SB_CAUSE_MECHANISM, "DEALER", SB_OPT_PLAIN_SERVER},
        {SB_EVENT_HANDSHAKE_FAILED_NO_DETAIL, SB_CAUSE_TIMEOUT, NULL, SB_OPT_TYPE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bench b;
        watcher w;
        bench_open(&b);
        sb_socket *router = watched(&b, SB_ROUTER, &w);
        if (rows[i].opt != SB_OPT_TYPE)
            set_int(router, rows[i].opt, 1);
        bind_to(router, HERE);
        sb_fake_raw *raw = rows[i].type != NULL ? raw_join(b.loop, 1, rows[i].type) : raw_connect(b.loop, 1);
        settle(&b);
        if (rows[i].type == NULL)
            sb_fake_advance(b.loop, 31 * SB_NS_PER_S);
        settle(&b);
        expect_failure(&w, rows[i].kind, rows[i].cause);
        sb_fake_raw_close(raw, SB_OK);
        bench_close(&b);
    }
}

static void test_a_peer_that_is_not_let_in(void **state)
{
    (void)state;
    bench b;
    watcher w;
    bench_open(&b);
    sb_socket *router = watched(&b, SB_ROUTER, &w), *dealer = open_socket(&b, SB_DEALER, NULL);
    set_int(router, SB_OPT_PLAIN_SERVER, 1);
    sb_socket_set_bytes(dealer, SB_OPT_PLAIN_USERNAME, "bob", 3, NULL, 0);
    sb_socket_set_bytes(dealer, SB_OPT_PLAIN_PASSWORD, "secret", 6, NULL, 0);
    bind_to(router, HERE);
    connect_to(dealer, HERE);
    settle(&b);
    expect_failure(&w, SB_EVENT_HANDSHAKE_FAILED_AUTH, SB_CAUSE_AUTH);
    bench_close(&b);
}

static void step_until(bench *b, const watcher *w, size_t n)
{
    for (int i = 0; i < 1000 && w->n < n; i++) {
        struct pollfd p = {.fd = sb_engine_fd(b->engine), .events = POLLIN};
        poll(&p, 1, 5);
        sb_engine_step(b->engine);
    }
}

/* Someone took the path away: the bind is gone, what is told. */
static void a_path_that_is_gone(bench *b, ear *in)
{
    char endpoint[128];
    watcher w;
    ear_open(in);
    sb_socket *pull = watched(b, SB_PULL, &w);
    snprintf(endpoint, sizeof endpoint, "ipc:///tmp/signalbox-test-%d.sock", (int)getpid());
    bind_to(pull, endpoint);
    assert_int_equal(unlink(endpoint + strlen("ipc://")), 0);
    assert_int_equal(sb_socket_unbind(pull, endpoint), SB_OK);
    step_until(b, &w, 3);
    expect_order(&w, "listening close_failed closed");
    assert_string_equal(only(&w, SB_EVENT_CLOSE_FAILED)->endpoint, endpoint);
    assert_int_equal(only(&w, SB_EVENT_CLOSE_FAILED)->err, SB_ENOENT);
    sb_socket_set_handler(pull, NULL);
}

/* No descriptor is left for it; when there is one again it comes in. */
static void an_accept_that_fails(bench *b, ear *in)
{
    watcher w;
    struct rlimit all, none;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ear_open(in);
    sb_socket *pull = watched(b, SB_PULL, &w);
    bind_to(pull, "tcp://127.0.0.1:*");
    addr.sin_port = htons((uint16_t)atoi(strrchr(sb_socket_last_endpoint(pull), ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0), next = dup(fd);
    close(next); /* the lowest that is free */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
    none = all;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    step_until(b, &w, 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
    assert_int_equal(w.notes[1].kind, SB_EVENT_ACCEPT_FAILED);
    assert_int_equal(w.notes[1].err, SB_EMFILE);
    assert_string_equal(w.notes[1].endpoint, sb_socket_last_endpoint(pull));
    for (size_t n = 2; w.notes[w.n - 1].kind != SB_EVENT_ACCEPTED && n < 20; n++)
        step_until(b, &w, n);
    assert_int_equal(w.notes[w.n - 1].kind, SB_EVENT_ACCEPTED);
    close(fd);
    sb_socket_set_handler(pull, NULL);
}

static void test_an_accept_that_fails(void **state)
{
    (void)state;
    on_each_backend(an_accept_that_fails);
}

static void test_a_path_that_is_gone(void **state)
{
    (void)state;
    on_each_backend(a_path_that_is_gone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_connection_from_its_beginning_to_its_end),
        cmocka_unit_test(test_what_a_peer_does_has_the_number_of_its_connection),
        cmocka_unit_test(test_attempts_that_fail_and_are_made_again),
        cmocka_unit_test(test_a_bind_that_fails),
        cmocka_unit_test(test_handshakes_that_fail),
        cmocka_unit_test(test_a_peer_that_is_not_let_in),
        cmocka_unit_test(test_a_path_that_is_gone),
        cmocka_unit_test(test_an_accept_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
