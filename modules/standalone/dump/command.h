/* Commands of ZMTP 3 in words. Place: decoder.c calls it with whole bodies. */
#ifndef SIGNALBOX_DUMP_COMMAND_H
#define SIGNALBOX_DUMP_COMMAND_H

#include "modules/standalone/dump/line.h"

#include <stdbool.h>

/* What was captured of a command. */
typedef struct command_view {
    const uint8_t *body; /* its first octets, the name in front */
    size_t kept;
    uint64_t size; /* octets of all of it */
    bool curve;    /* the connection's mechanism: what is in boxes cannot be shown */
} command_view;

/* Writes one command. A READY or INITIATE that names a socket type writes it to `type` too (cut to `room`).
 */
void command_show(line *l, const command_view *view, char *type, size_t room);

#endif
