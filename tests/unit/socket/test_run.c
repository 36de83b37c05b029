/* Messages that lie behind each other in a receive buffer are sent on together: whoever looks from outside
 * must see what he would see if they came one by one. Every case runs both ways and compares. */
#include "tests/unit/socket/bench.h"

#include "engine/route.h"
#include "tests/raw_peer.h"

#define ALL   1000 /* messages of a case */
#define SINKS 3

typedef struct broker {
    bench b;
    sb_socket *front, *to[2], *sink[SINKS];
    ear ears[SINKS];
    sb_route *route;
    sb_fake_raw *source;
} broker;

/* What a case is made of. */
typedef struct plan {
    sb_route_row rows[4]; /* targets are put in: `to` counts from 0, by `weight` */
    size_t nrows;
    sb_type type;       /* of the targets */
    int64_t hwm, bytes; /* of the targets, 0: none */
    size_t sinks;       /* at the first target; one at the second in any case */
    size_t take;        /* what each sink takes at first */
    size_t octets;      /* of a message, beyond its first ones */
} plan;

/* What is to be the same. */
typedef struct outcome {
    char text[SINKS][ALL * 8];
    size_t n[SINKS];
    sb_stats front, to[2], early;
    uint64_t hits[4];
} outcome;

static void open_broker(broker *k, const plan *p)
{
    char err[128];
    sb_route_row rows[4];
    bench_open(&k->b);
    for (int i = 0; i < 2; i++) {
        k->to[i] = open_socket(&k->b, p->type, NULL);
        set_int(k->to[i], SB_OPT_SNDHWM, p->hwm);
        set_int(k->to[i], SB_OPT_SNDHWM_BYTES, p->bytes);
        bind_to(k->to[i], i == 0 ? "tcp://127.0.0.1:2" : "tcp://127.0.0.1:3");
    }
    memcpy(rows, p->rows, sizeof rows);
    for (size_t i = 0; i < p->nrows; i++) {
        rows[i].to[0] = k->to[rows[i].weight[0]];
        rows[i].weight[0] = 1;
    }
    assert_int_equal(sb_route_create(rows, p->nrows, err, sizeof err, &k->route), SB_OK);
    k->front = open_socket(&k->b, SB_PULL, NULL);
    sb_socket_set_route(k->front, k->route);
    bind_to(k->front, "tcp://127.0.0.1:1");
}

static void open_ends(broker *k, const plan *p)
{
    for (size_t i = 0; i < SINKS; i++) {
        k->sink[i] = open_socket(&k->b, p->type == SB_PUSH ? SB_PULL : p->type, &k->ears[i]);
        k->ears[i].take = p->take;
        set_int(k->sink[i], SB_OPT_RCVHWM, p->take == SIZE_MAX ? 0 : 5);
        if (i < SINKS - 1 && i >= p->sinks)
            continue;
        connect_to(k->sink[i], i < SINKS - 1 ? "tcp://127.0.0.1:2" : "tcp://127.0.0.1:3");
        settle(&k->b);
    }
    k->source = raw_join(k->b.loop, 1, "PUSH");
}

/* "a0001", "b0002", ... in an order that has runs of every length. */
static void write_text(uint8_t *p, int i)
{
    static const char firsts[] = "aaaaaaaaaabababbbbbbbbaabcabbbbbbaaaadbb";
    p[0] = (uint8_t)firsts[i % 40];
    for (int k = 4; k > 0; k--, i /= 10)
        p[k] = (uint8_t)('0' + i % 10);
}

/* Now and then of two frames. */
static size_t write_message(uint8_t *p, const plan *plan, int i)
{
    size_t len = 5 + plan->octets, head = len > 255 ? 9 : 2, at = 0;
    if (i % 17 == 3) {
        memcpy(p, "\1\5", 2);
        write_text(p + 2, i);
        at = 7;
    }
    memset(p + at, 0, head + len);
    p[at] = head > 2 ? 2 : 0;
    p[at + 1] = head > 2 ? 0 : (uint8_t)len;
    for (size_t k = 0; head > 2 && k < 8; k++)
        p[at + 1 + k] = (uint8_t)(len >> (56 - 8 * k));
    memset(p + at + head, '.', len);
    write_text(p + at + head, i);
    return at + head + len;
}

static size_t write_all(uint8_t *p, const plan *plan, size_t *second)
{
    size_t at = 0;
    for (int i = 0; i < ALL; i++) {
        at += write_message(p + at, plan, i);
        if (i == 0)
            *second = at;
    }
    return at;
}

static void pour(broker *k, const uint8_t *p, size_t len)
{
    while (len > 0) {
        size_t n = sb_fake_raw_write(k->source, p, len);
        p += n;
        len -= n;
        settle(&k->b);
        for (size_t i = 0; i < SINKS && n == 0; i++) {
            k->ears[i].take = SIZE_MAX;
            sb_socket_resume(k->sink[i]);
        }
        settle(&k->b);
    }
}

static void keep(outcome *o, broker *k, size_t i)
{
    for (size_t m = 0; m < k->ears[i].n; m++) {
        const char *text = k->ears[i].seen[m];
        strncat(o->text[i], text, 5);
        if (text[5] == '|')
            strncat(o->text[i], "+", 2);
    }
    o->n[i] = k->ears[i].n;
    ear_clear(&k->ears[i]);
}

/* `split`: octets of a read, 0: as many as there are. */
static void carry_out(const plan *p, size_t split, outcome *o)
{
    static broker k;
    size_t second;
    uint8_t *wire = malloc(ALL * (32 + p->octets));
    size_t len = write_all(wire, p, &second);
    memset(o, 0, sizeof *o);
    open_broker(&k, p);
    open_ends(&k, p);
    sb_fake_split(k.b.loop, split);
    pour(&k, wire, len);
    sb_socket_stats(k.front, &o->early);
    for (size_t i = 0; i < SINKS; i++) {
        k.ears[i].take = SIZE_MAX;
        sb_socket_resume(k.sink[i]);
    }
    settle(&k.b);
    sb_socket_stats(k.front, &o->front);
    for (size_t i = 0; i < 2; i++)
        sb_socket_stats(k.to[i], &o->to[i]);
    for (size_t i = 0; i < p->nrows; i++)
        o->hits[i] = sb_route_hits(k.route, i);
    for (size_t i = 0; i < SINKS; i++)
        keep(o, &k, i);
    sb_fake_raw_close(k.source, SB_ECLOSED);
    bench_close(&k.b);
    free(wire);
}

static void expect_same_stats(const sb_stats *a, const sb_stats *b)
{
    assert_int_equal(a->msgs_in, b->msgs_in);
    assert_int_equal(a->bytes_in, b->bytes_in);
    assert_int_equal(a->msgs_out, b->msgs_out);
    assert_int_equal(a->bytes_out, b->bytes_out);
    assert_int_equal(a->queued_out_msgs, b->queued_out_msgs);
    assert_memory_equal(a->dropped, b->dropped, sizeof a->dropped);
}

/* Returns how many messages arrived. */
static size_t compare(const plan *p)
{
    static outcome alone, together;
    static const size_t splits[] = {0, 1000, 40000};
    carry_out(p, 9, &alone);
    for (size_t i = 0; i < 3; i++) {
        carry_out(p, splits[i], &together);
        for (size_t k = 0; k < SINKS; k++) {
            assert_int_equal(together.n[k], alone.n[k]);
            assert_string_equal(together.text[k], alone.text[k]);
        }
        expect_same_stats(&together.front, &alone.front);
        expect_same_stats(&together.to[0], &alone.to[0]);
        expect_same_stats(&together.to[1], &alone.to[1]);
        assert_memory_equal(together.hits, alone.hits, sizeof alone.hits);
    }
    return alone.n[0] + alone.n[1] + alone.n[2];
}

#define TO(i)  .action = SB_ROUTE_TO, .nto = 1, .weight = {i}
#define ROW(s) .frame = 1, .bytes = (const uint8_t *)(s), .len = sizeof(s) - 1

/* Two frames of a message are one message, and its second one decides nothing. */
static void test_everything_goes_one_way(void **state)
{
    (void)state;
    plan p = {.rows = {{TO(0)}}, .nrows = 1, .type = SB_PUSH, .sinks = 1, .take = SIZE_MAX};
    assert_int_equal(compare(&p), ALL);
    p.octets = 500;
    assert_int_equal(compare(&p), ALL);
    p.octets = 5000;
    assert_int_equal(compare(&p), ALL);
}

static void test_the_table_decides_about_each(void **state)
{
    (void)state;
    plan p = {.rows = {{ROW("a"), TO(0)}, {ROW("b"), TO(1)}, {ROW("c"), TO(0)}, {TO(1)}},
        .nrows = 4,
        .type = SB_PUSH,
        .sinks = 1,
        .take = SIZE_MAX};
    assert_int_equal(compare(&p), ALL);
    p.octets = 1000;
    assert_int_equal(compare(&p), ALL);
}

/* Rows that do something else are still asked. */
static void test_what_is_not_sent_on_is_dealt_with_in_its_turn(void **state)
{
    (void)state;
    plan p = {.rows = {{ROW("a"), TO(0)}, {ROW("c"), .action = SB_ROUTE_DROP}, {ROW("b"), TO(1)}},
        .nrows = 3,
        .type = SB_PUSH,
        .sinks = 1,
        .take = SIZE_MAX};
    size_t arrived = compare(&p);
    assert_int_equal(arrived, ALL - 2 * ALL / 40); /* without the "c" and the "d" of each forty */
}

static void test_a_second_frame_may_decide(void **state)
{
    (void)state;
    plan p = {
        .rows = {{ROW("a"), TO(0)}, {TO(1)}}, .nrows = 2, .type = SB_PUSH, .sinks = 1, .take = SIZE_MAX};
    p.rows[0].frame = 2;
    assert_int_equal(compare(&p), ALL);
}

static void test_two_peers_take_turns(void **state)
{
    (void)state;
    plan p = {
        .rows = {{ROW("a"), TO(0)}, {TO(1)}}, .nrows = 2, .type = SB_PUSH, .sinks = 2, .take = SIZE_MAX};
    assert_int_equal(compare(&p), ALL);
}

static void test_limits_stop_the_source_and_nothing_is_lost(void **state)
{
    (void)state;
    plan p = {
        .rows = {{ROW("a"), TO(0)}, {TO(1)}}, .nrows = 2, .type = SB_PUSH, .sinks = 1, .take = 3, .hwm = 7};
    assert_int_equal(compare(&p), ALL);
    p.hwm = 0;
    p.bytes = 300;
    assert_int_equal(compare(&p), ALL);
    p.octets = 300;
    assert_int_equal(compare(&p), ALL);
    p.rows[0] = (sb_route_row){TO(0)};
    p.nrows = 1;
    assert_int_equal(compare(&p), ALL);
}

/* Exactly the limit waits where nobody is connected; the rest stands at the source. */
static void test_a_run_ends_where_room_ends(void **state)
{
    (void)state;
    for (int64_t hwm = 1; hwm < 30; hwm += 4) {
        static broker k;
        sb_stats s;
        plan p = {.rows = {{ROW("a"), TO(0)}, {TO(0)}}, .nrows = 2, .type = SB_PUSH, .hwm = hwm};
        uint8_t wire[4096];
        size_t len = 0;
        open_broker(&k, &p);
        sb_socket *nobody = open_socket(&k.b, SB_PULL, NULL);
        set_int(k.to[0], SB_OPT_SNDBUF, 0);
        connect_to(k.to[0], "tcp://127.0.0.1:9");
        k.source = raw_join(k.b.loop, 1, "PUSH");
        for (int i = 0; i < 100; i++)
            len += write_message(wire + len, &p, i);
        raw_put(k.source, wire, len);
        settle(&k.b);
        sb_socket_stats(k.to[0], &s);
        assert_int_equal(s.queued_out_msgs, hwm);
        sb_socket_stats(k.front, &s);
        assert_int_equal(s.msgs_in, hwm + 1); /* ... and one that waits for room */
        assert_int_equal(s.queued_in_msgs, 1);
        bind_to(nobody, "tcp://127.0.0.1:9");
        pass(&k.b, 1000);
        sb_socket_stats(nobody, &s);
        assert_int_equal(s.msgs_in, 100);
        sb_fake_raw_close(k.source, SB_ECLOSED);
        bench_close(&k.b);
    }
}

/* What cannot be forwarded as it is comes between. */
static void test_what_is_odd_goes_its_own_way(void **state)
{
    (void)state;
    static const char wire[] =
        "\0\1a\0\1b\0\1a\2\0\0\0\0\0\0\0\1a\0\1b\4\7\4PING\0\0\0\1a\1\1x\1\1x\1\1x\1\1x\1\1x\1\1x\1\1x\0\1b";
    static broker k;
    plan p = {.rows = {{ROW("a"), TO(0)}, {ROW("b"), TO(1)}, {TO(0)}},
        .nrows = 3,
        .type = SB_PUSH,
        .sinks = 1,
        .take = SIZE_MAX};
    open_broker(&k, &p);
    open_ends(&k, &p);
    raw_put(k.source, wire, sizeof wire - 1);
    settle(&k.b);
    assert_int_equal(k.ears[0].n, 5);
    expect_seen(&k.ears[0], 4, "x|x|x|x|x|x|x|b");
    assert_int_equal(k.ears[2].n, 2);
    for (size_t i = 0; i < SINKS; i++)
        ear_clear(&k.ears[i]);
    sb_fake_raw_close(k.source, SB_ECLOSED);
    bench_close(&k.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_goes_one_way),
        cmocka_unit_test(test_the_table_decides_about_each),
        cmocka_unit_test(test_what_is_not_sent_on_is_dealt_with_in_its_turn),
        cmocka_unit_test(test_a_second_frame_may_decide),
        cmocka_unit_test(test_two_peers_take_turns),
        cmocka_unit_test(test_limits_stop_the_source_and_nothing_is_lost),
        cmocka_unit_test(test_a_run_ends_where_room_ends),
        cmocka_unit_test(test_what_is_odd_goes_its_own_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
