/* Signalbox in nginx: variables about a request through a socket, for the access log. */
#include "ngx_http_signalbox.h"

static ngx_int_t ngx_http_signalbox_variable_set(ngx_http_variable_value_t *v, ngx_str_t *text)
{
    v->data = text->data;
    v->len = (unsigned)text->len;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    return NGX_OK;
}

static ngx_int_t ngx_http_signalbox_variable_text(ngx_http_variable_value_t *v, const char *text)
{
    ngx_str_t value = {text != NULL ? ngx_strlen(text) : 0, (u_char *)text};
    v->not_found = 1;
    return value.len != 0 ? ngx_http_signalbox_variable_set(v, &value) : NGX_OK;
}

/* "ok", "full", "no_peer", "lost", "timeout", "canceled", "bad_reply", "nobody". */
static ngx_int_t ngx_http_signalbox_variable_status(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_signalbox_ctx_t *ctx = ngx_http_get_module_ctx(r, ngx_http_signalbox_module);
    if (ctx != NULL)
        return ngx_http_signalbox_variable_set(v, &ctx->outcome);
    v->not_found = 1;
    return NGX_OK;
}

/* Seconds with milliseconds, like $upstream_response_time. */
static ngx_int_t ngx_http_signalbox_variable_time(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_signalbox_ctx_t *ctx = ngx_http_get_module_ctx(r, ngx_http_signalbox_module);
    ngx_str_t text;
    v->not_found = 1;
    if (ctx == NULL)
        return NGX_OK;
    text.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4);
    if (text.data == NULL)
        return NGX_ERROR;
    ngx_msec_t took = ctx->took != 0 ? ctx->took : ngx_current_msec - ctx->began;
    text.len = (size_t)(ngx_sprintf(text.data, "%T.%03M", (time_t)(took / 1000), took % 1000) - text.data);
    return ngx_http_signalbox_variable_set(v, &text);
}

static ngx_int_t ngx_http_signalbox_variable_socket(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    return ngx_http_signalbox_variable_text(v, ngx_http_signalbox_socket(r));
}

static ngx_int_t ngx_http_signalbox_variable_topic(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_signalbox_loc_conf_t *conf = ngx_http_get_module_loc_conf(r, ngx_http_signalbox_module);
    ngx_str_t text;
    v->not_found = 1;
    if (conf->use == NGX_CONF_UNSET || ngx_http_signalbox_topic(r, &text) != NGX_OK)
        return NGX_OK;
    return ngx_http_signalbox_variable_set(v, &text);
}

/* The client as sockets see it. */
static ngx_int_t ngx_http_signalbox_variable_peer(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_signalbox_ctx_t *ctx = ngx_http_get_module_ctx(r, ngx_http_signalbox_module);
    return ngx_http_signalbox_variable_text(v, ctx != NULL ? ctx->client.address : NULL);
}

/* Which way it took: what the location is for. */
static ngx_int_t ngx_http_signalbox_variable_route(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    static const char *const names[SB_USE_COUNT] = {
        [SB_USE_PAGE] = "page",
        [SB_USE_REQUEST] = "request",
        [SB_USE_PUBLISH] = "publish",
        [SB_USE_SUBSCRIBE] = "subscribe",
    };
    const sb_use *use = ngx_http_signalbox_use_of(r);
    return ngx_http_signalbox_variable_text(v, use != NULL ? names[use->kind] : NULL);
}

static ngx_int_t ngx_http_signalbox_variable_size(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_signalbox_ctx_t *ctx = ngx_http_get_module_ctx(r, ngx_http_signalbox_module);
    ngx_str_t text;
    v->not_found = 1;
    if (ctx == NULL)
        return NGX_OK;
    text.data = ngx_pnalloc(r->pool, NGX_SIZE_T_LEN);
    if (text.data == NULL)
        return NGX_ERROR;
    text.len = (size_t)(ngx_sprintf(text.data, "%uz", ctx->size) - text.data);
    return ngx_http_signalbox_variable_set(v, &text);
}

static uint64_t ngx_http_signalbox_count_late(ngx_signalbox_worker_t *w)
{
    sb_gateway_stats stats;
    w->api->gateway_stats(w->gateway, &stats);
    return stats.late;
}

static uint64_t ngx_http_signalbox_count_clients(ngx_signalbox_worker_t *w)
{
    return w->nstreams;
}

static uint64_t ngx_http_signalbox_count_slow(ngx_signalbox_worker_t *w)
{
    return w->slow;
}

typedef uint64_t (*ngx_http_signalbox_count_pt)(ngx_signalbox_worker_t *w);

static const ngx_http_signalbox_count_pt ngx_http_signalbox_counts[] = {
    ngx_http_signalbox_count_late,    /* replies that came when nobody waited any more */
    ngx_http_signalbox_count_clients, /* of signalbox_subscribe, now */
    ngx_http_signalbox_count_slow,    /* ... that were dropped because they did not keep up */
};

/* Of this worker; `data` says which. */
static ngx_int_t ngx_http_signalbox_variable_count(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_signalbox_worker_t *w = ngx_signalbox_gateway_worker();
    ngx_str_t text;
    v->not_found = 1;
    if (w == NULL)
        return NGX_OK;
    text.data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (text.data == NULL)
        return NGX_ERROR;
    text.len = (size_t)(ngx_sprintf(text.data, "%uL", ngx_http_signalbox_counts[data](w)) - text.data);
    return ngx_http_signalbox_variable_set(v, &text);
}

static ngx_http_variable_t ngx_http_signalbox_variables[] = {
    {ngx_string("signalbox_status"), NULL, ngx_http_signalbox_variable_status, 0, NGX_HTTP_VAR_NOCACHEABLE,
        0},
    {ngx_string("signalbox_time"), NULL, ngx_http_signalbox_variable_time, 0, NGX_HTTP_VAR_NOCACHEABLE, 0},
    {ngx_string("signalbox_socket"), NULL, ngx_http_signalbox_variable_socket, 0, NGX_HTTP_VAR_NOCACHEABLE,
        0},
    {ngx_string("signalbox_peer"), NULL, ngx_http_signalbox_variable_peer, 0, NGX_HTTP_VAR_NOCACHEABLE, 0},
    {ngx_string("signalbox_size"), NULL, ngx_http_signalbox_variable_size, 0, NGX_HTTP_VAR_NOCACHEABLE, 0},
    {ngx_string("signalbox_route"), NULL, ngx_http_signalbox_variable_route, 0, NGX_HTTP_VAR_NOCACHEABLE, 0},
    {ngx_string("signalbox_action"), NULL, ngx_http_signalbox_variable_status, 0, NGX_HTTP_VAR_NOCACHEABLE,
        0},
    {ngx_string("signalbox_topic"), NULL, ngx_http_signalbox_variable_topic, 0, NGX_HTTP_VAR_NOCACHEABLE, 0},
    {ngx_string("signalbox_late"), NULL, ngx_http_signalbox_variable_count, 0, NGX_HTTP_VAR_NOCACHEABLE, 0},
    {ngx_string("signalbox_clients"), NULL, ngx_http_signalbox_variable_count, 1, NGX_HTTP_VAR_NOCACHEABLE,
        0},
    {ngx_string("signalbox_slow"), NULL, ngx_http_signalbox_variable_count, 2, NGX_HTTP_VAR_NOCACHEABLE, 0},
};

ngx_int_t ngx_http_signalbox_variables_add(ngx_conf_t *cf)
{
    for (size_t i = 0; i < sizeof ngx_http_signalbox_variables / sizeof *ngx_http_signalbox_variables; i++) {
        ngx_http_variable_t *known = &ngx_http_signalbox_variables[i];
        ngx_http_variable_t *v = ngx_http_add_variable(cf, &known->name, known->flags);
        if (v == NULL)
            return NGX_ERROR;
        v->get_handler = known->get_handler;
        v->data = known->data;
    }
    return NGX_OK;
}
