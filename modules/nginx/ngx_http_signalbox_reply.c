/* Signalbox in nginx: an answer of a service as an HTTP response. Before: ngx_http_signalbox_call.c.
 *
 * [body], [status][body], or [status][headers][body ...]. */
#include "ngx_http_signalbox.h"

/* Hop by hop, or what nginx decides itself. */
static ngx_str_t ngx_http_signalbox_own_headers[] = {
    ngx_string("connection"),
    ngx_string("content-length"),
    ngx_string("keep-alive"),
    ngx_string("trailer"),
    ngx_string("transfer-encoding"),
    ngx_string("upgrade"),
};

static ngx_uint_t ngx_http_signalbox_is(ngx_str_t *name, const char *word)
{
    return name->len == ngx_strlen(word) && ngx_strncasecmp(name->data, (u_char *)word, name->len) == 0;
}

static ngx_uint_t ngx_http_signalbox_is_own(ngx_str_t *name)
{
    for (size_t i = 0; i < sizeof ngx_http_signalbox_own_headers / sizeof(ngx_str_t); i++)
        if (ngx_http_signalbox_is(name, (char *)ngx_http_signalbox_own_headers[i].data))
            return 1;
    return 0;
}

/* No name or value may end a line. */
static ngx_uint_t ngx_http_signalbox_is_clean(ngx_str_t *name, ngx_str_t *value)
{
    for (size_t i = 0; i < name->len; i++)
        if (name->data[i] <= ' ' || name->data[i] == ':' || name->data[i] == 0x7f)
            return 0;
    for (size_t i = 0; i < value->len; i++)
        if (value->data[i] < ' ' && value->data[i] != '\t')
            return 0;
    return name->len != 0;
}

static ngx_int_t ngx_http_signalbox_add_header(void *data, ngx_str_t *name, ngx_str_t *value)
{
    ngx_http_request_t *r = data;
    if (!ngx_http_signalbox_is_clean(name, value))
        return NGX_ERROR;
    if (ngx_http_signalbox_is_own(name))
        return NGX_OK;
    if (ngx_http_signalbox_is(name, "content-type")) {
        r->headers_out.content_type = *value;
        r->headers_out.content_type_len = value->len;
        return NGX_OK;
    }
    ngx_table_elt_t *h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL)
        return NGX_ERROR;
    ngx_memzero(h, sizeof *h);
    h->hash = 1;
    h->key = *name;
    h->value = *value;
    if (ngx_http_signalbox_is(name, "location"))
        r->headers_out.location = h;
    else if (ngx_http_signalbox_is(name, "server"))
        r->headers_out.server = h;
    else if (ngx_http_signalbox_is(name, "date"))
        r->headers_out.date = h;
    else if (ngx_http_signalbox_is(name, "content-encoding"))
        r->headers_out.content_encoding = h; /* gzip leaves it alone */
    return NGX_OK;
}

/* "404" or "404 Not Found". */
static ngx_int_t ngx_http_signalbox_status(const struct iovec *frame)
{
    u_char *text = frame->iov_base;
    if (frame->iov_len < 3 || (frame->iov_len > 3 && text[3] != ' '))
        return NGX_ERROR;
    ngx_int_t status = ngx_atoi(text, 3);
    return status >= 200 && status <= 599 ? status : NGX_ERROR;
}

static ngx_int_t ngx_http_signalbox_bad(ngx_http_request_t *r, const char *what)
{
    ngx_http_signalbox_ctx_t *ctx = ngx_http_get_module_ctx(r, ngx_http_signalbox_module);
    ngx_str_set(&ctx->outcome, "bad_reply");
    ngx_http_signalbox_log(r, NGX_LOG_ERR, "the reply's ", what);
    return NGX_HTTP_BAD_GATEWAY;
}

/* nginx owns what it sends, longer than the frames live. */
static ngx_chain_t *ngx_http_signalbox_body(ngx_http_request_t *r, const struct iovec *frames, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += frames[i].iov_len;
    ngx_buf_t *b = size != 0 ? ngx_create_temp_buf(r->pool, size) : ngx_calloc_buf(r->pool);
    ngx_chain_t *out = ngx_alloc_chain_link(r->pool);
    if (b == NULL || out == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        b->last = ngx_cpymem(b->last, frames[i].iov_base, frames[i].iov_len);
    b->last_buf = r == r->main;
    b->last_in_chain = 1;
    out->buf = b;
    out->next = NULL;
    r->headers_out.content_length_n = (off_t)size;
    return out;
}

/* Status and headers; how many frames they were, NGX_ERROR with *why. */
ngx_int_t ngx_http_signalbox_head(
    ngx_http_request_t *r, const struct iovec *frames, size_t n, const char **why)
{
    ngx_str_t copy;
    ngx_int_t status = n > 1 ? ngx_http_signalbox_status(&frames[0]) : NGX_HTTP_OK;
    *why = "first frame is no status between 200 and 599";
    if (status == NGX_ERROR)
        return NGX_ERROR;
    r->headers_out.status = (ngx_uint_t)status;
    if (n < 3)
        return n > 1;
    *why = "second frame is no JSON object of headers";
    copy.len = frames[1].iov_len;
    copy.data = ngx_pnalloc(r->pool, copy.len + 1);
    if (copy.data == NULL)
        return NGX_ERROR;
    ngx_memcpy(copy.data, frames[1].iov_base, copy.len);
    if (copy.len != 0 &&
        ngx_http_signalbox_json_read(r->pool, &copy, ngx_http_signalbox_add_header, r) != NGX_OK)
        return NGX_ERROR;
    return 2;
}

ngx_int_t ngx_http_signalbox_reply(ngx_http_request_t *r, const struct iovec *frames, size_t n)
{
    const char *why;
    ngx_int_t head = ngx_http_signalbox_head(r, frames, n, &why);
    if (head == NGX_ERROR)
        return ngx_http_signalbox_bad(r, why);
    if (r->headers_out.content_type.len == 0 && ngx_http_set_content_type(r) != NGX_OK)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    ngx_chain_t *out = ngx_http_signalbox_body(r, frames + head, n - (size_t)head);
    if (out == NULL)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    if (r->headers_out.status == NGX_HTTP_NO_CONTENT || r->headers_out.status == NGX_HTTP_NOT_MODIFIED)
        r->header_only = 1;
    ngx_int_t rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only)
        return rc;
    return ngx_http_output_filter(r, out);
}

ngx_int_t ngx_http_signalbox_write_wait(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t *core = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    ngx_event_t *wev = r->connection->write;
    if (!r->buffered && !r->connection->buffered) {
        if (wev->timer_set)
            ngx_del_timer(wev);
        return NGX_OK;
    }
    if (!wev->timer_set && !wev->delayed)
        ngx_add_timer(wev, core->send_timeout);
    return ngx_handle_write_event(wev, core->send_lowat);
}
