/* The meter's clock work. */
#include "bench/meter.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BEFORE_FIRST, WARMING, COUNTING };

uint64_t bench_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void meter_init(meter *m, const bench_args *a)
{
    *m = (meter){.stride = 1,
        .warm = (uint64_t)a->warm_ms * 1000000u,
        .window = (uint64_t)a->window_ms * 1000000u,
        .count = (uint64_t)a->count};
}

static void say(const char *line)
{
    fputs(line, stdout);
    fflush(stdout);
}

static void finish(const meter *m, uint64_t now)
{
    printf("end %llu %llu\n", (unsigned long long)(m->n - m->base), (unsigned long long)(now - m->begin));
    fflush(stdout);
    exit(0);
}

static void adapt(meter *m, uint64_t now)
{
    uint64_t passed = now - m->last;
    if (passed < 250000 && m->stride < 65536)
        m->stride *= 2;
    else if (passed > 1000000 && m->stride > 1)
        m->stride /= 2;
    m->last = now;
    m->next = m->n + m->stride;
}

/* All of them: the window is from the first to the last. */
static void look_at_count(meter *m, uint64_t now)
{
    if (m->stage == BEFORE_FIRST) {
        m->stage = COUNTING;
        m->begin = now;
        say("start\n");
    }
    m->next = m->count;
    if (m->n >= m->count)
        finish(m, now);
}

void meter_look(meter *m)
{
    uint64_t now = bench_now();
    if (m->count > 0) {
        look_at_count(m, now);
        return;
    }
    if (m->stage == BEFORE_FIRST) {
        m->stage = WARMING;
        m->begin = now;
    } else if (m->stage == WARMING && now - m->begin >= m->warm) {
        m->stage = COUNTING;
        m->begin = now;
        m->base = m->n;
        say("start\n");
    } else if (m->stage == COUNTING && now - m->begin >= m->window) {
        finish(m, now);
    }
    adapt(m, now);
}
