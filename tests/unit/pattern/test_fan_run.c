/* Publishing a run comes to the same as publishing its messages one by one: two publishers with the same
 * peers and subscriptions, one is given runs. */
#include "fake.h"

#include "engine/pattern/alias.h"
#include "engine/pattern/narrow.h"
#include "engine/pattern/packed.h"

#define PEERS 20

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* What a case is made of; drawn by make_plan. */
typedef struct plan {
    sb__pattern_options options;
    sb_type type;
    uint32_t peers, letters, octets; /* topics are of so many letters; octets of a body at most */
    uint32_t hwm[PEERS];
    uint64_t hwm_bytes, budget;
    uint32_t special; /* of so many peers each has a narrowed subscription; 0: nobody */
    bool all;         /* everybody wants everything */
} plan;

typedef struct side {
    rig r;
    fake peers[PEERS];
    sb__budget budget;
} side;

static size_t random_topic(const plan *p, uint8_t *out)
{
    size_t len = rnd(4);
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)('a' + rnd(p->letters));
    return len;
}

static void make_plan(plan *p)
{
    *p = (plan){.type = rnd(2) ? SB_XPUB : SB_PUB, .peers = 1 + rnd(PEERS), .letters = 1 + rnd(3)};
    p->options.xpub_nodrop = rnd(2);
    p->all = rnd(3) == 0;
    p->octets = rnd(4) == 0 ? 1000 : 60;
    for (uint32_t i = 0; i < PEERS; i++)
        p->hwm[i] = rnd(3) == 0 ? 1 + rnd(300) : 0;
    p->hwm_bytes = rnd(6) == 0 ? 1 + rnd(30000) : 0;
    p->budget = rnd(6) == 0 ? 1 + rnd(300000) : 0;
    p->special = rnd(4) == 0 ? 2 + rnd(5) : 0;
    if (rnd(10) == 0)
        p->options.conflate = true;
    if (rnd(10) == 0)
        p->options.invert_matching = true;
}

static void narrow(fake *f, const uint8_t *topic, size_t len)
{
    sb_filter exact = {.kind = SB_FILTER_EXACT};
    assert_int_equal(sb__narrow_set(&f->peer, topic, len, &exact), SB_OK);
}

static void subscribe_all(const plan *p, side *s, fake *f)
{
    uint8_t topic[8];
    for (uint32_t n = p->all ? 1 : rnd(4); n > 0; n--) {
        size_t len = p->all ? 0 : random_topic(p, topic);
        assert_int_equal(s->r.pat->impl->subscribed(s->r.pat, &f->peer, topic, len, true), SB_OK);
        if (p->special != 0 && rnd(p->special) == 0)
            narrow(f, topic, len);
    }
}

static void open_side(const plan *p, side *s)
{
    rig_init(&s->r, p->type, &p->options);
    s->budget = (sb__budget){.max = p->budget};
    for (uint32_t i = 0; i < p->peers; i++) {
        fake_join(&s->r, &s->peers[i], p->hwm[i]);
        s->peers[i].peer.out.hwm_bytes = p->hwm_bytes;
        s->peers[i].peer.out.budget = &s->budget;
        subscribe_all(p, s, &s->peers[i]);
    }
}

static void close_side(const plan *p, side *s)
{
    for (uint32_t i = 0; i < p->peers; i++) {
        sb__narrow_clear(&s->peers[i].peer);
        fake_leave(&s->r, &s->peers[i]);
    }
    rig_finish(&s->r);
}

/* Topics come in bursts; now and then a second frame. */
static sb_run make_run(const plan *p, uint32_t n)
{
    sb_run run = {.buf = sb_buf_create((size_t)n * 2 * (p->octets + 20)), .n = n};
    uint8_t *at = run.buf->data, topic[8];
    size_t len = 0, burst = 1 + rnd(60);
    for (uint32_t i = 0; i < n; i++) {
        if (rnd((uint32_t)burst) == 0)
            len = random_topic(p, topic);
        size_t body = rnd(p->octets);
        bool more = rnd(8) == 0;
        at = sb__packed_header_write(at, len + body, more);
        memcpy(at, topic, len);
        memset(at + len, 'z', body);
        at += len + body;
        if (more) {
            at = sb__packed_header_write(at, 1, false);
            *at++ = (uint8_t)i;
        }
    }
    run.p = run.buf->data;
    run.len = (size_t)(at - run.p);
    return run;
}

static uint32_t publish_each(side *s, const sb_run *run, uint32_t from, size_t at)
{
    for (uint32_t i = from; i < run->n; i++) {
        sb_msg msg;
        sb_msg_init(&msg);
        at += sb_msg_unpack(&msg, run->buf, run->p + at);
        sb_err err = s->r.pat->impl->send(s->r.pat, &msg);
        sb_msg_finish(&msg);
        if (err != SB_OK)
            return i;
    }
    return run->n;
}

static uint32_t publish(side *s, const sb_run *run)
{
    sb_run done = s->r.pat->impl->send_run(s->r.pat, run);
    size_t at = 0;
    for (uint32_t i = 0; i < done.n; i++)
        at += sb__packed_size(run->p + at);
    assert_int_equal(at, done.len);
    return publish_each(s, run, done.n, done.len);
}

/* Takes about half of what waits off. */
static void drain(fake *a, fake *b)
{
    for (uint32_t n = a->peer.out.msgs / 2; n > 0; n--) {
        sb_msg x, y;
        sb_msg_init(&x);
        sb_msg_init(&y);
        assert_true(sb__queue_peek(&a->peer.out, &x) && sb__queue_peek(&b->peer.out, &y));
        assert_int_equal(x.wire_len, y.wire_len);
        assert_memory_equal(x.wire, y.wire, x.wire_len);
        sb_msg_finish(&x);
        sb_msg_finish(&y);
        sb__queue_pop(&a->peer.out);
        sb__queue_pop(&b->peer.out);
        sb__pipe_drained(&a->peer);
        sb__pipe_drained(&b->peer);
    }
}

static void expect_same(const plan *p, side *a, side *b)
{
    assert_int_equal(a->budget.used, b->budget.used);
    assert_memory_equal(a->r.dropped, b->r.dropped, sizeof a->r.dropped);
    assert_int_equal(a->r.congested, b->r.congested);
    assert_int_equal(a->r.writable, b->r.writable);
    for (uint32_t i = 0; i < p->peers; i++) {
        const sb_peer *x = &a->peers[i].peer, *y = &b->peers[i].peer;
        assert_int_equal(x->out.msgs, y->out.msgs);
        assert_int_equal(x->out.bytes, y->out.bytes);
        assert_int_equal(x->out_full, y->out_full);
        assert_null(x->inlet);
        assert_int_equal(a->peers[i].outputs > 0, b->peers[i].outputs > 0);
    }
}

static void check_case(const plan *p)
{
    static side runs, singles;
    uint64_t same = seed;
    open_side(p, &runs);
    seed = same;
    open_side(p, &singles);
    for (int round = 0; round < 6; round++) {
        sb_run run = make_run(p, 1 + rnd(rnd(2) ? 400 : 10));
        uint32_t a = publish(&runs, &run), b = publish_each(&singles, &run, 0, 0);
        assert_int_equal(a, b);
        expect_same(p, &runs, &singles);
        sb_buf_unref(run.buf);
        for (uint32_t i = 0; i < p->peers; i++)
            if (rnd(2))
                drain(&runs.peers[i], &singles.peers[i]);
        expect_same(p, &runs, &singles);
    }
    close_side(p, &runs);
    close_side(p, &singles);
}

static void test_runs_are_published_as_their_messages(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 1500; n++) {
        plan p;
        seed = n;
        make_plan(&p);
        check_case(&p);
    }
}

/* Everybody gets the same octets, which lie there once. */
static void test_a_run_for_all_is_shared(void **state)
{
    (void)state;
    static side s;
    plan p = {.type = SB_XPUB, .peers = 10, .letters = 1, .octets = 60, .all = true};
    seed = 3;
    open_side(&p, &s);
    sb_run run = make_run(&p, 400);
    sb_run done = s.r.pat->impl->send_run(s.r.pat, &run);
    assert_int_equal(done.n, 400);
    const uint8_t *first = NULL;
    for (uint32_t i = 0; i < p.peers; i++) {
        sb__queue *q = &s.peers[i].peer.out;
        struct iovec iov[SB__QUEUE_IOV];
        assert_int_equal(sb__queue_iov(q, iov, SB__QUEUE_IOV, SIZE_MAX), 1);
        assert_int_equal(q->flight_msgs, 400);
        assert_true(first == NULL || first == iov[0].iov_base);
        first = iov[0].iov_base;
        sb__queue_sent(q);
    }
    assert_int_equal(run.buf->refs, 1);
    sb_buf_unref(run.buf);
    close_side(&p, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_are_published_as_their_messages),
        cmocka_unit_test(test_a_run_for_all_is_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
