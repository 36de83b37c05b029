/* One line of output that grows at its end and never past its room. Place: below everything in this folder.
 */
#ifndef SIGNALBOX_DUMP_LINE_H
#define SIGNALBOX_DUMP_LINE_H

#include <stddef.h>
#include <stdint.h>

#define LINE_ROOM 8192

/* All zero is empty. What finds no room is left out, and the line ends in "...". */
typedef struct line {
    /* read-only */
    size_t len;
    char text[LINE_ROOM + 4];
    /* private */
    char full;
} line;

void line_put(line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Octets in quotes, not printable ones as \xHH: the first `shown` of `len`, and how many more there are. */
void line_quote(line *l, const uint8_t *octets, size_t shown, uint64_t len);
/* A name that should be plain text: without quotes, whatever is not printable as \xHH. */
void line_name(line *l, const uint8_t *octets, size_t len);

#endif
