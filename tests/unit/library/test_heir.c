/* The heir: an engine that drains and its successor, as two generations of workers would be, over boxes. */
#include "engine/signalbox.h"
#include "modules/library/heir.h"
#include "tests/unit/library/step.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define STEPS       4000 /* of at most 1 ms for each engine */
#define GENERATIONS 3
#define MESSAGES    50

typedef struct generation {
    sb_mesh_box box;
    sb_engine *engine;
    sb_mesh *mesh;
    sb_heir *heir;
    sb_socket *in, *out; /* what comes in goes out */
    sb_handler pass;     /* of `in` */
    sb_drain drain;
    sb_drain_report report;
    bool drained;
} generation;

typedef struct client {
    sb_handler handler; /* first member */
    sb_engine *engine;
    sb_socket *sock;
    int n;
    char last[16];
} client;

typedef struct rig {
    generation g[GENERATIONS];
    client source, sink;
} rig;

static sb_err pass_on(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    generation *g = (generation *)((char *)self - offsetof(generation, pass));
    (void)sock;
    return sb_socket_forward(g->out, peer, msg);
}

static sb_socket *open_socket(sb_engine *engine, sb_type type, const char *name)
{
    sb_socket *sock;
    assert_int_equal(sb_socket_create(engine, type, name, &sock), SB_OK);
    return sock;
}

/* With ways to `n` older generations. */
static void begin(rig *r, int i, int n)
{
    generation *g = &r->g[i];
    int posts[GENERATIONS];
    for (int old = 0; old < n; old++)
        posts[old] = r->g[i - n + old].box.post;
    assert_int_equal(sb_mesh_box_open(&g->box), SB_OK);
    assert_int_equal(sb_engine_create(NULL, NULL, 0, &g->engine), SB_OK);
    g->in = open_socket(g->engine, SB_PULL, "in");
    g->out = open_socket(g->engine, SB_PUSH, "out");
    assert_int_equal(sb_socket_bind(g->in, "tcp://127.0.0.1:*", NULL, 0), SB_OK);
    assert_int_equal(sb_socket_bind(g->out, "tcp://127.0.0.1:*", NULL, 0), SB_OK);
    g->pass.on_msg = pass_on;
    sb_socket_set_handler(g->in, &g->pass);
    assert_int_equal(sb_mesh_create(g->engine, g->box.look, &g->mesh), SB_OK);
    assert_int_equal(sb_heir_create(g->engine, g->mesh, posts, (size_t)n, &g->heir), SB_OK);
}

/* Others keep the way to it. */
static void end(generation *g)
{
    sb_mesh_destroy(g->mesh);
    sb_engine_destroy(g->engine);
    sb_heir_destroy(g->heir);
    if (g->box.look >= 0)
        close(g->box.look);
    *g = (generation){.box = {.post = g->box.post, .look = -1}};
}

static void on_drained(sb_drain *self, const sb_drain_report *report)
{
    generation *g = (generation *)((char *)self - offsetof(generation, drain));
    g->report = *report;
    g->drained = true;
}

static void drain(generation *g)
{
    g->drain.on_drained = on_drained;
    assert_int_equal(sb_engine_drain(g->engine, 10 * SB_NS_PER_S, &g->drain), SB_OK);
}

static sb_err take(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    client *c = (client *)self;
    const sb_frame *f = sb_msg_frame(msg, 0);
    (void)sock, (void)peer;
    memcpy(c->last, f->data, f->len);
    c->n++;
    return SB_OK;
}

static void join(client *c, sb_type type, const sb_socket *to)
{
    c->handler.on_msg = take;
    assert_int_equal(sb_engine_create(NULL, NULL, 0, &c->engine), SB_OK);
    c->sock = open_socket(c->engine, type, NULL);
    sb_socket_set_handler(c->sock, &c->handler);
    assert_int_equal(sb_socket_connect(c->sock, sb_socket_last_endpoint(to), NULL, 0), SB_OK);
}

static void turn(rig *r)
{
    for (int i = 0; i < GENERATIONS; i++)
        step_within(r->g[i].engine, 1);
    step_within(r->source.engine, 1);
    step_within(r->sink.engine, 1);
}

static void turns(rig *r, int n)
{
    while (n-- > 0)
        turn(r);
}

static void send_all(rig *r)
{
    char text[16] = {0};
    for (int i = 0; i < MESSAGES; i++) {
        text[0] = (char)('0' + i);
        assert_int_equal(sb_socket_send_bytes(r->source.sock, text, sizeof text), SB_OK);
    }
}

static int set_up(void **state)
{
    static rig r;
    memset(&r, 0, sizeof r);
    for (int i = 0; i < GENERATIONS; i++)
        r.g[i].box = (sb_mesh_box){.post = -1, .look = -1};
    *state = &r;
    return 0;
}

static int tear_down(void **state)
{
    rig *r = *state;
    for (int i = 0; i < GENERATIONS; i++)
        end(&r->g[i]);
    for (int i = 0; i < GENERATIONS; i++)
        sb_mesh_box_close(&r->g[i].box);
    sb_engine_destroy(r->source.engine);
    sb_engine_destroy(r->sink.engine);
    return 0;
}

/* A source that has sent all, to a generation whose consumers are not there. */
static void leave_work(rig *r)
{
    begin(r, 0, 0);
    join(&r->source, SB_PUSH, r->g[0].in);
    STEP_UNTIL(r, sb_socket_peers(r->g[0].in) == 1);
    send_all(r);
    turns(r, 20);
}

static void test_what_nobody_took_waits_at_the_successor(void **state)
{
    rig *r = *state;
    leave_work(r);
    begin(r, 1, 1);
    drain(&r->g[0]);
    STEP_UNTIL(r, r->g[0].drained);
    assert_int_equal(r->g[0].report.unsent_msgs, 0);
    end(&r->g[0]);
    join(&r->sink, SB_PULL, r->g[1].out);
    STEP_UNTIL(r, r->sink.n == MESSAGES);
    assert_int_equal(r->sink.last[0], '0' + MESSAGES - 1);
    STEP_UNTIL(r, sb_engine_find_socket(r->g[1].engine, "signalbox.heir.out") == NULL);
}

static void test_a_consumer_that_has_gone_to_the_successor_gets_what_is_left(void **state)
{
    rig *r = *state;
    leave_work(r);
    begin(r, 1, 1);
    join(&r->sink, SB_PULL, r->g[1].out);
    STEP_UNTIL(r, sb_socket_peers(r->g[1].out) == 1);
    assert_int_equal(r->sink.n, 0); /* the old one is not asked before its end */
    drain(&r->g[0]);
    STEP_UNTIL(r, r->g[0].drained);
    assert_int_equal(r->g[0].report.unsent_msgs, 0);
    STEP_UNTIL(r, r->sink.n == MESSAGES);
}

/* In order: nothing goes over the successor that has a direct way. */
static void test_a_consumer_that_stays_gets_everything_from_the_old_one(void **state)
{
    rig *r = *state;
    sb_stats stats;
    leave_work(r);
    join(&r->sink, SB_PULL, r->g[0].out);
    begin(r, 1, 1);
    STEP_UNTIL(r, sb_socket_peers(r->g[0].out) == 1);
    drain(&r->g[0]);
    send_all(r);
    STEP_UNTIL(r, r->g[0].drained && r->sink.n >= MESSAGES);
    sb_socket_stats(sb_engine_find_socket(r->g[1].engine, "signalbox.heir.out"), &stats);
    assert_int_equal(stats.msgs_in, 0);
}

static void test_generations_that_end_one_after_the_other_hand_on(void **state)
{
    rig *r = *state;
    leave_work(r);
    begin(r, 1, 1);
    drain(&r->g[0]);
    begin(r, 2, 2);
    drain(&r->g[1]);
    STEP_UNTIL(r, r->g[0].drained && r->g[1].drained);
    assert_int_equal(r->g[0].report.unsent_msgs + r->g[1].report.unsent_msgs, 0);
    join(&r->sink, SB_PULL, r->g[2].out);
    STEP_UNTIL(r, r->sink.n == MESSAGES);
}

/* Its successor has gone before it came. */
static void test_without_a_successor_it_is_told(void **state)
{
    rig *r = *state;
    leave_work(r);
    begin(r, 1, 1);
    end(&r->g[1]);
    r->g[0].drain.on_drained = on_drained;
    assert_int_equal(sb_engine_drain(r->g[0].engine, SB_NS_PER_S / 5, &r->g[0].drain), SB_OK);
    STEP_UNTIL(r, r->g[0].drained);
    assert_int_equal(r->g[0].report.unsent_msgs, 1);
    assert_int_equal(r->g[0].report.unread_peers, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_nobody_took_waits_at_the_successor),
        TEST(test_a_consumer_that_has_gone_to_the_successor_gets_what_is_left),
        TEST(test_a_consumer_that_stays_gets_everything_from_the_old_one),
        TEST(test_generations_that_end_one_after_the_other_hand_on),
        TEST(test_without_a_successor_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
