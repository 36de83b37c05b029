/* The mesh: two engines that share a box, as two forked processes would. */
#include "engine/signalbox.h"
#include "modules/library/mesh.h"
#include "tests/unit/library/step.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define STEPS 4000 /* of at most 5 ms */

typedef struct rig {
    sb_host host; /* first member: the dialing engine's */
    sb_mesh_box box;
    sb_engine *client, *server;
    sb_mesh *mesh;
    sb_socket *dealer, *router;
    sb_handler echo, take;
    char got[64], address[64];
    int replies;
} rig;

static int connect_fd(sb_host *self, const char *endpoint)
{
    rig *r = (rig *)self;
    size_t n = strlen(SB_MESH_PREFIX);
    if (strncmp(endpoint, SB_MESH_PREFIX, n) != 0)
        return SB_HOST_NOT_MINE;
    int fd = sb_mesh_dial(r->box.post, endpoint + n, "mesh://1", "CN=somebody");
    return fd >= 0 ? fd : SB_HOST_LATER;
}

static sb_err echo(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    rig *r = (rig *)((char *)self - offsetof(rig, echo));
    snprintf(r->address, sizeof r->address, "%s %s", sb_peer_address(peer), sb_peer_user_id(peer));
    return sb_socket_send(sock, msg);
}

static sb_err take(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    rig *r = (rig *)((char *)self - offsetof(rig, take));
    (void)sock, (void)peer;
    memcpy(r->got, sb_msg_frame(msg, 0)->data, sb_msg_frame(msg, 0)->len);
    r->replies++;
    return SB_OK;
}

static void start_server(rig *r)
{
    const sb_engine_config cfg = {.backend = "auto"};
    assert_int_equal(sb_engine_create(&cfg, NULL, 0, &r->server), SB_OK);
    assert_int_equal(sb_socket_create(r->server, SB_ROUTER, "front", &r->router), SB_OK);
    sb_socket_set_handler(r->router, &r->echo);
    assert_int_equal(sb_mesh_create(r->server, r->box.look, &r->mesh), SB_OK);
    assert_int_equal(sb_mesh_serve(r->mesh, "front", "front", false), SB_OK);
    assert_int_equal(sb_mesh_serve(r->mesh, "front", "front", false), SB_EEXIST);
}

static void stop_server(rig *r)
{
    sb_mesh_destroy(r->mesh);
    sb_engine_destroy(r->server);
    r->mesh = NULL;
    r->server = NULL;
}

static void start_client(rig *r)
{
    const sb_engine_config cfg = {.backend = "auto", .host = &r->host};
    assert_int_equal(sb_engine_create(&cfg, NULL, 0, &r->client), SB_OK);
    assert_int_equal(sb_socket_create(r->client, SB_DEALER, "out", &r->dealer), SB_OK);
    sb_socket_set_handler(r->dealer, &r->take);
    assert_int_equal(sb_socket_set_int(r->dealer, SB_OPT_RECONNECT_IVL, 10, NULL, 0), SB_OK);
    assert_int_equal(sb_socket_connect(r->dealer, SB_MESH_PREFIX "front", NULL, 0), SB_OK);
}

static int set_up(void **state)
{
    static rig r;
    memset(&r, 0, sizeof r);
    r.host.connect_fd = connect_fd;
    r.echo.on_msg = echo;
    r.take.on_msg = take;
    assert_int_equal(sb_mesh_box_open(&r.box), SB_OK);
    *state = &r;
    return 0;
}

static int tear_down(void **state)
{
    rig *r = *state;
    stop_server(r);
    sb_engine_destroy(r->client);
    sb_mesh_box_close(&r->box);
    return 0;
}

static void step_until(rig *r, int replies)
{
    for (int i = 0; i < STEPS && r->replies < replies; i++) {
        step_within(r->client, 5);
        step_within(r->server, 5);
    }
    assert_int_equal(r->replies, replies);
}

static void test_a_message_goes_through_and_back(void **state)
{
    rig *r = *state;
    start_server(r);
    start_client(r);
    assert_int_equal(sb_socket_send_bytes(r->dealer, "hello", 5), SB_OK);
    step_until(r, 1);
    assert_string_equal(r->got, "hello");
    assert_string_equal(r->address, "mesh://1 CN=somebody");
}

static void test_what_is_posted_before_the_owner_looks_waits_for_it(void **state)
{
    rig *r = *state;
    start_client(r);
    assert_int_equal(sb_socket_send_bytes(r->dealer, "early", 5), SB_OK);
    for (int i = 0; i < 5; i++)
        step_within(r->client, 5);
    start_server(r);
    step_until(r, 1);
    assert_string_equal(r->got, "early");
}

static void test_a_new_owner_takes_over_the_box(void **state)
{
    rig *r = *state;
    start_server(r);
    start_client(r);
    assert_int_equal(sb_socket_send_bytes(r->dealer, "one", 3), SB_OK);
    step_until(r, 1);
    stop_server(r);
    for (int i = 0; i < 20; i++)
        step_within(r->client, 5);
    start_server(r);
    assert_int_equal(sb_socket_send_bytes(r->dealer, "two", 3), SB_OK);
    step_until(r, 2);
    assert_string_equal(r->got, "two");
}

static void test_an_unknown_name_is_closed_and_tried_again(void **state)
{
    rig *r = *state;
    start_server(r);
    int fd = sb_mesh_dial(r->box.post, "nobody", "mesh://1", NULL);
    char c;
    assert_true(fd >= 0);
    for (int i = 0; i < STEPS && read(fd, &c, 1) != 0; i++)
        step_within(r->server, 5);
    assert_int_equal(read(fd, &c, 1), 0);
    close(fd);
    start_client(r);
}

static void test_posting_where_nobody_can_look_fails_at_once(void **state)
{
    rig *r = *state;
    close(r->box.look);
    r->box.look = -1;
    assert_int_equal(sb_mesh_dial(r->box.post, "front", "mesh://1", NULL), -1);
}

static void test_a_full_box_says_so(void **state)
{
    rig *r = *state;
    int fd[1024], n = 0;
    while (n < 1024 && (fd[n] = sb_mesh_dial(r->box.post, "front", "mesh://1", NULL)) >= 0)
        n++;
    assert_in_range(n, 1, 1023);
    while (n > 0)
        close(fd[--n]);
}

static void test_names_have_a_limit(void **state)
{
    rig *r = *state;
    char name[200];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(sb_mesh_dial(r->box.post, name, "", NULL), -1);
    start_server(r);
    assert_int_equal(sb_mesh_serve(r->mesh, name, "front", false), SB_ENAMETOOLONG);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_message_goes_through_and_back),
        TEST(test_what_is_posted_before_the_owner_looks_waits_for_it),
        TEST(test_a_new_owner_takes_over_the_box),
        TEST(test_an_unknown_name_is_closed_and_tried_again),
        TEST(test_posting_where_nobody_can_look_fails_at_once),
        TEST(test_a_full_box_says_so),
        TEST(test_names_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
