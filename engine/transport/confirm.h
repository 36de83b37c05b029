/* Confirmations of subscriptions on one connection: which topics were sent, and which the publisher has
 * taken.
 *
 * ZMTP has no answer to SUBSCRIBE. But a stream is read in order, and a PING must be answered with its
 * context (RFC 37): a PING sent behind subscriptions whose PONG comes back proves that what was sent before
 * it was read. The context is a counter, so one PING behind many subscriptions is enough. */
#ifndef SB_CONFIRM_H
#define SB_CONFIRM_H

#include "engine/session.h"

typedef struct sb__confirm sb__confirm;

/* NULL: out of memory. */
sb__confirm *sb__confirm_create(void);
void sb__confirm_destroy(sb__confirm *confirm); /* NULL is allowed */

/* A subscription was put into the session's output. SB_ENOMEM. */
sb_err sb__confirm_note(sb__confirm *confirm, const uint8_t *topic, size_t len);
/* Before a write: puts the PING behind what was noted since the last one. */
void sb__confirm_ask(sb__confirm *confirm, sb_session *session);
/* The PONG of PING `number` came back: tells every topic that was noted before it. fn may note more. */
typedef void sb__confirm_fn(void *arg, const uint8_t *topic, size_t len);
void sb__confirm_answer(sb__confirm *confirm, uint64_t number, sb__confirm_fn *fn, void *arg);
/* Subscriptions not confirmed yet. */
uint32_t sb__confirm_open(const sb__confirm *confirm);

#endif
