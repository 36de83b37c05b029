/* Signalbox in nginx: frames out of an HTTP request. Before: ngx_http_signalbox_call.c. */
#include "ngx_http_signalbox.h"

/* ---- Items ---- */

static ngx_int_t ngx_http_signalbox_make_method(
    ngx_http_request_t *r, ngx_http_signalbox_item_t *item, ngx_str_t *out)
{
    *out = r->method_name;
    return NGX_OK;
}

static ngx_int_t ngx_http_signalbox_make_uri(
    ngx_http_request_t *r, ngx_http_signalbox_item_t *item, ngx_str_t *out)
{
    *out = r->unparsed_uri;
    return NGX_OK;
}

static ngx_int_t ngx_http_signalbox_make_path(
    ngx_http_request_t *r, ngx_http_signalbox_item_t *item, ngx_str_t *out)
{
    *out = r->uri;
    return NGX_OK;
}

static ngx_int_t ngx_http_signalbox_make_args(
    ngx_http_request_t *r, ngx_http_signalbox_item_t *item, ngx_str_t *out)
{
    *out = r->args;
    return NGX_OK;
}

static ngx_int_t ngx_http_signalbox_make_topic(
    ngx_http_request_t *r, ngx_http_signalbox_item_t *item, ngx_str_t *out)
{
    return ngx_http_signalbox_topic(r, out);
}

static ngx_int_t ngx_http_signalbox_make_value(
    ngx_http_request_t *r, ngx_http_signalbox_item_t *item, ngx_str_t *out)
{
    return ngx_http_complex_value(r, &item->value, out);
}

/* ---- Headers ---- */

static ngx_uint_t ngx_http_signalbox_header_wanted(ngx_array_t *names, ngx_table_elt_t *h)
{
    ngx_str_t *name = names != NULL ? names->elts : NULL;
    for (ngx_uint_t i = 0; names != NULL && i < names->nelts; i++)
        if (name[i].len == h->key.len && ngx_strncmp(name[i].data, h->lowcase_key, h->key.len) == 0)
            return 1;
    return names == NULL;
}

/* Calls `add` for every wanted header of the request; the position is in and out. */
static u_char *ngx_http_signalbox_each_header(
    ngx_http_request_t *r, u_char *p, u_char *(*add)(u_char *p, ngx_table_elt_t *h))
{
    ngx_http_signalbox_loc_conf_t *conf = ngx_http_get_module_loc_conf(r, ngx_http_signalbox_module);
    for (ngx_list_part_t *part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        ngx_table_elt_t *h = part->elts;
        for (ngx_uint_t i = 0; i < part->nelts; i++)
            if (h[i].lowcase_key != NULL && ngx_http_signalbox_header_wanted(conf->headers, &h[i]))
                p = add(p, &h[i]);
    }
    return p;
}

static u_char *ngx_http_signalbox_header_measure(u_char *p, ngx_table_elt_t *h)
{
    return p + ngx_http_signalbox_json_size(&h->key) + ngx_http_signalbox_json_size(&h->value) + 2;
}

static u_char *ngx_http_signalbox_header_write(u_char *p, ngx_table_elt_t *h)
{
    ngx_str_t key = {h->key.len, h->lowcase_key};
    p = ngx_http_signalbox_json_write(p, &key);
    *p++ = ':';
    p = ngx_http_signalbox_json_write(p, &h->value);
    *p++ = ',';
    return p;
}

/* {"name":"value",...}; a header that comes twice is there twice. */
static ngx_int_t ngx_http_signalbox_make_headers(
    ngx_http_request_t *r, ngx_http_signalbox_item_t *item, ngx_str_t *out)
{
    u_char *size = ngx_http_signalbox_each_header(r, (u_char *)2, ngx_http_signalbox_header_measure);
    u_char *p = out->data = ngx_pnalloc(r->pool, (size_t)(uintptr_t)size);
    if (p == NULL)
        return NGX_ERROR;
    *p++ = '{';
    p = ngx_http_signalbox_each_header(r, p, ngx_http_signalbox_header_write);
    if (p[-1] == ',')
        p--;
    *p++ = '}';
    out->len = (size_t)(p - out->data);
    return NGX_OK;
}

/* ---- Body ---- */

static size_t ngx_http_signalbox_body_size(ngx_chain_t *in)
{
    size_t size = 0;
    for (; in != NULL; in = in->next)
        size += (size_t)ngx_buf_size(in->buf);
    return size;
}

static ngx_int_t ngx_http_signalbox_body_copy(ngx_http_request_t *r, ngx_chain_t *in, u_char *p)
{
    for (; in != NULL; in = in->next) {
        ngx_buf_t *b = in->buf;
        size_t size = (size_t)ngx_buf_size(b);
        if (ngx_buf_in_memory(b))
            ngx_memcpy(p, b->pos, size);
        else if (b->in_file && ngx_read_file(b->file, p, size, b->file_pos) != (ssize_t)size)
            return NGX_ERROR;
        p += size;
    }
    return NGX_OK;
}

/* One piece in memory is taken as it is: the request keeps it. */
static ngx_int_t ngx_http_signalbox_make_body(
    ngx_http_request_t *r, ngx_http_signalbox_item_t *item, ngx_str_t *out)
{
    ngx_chain_t *in = r->request_body != NULL ? r->request_body->bufs : NULL;
    ngx_str_null(out);
    if (in == NULL)
        return NGX_OK;
    out->len = ngx_http_signalbox_body_size(in);
    if (in->next == NULL && ngx_buf_in_memory(in->buf)) {
        out->data = in->buf->pos;
        return NGX_OK;
    }
    out->data = ngx_pnalloc(r->pool, out->len + 1);
    return out->data != NULL ? ngx_http_signalbox_body_copy(r, in, out->data) : NGX_ERROR;
}

/* ---- Lists of items ---- */

typedef struct {
    ngx_str_t word;
    ngx_int_t (*make)(ngx_http_request_t *r, ngx_http_signalbox_item_t *item, ngx_str_t *out);
} ngx_http_signalbox_word_t;

static const ngx_http_signalbox_word_t ngx_http_signalbox_words[] = {
    {ngx_string("method"), ngx_http_signalbox_make_method},
    {ngx_string("uri"), ngx_http_signalbox_make_uri},
    {ngx_string("path"), ngx_http_signalbox_make_path},
    {ngx_string("args"), ngx_http_signalbox_make_args},
    {ngx_string("headers"), ngx_http_signalbox_make_headers},
    {ngx_string("topic"), ngx_http_signalbox_make_topic},
    {ngx_string("body"), ngx_http_signalbox_make_body},
};

static ngx_int_t ngx_http_signalbox_item_parse(
    ngx_conf_t *cf, ngx_str_t *text, ngx_http_signalbox_item_t *item)
{
    for (size_t i = 0; i < sizeof ngx_http_signalbox_words / sizeof *ngx_http_signalbox_words; i++) {
        const ngx_http_signalbox_word_t *w = &ngx_http_signalbox_words[i];
        if (w->word.len == text->len && ngx_strncmp(w->word.data, text->data, text->len) == 0) {
            item->make = w->make;
            return NGX_OK;
        }
    }
    if (ngx_strlchr(text->data, text->data + text->len, '$') == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
            "signalbox: unknown frame \"%V\", use method, uri, path, args, headers, topic, body or a text "
            "with "
            "$variables",
            text);
        return NGX_ERROR;
    }
    ngx_http_compile_complex_value_t compile;
    ngx_memzero(&compile, sizeof compile);
    compile.cf = cf;
    compile.value = text;
    compile.complex_value = &item->value;
    item->make = ngx_http_signalbox_make_value;
    return ngx_http_compile_complex_value(&compile);
}

ngx_array_t *ngx_http_signalbox_frames_parse(ngx_conf_t *cf, ngx_str_t *list)
{
    ngx_array_t *items = ngx_array_create(cf->pool, 4, sizeof(ngx_http_signalbox_item_t));
    u_char *p = list->data, *end = list->data + list->len;
    while (items != NULL && p < end) {
        u_char *comma = ngx_strlchr(p, end, ',');
        ngx_str_t text = {(size_t)((comma != NULL ? comma : end) - p), p};
        ngx_http_signalbox_item_t *item = ngx_array_push(items);
        if (item == NULL || ngx_http_signalbox_item_parse(cf, &text, item) != NGX_OK)
            return NULL;
        p += text.len + 1;
    }
    if (items != NULL && items->nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "signalbox: frames= is empty, name at least one frame");
        return NULL;
    }
    return items;
}

/* ---- A request ---- */

static ngx_http_signalbox_item_t ngx_http_signalbox_request_items[] = {
    {.make = ngx_http_signalbox_make_method},
    {.make = ngx_http_signalbox_make_uri},
    {.make = ngx_http_signalbox_make_headers},
    {.make = ngx_http_signalbox_make_body},
};

static ngx_http_signalbox_item_t ngx_http_signalbox_publish_items[] = {
    {.make = ngx_http_signalbox_make_topic},
    {.make = ngx_http_signalbox_make_body},
};

typedef struct {
    ngx_http_signalbox_item_t *items;
    size_t n;
} ngx_http_signalbox_layout_t;

/* Without frames=: what a socket of that type expects. */
static ngx_http_signalbox_layout_t ngx_http_signalbox_layout(ngx_http_request_t *r)
{
    ngx_http_signalbox_loc_conf_t *conf = ngx_http_get_module_loc_conf(r, ngx_http_signalbox_module);
    ngx_http_signalbox_main_conf_t *main_conf = ngx_http_get_module_main_conf(r, ngx_http_signalbox_module);
    const ngx_signalbox_use_t *use = (ngx_signalbox_use_t *)main_conf->uses.elts + conf->use;
    if (conf->frames != NULL)
        return (ngx_http_signalbox_layout_t){conf->frames->elts, conf->frames->nelts};
    if (use->use.kind == SB_USE_REQUEST)
        return (ngx_http_signalbox_layout_t){ngx_http_signalbox_request_items, 4};
    if (use->type == SB_PUB || use->type == SB_XPUB)
        return (ngx_http_signalbox_layout_t){ngx_http_signalbox_publish_items, 2};
    return (ngx_http_signalbox_layout_t){ngx_http_signalbox_publish_items + 1, 1};
}

struct iovec *ngx_http_signalbox_frames_make(ngx_http_request_t *r, size_t *n)
{
    ngx_http_signalbox_layout_t layout = ngx_http_signalbox_layout(r);
    struct iovec *frames = ngx_palloc(r->pool, layout.n * sizeof *frames);
    ngx_http_signalbox_ctx_t *ctx = ngx_http_get_module_ctx(r, ngx_http_signalbox_module);
    for (size_t i = 0; frames != NULL && i < layout.n; i++) {
        ngx_str_t text;
        if (layout.items[i].make(r, &layout.items[i], &text) != NGX_OK)
            return NULL;
        frames[i] = (struct iovec){.iov_base = text.data, .iov_len = text.len};
        ctx->size += text.len;
    }
    *n = layout.n;
    return frames;
}

ngx_int_t ngx_http_signalbox_topic(ngx_http_request_t *r, ngx_str_t *topic)
{
    ngx_http_signalbox_loc_conf_t *conf = ngx_http_get_module_loc_conf(r, ngx_http_signalbox_module);
    ngx_http_core_loc_conf_t *core = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    if (conf->topic != NULL)
        return ngx_http_complex_value(r, conf->topic, topic);
    *topic = r->uri;
    if (r->uri.len >= core->name.len && ngx_strncmp(r->uri.data, core->name.data, core->name.len) == 0) {
        topic->data += core->name.len;
        topic->len -= core->name.len;
    }
    if (topic->len != 0 && topic->data[0] == '/') {
        topic->data++;
        topic->len--;
    }
    return NGX_OK;
}
