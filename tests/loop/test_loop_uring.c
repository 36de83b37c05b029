/* The loop suite on io_uring: as the kernel gives it, and as poorer kernels and tighter rings would. */
#include "backends/backends.h"
#include "tests/loop/suite.h"

#include <stdio.h>

#define CAPS (SUITE_FDS | SUITE_HOST | SUITE_THREADS | SUITE_WATCH)

static sb_err make_usual(sb_loop **out)
{
    return sb__uring_create(NULL, NULL, out);
}

/* More streams than buffers, more completions than places: ENOBUFS, overflow and a full submission queue all
 * day. */
static sb_err make_tight(sb_loop **out)
{
    static const sb__uring_setup setup = {
        .sq_entries = 4, .cq_entries = 8, .buffers = 4, .buffer_size = 4096};
    return sb__uring_create(&setup, NULL, out);
}

static sb_err make_without_multishot(sb_loop **out)
{
    static const sb__uring_setup setup = {
        .without = SB__URING_NO_MULTISHOT_ACCEPT | SB__URING_NO_MULTISHOT_RECV | SB__URING_NO_DEFER_TASKRUN};
    return sb__uring_create(&setup, NULL, out);
}

static sb_err make_oldest(sb_loop **out)
{
    static const sb__uring_setup setup = {.without = SB__URING_NO_MULTISHOT_ACCEPT |
                                                     SB__URING_NO_MULTISHOT_RECV |
                                                     SB__URING_NO_DEFER_TASKRUN | SB__URING_NO_BUF_RING};
    return sb__uring_create(&setup, NULL, out);
}

static const suite_backend backends[] = {
    {.name = "uring", .make = make_usual, .caps = CAPS},
    {.name = "uring with tight rings", .make = make_tight, .caps = CAPS},
    {.name = "uring without multishot", .make = make_without_multishot, .caps = CAPS},
    {.name = "uring without buffer rings", .make = make_oldest, .caps = CAPS},
};

int main(void)
{
    const char *reason;
    sb_loop *loop;
    int failed = 0;
    if (sb__uring_create(NULL, &reason, &loop) != SB_OK) {
        printf("skipped: no io_uring (%s)\n", reason);
        return 77;
    }
    sb_loop_destroy(loop);
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        failed += suite_run(&backends[i]);
    return failed != 0;
}
