/* The packed queue. Before: engine/msg.c (packed form). After: pattern/pipe.c, transport/conn.c.
 *
 * A push first plans (how many octets are copied, how many frames referenced), reserves all memory, then
 * writes: it happens wholly or not at all. Chunks never move and are only written behind what is queued, so
 * that vectors handed out stay valid while more is pushed. */
#include "engine/pattern/queue.h"

#include "engine/pattern/packed.h"
#include "engine/pattern/pool.h"
#include "engine/trace.h"

#include <assert.h>
#include <stdlib.h>

#define CHUNK_MIN  1024
#define CHUNK_MAX  SB__POOL_CHUNK
#define SPANS_MIN  4
#define SPANS_KEEP 64
/* The age of what waits is known to such a part of it. */
#define AGE_PARTS 16
/* Referenced pieces per message: r of them and the octets between make at most 2r + 1 spans. */
#define REFS_MAX ((SB__QUEUE_IOV - 1) / 2)
/* What runs of small messages may pin beyond their own size. */
#define PIN_SLACK (256 * 1024)

struct plan {
    uint32_t singles; /* frames encoded one by one; the rest is msg->wire */
    uint32_t refs;
    size_t copied;
    bool wire_ref; /* msg->wire is referenced */
};

static sb__span *span_at(const sb__queue *q, uint32_t i)
{
    return &q->spans[(q->head + i) & (q->cap - 1)];
}

/* Spans */

static void close_tail(sb__queue *q)
{
    q->limit = q->tail;
    q->run_end = NULL;
}

static void drop_chunk(sb__queue *q)
{
    sb_buf_unref(q->wbuf);
    q->wbuf = NULL;
    q->tail = NULL;
    q->limit = NULL;
}

static void release_span(sb__queue *q, sb__span *s)
{
    if (s->pins)
        q->pinned -= s->buf->cap;
    sb_buf_unref(s->buf);
}

static void forget_all(sb__queue *q)
{
    q->last = NULL;
    q->run_end = NULL;
    q->head = 0;
    if (q->cap > SPANS_KEEP) {
        free(q->spans);
        q->spans = NULL;
        q->cap = 0;
    }
    if (q->chunk > CHUNK_MIN)
        q->chunk /= 2;
    /* Somebody may still hold a frame in it. */
    if (q->wbuf != NULL && (q->wbuf->refs > 1 || q->wbuf->cap > CHUNK_MIN)) {
        drop_chunk(q);
    } else if (q->wbuf != NULL) {
        q->tail = q->wbuf->data;
        close_tail(q);
    }
}

static bool reserve_spans(sb__queue *q, uint32_t more)
{
    if (q->cap - q->n >= more)
        return true;
    uint32_t cap = q->cap != 0 ? q->cap : SPANS_MIN;
    while (cap - q->n < more)
        cap *= 2;
    sb__span *spans = malloc(cap * sizeof *spans);
    if (spans == NULL)
        return false;
    for (uint32_t i = 0; i < q->n; i++)
        spans[i] = *span_at(q, i);
    free(q->spans);
    q->spans = spans;
    q->cap = cap;
    q->head = 0;
    q->last = q->n > 0 ? &spans[q->n - 1] : NULL;
    return true;
}

static sb_buf *create_chunk(sb__queue *q, size_t need)
{
    size_t size = q->chunk;
    if (q->chunk < CHUNK_MAX)
        q->chunk *= 2;
    if (size < need)
        size = need;
    if (q->pool == NULL || size < SB__POOL_CHUNK || size > SB__POOL_LARGE)
        return sb_buf_create(size);
    return size == SB__POOL_CHUNK ? sb__pool_get(q->pool) : sb__pool_get_large(q->pool, size);
}

static bool reserve_octets(sb__queue *q, size_t need)
{
    if (q->wbuf != NULL && (size_t)(q->wbuf->data + q->wbuf->cap - q->tail) >= need)
        return true;
    sb_buf *buf = create_chunk(q, need);
    if (buf == NULL)
        return false;
    sb_buf_unref(q->wbuf);
    q->wbuf = buf;
    q->tail = buf->data;
    close_tail(q);
    return true;
}

static uint64_t now(const sb__queue *q)
{
    return q->budget != NULL && q->budget->clock != NULL ? *q->budget->clock : UINT64_MAX;
}

static sb__span *add_span(sb__queue *q, sb_buf *buf, const uint8_t *p, size_t len)
{
    sb__span *s = span_at(q, q->n++);
    *s = (sb__span){.buf = sb_buf_ref(buf), .p = p, .len = len, .since = now(q)};
    q->last = s;
    q->parted = false;
    return s;
}

static void add_ref(sb__queue *q, sb_buf *buf, const uint8_t *p, size_t len)
{
    bool pins = q->last == NULL || q->last->buf != buf;
    add_span(q, buf, p, len)->pins = pins;
    if (pins)
        q->pinned += buf->cap;
    sb__queue_charge(q, (int64_t)len);
}

/* Writes n octets behind the tail; room was reserved. */
static void write_octets(sb__queue *q, uint8_t *end)
{
    size_t n = (size_t)(end - q->tail);
    sb__span *s = q->last;
    if (s == NULL || !s->own || q->parted || s->p + s->len != q->tail || s->buf != q->wbuf) {
        s = add_span(q, q->wbuf, q->tail, 0);
        s->own = true;
    }
    s->len += n;
    q->tail = end;
    sb__queue_charge(q, (int64_t)n);
}

static void end_message(sb__queue *q)
{
    q->last->whole = q->last->len;
    q->last->msgs++;
    q->msgs++;
    q->limit = q->last->own && !q->conflate ? q->wbuf->data + q->wbuf->cap : q->tail;
    q->run_end = !q->last->own && !q->conflate ? q->last->p + q->last->len : NULL;
}

/* Time: spans are the marks. Those of a queue that stands for long need not lie closer than a part of what
 * they tell, so that they stay few. */
static void part(sb__queue *q)
{
    q->parted = true;
    close_tail(q);
}

void sb__queue_part(sb__queue *q)
{
    uint64_t last = q->last->since, first = sb__queue_oldest(q), time = now(q);
    if (time - last < (last - first) / AGE_PARTS)
        return;
    part(q);
}

/* Pushing */

static bool worth_reference(const sb_buf *buf, size_t len)
{
    return buf != NULL && len >= SB__QUEUE_LARGE && buf->cap / SB__QUEUE_PIN <= len;
}

/* Runs of smaller messages pay off while the queue flows; one that stands must not pin much more than it
 * holds. */
static bool worth_run(const sb__queue *q, const sb_msg *msg)
{
    if (worth_reference(msg->wire_buf, msg->wire_len))
        return true;
    return msg->wire_buf != NULL && (msg->wire_len >= SB__QUEUE_RUN || q->streak >= SB__QUEUE_STREAK) &&
           q->pinned + msg->wire_buf->cap <= PIN_SLACK + 2 * q->bytes;
}

static bool frame_refs(const struct plan *plan, const sb_frame *f)
{
    return plan->refs < REFS_MAX && worth_reference(f->buf, f->len);
}

static struct plan make_plan(const sb__queue *q, const sb_msg *msg)
{
    struct plan plan = {.singles = msg->wire_len != 0 ? msg->wire_first : msg->n};
    plan.wire_ref = msg->wire_len != 0 && worth_run(q, msg);
    plan.refs = plan.wire_ref;
    plan.copied = plan.wire_ref ? 0 : msg->wire_len;
    for (uint32_t i = 0; i < plan.singles; i++) {
        const sb_frame *f = &msg->frames[i];
        plan.copied += sb__packed_header_size(f->len);
        if (frame_refs(&plan, f))
            plan.refs++;
        else
            plan.copied += f->len;
    }
    return plan;
}

static uint8_t *write_frame(sb__queue *q, uint8_t *p, const sb_frame *f, bool more, bool ref)
{
    p = sb__packed_header_write(p, f->len, more);
    if (!ref) {
        if (f->len > 0)
            memcpy(p, f->data, f->len);
        return p + f->len;
    }
    write_octets(q, p);
    add_ref(q, f->buf, f->data, f->len);
    return p;
}

static void write_message(sb__queue *q, const sb_msg *msg, const struct plan *plan)
{
    struct plan done = {.refs = plan->wire_ref};
    uint8_t *p = q->tail;
    for (uint32_t i = 0; i < plan->singles; i++) {
        bool ref = frame_refs(&done, &msg->frames[i]);
        done.refs += ref;
        p = write_frame(q, p, &msg->frames[i], i + 1 < msg->n, ref);
    }
    if (msg->wire_len != 0 && !plan->wire_ref) {
        memcpy(p, msg->wire, msg->wire_len);
        p += msg->wire_len;
    }
    if (p != q->tail)
        write_octets(q, p);
    if (plan->wire_ref)
        add_ref(q, msg->wire_buf, msg->wire, msg->wire_len);
}

/* What most messages that are made here come to: small frames behind those that lie there. */
static bool append_small(sb__queue *q, const sb_msg *msg)
{
    const uint32_t singles = msg->wire_len != 0 ? msg->wire_first : msg->n;
    size_t size = msg->wire_len;
    for (uint32_t i = 0; i < singles && size < SB__QUEUE_RUN; i++)
        size += sb__packed_header_size(msg->frames[i].len) + msg->frames[i].len;
    if (size >= SB__QUEUE_RUN || size > (size_t)(q->limit - q->tail) || q->streak == SB__QUEUE_STREAK)
        return false;
    uint8_t *p = q->tail;
    for (uint32_t i = 0; i < singles; i++)
        p = write_frame(q, p, &msg->frames[i], i + 1 < msg->n, false);
    if (msg->wire_len != 0)
        memcpy(p, msg->wire, msg->wire_len);
    q->tail += size;
    sb__queue_count(q, size);
    q->streak = 0;
    q->copied_end = NULL;
    return true;
}

/* What most messages are that an application makes: one short frame. */
static inline bool append_frame(sb__queue *q, const sb_msg *msg)
{
    const size_t len = msg->frames->len;
    if (msg->n != 1 || msg->wire_len != 0 || len > UINT8_MAX || len + 2 > (size_t)(q->limit - q->tail))
        return false;
    uint8_t *p = sb__packed_header_write(q->tail, len, false);
    if (len > 0)
        memcpy(p, msg->frames->data, len);
    q->tail = p + len;
    sb__queue_count(q, len + 2);
    q->streak = 0;
    q->copied_end = NULL;
    return true;
}

static void replace_waiting(sb__queue *q)
{
    uint32_t n = sb__queue_clear_waiting(q);
    if (q->replaced != NULL)
        *q->replaced += n;
}

sb_err sb__queue_append(sb__queue *q, const sb_msg *msg)
{
    if (sb__queue_full(q) && !q->conflate)
        return SB_EAGAIN;
    return append_frame(q, msg) ? SB_OK : sb__queue_push_over(q, msg);
}

sb_err sb__queue_push_over(sb__queue *q, const sb_msg *msg)
{
    SB_TRACE(13);
    if (msg->n == 0)
        return SB_EINVAL;
    if (q->conflate)
        replace_waiting(q);
    if (append_small(q, msg))
        return SB_OK;
    struct plan plan = make_plan(q, msg);
    if (!reserve_spans(q, 2 * plan.refs + 1) || (plan.copied > 0 && !reserve_octets(q, plan.copied)))
        return SB_ENOMEM;
    write_message(q, msg, &plan);
    end_message(q);
    q->streak = 0;
    q->copied_end = plan.wire_ref || msg->wire_len == 0 ? NULL : msg->wire + msg->wire_len;
    return SB_OK;
}

/* Reading */

/* Reads the message that begins `off` octets behind the head: its octets, 0 if there is none or no memory for
 * the view. msg may be NULL. */
static size_t read_split(const sb__queue *q, uint32_t i, size_t off, sb_msg *msg)
{
    size_t total = 0, len;
    bool more = true;
    while (more) {
        if (off == span_at(q, i)->len) {
            i++;
            off = 0;
        }
        const sb__span *s = span_at(q, i);
        size_t head = sb__packed_header_read(s->p + off, &len, &more);
        off += head;
        /* A header at the end of a span belongs to a referenced frame: the next span is its body. */
        if (s->len - off < len) {
            s = span_at(q, ++i);
            off = 0;
        }
        if (msg != NULL && sb_msg_push(msg, s->p + off, len, s->buf) != SB_OK) {
            sb_msg_finish(msg);
            return 0;
        }
        off += len;
        total += head + len;
    }
    return total;
}

static size_t read_at(const sb__queue *q, uint64_t skip, sb_msg *msg)
{
    uint32_t i = 0;
    while (i < q->n && skip >= span_at(q, i)->len)
        skip -= span_at(q, i++)->len;
    if (i == q->n)
        return 0;
    sb__span *s = span_at(q, i);
    if (s->whole > skip && msg != NULL)
        return sb_msg_unpack(msg, s->buf, s->p + skip);
    return read_split(q, i, (size_t)skip, msg);
}

bool sb__queue_peek(sb__queue *q, sb_msg *msg)
{
    size_t len = q->msgs > q->flight_msgs ? read_at(q, q->flight_bytes, msg) : 0;
    q->peeked = q->flight_msgs == 0 ? len : 0;
    return len != 0;
}

static void drop_head(sb__queue *q)
{
    release_span(q, span_at(q, 0));
    q->head = (q->head + 1) & (q->cap - 1);
    q->n--;
}

/* Takes octets from the front; they end where a message ends. */
static void consume(sb__queue *q, uint64_t bytes, uint32_t msgs)
{
    sb__queue_charge(q, -(int64_t)bytes);
    q->msgs -= msgs;
    q->peeked = 0;
    while (bytes > 0) {
        sb__span *s = span_at(q, 0);
        if (bytes >= s->len) {
            bytes -= s->len;
            msgs -= s->msgs;
            drop_head(q);
            continue;
        }
        s->p += bytes;
        s->len -= bytes;
        s->whole -= bytes;
        s->msgs -= msgs;
        bytes = 0;
    }
    if (q->n == 0)
        forget_all(q);
}

void sb__queue_fly(sb__queue *q)
{
    assert(q->flight_msgs == 0 && q->peeked != 0);
    q->flight_msgs = 1;
    q->flight_bytes = q->peeked;
}

bool sb__queue_fly_next(sb__queue *q, sb_msg *msg)
{
    if (q->n == 0)
        return false;
    const sb__span *s = span_at(q, 0);
    size_t len = q->flight_bytes < s->whole ? sb_msg_unpack(msg, s->buf, s->p + q->flight_bytes) : 0;
    q->flight_bytes += len;
    q->flight_msgs += len != 0;
    return len != 0;
}

void sb__queue_pop(sb__queue *q)
{
    assert(q->flight_msgs == 0 && q->msgs > 0);
    size_t len = q->peeked != 0 ? q->peeked : read_at(q, 0, NULL);
    consume(q, len, 1);
}

/* In flight */

size_t sb__queue_iov(sb__queue *q, struct iovec *iov, size_t cap, size_t max_bytes)
{
    assert(q->flight_msgs == 0 && cap >= SB__QUEUE_IOV);
    uint64_t bytes = 0;
    uint32_t msgs = 0;
    size_t used = 0;
    for (uint32_t i = 0; i < q->n && i < cap && (used == 0 || q->flight_bytes < max_bytes); i++) {
        const sb__span *s = span_at(q, i);
        iov[i] = (struct iovec){.iov_base = (void *)(uintptr_t)s->p, .iov_len = s->len};
        if (s->whole != 0) {
            used = i + 1;
            q->flight_bytes = bytes + s->whole;
            q->flight_msgs = msgs + s->msgs;
        }
        bytes += s->len;
        msgs += s->msgs;
    }
    if (used > 0)
        iov[used - 1].iov_len = span_at(q, (uint32_t)used - 1)->whole;
    if (used == q->n)
        part(q);
    return used;
}

void sb__queue_sent(sb__queue *q)
{
    uint64_t bytes = q->flight_bytes;
    uint32_t msgs = q->flight_msgs;
    q->flight_bytes = 0;
    q->flight_msgs = 0;
    consume(q, bytes, msgs);
}

uint32_t sb__queue_lost(sb__queue *q)
{
    uint32_t msgs = q->flight_msgs;
    sb__queue_sent(q);
    return msgs;
}

/* Dropping and moving */

uint32_t sb__queue_clear(sb__queue *q)
{
    uint32_t msgs = q->msgs;
    q->flight_bytes = 0;
    q->flight_msgs = 0;
    consume(q, q->bytes, msgs);
    return msgs;
}

uint32_t sb__queue_clear_waiting(sb__queue *q)
{
    if (q->flight_msgs == 0)
        return sb__queue_clear(q);
    uint32_t dropped = q->msgs - q->flight_msgs, msgs = q->flight_msgs, i = 0;
    uint64_t bytes = q->flight_bytes;
    while (bytes > span_at(q, i)->len) {
        bytes -= span_at(q, i)->len;
        msgs -= span_at(q, i++)->msgs;
    }
    sb__span *cut = span_at(q, i);
    cut->len = bytes;
    cut->whole = bytes;
    cut->msgs = msgs;
    while (q->n > i + 1)
        release_span(q, span_at(q, --q->n));
    q->last = cut;
    sb__queue_charge(q, (int64_t)(q->flight_bytes - q->bytes));
    q->msgs = q->flight_msgs;
    q->peeked = 0;
    close_tail(q);
    return dropped;
}

static uint64_t since_at(const sb__queue *q, uint64_t skip)
{
    uint32_t i = 0;
    while (skip >= span_at(q, i)->len)
        skip -= span_at(q, i++)->len;
    return span_at(q, i)->since;
}

uint32_t sb__queue_move(sb__queue *q, sb__queue *to)
{
    uint32_t left = q->msgs - q->flight_msgs;
    uint64_t skip = q->flight_bytes;
    while (left > 0) {
        sb_msg msg;
        sb_msg_init(&msg);
        size_t len = read_at(q, skip, &msg);
        bool moved = len > 0 && sb__queue_push(to, &msg) == SB_OK;
        sb_msg_finish(&msg);
        if (!moved)
            break;
        sb__queue_backdate(to, since_at(q, skip));
        skip += len;
        left--;
    }
    sb__queue_clear_waiting(q);
    return left;
}

/* Rather lose what waits than let the kernel read freed memory. */
static uint32_t hand_over_all(sb__queue *q, sb__queue *to)
{
    sb__queue empty;
    sb__queue_init(&empty, q->hwm_msgs, q->hwm_bytes);
    empty.budget = q->budget;
    empty.pool = q->pool;
    empty.conflate = q->conflate;
    empty.replaced = q->replaced;
    *to = *q;
    to->budget = NULL; /* from here on it counts for nobody */
    sb__queue_charge(q, -(int64_t)q->bytes);
    *q = empty;
    return to->msgs;
}

uint32_t sb__queue_split_flight(sb__queue *q, sb__queue *to)
{
    if (q->flight_msgs == 0)
        return 0;
    if (!reserve_spans(to, q->n))
        return hand_over_all(q, to);
    uint64_t bytes = 0;
    for (uint32_t i = 0; bytes < q->flight_bytes; i++) {
        const sb__span *s = span_at(q, i);
        add_ref(to, s->buf, s->p, s->len);
        bytes += s->len;
    }
    return 0;
}

void sb__queue_init(sb__queue *q, uint32_t hwm_msgs, uint64_t hwm_bytes)
{
    *q = (sb__queue){.hwm_msgs = hwm_msgs, .hwm_bytes = hwm_bytes, .chunk = CHUNK_MIN};
}

void sb__queue_finish(sb__queue *q)
{
    sb__queue_clear(q);
    drop_chunk(q);
    free(q->spans);
    q->spans = NULL;
    q->cap = 0;
}
