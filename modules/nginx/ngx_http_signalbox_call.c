/* Signalbox in nginx: requests and publications, from the client's body to the response. Before: nginx's
 * content phase. After: modules/library/gateway.h, ngx_http_signalbox_reply.c. */
#include "ngx_http_signalbox.h"

typedef struct {
    ngx_str_t outcome;
    ngx_int_t status;
} ngx_http_signalbox_outcome_t;

static const ngx_http_signalbox_outcome_t ngx_http_signalbox_request_outcomes[] = {
    [SB_CALL_OK] = {ngx_string("ok"), 0},
    [SB_CALL_NOBODY] = {ngx_string("ok"), 0},
    [SB_CALL_FULL] = {ngx_string("full"), NGX_HTTP_TOO_MANY_REQUESTS},
    [SB_CALL_NO_PEER] = {ngx_string("no_peer"), NGX_HTTP_SERVICE_UNAVAILABLE},
    [SB_CALL_LOST] = {ngx_string("lost"), NGX_HTTP_BAD_GATEWAY},
};

static const ngx_http_signalbox_outcome_t ngx_http_signalbox_publish_outcomes[] = {
    [SB_CALL_OK] = {ngx_string("ok"), NGX_HTTP_ACCEPTED},
    [SB_CALL_NOBODY] = {ngx_string("nobody"), NGX_HTTP_NO_CONTENT},
    [SB_CALL_FULL] = {ngx_string("full"), NGX_HTTP_TOO_MANY_REQUESTS},
    [SB_CALL_NO_PEER] = {ngx_string("no_peer"), NGX_HTTP_SERVICE_UNAVAILABLE},
    [SB_CALL_LOST] = {ngx_string("lost"), NGX_HTTP_BAD_GATEWAY},
};

/* ---- The end ---- */

void ngx_http_signalbox_finish(ngx_http_signalbox_ctx_t *ctx, ngx_int_t rc)
{
    ngx_http_request_t *r = ctx->request;
    ngx_connection_t *c = r->connection;
    if (ctx->timer.timer_set)
        ngx_del_timer(&ctx->timer);
    ctx->took = ngx_current_msec - ctx->began;
    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}

ngx_int_t ngx_http_signalbox_request_outcome(ngx_http_signalbox_ctx_t *ctx, sb_call_status status)
{
    const ngx_http_signalbox_outcome_t *outcome = &ngx_http_signalbox_request_outcomes[status];
    ctx->outcome = outcome->outcome;
    return outcome->status;
}

static void ngx_http_signalbox_on_request_reply(
    sb_call *self, sb_call_status status, const struct iovec *frames, size_t n)
{
    ngx_http_signalbox_ctx_t *ctx = (ngx_http_signalbox_ctx_t *)self;
    ngx_int_t rc = ngx_http_signalbox_request_outcome(ctx, status);
    ngx_http_signalbox_finish(ctx, rc != NGX_OK ? rc : ngx_http_signalbox_reply(ctx->request, frames, n));
}

static ngx_int_t ngx_http_signalbox_empty(ngx_http_request_t *r, ngx_int_t status)
{
    r->headers_out.status = (ngx_uint_t)status;
    r->headers_out.content_length_n = 0;
    r->header_only = 1;
    return ngx_http_send_header(r);
}

static void ngx_http_signalbox_on_published(
    sb_call *self, sb_call_status status, const struct iovec *frames, size_t n)
{
    ngx_http_signalbox_ctx_t *ctx = (ngx_http_signalbox_ctx_t *)self;
    const ngx_http_signalbox_outcome_t *outcome = &ngx_http_signalbox_publish_outcomes[status];
    ctx->outcome = outcome->outcome;
    ngx_int_t rc = outcome->status < NGX_HTTP_SPECIAL_RESPONSE
                       ? ngx_http_signalbox_empty(ctx->request, outcome->status)
                       : outcome->status;
    ngx_http_signalbox_finish(ctx, rc);
}

void ngx_http_signalbox_forget(ngx_http_signalbox_ctx_t *ctx)
{
    ngx_signalbox_worker_t *w = ngx_signalbox_gateway_worker();
    if (w != NULL)
        w->api->gateway_cancel(w->gateway, &ctx->call);
}

static void ngx_http_signalbox_on_timeout(ngx_event_t *ev)
{
    ngx_http_signalbox_ctx_t *ctx =
        (ngx_http_signalbox_ctx_t *)((u_char *)ev - offsetof(ngx_http_signalbox_ctx_t, timer));
    ngx_http_signalbox_forget(ctx);
    ngx_str_set(&ctx->outcome, "timeout");
    ngx_http_signalbox_finish(ctx, NGX_HTTP_GATEWAY_TIME_OUT);
}

/* The request ends, for whatever reason: a client that left is not waited for. */
static void ngx_http_signalbox_cleanup(void *data)
{
    ngx_http_signalbox_ctx_t *ctx = data;
    if (ctx->timer.timer_set)
        ngx_del_timer(&ctx->timer);
    ngx_http_signalbox_forget(ctx);
}

/* ---- The beginning ---- */

ngx_http_signalbox_ctx_t *ngx_http_signalbox_ctx_create(ngx_http_request_t *r, size_t size)
{
    ngx_http_signalbox_ctx_t *ctx = ngx_pcalloc(r->pool, size);
    ngx_http_cleanup_t *cleanup = ngx_http_cleanup_add(r, 0);
    if (ctx == NULL || cleanup == NULL)
        return NULL;
    cleanup->handler = ngx_http_signalbox_cleanup;
    cleanup->data = ctx;
    ctx->request = r;
    ctx->began = ngx_current_msec;
    ctx->timer.handler = ngx_http_signalbox_on_timeout;
    ctx->timer.data = r->connection;
    ctx->timer.log = r->connection->log;
    ngx_str_set(&ctx->outcome, "canceled");
    ngx_http_set_ctx(r, ctx, ngx_http_signalbox_module);
    return ctx;
}

static ngx_int_t ngx_http_signalbox_send(ngx_http_request_t *r, ngx_http_signalbox_ctx_t *ctx)
{
    ngx_http_signalbox_loc_conf_t *conf = ngx_http_get_module_loc_conf(r, ngx_http_signalbox_module);
    ngx_signalbox_worker_t *w = ngx_signalbox_gateway_worker();
    size_t n;
    if (w == NULL) {
        ngx_str_set(&ctx->outcome, "no_peer");
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
    struct iovec *frames = ngx_http_signalbox_frames_make(r, &n);
    if (frames == NULL) {
        ngx_http_signalbox_log(r, NGX_LOG_ERR, "cannot make frames of the request", "");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    sb_err err = w->api->gateway_call(w->gateway, (size_t)conf->use, frames, n, &ctx->call);
    if (err == SB_EAGAIN) {
        ngx_str_set(&ctx->outcome, "full");
        return NGX_HTTP_TOO_MANY_REQUESTS;
    }
    if (err != SB_OK)
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    ngx_signalbox_worker_touch(w);
    ngx_add_timer(&ctx->timer, conf->timeout);
    return NGX_OK;
}

/* The client's body is here; the request is held until finish. */
static void ngx_http_signalbox_on_body(ngx_http_request_t *r)
{
    ngx_http_signalbox_ctx_t *ctx = ngx_http_get_module_ctx(r, ngx_http_signalbox_module);
    ngx_int_t rc = ngx_http_signalbox_send(r, ctx);
    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
        return;
    }
    if (r == r->main)
        r->read_event_handler = ngx_http_test_reading; /* notices a client that leaves */
}

static ngx_int_t ngx_http_signalbox_begin(ngx_http_request_t *r,
    void (*on_reply)(sb_call *self, sb_call_status status, const struct iovec *frames, size_t n))
{
    ngx_http_signalbox_ctx_t *ctx = ngx_http_signalbox_ctx_create(r, sizeof *ctx);
    ngx_int_t rc = ctx != NULL ? ngx_http_signalbox_client(r, &ctx->client) : NGX_HTTP_INTERNAL_SERVER_ERROR;
    if (rc != NGX_OK)
        return rc;
    ctx->call.on_reply = on_reply;
    ctx->call.client = &ctx->client;
    rc = ngx_http_read_client_request_body(r, ngx_http_signalbox_on_body);
    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}

ngx_int_t ngx_http_signalbox_request_handler(ngx_http_request_t *r)
{
    ngx_http_signalbox_loc_conf_t *conf = ngx_http_get_module_loc_conf(r, ngx_http_signalbox_module);
    if (conf->parts && r == r->main) /* a subrequest has no body of its own, and its reply is wanted whole */
        return ngx_http_signalbox_parts_handler(r);
    return ngx_http_signalbox_begin(r, ngx_http_signalbox_on_request_reply);
}

ngx_int_t ngx_http_signalbox_publish_handler(ngx_http_request_t *r)
{
    if (!(r->method & (NGX_HTTP_POST | NGX_HTTP_PUT)))
        return NGX_HTTP_NOT_ALLOWED;
    return ngx_http_signalbox_begin(r, ngx_http_signalbox_on_published);
}
