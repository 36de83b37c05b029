/* What gate and gateway agree on. Private to modules/library. */
#ifndef SB_LIBRARY_GATE_INTERNAL_H
#define SB_LIBRARY_GATE_INTERNAL_H

#include "modules/library/gateway.h"

#include <string.h>

#define SB__CALL_NUMBER 5 /* octets: NUL and 32 bits, what engines take for a routing id of their own */
#define SB__GATE_ID     16
#define SB__GATE_QUEUE  (64 << 20) /* octets that may wait for one other side */

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
/* Followers. A gateway asks with a message to the feed's XPUB and gets answers under a topic of its own, NUL
 * and its id. Ask: [SB__FEED_ASK][own topic][number 4][topic][epoch 4, number 8: since]. Answer: [own
 * topic][number 4][status][topic to use], before it, for what was missed: [own topic][number
 * 4][SB__FEED_MISSED][id][frames]. A message: [topic][id][frames ...]; id: epoch 4, number 8. */
#define SB__FEED_ASK    "ask"
#define SB__FEED_RESUME "resume" /* the same, already allowed */
#define SB__FEED_OK     'A'
#define SB__FEED_DENIED 'D'
#define SB__FEED_FULL   'F'
#define SB__FEED_OTHER  'R' /* follow the topic that is told instead */
#define SB__FEED_MISSED 'M'
#define SB__FEED_OWN    (1 + SB__GATE_ID)
#define SB__FEED_ID     12

static inline void sb__feed_id_put(uint8_t out[SB__FEED_ID], const sb_event_id *id)
{
    memcpy(out, &id->epoch, 4);
    memcpy(out + 4, &id->number, 8);
}
static inline void sb__feed_id_get(const uint8_t *in, sb_event_id *id)
{
    memcpy(&id->epoch, in, 4);
    memcpy(&id->number, in + 4, 8);
}

/* The feed of one socket: gate_feed.c. open: on failure what was made is still to be destroyed. */
typedef struct sb__feed sb__feed;
sb_err sb__feed_create(sb_engine *engine, sb_mesh *mesh, const sb_use *use, sb__feed **out);
void sb__feed_destroy(sb__feed *feed); /* NULL is allowed */

/* The followers of one use: follow.c. */
typedef struct sb__follow sb__follow;
sb_err sb__follow_create(sb_engine *engine, const char *where, const sb_use *use, sb__follow **out);
void sb__follow_destroy(sb__follow *f); /* NULL is allowed */
sb_err sb__follow_add(
    sb__follow *f, const void *topic, size_t len, const sb_event_id *since, sb_follower *follower);

/* gate.c: lets gateways reach a socket under the name of the use. */
sb_err sb__gate_serve(sb_mesh *mesh, sb_socket *sock, const sb_use *use);
/* gateway.c: random octets, the first is not NUL. */
void sb__gate_id(uint8_t id[SB__GATE_ID]);

/* "request/jobs": a door's name in the mesh and behind SB_GATE_INPROC. */
void sb__use_name(const sb_use *use, char *out, size_t cap);

#endif
