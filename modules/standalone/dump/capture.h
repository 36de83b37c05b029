/* Where packets come from: an interface or a file, through libpcap. */
#ifndef SIGNALBOX_DUMP_CAPTURE_H
#define SIGNALBOX_DUMP_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct capture_options {
    const char *interface; /* live from this one; NULL: from `file` */
    const char *file;      /* "-": standard input */
    const char *filter;    /* a libpcap expression */
    size_t shown;          /* octets of each frame that are printed */
    uint64_t lines;        /* ends after so many; 0: never */
} capture_options;

/* Prints what it decodes on stdout until the file ends, so many lines were printed, or SIGINT or SIGTERM
 * comes. Errors go to stderr. Returns the exit code. */
int capture_run(const capture_options *opts);

#endif
