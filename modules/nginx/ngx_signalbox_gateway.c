/* Signalbox in nginx: gate and gateways. Before: the HTTP locations. After: modules/library/gateway.h. */
#include "ngx_signalbox_gateway.h"

#include "ngx_signalbox_mesh.h"

ngx_int_t ngx_signalbox_gateway_use(ngx_conf_t *cf, ngx_array_t *uses, sb_use_kind kind, ngx_str_t *socket)
{
    ngx_signalbox_use_t *use = uses->elts;
    for (ngx_uint_t i = 0; i < uses->nelts; i++)
        if (use[i].use.kind == kind && ngx_strcmp(use[i].use.socket, socket->data) == 0)
            return (ngx_int_t)i;
    use = ngx_array_push(uses);
    if (use == NULL)
        return NGX_ERROR;
    use->use = (sb_use){.kind = kind, .socket = (char *)socket->data}; /* tokens end in a NUL */
    use->file = cf->conf_file->file.name;
    use->line = cf->conf_file->line;
    return (ngx_int_t)uses->nelts - 1;
}

static ngx_module_t *ngx_signalbox_gateway_module(ngx_cycle_t *cycle, const char *name)
{
    for (ngx_uint_t i = 0; cycle->modules[i] != NULL; i++)
        if (ngx_strcmp(cycle->modules[i]->name, name) == 0)
            return cycle->modules[i];
    return NULL;
}

/* nginx's ngx_stream_conf_ctx_t, whose header only stream modules see. */
typedef struct {
    void **main_conf;
    void **srv_conf;
} ngx_signalbox_stream_ctx_t;

/* By name: neither stream module need be loaded, and ours is a file of its own. */
static ngx_array_t *ngx_signalbox_gateway_stream_uses(ngx_cycle_t *cycle)
{
    ngx_module_t *stream = ngx_signalbox_gateway_module(cycle, "ngx_stream_module");
    ngx_module_t *ours = ngx_signalbox_gateway_module(cycle, "ngx_stream_signalbox_module");
    if (stream == NULL || ours == NULL || cycle->conf_ctx[stream->index] == NULL)
        return NULL;
    const ngx_signalbox_stream_ctx_t *ctx =
        (const ngx_signalbox_stream_ctx_t *)cycle->conf_ctx[stream->index];
    return ctx->main_conf[ours->ctx_index]; /* begins with the array */
}

ngx_array_t *ngx_signalbox_gateway_collect(ngx_cycle_t *cycle, ngx_array_t *http)
{
    ngx_array_t *stream = ngx_signalbox_gateway_stream_uses(cycle);
    if (stream == NULL || http == NULL)
        return stream != NULL ? stream : http;
    ngx_signalbox_use_t *more = ngx_array_push_n(http, stream->nelts);
    if (more == NULL)
        return NULL;
    ngx_memcpy(more, stream->elts, stream->nelts * sizeof *more);
    return http;
}

ngx_int_t ngx_signalbox_gateway_check(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf)
{
    ngx_signalbox_use_t *use = conf->uses != NULL ? conf->uses->elts : NULL;
    char err[256];
    for (ngx_uint_t i = 0; use != NULL && i < conf->uses->nelts; i++) {
        if (conf->api->use_check(conf->plan, &use[i].use, &use[i].type, err, sizeof err) == SB_OK)
            continue;
        ngx_log_error(
            NGX_LOG_EMERG, cycle->log, 0, "signalbox: %s in %V:%ui", err, &use[i].file, use[i].line);
        return NGX_ERROR;
    }
    return NGX_OK;
}

static sb_use *ngx_signalbox_gateway_uses(ngx_signalbox_conf_t *conf, ngx_pool_t *pool)
{
    ngx_signalbox_use_t *use = conf->uses->elts;
    sb_use *uses = ngx_palloc(pool, conf->uses->nelts * sizeof *uses);
    for (ngx_uint_t i = 0; uses != NULL && i < conf->uses->nelts; i++)
        uses[i] = use[i].use;
    for (ngx_uint_t i = 0; uses != NULL && conf->all && conf->me != 0 && i < conf->uses->nelts; i++)
        if (uses[i].kind == SB_USE_SUBSCRIBE)
            uses[i].where = SB_MESH_PREFIX "0/"; /* one of them numbers the messages and keeps them */
    return uses;
}

static sb_err ngx_signalbox_gateway_open(ngx_signalbox_worker_t *w, const sb_use *uses, size_t n)
{
    u_char where[sizeof SB_MESH_PREFIX + NGX_INT_T_LEN + 1];
    if (!w->owner) {
        *ngx_sprintf(where, "%s%i/", SB_MESH_PREFIX, w->conf->owner) = '\0';
        return w->api->gateway_create(w->engine, (char *)where, uses, n, &w->gateway);
    }
    sb_err err = w->api->gate_create(w->board, w->mesh, uses, n, &w->gate);
    return err == SB_OK ? w->api->gateway_create(w->engine, SB_GATE_INPROC, uses, n, &w->gateway) : err;
}

ngx_int_t ngx_signalbox_gateway_start(ngx_signalbox_worker_t *w, ngx_pool_t *pool)
{
    if (ngx_signalbox_mesh_start(w) != NGX_OK)
        return NGX_ERROR;
    if (w->conf->uses == NULL || w->conf->uses->nelts == 0)
        return ngx_signalbox_mesh_join(w);
    sb_use *uses = ngx_signalbox_gateway_uses(w->conf, pool);
    if (uses == NULL)
        return NGX_ERROR;
    sb_err err = ngx_signalbox_gateway_open(w, uses, w->conf->uses->nelts);
    if (err == SB_OK)
        return ngx_signalbox_mesh_join(w);
    ngx_log_error(NGX_LOG_EMERG, w->log, 0, "signalbox: HTTP locations cannot reach the scripts: %s",
        w->api->strerror(err));
    return NGX_ERROR;
}

void ngx_signalbox_gateway_stop(ngx_signalbox_worker_t *w)
{
    w->api->mesh_destroy(w->mesh);
    w->mesh = NULL;
    if (ngx_exiting)
        ngx_signalbox_mesh_leave(w->conf);
}

void ngx_signalbox_gateway_free(ngx_signalbox_worker_t *w)
{
    w->api->gateway_destroy(w->gateway);
    w->api->gate_destroy(w->gate);
    w->api->team_destroy(w->team);
    w->api->heir_destroy(w->heir);
    w->team = NULL;
    w->heir = NULL;
    w->gateway = NULL;
    w->gate = NULL;
}

ngx_signalbox_worker_t *ngx_signalbox_gateway_worker(void)
{
    ngx_signalbox_conf_t *conf =
        (ngx_signalbox_conf_t *)ngx_get_conf(ngx_cycle->conf_ctx, ngx_signalbox_module);
    ngx_signalbox_worker_t *w = conf != NULL ? conf->worker : NULL;
    return w != NULL && w->board != NULL && w->gateway != NULL ? w : NULL;
}
