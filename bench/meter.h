/* Counts what really arrived: a warm-up, then a window. Place: the receiving end of every benchmark. */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include "bench/args.h"

#include <stdint.h>

typedef struct meter {
    uint64_t n;            /* arrived so far */
    uint64_t next;         /* look at the clock when n gets here */
    uint64_t stride;       /* how far apart looks are: about half a millisecond */
    uint64_t last;         /* ns of the last look */
    uint64_t begin;        /* ns: end of the warm-up, then begin of the window */
    uint64_t base;         /* n at begin of the window */
    uint64_t warm, window; /* ns */
    uint64_t count;        /* the window ends with this message instead; 0: it does not */
    int stage;
} meter;

uint64_t bench_now(void); /* ns, monotonic */
void meter_init(meter *m, const bench_args *a);
/* Looks at the clock; prints "start" when the window begins and "end MESSAGES NANOSECONDS" when it is over,
 * then exits. */
void meter_look(meter *m);

static inline void meter_add(meter *m, uint64_t k)
{
    m->n += k;
    if (m->n >= m->next)
        meter_look(m);
}

#endif
