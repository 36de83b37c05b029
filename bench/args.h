/* What the driver tells an end: key=value words. */
#ifndef BENCH_ARGS_H
#define BENCH_ARGS_H

#include <stddef.h>

#define BENCH_PORTS 1024

typedef struct bench_args {
    const char *role;
    const char *type;    /* socket type a raw end claims to be */
    const char *backend; /* "auto" */
    const char *script;
    const char *dir; /* ipc sockets are named by their port in here; NULL: TCP on loopback */
    int size;        /* body octets of a message */
    int topic;       /* 1: a frame of 16 octets goes before the body */
    int prefixes;    /* messages take turns among so many topics, which subscribers share out; 0: no topics */
    int hot;         /* messages are of so many of these topics only; 0: of all */
    int count;       /* messages to send, or to receive before the end; 0: by the clock */
    int peers;       /* connections an idle client makes */
    int warm_ms, window_ms;
    int hwm;    /* messages, 0 = no limit */
    int nodrop; /* publishers wait for slow subscribers instead of dropping */
    int curve;  /* 1: the listening end is a CURVE server, the other its client */
    int outs;   /* connections a relay waits for on its second port */
    int times;  /* connections to each port of `connect` */
    int tell;   /* 1: a receiver says "open" when all its connections stand */
    int listen[BENCH_PORTS], nlisten;
    int connect[BENCH_PORTS], nconnect;
    char **rest; /* what follows "--" */
    int nrest;
} bench_args;

/* One pair for both ends: what is measured is traffic. */
#define BENCH_CURVE_PUBLIC "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define BENCH_CURVE_SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

/* Exits with a message when something is not understood. */
void bench_args_parse(bench_args *a, int argc, char **argv);
/* "tcp://127.0.0.1:PORT" or "ipc://DIR/PORT". */
void bench_endpoint(const bench_args *a, int port, char *out, size_t cap);
_Noreturn void bench_die(const char *what);

#endif
