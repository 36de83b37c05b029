/* Signalbox in nginx: the mesh between workers. Before: ngx_signalbox_module.c (boxes),
 * ngx_signalbox_worker.c (dialing). After: modules/library/mesh.c. */
#include "ngx_signalbox_mesh.h"

#include <fcntl.h>
#include <poll.h>

static void ngx_signalbox_mesh_close(void *data)
{
    ngx_signalbox_conf_t *conf = data;
    for (ngx_uint_t i = 0; i < conf->nboxes; i++)
        conf->api->mesh_box_close(&conf->boxes[i]);
}

static void ngx_signalbox_mesh_disinherit(void *data)
{
    ngx_signalbox_conf_t *conf = data;
    while (conf->nolds > 0)
        close(conf->olds[--conf->nolds]);
}

/* The descriptor belongs to another configuration, which ends before ours. */
static ngx_int_t ngx_signalbox_mesh_keep(ngx_signalbox_conf_t *conf, int post, ngx_uint_t worker)
{
    struct pollfd pfd = {.fd = post};
    if (conf->nolds == SB_HEIR_OLD || poll(&pfd, 1, 0) < 0 || (pfd.revents & (POLLHUP | POLLERR)) != 0)
        return NGX_OK; /* nobody is there any more */
    int fd = fcntl(post, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return NGX_ERROR;
    conf->old_workers[conf->nolds] = worker;
    conf->olds[conf->nolds++] = fd;
    return NGX_OK;
}

ngx_int_t ngx_signalbox_mesh_inherit(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf)
{
    ngx_signalbox_conf_t *old = ngx_signalbox_conf_of(cycle->old_cycle);
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cycle->pool, 0);
    ngx_int_t rc = NGX_OK;
    if (cleanup == NULL)
        return NGX_ERROR;
    cleanup->handler = ngx_signalbox_mesh_disinherit;
    cleanup->data = conf;
    for (ngx_uint_t i = 0; rc == NGX_OK && old != NULL && i < old->nboxes; i++)
        if (old->all || i == (ngx_uint_t)old->owner)
            rc = ngx_signalbox_mesh_keep(conf, old->boxes[i].post, old->all ? i : 0);
    for (ngx_uint_t i = 0; rc == NGX_OK && old != NULL && i < old->nolds; i++)
        rc = ngx_signalbox_mesh_keep(conf, old->olds[i], old->old_workers[i]);
    if (rc != NGX_OK)
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno, "signalbox: cannot reach the old workers");
    return rc;
}

ngx_int_t ngx_signalbox_mesh_open(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf, ngx_uint_t workers)
{
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cycle->pool, 0);
    conf->boxes = ngx_pcalloc(cycle->pool, workers * sizeof *conf->boxes);
    if (conf->boxes == NULL || cleanup == NULL)
        return NGX_ERROR;
    cleanup->handler = ngx_signalbox_mesh_close;
    cleanup->data = conf;
    while (conf->nboxes < workers) {
        sb_err err = conf->api->mesh_box_open(&conf->boxes[conf->nboxes]);
        if (err != SB_OK) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "signalbox: cannot connect %ui workers: %s", workers,
                conf->api->strerror(err));
            return NGX_ERROR;
        }
        conf->nboxes++;
    }
    return NGX_OK;
}

void ngx_signalbox_mesh_take(ngx_signalbox_conf_t *conf, ngx_uint_t me)
{
    for (ngx_uint_t i = 0; i < conf->nboxes; i++) {
        if (i == me || conf->boxes[i].look < 0)
            continue;
        close(conf->boxes[i].look);
        conf->boxes[i].look = -1;
    }
    conf->me = me;
}

int ngx_signalbox_mesh_connect(ngx_signalbox_conf_t *conf, const char *endpoint)
{
    size_t prefix = sizeof SB_MESH_PREFIX - 1;
    if (ngx_strncmp(endpoint, SB_MESH_PREFIX, prefix) != 0)
        return SB_HOST_NOT_MINE;
    const char *slash = strchr(endpoint + prefix, '/');
    ngx_int_t to =
        slash != NULL ? ngx_atoi((u_char *)endpoint + prefix, slash - endpoint - prefix) : NGX_ERROR;
    if (to == NGX_ERROR || (ngx_uint_t)to >= conf->nboxes)
        return SB_HOST_NOT_MINE;
    u_char from[NGX_INT_T_LEN + sizeof SB_MESH_GATEWAY + sizeof SB_MESH_MATE];
    ngx_uint_t mate = ngx_strncmp(slash + 1, SB_MESH_TEAM, sizeof SB_MESH_TEAM - 1) == 0 ||
                      ngx_strncmp(slash + 1, SB_MESH_REACH, sizeof SB_MESH_REACH - 1) == 0;
    *ngx_sprintf(from, "%s%ui", mate ? SB_MESH_MATE : SB_MESH_GATEWAY, conf->me) = '\0';
    int fd = conf->api->mesh_dial(conf->boxes[to].post, slash + 1, (char *)from, NULL);
    return fd >= 0 ? fd : SB_HOST_LATER;
}

int ngx_signalbox_mesh_dial(
    ngx_signalbox_conf_t *conf, const char *socket, const char *from, const char *user)
{
    char name[SB_MESH_NAME];
    u_char *end = ngx_snprintf((u_char *)name, sizeof name - 1, "stream/%s", socket);
    *end = '\0';
    ngx_uint_t owner = conf->all ? conf->me : (ngx_uint_t)conf->owner;
    return owner < conf->nboxes ? conf->api->mesh_dial(conf->boxes[owner].post, name, from, user) : -1;
}

ngx_int_t ngx_signalbox_mesh_start(ngx_signalbox_worker_t *w)
{
    if (!w->owner || w->conf->nboxes == 0)
        return NGX_OK;
    sb_err err = w->api->mesh_create(w->engine, w->conf->boxes[w->conf->me].look, &w->mesh);
    if (err == SB_OK)
        return NGX_OK;
    ngx_log_error(
        NGX_LOG_EMERG, w->log, 0, "signalbox: cannot be reached by other workers: %s", w->api->strerror(err));
    return NGX_ERROR;
}

void ngx_signalbox_mesh_leave(ngx_signalbox_conf_t *conf)
{
    if (conf->me < conf->nboxes && conf->boxes[conf->me].look >= 0) {
        close(conf->boxes[conf->me].look);
        conf->boxes[conf->me].look = -1;
    }
}

/* With `worker all` each old one has one heir. */
static ngx_int_t ngx_signalbox_mesh_succeed(ngx_signalbox_worker_t *w)
{
    const ngx_signalbox_conf_t *conf = w->conf;
    int posts[SB_HEIR_OLD];
    size_t n = 0;
    for (ngx_uint_t i = 0; i < conf->nolds; i++)
        if (!conf->all || conf->old_workers[i] % conf->workers == conf->me)
            posts[n++] = conf->olds[i];
    sb_err err = w->api->heir_create(w->engine, w->mesh, posts, n, &w->heir);
    if (err == SB_OK)
        return NGX_OK;
    ngx_log_error(NGX_LOG_EMERG, w->log, 0, "signalbox: cannot take over from the old workers: %s",
        w->api->strerror(err));
    return NGX_ERROR;
}

ngx_int_t ngx_signalbox_mesh_join(ngx_signalbox_worker_t *w)
{
    if (w->mesh != NULL && ngx_signalbox_mesh_succeed(w) != NGX_OK)
        return NGX_ERROR;
    if (!w->conf->all || w->mesh == NULL || w->conf->workers < 2)
        return NGX_OK;
    sb_err err = w->api->team_create(w->engine, &w->host, w->mesh, &w->team);
    if (err == SB_OK)
        return NGX_OK;
    ngx_log_error(
        NGX_LOG_EMERG, w->log, 0, "signalbox: cannot join the other workers: %s", w->api->strerror(err));
    return NGX_ERROR;
}
