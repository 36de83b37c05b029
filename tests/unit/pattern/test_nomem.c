/* Every allocation of the queue, the topic trie and the aliases fails once: an operation happens wholly or
 * not at all. The sources are built into this program with an allocator that can refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static long allowed = -1; /* allocations that still succeed; < 0: all */

static bool refused(void)
{
    if (allowed < 0)
        return false;
    return allowed == 0 || allowed-- == 0;
}

static void *try_malloc(size_t size)
{
    return refused() ? NULL : malloc(size);
}

static void *try_realloc(void *p, size_t size)
{
    return refused() ? NULL : realloc(p, size);
}

static void *try_calloc(size_t n, size_t size)
{
    return refused() ? NULL : calloc(n, size);
}

#define malloc  try_malloc
#define realloc try_realloc
#define calloc  try_calloc
#include "engine/buf.c"
#include "engine/pattern/alias.c"
#include "engine/pattern/queue.c"
#include "engine/pattern/topic_jump.c"
#include "engine/pattern/topics.c"
#undef malloc
#undef realloc
#undef calloc

/* ---- queue ---- */

static void check_front(sb__queue *q, size_t frames)
{
    sb_msg msg;
    sb_msg_init(&msg);
    assert_true(sb__queue_peek(q, &msg));
    assert_int_equal(msg.n, frames);
    for (uint32_t i = 0; i < msg.n; i++)
        assert_int_equal(msg.frames[i].data[0], i);
    sb_msg_finish(&msg);
    sb__queue_pop(q);
}

static void test_a_push_without_memory_changes_nothing(void **state)
{
    (void)state;
    sb_buf *large = sb_buf_create(3 * 5000);
    static uint8_t small[] = {0, 1, 2, 3, 4, 5};
    sb_msg msg;
    sb_msg_init(&msg);
    for (uint8_t i = 0; i < 6; i++) { /* small, large, small, ... */
        uint8_t *at = large->data + i / 2 * 5000;
        *at = i;
        if (i % 2)
            sb_msg_push(&msg, at, 5000, large);
        else
            sb_msg_push(&msg, &small[i], 1, NULL);
    }
    for (int queued = 0; queued < 12; queued++) {
        sb_err err = SB_ENOMEM;
        sb__queue q;
        sb__queue_init(&q, 0, 0);
        for (int i = 0; i < queued; i++)
            assert_int_equal(sb__queue_push(&q, &msg), SB_OK);
        for (long fail = 0; err == SB_ENOMEM; fail++) {
            assert_true(fail < 10);
            uint64_t bytes = q.bytes;
            allowed = fail;
            err = sb__queue_push(&q, &msg);
            allowed = -1;
            assert_int_equal(q.msgs, queued + (err == SB_OK));
            assert_int_equal(q.bytes > bytes, err == SB_OK);
        }
        for (int i = 0; i <= queued; i++)
            check_front(&q, 6);
        assert_int_equal(large->refs, 1);
        sb__queue_finish(&q);
    }
    sb_buf_unref(large);
}

static void test_a_flight_survives_its_queue_without_memory(void **state)
{
    (void)state;
    sb__queue q, keep;
    sb_msg msg;
    struct iovec iov[SB__QUEUE_IOV];
    sb__queue_init(&q, 7, 0);
    sb__queue_init(&keep, 0, 0);
    sb_msg_init(&msg);
    sb_msg_push(&msg, "x", 1, NULL);
    assert_int_equal(sb__queue_push(&q, &msg), SB_OK);
    assert_int_equal(sb__queue_iov(&q, iov, SB__QUEUE_IOV, 1), 1);
    assert_int_equal(sb__queue_push(&q, &msg), SB_OK);
    allowed = 0;
    assert_int_equal(sb__queue_split_flight(&q, &keep), 2); /* the one behind it is the price */
    allowed = -1;
    sb__queue_lost(&q);
    assert_int_equal(q.hwm_msgs, 7);
    sb__queue_finish(&q);
    assert_memory_equal(iov[0].iov_base, "\0\1x", 3); /* ASan: still there */
    sb__queue_finish(&keep);
}

/* ---- topics ---- */

static const char *const words[] = {
    "", "a", "ab", "abc", "abd", "abcdef", "abcdxy", "b", "ba", "c", "d", "e", "f"};
#define WORDS (sizeof words / sizeof *words)

static size_t len_of(size_t i)
{
    return strlen(words[i]);
}

static void check_holds(const sb__topics *t, const sb_peer *peer, size_t n, size_t gone)
{
    for (size_t i = 0; i < WORDS; i++)
        assert_int_equal(sb__topics_holds(t, peer, (const uint8_t *)words[i], len_of(i)), i < n && i >= gone);
    assert_int_equal(peer->topics, n - gone);
    assert_int_equal(t->count, n - gone);
}

static void test_a_subscription_without_memory_changes_nothing(void **state)
{
    (void)state;
    sb__topics t;
    sb_peer peer = {0};
    bool edge;
    sb__topics_init(&t);
    for (size_t i = 0; i < WORDS; i++) {
        sb_err err = SB_ENOMEM;
        for (long fail = 0; err == SB_ENOMEM; fail++) {
            assert_true(fail < 10);
            allowed = fail;
            err = sb__topics_add(&t, &peer, (const uint8_t *)words[i], len_of(i), &edge);
            allowed = -1;
            assert_int_equal(edge, err == SB_OK);
            check_holds(&t, &peer, i + (err == SB_OK), 0);
        }
    }
    /* Removing needs no memory, though it would use some. */
    for (size_t i = 0; i < WORDS; i++) {
        allowed = 0;
        assert_int_equal(sb__topics_remove(&t, &peer, (const uint8_t *)words[i], len_of(i), &edge), SB_OK);
        allowed = -1;
        assert_true(edge);
        check_holds(&t, &peer, WORDS, i + 1);
    }
    sb__topics_finish(&t);
}

static void test_a_second_holder_without_memory_changes_nothing(void **state)
{
    (void)state;
    sb__topics t;
    sb_peer peers[5] = {0};
    bool edge;
    sb__topics_init(&t);
    for (int i = 0; i < 5; i++) {
        sb_err err = SB_ENOMEM;
        for (long fail = 0; err == SB_ENOMEM; fail++) {
            assert_true(fail < 10);
            allowed = fail;
            err = sb__topics_add(&t, &peers[i], (const uint8_t *)"t", 1, &edge);
            allowed = -1;
            assert_int_equal(sb__topics_holds(&t, &peers[i], (const uint8_t *)"t", 1), err == SB_OK);
            assert_int_equal(t.count, i > 0 || err == SB_OK);
        }
    }
    allowed = 0;
    for (int i = 0; i < 5; i++)
        sb__topics_remove_peer(&t, &peers[i], NULL, NULL);
    allowed = -1;
    assert_null(t.root);
    sb__topics_finish(&t);
}

/* Whatever of a large set found no memory: what was subscribed matches. */
static void test_shortcuts_without_memory_cost_time_only(void **state)
{
    (void)state;
    for (long fail = 0; fail < 8; fail++) {
        sb__topics t;
        sb_peer peer = {0};
        bool edge;
        sb__topics_init(&t);
        for (int i = 0; i < 1000; i++) {
            char topic[8];
            size_t len = (size_t)snprintf(topic, sizeof topic, "%04d", i);
            sb_err err = SB_ENOMEM;
            for (long more = fail; err == SB_ENOMEM; more++) {
                allowed = more;
                err = sb__topics_add(&t, &peer, (const uint8_t *)topic, len, &edge);
                allowed = -1;
            }
            assert_true(sb__topics_match(&t, (const uint8_t *)topic, len));
        }
        allowed = 0;
        sb__topics_remove_peer(&t, &peer, NULL, NULL);
        allowed = -1;
        assert_null(t.jumps);
        sb__topics_finish(&t);
    }
}

/* ---- rewritten topics ---- */

static void test_a_topic_that_cannot_be_rewritten_is_not_taken_for_right(void **state)
{
    (void)state;
    static const char topic[] = "v2.a topic that is much too long to lie within a frame's own octets";
    sb_peer peer = {0};
    sb_msg msg, out;
    sb_msg_init(&msg);
    sb_msg_push(&msg, topic, sizeof topic - 1, NULL);
    assert_int_equal(sb__alias_add(&peer, (const uint8_t *)"old.", 4, (const uint8_t *)"v2.", 3), SB_OK);
    sb_err err = SB_ENOMEM;
    long more = 0;
    for (; err == SB_ENOMEM; more++) {
        sb_msg_init(&out);
        allowed = more;
        err = sb__alias_apply(&peer, &msg, false, &out);
        allowed = -1;
        assert_true(err == SB_ENOMEM || sb_msg_frame(&out, 0)->len == sizeof topic);
        sb_msg_finish(&out);
    }
    assert_true(more > 1 && err == SB_OK);
    sb__alias_clear(&peer);
    sb_msg_init(&out);
    assert_int_equal(sb__alias_apply(&peer, &msg, false, &out), SB_ENOENT);
    sb_msg_finish(&out);
    sb_msg_finish(&msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_push_without_memory_changes_nothing),
        cmocka_unit_test(test_a_flight_survives_its_queue_without_memory),
        cmocka_unit_test(test_a_subscription_without_memory_changes_nothing),
        cmocka_unit_test(test_a_second_holder_without_memory_changes_nothing),
        cmocka_unit_test(test_shortcuts_without_memory_cost_time_only),
        cmocka_unit_test(test_a_topic_that_cannot_be_rewritten_is_not_taken_for_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
