/* The packed queue against a naive model: an array of packed messages. */
#include "engine/pattern/pool.h"
#include "engine/pattern/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MODEL_MAX 4096

struct packed {
    uint8_t *data;
    size_t len;
};

struct model {
    struct packed msgs[MODEL_MAX];
    size_t first, end;
    uint64_t seed;
};

static uint32_t rnd(struct model *m, uint32_t below)
{
    m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->seed >> 33) % below;
}

static struct packed pack(const sb_msg *msg)
{
    struct packed p = {.len = sb_msg_packed_size(msg)};
    p.data = malloc(p.len);
    assert_non_null(p.data);
    sb_msg_pack(msg, p.data);
    return p;
}

static void model_push(struct model *m, const sb_msg *msg)
{
    assert_true(m->end < MODEL_MAX);
    m->msgs[m->end++] = pack(msg);
}

static void model_pop(struct model *m, size_t n)
{
    assert_true(m->end - m->first >= n);
    while (n-- > 0)
        free(m->msgs[m->first++].data);
    if (m->first == m->end)
        m->first = m->end = 0;
}

static void model_cut(struct model *m, size_t keep)
{
    while (m->end - m->first > keep)
        free(m->msgs[--m->end].data);
}

static uint64_t model_bytes(const struct model *m)
{
    uint64_t bytes = 0;
    for (size_t i = m->first; i < m->end; i++)
        bytes += m->msgs[i].len;
    return bytes;
}

static size_t random_len(struct model *m)
{
    switch (rnd(m, 8)) {
    case 0:
        return 0;
    case 1:
        return 255 + rnd(m, 2);
    case 2:
        return 4000 + rnd(m, 200);
    case 3:
        return rnd(m, 20000);
    default:
        return rnd(m, 100);
    }
}

static sb_buf *random_buf(struct model *m, size_t len)
{
    sb_buf *buf = sb_buf_create(len + 1 + (rnd(m, 4) == 0 ? 70000 : 0));
    assert_non_null(buf);
    for (size_t i = 0; i < len; i++)
        buf->data[i] = (uint8_t)rnd(m, 256);
    return buf;
}

/* Frames from buffers, half of them unknown to the queue; sometimes a whole packed message behind leading
 * frames. */
static void push_random(sb__queue *q, struct model *m)
{
    sb_msg msg, body;
    sb_buf *bufs[40];
    uint32_t n = rnd(m, 10) == 0 ? 1 + rnd(m, 39) : 1 + rnd(m, 3), nbufs = 0;
    sb_msg_init(&msg);
    for (; nbufs < n; nbufs++) {
        size_t len = random_len(m);
        bufs[nbufs] = random_buf(m, len);
        assert_int_equal(sb_msg_push(&msg, bufs[nbufs]->data, len, rnd(m, 2) ? bufs[nbufs] : NULL), SB_OK);
    }
    uint32_t lead = rnd(m, 3);
    sb_buf *wire = NULL;
    if (rnd(m, 2) && lead < n) {
        sb_msg_init(&body);
        for (uint32_t i = lead; i < n; i++)
            assert_int_equal(sb_msg_push(&body, msg.frames[i].data, msg.frames[i].len, NULL), SB_OK);
        msg.wire_len = sb_msg_packed_size(&body);
        wire = sb_buf_create(msg.wire_len);
        sb_msg_pack(&body, wire->data);
        sb_msg_finish(&body);
        msg.wire = wire->data;
        msg.wire_buf = rnd(m, 2) ? wire : NULL;
        msg.wire_first = lead;
    }
    sb_err err = sb__queue_push(q, &msg);
    if (err == SB_OK)
        model_push(m, &msg);
    else
        assert_true(err == SB_EAGAIN && sb__queue_full(q));
    sb_msg_finish(&msg);
    for (uint32_t i = 0; i < nbufs; i++)
        sb_buf_unref(bufs[i]);
    sb_buf_unref(wire);
}

/* Small messages as a relay has them: one behind the other in one buffer; now and then one is left out. */
static void push_run(sb__queue *q, struct model *m)
{
    sb_buf *buf = random_buf(m, 8000);
    uint8_t *at = buf->data;
    for (uint32_t n = rnd(m, 40); n > 0; n--) {
        sb_msg msg;
        size_t len = rnd(m, 100);
        at[0] = 0;
        at[1] = (uint8_t)len;
        sb_msg_init(&msg);
        assert_int_equal(sb_msg_unpack(&msg, buf, at), 2 + len);
        at += 2 + len;
        if (rnd(m, 20) > 0 && sb__queue_push(q, &msg) == SB_OK)
            model_push(m, &msg);
        sb_msg_finish(&msg);
    }
    sb_buf_unref(buf);
}

static void check_shown(sb_msg *msg, const struct packed *is)
{
    struct packed p = pack(msg);
    assert_int_equal(p.len, is->len);
    assert_memory_equal(p.data, is->data, p.len);
    free(p.data);
    for (uint32_t i = 0; i < msg->n; i++)
        assert_non_null(msg->frames[i].buf);
    sb_msg_finish(msg);
}

static void check_peek(sb__queue *q, struct model *m)
{
    sb_msg msg;
    size_t at = m->first + q->flight_msgs;
    sb_msg_init(&msg);
    bool some = sb__queue_peek(q, &msg);
    assert_int_equal(some, at < m->end);
    if (some)
        check_shown(&msg, &m->msgs[at]);
}

/* No vectors: messages that join the flight one by one. */
static void fly_some(sb__queue *q, struct model *m, size_t *vectors)
{
    sb_msg msg;
    *vectors = SIZE_MAX;
    check_peek(q, m);
    sb__queue_fly(q);
    sb_msg_init(&msg);
    for (uint32_t n = 1 + rnd(m, 40); n > 0 && sb__queue_fly_next(q, &msg); n--)
        check_shown(&msg, &m->msgs[m->first + q->flight_msgs - 1]);
}

static void check_vectors(const struct iovec *iov, size_t n, const sb__queue *q, const struct model *m)
{
    size_t msg = m->first, off = 0, total = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < iov[i].iov_len;) {
            size_t take = m->msgs[msg].len - off;
            take = take < iov[i].iov_len - k ? take : iov[i].iov_len - k;
            assert_memory_equal((uint8_t *)iov[i].iov_base + k, m->msgs[msg].data + off, take);
            k += take;
            off += take;
            total += take;
            if (off == m->msgs[msg].len) {
                msg++;
                off = 0;
            }
        }
    }
    assert_int_equal(off, 0);
    assert_int_equal(msg - m->first, q->flight_msgs);
    assert_int_equal(total, q->flight_bytes);
}

static void check_totals(const sb__queue *q, const struct model *m)
{
    assert_int_equal(q->msgs, m->end - m->first);
    assert_int_equal(q->bytes, model_bytes(m));
}

static void step(sb__queue *q, struct model *m, struct iovec *iov, size_t *vectors)
{
    switch (rnd(m, 14)) {
    case 13:
        if (q->flight_msgs == 0 && q->msgs > 0)
            fly_some(q, m, vectors);
        break;
    case 12:
        push_run(q, m);
        break;
    case 0:
        check_peek(q, m);
        break;
    case 1:
        if (q->flight_msgs == 0 && q->msgs > 0) {
            if (rnd(m, 2))
                check_peek(q, m);
            sb__queue_pop(q);
            model_pop(m, 1);
        }
        break;
    case 2:
        if (q->flight_msgs == 0) {
            *vectors = sb__queue_iov(q, iov, SB__QUEUE_IOV + rnd(m, 32), rnd(m, 100000));
            assert_int_equal(*vectors == 0, q->msgs == 0);
        }
        break;
    case 3:
    case 4:
        if (*vectors != SIZE_MAX)
            check_vectors(iov, q->flight_msgs ? *vectors : 0, q, m);
        model_pop(m, q->flight_msgs);
        if (rnd(m, 2))
            sb__queue_sent(q);
        else
            sb__queue_lost(q);
        assert_int_equal(q->flight_msgs, 0);
        break;
    case 5:
        if (rnd(m, 20) == 0) {
            uint32_t waiting = q->msgs - q->flight_msgs;
            model_cut(m, q->flight_msgs);
            assert_int_equal(sb__queue_clear_waiting(q), waiting);
        }
        break;
    default:
        push_random(q, m);
    }
    check_totals(q, m);
}

static void run(uint64_t seed, uint32_t hwm, uint64_t hwm_bytes, bool pooled)
{
    static struct model m;
    struct iovec iov[SB__QUEUE_IOV * 2];
    size_t vectors = 0;
    sb__queue q;
    sb__pool *pool = pooled ? sb__pool_create(2) : NULL;
    m = (struct model){.seed = seed};
    sb__queue_init(&q, hwm, hwm_bytes);
    q.pool = pool;
    for (int i = 0; i < 3000; i++)
        step(&q, &m, iov, &vectors);
    assert_int_equal(sb__queue_clear(&q), m.end - m.first);
    assert_int_equal(q.bytes, 0);
    assert_int_equal(q.pinned, 0);
    model_pop(&m, m.end - m.first);
    sb__queue_finish(&q);
    sb__pool_destroy(pool);
}

static void test_queue_behaves_like_an_array(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++)
        run(seed, 200, 0, seed % 2);
}

static void test_limits_in_octets_hold_too(void **state)
{
    (void)state;
    run(77, 0, 30000, false);
    run(78, 5, 3000, true);
}

static sb_msg view_of(const uint8_t *wire, size_t len, sb_buf *buf)
{
    sb_msg msg;
    sb_msg_init(&msg);
    assert_int_equal(sb_msg_unpack(&msg, buf, wire), len);
    return msg;
}

static void test_hwm_is_exact(void **state)
{
    (void)state;
    for (uint32_t hwm = 1; hwm < 10; hwm++) {
        sb__queue q;
        sb_msg msg;
        sb__queue_init(&q, hwm, 0);
        sb_msg_init(&msg);
        sb_msg_push(&msg, "x", 1, NULL);
        for (uint32_t i = 0; i < hwm; i++)
            assert_int_equal(sb__queue_push(&q, &msg), SB_OK);
        assert_int_equal(sb__queue_push(&q, &msg), SB_EAGAIN);
        assert_int_equal(q.msgs, hwm);
        sb__queue_pop(&q);
        assert_int_equal(sb__queue_push(&q, &msg), SB_OK);
        assert_int_equal(sb__queue_push(&q, &msg), SB_EAGAIN);
        while (q.msgs > (hwm + 1) / 2) {
            assert_false(sb__queue_low(&q));
            sb__queue_pop(&q);
        }
        assert_true(sb__queue_low(&q));
        sb__queue_finish(&q);
    }
}

static void test_one_message_may_exceed_the_octet_limit(void **state)
{
    (void)state;
    static const uint8_t big[5000];
    sb__queue q;
    sb_msg msg;
    sb__queue_init(&q, 0, 100);
    sb_msg_init(&msg);
    sb_msg_push(&msg, big, sizeof big, NULL);
    assert_int_equal(sb__queue_push(&q, &msg), SB_OK);
    assert_int_equal(sb__queue_push(&q, &msg), SB_EAGAIN);
    assert_int_equal(q.bytes, 5009);
    sb__queue_finish(&q);
}

static void test_large_frames_are_referenced_not_copied(void **state)
{
    (void)state;
    sb__queue q;
    sb_msg msg;
    struct iovec iov[SB__QUEUE_IOV];
    sb_buf *buf = sb_buf_create(8192);
    memset(buf->data, 7, 8192);
    sb__queue_init(&q, 0, 0);
    sb_msg_init(&msg);
    sb_msg_push(&msg, buf->data, 8192, buf);
    assert_int_equal(sb__queue_push(&q, &msg), SB_OK);
    assert_int_equal(buf->refs, 2);
    assert_int_equal(sb__queue_iov(&q, iov, SB__QUEUE_IOV, 1), 2);
    assert_ptr_equal(iov[1].iov_base, buf->data);
    sb__queue_sent(&q);
    assert_int_equal(buf->refs, 1);
    sb_buf_unref(buf);
    sb__queue_finish(&q);
}

static void test_small_frames_do_not_pin_large_buffers(void **state)
{
    (void)state;
    sb__queue q;
    sb_msg msg;
    sb_buf *buf = sb_buf_create(1 << 20);
    memset(buf->data, 7, 8192);
    sb__queue_init(&q, 0, 0);
    sb_msg_init(&msg);
    sb_msg_push(&msg, buf->data, 8192, buf);
    assert_int_equal(sb__queue_push(&q, &msg), SB_OK);
    assert_int_equal(buf->refs, 1);
    sb_buf_unref(buf);
    sb__queue_finish(&q);
}

static void test_a_run_of_forwarded_messages_is_one_vector(void **state)
{
    (void)state;
    sb__queue q;
    sb_msg plain;
    struct iovec iov[SB__QUEUE_IOV];
    sb_buf *buf = sb_buf_create(65536);
    uint8_t body[3000] = {1};
    size_t at[9] = {0};
    for (int i = 0; i < 8; i++) {
        sb_msg_init(&plain);
        sb_msg_push(&plain, body, i == 0 ? 3000 : 50, NULL);
        sb_msg_pack(&plain, buf->data + at[i]);
        at[i + 1] = at[i] + sb_msg_packed_size(&plain);
    }
    sb__queue_init(&q, 0, 0);
    for (int i = 0; i < 8; i++) {
        sb_msg view = view_of(buf->data + at[i], at[i + 1] - at[i], buf);
        assert_int_equal(sb__queue_push(&q, &view), SB_OK);
    }
    assert_int_equal(sb__queue_iov(&q, iov, SB__QUEUE_IOV, 1), 1);
    assert_ptr_equal(iov[0].iov_base, buf->data);
    assert_int_equal(iov[0].iov_len, at[8]);
    assert_int_equal(q.flight_msgs, 8);
    sb__queue_sent(&q);
    assert_int_equal(buf->refs, 1);
    sb_buf_unref(buf);
    sb__queue_finish(&q);
}

/* The first few are copied; then it is clear that they are a run, and the rest is one reference. */
static void test_a_run_of_small_messages_is_copied_no_more(void **state)
{
    (void)state;
    sb__queue q;
    struct iovec iov[SB__QUEUE_IOV];
    sb_buf *buf = sb_buf_create(65536);
    memset(buf->data, 0, 65536);
    sb__queue_init(&q, 0, 0);
    for (size_t i = 0; i < 100; i++) {
        buf->data[12 * i + 1] = 10;
        sb_msg view = view_of(buf->data + 12 * i, 12, buf);
        assert_int_equal(sb__queue_push(&q, &view), SB_OK);
    }
    assert_int_equal(sb__queue_iov(&q, iov, SB__QUEUE_IOV, 65536), 2);
    assert_int_equal(iov[0].iov_len, 12 * SB__QUEUE_STREAK);
    assert_ptr_equal(iov[1].iov_base, buf->data + iov[0].iov_len);
    assert_int_equal(iov[0].iov_len + iov[1].iov_len, 1200);
    assert_int_equal(q.flight_msgs, 100);
    sb__queue_sent(&q);
    assert_int_equal(buf->refs, 1);
    sb_buf_unref(buf);
    sb__queue_finish(&q);
}

static void test_conflate_keeps_the_last_message_only(void **state)
{
    (void)state;
    sb__queue q;
    sb_msg msg;
    struct iovec iov[SB__QUEUE_IOV];
    sb__queue_init(&q, 1, 0);
    q.conflate = true;
    for (char c = 'a'; c <= 'z'; c++) {
        sb_msg_init(&msg);
        sb_msg_push(&msg, &c, 1, NULL);
        assert_int_equal(sb__queue_push(&q, &msg), SB_OK);
        assert_int_equal(q.msgs, c < 'c' ? 1 : 2);
        if (c == 'b')
            assert_int_equal(sb__queue_iov(&q, iov, SB__QUEUE_IOV, 1), 1);
    }
    assert_memory_equal(iov[0].iov_base, "\0\1b", 3);
    sb__queue_sent(&q);
    assert_int_equal(q.msgs, 1);
    sb__queue_iov(&q, iov, SB__QUEUE_IOV, 1);
    assert_memory_equal(iov[0].iov_base, "\0\1z", 3);
    sb__queue_finish(&q);
}

static void test_waiting_messages_move_and_the_flight_stays(void **state)
{
    (void)state;
    sb__queue from, to, keep;
    sb_msg msg;
    struct iovec iov[SB__QUEUE_IOV];
    sb__queue_init(&from, 0, 0);
    sb__queue_init(&to, 3, 0);
    sb__queue_init(&keep, 0, 0);
    for (char c = 'a'; c <= 'g'; c++) {
        sb_msg_init(&msg);
        sb_msg_push(&msg, &c, 1, NULL);
        assert_int_equal(sb__queue_push(&from, &msg), SB_OK);
        if (c == 'b')
            assert_int_equal(sb__queue_iov(&from, iov, SB__QUEUE_IOV, 1), 1);
    }
    assert_int_equal(sb__queue_move(&from, &to), 2); /* f and g do not fit */
    assert_int_equal(from.msgs, 2);
    assert_int_equal(to.msgs, 3);
    sb_msg_init(&msg);
    assert_true(sb__queue_peek(&to, &msg));
    assert_memory_equal(msg.frames[0].data, "c", 1);
    sb__queue_split_flight(&from, &keep);
    assert_int_equal(sb__queue_lost(&from), 2);
    sb__queue_finish(&from);
    assert_memory_equal(iov[0].iov_base, "\0\1a\0\1b", 6); /* ASan: still there */
    sb__queue_finish(&keep);
    sb__queue_finish(&to);
}

static void push_text(sb__queue *q, const char *text)
{
    sb_msg msg;
    sb_msg_init(&msg);
    sb_msg_push(&msg, text, strlen(text), NULL);
    assert_int_equal(sb__queue_push(q, &msg), SB_OK);
    sb_msg_finish(&msg);
}

static void test_messages_join_the_flight_until_none_is_left(void **state)
{
    (void)state;
    sb__queue q;
    sb_msg msg;
    sb__queue_init(&q, 0, 0);
    sb_msg_init(&msg);
    assert_false(sb__queue_fly_next(&q, &msg));
    for (const char *text = "abc"; *text != '\0'; text++)
        push_text(&q, text);
    assert_true(sb__queue_peek(&q, &msg));
    sb__queue_fly(&q);
    sb_msg_finish(&msg);
    assert_true(sb__queue_fly_next(&q, &msg));
    assert_memory_equal(msg.frames[0].data, "bc", 2);
    sb_msg_finish(&msg);
    push_text(&q, "more");
    assert_true(sb__queue_fly_next(&q, &msg));
    sb_msg_finish(&msg);
    assert_int_equal(q.flight_msgs, 3);
    sb__queue_sent(&q);
    assert_int_equal(q.msgs, 1);
    assert_int_equal(q.bytes, 6);
    sb__queue_finish(&q);
}

static void test_a_message_of_no_frames_is_refused(void **state)
{
    (void)state;
    sb__queue q;
    sb_msg msg;
    sb__queue_init(&q, 0, 0);
    sb_msg_init(&msg);
    assert_int_equal(sb__queue_push(&q, &msg), SB_EINVAL);
    assert_int_equal(q.msgs, 0);
    sb__queue_finish(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_behaves_like_an_array),
        cmocka_unit_test(test_limits_in_octets_hold_too),
        cmocka_unit_test(test_hwm_is_exact),
        cmocka_unit_test(test_one_message_may_exceed_the_octet_limit),
        cmocka_unit_test(test_large_frames_are_referenced_not_copied),
        cmocka_unit_test(test_small_frames_do_not_pin_large_buffers),
        cmocka_unit_test(test_a_run_of_forwarded_messages_is_one_vector),
        cmocka_unit_test(test_a_run_of_small_messages_is_copied_no_more),
        cmocka_unit_test(test_conflate_keeps_the_last_message_only),
        cmocka_unit_test(test_waiting_messages_move_and_the_flight_stays),
        cmocka_unit_test(test_messages_join_the_flight_until_none_is_left),
        cmocka_unit_test(test_a_message_of_no_frames_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
