/* Teams: engines in one process that are linked as workers would be, over boxes, on the machine's own loop.
 */
#include "engine/team.h"

#include "engine/signalbox.h"
#include "modules/library/team.h"
#include "tests/unit/library/step.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORKERS 3
#define STEPS   4000 /* of at most 1 ms for each engine */
#define LOG     256

struct rig;

typedef struct worker {
    sb_host host; /* first member */
    struct rig *rig;
    uint32_t me;
    sb_engine *engine;
    sb_mesh *mesh;
    sb_team_host *team;
    sb_socket *sock;
} worker;

/* A peer from outside, in an engine of its own; what it got. */
typedef struct client {
    sb_handler handler; /* first member */
    sb_engine *engine;
    sb_socket *sock;
    bool stops; /* reads nothing */
    char got[LOG];
    int n;
} client;

typedef struct rig {
    sb_mesh_box boxes[WORKERS];
    worker workers[WORKERS];
    client clients[WORKERS];
    sb_type type;
} rig;

static int connect_fd(sb_host *self, const char *endpoint)
{
    worker *w = (worker *)self;
    size_t n = strlen(SB_MESH_PREFIX);
    char *slash, from[32];
    if (strncmp(endpoint, SB_MESH_PREFIX, n) != 0)
        return SB_HOST_NOT_MINE;
    unsigned long to = strtoul(endpoint + n, &slash, 10);
    snprintf(from, sizeof from, "worker://%u", (unsigned)w->me);
    int fd = to < WORKERS ? sb_mesh_dial(w->rig->boxes[to].post, slash + 1, from, NULL) : -1;
    return fd >= 0 ? fd : SB_HOST_LATER;
}

static void start(rig *r, uint32_t me)
{
    worker *w = &r->workers[me];
    w->host.connect_fd = connect_fd;
    w->rig = r;
    w->me = me;
    const sb_engine_config cfg = {.backend = "auto", .host = &w->host, .worker = me, .workers = WORKERS};
    assert_int_equal(sb_engine_create(&cfg, NULL, 0, &w->engine), SB_OK);
    assert_int_equal(sb_socket_create(w->engine, r->type, "s", &w->sock), SB_OK);
    assert_int_equal(sb_socket_set_int(w->sock, SB_OPT_SNDHWM, 100, NULL, 0), SB_OK);
    assert_int_equal(sb_socket_bind(w->sock, "tcp://127.0.0.1:*", NULL, 0), SB_OK);
    assert_int_equal(sb_mesh_create(w->engine, r->boxes[me].look, &w->mesh), SB_OK);
    assert_int_equal(sb_team_create(w->engine, &w->host, w->mesh, &w->team), SB_OK);
}

/* As a crash would: nothing is told to anybody. */
static void stop(rig *r, uint32_t me)
{
    worker *w = &r->workers[me];
    sb_mesh_destroy(w->mesh);
    sb_engine_destroy(w->engine);
    sb_team_destroy(w->team);
    memset(w, 0, sizeof *w);
}

static sb_err on_msg(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    client *c = (client *)self;
    const sb_frame *last = sb_msg_frame(msg, msg->n - 1);
    (void)sock, (void)peer;
    if (c->stops)
        return SB_EAGAIN;
    c->n++;
    size_t at = strlen(c->got);
    snprintf(c->got + at, sizeof c->got - at, "%.*s ", (int)last->len, (const char *)last->data);
    return SB_OK;
}

static client *join(rig *r, uint32_t worker, sb_type type, const char *name)
{
    client *c = &r->clients[worker];
    c->handler.on_msg = on_msg;
    assert_int_equal(sb_engine_create(NULL, NULL, 0, &c->engine), SB_OK);
    assert_int_equal(sb_socket_create(c->engine, type, NULL, &c->sock), SB_OK);
    sb_socket_set_handler(c->sock, &c->handler);
    if (name != NULL)
        assert_int_equal(sb_socket_set_bytes(c->sock, SB_OPT_ROUTING_ID, name, strlen(name), NULL, 0), SB_OK);
    if (type == SB_SUB)
        assert_int_equal(sb_socket_subscribe(c->sock, "", 0), SB_OK);
    const char *at = sb_socket_last_endpoint(r->workers[worker].sock);
    assert_int_equal(sb_socket_connect(c->sock, at, NULL, 0), SB_OK);
    return c;
}

static void leave(client *c)
{
    sb_engine_destroy(c->engine);
    c->engine = NULL;
}

static void turn(rig *r)
{
    for (uint32_t i = 0; i < WORKERS; i++) {
        step_within(r->workers[i].engine, 1);
        step_within(r->clients[i].engine, 1);
    }
}

static void turns(rig *r, int n)
{
    while (n-- > 0)
        turn(r);
}

static bool count_inside(void *arg, sb_peer *peer)
{
    *(int *)arg += sb_peer_is_inside(peer) && sb_peer_get_info(peer) != NULL;
    return true;
}

/* Links of mates that are ready. */
static int links(rig *r, uint32_t worker, const char *socket)
{
    int n = 0;
    sb_socket *sock = sb_engine_find_socket(r->workers[worker].engine, socket);
    sb_socket_each_peer(sock, count_inside, &n);
    return n;
}

static int open_team(rig *r, sb_type type)
{
    r->type = type;
    for (uint32_t i = 0; i < WORKERS; i++)
        start(r, i);
    return 0;
}

static int set_up(void **state)
{
    static rig r;
    memset(&r, 0, sizeof r);
    for (uint32_t i = 0; i < WORKERS; i++)
        assert_int_equal(sb_mesh_box_open(&r.boxes[i]), SB_OK);
    *state = &r;
    return 0;
}

static int tear_down(void **state)
{
    rig *r = *state;
    for (uint32_t i = 0; i < WORKERS; i++) {
        sb_engine_destroy(r->clients[i].engine);
        stop(r, i);
        sb_mesh_box_close(&r->boxes[i]);
    }
    return 0;
}

/* ---- publishers ---- */

static void publish(rig *r, uint32_t worker, const char *text)
{
    assert_int_equal(sb_socket_send_bytes(r->workers[worker].sock, text, strlen(text)), SB_OK);
}

static void test_what_is_published_goes_to_each_worker_once_and_not_back(void **state)
{
    rig *r = *state;
    open_team(r, SB_PUB);
    client *a = join(r, 0, SB_SUB, NULL), *b = join(r, 1, SB_SUB, NULL);
    STEP_UNTIL(r, links(r, 2, "s") == 2 && sb_socket_has_audience(r->workers[2].sock));
    turns(r, 20);
    publish(r, 2, "1");
    publish(r, 0, "2");
    STEP_UNTIL(r, a->n == 2 && b->n == 2);
    turns(r, 20);
    assert_int_equal(a->n, 2);
    assert_int_equal(b->n, 2);
}

static void test_a_mate_without_subscribers_gets_nothing(void **state)
{
    rig *r = *state;
    open_team(r, SB_PUB);
    client *a = join(r, 0, SB_SUB, NULL);
    STEP_UNTIL(r, links(r, 2, "s") == 2 && sb_socket_has_audience(r->workers[2].sock));
    publish(r, 2, "x");
    STEP_UNTIL(r, a->n == 1);
    sb_stats stats;
    sb_socket_stats(sb_engine_find_socket(r->workers[1].engine, "signalbox.team.s"), &stats);
    assert_int_equal(stats.msgs_in, 0);
    leave(a);
    STEP_UNTIL(
        r, !sb_socket_has_audience(r->workers[2].sock)); /* the subscription went with the last of them */
}

static void test_mates_are_no_peers(void **state)
{
    rig *r = *state;
    open_team(r, SB_PUB);
    STEP_UNTIL(r, links(r, 0, "s") == 2);
    assert_int_equal(sb_socket_peers(r->workers[0].sock), 0);
    assert_false(sb_socket_has_audience(r->workers[0].sock));
}

/* ---- those who take turns ---- */

static void test_turns_go_round_over_all_workers(void **state)
{
    rig *r = *state;
    open_team(r, SB_PUSH);
    for (uint32_t i = 0; i < WORKERS; i++)
        join(r, i, SB_PULL, NULL);
    for (uint32_t i = 0; i < WORKERS; i++)
        STEP_UNTIL(r, links(r, i, "s") == 2 && sb_socket_peers(r->workers[i].sock) == 1);
    for (int i = 0; i < 30; i++)
        publish(r, 0, "w");
    STEP_UNTIL(r, r->clients[0].n + r->clients[1].n + r->clients[2].n == 30);
    for (uint32_t i = 0; i < WORKERS; i++)
        assert_int_equal(r->clients[i].n, 10);
}

static void test_a_worker_without_peers_is_not_sent_to_and_finds_those_of_others(void **state)
{
    rig *r = *state;
    open_team(r, SB_PUSH);
    client *c = join(r, 1, SB_PULL, NULL);
    STEP_UNTIL(r, links(r, 0, "s") == 1 && links(r, 2, "s") == 1);
    assert_int_equal(links(r, 1, "s"), 0);
    publish(r, 0, "a");
    publish(r, 2, "b");
    STEP_UNTIL(r, c->n == 2);
    leave(c);
    STEP_UNTIL(r, links(r, 0, "s") == 0);
    assert_int_equal(sb_socket_send_bytes(r->workers[0].sock, "c", 1), SB_EAGAIN);
}

/* What a link had not taken when its mate went goes to others: also to one that comes only later. */
static void test_what_waits_for_a_mate_that_crashes_goes_to_others(void **state)
{
    rig *r = *state;
    sb_stats stats;
    static char big[64 << 10]; /* the kernel takes a few */
    open_team(r, SB_PUSH);
    join(r, 1, SB_PULL, NULL);
    STEP_UNTIL(r, links(r, 0, "s") == 1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(sb_socket_send_bytes(r->workers[0].sock, big, sizeof big), SB_OK);
    assert_int_equal(sb_socket_send_bytes(r->workers[0].sock, big, sizeof big), SB_EAGAIN);
    stop(r, 1);
    leave(&r->clients[1]);
    STEP_UNTIL(r, links(r, 0, "s") == 0);
    sb_socket_stats(r->workers[0].sock, &stats);
    int lost = (int)(stats.dropped[SB_DROP_LOST] + stats.msgs_out);
    assert_in_range(lost, 1, 50);
    client *c = join(r, 0, SB_PULL, NULL);
    STEP_UNTIL(r, c->n == 100 - lost);
}

static void test_a_mate_that_has_no_peer_any_more_hands_on_what_was_under_way(void **state)
{
    rig *r = *state;
    sb_stats stats;
    open_team(r, SB_PUSH);
    client *b = join(r, 1, SB_PULL, NULL);
    STEP_UNTIL(r, links(r, 0, "s") == 1);
    client *c = join(r, 2, SB_PULL, NULL);
    STEP_UNTIL(r, links(r, 0, "s") == 2 && links(r, 1, "s") == 1);
    for (int i = 0; i < 20; i++)
        publish(r, 0, "w");
    step_within(r->workers[0].engine, 1); /* on the way to both */
    leave(b);
    STEP_UNTIL(r, links(r, 0, "s") == 1);
    turns(r, 50);
    sb_socket_stats(r->workers[1].sock, &stats); /* what it had given to its peer is its peer's */
    assert_in_range(c->n, 10, 20);
    assert_in_range(stats.msgs_out + stats.dropped[SB_DROP_LOST] + (uint64_t)c->n, 20, 30);
}

/* ---- routing ids ---- */

static sb_err send_to(rig *r, uint32_t worker, const char *id, const char *text)
{
    sb_msg msg;
    sb_msg_init(&msg);
    sb_msg_push(&msg, id, strlen(id), NULL);
    sb_msg_push(&msg, text, strlen(text), NULL);
    sb_err err = sb_socket_send(r->workers[worker].sock, &msg);
    sb_msg_finish(&msg);
    return err;
}

static void test_a_routing_id_is_found_in_any_worker(void **state)
{
    rig *r = *state;
    open_team(r, SB_ROUTER);
    for (uint32_t i = 0; i < WORKERS; i++)
        sb_socket_set_int(r->workers[i].sock, SB_OPT_ROUTER_MANDATORY, 1, NULL, 0);
    client *a = join(r, 1, SB_DEALER, "ab"), *b = join(r, 2, SB_DEALER, "abc");
    STEP_UNTIL(r, send_to(r, 0, "ab", "1") == SB_OK);
    STEP_UNTIL(r, send_to(r, 0, "abc", "2") == SB_OK);
    STEP_UNTIL(r, send_to(r, 1, "abc", "3") == SB_OK);
    STEP_UNTIL(r, a->n == 1 && b->n == 2);
    turns(r, 20);
    assert_string_equal(a->got, "1 "); /* "ab" is the beginning of "abc" */
    assert_string_equal(b->got, "2 3 ");
    assert_int_equal(send_to(r, 0, "a", "x"), SB_EHOSTUNREACH);
    leave(b);
    STEP_UNTIL(r, send_to(r, 0, "abc", "x") == SB_EHOSTUNREACH);
}

static void test_routing_ids_are_told_to_a_worker_that_comes_back(void **state)
{
    rig *r = *state;
    open_team(r, SB_ROUTER);
    client *a = join(r, 1, SB_DEALER, "ab");
    sb_socket_set_int(r->workers[0].sock, SB_OPT_ROUTER_MANDATORY, 1, NULL, 0);
    STEP_UNTIL(r, send_to(r, 0, "ab", "1") == SB_OK);
    STEP_UNTIL(r, a->n == 1);
    stop(r, 0);
    turns(r, 50);
    start(r, 0);
    sb_socket_set_int(r->workers[0].sock, SB_OPT_ROUTER_MANDATORY, 1, NULL, 0);
    STEP_UNTIL(r, send_to(r, 0, "ab", "2") == SB_OK);
    STEP_UNTIL(r, a->n == 2);
}

/* ---- from outside ---- */

/* Who says the same words but comes to a bind is a peer like any other. */
static void test_nobody_is_a_mate_by_what_he_says(void **state)
{
    rig *r = *state;
    open_team(r, SB_PUSH);
    client *c = join(r, 0, SB_PULL, NULL);
    STEP_UNTIL(r, sb_socket_peers(r->workers[0].sock) == 1);
    int n = 0;
    sb_socket_each_peer(r->workers[0].sock, count_inside, &n);
    assert_int_equal(n, 0);
    assert_int_equal(sb_socket_connect(c->sock, "ipc://@signalbox.mesh/0/team/s", NULL, 0), SB_OK);
    turns(r, 50);
    assert_int_equal(sb_socket_peers(c->sock), 1);
}

/* All end together: what is under way between them arrives first. */
typedef struct ending {
    sb_drain drain; /* first member */
    sb_drain_report report;
    bool done;
} ending;

static void on_drained(sb_drain *self, const sb_drain_report *report)
{
    ending *e = (ending *)self;
    e->report = *report;
    e->done = true;
}

static void test_workers_that_drain_together_take_what_the_others_have_for_them(void **state)
{
    rig *r = *state;
    ending ends[WORKERS] = {0};
    open_team(r, SB_PUSH);
    client *c = join(r, 1, SB_PULL, NULL);
    STEP_UNTIL(r, links(r, 0, "s") == 1);
    for (int i = 0; i < 90; i++)
        publish(r, 0, "w");
    for (uint32_t i = 0; i < WORKERS; i++) {
        ends[i].drain.on_drained = on_drained;
        assert_int_equal(sb_engine_drain(r->workers[i].engine, 10 * SB_NS_PER_S, &ends[i].drain), SB_OK);
    }
    STEP_UNTIL(r, ends[0].done && ends[1].done && ends[2].done);
    STEP_UNTIL(r, c->n == 90);
    for (uint32_t i = 0; i < WORKERS; i++)
        assert_int_equal(ends[i].report.unsent_msgs, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_published_goes_to_each_worker_once_and_not_back),
        TEST(test_a_mate_without_subscribers_gets_nothing),
        TEST(test_mates_are_no_peers),
        TEST(test_turns_go_round_over_all_workers),
        TEST(test_a_worker_without_peers_is_not_sent_to_and_finds_those_of_others),
        TEST(test_what_waits_for_a_mate_that_crashes_goes_to_others),
        TEST(test_a_mate_that_has_no_peer_any_more_hands_on_what_was_under_way),
        TEST(test_a_routing_id_is_found_in_any_worker),
        TEST(test_routing_ids_are_told_to_a_worker_that_comes_back),
        TEST(test_nobody_is_a_mate_by_what_he_says),
        TEST(test_workers_that_drain_together_take_what_the_others_have_for_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
