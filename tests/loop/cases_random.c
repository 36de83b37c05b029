/* Cases of the loop suite: whatever owners may do, in random order, with every byte and every callback
 * checked. A seed that fails is printed; SB_SEED=n runs that one alone, SB_SEEDS=n runs more. */
#include "tests/loop/suite.h"

#include <stdlib.h>
#include <string.h>

enum { PAIRS = 12, ACTIONS = 250, KEEP = 8 };

struct zoo {
    struct fixture *fx;
    uint64_t random;
    struct door door;
    struct peer servers[ACTIONS], clients[ACTIONS];
    sb_buf *kept[KEEP];
    uint8_t first[KEEP];
    size_t opened;
};

static uint32_t pick(struct zoo *z, uint32_t n)
{
    z->random = z->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(z->random >> 33) % n;
}

/* A kept buffer's bytes must not change under the keeper's hands. */
static void keep(struct zoo *z, sb_buf *buf)
{
    uint32_t at = pick(z, KEEP);
    if (z->kept[at] != NULL)
        assert_int_equal(z->kept[at]->data[0], z->first[at]);
    sb_buf_unref(z->kept[at]);
    z->kept[at] = sb_buf_ref(buf);
    z->first[at] = buf->data[0];
}

static void shut(struct peer *p)
{
    p->closing = true;
    sb_stream_close(p->st);
}

static void meddle(struct peer *p, int what)
{
    struct zoo *z = p->data;
    if (p->st == NULL)
        return;
    if (what == PEER_READ && pick(z, 4) == 0)
        keep(z, p->last);
    switch (pick(z, 40)) {
    case 0:
        shut(p);
        break;
    case 1:
    case 2:
    case 3:
        sb_stream_read_stop(p->st);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        sb_stream_read_start(p->st);
        break;
    default:
        break;
    }
}

static void greet(struct door *d, struct peer *p)
{
    struct zoo *z = p->data;
    (void)d;
    if (pick(z, 3) != 0)
        sb_stream_read_start(p->st);
}

static void open_pair(struct zoo *z)
{
    struct peer *c = &z->clients[z->opened], *s = &z->servers[z->opened];
    peer_init(c, z->fx, 1, 2);
    peer_init(s, z->fx, 2, 1);
    c->data = s->data = z;
    c->on_event = s->on_event = meddle;
    c->max_iov = s->max_iov = 1 + pick(z, 200000);
    z->opened++;
    assert_int_equal(sb_loop_connect(z->fx->loop, &z->door.addr, NULL, &peer_events, c, &c->st), SB_OK);
}

static void act(struct zoo *z)
{
    struct peer *side = pick(z, 2) ? z->clients : z->servers;
    size_t from = z->opened > PAIRS ? z->opened - PAIRS : 0;
    struct peer *p = &side[from + pick(z, (uint32_t)(z->opened - from))];
    if (p->st == NULL)
        return;
    switch (pick(z, 8)) {
    case 0:
        shut(p);
        break;
    case 1:
        sb_stream_read_stop(p->st);
        break;
    case 2:
    case 3:
        sb_stream_read_start(p->st);
        break;
    default:
        if (!p->writing && p->write_err == SB_OK && !p->closing)
            peer_send(p, 1 + pick(z, 300000));
        break;
    }
}

static void close_all(struct zoo *z)
{
    for (size_t i = 0; i < z->opened; i++) {
        sb_stream_close(z->clients[i].st);
        sb_stream_close(z->servers[i].st);
    }
    door_close(&z->door);
    for (size_t i = 0; i < z->opened; i++) {
        drive(z->fx, &z->clients[i].closed, 1);
        if (i < z->door.accepted)
            drive(z->fx, &z->servers[i].closed, 1);
        peer_finish(&z->clients[i]);
        peer_finish(&z->servers[i]);
    }
    for (size_t i = 0; i < KEEP; i++) {
        if (z->kept[i] != NULL)
            assert_int_equal(z->kept[i]->data[0], z->first[i]);
        sb_buf_unref(z->kept[i]);
    }
}

static void run_seed(struct fixture *fx, uint64_t seed)
{
    struct zoo *z = calloc(1, sizeof *z);
    sb_addr addr = any_port();
    print_message("             seed %llu\n", (unsigned long long)seed);
    z->fx = fx;
    z->random = seed;
    door_open(&z->door, fx, &addr, z->servers, ACTIONS);
    z->door.on_accepted = greet;
    for (int i = 0; i < ACTIONS; i++) {
        if (z->opened < PAIRS || pick(z, 12) == 0)
            open_pair(z);
        act(z);
        for (uint32_t n = pick(z, 3); n > 0; n--)
            sb_loop_step(fx->loop);
    }
    drive_for(fx, 2);
    close_all(z);
    free(z);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void test_random_owners_get_what_was_promised(void **state)
{
    uint64_t first = number_from("SB_SEED", 1), n = number_from("SB_SEEDS", getenv("SB_SEED") ? 1 : 8);
    for (uint64_t seed = first; seed < first + n; seed++)
        run_seed(fixture_of(state), seed);
}

const struct suite_case random_cases[] = {
    SUITE_CASE(test_random_owners_get_what_was_promised, 0),
    {0},
};
