/* Signalbox in nginx: the server's side of WebSocket (RFC 6455). Before: ngx_http_signalbox_subscribe.c.
 * After: ngx_http_signalbox_stream.c (out), modules/library/gateway.h (in). */
#include "ngx_http_signalbox_stream.h"

#include <ngx_sha1.h>

enum { WS_MORE = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };
enum {
    WS_PROTOCOL_ERROR = 1002,
    WS_UNSUPPORTED = 1003,
    WS_NO_STATUS = 1005,
    WS_BAD_TEXT = 1007,
    WS_TOO_BIG = 1009,
    WS_INTERNAL = 1011,
    WS_LATER = 1013
};

#define WS_GUID        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define WS_KEY         24   /* octets of a key in base64 */
#define WS_CONTROL_MAX 125  /* octets in a control frame */
#define WS_READ        4096 /* octets per read */

/* ---- Handshake ---- */

ngx_uint_t ngx_http_signalbox_is_websocket(ngx_http_request_t *r)
{
    ngx_str_t upgrade = ngx_http_signalbox_header(r, "upgrade");
    return r->http_version == NGX_HTTP_VERSION_11 && upgrade.len == 9 &&
           ngx_strncasecmp(upgrade.data, (u_char *)"websocket", 9) == 0;
}

static ngx_int_t ngx_http_signalbox_ws_accept(ngx_http_request_t *r, ngx_str_t *key)
{
    ngx_sha1_t sha1;
    u_char digest[20];
    ngx_str_t raw = {sizeof digest, digest}, value;
    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, key->data, key->len);
    ngx_sha1_update(&sha1, WS_GUID, sizeof WS_GUID - 1);
    ngx_sha1_final(digest, &sha1);
    value.data = ngx_pnalloc(r->pool, ngx_base64_encoded_length(sizeof digest));
    if (value.data == NULL)
        return NGX_ERROR;
    ngx_encode_base64(&value, &raw);
    return ngx_http_signalbox_out(r, "Sec-WebSocket-Accept", &value);
}

#define NGX_HTTP_SIGNALBOX_UPGRADE_REQUIRED 426

static void ngx_http_signalbox_ws_readable(ngx_http_request_t *r);

static ngx_int_t ngx_http_signalbox_ws_begin(ngx_http_signalbox_stream_t *s)
{
    ngx_http_request_t *r = s->base.request;
    ngx_str_t key = ngx_http_signalbox_header(r, "sec-websocket-key");
    ngx_str_t version = ngx_http_signalbox_header(r, "sec-websocket-version");
    ngx_str_t websocket = ngx_string("websocket"), wanted = ngx_string("13");
    if (version.len != 2 || ngx_strncmp(version.data, wanted.data, 2) != 0)
        return ngx_http_signalbox_out(r, "Sec-WebSocket-Version", &wanted) == NGX_OK
                   ? NGX_HTTP_SIGNALBOX_UPGRADE_REQUIRED
                   : NGX_HTTP_INTERNAL_SERVER_ERROR;
    if (key.len != WS_KEY)
        return NGX_HTTP_BAD_REQUEST;
    if (ngx_http_signalbox_ws_accept(r, &key) != NGX_OK ||
        ngx_http_signalbox_out(r, "Upgrade", &websocket) != NGX_OK)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
    ngx_str_set(&r->headers_out.status_line, "101 Switching Protocols");
    ngx_int_t rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || ngx_http_send_special(r, NGX_HTTP_FLUSH) == NGX_ERROR)
        return NGX_ERROR;
    r->read_event_handler = ngx_http_signalbox_ws_readable;
    ngx_post_event(r->connection->read, &ngx_posted_events); /* what came with the request */
    return NGX_OK;
}

/* ---- Out ---- */

static void ngx_http_signalbox_ws_frame(
    ngx_http_signalbox_stream_t *s, u_char opcode, const void *data, size_t len)
{
    u_char *p = ngx_http_signalbox_stream_room(s, len + 10);
    if (p == NULL)
        return;
    *p++ = 0x80 | opcode;
    if (len <= WS_CONTROL_MAX) {
        *p++ = (u_char)len;
    } else if (len <= 0xffff) {
        *p++ = 126;
        *p++ = (u_char)(len >> 8);
        *p++ = (u_char)len;
    } else {
        *p++ = 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            *p++ = (u_char)((uint64_t)len >> shift);
    }
    ngx_http_signalbox_stream_took(s, ngx_cpymem(p, data, len));
}

static void ngx_http_signalbox_ws_message(
    ngx_http_signalbox_stream_t *s, const sb_event_id *id, const struct iovec *frames, size_t n)
{
    ngx_http_signalbox_block_t text = {NULL, 0, 0};
    if (ngx_http_signalbox_text(s, &text, id, frames, n) == NGX_OK)
        ngx_http_signalbox_ws_frame(s, s->conf->binary ? WS_BINARY : WS_TEXT, text.data, text.len);
    ngx_http_signalbox_block_free(&text);
}

/* A client that has said nothing since the last ping is gone. */
static void ngx_http_signalbox_ws_ping(ngx_http_signalbox_stream_t *s)
{
    if (s->input.quiet) {
        ngx_str_set(&s->base.outcome, "timeout");
        ngx_http_signalbox_stream_kill(s, NGX_ERROR);
        return;
    }
    s->input.quiet = 1;
    ngx_http_signalbox_ws_frame(s, WS_PING, "", 0);
}

static void ngx_http_signalbox_ws_farewell(ngx_http_signalbox_stream_t *s, ngx_uint_t code)
{
    u_char text[2] = {(u_char)(code >> 8), (u_char)code};
    if (s->input.closed)
        return;
    s->input.closed = 1;
    ngx_http_signalbox_ws_frame(s, WS_CLOSE, text, code == WS_NO_STATUS ? 0 : sizeof text);
}

static void ngx_http_signalbox_ws_end(ngx_http_signalbox_stream_t *s, ngx_uint_t code)
{
    ngx_http_signalbox_ws_farewell(s, code);
    ngx_http_signalbox_stream_end(s);
}

/* ---- In: messages ---- */

static ngx_uint_t ngx_http_signalbox_ws_is_utf8(const ngx_http_signalbox_block_t *b)
{
    u_char *p = b->data, *end = b->data + b->len;
    while (p < end) {
        if (*p < 0x80) {
            p++;
            continue;
        }
        uint32_t c = ngx_utf8_decode(&p, (size_t)(end - p));
        if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return 0;
    }
    return 1;
}

static void ngx_http_signalbox_ws_feed(ngx_http_signalbox_stream_t *s, const u_char *data, size_t len);
static void ngx_http_signalbox_ws_read(ngx_http_signalbox_stream_t *s);

static void ngx_http_signalbox_ws_on_published(
    sb_call *self, sb_call_status status, const struct iovec *frames, size_t n)
{
    ngx_http_signalbox_stream_t *s = (ngx_http_signalbox_stream_t *)self;
    ngx_http_signalbox_block_t rest = s->input.rest;
    s->input.waiting = 0;
    if (status != SB_CALL_OK && status != SB_CALL_NOBODY) {
        ngx_http_signalbox_ws_end(s, status == SB_CALL_FULL ? WS_LATER : WS_INTERNAL);
        return;
    }
    s->input.rest = (ngx_http_signalbox_block_t){NULL, 0, 0};
    ngx_http_signalbox_ws_feed(s, rest.data, rest.len);
    ngx_http_signalbox_block_free(&rest);
    ngx_http_signalbox_ws_read(s);
}

/* [topic][message] into the socket of publish=. */
static void ngx_http_signalbox_ws_publish(ngx_http_signalbox_stream_t *s)
{
    ngx_http_signalbox_block_t *m = &s->input.message;
    const struct iovec frames[] = {
        {.iov_base = s->follower.asked, .iov_len = s->follower.asked_len},
        {.iov_base = m->data, .iov_len = m->len},
    };
    s->base.call.on_reply = ngx_http_signalbox_ws_on_published;
    sb_err err =
        s->worker->api->gateway_call(s->worker->gateway, (size_t)s->conf->publish, frames, 2, &s->base.call);
    if (err != SB_OK) {
        ngx_http_signalbox_ws_end(s, WS_LATER);
        return;
    }
    s->input.waiting = 1;
    ngx_signalbox_worker_touch(s->worker);
}

static void ngx_http_signalbox_ws_on_message(ngx_http_signalbox_stream_t *s)
{
    if (s->input.opcode == WS_TEXT && !ngx_http_signalbox_ws_is_utf8(&s->input.message))
        ngx_http_signalbox_ws_end(s, WS_BAD_TEXT);
    else if (s->conf->publish == NGX_CONF_UNSET)
        ngx_http_signalbox_ws_end(s, WS_UNSUPPORTED);
    else
        ngx_http_signalbox_ws_publish(s);
    s->input.message.len = 0;
    s->input.opcode = WS_MORE;
}

/* ---- In: frames ---- */

static ngx_uint_t ngx_http_signalbox_ws_close_code(const ngx_http_signalbox_block_t *b)
{
    if (b->len == 0)
        return WS_NO_STATUS;
    ngx_uint_t code = b->len >= 2 ? ((ngx_uint_t)b->data[0] << 8) | b->data[1] : 0;
    ngx_uint_t known =
        (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
    return known ? code : WS_PROTOCOL_ERROR;
}

static void ngx_http_signalbox_ws_on_control(ngx_http_signalbox_stream_t *s, u_char opcode)
{
    ngx_http_signalbox_block_t *b = &s->input.payload;
    if (opcode == WS_PING)
        ngx_http_signalbox_ws_frame(s, WS_PONG, b->data, b->len);
    else if (opcode == WS_CLOSE)
        ngx_http_signalbox_ws_end(s, ngx_http_signalbox_ws_close_code(b));
    b->len = 0;
}

static ngx_uint_t ngx_http_signalbox_ws_is_control(u_char opcode)
{
    return (opcode & 8) != 0;
}

/* 0: the header is a good one; else the code to close with. */
static ngx_uint_t ngx_http_signalbox_ws_check(ngx_http_signalbox_stream_t *s)
{
    const ngx_http_signalbox_input_t *in = &s->input;
    u_char opcode = in->head[0] & 15, fin = in->head[0] & 0x80;
    if ((in->head[0] & 0x70) != 0 || (in->head[1] & 0x80) == 0)
        return WS_PROTOCOL_ERROR;
    if (ngx_http_signalbox_ws_is_control(opcode))
        return opcode <= WS_PONG && fin && in->left <= WS_CONTROL_MAX ? 0 : WS_PROTOCOL_ERROR;
    if (opcode > WS_BINARY || (opcode == WS_MORE) != (in->opcode != WS_MORE))
        return WS_PROTOCOL_ERROR;
    return in->left > s->conf->message - in->message.len ? WS_TOO_BIG : 0;
}

static size_t ngx_http_signalbox_ws_head_size(const ngx_http_signalbox_input_t *in)
{
    u_char len = in->nhead >= 2 ? in->head[1] & 127 : 0;
    return len == 127 ? 14 : len == 126 ? 8 : 6;
}

static void ngx_http_signalbox_ws_on_head(ngx_http_signalbox_stream_t *s)
{
    ngx_http_signalbox_input_t *in = &s->input;
    size_t octets = ngx_http_signalbox_ws_head_size(in) - 6;
    in->left = octets == 0 ? in->head[1] & 127 : 0;
    for (size_t i = 0; i < octets; i++)
        in->left = (in->left << 8) | in->head[2 + i];
    ngx_uint_t code = ngx_http_signalbox_ws_check(s);
    if (code != 0) {
        ngx_http_signalbox_ws_end(s, code);
        return;
    }
    in->in_payload = 1;
    in->done = 0;
    if (!ngx_http_signalbox_ws_is_control(in->head[0] & 15) && in->opcode == WS_MORE)
        in->opcode = in->head[0] & 15;
}

static void ngx_http_signalbox_ws_on_frame(ngx_http_signalbox_stream_t *s)
{
    ngx_http_signalbox_input_t *in = &s->input;
    in->in_payload = 0;
    in->nhead = 0;
    if (ngx_http_signalbox_ws_is_control(in->head[0] & 15))
        ngx_http_signalbox_ws_on_control(s, in->head[0] & 15);
    else if (in->head[0] & 0x80)
        ngx_http_signalbox_ws_on_message(s);
}

static size_t ngx_http_signalbox_ws_take_payload(
    ngx_http_signalbox_stream_t *s, const u_char *data, size_t len)
{
    ngx_http_signalbox_input_t *in = &s->input;
    const u_char *mask = in->head + ngx_http_signalbox_ws_head_size(in) - 4;
    ngx_http_signalbox_block_t *b =
        ngx_http_signalbox_ws_is_control(in->head[0] & 15) ? &in->payload : &in->message;
    size_t n = len < in->left ? len : (size_t)in->left;
    if (ngx_http_signalbox_block_add(b, data, n) != NGX_OK) {
        ngx_http_signalbox_ws_end(s, WS_INTERNAL);
        return len;
    }
    for (size_t i = 0; i < n; i++)
        b->data[b->len - n + i] ^= mask[(in->done + i) & 3];
    in->done += n;
    in->left -= n;
    return n;
}

static size_t ngx_http_signalbox_ws_take_head(ngx_http_signalbox_stream_t *s, const u_char *data, size_t len)
{
    ngx_http_signalbox_input_t *in = &s->input;
    size_t n = 0;
    while (n < len && in->nhead < ngx_http_signalbox_ws_head_size(in))
        in->head[in->nhead++] = data[n++];
    if (in->nhead >= 2 && in->nhead == ngx_http_signalbox_ws_head_size(in))
        ngx_http_signalbox_ws_on_head(s);
    return n;
}

/* What comes behind a message that is on its way waits for its turn. */
static void ngx_http_signalbox_ws_feed(ngx_http_signalbox_stream_t *s, const u_char *data, size_t len)
{
    ngx_http_signalbox_input_t *in = &s->input;
    while (len > 0 && !in->waiting && !in->closed) {
        size_t n = in->in_payload ? ngx_http_signalbox_ws_take_payload(s, data, len)
                                  : ngx_http_signalbox_ws_take_head(s, data, len);
        data += n;
        len -= n;
        if (in->in_payload && in->left == 0)
            ngx_http_signalbox_ws_on_frame(s);
    }
    if (len > 0 && in->waiting && ngx_http_signalbox_block_add(&in->rest, data, len) != NGX_OK)
        ngx_http_signalbox_ws_end(s, WS_INTERNAL);
}

/* ---- Reading ---- */

/* Octets that nginx read together with the request's head come first. */
static ssize_t ngx_http_signalbox_ws_recv(ngx_http_request_t *r, u_char *buf, size_t cap)
{
    ngx_buf_t *b = r->header_in;
    size_t n = (size_t)(b->last - b->pos);
    if (n == 0)
        return r->connection->recv(r->connection, buf, cap);
    n = n < cap ? n : cap;
    ngx_memcpy(buf, b->pos, n);
    b->pos += n;
    return (ssize_t)n;
}

static void ngx_http_signalbox_ws_read(ngx_http_signalbox_stream_t *s)
{
    ngx_http_request_t *r = s->base.request;
    u_char buf[WS_READ];
    while (!s->input.waiting && !s->input.closed && !s->dead) {
        ssize_t n = ngx_http_signalbox_ws_recv(r, buf, sizeof buf);
        if (n == NGX_AGAIN) {
            if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK)
                ngx_http_signalbox_stream_kill(s, NGX_ERROR);
            return;
        }
        if (n <= 0) {
            ngx_http_signalbox_stream_kill(s, NGX_HTTP_CLIENT_CLOSED_REQUEST);
            return;
        }
        s->input.quiet = 0;
        ngx_http_signalbox_ws_feed(s, buf, (size_t)n);
    }
}

static void ngx_http_signalbox_ws_readable(ngx_http_request_t *r)
{
    ngx_http_signalbox_ws_read(ngx_http_get_module_ctx(r, ngx_http_signalbox_module));
}

const ngx_http_signalbox_mode_t ngx_http_signalbox_websocket = {
    .begin = ngx_http_signalbox_ws_begin,
    .message = ngx_http_signalbox_ws_message,
    .ping = ngx_http_signalbox_ws_ping,
    .farewell = ngx_http_signalbox_ws_farewell,
};
