/* Cheap ends: plain sockets that say a prepared ZMTP greeting and then write or walk frames, so that what is
 * measured is what stands between them. */
#ifndef BENCH_CHEAP_H
#define BENCH_CHEAP_H

#include "bench/args.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TCP on 127.0.0.1, or, where the arguments say so, a socket in their folder; they exit on failure. A connect
 * is tried again for five seconds. */
int cheap_listen(const bench_args *a, int port);
int cheap_accept(int listener);
int cheap_connect(const bench_args *a, int port);
void cheap_write(int fd, const void *data, size_t len);

/* Writes a greeting and READY as `type`; returns the octets, at most CHEAP_HELLO. */
#define CHEAP_HELLO 256
size_t cheap_hello(uint8_t *out, const char *type);
/* Both ways, blocking. */
void cheap_handshake(int fd, const char *type);
/* A SUB's subscriptions: number `i` of `n` subscribers takes its share of `prefixes`; without any,
 * everything.
 */
void cheap_subscribe(int fd, int i, int n, int prefixes);

/* A batch of messages as the arguments say, that begin with 'a' and 'b' in turn, or with their topics in
 * turn. Never freed. */
typedef struct cheap_batch {
    uint8_t *data;
    size_t len;
    size_t message; /* octets of one message on the wire */
    int count;      /* messages */
} cheap_batch;
void cheap_batch_make(cheap_batch *b, const bench_args *a, size_t at_least);

/* Walks frames over reads of any cut. */
typedef struct cheap_walk {
    uint64_t skip; /* octets of a body still to come */
    bool counts;   /* it ends a message */
    uint8_t head[9];
    size_t nhead;
} cheap_walk;
/* How many messages ended in these bytes. */
uint64_t cheap_walk_feed(cheap_walk *w, const uint8_t *p, size_t n);

#endif
