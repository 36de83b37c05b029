/* Aliases: a peer subscribed to one prefix and a script gave it another. What the peer gets because of the
 * other prefix carries the one it asked for, since a SUB socket drops what it did not subscribe to. */
#ifndef SB_ALIAS_H
#define SB_ALIAS_H

#include "engine/pattern/pipe.h"

typedef struct sb__alias {
    struct sb__alias *next; /* of the same peer */
    uint32_t refs;          /* subscriptions of the peer */
    size_t asked_len, given_len;
    uint8_t bytes[]; /* asked, then given */
} sb__alias;

/* Remembers that the peer asked for one prefix and was given another; counts repetitions. SB_ENOMEM. */
sb_err sb__alias_add(
    sb_peer *peer, const uint8_t *asked, size_t asked_len, const uint8_t *given, size_t given_len);
/* The alias of a prefix the peer asked for, NULL if there is none. */
sb__alias *sb__alias_find(const sb_peer *peer, const uint8_t *asked, size_t asked_len);
/* One subscription less; frees the alias with the last. */
void sb__alias_unref(sb_peer *peer, sb__alias *alias);
void sb__alias_clear(sb_peer *peer);

/* Puts into `out` (empty) the message as the peer shall see it; the changed first frame is held by `out`.
 * `exact`: aliases are whole topics, not their beginnings. SB_ENOENT: the message is right as it is.
 * SB_ENOMEM: it has a topic that the peer did not ask for, and cannot be changed. */
sb_err sb__alias_apply(const sb_peer *peer, const sb_msg *msg, bool exact, sb_msg *out);

#endif
