/* The team: the same scripts in several workers, whose sockets of one name are one socket to everybody
 * outside. Each worker has links to its mates over the mesh; docs/workers.md says what goes over them.
 *
 * Knows the mesh and the public side of sockets. One team per engine. */
#ifndef SB_TEAM_HOST_H
#define SB_TEAM_HOST_H

#include "modules/library/mesh.h"
#include "modules/library/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SB_TEAM_WORKERS 64 /* that one team may have */

/* Whether what the scripts of a plan declare can be one socket over several workers; else one line in err:
 * which socket, why not, what would be right. SB_ENOTSUP. */
sb_err sb_team_check(sb_plan *plan, char *err, size_t cap);

typedef struct sb_team_host sb_team_host;

/* Joins all sockets that the engine has now to those of the mates, and goes on doing so: a mate that comes
 * back is joined again. `host` and `mesh` live as long as the engine. SB_ENOMEM and what mesh and sockets
 * say. */
sb_err sb_team_create(sb_engine *engine, sb_host *host, sb_mesh *mesh, sb_team_host **out);
/* After the engine is destroyed: its sockets' handlers live in here. NULL is allowed. */
void sb_team_destroy(sb_team_host *team);

#ifdef __cplusplus
}
#endif
#endif
