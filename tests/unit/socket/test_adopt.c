/* Connections that exist already: use_fd, adopted descriptors, adopted streams. On both real loops. */
#include "tests/unit/socket/real.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static int listening(uint16_t *port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 5), 0);
    getsockname(fd, (struct sockaddr *)&addr, &len);
    *port = ntohs(addr.sin_port);
    return fd;
}

static void use_fd_listens(bench *b, ear *in)
{
    uint16_t port;
    char endpoint[64];
    sb_socket *pull = open_socket(b, SB_PULL, in), *push = open_socket(b, SB_PUSH, NULL);
    int64_t left;
    set_int(pull, SB_OPT_USE_FD, listening(&port));
    bind_to(pull, "tcp://127.0.0.1:*");
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
    assert_string_equal(sb_socket_last_endpoint(pull), endpoint);
    assert_int_equal(sb_socket_get_int(pull, SB_OPT_USE_FD, &left), SB_OK);
    assert_int_equal(left, -1); /* it serves once */
    connect_to(push, endpoint);
    send_text(push, "x");
    await(b, in, 1);
}

static sb_err adopt(sb_socket *sock, int fd, const char *endpoint, bool called, char *err, size_t cap)
{
    const sb_arrival arrival = {.endpoint = endpoint, .called = called};
    return sb_socket_adopt(sock, fd, &arrival, err, cap);
}

static void use_fd_is_connected(bench *b, ear *in)
{
    int fds[2];
    char err[200] = "";
    sb_socket *pull = open_socket(b, SB_PULL, in), *push = open_socket(b, SB_PUSH, NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    set_int(push, SB_OPT_USE_FD, fds[0]);
    connect_to(push, "ipc://@nobody-listens-here");
    if (adopt(pull, fds[1], "ipc://pair", false, err, sizeof err) != SB_OK)
        fail_msg("%s", err);
    send_text(push, "y");
    await(b, in, 1);
    expect_seen(in, 0, "y");
    assert_int_equal(fcntl(fds[0], F_GETFD), 0);
    sb_socket_close(push);
}

/* Once there is a peer. */
static void send_soon(bench *b, sb_socket *push, const char *text)
{
    for (int i = 0; i < 2000 && send_text(push, text) == SB_EAGAIN; i++) {
        struct pollfd p = {.fd = sb_engine_fd(b->engine), .events = POLLIN};
        poll(&p, 1, 5);
        sb_engine_step(b->engine);
    }
}

static void adopted_at_both_ends_over_websocket(bench *b, ear *in)
{
    int fds[2];
    sb_socket *pull = open_socket(b, SB_PULL, in), *push = open_socket(b, SB_PUSH, NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(adopt(push, fds[0], "ws://host:80/x", true, NULL, 0), SB_OK);
    assert_int_equal(adopt(pull, fds[1], "ws://host:80/x", false, NULL, 0), SB_OK);
    send_soon(b, push, "z");
    await(b, in, 1);
    expect_seen(in, 0, "z");
}

static void bad_descriptors(bench *b, ear *in)
{
    char err[200] = "";
    int fds[2];
    sb_socket *pull = open_socket(b, SB_PULL, in);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(adopt(pull, fds[0], "tcp://x:1", false, err, sizeof err), SB_EINVAL);
    assert_string_equal(err, "the descriptor is no connected stream");
    assert_int_equal(fcntl(fds[0], F_GETFD), -1); /* it was ours to close */
    set_int(pull, SB_OPT_USE_FD, fds[1]);
    assert_int_equal(sb_socket_connect(pull, "tcp://127.0.0.1:1", err, sizeof err), SB_EINVAL);
    assert_string_equal(err, "cannot connect tcp://127.0.0.1:1: use_fd is no connected stream");
    close(fds[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(adopt(pull, fds[0], "nonsense", false, err, sizeof err), SB_EINVAL);
    close(fds[1]);
}

/* The other end of a descriptor that was ours to close sees the end. */
static void await_end(bench *b, int other)
{
    char c;
    ssize_t n = -1;
    for (int i = 0; i < 400 && n != 0; i++) {
        struct pollfd p = {.fd = other, .events = POLLIN};
        sb_engine_step(b->engine);
        poll(&p, 1, 5);
        n = recv(other, &c, 1, MSG_DONTWAIT);
    }
    assert_int_equal(n, 0);
    close(other);
}

/* As to a bind: many share one endpoint, each has its address, and limits count them. */
static void guests(bench *b, ear *in)
{
    char err[200] = "";
    int fds[3][2];
    sb_socket *pull = open_socket(b, SB_PULL, in);
    set_int(pull, SB_OPT_MAX_PEERS, 2);
    for (int i = 0; i < 3; i++) {
        const sb_arrival arrival = {.endpoint = "door", .address = i ? "second" : "first", .user_id = "kay"};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
        sb_err code = sb_socket_adopt(pull, fds[i][1], &arrival, err, sizeof err);
        assert_int_equal(code, i < 2 ? SB_OK : SB_EREFUSED);
    }
    assert_string_equal(err, "max_peers is reached");
    await_end(b, fds[2][0]);
    for (int i = 0; i < 2; i++) {
        sb_socket *push = open_socket(b, SB_PUSH, NULL);
        assert_int_equal(adopt(push, fds[i][0], "ipc://pair", true, err, sizeof err), SB_OK);
        send_soon(b, push, i ? "b" : "a");
        await(b, in, (size_t)i + 1);
    }
    assert_string_equal(sb_peer_address(in->peer), "second");
}

/* Nothing comes in any more, and the descriptor is closed all the same. */
static void too_late(bench *b, ear *in)
{
    char err[200] = "";
    int fds[2];
    const sb_arrival arrival = {.endpoint = "door", .address = "late"};
    sb_socket *pull = open_socket(b, SB_PULL, in);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    sb_socket_close(pull);
    assert_int_equal(sb_socket_adopt(pull, fds[1], &arrival, err, sizeof err), SB_ECLOSED);
    assert_string_equal(err, "the socket takes no input any more");
    await_end(b, fds[0]);
}

#define ON_EACH(name)                                                                                        \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        (void)state;                                                                                         \
        on_each_backend(name);                                                                               \
    }
ON_EACH(use_fd_listens)
ON_EACH(use_fd_is_connected)
ON_EACH(adopted_at_both_ends_over_websocket)
ON_EACH(bad_descriptors)
ON_EACH(guests)
ON_EACH(too_late)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_use_fd_listens),
        cmocka_unit_test(test_use_fd_is_connected),
        cmocka_unit_test(test_adopted_at_both_ends_over_websocket),
        cmocka_unit_test(test_bad_descriptors),
        cmocka_unit_test(test_guests),
        cmocka_unit_test(test_too_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
