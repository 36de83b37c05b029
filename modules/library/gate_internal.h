/* What gate and gateway agree on. Private to modules/library. */
#ifndef SB_LIBRARY_GATE_INTERNAL_H
#define SB_LIBRARY_GATE_INTERNAL_H

#include "modules/library/gateway.h"

#define SB__CALL_NUMBER 5 /* octets: NUL and 32 bits, what engines take for a routing id of their own */
#define SB__GATE_ID     16

/* The second frame of an answer by the gate itself. */
#define SB__ANSWER_PUBLISHED 'P'
#define SB__ANSWER_NOBODY    'Z'
#define SB__ANSWER_FULL      'F'
#define SB__ANSWER_NO_PEER   'N'

/* What a board tells of itself. */
typedef struct sb__page {
    const char *name;
    const char *headers; /* of the HTTP response, as JSON */
    void (*put)(sb_board *board, sb_text *out);
} sb__page;

const sb__page *sb__page_find(const char *name); /* pages.c; NULL: there is none */

/* "request/jobs": a door's name in the mesh and behind SB_GATE_INPROC. */
void sb__use_name(const sb_use *use, char *out, size_t cap);

#endif
