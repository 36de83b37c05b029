/* The libuv backend from within: what its files know of each other. Private to backends/uv.
 *
 * libuv waits and tells readiness (uv_poll_t); reading, writing, accepting and connecting are our own calls
 * on non-blocking descriptors. That saves uv_stream_t's request queues and buffer callbacks, and keeps the
 * number of system calls ours. Timers and posts live in engine/loop.c. */
#ifndef SB_BACKENDS_UV_H
#define SB_BACKENDS_UV_H

#include "backends/shared.h"

#include <sys/queue.h>
#include <uv.h>

#define SB__UV_RX_SIZE  (64 * 1024)
#define SB__UV_RX_LARGE (4 * SB__UV_RX_SIZE) /* for streams that fill whole buffers */
#define SB__UV_RX_SPARE (4 * 1024 * 1024)    /* octets of a pool kept for reuse */

/* Receive buffers of one size. One is current and serves all streams in turn; a kept one is replaced and
 * comes home (or, with SB__UV_RX_SPARE at home already, is freed) when its last holder lets go, even after
 * the loop is gone. */
struct sb__uv_pool;
struct sb__uv_pool *sb__uv_pool_create(size_t size);
/* What is at home is freed now, what is out when it is let go. NULL is allowed. */
void sb__uv_pool_destroy(struct sb__uv_pool *pool);
/* The current buffer, the pool's own; NULL when out of memory. */
sb_buf *sb__uv_pool_current(struct sb__uv_pool *pool);
/* Call it after the current buffer was shown to a stream's owner: it stays current unless it was kept. */
void sb__uv_pool_settle(struct sb__uv_pool *pool);

struct sb__uv_stream;
TAILQ_HEAD(sb__uv_told, sb__uv_stream);

struct sb__uv_loop {
    sb_loop base;
    uv_loop_t uv;
    uv_async_t wake; /* also what keeps uv_run() waiting: libuv does not wait for nothing */
    uv_timer_t wait; /* bounds one wait; stopped between turns */
    struct sb__uv_pool *pool, *large;
    sb__resolver *resolver;
    struct sb__uv_told told;    /* streams whose connect or write is done and not yet told */
    struct sb__uv_told delayed; /* writes that the kernel had no memory for */
    sb_timer again;             /* ... are made again */
    uint64_t batch;             /* stamps what enters `told`: one telling takes what was there before */
    size_t open;                /* streams and listeners whose on_closed is still to come */
    size_t watched;             /* watches that are started */
    size_t closing;             /* handles libuv will report closed in its next run */
    bool unregistered;          /* libuv gives new interest to the kernel in its next run only */
    bool told_only;             /* the last turn told without polling; the next one polls */
    bool fresh;                 /* the cached clock was read after the last wait */
};

static inline struct sb__uv_loop *sb__uv_loop_from(const sb_loop *loop)
{
    return (struct sb__uv_loop *)loop;
}

/* First thing in every callback of libuv's: waiting may have taken long. */
static inline void sb__uv_loop_awake(struct sb__uv_loop *loop)
{
    if (!loop->fresh)
        sb_loop_update(&loop->base);
    loop->fresh = true;
}

sb_err sb__uv_err(int status);

/* A stream over a connected, non-blocking socket; owns `fd` on success. */
sb_err sb__uv_stream_create(struct sb__uv_loop *loop, int fd, struct sb__uv_stream **out);
sb_stream *sb__uv_stream_base(struct sb__uv_stream *st);
/* Tells what is in loop->told, except what the telling itself adds. */
void sb__uv_tell(struct sb__uv_loop *loop);
/* Makes the writes again that the kernel had no memory for. */
void sb__uv_write_delayed(sb_timer *timer);

/* Slots of the loop's table, as loop.h tells them. */
sb_err sb__uv_connect(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_stream_events *events, void *data, sb_stream **out);
sb_err sb__uv_adopt_stream(
    sb_loop *loop, int fd, const sb_stream_events *events, void *data, sb_stream **out);
sb_err sb__uv_listen(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out);
sb_err sb__uv_adopt_listener(sb_loop *loop, int fd, bool own, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out);
sb_err sb__uv_watch_start(sb_loop *loop, sb_watch *w, bool readable, bool writable);
void sb__uv_watch_stop(sb_loop *loop, sb_watch *w);

#endif
