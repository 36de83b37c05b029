/* signalbox conform: wire vectors against any ZMTP endpoint. A vector is one connection (or two) and one
 * question. */
#ifndef SIGNALBOX_CONFORM_H
#define SIGNALBOX_CONFORM_H

#include "modules/standalone/probe.h"

typedef struct conform_vector {
    const char *group; /* "greeting" */
    const char *what; /* what the endpoint does when it conforms: "answers a signature that is all it gets" */
    const char *clause; /* where it says so: "RFC 37, 2.2" */
    /* Plays it over a probe that is connected; true: it conforms. `seen` gets what was observed instead. */
    bool (*play)(probe *p, const char **seen);
    bool (*applies)(const probe_target *target); /* NULL: to all */
} conform_vector;

extern const conform_vector conform_vectors[];
extern const size_t conform_count;

#endif
