/* The stage before a queue. Before: pattern/pipe.c, socket/overload.c. After: pattern/queue.c. */
#include "engine/pattern/stage.h"

#include <stdlib.h>

typedef struct waiting {
    sb_list_node node;
    sb_msg *msg;
    size_t bytes;
    uint64_t since;
    bool keyed; /* in the map */
} waiting;

static waiting *waiting_of(sb_list_node *node)
{
    return SB_LIST_ENTRY(node, waiting, node);
}

/* ---- keys ---- */

/* The octets that are a message's key; false when it has no such frame: then nothing replaces it. */
static bool key_of(const sb__stage *stage, const sb_msg *msg, const uint8_t **key, size_t *len)
{
    if (stage->key == SB__STAGE_ONE) {
        *key = NULL;
        *len = 0;
        return true;
    }
    if (stage->key == 0 || stage->key > sb_msg_count(msg))
        return false;
    const sb_frame *f = sb_msg_frame(msg, stage->key - 1);
    *key = f->data;
    *len = stage->prefix != 0 && stage->prefix < f->len ? stage->prefix : f->len;
    return true;
}

static bool same_key(const sb__stage *stage, const sb_msg *msg, const uint8_t *key, size_t len)
{
    const uint8_t *own;
    size_t own_len;
    return key_of(stage, msg, &own, &own_len) && own_len == len && (len == 0 || memcmp(own, key, len) == 0);
}

/* ---- one message in, one out ---- */

static void charge(sb__stage *stage, int64_t octets)
{
    stage->bytes += (uint64_t)octets;
    if (stage->queue->budget != NULL)
        stage->queue->budget->used += (uint64_t)octets;
}

static void remove_waiting(sb__stage *stage, waiting *w)
{
    const uint8_t *key;
    size_t len;
    if (w->keyed && key_of(stage, w->msg, &key, &len))
        sb_map_remove(&stage->keys, key, len);
    charge(stage, -(int64_t)w->bytes);
    stage->msgs--;
    sb_list_remove(&w->node);
    sb_msg_destroy(w->msg);
    free(w);
}

static sb_err append(sb__stage *stage, const sb_msg *msg, uint64_t now)
{
    const uint8_t *key;
    size_t len;
    waiting *w = calloc(1, sizeof *w);
    sb_err err = w != NULL ? sb_msg_keep(msg, &w->msg) : SB_ENOMEM;
    if (err == SB_OK && key_of(stage, msg, &key, &len)) {
        err = sb_map_add(&stage->keys, key, len, w);
        w->keyed = err == SB_OK;
    }
    if (err != SB_OK) {
        sb_msg_destroy(w != NULL ? w->msg : NULL);
        free(w);
        return err;
    }
    w->bytes = sb_msg_packed_size(msg);
    w->since = now;
    charge(stage, (int64_t)w->bytes);
    stage->msgs++;
    sb_list_push_back(&stage->waiting, &w->node);
    return SB_OK;
}

static bool too_old(const sb__stage *stage, uint64_t since, uint64_t now)
{
    return stage->rules->ttl != 0 && now >= since && now - since >= stage->rules->ttl;
}

/* ---- the queue's own message ---- */

/* It waits like the others as long as nobody writes it or looks at it. */
static bool first_is_free(const sb__stage *stage)
{
    const sb__queue *q = stage->queue;
    return q->msgs == 1 && q->flight_msgs == 0 && q->bytes == stage->taken && !stage->shown;
}

static sb_err put_first(sb__stage *stage, const sb_msg *msg, uint64_t since)
{
    sb_err err = sb__queue_push(stage->queue, msg);
    sb__queue_backdate(stage->queue, since);
    stage->since = since;
    stage->taken = stage->queue->bytes;
    return err;
}

static void drop_first(sb__stage *stage, sb_drop why)
{
    stage->dropped[why]++;
    sb__queue_pop(stage->queue);
}

static bool first_has_key(sb__stage *stage, const uint8_t *key, size_t len)
{
    sb_msg first;
    sb_msg_init(&first);
    bool same =
        first_is_free(stage) && sb__queue_peek(stage->queue, &first) && same_key(stage, &first, key, len);
    sb_msg_finish(&first);
    return same;
}

/* ---- conflation ---- */

static sb_err replace_waiting(sb__stage *stage, waiting *w, const sb_msg *msg, uint64_t now)
{
    sb_msg *own;
    sb_err err = sb_msg_keep(msg, &own);
    if (err != SB_OK)
        return err;
    sb_msg_destroy(w->msg);
    charge(stage, (int64_t)sb_msg_packed_size(msg) - (int64_t)w->bytes);
    w->msg = own;
    w->bytes = sb_msg_packed_size(msg);
    w->since = now;
    stage->dropped[SB_DROP_CONFLATED]++;
    return SB_OK;
}

/* SB_ENOENT: no message of this key can be replaced. */
static sb_err replace(sb__stage *stage, const sb_msg *msg, uint64_t now)
{
    const uint8_t *key;
    size_t len;
    if (!key_of(stage, msg, &key, &len))
        return SB_ENOENT;
    waiting *w = sb_map_get(&stage->keys, key, len);
    if (w != NULL)
        return replace_waiting(stage, w, msg, now);
    if (!first_has_key(stage, key, len))
        return SB_ENOENT;
    drop_first(stage, SB_DROP_CONFLATED);
    return put_first(stage, msg, now);
}

/* ---- limits ---- */

static sb__queue sum(const sb__stage *stage)
{
    const sb__queue *q = stage->queue;
    return (sb__queue){.msgs = q->msgs + stage->msgs,
        .bytes = q->bytes + stage->bytes,
        .hwm_msgs = q->hwm_msgs,
        .hwm_bytes = q->hwm_bytes,
        .budget = q->budget};
}

bool sb__stage_full(const sb__stage *stage)
{
    sb__queue all = sum(stage);
    return sb__queue_full(&all);
}

bool sb__stage_low(const sb__stage *stage)
{
    sb__queue all = sum(stage);
    return sb__queue_low(&all);
}

static bool evict(sb__stage *stage, uint64_t now)
{
    if (first_is_free(stage)) {
        drop_first(stage, SB_DROP_EVICTED);
        sb__stage_fill(stage, 0, now);
        return true;
    }
    if (stage->msgs == 0)
        return false;
    stage->dropped[SB_DROP_EVICTED]++;
    remove_waiting(stage, waiting_of(sb_list_first(&stage->waiting)));
    return true;
}

static bool make_room(sb__stage *stage, uint64_t now, bool may_evict)
{
    if (stage->rules->ttl != 0 && sb__stage_full(stage))
        sb__stage_expire(stage, now);
    if (!may_evict)
        return !sb__stage_full(stage);
    /* When all that is queued is being written, one more may wait: the newest is not the one to go. */
    while (sb__stage_full(stage) && evict(stage, now))
        continue;
    return true;
}

/* ---- public ---- */

sb_err sb__stage_push(sb__stage *stage, const sb_msg *msg, uint64_t now, bool evict)
{
    if (msg->n == 0)
        return SB_EINVAL;
    sb_err err = replace(stage, msg, now);
    if (err != SB_ENOENT)
        return err;
    if (!make_room(stage, now, evict))
        return SB_EAGAIN;
    return stage->queue->msgs == 0 ? put_first(stage, msg, now) : append(stage, msg, now);
}

sb_err sb__stage_push_over(sb__stage *stage, const sb_msg *msg, uint64_t now)
{
    uint32_t most = stage->queue->hwm_msgs;
    if (most != 0 && stage->queue->msgs + stage->msgs > most)
        return SB_EAGAIN;
    return stage->queue->msgs == 0 ? put_first(stage, msg, now) : append(stage, msg, now);
}

/* Its octets leave the stage's account before they come to the queue's. */
static bool fill_one(sb__stage *stage, waiting *w)
{
    bool first = stage->queue->msgs == 0;
    size_t bytes = w->bytes;
    w->bytes = 0;
    charge(stage, -(int64_t)bytes);
    sb_err err = first ? put_first(stage, w->msg, w->since) : sb__queue_push(stage->queue, w->msg);
    if (!first) {
        sb__queue_backdate(stage->queue, w->since);
        stage->taken = 0;
    }
    if (err == SB_OK || first) {
        stage->dropped[SB_DROP_LOST] += err != SB_OK; /* out of memory */
        remove_waiting(stage, w);
        return true;
    }
    w->bytes = bytes;
    charge(stage, (int64_t)bytes);
    return false;
}

static void expire_first(sb__stage *stage, uint64_t now)
{
    if (first_is_free(stage) && too_old(stage, stage->since, now))
        drop_first(stage, SB_DROP_EXPIRED);
}

void sb__stage_fill(sb__stage *stage, uint64_t bytes, uint64_t now)
{
    uint32_t half = stage->queue->hwm_msgs == 0 ? UINT32_MAX : stage->queue->hwm_msgs / 2;
    expire_first(stage, now);
    while (stage->msgs > 0 &&
           (stage->queue->msgs == 0 || (stage->queue->bytes < bytes && stage->queue->msgs < half))) {
        waiting *w = waiting_of(sb_list_first(&stage->waiting));
        if (too_old(stage, w->since, now)) {
            stage->dropped[SB_DROP_EXPIRED]++;
            remove_waiting(stage, w);
        } else if (!fill_one(stage, w)) {
            return;
        }
    }
}

/* A replaced message is younger than its place: with keys all are looked at. */
static uint64_t expire_waiting(sb__stage *stage, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    SB_LIST_EACH_SAFE(node, after, &stage->waiting)
    {
        waiting *w = waiting_of(node);
        if (too_old(stage, w->since, now)) {
            stage->dropped[SB_DROP_EXPIRED]++;
            remove_waiting(stage, w);
            continue;
        }
        next = w->since + stage->rules->ttl < next ? w->since + stage->rules->ttl : next;
        if (stage->key == 0)
            break;
    }
    return next;
}

uint64_t sb__stage_expire(sb__stage *stage, uint64_t now)
{
    if (stage->rules->ttl == 0)
        return UINT64_MAX;
    expire_first(stage, now);
    uint64_t next = expire_waiting(stage, now);
    sb__stage_fill(stage, 0, now);
    uint64_t first = first_is_free(stage) ? stage->since + stage->rules->ttl : UINT64_MAX;
    return first < next ? first : next;
}

uint32_t sb__stage_clear(sb__stage *stage)
{
    uint32_t n = stage->msgs;
    while (stage->msgs > 0)
        remove_waiting(stage, waiting_of(sb_list_first(&stage->waiting)));
    return n;
}

uint32_t sb__stage_move(sb__stage *stage, sb__queue *to_queue, sb__stage *to, uint64_t now)
{
    uint32_t lost = 0;
    if (to != NULL)
        to->taken = 0;
    while (stage->msgs > 0) {
        waiting *w = waiting_of(sb_list_first(&stage->waiting));
        sb_err err = to != NULL ? sb__stage_push(to, w->msg, now, false) : sb__queue_push(to_queue, w->msg);
        lost += err != SB_OK;
        remove_waiting(stage, w);
    }
    return lost;
}

/* A replaced message is younger than its place: with keys all are looked at. */
uint64_t sb__stage_oldest(const sb__stage *stage)
{
    uint64_t oldest = sb__queue_oldest(stage->queue);
    SB_LIST_EACH(node, &stage->waiting)
    {
        const waiting *w = waiting_of(node);
        oldest = w->since < oldest ? w->since : oldest;
        if (stage->key == 0)
            break;
    }
    return oldest;
}

sb__stage *sb__stage_create(sb__queue *queue, const sb__stage_rules *rules, uint64_t *dropped)
{
    sb__stage *stage = calloc(1, sizeof *stage);
    if (stage == NULL)
        return NULL;
    stage->queue = queue;
    stage->rules = rules;
    stage->key = rules->key;
    stage->prefix = rules->prefix;
    stage->dropped = dropped;
    sb_list_init(&stage->waiting);
    sb_map_init(&stage->keys);
    return stage;
}

void sb__stage_destroy(sb__stage *stage)
{
    if (stage == NULL)
        return;
    sb__stage_clear(stage);
    sb_map_finish(&stage->keys);
    free(stage);
}
