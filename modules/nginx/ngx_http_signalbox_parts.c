/* Signalbox in nginx: requests and replies in parts (signalbox_request ... parts=on). Before: nginx's content
 * phase. After: modules/library/gateway.h, ngx_http_signalbox_reply.c.
 *
 * A dialogue of questions and answers, so that at most one part is anywhere between client and service: a
 * part of the body is read when the service has asked for it, and a part of the reply is asked for when the
 * client has taken the one before. The frames are in docs/nginx-http.md. */
#include "ngx_http_signalbox.h"

#define NGX_HTTP_SIGNALBOX_TOKEN 255

typedef struct {
    ngx_http_signalbox_ctx_t base; /* first member */
    u_char token[NGX_HTTP_SIGNALBOX_TOKEN];
    size_t ntoken;
    u_char *data; /* the part on its way, in either direction */
    size_t cap;
    ngx_buf_t buf;
    ngx_chain_t chain;
    unsigned reading : 1; /* the service waits for a part of the body */
    unsigned sent : 1;    /* no more of the body goes out */
    unsigned begun : 1;   /* the response has */
    unsigned sending : 1; /* a part of it is on its way */
    unsigned ended : 1;   /* the service has said its last */
} ngx_http_signalbox_parts_t;

static const struct iovec ngx_http_signalbox_more = {"more", 4}, ngx_http_signalbox_end = {"end", 3},
                          ngx_http_signalbox_next = {"next", 4}, ngx_http_signalbox_cancel = {"cancel", 6};

/* ---- The end ---- */

/* What has begun cannot become an error page any more: the connection ends. */
static void ngx_http_signalbox_parts_fail(ngx_http_signalbox_parts_t *p, ngx_int_t rc)
{
    ngx_http_signalbox_finish(&p->base, p->begun ? NGX_ERROR : rc);
}

static void ngx_http_signalbox_parts_bad(ngx_http_signalbox_parts_t *p, const char *what)
{
    ngx_str_set(&p->base.outcome, "bad_reply");
    ngx_http_signalbox_log(p->base.request, NGX_LOG_ERR, "the reply's ", what);
    ngx_http_signalbox_parts_fail(p, NGX_HTTP_BAD_GATEWAY);
}

static void ngx_http_signalbox_parts_timeout(ngx_event_t *ev)
{
    ngx_http_signalbox_parts_t *p =
        (ngx_http_signalbox_parts_t *)((u_char *)ev - offsetof(ngx_http_signalbox_ctx_t, timer));
    ngx_http_signalbox_forget(&p->base);
    ngx_str_set(&p->base.outcome, "timeout");
    ngx_http_signalbox_parts_fail(p, NGX_HTTP_GATEWAY_TIME_OUT);
}

static void ngx_http_signalbox_nobody(
    sb_call *self, sb_call_status status, const struct iovec *frames, size_t n)
{
}

/* The service holds something for a client that has gone. */
static void ngx_http_signalbox_parts_cleanup(void *data)
{
    ngx_http_signalbox_parts_t *p = data;
    ngx_signalbox_worker_t *w = ngx_signalbox_gateway_worker();
    const struct iovec frames[] = {ngx_http_signalbox_cancel, {p->token, p->ntoken}};
    sb_call call = {.on_reply = ngx_http_signalbox_nobody, .client = &p->base.client};
    if (w != NULL && p->ntoken != 0 && !p->ended) {
        ngx_http_signalbox_loc_conf_t *conf =
            ngx_http_get_module_loc_conf(p->base.request, ngx_http_signalbox_module);
        if (w->api->gateway_call(w->gateway, (size_t)conf->use, frames, 2, &call) == SB_OK)
            w->api->gateway_cancel(w->gateway, &call);
        ngx_signalbox_worker_touch(w);
    }
    free(p->data);
}

/* ---- To the service ---- */

static void ngx_http_signalbox_parts_ask(ngx_http_signalbox_parts_t *p, const struct iovec *frames, size_t n)
{
    ngx_http_request_t *r = p->base.request;
    ngx_http_signalbox_loc_conf_t *conf = ngx_http_get_module_loc_conf(r, ngx_http_signalbox_module);
    ngx_signalbox_worker_t *w = ngx_signalbox_gateway_worker();
    sb_err err = w != NULL ? w->api->gateway_call(w->gateway, (size_t)conf->use, frames, n, &p->base.call)
                           : SB_ECLOSED;
    if (err == SB_OK) {
        ngx_signalbox_worker_touch(w);
        ngx_add_timer(&p->base.timer, conf->timeout);
        return;
    }
    ngx_int_t rc =
        ngx_http_signalbox_request_outcome(&p->base, err == SB_EAGAIN ? SB_CALL_FULL : SB_CALL_NO_PEER);
    ngx_http_signalbox_parts_fail(p, rc);
}

static ngx_int_t ngx_http_signalbox_parts_reserve(ngx_http_signalbox_parts_t *p, size_t size)
{
    if (size <= p->cap)
        return NGX_OK;
    u_char *data = realloc(p->data, size);
    if (data == NULL)
        return NGX_ERROR;
    p->data = data;
    p->cap = size;
    return NGX_OK;
}

/* nginx may use its buffers again. */
static void ngx_http_signalbox_parts_consume(ngx_http_request_t *r)
{
    for (ngx_chain_t *in = r->request_body->bufs; in != NULL; in = in->next)
        in->buf->pos = in->buf->last;
    r->request_body->bufs = NULL;
}

static void ngx_http_signalbox_parts_send_body(ngx_http_signalbox_parts_t *p)
{
    ngx_http_request_t *r = p->base.request;
    size_t size = 0;
    for (ngx_chain_t *in = r->request_body->bufs; in != NULL; in = in->next)
        size += (size_t)ngx_buf_size(in->buf);
    if (ngx_http_signalbox_parts_reserve(p, size) != NGX_OK) {
        ngx_http_signalbox_parts_fail(p, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }
    u_char *at = p->data;
    for (ngx_chain_t *in = r->request_body->bufs; in != NULL; in = in->next)
        at = ngx_cpymem(at, in->buf->pos, (size_t)ngx_buf_size(in->buf));
    ngx_http_signalbox_parts_consume(r);
    p->reading = 0;
    p->sent = !r->reading_body;
    const struct iovec frames[] = {
        p->sent ? ngx_http_signalbox_end : ngx_http_signalbox_more, {p->token, p->ntoken}, {p->data, size}};
    ngx_http_signalbox_parts_ask(p, frames, 3);
}

static void ngx_http_signalbox_parts_read(ngx_http_signalbox_parts_t *p)
{
    ngx_http_request_t *r = p->base.request;
    ngx_int_t rc = ngx_http_read_unbuffered_request_body(r);
    if (rc >= NGX_HTTP_SPECIAL_RESPONSE)
        ngx_http_signalbox_parts_fail(p, rc);
    else if (r->request_body->bufs != NULL || !r->reading_body)
        ngx_http_signalbox_parts_send_body(p);
}

static void ngx_http_signalbox_parts_readable(ngx_http_request_t *r)
{
    ngx_http_signalbox_parts_t *p = ngx_http_get_module_ctx(r, ngx_http_signalbox_module);
    if (p->reading)
        ngx_http_signalbox_parts_read(p);
    else if (p->sent)
        ngx_http_test_reading(r); /* notices a client that leaves */
}

/* ---- To the client ---- */

/* The client has taken the part: the next one. */
static void ngx_http_signalbox_parts_go_on(ngx_http_signalbox_parts_t *p, ngx_int_t rc)
{
    const struct iovec frames[] = {ngx_http_signalbox_next, {p->token, p->ntoken}};
    if (rc == NGX_ERROR || ngx_http_signalbox_write_wait(p->base.request) != NGX_OK) {
        ngx_http_signalbox_parts_fail(p, NGX_ERROR);
        return;
    }
    if (!p->sending || ngx_buf_size(&p->buf) != 0 || p->base.request->connection->buffered)
        return;
    p->sending = 0;
    ngx_http_signalbox_parts_ask(p, frames, 2);
}

static void ngx_http_signalbox_parts_writable(ngx_http_request_t *r)
{
    ngx_http_signalbox_parts_t *p = ngx_http_get_module_ctx(r, ngx_http_signalbox_module);
    if (r->connection->write->timedout) {
        ngx_str_set(&p->base.outcome, "slow");
        r->connection->timedout = 1;
        ngx_http_signalbox_parts_fail(p, NGX_ERROR);
        return;
    }
    if (p->begun)
        ngx_http_signalbox_parts_go_on(p, ngx_http_output_filter(r, NULL));
}

static ngx_int_t ngx_http_signalbox_parts_load(
    ngx_http_signalbox_parts_t *p, const struct iovec *frames, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += frames[i].iov_len;
    if (ngx_http_signalbox_parts_reserve(p, size) != NGX_OK)
        return NGX_ERROR;
    ngx_memzero(&p->buf, sizeof p->buf);
    p->buf.start = p->buf.pos = p->buf.last = p->data;
    for (size_t i = 0; i < n; i++)
        p->buf.last = ngx_cpymem(p->buf.last, frames[i].iov_base, frames[i].iov_len);
    p->buf.end = p->buf.last;
    p->buf.memory = size != 0;
    p->buf.flush = 1;
    p->buf.last_buf = p->ended;
    p->chain = (ngx_chain_t){.buf = &p->buf, .next = NULL};
    return NGX_OK;
}

/* The first part of a response of several. Returns how many frames it was. */
static ngx_int_t ngx_http_signalbox_parts_head(
    ngx_http_signalbox_parts_t *p, const struct iovec *frames, size_t n)
{
    ngx_http_request_t *r = p->base.request;
    const char *why;
    ngx_int_t head = ngx_http_signalbox_head(r, frames, n, &why);
    if (head == NGX_ERROR ||
        (r->headers_out.content_type.len == 0 && ngx_http_set_content_type(r) != NGX_OK)) {
        ngx_http_signalbox_parts_bad(p, head == NGX_ERROR ? why : "content type is not known");
        return NGX_ERROR;
    }
    ngx_http_clear_content_length(r);
    p->begun = 1;
    r->write_event_handler = ngx_http_signalbox_parts_writable;
    ngx_int_t rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        ngx_http_signalbox_finish(&p->base, rc);
        return NGX_ERROR;
    }
    return head;
}

static void ngx_http_signalbox_parts_reply(
    ngx_http_signalbox_parts_t *p, const struct iovec *frames, size_t n)
{
    ngx_http_request_t *r = p->base.request;
    ngx_int_t head = 0;
    p->sent = 1;
    p->reading = 0;
    if (!p->begun && p->ended) {
        ngx_http_signalbox_finish(&p->base, ngx_http_signalbox_reply(r, frames, n));
        return;
    }
    if (!p->begun && (head = ngx_http_signalbox_parts_head(p, frames, n)) == NGX_ERROR)
        return;
    if (ngx_http_signalbox_parts_load(p, frames + head, n - (size_t)head) != NGX_OK) {
        ngx_http_signalbox_parts_fail(p, NGX_ERROR);
        return;
    }
    p->sending = 1;
    ngx_int_t rc = ngx_http_output_filter(r, &p->chain);
    if (p->ended)
        ngx_http_signalbox_finish(&p->base, rc);
    else
        ngx_http_signalbox_parts_go_on(p, rc);
}

static ngx_uint_t ngx_http_signalbox_is_mark(const struct iovec *frame, const struct iovec *mark)
{
    return frame->iov_len == mark->iov_len && ngx_memcmp(frame->iov_base, mark->iov_base, mark->iov_len) == 0;
}

static void ngx_http_signalbox_on_part(
    sb_call *self, sb_call_status status, const struct iovec *frames, size_t n)
{
    ngx_http_signalbox_parts_t *p = (ngx_http_signalbox_parts_t *)self;
    if (p->base.timer.timer_set)
        ngx_del_timer(&p->base.timer);
    ngx_int_t rc = ngx_http_signalbox_request_outcome(&p->base, status);
    p->ended = rc == NGX_OK && n >= 1 && ngx_http_signalbox_is_mark(&frames[0], &ngx_http_signalbox_end);
    if (rc != NGX_OK) {
        ngx_http_signalbox_parts_fail(p, rc);
        return;
    }
    if (p->ended) {
        ngx_http_signalbox_parts_reply(p, frames + 1, n - 1);
        return;
    }
    if (n < 2 || frames[1].iov_len == 0 || frames[1].iov_len > sizeof p->token) {
        ngx_http_signalbox_parts_bad(p, "first frames are neither \"end\" nor a mark with a token");
        return;
    }
    ngx_memcpy(p->token, frames[1].iov_base, frames[1].iov_len);
    p->ntoken = frames[1].iov_len;
    if (ngx_http_signalbox_is_mark(&frames[0], &ngx_http_signalbox_more)) {
        ngx_http_signalbox_parts_reply(p, frames + 2, n - 2);
    } else if (ngx_http_signalbox_is_mark(&frames[0], &ngx_http_signalbox_next) && !p->sent) {
        p->reading = 1;
        ngx_http_signalbox_parts_read(p);
    } else {
        ngx_http_signalbox_parts_bad(
            p, "mark is none of \"more\", \"end\" and, while there is a body, \"next\"");
    }
}

/* ---- The beginning ---- */

/* Some of the body is here, or all; the request is held until finish. */
static void ngx_http_signalbox_parts_on_body(ngx_http_request_t *r)
{
    ngx_http_signalbox_parts_t *p = ngx_http_get_module_ctx(r, ngx_http_signalbox_module);
    size_t n;
    struct iovec *made = ngx_http_signalbox_frames_make(r, &n);
    struct iovec *frames = made != NULL ? ngx_palloc(r->pool, (n + 1) * sizeof *frames) : NULL;
    if (frames == NULL) {
        ngx_http_signalbox_log(r, NGX_LOG_ERR, "cannot make frames of the request", "");
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }
    p->sent = !r->reading_body;
    frames[0] = p->sent ? ngx_http_signalbox_end : ngx_http_signalbox_more;
    ngx_memcpy(frames + 1, made, n * sizeof *frames);
    r->read_event_handler = ngx_http_signalbox_parts_readable;
    ngx_http_signalbox_parts_ask(p, frames, n + 1);
    if (!p->sent)
        ngx_http_signalbox_parts_consume(r);
}

ngx_int_t ngx_http_signalbox_parts_handler(ngx_http_request_t *r)
{
    ngx_http_cleanup_t *cleanup = ngx_http_cleanup_add(r, 0);
    ngx_http_signalbox_parts_t *p = (ngx_http_signalbox_parts_t *)ngx_http_signalbox_ctx_create(r, sizeof *p);
    ngx_int_t rc = p != NULL && cleanup != NULL ? ngx_http_signalbox_client(r, &p->base.client)
                                                : NGX_HTTP_INTERNAL_SERVER_ERROR;
    if (rc != NGX_OK)
        return rc;
    cleanup->handler = ngx_http_signalbox_parts_cleanup;
    cleanup->data = p;
    p->base.call.on_reply = ngx_http_signalbox_on_part;
    p->base.call.client = &p->base.client;
    p->base.timer.handler = ngx_http_signalbox_parts_timeout;
    r->request_body_no_buffering = 1;
    rc = ngx_http_read_client_request_body(r, ngx_http_signalbox_parts_on_body);
    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}
