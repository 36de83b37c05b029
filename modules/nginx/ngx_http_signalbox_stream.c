/* Signalbox in nginx: output to a client that stays. Before: ngx_http_signalbox_subscribe.c. After: nginx's
 * output filters. */
#include "ngx_http_signalbox_stream.h"

/* ---- Blocks ---- */

static ngx_int_t ngx_http_signalbox_block_grow(ngx_http_signalbox_block_t *b, size_t len)
{
    size_t cap = b->cap != 0 ? b->cap : 256;
    if (b->cap - b->len >= len)
        return NGX_OK;
    while (cap - b->len < len)
        cap *= 2;
    u_char *data = realloc(b->data, cap);
    if (data == NULL)
        return NGX_ERROR;
    b->data = data;
    b->cap = cap;
    return NGX_OK;
}

ngx_int_t ngx_http_signalbox_block_add(ngx_http_signalbox_block_t *b, const void *data, size_t len)
{
    if (ngx_http_signalbox_block_grow(b, len) != NGX_OK)
        return NGX_ERROR;
    ngx_memcpy(b->data + b->len, data, len);
    b->len += len;
    return NGX_OK;
}

void ngx_http_signalbox_block_free(ngx_http_signalbox_block_t *b)
{
    free(b->data);
    *b = (ngx_http_signalbox_block_t){NULL, 0, 0};
}

/* ---- Gathering ---- */

static void ngx_http_signalbox_stream_later(ngx_http_signalbox_stream_t *s)
{
    if (s->over)
        return;
    ngx_post_event(&s->flush, &ngx_posted_events);
}

static void ngx_http_signalbox_stream_too_slow(ngx_http_signalbox_stream_t *s)
{
    s->worker->slow++;
    ngx_str_set(&s->base.outcome, "slow");
    ngx_http_signalbox_log(s->base.request, NGX_LOG_INFO,
        "a client does not keep up and is dropped, topic: ", (const char *)s->follower.asked);
    ngx_http_signalbox_stream_kill(s, NGX_ERROR);
}

u_char *ngx_http_signalbox_stream_room(ngx_http_signalbox_stream_t *s, size_t len)
{
    if (s->dead || s->ending)
        return NULL;
    if (s->gathered.len != 0 && s->gathered.len + len > s->conf->buffer) {
        ngx_http_signalbox_stream_too_slow(s);
        return NULL;
    }
    if (ngx_http_signalbox_block_grow(&s->gathered, len) == NGX_OK)
        return s->gathered.data + s->gathered.len;
    ngx_http_signalbox_stream_kill(s, NGX_ERROR);
    return NULL;
}

void ngx_http_signalbox_stream_took(ngx_http_signalbox_stream_t *s, u_char *end)
{
    s->gathered.len = (size_t)(end - s->gathered.data);
    ngx_http_signalbox_stream_later(s);
}

void ngx_http_signalbox_stream_put(ngx_http_signalbox_stream_t *s, const void *data, size_t len)
{
    u_char *p = ngx_http_signalbox_stream_room(s, len);
    if (p != NULL)
        ngx_http_signalbox_stream_took(s, ngx_cpymem(p, data, len));
}

void ngx_http_signalbox_stream_end(ngx_http_signalbox_stream_t *s)
{
    s->ending = 1;
    ngx_http_signalbox_stream_later(s);
}

void ngx_http_signalbox_stream_kill(ngx_http_signalbox_stream_t *s, ngx_int_t rc)
{
    s->dead = 1;
    s->rc = rc;
    ngx_http_signalbox_stream_later(s);
}

/* ---- Sending ---- */

void ngx_http_signalbox_stream_detach(ngx_http_signalbox_stream_t *s)
{
    if (s->base.timer.timer_set)
        ngx_del_timer(&s->base.timer);
    if (s->flush.posted) {
        ngx_delete_posted_event(&s->flush); /* a macro of two statements */
    }
    if (ngx_signalbox_gateway_worker() != s->worker)
        return;
    s->worker->api->gateway_unfollow(s->worker->gateway, &s->follower);
    s->worker->api->gateway_cancel(s->worker->gateway, &s->base.call);
    ngx_signalbox_worker_touch(s->worker);
}

/* What nginx still has to send is its own business from here on. */
static void ngx_http_signalbox_stream_finalize(ngx_http_signalbox_stream_t *s, ngx_int_t rc)
{
    ngx_http_request_t *r = s->base.request;
    ngx_connection_t *c = r->connection;
    s->over = 1;
    ngx_http_signalbox_stream_detach(s);
    if (rc == NGX_OK)
        rc = ngx_http_send_special(r, NGX_HTTP_LAST);
    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}

/* Whether the last block is with the kernel, or in somebody else's buffers. */
static ngx_uint_t ngx_http_signalbox_stream_sent(ngx_http_signalbox_stream_t *s)
{
    if (s->busy && ngx_buf_size(&s->buf) != 0)
        return 0;
    s->busy = 0;
    s->sending.len = 0;
    return 1;
}

static void ngx_http_signalbox_stream_load(ngx_http_signalbox_stream_t *s)
{
    ngx_http_signalbox_block_t block = s->sending;
    s->sending = s->gathered;
    s->gathered = block;
    ngx_memzero(&s->buf, sizeof s->buf);
    s->buf.start = s->buf.pos = s->sending.data;
    s->buf.end = s->buf.last = s->sending.data + s->sending.len;
    s->buf.memory = 1;
    s->buf.flush = 1;
    s->chain.buf = &s->buf;
    s->chain.next = NULL;
    s->busy = 1;
}

void ngx_http_signalbox_stream_flush(ngx_http_signalbox_stream_t *s)
{
    ngx_http_request_t *r = s->base.request;
    while (!s->dead && ngx_http_signalbox_stream_sent(s) && s->gathered.len != 0) {
        ngx_http_signalbox_stream_load(s);
        if (ngx_http_output_filter(r, &s->chain) == NGX_ERROR || ngx_http_signalbox_write_wait(r) != NGX_OK) {
            ngx_http_signalbox_stream_finalize(s, NGX_ERROR);
            return;
        }
    }
    if (s->dead)
        ngx_http_signalbox_stream_finalize(s, s->rc);
    else if (s->ending && !s->busy)
        ngx_http_signalbox_stream_finalize(s, NGX_OK);
}

void ngx_http_signalbox_stream_writable(ngx_http_request_t *r)
{
    ngx_http_signalbox_stream_t *s = ngx_http_get_module_ctx(r, ngx_http_signalbox_module);
    if (r->connection->write->timedout) {
        s->worker->slow++;
        ngx_str_set(&s->base.outcome, "slow");
        r->connection->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }
    if (!s->begun || s->over)
        return;
    if (ngx_http_output_filter(r, NULL) == NGX_ERROR || ngx_http_signalbox_write_wait(r) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }
    ngx_http_signalbox_stream_later(s);
}
