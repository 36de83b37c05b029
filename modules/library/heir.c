/* The heir: consumers of what older generations have left. Before: the hosts. After: mesh.c, engine/team.h.
 */
#include "modules/library/heir.h"

#include "engine/team.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY     (20 * SB_NS_PER_MS)  /* while there is somebody to come to */
#define LOOK      (500 * SB_NS_PER_MS) /* ... and until what came is given on */
#define OLD       SB_MESH_PREFIX "old."
#define NAME_ROOM (SB_MESH_NAME + 64)

#define END_EVENTS                                                                                           \
    (SB_EVENT_DISCONNECTED | SB_EVENT_PEER_REFUSED | SB_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                   \
        SB_EVENT_HANDSHAKE_FAILED_PROTOCOL | SB_EVENT_HANDSHAKE_FAILED_AUTH)

typedef struct estate {
    sb_handler handler; /* of `in`: first member */
    sb_heir *heir;
    sb_socket *in; /* NULL: closed, or nobody to come to */
    bool linked[SB_HEIR_OLD];
    char name[SB_MESH_NAME]; /* of the script's socket: it may close it */
} estate;

struct sb_heir {
    sb_engine *engine;
    sb_timer timer;
    sb_err err; /* of the first estate that failed */
    size_t n, cap, nposts;
    int posts[SB_HEIR_OLD]; /* -1: gone */
    estate *estates;
};

/* ---- sockets that leave something ---- */

static bool see_bind(void *arg, const sb_endpoint_info *info)
{
    *(bool *)arg |= info->bind && strncmp(info->given, "inproc://", 9) != 0;
    return true;
}

static bool leaves(sb_socket *sock)
{
    bool binds = false;
    sb_type type = sb_socket_type(sock);
    if (type != SB_PUSH && type != SB_SCATTER)
        return false;
    if (strlen(sb_socket_name(sock)) + sizeof SB_MESH_HEIR > SB_MESH_NAME)
        return false;
    sb_socket_each_endpoint(sock, see_bind, &binds);
    return binds;
}

static bool see_socket(void *arg, sb_socket *sock)
{
    *(bool *)arg |= leaves(sock);
    return true;
}

bool sb_heir_wanted(sb_plan *plan)
{
    bool wanted = false;
    sb_engine_each_socket(sb_plan_engine(plan), see_socket, &wanted);
    return wanted;
}

/* ---- coming to the old ones ---- */

static bool is_gone(int errnum)
{
    return errnum == EPIPE || errnum == ECONNRESET || errnum == ECONNREFUSED;
}

static void come(estate *e, size_t old)
{
    sb_heir *heir = e->heir;
    char name[NAME_ROOM], endpoint[NAME_ROOM * 2];
    sb_socket *sock = sb_engine_find_socket(heir->engine, e->name);
    if (sock == NULL)
        return;
    snprintf(name, sizeof name, "%s%s", sb_socket_has_audience(sock) ? SB_MESH_HEIR : SB_MESH_REST, e->name);
    snprintf(endpoint, sizeof endpoint, OLD "%zu/%s", old, name);
    const sb_arrival link = {.endpoint = endpoint, .called = true};
    int fd = sb_mesh_dial(heir->posts[old], name, SB_MESH_NEXT, NULL);
    if (fd >= 0)
        e->linked[old] = sb_socket_adopt(e->in, fd, &link, NULL, 0) == SB_OK;
    else if (is_gone(errno))
        heir->posts[old] = -1;
}

static bool is_linked(const estate *e)
{
    bool linked = false;
    for (size_t i = 0; i < e->heir->nposts; i++)
        linked |= e->linked[i];
    return linked;
}

static bool has_old(const sb_heir *heir)
{
    for (size_t i = 0; i < heir->nposts; i++)
        if (heir->posts[i] >= 0)
            return true;
    return false;
}

/* Nobody comes any more, and all that came is given on. */
static bool is_settled(const estate *e)
{
    sb_stats stats;
    sb_socket_stats(e->in, &stats);
    return !has_old(e->heir) && !is_linked(e) && stats.queued_in_msgs == 0;
}

/* False: nothing more to do for it. */
static bool look_after(estate *e)
{
    for (size_t i = 0; e->in != NULL && i < e->heir->nposts; i++)
        if (e->heir->posts[i] >= 0 && !e->linked[i])
            come(e, i);
    if (e->in != NULL && is_settled(e))
        sb_socket_close(e->in);
    return e->in != NULL;
}

static void on_timer(sb_timer *timer)
{
    sb_heir *heir = (sb_heir *)((char *)timer - offsetof(sb_heir, timer));
    bool again = false;
    for (size_t i = 0; i < heir->n; i++)
        again |= look_after(&heir->estates[i]);
    uint64_t wait = has_old(heir) ? RETRY : LOOK;
    if (again)
        sb_timer_start(sb_engine_loop(heir->engine), timer, sb_engine_now(heir->engine) + wait);
}

/* ---- what comes ---- */

static sb_err on_msg(sb_handler *self, sb_socket *in, sb_peer *peer, sb_msg *msg)
{
    estate *e = (estate *)self;
    sb_socket *sock = sb_engine_find_socket(e->heir->engine, e->name);
    (void)in;
    return sock != NULL ? sb_socket_pass(sock, peer, msg) : SB_ECLOSED;
}

static void on_event(sb_handler *self, sb_socket *in, const sb_event *event)
{
    estate *e = (estate *)self;
    (void)in;
    if ((event->kind & END_EVENTS) == 0 || strncmp(event->endpoint, OLD, sizeof OLD - 1) != 0)
        return;
    unsigned long old = strtoul(event->endpoint + sizeof OLD - 1, NULL, 10);
    if (old < SB_HEIR_OLD)
        e->linked[old] = false;
}

static void on_closed(sb_handler *self, sb_socket *in)
{
    estate *e = (estate *)self;
    sb_heir *heir = e->heir;
    (void)in;
    e->in = NULL;
    for (size_t i = 0; i < heir->n; i++)
        if (heir->estates[i].in != NULL)
            return;
    sb_timer_stop(sb_engine_loop(heir->engine), &heir->timer);
}

/* ---- life ---- */

static void copy_limits(const sb_socket *from, sb_socket *to)
{
    static const sb_opt limits[][2] = {{SB_OPT_SNDHWM, SB_OPT_RCVHWM},
        {SB_OPT_SNDHWM_BYTES, SB_OPT_RCVHWM_BYTES}, {SB_OPT_MAXMSGSIZE, SB_OPT_MAXMSGSIZE},
        {SB_OPT_MAX_FRAMES, SB_OPT_MAX_FRAMES}, {SB_OPT_MAX_MESSAGE, SB_OPT_MAX_MESSAGE}};
    int64_t value;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (sb_socket_get_int(from, limits[i][0], &value) == SB_OK)
            sb_socket_set_int(to, limits[i][1], value, NULL, 0);
    sb_socket_set_int(to, SB_OPT_LINGER, 0, NULL, 0);
}

static sb_err open_in(estate *e, const sb_socket *sock)
{
    char name[NAME_ROOM];
    sb_type type = sb_socket_type(sock) == SB_PUSH ? SB_PULL : SB_GATHER;
    snprintf(name, sizeof name, "signalbox.heir.%s", e->name);
    sb_err err = sb_socket_create(e->heir->engine, type, name, &e->in);
    if (err != SB_OK)
        return err;
    copy_limits(sock, e->in);
    sb_socket_set_inside(e->in, SB_INSIDE);
    e->handler = (sb_handler){.on_msg = on_msg, .on_event = on_event, .on_closed = on_closed};
    sb_socket_set_handler(e->in, &e->handler);
    return SB_OK;
}

static sb_err serve(sb_mesh *mesh, const char *kind, const char *socket)
{
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%s%s", kind, socket);
    return sb_mesh_serve(mesh, name, socket, false);
}

static bool note_socket(void *arg, sb_socket *sock)
{
    sb_heir *heir = arg;
    if (!leaves(sock) || heir->n == heir->cap)
        return true;
    estate *e = &heir->estates[heir->n++];
    e->heir = heir;
    strcpy(e->name, sb_socket_name(sock));
    return true;
}

static sb_err open_estate(estate *e, sb_mesh *mesh)
{
    sb_err err = serve(mesh, SB_MESH_HEIR, e->name);
    if (err == SB_OK)
        err = serve(mesh, SB_MESH_REST, e->name);
    if (err != SB_OK || e->heir->nposts == 0)
        return err;
    return open_in(e, sb_engine_find_socket(e->heir->engine, e->name));
}

sb_err sb_heir_create(sb_engine *engine, sb_mesh *mesh, const int *posts, size_t n, sb_heir **out)
{
    sb_heir *heir = *out = calloc(1, sizeof *heir);
    if (heir == NULL)
        return SB_ENOMEM;
    heir->engine = engine;
    sb_timer_init(&heir->timer, on_timer);
    heir->nposts = n < SB_HEIR_OLD ? n : SB_HEIR_OLD;
    for (size_t i = 0; i < heir->nposts; i++)
        heir->posts[i] = posts[i];
    heir->cap = sb_engine_sockets(engine);
    heir->estates = calloc(heir->cap + 1, sizeof *heir->estates);
    if (heir->estates == NULL)
        return SB_ENOMEM;
    sb_engine_each_socket(engine, note_socket, heir);
    for (size_t i = 0; heir->err == SB_OK && i < heir->n; i++)
        heir->err = open_estate(&heir->estates[i], mesh);
    if (heir->err == SB_OK && heir->n > 0 && n > 0)
        heir->err = sb_timer_start(sb_engine_loop(engine), &heir->timer, sb_engine_now(engine) + RETRY);
    return heir->err;
}

void sb_heir_destroy(sb_heir *heir)
{
    if (heir != NULL)
        free(heir->estates);
    free(heir);
}
