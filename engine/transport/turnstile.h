/* The turnstile: how many steps of costly handshakes an engine takes per turn. One per hub; knows
 * newcomers by the line they stand in, and no sockets. */
#ifndef SB_TURNSTILE_H
#define SB_TURNSTILE_H

#include "engine/base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct sb__newcomer;

#define SB__LINES 64 /* addresses share one where their hashes meet */
typedef struct sb__turnstile {
    sb_list lines[SB__LINES]; /* newcomers that wait, first come first */
    uint32_t served;          /* the line of the last one */
    uint32_t waiting;         /* in all lines */
    uint32_t seed;            /* which addresses share a line; the owner's, never changed */
    uint32_t taken;           /* steps, in the turn below */
    uint64_t turn;
} sb__turnstile;

void sb__turnstile_init(sb__turnstile *t);
/* A step of this newcomer's handshake: true: now. false: it waits in line; its connection's feed task comes
 * when it is its turn. Its deadline goes on. */
bool sb__turnstile_pass(sb__turnstile *t, struct sb__newcomer *in);
/* It is over; idempotent. */
void sb__turnstile_leave(sb__turnstile *t, struct sb__newcomer *in);
/* At the end of a turn: as many go on as there is room for. */
void sb__turnstile_turn(sb__turnstile *t);

#endif
