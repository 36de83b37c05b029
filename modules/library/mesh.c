/* The mesh: offers of connections through a box of descriptors. Before: hosts that fork. After:
 * engine/socket (sb_socket_adopt). */
#include "modules/library/mesh.h"

#include "engine/base/map.h"
#include "engine/team.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OFFERS_PER_TURN 64

/* What travels with the descriptor. */
typedef struct offer {
    char name[SB_MESH_NAME];
    char from[SB_MESH_NAME];
    char user[SB_MESH_USER];
} offer;

typedef union rights {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
} rights;

struct sb_mesh {
    sb_engine *engine;
    sb_watch watch;
    sb_map served; /* name -> served */
};

typedef struct served {
    bool speaks;
    char socket[];
} served;

/* ---- boxes ---- */

sb_err sb_mesh_box_open(sb_mesh_box *box)
{
    int fd[2];
    *box = (sb_mesh_box){.post = -1, .look = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0)
        return sb_err_from_errno(errno);
    *box = (sb_mesh_box){.post = fd[0], .look = fd[1]};
    return SB_OK;
}

void sb_mesh_box_close(sb_mesh_box *box)
{
    if (box->post >= 0)
        close(box->post);
    if (box->look >= 0)
        close(box->look);
    *box = (sb_mesh_box){.post = -1, .look = -1};
}

/* ---- dialing ---- */

static bool post_offer(int post, offer *o, int fd)
{
    rights r;
    struct iovec iov = {.iov_base = o, .iov_len = sizeof *o};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    memset(&r, 0, sizeof r);
    msg.msg_control = r.space;
    msg.msg_controllen = sizeof r.space;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(post, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof *o;
}

int sb_mesh_dial(int post, const char *name, const char *from, const char *user)
{
    int fd[2];
    offer o;
    memset(&o, 0, sizeof o);
    if (strlen(name) >= sizeof o.name || strlen(from) >= sizeof o.from ||
        (user != NULL && strlen(user) >= sizeof o.user)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0)
        return -1;
    strcpy(o.name, name);
    strcpy(o.from, from);
    strcpy(o.user, user != NULL ? user : "");
    bool posted = post_offer(post, &o, fd[1]);
    int why = errno;
    close(fd[1]);
    if (posted)
        return fd[0];
    close(fd[0]);
    errno = why;
    return -1;
}

/* ---- looking ---- */

static int take_fd(struct msghdr *msg)
{
    int fd = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

/* -1: nothing there; 0: an offer without a descriptor (there were none left); 1: *fd is ours. */
static int next_offer(int look, offer *o, int *fd)
{
    rights r;
    struct iovec iov = {.iov_base = o, .iov_len = sizeof *o};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    msg.msg_control = r.space;
    msg.msg_controllen = sizeof r.space;
    ssize_t n = recvmsg(look, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n <= 0)
        return -1;
    *fd = take_fd(&msg);
    o->name[sizeof o->name - 1] = o->from[sizeof o->from - 1] = o->user[sizeof o->user - 1] = '\0';
    return *fd >= 0 && n == (ssize_t)sizeof *o;
}

/* Links are told apart by the name they ask for; nobody else serves such names (team.c, heir.c). */
typedef struct kind {
    const char *prefix;
    sb_inside inside;
    const char *endpoint;
    bool only; /* where nobody else is */
} kind;

static const kind kinds[] = {
    {SB_MESH_TEAM, SB_INSIDE, SB_MESH_MATE, false},
    {SB_MESH_REACH, SB_INSIDE_REACH, SB_MESH_MATE, false},
    {SB_MESH_HEIR, SB_INSIDE_HEIR, SB_MESH_NEXT, false},
    {SB_MESH_REST, SB_INSIDE_HEIR, SB_MESH_NEXT, true},
    {"", SB_OUTSIDE, SB_MESH_GATEWAY, false},
};

static const kind *kind_of(const char *name)
{
    const kind *k = kinds;
    while (strncmp(name, k->prefix, strlen(k->prefix)) != 0)
        k++;
    return k;
}

static void accept_offer(sb_mesh *mesh, const offer *o, int fd)
{
    const served *s = sb_map_get(&mesh->served, o->name, strlen(o->name));
    sb_socket *sock = s != NULL ? sb_engine_find_socket(mesh->engine, s->socket) : NULL;
    const kind *k = kind_of(o->name);
    const sb_arrival arrival = {
        .inside = (uint8_t)k->inside,
        .endpoint = k->endpoint,
        .address = o->from,
        .user_id = o->user,
        .speaks = s != NULL && s->speaks,
    };
    if (sock != NULL && (!k->only || sb_socket_peers(sock) == 0))
        sb_socket_adopt(sock, fd, &arrival, NULL, 0);
    else
        close(fd);
}

static void on_ready(sb_watch *w, bool readable, bool writable)
{
    sb_mesh *mesh = (sb_mesh *)((char *)w - offsetof(sb_mesh, watch));
    (void)readable, (void)writable;
    for (int i = 0; i < OFFERS_PER_TURN; i++) {
        offer o;
        int fd = -1, got = next_offer(w->fd, &o, &fd);
        if (got < 0)
            return;
        if (got > 0)
            accept_offer(mesh, &o, fd);
        else if (fd >= 0)
            close(fd);
    }
}

sb_err sb_mesh_create(sb_engine *engine, int look, sb_mesh **out)
{
    sb_mesh *mesh = calloc(1, sizeof *mesh);
    if (mesh == NULL)
        return SB_ENOMEM;
    mesh->engine = engine;
    mesh->watch.fd = look;
    mesh->watch.on_ready = on_ready;
    sb_map_init(&mesh->served);
    sb_err err = sb_watch_start(sb_engine_loop(engine), &mesh->watch, true, false);
    if (err != SB_OK) {
        free(mesh);
        return err;
    }
    *out = mesh;
    return SB_OK;
}

void sb_mesh_destroy(sb_mesh *mesh)
{
    if (mesh == NULL)
        return;
    sb_watch_stop(sb_engine_loop(mesh->engine), &mesh->watch);
    size_t pos = 0;
    for (sb_map_entry *e; (e = sb_map_next(&mesh->served, &pos)) != NULL;)
        free(e->value);
    sb_map_finish(&mesh->served);
    free(mesh);
}

sb_err sb_mesh_serve(sb_mesh *mesh, const char *name, const char *socket, bool speaks)
{
    size_t len = strlen(name);
    if (len >= SB_MESH_NAME)
        return SB_ENAMETOOLONG;
    served *s = malloc(sizeof *s + strlen(socket) + 1);
    sb_err err = s != NULL ? sb_map_add(&mesh->served, name, len, s) : SB_ENOMEM;
    if (err != SB_OK) {
        free(s);
        return err;
    }
    s->speaks = speaks;
    strcpy(s->socket, socket);
    return err;
}

static bool count_gateway(void *arg, sb_peer *peer)
{
    uint32_t *n = arg;
    *n += strncmp(sb_peer_address(peer), SB_MESH_GATEWAY, sizeof SB_MESH_GATEWAY - 1) == 0;
    return true;
}

static bool count_socket(void *arg, sb_socket *sock)
{
    sb_socket_each_peer(sock, count_gateway, arg);
    return true;
}

uint32_t sb_mesh_gateways(sb_engine *engine)
{
    uint32_t n = 0;
    sb_engine_each_socket(engine, count_socket, &n);
    return n;
}
