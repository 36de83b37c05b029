/* signalbox cat. */
#ifndef SIGNALBOX_CAT_H
#define SIGNALBOX_CAT_H

#include "engine/signalbox.h"
#include "modules/standalone/lines.h"

#define CAT_MAX 32

/* What the command line says; everything points into argv. */
typedef struct cat_options {
    const char *backend;
    sb_type type;
    bool bind;
    char direction; /* 'r', 'w', or '\0' for what the type can */
    line_format format;
    uint64_t count;   /* messages to receive, 0 = no end */
    uint64_t timeout; /* ns without a message, 0 = none */
    unsigned peers;   /* to wait for before sending */
    bool verbose;
    const char *options[CAT_MAX], *topics[CAT_MAX], *endpoints[CAT_MAX];
    size_t noptions, ntopics, nendpoints;
} cat_options;

/* Returns the exit code. */
int cat_run(const cat_options *opts);

#endif
