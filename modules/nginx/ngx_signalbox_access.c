/* Signalbox in nginx: access logs of messages. nginx opens their files, and opens them anew on USR1. A line
 * goes into a buffer, which is written when it is full or old; the lines of a full disk are lost, and that is
 * told once a second at most. */
#include "ngx_signalbox_access.h"

#define NGX_SIGNALBOX_ACCESS_BUFFER (64 * 1024)
#define NGX_SIGNALBOX_ACCESS_FLUSH  1000 /* ms */

typedef struct {
    ngx_str_t name; /* with the "=" */
    const char *right;
    ngx_int_t (*read)(ngx_signalbox_access_t *log, ngx_str_t *value);
} ngx_signalbox_access_param_t;

/* ---- The directive ---- */

static ngx_int_t ngx_signalbox_access_buffer(ngx_signalbox_access_t *log, ngx_str_t *value)
{
    ssize_t size = ngx_parse_size(value);
    log->size = (size_t)size;
    return size >= SB_ACCESS_LINE && size <= 64 * 1024 * 1024 ? NGX_OK : NGX_ERROR;
}

static ngx_int_t ngx_signalbox_access_flush_time(ngx_signalbox_access_t *log, ngx_str_t *value)
{
    ngx_int_t ms = ngx_parse_time(value, 0);
    log->flush = (ngx_msec_t)ms;
    return ms > 0 ? NGX_OK : NGX_ERROR;
}

static ngx_int_t ngx_signalbox_access_sample(ngx_signalbox_access_t *log, ngx_str_t *value)
{
    ngx_int_t n = ngx_atoi(value->data, value->len);
    log->config.sample = (uint32_t)n;
    return n > 0 && n <= 0x7fffffff ? NGX_OK : NGX_ERROR;
}

/* Tokens end with a NUL. The library says what is wrong with these. */
static ngx_int_t ngx_signalbox_access_if(ngx_signalbox_access_t *log, ngx_str_t *value)
{
    log->config.actions = (char *)value->data;
    return value->len > 0 ? NGX_OK : NGX_ERROR;
}

static ngx_int_t ngx_signalbox_access_escape(ngx_signalbox_access_t *log, ngx_str_t *value)
{
    log->config.escape = (char *)value->data;
    return NGX_OK;
}

static const ngx_signalbox_access_param_t ngx_signalbox_access_params[] = {
    {ngx_string("buffer="), "a size from 4k to 64m", ngx_signalbox_access_buffer},
    {ngx_string("flush="), "a time above zero, such as 1s", ngx_signalbox_access_flush_time},
    {ngx_string("sample="), "a number above zero: one of so many is written", ngx_signalbox_access_sample},
    {ngx_string("if="), "actions such as drop,dead", ngx_signalbox_access_if},
    {ngx_string("escape="), "default, json or none", ngx_signalbox_access_escape},
};
#define NGX_SIGNALBOX_ACCESS_PARAMS (sizeof ngx_signalbox_access_params / sizeof *ngx_signalbox_access_params)

static char *ngx_signalbox_access_param(ngx_conf_t *cf, ngx_signalbox_access_t *log, ngx_str_t *arg)
{
    for (size_t i = 0; i < NGX_SIGNALBOX_ACCESS_PARAMS; i++) {
        const ngx_signalbox_access_param_t *p = &ngx_signalbox_access_params[i];
        ngx_str_t value = {arg->len - p->name.len, arg->data + p->name.len};
        if (arg->len < p->name.len || ngx_strncmp(arg->data, p->name.data, p->name.len) != 0)
            continue;
        if (p->read(log, &value) == NGX_OK)
            return NGX_CONF_OK;
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0, "signalbox: signalbox_log: \"%V\" must be %s", arg, p->right);
        return NGX_CONF_ERROR;
    }
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
        "signalbox: signalbox_log: unknown parameter \"%V\", there are buffer= flush= sample= if= escape=",
        arg);
    return NGX_CONF_ERROR;
}

static void ngx_signalbox_access_reopen(ngx_open_file_t *file, ngx_log_t *log)
{
    ngx_signalbox_access_t *mine = file->data;
    mine->log = log;
    ngx_signalbox_access_write(mine);
}

static ngx_signalbox_access_t *ngx_signalbox_access_add(
    ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *path)
{
    ngx_signalbox_access_t **slot = ngx_array_push(&conf->accesses),
                           *log = ngx_pcalloc(cf->pool, sizeof *log);
    if (slot == NULL || log == NULL)
        return NULL;
    *slot = log;
    log->file = ngx_conf_open_file(cf->cycle, path);
    if (log->file == NULL)
        return NULL;
    log->conf_file = cf->conf_file->file.name;
    log->conf_line = cf->conf_file->line;
    log->size = NGX_SIGNALBOX_ACCESS_BUFFER;
    log->flush = NGX_SIGNALBOX_ACCESS_FLUSH;
    return log;
}

/* Two writers with buffers of their own would mix their lines, and only one of them is asked to flush. */
static ngx_uint_t ngx_signalbox_access_is_taken(ngx_signalbox_access_t *log)
{
    return log->file->data != NULL || log->file->flush != NULL;
}

char *ngx_signalbox_access(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n)
{
    if (ngx_strcmp(args[0].data, "off") == 0) {
        conf->accesses.nelts = 0;
        return n == 1 ? NGX_CONF_OK : "off takes nothing else";
    }
    ngx_signalbox_access_t *log = ngx_signalbox_access_add(cf, conf, &args[0]);
    if (log == NULL)
        return NGX_CONF_ERROR;
    if (ngx_signalbox_access_is_taken(log)) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0, "signalbox: signalbox_log: \"%V\" is another log's file", &args[0]);
        return NGX_CONF_ERROR;
    }
    log->file->flush = ngx_signalbox_access_reopen;
    log->file->data = log;
    ngx_uint_t i = 1;
    if (i < n && ngx_strlchr(args[i].data, args[i].data + args[i].len, '$') != NULL)
        log->config.format = (char *)args[i++].data;
    for (; i < n; i++)
        if (ngx_signalbox_access_param(cf, log, &args[i]) != NGX_CONF_OK)
            return NGX_CONF_ERROR;
    return NGX_CONF_OK;
}

static void ngx_signalbox_access_destroy(void *data)
{
    ngx_signalbox_access_t *log = data;
    log->api->access_destroy(log->access);
}

static ngx_int_t ngx_signalbox_access_compile(ngx_conf_t *cf, ngx_signalbox_access_t *log, const sb_api *api)
{
    char err[256];
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cf->pool, 0);
    if (cleanup == NULL)
        return NGX_ERROR;
    if (api->access_create(&log->config, err, sizeof err, &log->access) != SB_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "signalbox: signalbox_log: %s in %V:%ui", err,
            &log->conf_file, log->conf_line);
        return NGX_ERROR;
    }
    log->api = api;
    cleanup->handler = ngx_signalbox_access_destroy;
    cleanup->data = log;
    return NGX_OK;
}

ngx_int_t ngx_signalbox_access_check(ngx_conf_t *cf, ngx_signalbox_conf_t *conf)
{
    ngx_signalbox_access_t **logs = conf->accesses.elts;
    for (ngx_uint_t i = 0; i < conf->accesses.nelts; i++)
        if (ngx_signalbox_access_compile(cf, logs[i], conf->api) != NGX_OK)
            return NGX_ERROR;
    return NGX_OK;
}

/* ---- In the worker ---- */

void ngx_signalbox_access_write(ngx_signalbox_access_t *log)
{
    size_t len = log->len;
    log->len = 0;
    if (len == 0)
        return;
    ssize_t n = ngx_write_fd(log->file->fd, log->buffer, len);
    if (n == (ssize_t)len || log->complained == ngx_time())
        return;
    log->complained = ngx_time();
    if (n == -1) {
        ngx_log_error(
            NGX_LOG_ERR, log->log, ngx_errno, "signalbox: cannot write to \"%V\"", &log->file->name);
    } else {
        ngx_log_error(NGX_LOG_ERR, log->log, 0, "signalbox: wrote only %z of %uz octets to \"%V\"", n, len,
            &log->file->name);
    }
}

static void ngx_signalbox_access_on_time(ngx_event_t *ev)
{
    ngx_signalbox_access_t *log =
        (ngx_signalbox_access_t *)((u_char *)ev - offsetof(ngx_signalbox_access_t, timer));
    ngx_signalbox_access_write(log);
}

static void ngx_signalbox_access_line(ngx_signalbox_access_t *log, const sb_passage *passage)
{
    if (log->buffer == NULL)
        return;
    if (log->size - log->len < SB_ACCESS_LINE)
        ngx_signalbox_access_write(log);
    log->len += log->api->access_line(log->access, passage, (char *)log->buffer + log->len);
    if (log->len != 0 && !log->timer.timer_set)
        ngx_add_timer(&log->timer, log->flush);
}

static void ngx_signalbox_access_passed(sb_tap *tap, const sb_passage *passage)
{
    ngx_signalbox_worker_t *w =
        (ngx_signalbox_worker_t *)((u_char *)tap - offsetof(ngx_signalbox_worker_t, tap));
    ngx_signalbox_access_t **logs = w->conf->accesses.elts;
    for (ngx_uint_t i = 0; i < w->conf->accesses.nelts; i++)
        ngx_signalbox_access_line(logs[i], passage);
}

ngx_int_t ngx_signalbox_access_begin(ngx_signalbox_worker_t *w, ngx_pool_t *pool)
{
    ngx_signalbox_access_t **logs = w->conf->accesses.elts;
    if (w->conf->accesses.nelts == 0 || !w->owner)
        return NGX_OK;
    for (ngx_uint_t i = 0; i < w->conf->accesses.nelts; i++) {
        logs[i]->buffer = ngx_palloc(pool, logs[i]->size);
        if (logs[i]->buffer == NULL)
            return NGX_ERROR;
        logs[i]->log = w->log;
        ngx_signalbox_worker_init_event(w, &logs[i]->timer, ngx_signalbox_access_on_time);
    }
    w->tap.passed = ngx_signalbox_access_passed;
    w->api->engine_set_tap(w->engine, &w->tap);
    return NGX_OK;
}

void ngx_signalbox_access_end(ngx_signalbox_worker_t *w)
{
    ngx_signalbox_access_t **logs = w->conf->accesses.elts;
    for (ngx_uint_t i = 0; i < w->conf->accesses.nelts; i++) {
        ngx_signalbox_access_write(logs[i]);
        if (logs[i]->timer.timer_set)
            ngx_del_timer(&logs[i]->timer);
    }
}
