/* vsock:// on both real loops; skipped (77) where the kernel has no loopback for it. */
#include "tests/unit/socket/real.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <unistd.h>

static void vsock(bench *b, ear *in)
{
    sb_socket *pull = open_socket(b, SB_PULL, in), *push = open_socket(b, SB_PUSH, NULL);
    const char *colon;
    char endpoint[64];
    bind_to(pull, "vsock://*:*");
    colon = strrchr(sb_socket_last_endpoint(pull), ':');
    snprintf(endpoint, sizeof endpoint, "vsock://1%s", colon); /* CID 1: this machine */
    connect_to(push, endpoint);
    send_text(push, "v");
    await(b, in, 1);
    expect_seen(in, 0, "v");
}

static void binds(bench *b, ear *in)
{
    sb_socket *pull = open_socket(b, SB_PULL, in);
    bind_to(pull, "vsock://*:*");
    unsigned long long port = strtoull(strrchr(sb_socket_last_endpoint(pull), ':') + 1, NULL, 10);
    assert_memory_equal(sb_socket_last_endpoint(pull), "vsock://", 8);
    assert_in_range(port, 1, UINT32_MAX - 1);
    char err[200];
    sb_socket *other = open_socket(b, SB_PULL, NULL);
    assert_int_equal(sb_socket_bind(other, sb_socket_last_endpoint(pull), err, sizeof err), SB_EADDRINUSE);
}

static void test_binding(void **state)
{
    (void)state;
    on_each_backend(binds);
}

static void test_vsock(void **state)
{
    (void)state;
    on_each_backend(vsock);
}

/* Whether this machine can call itself. */
static bool has_loopback(void)
{
    struct sockaddr_vm vm = {
        .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL, .svm_port = VMADDR_PORT_ANY};
    struct sockaddr_vm any = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VMADDR_PORT_ANY};
    socklen_t len = sizeof any;
    int ln = socket(AF_VSOCK, SOCK_STREAM, 0), fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK, 0);
    bool works = ln >= 0 && fd >= 0 && bind(ln, (struct sockaddr *)&any, sizeof any) == 0 &&
                 listen(ln, 1) == 0 && getsockname(ln, (struct sockaddr *)&any, &len) == 0;
    vm.svm_port = any.svm_port;
    works = works && (connect(fd, (struct sockaddr *)&vm, sizeof vm) == 0 || errno == EINPROGRESS);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    works = works && poll(&p, 1, 1000) == 1 && (p.revents & POLLERR) == 0;
    close(ln);
    close(fd);
    return works;
}

static bool has_vsock(void)
{
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
    close(fd);
    return fd >= 0;
}

int main(void)
{
    const struct CMUnitTest binding[] = {cmocka_unit_test(test_binding)};
    const struct CMUnitTest traffic[] = {cmocka_unit_test(test_vsock)};
    if (!has_vsock()) {
        puts("this kernel has no vsock");
        return 77;
    }
    int failed = cmocka_run_group_tests_name("binding", binding, NULL, NULL);
    if (failed == 0 && !has_loopback()) {
        puts("no vsock loopback here: only binding was tested");
        return 77;
    }
    return failed != 0 ? failed : cmocka_run_group_tests_name("traffic", traffic, NULL, NULL);
}
