/* The io_uring loop's own types. Private to backends/uring. */
#ifndef SB_URING_H
#define SB_URING_H

#include "backends/backends.h"
#include "backends/shared.h"

#include <assert.h>
#include <liburing.h>
#include <sys/queue.h>

/* Newer than Debian 12's liburing 2.3 or in its headers under another guard: kernel 6.0 and 6.1. */
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif
#ifndef IORING_RECV_MULTISHOT
#define IORING_RECV_MULTISHOT (1U << 1)
#endif

struct uring_loop;
struct uring_op;

/* What an operation is: how it is written into an SQE, and what its completions mean. */
struct uring_op_kind {
    void (*prep)(struct uring_op *op, struct io_uring_sqe *sqe);
    /* `op->busy` is already false when no completion follows this one. */
    void (*done)(struct uring_op *op, int res, unsigned flags);
};

/* An operation of the kernel's, embedded in its object; the SQE's user_data is its address. An object is
 * freed only when none of its operations is busy, so that no completion ever meets a stranger. */
struct uring_op {
    const struct uring_op_kind *kind;
    STAILQ_ENTRY(uring_op) next; /* in loop.unsent or loop.delayed */
    bool busy;                   /* queued, and its last completion has not come */
};

/* Something to tell that no completion announces; told once per turn, after the completions. */
struct uring_task {
    void (*run)(struct uring_task *task);
    STAILQ_ENTRY(uring_task) next;
    bool queued;
};

/* ---- Receive buffers (pool.c) ---- */

struct uring_pool;

struct uring_buf {
    sb_buf base;
    struct uring_pool *pool;
    STAILQ_ENTRY(uring_buf) next; /* in pool.spare or stream.held */
    size_t len;                   /* held by a stream: bytes received */
    int slot;                     /* in the ring, or SLOT_NONE */
};

#define SLOT_NONE (-1)

STAILQ_HEAD(uring_bufs, uring_buf);

/* Outlives the loop as long as somebody keeps one of its buffers. */
struct uring_pool {
    unsigned refs; /* the loop's, and one of each buffer */
    bool open;     /* the loop still lives */
    size_t size;   /* bytes of a buffer */
    unsigned nspare;
    unsigned least; /* spare ones that were not needed since the last look */
    struct uring_bufs spare;
};

/* The loop's side: which buffer is in which slot of the kernel's buffer ring. */
struct uring_slots {
    struct uring_pool *pool;
    struct uring_pool *large;       /* for streams that fill whole buffers */
    struct io_uring_buf_ring *ring; /* NULL: not made yet, or not to be had */
    size_t ring_bytes;
    struct uring_buf **bufs; /* by slot; NULL: taken out */
    unsigned n;              /* places in the ring */
    unsigned usual;          /* of them in use where readers never met an empty ring */
    unsigned want;           /* of them in use now: doubles when they do, and ebbs away */
    unsigned in_ring;
    unsigned taken; /* by the kernel, told this turn */
    bool failed;    /* the kernel has no buffer ring */
};

/* Giving back what a burst brought (ebb.c). */
struct uring_ebb {
    sb_timer look;
    struct uring_op op; /* a read that draws a buffer out of the ring */
    int fd;             /* what it reads, -1: not drawing */
    unsigned draw;      /* buffers still to be drawn */
    unsigned peak;      /* most that were taken in a turn since the last look */
};

/* ---- Gathered writes (head.c) ---- */

struct uring_head {
    struct msghdr msg;
    struct uring_head *next; /* in loop.heads */
};

struct uring_loop {
    sb_loop base;
    struct io_uring ring;
    bool enabled;          /* by the thread that runs the loop: it is the ring's single issuer from then on */
    bool multishot_accept; /* cleared when the kernel refuses: before 5.19 */
    bool multishot_recv;   /* before 6.0 */
    int wake_fd;           /* written by wake(), read by wake_op */
    int notify_fd;         /* what fd() returns; signalled by the ring once host is set */
    _Atomic bool host;     /* somebody asked for fd() */
    uint64_t wake_count;   /* where the wake read puts its 8 bytes */
    struct uring_op wake_op;
    size_t open; /* streams, listeners and watches: what keeps run() going */
    bool look;   /* what was told may have taken long: look at the clock */
    bool late;   /* this turn has given handlers enough to do */
    sb__resolver *resolver;
    sb_timer retry; /* buffers could not be had */
    unsigned nhot;  /* large buffers the kernel has */
    struct uring_slots slots;
    struct uring_ebb ebb;
    struct uring_head *heads; /* spare ones */
    unsigned nheads;
    STAILQ_HEAD(, uring_op) delayed; /* sends that the kernel had no memory for */
    sb_timer again;                  /* ... are made again */
    STAILQ_HEAD(, uring_op) unsent;  /* found no room in the submission queue */
    STAILQ_HEAD(, uring_task) tasks;
    TAILQ_HEAD(uring_streams, uring_stream) starved; /* reading, met an empty buffer ring; oldest first */
    struct uring_streams eager;                      /* hot, to receive behind the sends of the next submit */
    struct uring_streams stopped; /* receive to be cancelled, unless started again before the submit */
    LIST_HEAD(, uring_watch) watches;
};

extern const sb_loop_impl sb__uring_impl;

static inline struct uring_loop *uring_from_loop(const sb_loop *loop)
{
    assert(loop->impl == &sb__uring_impl);
    return (struct uring_loop *)loop; /* base is the first member */
}

#define OBJECT_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* loop.c */

/* Queues an operation that is not busy; it leaves with the next submit. Never fails: without room it waits
 * its turn. */
void sb__uring_queue(struct uring_loop *loop, struct uring_op *op);
/* Queues a task for this turn or the next; idempotent. */
void sb__uring_task(struct uring_loop *loop, struct uring_task *task);
/* This turn has told enough: more is told in the next. */
bool sb__uring_is_late(struct uring_loop *loop);

/* setup.c: the ring itself. As sb__uring_create. */
sb_err sb__uring_ring_init(struct io_uring *ring, const sb__uring_setup *setup, const char **reason);

/* pool.c */

/* SB_ENOMEM; a kernel without buffer rings is no error (slots.ring stays NULL). */
sb_err sb__uring_slots_init(struct uring_loop *loop, const sb__uring_setup *setup);
/* Call it after the ring is gone. */
void sb__uring_slots_finish(struct uring_loop *loop);
/* Makes the buffer ring at the first need. True when the kernel can select buffers from it. */
bool sb__uring_slots_ready(struct uring_loop *loop);
/* Readers met an empty ring: more buffers, as far as places and memory go. */
void sb__uring_slots_grow(struct uring_loop *loop);
/* The kernel gave the buffer of `slot` away for nothing: the ring has one less. */
void sb__uring_slots_shrink(struct uring_loop *loop, unsigned slot);
/* Frees spare buffers that were not needed since the last time. */
void sb__uring_spare_ebb(struct uring_loop *loop);
/* The buffer the kernel took from `slot`. Ours until sb__uring_buf_done. */
struct uring_buf *sb__uring_buf_taken(struct uring_loop *loop, unsigned slot);
/* A buffer outside the ring, or NULL. */
struct uring_buf *sb__uring_buf_get(struct uring_loop *loop);
/* The same, several times as large. */
struct uring_buf *sb__uring_buf_get_large(struct uring_loop *loop);
/* Drops our reference: the buffer goes back to its slot, or, if somebody keeps it, another one does. */
void sb__uring_buf_done(struct uring_loop *loop, struct uring_buf *buf);
/* Takes the buffer out of its slot for good, for the stream to hold; the slot gets another one. */
void sb__uring_buf_hold(struct uring_loop *loop, struct uring_buf *buf);

/* ebb.c */
void sb__uring_ebb_init(struct uring_loop *loop);
/* After the ring is gone. */
void sb__uring_ebb_finish(struct uring_loop *loop);
/* Once a turn: looks now and then, as long as there is anything that could go back. */
void sb__uring_ebb(struct uring_loop *loop);

/* head.c */

/* For one write; NULL when out of memory. */
struct uring_head *sb__uring_head_get(struct uring_loop *loop);
/* The kernel is done with it; NULL is allowed. */
void sb__uring_head_done(struct uring_loop *loop, struct uring_head *head);
void sb__uring_heads_finish(struct uring_loop *loop);

/* stream.c */
struct uring_stream *sb__uring_stream_create(struct uring_loop *loop, int fd);
sb_stream *sb__uring_stream_base(struct uring_stream *us);
sb_err sb__uring_connect(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_stream_events *events, void *data, sb_stream **out);
sb_err sb__uring_adopt_stream(
    sb_loop *loop, int fd, const sb_stream_events *events, void *data, sb_stream **out);
/* Cancels the receives of streams that were stopped and not started again. Before each submit. */
void sb__uring_cancel_stopped(struct uring_loop *loop);
/* Makes the sends again that the kernel had no memory for. */
void sb__uring_send_delayed(struct uring_loop *loop);
/* Receives on hot streams, behind the sends that are queued already. Before each submit. */
void sb__uring_feed_eager(struct uring_loop *loop);
/* Receives again on streams that had met an empty buffer ring, as many as there are buffers. */
void sb__uring_feed_starved(struct uring_loop *loop);

/* listener.c */
sb_err sb__uring_listen(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out);
sb_err sb__uring_adopt_listener(sb_loop *loop, int fd, bool own, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out);

/* watch.c */
sb_err sb__uring_watch_start(sb_loop *loop, sb_watch *w, bool readable, bool writable);
void sb__uring_watch_stop(sb_loop *loop, sb_watch *w);
/* Frees what was stopped and whose last completion never came. After the ring is gone. */
void sb__uring_watches_finish(struct uring_loop *loop);

#endif
