/* Signalbox in nginx: the mesh of a configuration's workers (modules/library/mesh.h says what a mesh is).
 *
 * The master makes one box per worker before it forks; the boxes belong to the cycle, and a respawned worker
 * finds the box of its number. Workers of different configurations do not meet, but for one thing: the new
 * ones take what the old ones have left (modules/library/heir.h). Endpoints of the mesh are SB_MESH_PREFIX
 * "<number of the worker>/<name>". */
#ifndef NGX_SIGNALBOX_MESH_H
#define NGX_SIGNALBOX_MESH_H

#include "ngx_signalbox_module.h"

#pragma GCC visibility push(hidden)

/* In the master, once the number of workers is known. The boxes are closed with the cycle's pool. Errors are
 * logged at emerg. */
ngx_int_t ngx_signalbox_mesh_open(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf, ngx_uint_t workers);
/* In the master: ways into the boxes of those workers with scripts that may still be there. */
ngx_int_t ngx_signalbox_mesh_inherit(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf);
/* In a worker: only its own box is looked into. */
void ngx_signalbox_mesh_take(ngx_signalbox_conf_t *conf, ngx_uint_t me);
/* In a worker with scripts, when its engine is there: looks into its box. */
ngx_int_t ngx_signalbox_mesh_start(ngx_signalbox_worker_t *w);
/* In a worker that quits, when its engine has ended: nobody need try to reach it any more. */
void ngx_signalbox_mesh_leave(ngx_signalbox_conf_t *conf);
/* Last: what older workers leave comes to its sockets, and with `worker all` they become one with
 * those of the other workers. */
ngx_int_t ngx_signalbox_mesh_join(ngx_signalbox_worker_t *w);
/* For sb_host.connect_fd: answers for endpoints of the mesh, SB_HOST_NOT_MINE for others. */
int ngx_signalbox_mesh_connect(ngx_signalbox_conf_t *conf, const char *endpoint);
/* The owner's socket of that name, through ngx_signalbox_conf_t.dial. */
int ngx_signalbox_mesh_dial(
    ngx_signalbox_conf_t *conf, const char *socket, const char *from, const char *user);

#pragma GCC visibility pop

#endif
