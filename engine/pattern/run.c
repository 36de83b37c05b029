/* Runs. Before: pattern/robin.c, pattern/fan.c. After: pattern/queue.c. */
#include "engine/pattern/run.h"

#include "engine/pattern/pipe.h"

sb_run sb__run_first(const sb_run *run, uint32_t n)
{
    sb_run first = {.buf = run->buf, .p = run->p, .len = run->len, .n = run->n};
    if (n == run->n)
        return first;
    for (first.len = first.n = 0; first.n < n; first.n++)
        first.len += sb__packed_size(run->p + first.len);
    return first;
}

bool sb__queue_far_from_full(const sb__queue *q, size_t octets, size_t all)
{
    const sb__budget *b = q->budget;
    return (q->hwm_bytes == 0 || q->bytes + octets <= q->hwm_bytes) &&
           (b == NULL || b->max == 0 || b->used + all + q->bytes + octets <= b->max);
}

void sb__queue_wrote(sb__queue *q, uint8_t *end, uint32_t n)
{
    size_t octets = (size_t)(end - q->tail);
    q->tail = end;
    q->last->len += octets;
    q->last->whole = q->last->len;
    q->last->msgs += n;
    q->msgs += n;
    q->copied_end = NULL;
    q->streak = 0;
    sb__queue_charge(q, (int64_t)octets);
}

/* As pushing them would fill it. */
static uint32_t count_room(const sb__queue *q, const sb_run *run, uint32_t most)
{
    sb__budget budget = q->budget != NULL ? *q->budget : (sb__budget){0};
    sb__queue then = {.msgs = q->msgs, .bytes = q->bytes, .hwm_bytes = q->hwm_bytes, .budget = &budget};
    const uint8_t *p = run->p;
    uint32_t n = 0;
    while (n < most && !sb__queue_full(&then)) {
        size_t len = sb__packed_size(p);
        p += len;
        n++;
        then.msgs++;
        sb__queue_charge(&then, (int64_t)len);
    }
    return n;
}

uint32_t sb__queue_room(const sb__queue *q, const sb_run *run)
{
    uint32_t most = run->n;
    if (q->hwm_msgs != 0 && q->hwm_msgs < q->msgs + (uint64_t)most)
        most = q->hwm_msgs > q->msgs ? q->hwm_msgs - q->msgs : 0;
    return sb__queue_far_from_full(q, run->len, run->len) ? most : count_room(q, run, most);
}

/* To the queue it is one message, but for its number. */
sb_err sb__queue_push_run(sb__queue *q, const sb_run *run)
{
    sb_msg all;
    sb_msg_init(&all);
    all.n = 1;
    all.wire = run->p;
    all.wire_len = run->len;
    all.wire_buf = run->buf;
    sb_err err = sb__queue_push(q, &all);
    if (err != SB_OK)
        return err;
    q->last->msgs += run->n - 1;
    q->msgs += run->n - 1;
    return SB_OK;
}

sb_run sb__pipe_push_run(sb_peer *peer, const sb_run *run)
{
    if (peer->out_stage != NULL || peer->out.conflate)
        return (sb_run){0};
    bool edge = peer->out.msgs == 0;
    sb_run part = sb__run_first(run, sb__queue_room(&peer->out, run));
    if (part.n == 0 || sb__queue_push_run(&peer->out, &part) != SB_OK)
        return (sb_run){0};
    if (edge && peer->ready)
        peer->link->output(peer);
    return part;
}
