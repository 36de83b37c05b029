/* Octets of one direction that came before their turn. Place: flow.c holds one per direction. */
#ifndef SIGNALBOX_DUMP_EARLY_H
#define SIGNALBOX_DUMP_EARLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A copy of a segment's octets. */
typedef struct early_piece {
    uint32_t seq;
    size_t len;
    uint8_t octets[];
} early_piece;

/* All zero is empty. */
typedef struct early {
    /* read-only */
    size_t n, octets;
    /* private */
    early_piece **pieces; /* in no order */
} early;

/* Keeps a copy. False: there is no room, or no memory. */
bool early_add(early *e, uint32_t seq, const uint8_t *octets, size_t len, size_t max, size_t room);
/* Takes out a piece that holds octet `next` or only older ones; the caller frees it. NULL: none. */
early_piece *early_take(early *e, uint32_t next);
void early_finish(early *e);

#endif
