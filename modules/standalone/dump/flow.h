/* The connections of a capture: segments become two directions of octets in their order, each with a decoder.
 * Bounded: so many connections, so many octets that came before their turn; who was quiet longest is
 * forgotten.
 */
#ifndef SIGNALBOX_DUMP_FLOW_H
#define SIGNALBOX_DUMP_FLOW_H

#include "modules/standalone/dump/decoder.h"
#include "modules/standalone/dump/segment.h"

#include "engine/base/list.h"
#include "engine/base/map.h"

#define FLOWS_MAX  1024
#define EARLY_MAX  64         /* segments of a direction that wait for one before them */
#define EARLY_ROOM (1u << 20) /* their octets */

typedef struct flows {
    /* Where lines go; the text of a line begins with who speaks to whom. Set by the owner. */
    void (*say)(void *user, const char *text);
    void *user;
    size_t shown; /* octets of each frame, at most DECODER_BODY */
    /* private */
    sb_map map;
    sb_list used; /* the most recently seen in front */
} flows;

void flows_init(flows *f);
/* Takes one segment; what it completes is said during the call. False: out of memory. */
bool flows_take(flows *f, const segment *s);
/* Tells what is unfinished, and frees all. */
void flows_finish(flows *f);

#endif
