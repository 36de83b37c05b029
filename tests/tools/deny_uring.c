/* deny_uring PROGRAM [ARGUMENT...]: runs a program for which io_uring_setup answers EPERM, as a container's
 * seccomp profile does. `--errno=ENOSYS` first: as a kernel without io_uring does. */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int deny(int errnum)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL)
        return -ENOMEM;
    int res = seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)errnum), SCMP_SYS(io_uring_setup), 0);
    if (res == 0)
        res = seccomp_load(filter);
    seccomp_release(filter);
    return res;
}

int main(int argc, char **argv)
{
    int errnum = EPERM, first = 1;
    if (argc > 1 && strcmp(argv[1], "--errno=ENOSYS") == 0) {
        errnum = ENOSYS;
        first = 2;
    }
    if (argc <= first) {
        fprintf(stderr, "usage: deny_uring [--errno=ENOSYS] PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    int res = deny(errnum);
    if (res != 0) {
        fprintf(stderr, "deny_uring: no filter: %s\n", strerror(-res));
        return 126;
    }
    execvp(argv[first], &argv[first]);
    fprintf(stderr, "deny_uring: %s: %s\n", argv[first], strerror(errno));
    return 127;
}
