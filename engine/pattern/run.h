/* Runs in queues: messages that lie behind each other come in together, exactly as if they came one by one.
 * Knows packed messages and limits. */
#ifndef SB_PATTERN_RUN_H
#define SB_PATTERN_RUN_H

#include "engine/pattern/packed.h"
#include "engine/pattern/queue.h"

/* The first n of its messages, n at most run->n. */
sb_run sb__run_first(const sb_run *run, uint32_t n);
/* Whether no limit in octets is reached when so many come in, and so many into all queues of its budget. */
bool sb__queue_far_from_full(const sb__queue *q, size_t octets, size_t all);
/* n packed messages were written from q->tail on, up to `end`, which is not behind q->limit. */
void sb__queue_wrote(sb__queue *q, uint8_t *end, uint32_t n);
/* How many of its messages, from the first on, sb__queue_push would take one by one. */
uint32_t sb__queue_room(const sb__queue *q, const sb_run *run);
/* Packs a run at the end of a queue that has room for it and does not conflate. SB_ENOMEM. */
sb_err sb__queue_push_run(sb__queue *q, const sb_run *run);

#endif
