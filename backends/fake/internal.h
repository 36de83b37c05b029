/* The fake loop's own types. Private to backends/fake. */
#ifndef SB_FAKE_INTERNAL_H
#define SB_FAKE_INTERNAL_H

#include "backends/fake/fake.h"

#include <assert.h>

struct fake_loop;

/* Something with an event to tell. Told once per turn; run may queue it again. */
struct fake_job {
    struct fake_job *next;
    bool queued;
    void (*run)(struct fake_job *job);
};

/* One side of a connection: what travels towards it. */
struct fake_end {
    struct fake_end *peer; /* NULL: gone */
    struct fake_job *job;  /* who wants to know; NULL: nobody (a raw end) */
    struct fake_loop *loop;
    uint8_t *bytes; /* head..head+len are on the way */
    size_t head, len, cap;
    bool ended; /* nothing comes after those */
    sb_err why; /* of the end; SB_ECLOSED or what broke it */
    sb_addr local;
};

struct fake_listener {
    sb_listener base;
    struct fake_job job;
    struct fake_listener *next; /* in fake_net.listeners */
    sb_addr addr;
    bool dual, closing, raw;
    struct fake_stream *backlog, **backlog_tail; /* by fake_stream.next */
    struct sb_fake_raw *raw_backlog, **raw_tail; /* by sb_fake_raw.next */
};

struct fake_stream {
    sb_stream base;
    struct fake_job job;
    struct fake_stream *next;           /* in a backlog */
    struct fake_stream *before, *after; /* in fake_loop.streams */
    struct fake_end end;
    sb_addr remote;
    const struct iovec *iov; /* the write in flight; NULL: none */
    size_t niov, iov_off;
    const struct iovec *whole; /* the same write, as it was given */
    size_t nwhole;
    uint64_t sum; /* of its octets */
    bool connecting, reading, end_told, closing;
    bool becalmed; /* the weather let nothing pass */
};

struct sb_fake_raw {
    struct fake_end end;
    struct sb_fake_raw *next;
};

struct fake_name {
    struct fake_name *next;
    sb_addr addr;
    char name[];
};

/* Where addresses are known; shared by the loops that can reach each other. */
struct fake_net {
    uint32_t loops;
    struct fake_listener *listeners;
    uint16_t next_port;
};

struct fake_loop {
    sb_loop base;
    uint64_t clock;
    struct fake_job *jobs, **jobs_tail;
    struct fake_net *net;
    struct fake_stream *streams; /* newest first, also closed ones that wait for their last callback */
    struct fake_name *names, **names_tail;
    sb_fake_weather *weather;
    const char *complaint;
    size_t split, limit;
    sb_fake_kernel *kernel;
    struct fake_watch *watches;
    bool telling; /* watches are being told */
};

extern const sb_loop_impl sb__fake_impl, sb__fake_watching_impl;

static inline struct fake_loop *fake_from_loop(const sb_loop *loop)
{
    assert(loop->impl == &sb__fake_impl || loop->impl == &sb__fake_watching_impl);
    return (struct fake_loop *)loop; /* base is the first member */
}

/* Queues `job` for this turn or the next; idempotent. */
void sb__fake_queue(struct fake_loop *fl, struct fake_job *job);

/* end.c */
void sb__fake_end_pair(struct fake_end *a, struct fake_end *b);
/* Bytes taken into what travels to `end`. */
size_t sb__fake_end_put(struct fake_end *end, const void *bytes, size_t n);
size_t sb__fake_end_take(struct fake_end *end, void *bytes, size_t cap);
/* Says to `end` that nothing more comes; an error loses what is on the way. */
void sb__fake_end_stop(struct fake_end *end, sb_err why);
/* Leaves the connection and frees what travelled here. */
void sb__fake_end_finish(struct fake_end *end, sb_err why);

/* listener.c */
sb_err sb__fake_listen(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out);
/* The listener that answers at `addr`, or NULL. */
struct fake_listener *sb__fake_find_listener(struct fake_loop *fl, const sb_addr *addr);
/* Gives the listener a connection whose other side is `client`. SB_ENOMEM. */
sb_err sb__fake_deliver(struct fake_listener *fln, struct fake_end *client);
/* An address for the connecting side of a connection to `remote`. */
void sb__fake_pick_local(struct fake_loop *fl, const sb_addr *remote, sb_addr *local);

/* stream.c */
sb_err sb__fake_connect(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_stream_events *events, void *data, sb_stream **out);
struct fake_stream *sb__fake_stream_create(struct fake_loop *fl);
void sb__fake_stream_free(struct fake_stream *fs);
/* Time has passed or the weather changed: what waited for it is tried again. */
void sb__fake_stir(struct fake_loop *fl);

/* watch.c */
sb_err sb__fake_watch_start(sb_loop *loop, sb_watch *w, bool readable, bool writable);
void sb__fake_watch_stop(sb_loop *loop, sb_watch *w);
bool sb__fake_watches_pending(const struct fake_loop *fl);
void sb__fake_tell_watches(struct fake_loop *fl);

/* resolve.c */
sb_err sb__fake_resolve(sb_loop *loop, const char *host, uint16_t port, int family, sb_lookup *lk);
void sb__fake_resolve_cancel(sb_loop *loop, sb_lookup *lk);
void sb__fake_names_finish(struct fake_loop *fl);

#endif
