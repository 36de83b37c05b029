/* Runs worlds: simulator [--trace] FIRST [LAST] [STEPS]. One line at the end; the seed of what fails is
 * printed, and runs again the same way. */
#include "tests/sim/memory.h"
#include "tests/sim/sim.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS 250

static volatile uint64_t running, refusing;

/* A crash of the engine itself: the seed is what matters. */
static void on_crash(int number)
{
    char line[96];
    int len = snprintf(line, sizeof line, "sim: ended with seed=%llu refused=%llu\n",
        (unsigned long long)running, (unsigned long long)refusing);
    ssize_t written = write(STDERR_FILENO, line, (size_t)len);
    (void)written;
    signal(number, SIG_DFL);
    raise(number);
}

static void run(uint64_t seed, uint32_t steps, bool trace)
{
    running = seed;
    uint64_t print = sim_run(seed, sim_dice_seeded(seed), steps, trace, 0);
    if (trace)
        fprintf(stderr, "seed=%llu print=%016llx\n", (unsigned long long)seed, (unsigned long long)print);
    /* Now and then: the same seed is the same run. */
    if (seed % 50 == 0 && sim_run(seed, sim_dice_seeded(seed), steps, trace, 0) != print) {
        fprintf(stderr, "sim: seed=%llu ran differently the second time\n", (unsigned long long)seed);
        exit(1);
    }
}

/* The same world again and again, each time without the next allocation, until there is none left to refuse.
 */
static void torture(uint64_t seed, uint32_t steps)
{
    uint64_t nth = 0, before;
    running = seed;
    do {
        before = sim_memory_refused();
        refusing = ++nth;
        sim_run(seed, sim_dice_seeded(seed), steps, false, nth);
    } while (sim_memory_refused() > before);
    printf("sim: seed=%llu survived %llu refusals\n", (unsigned long long)seed, (unsigned long long)nth - 1);
}

int main(int argc, char **argv)
{
    bool trace = argc > 1 && strcmp(argv[1], "--trace") == 0;
    bool refuse = argc > 1 && strcmp(argv[1], "--torture") == 0;
    argv += trace || refuse;
    argc -= trace || refuse;
    if (argc < 2) {
        fprintf(stderr, "usage: simulator [--trace | --torture] FIRST [LAST] [STEPS]\n");
        return 2;
    }
    uint64_t first = strtoull(argv[1], NULL, 10), last = argc > 2 ? strtoull(argv[2], NULL, 10) : first;
    uint32_t steps = argc > 3 ? (uint32_t)atoi(argv[3]) : STEPS;
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    for (uint64_t seed = first; seed <= last; seed++)
        if (refuse)
            torture(seed, steps);
        else
            run(seed, steps, trace);
    printf("sim: %llu schedules of %u steps\n", (unsigned long long)(last - first + 1), steps);
    return 0;
}
