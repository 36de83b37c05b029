/* The heir: the next generation of workers takes what an older one has left to send.
 *
 * An engine that drains may hold messages for consumers that have gone to its successor already, or that are
 * nowhere at the moment. The successor comes to it over the mesh, as a consumer of those sockets that bind
 * and balance over whoever comes (PUSH, SCATTER), and gives what it gets to its own socket of that name: at
 * once when that one has somebody to give it to; else only when the old socket has nobody either, so that
 * nothing is overtaken which goes its way in order. One heir per engine. */
#ifndef SB_HEIR_H
#define SB_HEIR_H

#include "modules/library/mesh.h"
#include "modules/library/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SB_HEIR_OLD 8 /* generations that are looked after */

/* Whether sockets of the plan can leave something to an heir. */
bool sb_heir_wanted(sb_plan *plan);

typedef struct sb_heir sb_heir;

/* Serves the sockets that the engine has now to whoever comes next, and comes to the engines behind `posts`
 * (sb_mesh_box.post; at most SB_HEIR_OLD, the caller's, open until destroy) until they are gone. What it
 * receives waits at "signalbox.heir.NAME", a socket that exists as long as it may be needed. SB_ENOMEM and
 * what the mesh says; *out is to be destroyed then too. */
sb_err sb_heir_create(sb_engine *engine, sb_mesh *mesh, const int *posts, size_t n, sb_heir **out);
/* After the engine is destroyed: its sockets' handlers live in here. NULL is allowed. */
void sb_heir_destroy(sb_heir *heir);

#ifdef __cplusplus
}
#endif
#endif
