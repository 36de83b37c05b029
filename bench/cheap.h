/* Cheap ends: plain sockets that say a prepared ZMTP greeting and then write or walk frames, so that what is
 * measured is what stands between them. */
#ifndef BENCH_CHEAP_H
#define BENCH_CHEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Plain TCP on 127.0.0.1; they exit on failure. A connect is tried again for five seconds. */
int cheap_listen(int port);
int cheap_accept(int listener);
int cheap_connect(int port);
void cheap_write(int fd, const void *data, size_t len);

/* Greeting and READY as `type`, both ways, blocking; a SUB then subscribes to everything. */
void cheap_handshake(int fd, const char *type);

/* A batch of messages of one frame each, `size` octets that begin with 'a' and 'b' in turn. Never freed. */
typedef struct cheap_batch {
    uint8_t *data;
    size_t len;
    size_t frame; /* octets of one message on the wire */
} cheap_batch;
void cheap_batch_make(cheap_batch *b, size_t size, size_t at_least);

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
