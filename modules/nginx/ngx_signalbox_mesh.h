/* Signalbox in nginx: the mesh of a configuration's workers (modules/library/mesh.h says what a mesh is).
 *
 * The master makes one box per worker before it forks; the boxes belong to the cycle, so workers of different
 * configurations never meet, and a respawned worker finds the box of its number. Endpoints of the mesh are
 * SB_MESH_PREFIX "<number of the worker>/<name>". */
#ifndef NGX_SIGNALBOX_MESH_H
#define NGX_SIGNALBOX_MESH_H

#include "ngx_signalbox_module.h"

#pragma GCC visibility push(hidden)

/* In the master, once the number of workers is known. The boxes are closed with the cycle's pool. Errors are
 * logged at emerg. */
ngx_int_t ngx_signalbox_mesh_open(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf, ngx_uint_t workers);
/* In a worker: only its own box is looked into. */
void ngx_signalbox_mesh_take(ngx_signalbox_conf_t *conf, ngx_uint_t me);
/* In a worker with scripts, when its engine is there: looks into its box. */
ngx_int_t ngx_signalbox_mesh_start(ngx_signalbox_worker_t *w);
/* Last: with `worker all` its sockets become one with those of the other workers. */
ngx_int_t ngx_signalbox_mesh_join(ngx_signalbox_worker_t *w);
/* For sb_host.connect_fd: answers for endpoints of the mesh, SB_HOST_NOT_MINE for others. */
int ngx_signalbox_mesh_connect(ngx_signalbox_conf_t *conf, const char *endpoint);
/* The owner's socket of that name, through ngx_signalbox_conf_t.dial. */
int ngx_signalbox_mesh_dial(
    ngx_signalbox_conf_t *conf, const char *socket, const char *from, const char *user);

#pragma GCC visibility pop

#endif
