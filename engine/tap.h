/* A tap: who is told of every message that a socket's route table or handler decided about. For access logs.
 *
 * Without a tap nothing is asked on a message's way: with one, the sockets take the long way round. */
#ifndef SB_TAP_H
#define SB_TAP_H

#include "engine/context.h"
#include "engine/msg.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sb_deed {
    SB_DEED_TO,      /* goes on to another socket */
    SB_DEED_REPLY,   /* was answered */
    SB_DEED_HANDLED, /* a handler took it, or the application fetched it */
    SB_DEED_DROP,    /* a row or a handler said so */
    SB_DEED_DEAD,    /* to the dead letters, or dropped where there are none */
    SB_DEED_COUNT
} sb_deed;
const char *sb_deed_name(sb_deed deed); /* "to", "reply", "handled", "drop", "dead"; NULL: no such deed */

/* Everything is borrowed for the call. */
typedef struct sb_passage {
    sb_socket *socket;
    sb_peer *peer;     /* NULL: it is gone, or no peer sent the message */
    const sb_msg *msg; /* as it came */
    size_t row;        /* of the route table, from 1; 0: none matched, or there is none */
    sb_deed deed;
    const sb_socket *to; /* SB_DEED_TO, DEAD; may be NULL */
    const char *reason;  /* DROP, DEAD; NULL: not known */
} sb_passage;

typedef struct sb_tap sb_tap;
struct sb_tap {
    /* Comes from inside a turn, before the message moves on. Changes nothing. */
    void (*passed)(sb_tap *self, const sb_passage *passage);
};

/* For all sockets of the engine, also those to come. NULL: none. The caller's, until it is replaced or the
 * engine is gone. */
void sb_engine_set_tap(sb_engine *engine, sb_tap *tap);
/* For handlers: what became of a message that came to them. Costs next to nothing without a tap. */
void sb_socket_passed(
    sb_socket *sock, sb_peer *peer, const sb_msg *msg, sb_deed deed, const sb_socket *to, const char *reason);

#ifdef __cplusplus
}
#endif
#endif
