/* The hub: what all connections of an engine share, and the order of work within a turn.
 *
 * Work is deferred to the turn's end in two lanes: input (messages that wait in queues go on) and then output
 * (each connection writes once). Knows the loop; no sessions, no sockets. */
#ifndef SB_HUB_H
#define SB_HUB_H

#include "engine/base/list.h"
#include "engine/loop.h"
#include "engine/pattern/queue.h"
#include "engine/transport/turnstile.h"

/* Something to do at the end of the turn; embedded in its owner. */
typedef struct sb__task sb__task;
struct sb__task {
    sb_list_node node;
    void (*run)(sb__task *task);
};

/* What a write in flight needs; pooled, since an idle connection needs none. */
#define SB__WRITE_VECTORS 128
typedef struct sb__vectors {
    struct sb__vectors *next;
    sb__queue flight; /* keeps the memory of a write whose peer went away first */
    struct iovec iov[SB__WRITE_VECTORS];
} sb__vectors;

typedef struct sb__hub {
    sb_loop *loop;
    sb_turn turn;
    uint64_t last_id; /* connections and peers are numbered from 1 */
    uint32_t handles; /* streams, listeners and look-ups that are not closed yet */
    uint32_t ending;  /* connections that are read until their peers' end */
    uint32_t peers;   /* connections that count against max_peers */
    uint32_t max_peers;
    bool aborting;   /* the engine is being destroyed: nobody waits for peers any more */
    uint32_t random; /* state of a small generator: jitter, auto ids */
    sb_list input, output;
    sb_list later, soon; /* tasks of this turn and of the one before that wait for one more */
    uint64_t turns;      /* of the loop's, seen by the end of the last */
    sb_timer again;      /* more rounds than a turn may have: go on in the next */
    sb__vectors *spare;
    sb__turnstile turnstile; /* costly handshakes */
    sb_list inproc_binds, inproc_waiting;
    sb_list parting; /* connections that are over and still write why */
    sb_list closing; /* filters that are closed and still write the same */
} sb__hub;

void sb__hub_init(sb__hub *hub, sb_loop *loop, uint32_t max_peers);
void sb__hub_finish(sb__hub *hub);

void sb__task_init(sb__task *task, void (*run)(sb__task *task));
/* Queue for the end of this turn; idempotent. A cancelled task does not run. */
void sb__hub_input(sb__hub *hub, sb__task *task);
void sb__hub_output(sb__hub *hub, sb__task *task);
/* The same after one more turn, which does not wait: what is about to come in may save the work. */
void sb__hub_later(sb__hub *hub, sb__task *task);
void sb__task_cancel(sb__task *task);
/* Whether anything waits for the turn's end: a host must step at once. */
bool sb__hub_busy(const sb__hub *hub);
/* Makes a turn for what is queued, if there is anything. */
void sb__hub_go_on(sb__hub *hub);

/* Pooled; NULL when out of memory. */
sb__vectors *sb__hub_vectors(sb__hub *hub);
void sb__hub_vectors_done(sb__hub *hub, sb__vectors *vectors);

/* 32 pseudo-random bits (xorshift; for jitter and ids that need not be secret). */
uint32_t sb__hub_random(sb__hub *hub);

#endif
