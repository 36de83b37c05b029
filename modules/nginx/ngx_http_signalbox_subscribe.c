/* Signalbox in nginx: subscriptions over HTTP. Before: nginx's content phase. After:
 * modules/library/gateway.h (followers), ngx_http_signalbox_stream.c.
 *
 * Upgrade: websocket makes a WebSocket; ?poll a long poll, which is answered with one message; everything
 * else gets server-sent events. */
#include "ngx_http_signalbox_stream.h"

#define NGX_HTTP_SIGNALBOX_ID_LEN (8 + 1 + NGX_INT64_LEN)

/* ---- Ids ---- */

static u_char *ngx_http_signalbox_id_write(u_char *p, const sb_event_id *id)
{
    return ngx_sprintf(p, "%08xD-%uL", id->epoch, id->number);
}

/* false: it is none of ours, and as good as nothing. */
static ngx_uint_t ngx_http_signalbox_id_read(ngx_str_t *text, sb_event_id *id)
{
    if (text->len < 10 || text->data[8] != '-')
        return 0;
    ngx_int_t epoch = ngx_hextoi(text->data, 8), number = ngx_atoi(text->data + 9, text->len - 9);
    if (epoch == NGX_ERROR || number == NGX_ERROR)
        return 0;
    *id = (sb_event_id){.epoch = (uint32_t)epoch, .number = (uint64_t)number};
    return 1;
}

ngx_str_t ngx_http_signalbox_header(ngx_http_request_t *r, const char *name)
{
    ngx_str_t none = ngx_null_string;
    size_t len = ngx_strlen(name);
    for (ngx_list_part_t *part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        ngx_table_elt_t *h = part->elts;
        for (ngx_uint_t i = 0; i < part->nelts; i++)
            if (h[i].key.len == len && ngx_strncasecmp(h[i].key.data, (u_char *)name, len) == 0)
                return h[i].value;
    }
    return none;
}

static ngx_uint_t ngx_http_signalbox_since(ngx_http_request_t *r, sb_event_id *id)
{
    ngx_str_t text = ngx_http_signalbox_header(r, "last-event-id");
    if (text.len == 0 && ngx_http_arg(r, (u_char *)"last_event_id", 13, &text) != NGX_OK)
        return 0;
    return ngx_http_signalbox_id_read(&text, id);
}

/* ---- Texts ---- */

static ngx_int_t ngx_http_signalbox_text_plain(
    ngx_http_signalbox_block_t *out, const struct iovec *frames, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if ((i > 1 && ngx_http_signalbox_block_add(out, "\n", 1) != NGX_OK) ||
            ngx_http_signalbox_block_add(out, frames[i].iov_base, frames[i].iov_len) != NGX_OK)
            return NGX_ERROR;
    return NGX_OK;
}

static ngx_int_t ngx_http_signalbox_text_string(ngx_http_signalbox_block_t *out, u_char *data, size_t len)
{
    ngx_str_t text = {len, data};
    size_t size = ngx_http_signalbox_json_size(&text);
    u_char *copy = malloc(size);
    if (copy == NULL)
        return NGX_ERROR;
    ngx_http_signalbox_json_write(copy, &text);
    ngx_int_t rc = ngx_http_signalbox_block_add(out, copy, size);
    free(copy);
    return rc;
}

#define NGX_HTTP_SIGNALBOX_ADD(out, text) ngx_http_signalbox_block_add(out, text, sizeof(text) - 1)

/* {"id":"...","topic":"...","data":"..."} */
static ngx_int_t ngx_http_signalbox_text_json(
    ngx_http_signalbox_block_t *out, const sb_event_id *id, const struct iovec *frames, size_t n)
{
    u_char head[sizeof "{\"id\":\"\",\"topic\":" + NGX_HTTP_SIGNALBOX_ID_LEN];
    ngx_http_signalbox_block_t body = {NULL, 0, 0};
    u_char *p = ngx_cpymem(head, "{\"id\":\"", 7);
    p = ngx_http_signalbox_id_write(p, id);
    p = ngx_cpymem(p, "\",\"topic\":", 10);
    ngx_int_t rc = ngx_http_signalbox_block_add(out, head, (size_t)(p - head));
    if (rc == NGX_OK)
        rc = ngx_http_signalbox_text_string(out, frames[0].iov_base, frames[0].iov_len);
    if (rc == NGX_OK)
        rc = NGX_HTTP_SIGNALBOX_ADD(out, ",\"data\":");
    if (rc == NGX_OK)
        rc = ngx_http_signalbox_text_plain(&body, frames, n);
    if (rc == NGX_OK)
        rc = ngx_http_signalbox_text_string(out, body.data, body.len);
    ngx_http_signalbox_block_free(&body);
    return rc == NGX_OK ? NGX_HTTP_SIGNALBOX_ADD(out, "}") : rc;
}

ngx_int_t ngx_http_signalbox_text(ngx_http_signalbox_stream_t *s, ngx_http_signalbox_block_t *out,
    const sb_event_id *id, const struct iovec *frames, size_t n)
{
    return s->conf->format == NGX_HTTP_SIGNALBOX_JSON ? ngx_http_signalbox_text_json(out, id, frames, n)
                                                      : ngx_http_signalbox_text_plain(out, frames, n);
}

/* ---- Headers ---- */

ngx_int_t ngx_http_signalbox_out(ngx_http_request_t *r, const char *name, ngx_str_t *value)
{
    ngx_table_elt_t *h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL)
        return NGX_ERROR;
    ngx_memzero(h, sizeof *h);
    h->hash = 1;
    h->key.data = (u_char *)name;
    h->key.len = ngx_strlen(name);
    h->value = *value;
    return NGX_OK;
}

static ngx_int_t ngx_http_signalbox_no_cache(ngx_http_request_t *r)
{
    ngx_str_t value = ngx_string("no-cache");
    return ngx_http_signalbox_out(r, "Cache-Control", &value);
}

/* ---- Server-sent events ---- */

static ngx_int_t ngx_http_signalbox_sse_begin(ngx_http_signalbox_stream_t *s)
{
    ngx_http_request_t *r = s->base.request;
    r->headers_out.status = NGX_HTTP_OK;
    ngx_str_set(&r->headers_out.content_type, "text/event-stream");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    ngx_http_clear_content_length(r);
    if (ngx_http_signalbox_no_cache(r) != NGX_OK)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    ngx_int_t rc = ngx_http_send_header(r);
    ngx_http_signalbox_stream_put(s, ": ok\n\n", 6);
    return rc == NGX_ERROR || rc > NGX_OK ? NGX_ERROR : NGX_OK;
}

/* Every line of the text becomes a line that begins with `field`. */
static u_char *ngx_http_signalbox_sse_lines(u_char *p, const u_char *text, size_t len)
{
    const u_char *end = text + len;
    p = ngx_cpymem(p, "data: ", 6);
    for (; text < end; text++) {
        if (*text == '\r' && text + 1 < end && text[1] == '\n')
            continue;
        if (*text == '\n' || *text == '\r')
            p = ngx_cpymem(p, "\ndata: ", 7);
        else
            *p++ = *text;
    }
    *p++ = '\n';
    return p;
}

static u_char *ngx_http_signalbox_sse_event(u_char *p, const struct iovec *topic)
{
    const u_char *text = topic->iov_base;
    p = ngx_cpymem(p, "event: ", 7);
    for (size_t i = 0; i < topic->iov_len; i++)
        *p++ = text[i] < ' ' ? ' ' : text[i];
    *p++ = '\n';
    return p;
}

static size_t ngx_http_signalbox_newlines(const ngx_http_signalbox_block_t *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->len; i++)
        n += b->data[i] == '\n' || b->data[i] == '\r';
    return n;
}

static void ngx_http_signalbox_sse_message(
    ngx_http_signalbox_stream_t *s, const sb_event_id *id, const struct iovec *frames, size_t n)
{
    ngx_http_signalbox_block_t text = {NULL, 0, 0};
    u_char *p = NULL;
    if (ngx_http_signalbox_text(s, &text, id, frames, n) == NGX_OK)
        p = ngx_http_signalbox_stream_room(s, 64 + NGX_HTTP_SIGNALBOX_ID_LEN + frames[0].iov_len + text.len +
                                                  7 * ngx_http_signalbox_newlines(&text));
    if (p != NULL) {
        p = ngx_http_signalbox_id_write(ngx_cpymem(p, "id: ", 4), id);
        *p++ = '\n';
        if (s->conf->format == NGX_HTTP_SIGNALBOX_EVENT)
            p = ngx_http_signalbox_sse_event(p, &frames[0]);
        p = ngx_http_signalbox_sse_lines(p, text.data, text.len);
        *p++ = '\n';
        ngx_http_signalbox_stream_took(s, p);
    }
    ngx_http_signalbox_block_free(&text);
}

static void ngx_http_signalbox_sse_ping(ngx_http_signalbox_stream_t *s)
{
    ngx_http_signalbox_stream_put(s, ":\n\n", 3);
}

static void ngx_http_signalbox_sse_farewell(ngx_http_signalbox_stream_t *s, ngx_uint_t code)
{
}

static const ngx_http_signalbox_mode_t ngx_http_signalbox_sse = {
    .begin = ngx_http_signalbox_sse_begin,
    .message = ngx_http_signalbox_sse_message,
    .ping = ngx_http_signalbox_sse_ping,
    .farewell = ngx_http_signalbox_sse_farewell,
};

/* ---- Long poll ---- */

/* There is nothing to say before the first message, which is the last. */
static ngx_int_t ngx_http_signalbox_poll_begin(ngx_http_signalbox_stream_t *s)
{
    return NGX_OK;
}

static ngx_int_t ngx_http_signalbox_poll_head(
    ngx_http_signalbox_stream_t *s, const sb_event_id *id, const struct iovec *topic, size_t len)
{
    ngx_http_request_t *r = s->base.request;
    ngx_str_t value;
    value.data = ngx_pnalloc(r->pool, NGX_HTTP_SIGNALBOX_ID_LEN + 1);
    if (value.data == NULL)
        return NGX_ERROR;
    value.len = (size_t)(ngx_http_signalbox_id_write(value.data, id) - value.data);
    if (ngx_http_signalbox_no_cache(r) != NGX_OK ||
        ngx_http_signalbox_out(r, "Last-Event-ID", &value) != NGX_OK)
        return NGX_ERROR;
    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = (off_t)len;
    if (s->conf->format == NGX_HTTP_SIGNALBOX_JSON) {
        ngx_str_set(&r->headers_out.content_type, "application/json");
        r->headers_out.content_type_len = r->headers_out.content_type.len;
    } else if (ngx_http_set_content_type(r) != NGX_OK) {
        return NGX_ERROR;
    }
    return ngx_http_send_header(r);
}

static void ngx_http_signalbox_poll_message(
    ngx_http_signalbox_stream_t *s, const sb_event_id *id, const struct iovec *frames, size_t n)
{
    ngx_http_signalbox_block_t text = {NULL, 0, 0};
    if (s->ending || s->dead)
        return;
    ngx_int_t rc = ngx_http_signalbox_text(s, &text, id, frames, n);
    if (rc == NGX_OK)
        rc = ngx_http_signalbox_poll_head(s, id, &frames[0], text.len);
    if (rc == NGX_ERROR || rc > NGX_OK)
        ngx_http_signalbox_stream_kill(s, NGX_ERROR);
    ngx_http_signalbox_stream_put(s, text.data, text.len);
    ngx_http_signalbox_stream_end(s);
    ngx_http_signalbox_block_free(&text);
}

/* Nothing came in time. */
static void ngx_http_signalbox_poll_ping(ngx_http_signalbox_stream_t *s)
{
    if (s->ending)
        return;
    ngx_str_set(&s->base.outcome, "timeout");
    ngx_http_signalbox_stream_kill(s, NGX_HTTP_NO_CONTENT);
}

static void ngx_http_signalbox_poll_farewell(ngx_http_signalbox_stream_t *s, ngx_uint_t code)
{
    ngx_http_signalbox_poll_ping(s);
}

static const ngx_http_signalbox_mode_t ngx_http_signalbox_poll = {
    .begin = ngx_http_signalbox_poll_begin,
    .message = ngx_http_signalbox_poll_message,
    .ping = ngx_http_signalbox_poll_ping,
    .farewell = ngx_http_signalbox_poll_farewell,
};

/* ---- What the gateway tells ---- */

static ngx_http_signalbox_stream_t *ngx_http_signalbox_stream_of(sb_follower *follower)
{
    return (
        ngx_http_signalbox_stream_t *)((u_char *)follower - offsetof(ngx_http_signalbox_stream_t, follower));
}

static void ngx_http_signalbox_begin_once(ngx_http_signalbox_stream_t *s)
{
    if (s->begun)
        return;
    s->begun = 1;
    if (s->mode != &ngx_http_signalbox_poll)
        ngx_add_timer(&s->base.timer, s->conf->ping);
    ngx_str_set(&s->base.outcome, "ok");
    s->base.took = ngx_current_msec - s->base.began;
    ngx_int_t rc = ngx_tcp_nodelay(s->base.request->connection);
    if (rc == NGX_OK)
        rc = s->mode->begin(s);
    if (rc != NGX_OK)
        ngx_http_signalbox_stream_kill(s, rc);
}

/* Messages that were missed come before the answer: they are one, too. */
static void ngx_http_signalbox_on_message(
    sb_follower *self, const sb_event_id *id, const struct iovec *frames, size_t n)
{
    ngx_http_signalbox_stream_t *s = ngx_http_signalbox_stream_of(self);
    ngx_http_signalbox_begin_once(s);
    s->mode->message(s, id, frames, n);
}

static void ngx_http_signalbox_refuse(ngx_http_signalbox_stream_t *s, ngx_str_t outcome, ngx_int_t rc)
{
    s->base.outcome = outcome;
    ngx_http_signalbox_stream_kill(s, rc);
}

#define NGX_HTTP_SIGNALBOX_GOING_AWAY 1001
#define NGX_HTTP_SIGNALBOX_RESTART    1012

static void ngx_http_signalbox_on_status(sb_follower *self, sb_follow_status status)
{
    ngx_http_signalbox_stream_t *s = ngx_http_signalbox_stream_of(self);
    static ngx_str_t denied = ngx_string("denied"), full = ngx_string("full"), lost = ngx_string("lost");
    if (status == SB_FOLLOW_OK) {
        ngx_http_signalbox_begin_once(s);
    } else if (status == SB_FOLLOW_DENIED) {
        ngx_http_signalbox_refuse(s, denied, NGX_HTTP_FORBIDDEN);
    } else if (!s->begun) {
        ngx_http_signalbox_refuse(s, status == SB_FOLLOW_FULL ? full : lost, NGX_HTTP_SERVICE_UNAVAILABLE);
    } else {
        s->mode->farewell(s, NGX_HTTP_SIGNALBOX_RESTART);
        ngx_http_signalbox_stream_end(s);
    }
}

void ngx_http_signalbox_quit(ngx_signalbox_worker_t *w)
{
    for (ngx_queue_t *q = ngx_queue_head(&w->streams); q != ngx_queue_sentinel(&w->streams);
         q = ngx_queue_next(q)) {
        ngx_http_signalbox_stream_t *s = ngx_queue_data(q, ngx_http_signalbox_stream_t, node);
        if (!s->begun) {
            ngx_http_signalbox_stream_kill(s, NGX_HTTP_SERVICE_UNAVAILABLE);
            continue;
        }
        s->mode->farewell(s, NGX_HTTP_SIGNALBOX_GOING_AWAY);
        ngx_http_signalbox_stream_end(s);
    }
}

/* ---- The request ---- */

static void ngx_http_signalbox_on_flush(ngx_event_t *ev)
{
    ngx_http_signalbox_stream_flush(
        (ngx_http_signalbox_stream_t *)((u_char *)ev - offsetof(ngx_http_signalbox_stream_t, flush)));
}

/* No answer from the gate in time, or time to ping. */
static void ngx_http_signalbox_on_timer(ngx_event_t *ev)
{
    ngx_http_signalbox_stream_t *s =
        (ngx_http_signalbox_stream_t *)((u_char *)ev - offsetof(ngx_http_signalbox_ctx_t, timer));
    static ngx_str_t timeout = ngx_string("timeout");
    if (!s->begun && s->mode != &ngx_http_signalbox_poll) {
        ngx_http_signalbox_refuse(s, timeout, NGX_HTTP_GATEWAY_TIME_OUT);
        return;
    }
    s->mode->ping(s);
    if (!s->dead)
        ngx_add_timer(ev, s->conf->ping);
}

static void ngx_http_signalbox_stream_cleanup(void *data)
{
    ngx_http_signalbox_stream_t *s = data;
    ngx_http_signalbox_stream_detach(s);
    ngx_queue_remove(&s->node);
    s->worker->nstreams--;
    ngx_http_signalbox_block_free(&s->sending);
    ngx_http_signalbox_block_free(&s->gathered);
    ngx_http_signalbox_block_free(&s->input.payload);
    ngx_http_signalbox_block_free(&s->input.message);
    ngx_http_signalbox_block_free(&s->input.rest);
}

static ngx_uint_t ngx_http_signalbox_has(ngx_str_t *text, const char *word)
{
    return text->len != 0 &&
           ngx_strlcasestrn(text->data, text->data + text->len, (u_char *)word, ngx_strlen(word) - 1) != NULL;
}

/* ?poll, with or without a value; or an Accept that takes no events. */
static ngx_uint_t ngx_http_signalbox_is_poll(ngx_http_request_t *r)
{
    u_char *p = r->args.data, *end = r->args.data + r->args.len;
    ngx_str_t accept = ngx_http_signalbox_header(r, "accept");
    for (; p != NULL && p < end; p++) {
        if (end - p >= 4 && ngx_strncmp(p, "poll", 4) == 0 && (end - p == 4 || p[4] == '&' || p[4] == '='))
            return 1;
        p = ngx_strlchr(p, end, '&');
        if (p == NULL)
            break;
    }
    return accept.len != 0 && !ngx_http_signalbox_has(&accept, "text/event-stream") &&
           !ngx_http_signalbox_has(&accept, "*/*");
}

static const ngx_http_signalbox_mode_t *ngx_http_signalbox_mode(ngx_http_request_t *r)
{
    if (ngx_http_signalbox_is_websocket(r))
        return &ngx_http_signalbox_websocket;
    return ngx_http_signalbox_is_poll(r) ? &ngx_http_signalbox_poll : &ngx_http_signalbox_sse;
}

static ngx_http_signalbox_stream_t *ngx_http_signalbox_stream_create(
    ngx_http_request_t *r, ngx_signalbox_worker_t *w)
{
    ngx_http_signalbox_stream_t *s = ngx_pcalloc(r->pool, sizeof *s);
    ngx_http_cleanup_t *cleanup = ngx_http_cleanup_add(r, 0);
    if (s == NULL || cleanup == NULL)
        return NULL;
    s->base.request = r;
    s->base.began = ngx_current_msec;
    ngx_str_set(&s->base.outcome, "canceled");
    s->base.timer.handler = ngx_http_signalbox_on_timer;
    s->flush.handler = ngx_http_signalbox_on_flush;
    s->base.timer.data = s->flush.data = r->connection;
    s->base.timer.log = s->flush.log = r->connection->log;
    s->follower.on_status = ngx_http_signalbox_on_status;
    s->follower.on_message = ngx_http_signalbox_on_message;
    s->mode = ngx_http_signalbox_mode(r);
    s->worker = w;
    s->conf = ngx_http_get_module_loc_conf(r, ngx_http_signalbox_module);
    ngx_queue_insert_tail(&w->streams, &s->node);
    w->nstreams++;
    cleanup->handler = ngx_http_signalbox_stream_cleanup;
    cleanup->data = s;
    ngx_http_set_ctx(r, s, ngx_http_signalbox_module);
    return s;
}

static ngx_int_t ngx_http_signalbox_follow(ngx_http_signalbox_stream_t *s)
{
    ngx_http_request_t *r = s->base.request;
    ngx_str_t topic;
    sb_event_id since;
    ngx_uint_t resumes = ngx_http_signalbox_since(r, &since);
    ngx_int_t rc = ngx_http_signalbox_client(r, &s->base.client);
    if (rc != NGX_OK)
        return rc;
    s->follower.client = s->base.call.client = &s->base.client;
    if (ngx_http_signalbox_topic(r, &topic) != NGX_OK)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    if (topic.len > SB_FOLLOW_TOPIC || ngx_strlchr(topic.data, topic.data + topic.len, '\0') != NULL)
        return NGX_HTTP_BAD_REQUEST;
    sb_err err = s->worker->api->gateway_follow(s->worker->gateway, (size_t)s->conf->use, topic.data,
        topic.len, resumes ? &since : NULL, &s->follower);
    return err == SB_OK ? NGX_OK : NGX_HTTP_SERVICE_UNAVAILABLE;
}

ngx_int_t ngx_http_signalbox_subscribe_handler(ngx_http_request_t *r)
{
    ngx_signalbox_worker_t *w = ngx_signalbox_gateway_worker();
    if (r->method != NGX_HTTP_GET)
        return NGX_HTTP_NOT_ALLOWED;
    if (w == NULL || w->draining)
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    ngx_int_t rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK)
        return rc;
    ngx_http_signalbox_stream_t *s = ngx_http_signalbox_stream_create(r, w);
    rc = s != NULL ? ngx_http_signalbox_follow(s) : NGX_HTTP_INTERNAL_SERVER_ERROR;
    if (rc != NGX_OK)
        return rc;
    ngx_signalbox_worker_touch(w);
    ngx_add_timer(&s->base.timer, s->conf->timeout);
    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_signalbox_stream_writable;
    if (s->mode != &ngx_http_signalbox_poll)
        r->keepalive = 0;
    return NGX_DONE;
}
