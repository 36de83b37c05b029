/* One generation of the script: from a file to a running board, and draining beside the next generation. */
#ifndef SIGNALBOX_GENERATION_H
#define SIGNALBOX_GENERATION_H

#include "modules/standalone/options.h"
#include "modules/standalone/ports.h"

typedef struct generation generation;

/* Whoever keeps generations is told when one has drained; not before the turn in which it did. */
typedef struct generation_owner generation_owner;
struct generation_owner {
    void (*drained)(generation_owner *self, generation *gen);
};

struct generation {
    sb_host host; /* first member */
    const options *opts;
    ports *ports;
    generation_owner *owner;
    sb_board *board;
    sb_engine *engine;
    sb_drain drain;
    bool draining, drained;
    /* as a guest in the loop of the generation that runs */
    sb_loop *home; /* NULL: runs its own loop */
    sb_watch watch;
    sb_timer timer;
    generation *next; /* the owner's */
};

/* Reads the file, checks it, opens its ports, runs it. NULL after saying why; the ports are as before then.
 * `hold_connects`: its connects wait for sb_engine_release_connects. */
generation *generation_create(const options *opts, ports *ports, generation_owner *owner, bool hold_connects);
/* Closes everything at once. NULL is allowed. */
void generation_destroy(generation *gen);

/* Begins draining (once). */
void generation_drain(generation *gen);
/* From now on it is driven by another loop; NULL: by none. */
void generation_move(generation *gen, sb_loop *home);

#endif
