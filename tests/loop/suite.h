/* The conformance suite every loop passes. A test program fills in a suite_backend and calls suite_run.
 *
 * A case drives the loop with drive(), which either runs it or, in host mode, polls its descriptor as a
 * foreign event loop would; the whole suite passes both ways. All waits are bounded. */
#ifndef TEST_LOOP_SUITE_H
#define TEST_LOOP_SUITE_H

#include "engine/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* What a backend can do; a case lists what it needs. */
enum {
    SUITE_FDS = 1u << 0,     /* real sockets: descriptors, unix paths, adopting */
    SUITE_HOST = 1u << 1,    /* has a pollable descriptor */
    SUITE_THREADS = 1u << 2, /* sleeps, and a post from another thread wakes it */
    SUITE_WATCH = 1u << 3,
};

typedef struct suite_backend {
    const char *name;
    sb_err (*make)(sb_loop **out);
    unsigned caps;
} suite_backend;

/* Runs every case the backend can do; twice where it has SUITE_HOST. Returns the number of failures. */
int suite_run(const suite_backend *backend);

/* ---- For cases ---- */

struct fixture {
    const suite_backend *backend;
    bool host;
    sb_loop *loop;
    int epfd; /* host mode */
    /* of drive() */
    sb_turn turn;
    sb_timer guard;
    const size_t *counter;
    size_t target;
    bool timed_out;
    bool quiet; /* of drive_for */
};

struct suite_case {
    const char *name;
    CMUnitTestFunction fn;
    unsigned needs;
};

#define SUITE_CASE(fn, needs)                                                                                \
    {                                                                                                        \
#fn, fn, needs                                                                                       \
    }

/* NULL-terminated by a name of NULL. */
extern const struct suite_case stream_cases[], close_cases[], listener_cases[], time_cases[],
    pressure_cases[], random_cases[];

/* Turns the loop until *counter >= target; fails the test after 20 s of the loop's time, or when nothing can
 * happen. */
void drive(struct fixture *fx, const size_t *counter, size_t target);
/* Turns the loop for `ms` of its time. */
void drive_for(struct fixture *fx, unsigned ms);

/* 127.0.0.1:0 */
sb_addr any_port(void);

/* One side of a connection, with a count of everything told. What it reads must be the pattern of `seed_in`.
 */
struct peer {
    struct fixture *fx;
    sb_stream *st;
    size_t connected, reads, ended, written, closed;
    sb_err connect_err, end_err, write_err;
    uint32_t seed_in, seed_out;
    size_t bytes_in, bytes_out, goal_out; /* goal_out > bytes_out: on_written sends on */
    size_t max_iov;                       /* bytes in one write */
    uint8_t *out;
    struct iovec iov[SB_IOV_MAX];
    bool writing, in_call;
    bool closing;                               /* of a case that must know */
    void (*on_event)(struct peer *p, int what); /* after counting; may close */
    void *data;
    sb_buf *last; /* the buffer of the on_read under way */
};

enum { PEER_CONNECTED, PEER_READ, PEER_END, PEER_WRITTEN, PEER_CLOSED };

extern const sb_stream_events peer_events;

void peer_init(struct peer *p, struct fixture *fx, uint32_t seed_in, uint32_t seed_out);
/* Frees what the peer holds; its stream must be closed. */
void peer_finish(struct peer *p);
/* Sends `n` further bytes of the pattern, in writes of at most 256 KiB in odd pieces. */
void peer_send(struct peer *p, size_t n);
/* Closes and waits for on_closed. */
void peer_close(struct peer *p);

uint8_t pattern_byte(uint32_t seed, size_t pos);

/* A listener that hands every accepted stream to the peers in turn. */
struct door {
    struct fixture *fx;
    sb_listener *ln;
    sb_addr addr;
    struct peer *peers;
    size_t npeers, accepted, errors, closed;
    sb_err err;
    void (*on_accepted)(struct door *d, struct peer *p);
};

extern const sb_listener_events door_events;

void door_open(struct door *d, struct fixture *fx, const sb_addr *addr, struct peer *peers, size_t npeers);
void door_close(struct door *d);

/* Two connected peers; both sides' reading is off. `a` connected, `b` was accepted. */
void make_pair(struct fixture *fx, struct peer *a, struct peer *b);

struct fixture *fixture_of(void **state);

/* A fixture outside the suite, for what only one backend has: its tests are made with SUITE_TEST. */
int suite_set_up(void **state);
int suite_tear_down(void **state);

#define SUITE_TEST(fn, backend)                                                                              \
    cmocka_unit_test_prestate_setup_teardown(fn, suite_set_up, suite_tear_down, (void *)&(backend))

#endif
