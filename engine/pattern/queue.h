/* A queue of packed messages with exact limits in messages and octets. Knows frames' packed form; no peers,
 * no sockets.
 *
 * Messages lie packed (engine/msg.h) behind each other in spans; what is queued can be written as it is.
 * Small messages are copied next to each other, large frames are referenced. An empty queue holds no memory.
 */
#ifndef SB_QUEUE_H
#define SB_QUEUE_H

#include "engine/msg.h"

#include <sys/uio.h>

/* Frames from this size on are referenced rather than copied, if their buffer is at most SB__QUEUE_PIN times
 * their size. */
#define SB__QUEUE_LARGE 4096
#define SB__QUEUE_PIN   16
/* A run of messages that lie behind each other in one buffer is referenced when its first message has this
 * size; one of smaller messages, after so many of them were copied. */
#define SB__QUEUE_RUN    2048
#define SB__QUEUE_STREAK 8
/* No message takes more vectors than this: sb__queue_iov wants at least so many. */
#define SB__QUEUE_IOV 32

/* A pool of chunks shared by the queues of one engine (engine/pattern/pool.h). */
typedef struct sb__pool sb__pool;

typedef struct sb__span {
    sb_buf *buf;
    const uint8_t *p; /* first octet not yet consumed */
    size_t len;       /* octets from p */
    size_t whole;     /* octets from p up to where the last message that ends in this span ends; 0 = none ends
                         here */
    uint64_t since;   /* when its first message came, of the budget's clock; UINT64_MAX = unknown */
    uint32_t msgs;    /* messages that end in this span, from p on */
    bool own;         /* the queue writes into buf (its tail has room) */
    bool pins;        /* counted in pinned */
} sb__span;

/* What all queues of an engine may hold together. */
typedef struct sb__budget {
    uint64_t used;         /* octets queued now, exact */
    uint64_t max;          /* 0 = no limit */
    const uint64_t *clock; /* the time of this turn, ns; NULL = there is none */
} sb__budget;

typedef struct sb__queue {
    /* read-only */
    uint64_t bytes; /* packed octets queued, in flight included */
    uint32_t msgs;
    uint32_t flight_msgs; /* handed out by sb__queue_iov and not yet sent or lost */
    uint64_t flight_bytes;
    /* set by the owner before the first push; limits: 0 = none */
    uint32_t hwm_msgs;
    bool conflate; /* a push replaces what waits; limits do not apply */
    bool parted;   /* private: the next message begins a span */
    uint64_t hwm_bytes;
    uint64_t *replaced; /* ... and how many it did; NULL = nobody counts */
    sb__budget *budget; /* shared with the engine's other queues; NULL = none */
    sb__pool *pool;     /* where full-size chunks come from; NULL = the heap */
    /* private */
    uint8_t *tail;             /* where the next packed octets go, in wbuf */
    uint8_t *limit;            /* end of wbuf; equal to tail when the last span cannot simply grow */
    sb__span *last;            /* the last span, NULL = none */
    const uint8_t *run_end;    /* where a message that extends the last span's run begins; NULL = nowhere */
    const uint8_t *copied_end; /* where the last copied message ended, at its source; compared only */
    uint32_t streak;           /* messages copied that each began where the one before ended */
    sb_buf *wbuf; /* the chunk being filled (own reference); a small one is kept when the queue is empty, so
                     that a ping-pong does not allocate each time */
    sb__span *spans; /* ring, cap is a power of two */
    uint32_t cap, head, n;
    uint32_t chunk;  /* octets of the next chunk */
    uint64_t pinned; /* octets of other people's buffers that are kept from being freed */
    size_t peeked;   /* octets of the message that peek showed; 0 = unknown */
} sb__queue;

void sb__queue_init(sb__queue *q, uint32_t hwm_msgs, uint64_t hwm_bytes);
void sb__queue_finish(sb__queue *q);

/* A queue may hold as much of the shared budget as nobody else uses: alone half of it, n greedy ones 1/(n+1)
 * each, and there is always room left for one more. An empty queue takes a message in any case, so that every
 * peer goes on and nobody waits for what another one holds. */
static inline bool sb__queue_over_budget(const sb__queue *q)
{
    return q->budget != NULL && q->budget->max != 0 && q->msgs > 0 &&
           q->budget->used + q->bytes >= q->budget->max;
}

/* Octets came (or, negative, went). */
static inline void sb__queue_charge(sb__queue *q, int64_t octets)
{
    q->bytes += (uint64_t)octets;
    if (q->budget != NULL)
        q->budget->used += (uint64_t)octets;
}

/* A queue is full when a limit is reached; one message may go beyond hwm_bytes (else a larger one could never
 * pass). */
static inline bool sb__queue_full(const sb__queue *q)
{
    return (q->hwm_msgs != 0 && q->msgs >= q->hwm_msgs) || (q->hwm_bytes != 0 && q->bytes >= q->hwm_bytes) ||
           sb__queue_over_budget(q);
}
/* When the oldest message came (in flight included); UINT64_MAX when there is none, or nobody knows. Messages
 * of a span count as coming with its first. What is written goes by whole spans, so that this is exact; a
 * queue that is popped message by message asks for spans with sb__queue_tick. */
static inline uint64_t sb__queue_oldest(const sb__queue *q)
{
    return q->n > 0 ? q->spans[q->head & (q->cap - 1)].since : UINT64_MAX;
}
/* What was pushed last came at `since` already. */
static inline void sb__queue_backdate(sb__queue *q, uint64_t since)
{
    if (q->n > 0 && since < q->last->since)
        q->last->since = since;
}
void sb__queue_part(sb__queue *q);
/* Before a push: messages of another turn come into another span, as far as it matters for their age. */
static inline void sb__queue_tick(sb__queue *q)
{
    if (q->n > 0 && q->budget != NULL && q->budget->clock != NULL && q->last->since != *q->budget->clock)
        sb__queue_part(q);
}

/* Whether a queue that was full has room again: at or below half of its limits (libzmq's low water mark). */
static inline bool sb__queue_low(const sb__queue *q)
{
    return (q->hwm_msgs == 0 || q->msgs <= (q->hwm_msgs + 1) / 2) &&
           (q->hwm_bytes == 0 || q->bytes <= q->hwm_bytes / 2) && !sb__queue_over_budget(q);
}

/* sb__queue_push for what is here already and cannot be sent back: no limit keeps it out. */
sb_err sb__queue_push_over(sb__queue *q, const sb_msg *msg);
/* The slow half of sb__queue_push: all cases. */
sb_err sb__queue_append(sb__queue *q, const sb_msg *msg);

/* Messages of a run that is referenced: nothing is copied, the reference grows. */
static inline bool sb__queue_extends(const sb__queue *q, const sb_msg *msg)
{
    return msg->wire == q->run_end && msg->wire_len != 0 && msg->wire_first == 0 &&
           msg->wire_buf == q->last->buf && !sb__queue_full(q);
}

static inline void sb__queue_count(sb__queue *q, size_t len)
{
    q->last->len += len;
    q->last->whole = q->last->len;
    q->last->msgs++;
    sb__queue_charge(q, (int64_t)len);
    q->msgs++;
}

/* Packs a message at the end. SB_EAGAIN when full (nothing changed), SB_ENOMEM, SB_EINVAL for a message of no
 * frames. */
static inline sb_err sb__queue_push(sb__queue *q, const sb_msg *msg)
{
    size_t len = msg->wire_len;
    if (sb__queue_extends(q, msg)) {
        q->run_end += len;
        sb__queue_count(q, len);
        return SB_OK;
    }
    if (len - 1 >= (size_t)(q->limit - q->tail) || len >= SB__QUEUE_RUN || msg->wire_first != 0 ||
        sb__queue_full(q))
        return sb__queue_append(q, msg);
    q->streak = msg->wire == q->copied_end ? q->streak + 1 : 0;
    if (q->streak == SB__QUEUE_STREAK)
        return sb__queue_append(q, msg);
    memcpy(q->tail, msg->wire, len);
    q->copied_end = msg->wire + len;
    q->tail += len;
    sb__queue_count(q, len);
    return SB_OK;
}

/* A view of the first message not in flight; `msg` must be empty. false when there is none (or no memory).
 * Valid until the next pop. */
bool sb__queue_peek(sb__queue *q, sb_msg *msg);
/* The message that peek shows is in flight until sb__queue_sent: whatever becomes of the queue meanwhile, it
 * stays as it is. For those who hand it to somebody that may come back here. */
void sb__queue_fly(sb__queue *q);
/* The next message joins the flight, and is shown: for who hands on many and tells sb__queue_sent once. `msg`
 * must be empty. false: none lies behind the flight in one piece with it, or no memory; sb__queue_peek, when
 * nothing flies, shows any. */
bool sb__queue_fly_next(sb__queue *q, sb_msg *msg);
/* Removes the message that peek shows. Only while nothing is in flight. */
void sb__queue_pop(sb__queue *q);

/* Borrows octets from the front for writing: whole messages only, at most cap vectors (cap >= SB__QUEUE_IOV)
 * and about max_bytes (whole spans until it is reached; at least one message). They are in flight until sent
 * or lost. Only while nothing is in flight. Returns the vectors used. */
size_t sb__queue_iov(sb__queue *q, struct iovec *iov, size_t cap, size_t max_bytes);
/* What was in flight is with the kernel: it leaves the queue. */
void sb__queue_sent(sb__queue *q);
/* What was in flight may or may not have arrived: it leaves the queue; returns how many messages. */
uint32_t sb__queue_lost(sb__queue *q);
/* Drops what waits behind the flight; returns how many messages. */
uint32_t sb__queue_clear_waiting(sb__queue *q);
/* Moves what waits behind the flight to the end of `to`, in order. Returns how many did not fit and were
 * dropped. */
uint32_t sb__queue_move(sb__queue *q, sb__queue *to);
/* Makes `to` (empty) keep the memory in flight alive; the flight itself stays in q, to be told sent or lost.
 * For a write that outlives its peer; end it with sb__queue_finish(to). Without memory q is emptied instead;
 * returns how many messages it lost. */
uint32_t sb__queue_split_flight(sb__queue *q, sb__queue *to);
/* Empties the queue, the flight included; returns how many messages were dropped. */
uint32_t sb__queue_clear(sb__queue *q);

#endif
