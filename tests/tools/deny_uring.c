/* deny_uring PROGRAM [ARGUMENT...]: runs a program for which the calls of io_uring answer EPERM, as a
 * container's seccomp profile does. `--errno=ENOSYS` first: as a kernel without io_uring does.
 * `--but=NAME,NAME` first: these calls are allowed, as by an addition to such a profile. */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const calls[] = {"io_uring_setup", "io_uring_enter", "io_uring_register"};

/* Whether a comma-separated list has the word. */
static int names(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return 1;
    }
    return 0;
}

static int deny(int errnum, const char *but)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int res = filter == NULL ? -ENOMEM : 0;
    for (size_t i = 0; res == 0 && i < sizeof calls / sizeof *calls; i++)
        if (!names(but, calls[i]))
            res = seccomp_rule_add(
                filter, SCMP_ACT_ERRNO((unsigned)errnum), seccomp_syscall_resolve_name(calls[i]), 0);
    if (res == 0)
        res = seccomp_load(filter);
    if (filter != NULL)
        seccomp_release(filter);
    return res;
}

int main(int argc, char **argv)
{
    const char *but = "";
    int errnum = EPERM, first = 1;
    if (argc > 1 && strcmp(argv[1], "--errno=ENOSYS") == 0) {
        errnum = ENOSYS;
        first = 2;
    } else if (argc > 1 && strncmp(argv[1], "--but=", 6) == 0) {
        but = argv[1] + 6;
        first = 2;
    }
    if (argc <= first) {
        fprintf(stderr, "usage: deny_uring [--errno=ENOSYS | --but=NAME,...] PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    int res = deny(errnum, but);
    if (res != 0) {
        fprintf(stderr, "deny_uring: no filter: %s\n", strerror(-res));
        return 126;
    }
    execvp(argv[first], &argv[first]);
    fprintf(stderr, "deny_uring: %s: %s\n", argv[first], strerror(errno));
    return 127;
}
