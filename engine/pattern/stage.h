/* A stage: messages that wait before a packed queue because they may still leave without being delivered:
 * they expire (message_ttl), a newer one of the same key takes their place (conflate_key), or the oldest
 * makes room (on_full = "drop_old"). Only sockets with one of these options have stages.
 *
 * Knows messages, one queue, and time as an argument; no peers. While the queue is empty the stage is empty:
 * who waits first waits in the queue, and what looks at the queue alone sees whether there is anything. */
#ifndef SB_STAGE_H
#define SB_STAGE_H

#include "engine/base/list.h"
#include "engine/base/map.h"
#include "engine/pattern/queue.h"
#include "engine/socket.h"

/* What a stage may do; the socket's, shared by all its stages. */
typedef struct sb__stage_rules {
    uint64_t ttl;    /* ns a message may wait, 0 = for ever */
    uint32_t key;    /* frame that is the key, from 1; 0 = no conflation, SB__STAGE_ONE = all are alike */
    uint32_t prefix; /* octets of it that count, 0 = all */
} sb__stage_rules;

#define SB__STAGE_ONE UINT32_MAX

typedef struct sb__stage {
    /* read-only */
    uint32_t msgs; /* behind the queue */
    uint64_t bytes;
    bool shown; /* set by the owner while somebody looks at the queue's first message */
    /* private */
    sb__queue *queue;
    const sb__stage_rules *rules;
    uint32_t key, prefix;  /* of the rules, when the stage was made */
    uint64_t *dropped;     /* the owner's counters, by sb_drop */
    sb_list waiting;       /* oldest place first */
    sb_map keys;           /* of those that have one */
    uint64_t since, taken; /* when the queue's only message began to wait; its octets, 0 = not put by us */
} sb__stage;

/* A stage before `queue`; SB_ENOMEM as NULL. rules, queue and dropped outlive it. */
sb__stage *sb__stage_create(sb__queue *queue, const sb__stage_rules *rules, uint64_t *dropped);
/* Drops what waits (not counted). NULL is allowed. */
void sb__stage_destroy(sb__stage *stage);

/* Both together against the queue's limits. */
bool sb__stage_full(const sb__stage *stage);
bool sb__stage_low(const sb__stage *stage);

/* When the oldest of both came; UINT64_MAX: none. */
uint64_t sb__stage_oldest(const sb__stage *stage);

/* Takes a message: into the place of one with its key (counted conflated), else at the end. When full,
 * `evict` makes room by dropping the oldest (counted evicted), or lets one more wait while all that is queued
 * is being written; without it SB_EAGAIN and nothing changed. SB_ENOMEM. */
sb_err sb__stage_push(sb__stage *stage, const sb_msg *msg, uint64_t now, bool evict);
/* After SB_EAGAIN, for a message that is here and cannot be sent back: one is let in beyond the limits. */
sb_err sb__stage_push_over(sb__stage *stage, const sb_msg *msg, uint64_t now);
/* Moves messages into the queue until it holds about `bytes` or half of its limit, but at least one. What is
 * too old goes (counted expired), also the queue's first message where it can still be taken back. */
void sb__stage_fill(sb__stage *stage, uint64_t bytes, uint64_t now);
/* Drops all that is too old. Returns when the next one will be, UINT64_MAX if none. */
uint64_t sb__stage_expire(sb__stage *stage, uint64_t now);
/* Drops all that waits behind the queue; returns how many. */
uint32_t sb__stage_clear(sb__stage *stage);
/* Moves all that waits to the end of `to`'s peer: its stage, or its queue without one. Returns how many did
 * not fit and were dropped. */
uint32_t sb__stage_move(sb__stage *stage, sb__queue *to_queue, sb__stage *to, uint64_t now);

#endif
