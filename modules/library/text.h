/* A text that grows: what the pages for people and machines are written into. */
#ifndef SB_TEXT_H
#define SB_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* All zero is empty. */
typedef struct sb_text {
    char *text; /* ends in a NUL that is not counted; NULL while empty */
    size_t len, cap;
    bool failed; /* out of memory: text is not whole */
} sb_text;

void sb_text_put(sb_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes. Octets that are no UTF-8 come as the code points of Latin-1, so that
 * whatever a peer calls itself the text stays JSON. */
void sb_text_json(sb_text *t, const void *data, size_t len);
void sb_text_finish(sb_text *t); /* frees it */

#endif
