/* Socket tests on the real loops, in one process. */
#ifndef SB_TEST_REAL_H
#define SB_TEST_REAL_H

#include "tests/unit/socket/bench.h"

#include <poll.h>

static const char *const backends[] = {"uring", "uv"};

/* False: this backend cannot be here (io_uring denied). */
static inline bool open_real(bench *b, const char *backend)
{
    sb_engine_config cfg = {.backend = backend};
    b->loop = NULL;
    return sb_engine_create(&cfg, NULL, 0, &b->engine) == SB_OK;
}

/* Steps until n messages are there; bounded. */
static inline void await(bench *b, const ear *e, size_t n)
{
    for (int i = 0; i < 2000 && e->n < n; i++) {
        struct pollfd p = {.fd = sb_engine_fd(b->engine), .events = POLLIN};
        poll(&p, 1, 5);
        assert_int_equal(sb_engine_step(b->engine), SB_OK);
    }
    assert_true(e->n >= n);
}

static inline void on_each_backend(void (*test)(bench *b, ear *in))
{
    int ran = 0;
    for (size_t i = 0; i < 2; i++) {
        bench b;
        if (!open_real(&b, backends[i]))
            continue;
        ear in;
        test(&b, &in);
        sb_engine_destroy(b.engine); /* tells the ear */
        ear_clear(&in);
        ran++;
    }
    assert_true(ran > 0);
}

#endif
