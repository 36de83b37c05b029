/* Names: how a socket that addresses its peers finds them. A peer has at most one name, peer->routing_id;
 * what ROUTER, STREAM, SERVER and PEER have in common. */
#ifndef SB_NAMES_H
#define SB_NAMES_H

#include "engine/base/map.h"
#include "engine/pattern/pipe.h"

#define SB__NAME_AUTO   5 /* octets of an automatic name: NUL and 32 bits */
#define SB__NAME_NUMBER 4 /* octets of a number */

typedef struct sb__names {
    sb_map peers;    /* name -> peer */
    sb_peer *recent; /* who was found last: replies come in runs */
    uint32_t next;   /* the next automatic name or number */
} sb__names;

/* `random`: where automatic names begin. */
void sb__names_init(sb__names *names, uint32_t random);
void sb__names_finish(sb__names *names);

/* Names the peer, instead of what it had. SB_EEXIST (another has the name), SB_ENOMEM: it keeps what it had.
 */
sb_err sb__names_give(sb__names *names, sb_peer *peer, const uint8_t *name, uint32_t len);
/* The same with a name that nobody has: libzmq's automatic routing id, or four octets that are not zero, big
 * endian. */
sb_err sb__names_give_auto(sb__names *names, sb_peer *peer);
sb_err sb__names_give_number(sb__names *names, sb_peer *peer);
/* The peer is found no more. It keeps its routing_id: what it sent before may still be delivered. */
void sb__names_forget(sb__names *names, sb_peer *peer);
/* Found again, by the name it kept. SB_EEXIST, SB_ENOMEM. */
sb_err sb__names_again(sb__names *names, sb_peer *peer);

bool sb__names_knows(const sb__names *names, const sb_peer *peer);
/* Whether the peer's name is an automatic one. */
bool sb__names_is_auto(const sb_peer *peer);
/* The slow half of sb__names_find. */
sb_peer *sb__names_look_up(sb__names *names, const sb_frame *name);

/* NULL when there is none of this name. */
static inline sb_peer *sb__names_find(sb__names *names, const sb_frame *name)
{
    const sb_peer *recent = names->recent;
    if (recent != NULL && recent->routing_id_len == name->len &&
        memcmp(recent->routing_id, name->data, name->len) == 0)
        return names->recent;
    return sb__names_look_up(names, name);
}

#endif
