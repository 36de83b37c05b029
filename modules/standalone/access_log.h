/* The program's access log: a line per message that was routed, appended to a file, buffered. */
#ifndef SIGNALBOX_ACCESS_LOG_H
#define SIGNALBOX_ACCESS_LOG_H

#include "engine/loop.h"
#include "modules/library/access.h"

#include <time.h>

#define ACCESS_LOG_BUFFER 65536

typedef struct access_log {
    sb_tap tap; /* for the engines: first member */
    sb_access *access;
    const char *path; /* borrowed */
    int fd;
    sb_loop *loop; /* where the timer runs that writes what waits; NULL: nowhere */
    sb_timer timer;
    time_t complained; /* when it was last told that writing fails */
    size_t len;
    char buffer[ACCESS_LOG_BUFFER];
} access_log;

/* NULL after saying on stderr what is wrong. `format` NULL: the default one. */
access_log *access_log_create(const char *path, const char *format);
/* Writes what waits, closes the file. NULL is allowed. */
void access_log_destroy(access_log *log);

/* Writes what waits and opens the path anew: a new file, when somebody renamed the old one. */
void access_log_reopen(access_log *log);
/* What waits is written out of this loop from now on; NULL: none. */
void access_log_watch(access_log *log, sb_loop *loop);

#endif
