/* The abstract loop: completion style ("here are bytes", "these bytes were written", "this connection came
 * in").
 *
 * Half 1 is for callers, half 2 for those who implement a loop. One loop, one thread: every function except
 * sb_loop_post() is called on the thread that runs the loop, and every callback comes on that thread, from
 * inside run or step, never from inside the call that caused it (no re-entrancy).
 *
 * Times are nanoseconds on a monotonic clock (uint64_t, 0 = loop's epoch is arbitrary). */
#ifndef SB_LOOP_H
#define SB_LOOP_H

#include "engine/buf.h"
#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SB_NS_PER_MS 1000000ull
#define SB_NS_PER_S  1000000000ull
#define SB_NEVER     UINT64_MAX

/* ---- Half 1: for callers ----------------------------------------------------------------------------------
 */

typedef struct sb_loop sb_loop;
typedef struct sb_stream sb_stream;
typedef struct sb_listener sb_listener;
typedef struct sb_timer sb_timer;
typedef struct sb_post sb_post;
typedef struct sb_lookup sb_lookup;
typedef struct sb_watch sb_watch;
typedef struct sb_turn sb_turn;

typedef struct sb_addr {
    struct sockaddr_storage ss;
    socklen_t len;
} sb_addr;

/* What to set on a socket before it is used. 0 or -1 (as libzmq's defaults) leaves the kernel's value; zero
 * initialise with SB_SOCKOPTS_DEFAULT. TCP_NODELAY is always set on TCP. Best effort: a refused option is no
 * error. */
typedef struct sb_sockopts {
    int sndbuf, rcvbuf; /* bytes, -1 = kernel's (sndbuf of a unix stream: 512 KiB) */
    int tos;            /* IP_TOS / IPV6_TCLASS, 0 = none */
    int priority;       /* SO_PRIORITY, 0 = none */
    int busy_poll;      /* SO_BUSY_POLL, microseconds, 0 = none */
    int keepalive, keepalive_idle, keepalive_cnt,
        keepalive_intvl;     /* -1 = kernel's; idle and intvl in seconds */
    int maxrt_ms;            /* TCP_USER_TIMEOUT, 0 = kernel's */
    int backlog;             /* listeners only */
    bool ipv6_dual;          /* listeners only: clear IPV6_V6ONLY */
    bool reuseport;          /* listeners only */
    const char *bind_device; /* SO_BINDTODEVICE, NULL = none */
    const sb_addr *source;   /* connect only: bind here first, NULL = none */
} sb_sockopts;

#define SB_SOCKOPTS_DEFAULT                                                                                  \
    {                                                                                                        \
        .sndbuf = -1, .rcvbuf = -1, .keepalive = -1, .keepalive_idle = -1, .keepalive_cnt = -1,              \
        .keepalive_intvl = -1, .backlog = 100                                                                \
    }

/* What a stream tells its owner. All mandatory except on_connected (only for sb_loop_connect). */
typedef struct sb_stream_events {
    /* Once, for a stream made by sb_loop_connect: SB_OK, or why not (the caller must still close the stream).
     */
    void (*on_connected)(sb_stream *st, sb_err err);
    /* Bytes arrived: `data`/`len` lie inside `buf`. They are valid during the call; to keep them take
     * sb_buf_ref(buf). Held buffers count against the loop's receive memory: copy what is small. len > 0. */
    void (*on_read)(sb_stream *st, sb_buf *buf, const uint8_t *data, size_t len);
    /* Nothing more will be read: SB_ECLOSED for an orderly end, else the error. Once. The stream stays open
     * (writes may still work) until sb_stream_close. */
    void (*on_end)(sb_stream *st, sb_err why);
    /* The write in flight is done (all bytes are with the kernel) or failed. Its memory is the caller's
     * again. */
    void (*on_written)(sb_stream *st, sb_err err);
    /* Last callback, exactly once, always after sb_stream_close and after a pending on_written(SB_ECANCELED).
     * The stream is freed after it returns. */
    void (*on_closed)(sb_stream *st);
} sb_stream_events;

/* A connected (or connecting) byte stream. */
struct sb_stream {
    /* public: the owner's */
    void *data;
    const sb_stream_events *events;
    /* read-only */
    sb_loop *loop;
    const struct sb_stream_impl *impl;
};

typedef struct sb_listener_events {
    /* A connection came in; the callee owns the stream and sets data and events before it returns (or closes
     * it). Reading is off until sb_stream_read_start. */
    void (*on_accept)(sb_listener *ln, sb_stream *st);
    /* Accepting failed (SB_EMFILE and friends). The listener backs off (10 ms doubling to 1 s) and goes on by
     * itself; called once per episode. Optional. */
    void (*on_error)(sb_listener *ln, sb_err err);
    /* Last callback, exactly once, after sb_listener_close. The listener is freed after it returns. */
    void (*on_closed)(sb_listener *ln);
} sb_listener_events;

struct sb_listener {
    /* public: the owner's */
    void *data;
    const sb_listener_events *events;
    /* read-only */
    sb_loop *loop;
    const struct sb_listener_impl *impl;
};

/* A timer in the owner's memory; zero it once with sb_timer_init. */
struct sb_timer {
    /* public: set before start */
    void (*on_expire)(sb_timer *timer);
    /* read-only */
    uint64_t deadline; /* ns, SB_NEVER when stopped */
    /* private */
    uint64_t seq; /* equal deadlines fire in the order they were started */
    sb_timer *child, *next,
        *before; /* in the heap; before: the sibling on the left, the parent of the first */
};

/* Work handed to the loop's thread; the owner's memory, untouched from sb_loop_post until run is called. */
struct sb_post {
    void (*run)(sb_post *post);
    sb_post *next; /* private */
};

/* The result of a name look-up: `n` addresses, valid during the call; n == 0 exactly when err != SB_OK. */
struct sb_lookup {
    /* public: set before resolve */
    void (*on_done)(sb_lookup *lk, sb_err err, const sb_addr *addrs, size_t n);
    /* private */
    void *state;
};

/* Readiness of a foreign descriptor (c-ares, a client library). Level-triggered. */
struct sb_watch {
    /* public: set before start */
    void (*on_ready)(sb_watch *w, bool readable, bool writable);
    int fd;
    /* private */
    void *state;
};

/* Called when the events of a turn have all been told and before the loop submits and waits; also first thing
 * in every step, so that what a host did between two steps leaves with it. What it writes leaves in the same
 * submit. */
struct sb_turn {
    void (*on_turn_end)(sb_turn *turn);
};

/* Opens a loop of the library's: "uring", "uv", or "auto" (NULL): io_uring, and where a ring cannot be made,
 * uv. `notice` (may be NULL) receives one line that says why io_uring was not taken; static or inside
 * `notice_cap`. SB_ENOSYS, SB_EACCES (seccomp, sysctl) or SB_ENOMEM when "uring" was asked for and cannot be;
 * SB_EINVAL for an unknown name. Implemented in backends/open.c. */
sb_err sb_loop_open(const char *backend, char *notice, size_t notice_cap, sb_loop **out);

/* Destroys a loop. Everything on it must be closed and its closed callback have come. NULL is allowed. */
void sb_loop_destroy(sb_loop *loop);

/* "uring", "uv", "fake". */
const char *sb_loop_backend(const sb_loop *loop);

/* Monotonic time of this turn in ns, cached; refreshed at the start of each turn. sb_loop_update refreshes it
 * now. */
uint64_t sb_loop_now(const sb_loop *loop);
void sb_loop_update(sb_loop *loop);

/* Runs until sb_loop_stop() or until nothing is left that could ever cause an event. Not re-entrant. */
sb_err sb_loop_run(sb_loop *loop);
void sb_loop_stop(sb_loop *loop);

/* Host-driven mode: poll fd() for reading, at most timeout() ms (-1: no limit, 0: step at once), then step().
 * step() never blocks; it works through what is ready and returns SB_OK. Call timeout() after every step: the
 * descriptor alone does not announce timers. The descriptor belongs to the loop and is level-triggered. */
int sb_loop_fd(sb_loop *loop);
int sb_loop_timeout(sb_loop *loop);
sb_err sb_loop_step(sb_loop *loop);

/* How often it has looked for events so far. */
uint64_t sb_loop_turns(const sb_loop *loop);

/* The one turn hook of the loop's owner; NULL removes it. */
void sb_loop_set_turn(sb_loop *loop, sb_turn *turn);

/* Listens. `addr` may hold port 0; sb_listener_addr tells the real one. A filesystem path of AF_UNIX is not
 * unlinked here. Errors: SB_EADDRINUSE, SB_EADDRNOTAVAIL, SB_EACCES, SB_EMFILE, SB_ENOMEM. */
sb_err sb_loop_listen(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out);
/* The same over a descriptor that already listens. On success the loop owns `fd` when `own`, else only
 * borrows it (close then stops accepting and leaves fd open and listening). opts: set on it, so that what is
 * accepted inherits them; NULL: it stays as it is. */
sb_err sb_loop_adopt_listener(sb_loop *loop, int fd, bool own, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out);
/* The bound address. */
sb_err sb_listener_addr(const sb_listener *ln, sb_addr *out);
/* Idempotent, never blocks; no on_accept after it returns. on_closed comes once, later. NULL is allowed. */
void sb_listener_close(sb_listener *ln);

/* Connects; the result is told by on_connected, later, always. `addr` is copied. Failing at once: SB_EMFILE,
 * SB_ENOMEM, SB_EADDRNOTAVAIL (source). */
sb_err sb_loop_connect(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_stream_events *events, void *data, sb_stream **out);
/* Takes over a connected stream descriptor; owns it on success. */
sb_err sb_loop_adopt_stream(
    sb_loop *loop, int fd, const sb_stream_events *events, void *data, sb_stream **out);

/* Starts or stops reading; both idempotent. After read_stop returns no on_read comes until read_start; what
 * had arrived meanwhile is kept (bounded by the loop's credit per stream) and told after the next start.
 * on_end may come while stopped only when the stream broke. */
void sb_stream_read_start(sb_stream *st);
void sb_stream_read_stop(sb_stream *st);

/* Writes all of iov[0..n), in order; one write at a time (SB_EAGAIN while one is in flight). The array and
 * the memory behind it stay untouched until on_written. n is 1..SB_IOV_MAX, total > 0. Errors come by
 * on_written, never here, except SB_EAGAIN, SB_ECLOSED (after close) and SB_EINVAL. */
#define SB_IOV_MAX 256
sb_err sb_stream_write(sb_stream *st, const struct iovec *iov, size_t n);

/* Idempotent, never blocks. Pending I/O is cancelled; on_closed comes once, later. NULL is allowed. */
void sb_stream_close(sb_stream *st);

/* Ends our side in order: nothing is written any more, what the peer still sends is read. Not while a write
 * is in flight. SB_ENOTSUP where a stream has no such end, SB_ECLOSED when it broke. */
sb_err sb_stream_shutdown(sb_stream *st);
/* What a stream knows beyond octets, one line of text, valid until on_closed: "error" (why it ended, better
 * than its code can say), "tls_subject", "ws_origin" and so on (docs/transports.md). NULL: nothing. */
const char *sb_stream_property(const sb_stream *st, const char *name);

/* The descriptor, or -1 (fake and host streams). For getpeername and socket options only. */
int sb_stream_fd(const sb_stream *st);
/* Octets that are written and that the other end's kernel (tcp) or reader (a Unix socket) has not taken; 0
 * also where that is not known. */
size_t sb_stream_untaken(const sb_stream *st);
/* Address of the other end; SB_ENOTSUP where there is none. */
sb_err sb_stream_peer_addr(const sb_stream *st, sb_addr *out);
sb_err sb_stream_local_addr(const sb_stream *st, sb_addr *out);

void sb_timer_init(sb_timer *timer, void (*on_expire)(sb_timer *timer));
/* (Re)starts at an absolute time. Needs no memory and does not fail: SB_OK. A deadline in the past fires in
 * the next turn. */
sb_err sb_timer_start(sb_loop *loop, sb_timer *timer, uint64_t deadline_ns);
/* Idempotent; on_expire does not come after it. */
void sb_timer_stop(sb_loop *loop, sb_timer *timer);

/* The only function for other threads: runs post->run on the loop's thread, in order, and wakes the loop. */
void sb_loop_post(sb_loop *loop, sb_post *post);

/* Resolves a host name without blocking the loop; family AF_UNSPEC, AF_INET or AF_INET6; `port` is put into
 * every address. on_done comes later, always, also for numeric hosts. */
sb_err sb_loop_resolve(sb_loop *loop, const char *host, uint16_t port, int family, sb_lookup *lk);
/* on_done does not come after it. Idempotent. */
void sb_loop_resolve_cancel(sb_loop *loop, sb_lookup *lk);

/* Watches w->fd; restarting with other events is allowed. Stopped before the descriptor is closed. */
sb_err sb_watch_start(sb_loop *loop, sb_watch *w, bool readable, bool writable);
void sb_watch_stop(sb_loop *loop, sb_watch *w);

/* ---- Half 2: for those who implement a loop
 * ------------------------------------------------------------------ */

/* Streams. Slots may assume what half 1 promises (the dispatchers in engine/loop.c check arguments and
 * states). */
typedef struct sb_stream_impl {
    void (*read_start)(sb_stream *st);                                 /* mandatory, idempotent */
    void (*read_stop)(sb_stream *st);                                  /* mandatory, idempotent */
    sb_err (*write)(sb_stream *st, const struct iovec *iov, size_t n); /* mandatory */
    void (*close)(sb_stream *st);                                      /* mandatory, idempotent */
    int (*fd)(const sb_stream *st);                                    /* NULL: -1 */
    sb_err (*peer_addr)(const sb_stream *st, sb_addr *out);            /* NULL: from fd, else SB_ENOTSUP */
    sb_err (*local_addr)(const sb_stream *st, sb_addr *out);           /* NULL: from fd, else SB_ENOTSUP */
    sb_err (*shutdown)(sb_stream *st);                                 /* NULL: of fd, else SB_ENOTSUP */
    const char *(*property)(const sb_stream *st, const char *name);    /* NULL: it has none */
} sb_stream_impl;

typedef struct sb_listener_impl {
    sb_err (*addr)(const sb_listener *ln, sb_addr *out); /* mandatory */
    void (*close)(sb_listener *ln);                      /* mandatory, idempotent */
} sb_listener_impl;

typedef struct sb_loop_impl {
    const char *name;
    void (*destroy)(sb_loop *loop);
    uint64_t (*clock)(sb_loop *loop); /* now, uncached */
    /* One turn: submit, wait at most timeout_ms (-1: for ever, 0: do not wait), tell what completed. */
    sb_err (*turn)(sb_loop *loop, int timeout_ms);
    void (*flush)(sb_loop *loop);         /* hand what is queued to the kernel now; NULL: nothing queues */
    bool (*alive)(const sb_loop *loop);   /* something is open that can cause an event */
    bool (*pending)(const sb_loop *loop); /* events can be told without waiting: timeout() is 0 */
    int (*fd)(sb_loop *loop);
    void (*wake)(sb_loop *loop); /* any thread: makes fd readable, ends a wait */
    sb_err (*listen)(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
        const sb_listener_events *events, void *data, sb_listener **out);
    sb_err (*adopt_listener)(sb_loop *loop, int fd, bool own, const sb_sockopts *opts,
        const sb_listener_events *events, void *data, sb_listener **out);
    sb_err (*connect)(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
        const sb_stream_events *events, void *data, sb_stream **out);
    sb_err (*adopt_stream)(
        sb_loop *loop, int fd, const sb_stream_events *events, void *data, sb_stream **out);
    sb_err (*resolve)(sb_loop *loop, const char *host, uint16_t port, int family, sb_lookup *lk);
    void (*resolve_cancel)(sb_loop *loop, sb_lookup *lk);
    sb_err (*watch_start)(sb_loop *loop, sb_watch *w, bool readable, bool writable);
    void (*watch_stop)(sb_loop *loop, sb_watch *w);
} sb_loop_impl;

/* The order of things, the same for every backend (engine/loop.c):
 *   run:  while alive and not stopped:  posts, expired timers, turn hook; impl->turn(time to the next
 * deadline) step: posts, expired timers, turn hook; impl->turn(0); posts, expired timers, turn hook;
 * impl->flush impl->turn submits what is queued, waits, calls sb_loop_update, then tells what completed.
 * Objects whose closed callback is due are told in turn. */

/* Base of every loop; implementers embed it first. Timers, posts, the turn hook and the cached clock live
 * here, in engine/loop.c, so that every backend has the same ones. */
struct sb_loop {
    const sb_loop_impl *impl;
    /* private to engine/loop.c */
    uint64_t now, turns;
    bool stopped, running;
    sb_turn *turn;
    struct {
        sb_timer *first; /* the root of the heap */
        uint64_t seq;    /* of the next start */
    } timers;
    sb_post *posts; /* newest first; touched atomically only, by any thread */
};

/* Called by a backend's create and destroy. */
void sb_loop_base_init(sb_loop *loop, const sb_loop_impl *impl);
void sb_loop_base_finish(sb_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
