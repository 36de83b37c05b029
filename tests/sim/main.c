/* Runs worlds: simulator [--trace] [--refuse N | --torture] [--broken PROMISE] FIRST [LAST] [STEPS]. One line
 * at the end; what fails is printed with the name of the promise, its seed and, where an allocation was
 * refused, the number of that, and runs again the same way. */
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

typedef struct order {
    bool torture;
    uint64_t first, last;
    sim_order each;
} order;

static uint64_t run_one(const order *o, uint64_t seed, uint64_t refuse)
{
    sim_order one = o->each;
    running = one.seed = seed;
    refusing = one.refuse = refuse;
    one.dice = sim_dice_seeded(seed);
    return sim_run(&one);
}

static void run(const order *o, uint64_t seed)
{
    uint64_t print = run_one(o, seed, o->each.refuse);
    if (o->each.trace)
        fprintf(stderr, "seed=%llu print=%016llx\n", (unsigned long long)seed, (unsigned long long)print);
    /* Now and then: the same seed is the same run. */
    if (seed % 50 == 0 && run_one(o, seed, o->each.refuse) != print) {
        fprintf(stderr, "sim: %s: seed=%llu ran differently the second time\n", sim_promise_name(SIM_REPLAY),
            (unsigned long long)seed);
        exit(1);
    }
}

/* The same world again and again, each time without the next allocation, until there is none left to refuse.
 */
static void torture(const order *o, uint64_t seed)
{
    uint64_t nth = 0, before;
    do {
        before = sim_memory_refused();
        run_one(o, seed, ++nth);
    } while (sim_memory_refused() > before);
    printf("sim: seed=%llu survived %llu refusals\n", (unsigned long long)seed, (unsigned long long)nth - 1);
}

static uint64_t number(char ***argv, uint64_t otherwise)
{
    return **argv != NULL ? strtoull(*(*argv)++, NULL, 10) : otherwise;
}

static bool breaks(const char *name, order *o)
{
    o->each.broken = name != NULL ? sim_promise_find(name) : SIM_HARNESS;
    return o->each.broken != SIM_HARNESS;
}

/* False: this is not how it is called. */
static bool read_order(char **argv, order *o)
{
    for (argv++; *argv != NULL && argv[0][0] == '-'; argv++) {
        if (strcmp(*argv, "--refuse") == 0 && argv[1] != NULL)
            o->each.refuse = strtoull(*++argv, NULL, 10);
        else if (strcmp(*argv, "--broken") == 0 && breaks(argv[1], o))
            argv++;
        else if (strcmp(*argv, "--trace") == 0)
            o->each.trace = true;
        else if (strcmp(*argv, "--torture") == 0)
            o->torture = true;
        else
            return false;
    }
    if (*argv == NULL)
        return false;
    o->first = number(&argv, 0);
    o->last = number(&argv, o->first);
    o->each.steps = (uint32_t)number(&argv, STEPS);
    return true;
}

int main(int argc, char **argv)
{
    order o = {0};
    if (argc < 1 || !read_order(argv, &o)) {
        fprintf(stderr,
            "usage: simulator [--trace] [--refuse N | --torture] [--broken PROMISE] FIRST [LAST] [STEPS]\n");
        return 2;
    }
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    for (uint64_t seed = o.first; seed <= o.last; seed++)
        (o.torture ? torture : run)(&o, seed);
    printf("sim: %llu schedules of %u steps\n", (unsigned long long)(o.last - o.first + 1), o.each.steps);
    return 0;
}
