/* Subscriptions of any topics by any peers, against a plain list. The sources are built into this program so
 * that few topics have shortcuts already. */
#define SB__JUMP_FROM 8
#define SB__JUMP_KIDS 2
#include "engine/pattern/topic_jump.c"
#include "engine/pattern/topic_walk.c"
#include "engine/pattern/topics.c"
#include "tests/fuzz/fuzz.h"

#define PEERS 3
#define HELD  64

typedef struct entry {
    int peer;
    size_t len;
    uint8_t topic[16];
    uint32_t refs;
} entry;

typedef struct model {
    sb__topics topics;
    sb_peer peers[PEERS];
    entry held[HELD];
    size_t n;
} model;

static entry *find_entry(model *m, int peer, const uint8_t *topic, size_t len)
{
    for (size_t i = 0; i < m->n; i++) {
        entry *e = &m->held[i];
        if (e->peer == peer && e->len == len && memcmp(e->topic, topic, len) == 0)
            return e;
    }
    return NULL;
}

static bool held_by_anybody(model *m, const uint8_t *topic, size_t len)
{
    for (int peer = 0; peer < PEERS; peer++)
        if (find_entry(m, peer, topic, len) != NULL)
            return true;
    return false;
}

static void add(model *m, int peer, const uint8_t *topic, size_t len)
{
    bool first, was = held_by_anybody(m, topic, len);
    entry *e = find_entry(m, peer, topic, len);
    if (e == NULL && m->n == HELD)
        return;
    FUZZ_CHECK(sb__topics_add(&m->topics, &m->peers[peer], topic, len, &first) == SB_OK && first == !was);
    if (e == NULL) {
        e = &m->held[m->n++];
        *e = (entry){.peer = peer, .len = len};
        memcpy(e->topic, topic, len);
    }
    e->refs++;
}

static void take(model *m, int peer, const uint8_t *topic, size_t len)
{
    bool last;
    entry *e = find_entry(m, peer, topic, len);
    sb_err err = sb__topics_remove(&m->topics, &m->peers[peer], topic, len, &last);
    FUZZ_CHECK((err == SB_OK) == (e != NULL));
    if (e == NULL)
        return;
    if (--e->refs == 0)
        *e = m->held[--m->n];
    FUZZ_CHECK(last == !held_by_anybody(m, topic, len));
}

static void leave(model *m, int peer)
{
    sb__topics_remove_peer(&m->topics, &m->peers[peer], NULL, NULL);
    for (size_t i = 0; i < m->n;)
        if (m->held[i].peer == peer)
            m->held[i] = m->held[--m->n];
        else
            i++;
    FUZZ_CHECK(m->peers[peer].topics == 0 && m->peers[peer].topic_bytes == 0);
}

static bool is_prefix(const entry *e, const uint8_t *data, size_t len)
{
    return e->len <= len && memcmp(e->topic, data, e->len) == 0;
}

static void match(model *m, const uint8_t *data, size_t len)
{
    uint32_t want[PEERS] = {0}, got[PEERS] = {0}, n;
    for (size_t i = 0; i < m->n; i++)
        want[m->held[i].peer] += is_prefix(&m->held[i], data, len);
    sb__topic_cursor c = sb__topics_walk(&m->topics, data, len);
    const sb__topic_sub *subs;
    while ((subs = sb__topics_next(&c, &n)) != NULL)
        for (uint32_t i = 0; i < n; i++)
            got[subs[i].peer - m->peers]++;
    FUZZ_CHECK(memcmp(want, got, sizeof want) == 0);
    FUZZ_CHECK(sb__topics_match(&m->topics, data, len) == (want[0] + want[1] + want[2] > 0));
    subs = sb__topics_exact(&m->topics, data, len, &n);
    FUZZ_CHECK((subs != NULL) == held_by_anybody(m, data, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static model m;
    fuzz_input in = fuzz_input_of(data, size);
    memset(&m, 0, sizeof m);
    sb__topics_init(&m.topics);
    while (fuzz_left(&in) > 0) {
        uint8_t op = fuzz_u8(&in);
        size_t len;
        uint8_t *topic = fuzz_take(&in, op & 15, &len);
        int peer = (op >> 4) % PEERS;
        if (op < 0x90)
            add(&m, peer, topic, len);
        else if (op < 0xd0)
            take(&m, peer, topic, len);
        else if (op < 0xf0)
            match(&m, topic, len);
        else
            leave(&m, peer);
        free(topic);
    }
    for (int peer = 0; peer < PEERS; peer++)
        leave(&m, peer);
    FUZZ_CHECK(m.topics.count == 0);
    sb__topics_finish(&m.topics);
    return 0;
}
