/* What the driver tells an end: key=value words. */
#ifndef BENCH_ARGS_H
#define BENCH_ARGS_H

#include <stddef.h>

#define BENCH_PORTS 64

typedef struct bench_args {
    const char *role;
    const char *type;    /* socket type a raw end claims to be */
    const char *backend; /* "auto" */
    const char *script;
    size_t size; /* body octets of a message */
    long warm_ms, window_ms;
    int hwm;    /* messages, 0 = no limit */
    int nodrop; /* publishers wait for slow subscribers instead of dropping */
    int outs;   /* connections a relay waits for on its second port */
    int listen[BENCH_PORTS], nlisten;
    int connect[BENCH_PORTS], nconnect;
    char **rest; /* what follows "--" */
    int nrest;
} bench_args;

/* Exits with a message when something is not understood. */
void bench_args_parse(bench_args *a, int argc, char **argv);
_Noreturn void bench_die(const char *what);

#endif
