/* The listening sockets of the program. They outlive generations of the script, so that a reload refuses
 * nobody. */
#ifndef SIGNALBOX_PORTS_H
#define SIGNALBOX_PORTS_H

#include "modules/library/plan.h"

typedef struct port {
    char *endpoint; /* as the script gave it */
    int fd;
    sb_addr addr;
    bool wanted;     /* by the generation that is being made */
    bool used;       /* by the one that runs */
    unsigned handed; /* how often a bind of this generation got it */
} port;

/* Zero initialise. */
typedef struct ports {
    port *all;
    size_t n, cap;
} ports;

/* Opens what a plan binds and is not open yet. On failure says why in `why` and closes what it opened. */
sb_err ports_prepare(ports *ports, const sb_plan *plan, char *why, size_t cap);
/* The prepared ones are now in use, the others are closed. / What was opened for nothing is closed. */
void ports_commit(ports *ports);
void ports_rollback(ports *ports);
/* The descriptor for a bind to `endpoint`; the same text again gets the next port where there are several. -1
 * when there is none. */
int ports_take(ports *ports, const char *endpoint);
/* Closes all and removes the paths of ipc endpoints. */
void ports_finish(ports *ports);

#endif
