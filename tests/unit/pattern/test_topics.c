/* The topic trie against a naive model: an array of (peer, topic, references). */
#include "engine/pattern/pipe.h"
#include "engine/pattern/topic_jump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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
    uint32_t exact = (uint32_t)model_holders(m, data, len);
    subs = sb__topics_exact(t, data, len, &n);
    assert_int_equal(subs != NULL ? n : 0, exact);
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

/* What the shortcuts are made of, from the trie itself. */
static void check_jumps(const sb__topics *t)
{
    uint32_t at[SB__JUMP_MAX + 1] = {0}, n = 0;
    uint64_t inner = 0;
    for (const sb__topic_node *node = t->root; node != NULL; node = sb__topic_after(node)) {
        size_t depth = sb__topic_depth(node);
        inner += node->nsubs > 0 && node->nkids > 0;
        if (node->nkids < SB__JUMP_KIDS || depth == 0 || depth > SB__JUMP_MAX)
            continue;
        at[depth]++;
        n++;
    }
    assert_int_equal(t->inner, inner);
    if (t->jumps == NULL)
        return;
    assert_int_equal(t->jumps->n, n);
    assert_memory_equal(t->jumps->at, at, sizeof at);
    for (uint32_t i = 1; i <= SB__JUMP_MAX; i++)
        assert_true(at[i] <= at[t->jumps->depth]);
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
        if (i % 100 == 0) {
            check_counts(&t, peers, &m);
            check_jumps(&t);
        }
    }
    for (int p = 0; p < PEERS; p++)
        drop_peer(&t, peers, &m, p);
    assert_int_equal(t.count, 0);
    assert_null(t.root);
    assert_null(t.jumps);
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

/* ---- shortcuts ---- */

/* "t.0001234". */
static size_t number(uint8_t *topic, uint32_t i)
{
    return (size_t)snprintf((char *)topic, TOPICS, "t.%07u", i);
}

static void add_numbers(sb__topics *t, sb_peer *peer, uint32_t from, uint32_t to)
{
    uint8_t topic[TOPICS];
    bool edge;
    for (uint32_t i = from; i < to; i++)
        assert_int_equal(sb__topics_add(t, peer, topic, number(topic, i), &edge), SB_OK);
}

static uint32_t matches(const sb__topics *t, const char *topic)
{
    uint32_t n, all = 0;
    sb__topic_cursor c = sb__topics_walk(t, (const uint8_t *)topic, strlen(topic));
    while (sb__topics_next(&c, &n) != NULL)
        all += n;
    return all;
}

/* One step from a branch that is jumped to, however many topics there are. */
static void test_a_large_set_is_entered_near_its_leaves(void **state)
{
    (void)state;
    sb__topics t;
    sb_peer peer = {0};
    const uint8_t topic[] = "t.0000123 and so on";
    for (uint32_t n = 1000; n <= 100000; n *= 10) {
        size_t depth;
        sb__topics_init(&t);
        add_numbers(&t, &peer, 0, n);
        const sb__topic_node *branch = sb__jump(&t, topic, sizeof topic, &depth);
        assert_non_null(branch);
        assert_int_equal(depth, 8);
        assert_ptr_equal(*sb__kid_at(branch, '3'), sb__topics_longest(&t, topic, sizeof topic).node);
        check_jumps(&t);
        sb__topics_remove_peer(&t, &peer, NULL, NULL);
        assert_null(t.jumps);
        sb__topics_finish(&t);
    }
}

static void test_a_small_set_has_no_shortcuts_and_a_shrunk_one_loses_them(void **state)
{
    (void)state;
    sb__topics t;
    sb_peer peer = {0};
    uint8_t topic[TOPICS];
    bool edge;
    sb__topics_init(&t);
    add_numbers(&t, &peer, 0, SB__JUMP_FROM - 1);
    assert_null(t.jumps);
    add_numbers(&t, &peer, SB__JUMP_FROM - 1, 2000);
    assert_non_null(t.jumps);
    const uint32_t most = t.jumps->cap;
    for (uint32_t i = 2000; i-- > SB__JUMP_FROM / 4;)
        assert_int_equal(sb__topics_remove(&t, &peer, topic, number(topic, i), &edge), SB_OK);
    assert_true(t.jumps != NULL && t.jumps->cap < most);
    check_jumps(&t);
    assert_int_equal(sb__topics_remove(&t, &peer, topic, number(topic, 0), &edge), SB_OK);
    assert_int_equal(sb__topics_remove(&t, &peer, topic, number(topic, 1), &edge), SB_OK);
    assert_null(t.jumps);
    sb__topics_remove_peer(&t, &peer, NULL, NULL);
    sb__topics_finish(&t);
}

/* What lies before the branch that is jumped to is found all the same. */
static void test_prefixes_before_a_shortcut_are_found(void **state)
{
    (void)state;
    sb__topics t;
    sb_peer peer = {0}, other = {0};
    bool edge;
    sb__topics_init(&t);
    add_numbers(&t, &peer, 0, 3000);
    assert_int_equal(matches(&t, "t.0001234"), 1);
    assert_int_equal(matches(&t, "t.000123x"), 0);
    sb__topics_add(&t, &other, (const uint8_t *)"t.00", 4, &edge);
    sb__topics_add(&t, &other, NULL, 0, &edge);
    sb__topics_add(&t, &other, (const uint8_t *)"t.000123", 8, &edge);
    assert_int_equal(matches(&t, "t.0001234"), 4);
    assert_int_equal(matches(&t, "t.000123x"), 3);
    assert_int_equal(matches(&t, "t.000999x"), 2);
    assert_int_equal(matches(&t, "t.000"), 2);
    assert_int_equal(matches(&t, "u"), 1);
    check_jumps(&t);
    sb__topics_remove_peer(&t, &other, NULL, NULL);
    assert_int_equal(t.inner, 0);
    assert_int_equal(matches(&t, "t.000123x"), 0);
    sb__topics_remove_peer(&t, &peer, NULL, NULL);
    sb__topics_finish(&t);
}

/* Branches deeper than a shortcut reaches are walked to. */
static void test_long_topics_have_no_shortcuts(void **state)
{
    (void)state;
    sb__topics t;
    uint8_t topic[SB__JUMP_MAX + 8];
    bool edge;
    sb__topics_init(&t);
    memset(topic, 'x', sizeof topic);
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf((char *)topic + SB__JUMP_MAX + 1, 5, "%04u", i);
        assert_int_equal(sb__topics_add(&t, NULL, topic, sizeof topic, &edge), SB_OK);
    }
    assert_int_equal(t.jumps->n, 0);
    assert_true(sb__topics_match(&t, topic, sizeof topic));
    topic[2] = 'y';
    assert_false(sb__topics_match(&t, topic, sizeof topic));
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
        cmocka_unit_test(test_a_large_set_is_entered_near_its_leaves),
        cmocka_unit_test(test_a_small_set_has_no_shortcuts_and_a_shrunk_one_loses_them),
        cmocka_unit_test(test_prefixes_before_a_shortcut_are_found),
        cmocka_unit_test(test_long_topics_have_no_shortcuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
