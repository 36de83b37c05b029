/* The constructors of the library's loops. For backends/open.c and tests; everybody else calls sb_loop_open.
 */
#ifndef SB_BACKENDS_H
#define SB_BACKENDS_H

#include "engine/loop.h"

/* What a test may bend; zero means the usual. */
typedef struct sb__uring_setup {
    unsigned sq_entries; /* submission queue, rounded up to a power of two */
    unsigned cq_entries; /* completion queue, likewise */
    unsigned buffers;    /* receive buffers in the ring, a power of two */
    size_t buffer_size;  /* bytes of each */
    unsigned without;    /* SB__URING_NO_* : act as on a kernel that lacks it */
} sb__uring_setup;

enum {
    SB__URING_NO_DEFER_TASKRUN = 1u << 0,
    SB__URING_NO_MULTISHOT_ACCEPT = 1u << 1,
    SB__URING_NO_MULTISHOT_RECV = 1u << 2,
    SB__URING_NO_BUF_RING = 1u << 3, /* implies plain receives into one buffer each */
};

/* A loop on io_uring. `setup` may be NULL. On failure `reason` (may be NULL) says why, static storage:
 * SB_ENOSYS (kernel without io_uring), SB_EACCES (seccomp, sysctl), SB_ENOMEM (memory, RLIMIT_MEMLOCK),
 * SB_EMFILE. */
sb_err sb__uring_create(const sb__uring_setup *setup, const char **reason, sb_loop **out);

/* A loop on libuv. */
sb_err sb__uv_create(sb_loop **out);

#endif
