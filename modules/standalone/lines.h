/* Messages as lines: frames with a separator between them, one message a line. For the shell. */
#ifndef SIGNALBOX_LINES_H
#define SIGNALBOX_LINES_H

#include "engine/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct line_format {
    char end;       /* '\n', or '\0' with -0 */
    char separator; /* between frames, '\t' */
    bool escape;    /* \xHH for octets that are not printable, for \ itself, the end and the separator */
} line_format;

/* Writes the message's frames, from number `first` (0-based), as one line. */
void line_write(FILE *out, const line_format *f, const sb_msg *msg, uint32_t first);

/* Makes frames of a line (without its end), inside the line's own memory: `line` is changed, and the message
 * refers to it. SB_ENOMEM. */
sb_err line_read(char *line, size_t len, const line_format *f, sb_msg *msg);

#endif
