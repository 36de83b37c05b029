/* Where io_uring is refused: auto takes libuv and says why, uring tells the error. Each case in a child of
 * its own, for a filter never comes off. */
#include "engine/loop.h"

#include <errno.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define CHECK(what)                                                                                          \
    do {                                                                                                     \
        if (!(what)) {                                                                                       \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                                       \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

static void deny(int errnum)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    CHECK(filter != NULL);
    CHECK(seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)errnum), SCMP_SYS(io_uring_setup), 0) == 0);
    CHECK(seccomp_load(filter) == 0);
    seccomp_release(filter);
    CHECK(syscall(SYS_io_uring_setup, 1, NULL) == -1 && errno == errnum);
}

static void auto_takes_uv(const char *word)
{
    char notice[200];
    sb_loop *loop;
    CHECK(sb_loop_open("auto", notice, sizeof notice, &loop) == SB_OK);
    CHECK(strcmp(sb_loop_backend(loop), "uv") == 0);
    CHECK(strstr(notice, word) != NULL && strstr(notice, "using libuv") != NULL);
    sb_loop_destroy(loop);
    CHECK(sb_loop_open(NULL, NULL, 0, &loop) == SB_OK);
    CHECK(strcmp(sb_loop_backend(loop), "uv") == 0);
    sb_loop_destroy(loop);
}

static void uring_says_no(sb_err want, const char *word)
{
    char notice[200];
    sb_loop *loop;
    CHECK(sb_loop_open("uring", notice, sizeof notice, &loop) == want);
    CHECK(strstr(notice, word) != NULL);
}

static void child_eperm(void)
{
    deny(EPERM);
    auto_takes_uv("EPERM: blocked by seccomp or kernel.io_uring_disabled");
    uring_says_no(SB_EACCES, "EPERM");
}

static void child_enosys(void)
{
    deny(ENOSYS);
    auto_takes_uv("ENOSYS: the kernel has no io_uring");
    uring_says_no(SB_ENOSYS, "ENOSYS");
}

static void child_enomem(void)
{
    deny(ENOMEM);
    auto_takes_uv("RLIMIT_MEMLOCK");
    uring_says_no(SB_ENOMEM, "ENOMEM");
}

static void child_allowed(void)
{
    char notice[200] = "x";
    sb_loop *loop;
    CHECK(sb_loop_open("auto", notice, sizeof notice, &loop) == SB_OK);
    CHECK((strcmp(sb_loop_backend(loop), "uring") == 0) == (notice[0] == '\0'));
    sb_loop_destroy(loop);
}

/* _exit: what the test's own process holds is not the child's to report as leaked. */
static void in_child(void (*run)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        run();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_auto_falls_back_where_seccomp_says_eperm(void **state)
{
    (void)state;
    in_child(child_eperm);
}

static void test_auto_falls_back_where_the_kernel_has_none(void **state)
{
    (void)state;
    in_child(child_enosys);
}

static void test_auto_falls_back_where_memory_is_short(void **state)
{
    (void)state;
    in_child(child_enomem);
}

static void test_there_is_no_notice_where_there_is_no_fallback(void **state)
{
    (void)state;
    in_child(child_allowed);
}

static void test_an_unknown_backend_is_invalid(void **state)
{
    sb_loop *loop;
    (void)state;
    assert_int_equal(sb_loop_open("epoll", NULL, 0, &loop), SB_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_falls_back_where_seccomp_says_eperm),
        cmocka_unit_test(test_auto_falls_back_where_the_kernel_has_none),
        cmocka_unit_test(test_auto_falls_back_where_memory_is_short),
        cmocka_unit_test(test_there_is_no_notice_where_there_is_no_fallback),
        cmocka_unit_test(test_an_unknown_backend_is_invalid),
    };
    return cmocka_run_group_tests_name("fallback", tests, NULL, NULL);
}
