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

typedef struct conform_group {
    const conform_vector *vectors;
    size_t count;
} conform_group;

extern const conform_group conform_modern; /* 3.x */
extern const conform_group conform_malice; /* 3.x, what no honest peer sends */
extern const conform_group conform_old;    /* 2.0 and 1.0 */

/* For the vectors: the verdict, with what to say when it is not the right one. */
bool conform_judge(bool ok, const char **seen, const char *otherwise);
/* After the handshake: octets that end the connection; octets behind which a PING is answered. */
bool conform_ends_it(probe *p, const void *data, size_t len, const char **seen);
bool conform_goes_on(probe *p, const void *data, size_t len, const char **seen);
/* Greeting and a READY of these octets end the connection. */
bool conform_refuses(probe *p, const void *data, size_t len, const char **seen);

#define CONFORM_TEXT(s) s, sizeof(s) - 1

#endif
