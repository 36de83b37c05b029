/* Making a ring: the best set-up the kernel takes, or the reason why there is none. Before: loop.c. */
#include "backends/uring/uring.h"

#include <errno.h>

#define SQ_ENTRIES 256
#define CQ_ENTRIES 4096

/* Best first. R_DISABLED, because with SINGLE_ISSUER the thread that enables the ring owns it, and that shall
 * be the one that runs the loop, not the one that made it. TASKRUN_FLAG tells without a system call that work
 * is waiting. */
static const struct {
    unsigned flags, lost;
} setups[] = {
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
            IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL,
        0},
    {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED |
            IORING_SETUP_SUBMIT_ALL,
        SB__URING_NO_DEFER_TASKRUN},
    {IORING_SETUP_R_DISABLED, SB__URING_NO_DEFER_TASKRUN},
};

/* NODROP: completions are never lost (5.5). EXT_ARG: a wait takes a timeout without a timeout operation
 * (5.11). */
#define NEEDED_FEATURES (IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG)

/* The ring can do nothing else: whoever gets hold of it gets no files, no mounts, no exec. Kernel 5.10. */
#define ALLOW_OP(code)                                                                                       \
    {                                                                                                        \
        .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = (code)                                                \
    }
#define ALLOW_REGISTER(code)                                                                                 \
    {                                                                                                        \
        .opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = (code)                                      \
    }

static const struct io_uring_restriction restrictions[] = {
    ALLOW_OP(IORING_OP_READ),
    ALLOW_OP(IORING_OP_RECV),
    ALLOW_OP(IORING_OP_SEND),
    ALLOW_OP(IORING_OP_SENDMSG),
    ALLOW_OP(IORING_OP_ACCEPT),
    ALLOW_OP(IORING_OP_CONNECT),
    ALLOW_OP(IORING_OP_POLL_ADD),
    ALLOW_OP(IORING_OP_ASYNC_CANCEL),
    ALLOW_REGISTER(IORING_REGISTER_ENABLE_RINGS),
    ALLOW_REGISTER(IORING_REGISTER_EVENTFD),
    ALLOW_REGISTER(IORING_REGISTER_PBUF_RING),
    {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_BUFFER_SELECT},
};

static const struct {
    int errnum;
    const char *text;
} reasons[] = {
    {ENOSYS, "ENOSYS: the kernel has no io_uring"},
    {EPERM, "EPERM: blocked by seccomp or kernel.io_uring_disabled"},
    {EACCES, "EACCES: blocked by a security module"},
    {ENOMEM, "ENOMEM: no memory for a ring, or RLIMIT_MEMLOCK is too low"},
    {EMFILE, "EMFILE: too many open files"},
    {ENFILE, "ENFILE: too many open files in the system"},
    {EINVAL, "EINVAL: the kernel is older than 5.11"},
};

static const char *reason_for(int errnum)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].errnum == errnum)
            return reasons[i].text;
    return "EIO: io_uring_setup failed";
}

static int restrict_ring(struct io_uring *ring)
{
    return io_uring_register((unsigned)ring->ring_fd, IORING_REGISTER_RESTRICTIONS, restrictions,
        sizeof restrictions / sizeof *restrictions);
}

static int try_setup(struct io_uring *ring, const sb__uring_setup *setup, unsigned flags)
{
    struct io_uring_params params = {.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP};
    unsigned sq = setup->sq_entries != 0 ? setup->sq_entries : SQ_ENTRIES;
    params.cq_entries = setup->cq_entries != 0 ? setup->cq_entries : CQ_ENTRIES;
    int res = io_uring_queue_init_params(sq, ring, &params);
    if (res < 0)
        return res;
    if ((ring->features & NEEDED_FEATURES) == NEEDED_FEATURES && restrict_ring(ring) == 0)
        return 0;
    io_uring_queue_exit(ring);
    return -EINVAL;
}

sb_err sb__uring_ring_init(struct io_uring *ring, const sb__uring_setup *setup, const char **reason)
{
    int res = -EINVAL;
    for (size_t i = 0; res == -EINVAL && i < sizeof setups / sizeof *setups; i++)
        if ((setup->without & setups[i].lost) == (setup->without & SB__URING_NO_DEFER_TASKRUN))
            res = try_setup(ring, setup, setups[i].flags);
    if (res == 0)
        return SB_OK;
    *reason = reason_for(-res);
    return res == -EINVAL ? SB_ENOSYS : sb_err_from_errno(-res);
}
