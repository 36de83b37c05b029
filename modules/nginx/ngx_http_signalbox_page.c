/* Signalbox in nginx: the pages of the board. The status page for people is the same for everybody; what it
 * shows it fetches as JSON from the same location (?format=json), which the worker with the scripts answers.
 * Before: nginx's content phase. After: ngx_http_signalbox_call.c. */
#include "ngx_http_signalbox.h"

static ngx_int_t ngx_http_signalbox_wants_page(ngx_http_request_t *r)
{
    ngx_http_signalbox_main_conf_t *main_conf = ngx_http_get_module_main_conf(r, ngx_http_signalbox_module);
    ngx_http_signalbox_loc_conf_t *conf = ngx_http_get_module_loc_conf(r, ngx_http_signalbox_module);
    ngx_signalbox_use_t *uses = main_conf->uses.elts;
    ngx_str_t format;
    if (ngx_strcmp(uses[conf->use].use.socket, "status") != 0)
        return 0;
    return ngx_http_arg(r, (u_char *)"format", 6, &format) != NGX_OK || format.len != 4 ||
           ngx_strncmp(format.data, "json", 4) != 0;
}

static ngx_int_t ngx_http_signalbox_send_page(ngx_http_request_t *r, const sb_api *api)
{
    size_t len;
    ngx_chain_t out = {.next = NULL};
    const char *html = api->status_page(&len);
    out.buf = ngx_calloc_buf(r->pool);
    if (out.buf == NULL)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    out.buf->pos = out.buf->start = (u_char *)html;
    out.buf->last = out.buf->end = (u_char *)html + len;
    out.buf->memory = 1; /* the library's: not to be written to */
    out.buf->last_buf = r == r->main;
    out.buf->last_in_chain = 1;
    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = (off_t)len;
    ngx_str_set(&r->headers_out.content_type, "text/html");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    ngx_str_set(&r->headers_out.charset, "utf-8");
    ngx_int_t rc = ngx_http_send_header(r);
    return rc == NGX_ERROR || rc > NGX_OK || r->header_only ? rc : ngx_http_output_filter(r, &out);
}

ngx_int_t ngx_http_signalbox_page_handler(ngx_http_request_t *r)
{
    ngx_signalbox_conf_t *conf =
        (ngx_signalbox_conf_t *)ngx_get_conf(ngx_cycle->conf_ctx, ngx_signalbox_module);
    if (!(r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)))
        return NGX_HTTP_NOT_ALLOWED;
    if (!ngx_http_signalbox_wants_page(r))
        return ngx_http_signalbox_request_handler(r);
    ngx_int_t rc = ngx_http_discard_request_body(r);
    return rc == NGX_OK ? ngx_http_signalbox_send_page(r, conf->api) : rc;
}
