/* The mesh: connections between the processes that one master forked, without names that others could reach.
 *
 * Before forking, the master makes one box per process. Who wants to reach process N makes a pair of stream
 * sockets, keeps one end and posts the other into box N (SCM_RIGHTS) with the name it wants to talk to. The
 * owner of box N hands what it finds to the socket that is served under that name. From then on both ends
 * speak ZMTP: high water marks, drops, heartbeats and reconnecting are the engine's own. A process that is
 * started anew in the place of a crashed one takes over its box.
 *
 * Only who inherited a box can post into it or look into it: there is nothing to guess and nothing to list.
 */
#ifndef SB_MESH_H
#define SB_MESH_H

#include "engine/socket.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SB_MESH_PREFIX "ipc://@signalbox.mesh/" /* endpoints of the mesh: what to connect to */
#define SB_MESH_NAME   96                       /* longest name, with its NUL */
#define SB_MESH_USER   256                      /* longest user id, with its NUL */

/* Both ends non-blocking and close-on-exec: `post` is for everybody, `look` for the owner alone. A process
 * closes the `look` of the others, so that posting to a process that is gone for good fails at once. */
typedef struct sb_mesh_box {
    int post, look;
} sb_mesh_box;

/* SB_EMFILE and friends; then both ends are -1. */
sb_err sb_mesh_box_open(sb_mesh_box *box);
/* Idempotent. */
void sb_mesh_box_close(sb_mesh_box *box);

/* Makes a connection to whoever looks into the box and serves `name`; `from` is what it will see as the
 * address, `user` as the user id (NULL: none). Returns a descriptor that may be written to at once, or -1:
 * nobody looks, the box is full, no descriptors (errno tells). For sb_host.connect_fd. */
int sb_mesh_dial(int post, const char *name, const char *from, const char *user);

typedef struct sb_mesh sb_mesh;

/* Looks into a box from now on, on the engine's loop. The descriptor stays the caller's and open until
 * destroy. SB_ENOMEM. */
sb_err sb_mesh_create(sb_engine *engine, int look, sb_mesh **out);
/* Stops looking; connections made already live on. Before the engine is destroyed. NULL is allowed. */
void sb_mesh_destroy(sb_mesh *mesh);
/* Offers for `name` go to the socket of that name, which is looked up when they come. What nobody serves is
 * closed, and its dialer tries again. `speaks`: who comes speaks for others (sb_arrival). SB_ENOMEM,
 * SB_EEXIST, SB_ENAMETOOLONG. */
sb_err sb_mesh_serve(sb_mesh *mesh, const char *name, const char *socket, bool speaks);

/* Gateways of other processes that are connected to the engine's sockets now: those that dial as
 * SB_MESH_GATEWAY and their number. */
#define SB_MESH_GATEWAY "mesh://"
#define SB_MESH_MATE                                                                                         \
    "worker://" /* ... and mates of a team as this and their number, for names that begin so: */
#define SB_MESH_TEAM  "team/"
#define SB_MESH_REACH "reach/"
/* ... and the heir of an engine that drains, which wants what is left (SB_MESH_REST: if nobody else does). */
#define SB_MESH_NEXT "next://"
#define SB_MESH_HEIR "heir/"
#define SB_MESH_REST "rest/"
uint32_t sb_mesh_gateways(sb_engine *engine);

#ifdef __cplusplus
}
#endif
#endif
