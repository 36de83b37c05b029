/* What queueing costs: ns per message for push, gather and sent, and ns per topic match. Prints; not a test.
 */
#include "engine/pattern/pool.h"
#include "engine/pattern/queue.h"
#include "engine/pattern/topics.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BURST  1000
#define REPEAT 8 /* the best counts */

static double now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Messages as a relay has them: packed one behind the other in a receive buffer. */
struct source {
    sb_buf *buf;
    sb_msg view;
    size_t packed, body;
    const uint8_t *next, *end;
};

static void source_init(struct source *src, size_t body)
{
    sb_msg plain;
    uint8_t *octets = calloc(1, body);
    src->buf = sb_buf_create(65536);
    src->body = body;
    sb_msg_init(&plain);
    sb_msg_push(&plain, octets, body, NULL);
    src->packed = sb_msg_packed_size(&plain);
    size_t n = src->buf->cap / src->packed;
    for (size_t i = 0; i < n; i++)
        sb_msg_pack(&plain, src->buf->data + i * src->packed);
    src->next = src->buf->data;
    src->end = src->buf->data + n * src->packed;
    sb_msg_init(&src->view);
    sb_msg_unpack(&src->view, src->buf, src->buf->data);
    free(octets);
}

/* The view of the next message, made as cheaply as a session makes it. */
static const sb_msg *source_next(struct source *src)
{
    src->view.wire = src->next;
    src->view.frames[0].data = src->next + src->packed - src->body;
    src->next += src->packed;
    if (src->next == src->end)
        src->next = src->buf->data;
    return &src->view;
}

static double push_and_send(struct source *src, sb__queue *q, int bursts)
{
    struct iovec iov[64];
    uint64_t out = 0;
    double start = now_ns();
    for (int b = 0; b < bursts; b++) {
        for (size_t i = 0; i < BURST; i++)
            sb__queue_push(q, source_next(src));
        while (sb__queue_iov(q, iov, 64, 1 << 20) > 0) {
            out += q->flight_bytes;
            sb__queue_sent(q);
        }
    }
    if (out != (uint64_t)bursts * BURST * src->packed)
        printf("octets are missing\n");
    return (now_ns() - start) / ((double)bursts * BURST);
}

static double push_and_pop(struct source *src, sb__queue *q, int bursts)
{
    size_t seen = 0;
    double start = now_ns();
    for (int b = 0; b < bursts; b++) {
        for (size_t i = 0; i < BURST; i++)
            sb__queue_push(q, source_next(src));
        for (size_t i = 0; i < BURST; i++) {
            sb_msg msg;
            sb_msg_init(&msg);
            seen += sb__queue_peek(q, &msg) && msg.frames[0].len == src->body;
            sb__queue_pop(q);
        }
    }
    if (seen != (size_t)bursts * BURST)
        printf("messages are missing\n");
    return (now_ns() - start) / ((double)bursts * BURST);
}

static void bench_queue(size_t body, int bursts)
{
    struct source src;
    sb__pool *pool = sb__pool_create(8);
    sb__queue q;
    source_init(&src, body);
    sb__queue_init(&q, 0, 0);
    q.pool = pool;
    double sent = 1e9, popped = 1e9;
    for (int i = 0; i < REPEAT; i++) {
        double a = push_and_send(&src, &q, bursts), b = push_and_pop(&src, &q, bursts);
        sent = a < sent ? a : sent;
        popped = b < popped ? b : popped;
    }
    printf("queue   %6zu octets  push+iov+sent %6.1f ns  push+peek+pop %6.1f ns\n", body, sent, popped);
    sb__queue_finish(&q);
    sb__pool_destroy(pool);
    sb_buf_unref(src.buf);
}

/* "topic-0001234.x"; returns the length of "topic-0001234". */
static size_t write_topic(uint8_t *topic, uint64_t n)
{
    memcpy(topic, "topic-0000000.x", 15);
    for (int i = 12; n > 0; i--, n /= 10)
        topic[i] = (uint8_t)('0' + n % 10);
    return 13;
}

static void bench_topics(uint64_t n)
{
    uint8_t topic[16];
    bool edge;
    sb__topics t;
    uint64_t hits = 0;
    sb__topics_init(&t);
    size_t before = mallinfo2().uordblks;
    double start = now_ns();
    for (uint64_t i = 0; i < n; i++)
        sb__topics_add(&t, NULL, topic, write_topic(topic, i * 7919 % n), &edge);
    double add = (now_ns() - start) / (double)n;
    double size = (double)(mallinfo2().uordblks - before) / (double)n;
    start = now_ns();
    for (uint64_t i = 0; i < 1000000; i++)
        hits += sb__topics_match(&t, topic, write_topic(topic, i * 104729 % n) + 2);
    double match = (now_ns() - start) / 1e6;
    printf("topics  %7lu prefixes  match %6.1f ns  add %6.1f ns  %5.1f octets each\n", (unsigned long)n,
        match, add, size);
    if (hits != 1000000)
        printf("topics are missing\n");
    sb__topics_finish(&t);
}

int main(void)
{
    bench_queue(64, 2000);
    bench_queue(256, 1000);
    bench_queue(1024, 1000);
    bench_queue(16384, 300);
    bench_topics(1);
    bench_topics(10000);
    bench_topics(1000000);
    return 0;
}
