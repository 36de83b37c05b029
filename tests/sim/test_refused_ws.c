/* Memory is refused once while messages come over a WebSocket: that may cost the connection, but what arrives
 * is what was sent, octet by octet and in order. Every allocation in turn. */
#include "tests/sim/memory.h"
#include "tests/unit/socket/bench.h"

#define SENT  30
#define LEN   90  /* of a message */
#define SPLIT 130 /* octets of a read: the rest of a message, and some of the next */

typedef struct reader {
    sb_handler base;
    uint32_t last; /* the number of the last message, from 1 */
    bool wrong;
} reader;

static void fill(uint8_t *out, uint32_t number)
{
    for (uint32_t i = 0; i < LEN; i++)
        out[i] = (uint8_t)(number * 7 + i);
}

static sb_err read_one(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    reader *r = (reader *)self;
    uint8_t want[LEN];
    const sb_frame *f = sb_msg_frame(msg, 0);
    (void)sock, (void)peer;
    uint32_t number = f->len == LEN ? r->last + 1 : SENT + 1;
    for (fill(want, number); number <= SENT && memcmp(f->data, want, LEN) != 0; fill(want, number))
        number++;
    r->wrong |= number > SENT || sb_msg_count(msg) != 1;
    r->last = number;
    return SB_OK;
}

static void send_some(sb_socket *sock)
{
    uint8_t body[LEN];
    for (uint32_t i = 1; i <= SENT; i++) {
        fill(body, i);
        assert_int_equal(sb_socket_send_bytes(sock, body, LEN), SB_OK);
    }
}

/* One round without the allocation number `nth`; false when there was no such. */
static bool round_of(uint64_t nth)
{
    bench b;
    reader r = {.base = {.on_msg = read_one}};
    uint64_t before = sim_memory_refused();
    bench_open(&b);
    sb_socket *to = open_socket(&b, SB_PULL, NULL), *from = open_socket(&b, SB_PUSH, NULL);
    sb_socket_set_handler(to, &r.base);
    bind_to(to, "ws://127.0.0.1:8080/refused");
    connect_to(from, "ws://127.0.0.1:8080/refused");
    settle(&b);
    send_some(from);
    sb_fake_split(b.loop, SPLIT);
    sim_memory_refuse(nth, 1);
    settle(&b);
    sim_memory_refuse(1, 0);
    bool refused = sim_memory_refused() > before;
    pass(&b, 300);
    assert_false(r.wrong);
    assert_true(refused || r.last == SENT);
    assert_int_equal(sb_socket_peers(to), 1); /* again, or still */
    bench_close(&b);
    return refused;
}

static void test_what_arrives_is_whole(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (round_of(nth))
        nth++;
    assert_in_range(nth, 5, 1000); /* some were refused */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_arrives_is_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
