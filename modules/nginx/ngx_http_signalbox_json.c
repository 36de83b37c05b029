/* Signalbox in nginx: flat JSON objects, as headers travel in frames. */
#include "ngx_http_signalbox.h"

typedef struct {
    u_char *p, *end;
    ngx_pool_t *pool;
} ngx_http_signalbox_json_t;

/* ---- Writing ---- */

size_t ngx_http_signalbox_json_size(ngx_str_t *text)
{
    return sizeof "\"\"" - 1 + text->len + ngx_escape_json(NULL, text->data, text->len);
}

u_char *ngx_http_signalbox_json_write(u_char *p, ngx_str_t *text)
{
    *p++ = '"';
    p = (u_char *)ngx_escape_json(p, text->data, text->len);
    *p++ = '"';
    return p;
}

/* ---- Reading ---- */

static void ngx_http_signalbox_json_space(ngx_http_signalbox_json_t *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r'))
        j->p++;
}

/* Whether the next thing is that octet, which is then passed. */
static ngx_uint_t ngx_http_signalbox_json_is(ngx_http_signalbox_json_t *j, u_char c)
{
    ngx_http_signalbox_json_space(j);
    if (j->p == j->end || *j->p != c)
        return 0;
    j->p++;
    return 1;
}

static u_char *ngx_http_signalbox_json_utf8(u_char *out, ngx_uint_t c)
{
    if (c < 0x80) {
        *out++ = (u_char)c;
    } else if (c < 0x800) {
        *out++ = (u_char)(0xc0 | (c >> 6));
        *out++ = (u_char)(0x80 | (c & 0x3f));
    } else { /* halves of a pair stay halves: no header is made of them */
        *out++ = (u_char)(0xe0 | (c >> 12));
        *out++ = (u_char)(0x80 | ((c >> 6) & 0x3f));
        *out++ = (u_char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* After the backslash. NULL: no such escape. */
static u_char *ngx_http_signalbox_json_escape(ngx_http_signalbox_json_t *j, u_char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (j->p == j->end)
        return NULL;
    u_char c = *j->p++;
    const char *at = c != '\0' ? strchr(from, c) : NULL;
    if (at != NULL) {
        *out++ = (u_char)to[at - from];
        return out;
    }
    ngx_int_t code = c == 'u' && j->end - j->p >= 4 ? ngx_hextoi(j->p, 4) : NGX_ERROR;
    if (code == NGX_ERROR)
        return NULL;
    j->p += 4;
    return ngx_http_signalbox_json_utf8(out, (ngx_uint_t)code);
}

/* What is written is never longer than what was read. */
static ngx_int_t ngx_http_signalbox_json_string(ngx_http_signalbox_json_t *j, ngx_str_t *text)
{
    u_char *out = text->data = ngx_pnalloc(j->pool, (size_t)(j->end - j->p) + 1);
    while (out != NULL && j->p < j->end) {
        u_char c = *j->p++;
        if (c == '"') {
            text->len = (size_t)(out - text->data);
            return NGX_OK;
        }
        if (c == '\\')
            out = ngx_http_signalbox_json_escape(j, out);
        else
            *out++ = c;
    }
    return NGX_ERROR;
}

/* A number, true or false as its text. */
static ngx_int_t ngx_http_signalbox_json_word(ngx_http_signalbox_json_t *j, ngx_str_t *text)
{
    text->data = j->p;
    while (j->p < j->end && *j->p != '\0' && strchr("+-.0123456789Eaeflrstu", *j->p) != NULL)
        j->p++;
    text->len = (size_t)(j->p - text->data);
    return text->len != 0 ? NGX_OK : NGX_ERROR;
}

static ngx_int_t ngx_http_signalbox_json_scalar(ngx_http_signalbox_json_t *j, ngx_str_t *text)
{
    return ngx_http_signalbox_json_is(j, '"') ? ngx_http_signalbox_json_string(j, text)
                                              : ngx_http_signalbox_json_word(j, text);
}

static ngx_int_t ngx_http_signalbox_json_member(
    ngx_http_signalbox_json_t *j, ngx_http_signalbox_json_pt each, void *data)
{
    ngx_str_t name, value;
    if (!ngx_http_signalbox_json_is(j, '"') || ngx_http_signalbox_json_string(j, &name) != NGX_OK ||
        !ngx_http_signalbox_json_is(j, ':'))
        return NGX_ERROR;
    ngx_uint_t array = ngx_http_signalbox_json_is(j, '[');
    if (array && ngx_http_signalbox_json_is(j, ']'))
        return NGX_OK;
    do {
        if (ngx_http_signalbox_json_scalar(j, &value) != NGX_OK || each(data, &name, &value) != NGX_OK)
            return NGX_ERROR;
    } while (array && ngx_http_signalbox_json_is(j, ','));
    return !array || ngx_http_signalbox_json_is(j, ']') ? NGX_OK : NGX_ERROR;
}

ngx_int_t ngx_http_signalbox_json_read(
    ngx_pool_t *pool, ngx_str_t *text, ngx_http_signalbox_json_pt each, void *data)
{
    ngx_http_signalbox_json_t j = {text->data, text->data + text->len, pool};
    if (!ngx_http_signalbox_json_is(&j, '{'))
        return NGX_ERROR;
    if (!ngx_http_signalbox_json_is(&j, '}')) {
        do {
            if (ngx_http_signalbox_json_member(&j, each, data) != NGX_OK)
                return NGX_ERROR;
        } while (ngx_http_signalbox_json_is(&j, ','));
        if (!ngx_http_signalbox_json_is(&j, '}'))
            return NGX_ERROR;
    }
    ngx_http_signalbox_json_space(&j);
    return j.p == j.end ? NGX_OK : NGX_ERROR;
}
