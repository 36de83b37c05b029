/* What a publisher keeps for those who come late: the last messages of each topic, bounded in messages and
 * octets. Knows messages and topics; no peers.
 *
 * A topic is the first frame of a message, or its first octets. Topics lie sorted, so that those below a
 * prefix are found without looking at the others. */
#ifndef SB_RETAIN_H
#define SB_RETAIN_H

#include "engine/msg.h"

typedef struct sb__retain_rules {
    uint32_t last;     /* messages per topic, 0 = nothing is kept */
    uint32_t prefix;   /* octets of the first frame that are the topic, 0 = all */
    uint32_t messages; /* over all topics; beyond it the oldest goes; 0 = no limit */
    uint64_t bytes;    /* packed octets over all topics, as above */
} sb__retain_rules;

typedef struct sb__retain sb__retain;

/* The rules outlive it and may change. NULL: out of memory. */
sb__retain *sb__retain_create(const sb__retain_rules *rules);
void sb__retain_destroy(sb__retain *retain); /* NULL is allowed */

/* Keeps a message (a body: its first frame is the topic). Without memory, or when it alone is beyond the
 * limit of octets, it is not kept. */
void sb__retain_put(sb__retain *retain, const sb_msg *msg, uint64_t now);
/* Forgets the messages whose first frame is `topic`, NULL: all; returns how many. */
uint32_t sb__retain_forget(sb__retain *retain, const uint8_t *topic, size_t len);
/* Tells the messages whose first frame begins with `prefix`, in the order they were put; `since`: those put
 * then or later. fn must not change the set. SB_ENOMEM: none were told. */
typedef void sb__retain_fn(void *arg, const sb_msg *msg);
sb_err sb__retain_each(const sb__retain *retain, const uint8_t *prefix, size_t len, uint64_t since,
    sb__retain_fn *fn, void *arg);

/* What is kept now. */
uint32_t sb__retain_messages(const sb__retain *retain);
uint64_t sb__retain_bytes(const sb__retain *retain);

#endif
