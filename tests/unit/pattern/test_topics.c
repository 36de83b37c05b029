/* The topic trie against a naive model: an array of (peer, topic, references). */
#include "engine/pattern/pipe.h"
#include "engine/pattern/topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PEERS  5
#define ROWS   6000
#define TOPICS 24

struct row {
    int peer;
    uint32_t refs;
    uint8_t topic[TOPICS];
    size_t len;
};

struct model {
    struct row rows[ROWS];
    size_t n;
    uint64_t seed;
};

static uint32_t rnd(struct model *m, uint32_t below)
{
    m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->seed >> 33) % below;
}

/* Few letters, so that topics share beginnings; sometimes any octet. */
static size_t random_topic(struct model *m, uint8_t *topic)
{
    size_t len = rnd(m, rnd(m, 3) ? 6 : TOPICS);
    uint32_t letters = rnd(m, 4) ? 2 : 256;
    for (size_t i = 0; i < len; i++)
        topic[i] = (uint8_t)rnd(m, letters);
    return len;
}

static struct row *model_find(struct model *m, int peer, const uint8_t *topic, size_t len)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->rows[i].peer == peer && m->rows[i].len == len && memcmp(m->rows[i].topic, topic, len) == 0)
            return &m->rows[i];
    return NULL;
}

static size_t model_holders(const struct model *m, const uint8_t *topic, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += m->rows[i].len == len && memcmp(m->rows[i].topic, topic, len) == 0;
    return n;
}

static void add(sb__topics *t, sb_peer *peers, struct model *m)
{
    uint8_t topic[TOPICS];
    bool first;
    size_t len = random_topic(m, topic);
    int p = (int)rnd(m, PEERS);
    bool expect = model_holders(m, topic, len) == 0;
    assert_int_equal(sb__topics_add(t, &peers[p], topic, len, &first), SB_OK);
    assert_int_equal(first, expect);
    struct row *row = model_find(m, p, topic, len);
    if (row != NULL) {
        row->refs++;
        return;
    }
    m->rows[m->n] = (struct row){.peer = p, .refs = 1, .len = len};
    memcpy(m->rows[m->n++].topic, topic, len);
}

static void take(sb__topics *t, sb_peer *peers, struct model *m)
{
    uint8_t topic[TOPICS];
    bool last;
    size_t len = random_topic(m, topic);
    int p = (int)rnd(m, PEERS);
    if (m->n > 0 && rnd(m, 3)) {
        const struct row *r = &m->rows[rnd(m, (uint32_t)m->n)];
        memcpy(topic, r->topic, r->len);
        len = r->len;
        p = r->peer;
    }
    struct row *row = model_find(m, p, topic, len);
    sb_err err = sb__topics_remove(t, &peers[p], topic, len, &last);
    assert_int_equal(err, row != NULL ? SB_OK : SB_ENOENT);
    if (row != NULL && --row->refs == 0) {
        *row = m->rows[--m->n];
        assert_int_equal(last, model_holders(m, topic, len) == 0);
    } else {
        assert_false(last);
    }
}

static void check_match(const sb__topics *t, sb_peer *peers, struct model *m)
{
    uint8_t data[TOPICS + 4];
    size_t len = random_topic(m, data);
    int got[PEERS] = {0}, want[PEERS] = {0}, any = 0;
    uint32_t n;
    sb__topic_cursor c = sb__topics_walk(t, data, len);
    const sb__topic_sub *subs;
    while ((subs = sb__topics_next(&c, &n)) != NULL)
        for (uint32_t i = 0; i < n; i++)
            got[subs[i].peer - peers]++;
    for (size_t i = 0; i < m->n; i++)
        if (m->rows[i].len <= len && memcmp(m->rows[i].topic, data, m->rows[i].len) == 0) {
            want[m->rows[i].peer]++;
            any = 1;
        }
    assert_memory_equal(got, want, sizeof got);
    assert_int_equal(sb__topics_match(t, data, len), any);
}

struct told {
    struct model *m;
    size_t n;
};

static void check_gone(void *arg, const uint8_t *topic, size_t len)
{
    struct told *told = arg;
    assert_int_equal(model_holders(told->m, topic, len), 0);
    told->n++;
}

static void drop_peer(sb__topics *t, sb_peer *peers, struct model *m, int p)
{
    struct told told = {.m = m};
    uint64_t before = t->count;
    for (size_t i = 0; i < m->n;)
        if (m->rows[i].peer == p)
            m->rows[i] = m->rows[--m->n];
        else
            i++;
    sb__topics_remove_peer(t, &peers[p], check_gone, &told);
    assert_int_equal(before - t->count, told.n);
    assert_null(peers[p].pattern_data);
    assert_int_equal(peers[p].topics, 0);
    assert_int_equal(peers[p].topic_bytes, 0);
}

static void check_each(void *arg, const uint8_t *topic, size_t len)
{
    struct told *told = arg;
    assert_int_not_equal(model_holders(told->m, topic, len), 0);
    told->n++;
}

static void check_counts(sb__topics *t, sb_peer *peers, struct model *m)
{
    struct told told = {.m = m};
    uint64_t octets[PEERS] = {0};
    uint32_t topics[PEERS] = {0};
    sb__topics_each(t, check_each, &told);
    assert_int_equal(told.n, t->count);
    for (size_t i = 0; i < m->n; i++) {
        topics[m->rows[i].peer]++;
        octets[m->rows[i].peer] += m->rows[i].len;
    }
    for (int p = 0; p < PEERS; p++) {
        assert_int_equal(peers[p].topics, topics[p]);
        assert_int_equal(peers[p].topic_bytes, octets[p]);
    }
}

static void run(uint64_t seed)
{
    static struct model m;
    sb_peer peers[PEERS] = {0};
    sb__topics t;
    m = (struct model){.seed = seed};
    sb__topics_init(&t);
    for (int i = 0; i < 4000; i++) {
        /* Grows for a while, then shrinks. */
        if (rnd(&m, 100) < (i < 2500 ? 60u : 30u))
            add(&t, peers, &m);
        else
            take(&t, peers, &m);
        check_match(&t, peers, &m);
        if (rnd(&m, 1000) == 0)
            drop_peer(&t, peers, &m, (int)rnd(&m, PEERS));
        if (i % 100 == 0)
            check_counts(&t, peers, &m);
    }
    for (int p = 0; p < PEERS; p++)
        drop_peer(&t, peers, &m, p);
    assert_int_equal(t.count, 0);
    assert_null(t.root);
    sb__topics_finish(&t);
}

static void test_topics_behave_like_an_array(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++)
        run(seed);
}

static void test_two_subscriptions_need_two_cancels(void **state)
{
    (void)state;
    sb__topics t;
    sb_peer peer = {0};
    bool edge;
    sb__topics_init(&t);
    sb__topics_add(&t, &peer, (const uint8_t *)"a", 1, &edge);
    assert_true(edge);
    sb__topics_add(&t, &peer, (const uint8_t *)"a", 1, &edge);
    assert_false(edge);
    assert_int_equal(sb__topics_remove(&t, &peer, (const uint8_t *)"a", 1, &edge), SB_OK);
    assert_false(edge);
    assert_true(sb__topics_match(&t, (const uint8_t *)"ab", 2));
    assert_int_equal(sb__topics_remove(&t, &peer, (const uint8_t *)"a", 1, &edge), SB_OK);
    assert_true(edge);
    assert_int_equal(sb__topics_remove(&t, &peer, (const uint8_t *)"a", 1, &edge), SB_ENOENT);
    assert_false(sb__topics_match(&t, (const uint8_t *)"ab", 2));
    sb__topics_finish(&t);
}

static void test_the_empty_topic_matches_all(void **state)
{
    (void)state;
    sb__topics t;
    bool edge;
    sb__topics_init(&t);
    assert_false(sb__topics_match(&t, NULL, 0));
    sb__topics_add(&t, NULL, NULL, 0, &edge);
    assert_true(sb__topics_match(&t, NULL, 0));
    assert_true(sb__topics_match(&t, (const uint8_t *)"x", 1));
    sb__topics_finish(&t);
}

static void test_a_topic_of_64_kib_of_branches_needs_no_stack(void **state)
{
    (void)state;
    static uint8_t topic[65536];
    sb__topics t;
    sb_peer peer = {0};
    bool edge;
    sb__topics_init(&t);
    for (size_t len = 0; len <= sizeof topic; len += 16)
        assert_int_equal(sb__topics_add(&t, &peer, topic, len, &edge), SB_OK);
    assert_true(sb__topics_match(&t, topic, sizeof topic));
    sb__topics_remove_peer(&t, &peer, NULL, NULL);
    assert_null(t.root);
    for (size_t len = 0; len <= sizeof topic; len += 16)
        assert_int_equal(sb__topics_add(&t, NULL, topic, len, &edge), SB_OK);
    sb__topics_finish(&t);
}

static void test_many_peers_hold_one_topic(void **state)
{
    (void)state;
    static sb_peer peers[3000];
    sb__topics t;
    bool edge;
    uint32_t n;
    sb__topics_init(&t);
    memset(peers, 0, sizeof peers);
    for (size_t i = 0; i < 3000; i++)
        sb__topics_add(&t, &peers[(i * 7) % 3000], (const uint8_t *)"t", 1, &edge);
    sb__topic_cursor c = sb__topics_walk(&t, (const uint8_t *)"topic", 5);
    assert_non_null(sb__topics_next(&c, &n));
    assert_int_equal(n, 3000);
    for (size_t i = 0; i < 3000; i++)
        sb__topics_remove_peer(&t, &peers[(i * 11) % 3000], NULL, NULL);
    assert_null(t.root);
    sb__topics_finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topics_behave_like_an_array),
        cmocka_unit_test(test_two_subscriptions_need_two_cancels),
        cmocka_unit_test(test_the_empty_topic_matches_all),
        cmocka_unit_test(test_a_topic_of_64_kib_of_branches_needs_no_stack),
        cmocka_unit_test(test_many_peers_hold_one_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
