/* Signalbox in nginx: directives of HTTP locations. After: the files named in ngx_http_signalbox.h. */
#include "ngx_http_signalbox.h"

ngx_array_t *ngx_http_signalbox_uses(ngx_cycle_t *cycle)
{
    ngx_http_signalbox_main_conf_t *conf =
        ngx_http_cycle_get_module_main_conf(cycle, ngx_http_signalbox_module);
    return conf != NULL ? &conf->uses : NULL;
}

/* ---- Parameters ---- */

typedef struct {
    ngx_str_t key; /* with the "=" */
    ngx_uint_t uses;
    char *(*set)(ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value);
} ngx_http_signalbox_param_t;

#define NGX_HTTP_SIGNALBOX_USE(kind) (1u << (kind))

static char *ngx_http_signalbox_set_timeout(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value)
{
    ngx_int_t ms = ngx_parse_time(value, 0);
    if (ms <= 0) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0, "signalbox: invalid timeout \"%V\", must be a time such as 2s", value);
        return NGX_CONF_ERROR;
    }
    conf->timeout = (ngx_msec_t)ms;
    return NGX_CONF_OK;
}

static char *ngx_http_signalbox_set_frames(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value)
{
    conf->frames = ngx_http_signalbox_frames_parse(cf, value);
    return conf->frames != NULL ? NGX_CONF_OK : NGX_CONF_ERROR;
}

/* "A,B": every name in lower case. */
static char *ngx_http_signalbox_set_headers(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value)
{
    u_char *p = value->data, *end = value->data + value->len;
    conf->headers = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
    while (conf->headers != NULL && p < end) {
        u_char *comma = ngx_strlchr(p, end, ',');
        ngx_str_t *name = ngx_array_push(conf->headers);
        if (name == NULL)
            return NGX_CONF_ERROR;
        name->data = p;
        name->len = (size_t)((comma != NULL ? comma : end) - p);
        ngx_strlow(name->data, name->data, name->len);
        p += name->len + 1;
    }
    return conf->headers != NULL ? NGX_CONF_OK : NGX_CONF_ERROR;
}

static char *ngx_http_signalbox_text_value(ngx_conf_t *cf, ngx_str_t *text, ngx_http_complex_value_t **value)
{
    ngx_http_compile_complex_value_t compile;
    *value = ngx_palloc(cf->pool, sizeof **value);
    if (*value == NULL)
        return NGX_CONF_ERROR;
    ngx_memzero(&compile, sizeof compile);
    compile.cf = cf;
    compile.value = text;
    compile.complex_value = *value;
    return ngx_http_compile_complex_value(&compile) == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}

static char *ngx_http_signalbox_set_topic(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value)
{
    return ngx_http_signalbox_text_value(cf, value, &conf->topic);
}

static char *ngx_http_signalbox_set_user(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value)
{
    return ngx_http_signalbox_text_value(cf, value, &conf->user);
}

static char *ngx_http_signalbox_set_retain(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value)
{
    conf->retain = ngx_atoi(value->data, value->len);
    if (conf->retain >= 0 && conf->retain <= 1000000)
        return NGX_CONF_OK;
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
        "signalbox: invalid retain \"%V\", must be a number of messages from 0 to 1000000", value);
    return NGX_CONF_ERROR;
}

static char *ngx_http_signalbox_set_ping(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value)
{
    ngx_int_t ms = ngx_parse_time(value, 0);
    if (ms <= 0) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0, "signalbox: invalid ping \"%V\", must be a time such as 15s", value);
        return NGX_CONF_ERROR;
    }
    conf->ping = (ngx_msec_t)ms;
    return NGX_CONF_OK;
}

static char *ngx_http_signalbox_size(ngx_conf_t *cf, const char *what, ngx_str_t *value, size_t *size)
{
    ssize_t n = ngx_parse_size(value);
    if (n < 1) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0, "signalbox: invalid %s \"%V\", must be a size such as 64k", what, value);
        return NGX_CONF_ERROR;
    }
    *size = (size_t)n;
    return NGX_CONF_OK;
}

static char *ngx_http_signalbox_set_buffer(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value)
{
    return ngx_http_signalbox_size(cf, "buffer", value, &conf->buffer);
}

static char *ngx_http_signalbox_set_message(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value)
{
    return ngx_http_signalbox_size(cf, "message", value, &conf->message);
}

static char *ngx_http_signalbox_set_format(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value)
{
    static const char *const names[] = {"data", "event", "json"};
    for (ngx_uint_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (ngx_strcmp(value->data, names[i]) == 0) {
            conf->format = i;
            return NGX_CONF_OK;
        }
    }
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0, "signalbox: unknown format \"%V\", use data, event or json", value);
    return NGX_CONF_ERROR;
}

static char *ngx_http_signalbox_set_frame(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value)
{
    conf->binary = ngx_strcmp(value->data, "binary") == 0;
    if (conf->binary || ngx_strcmp(value->data, "text") == 0)
        return NGX_CONF_OK;
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "signalbox: unknown frame \"%V\", use text or binary", value);
    return NGX_CONF_ERROR;
}

static char *ngx_http_signalbox_set_parts(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value)
{
    conf->parts = ngx_strcmp(value->data, "on") == 0;
    if (conf->parts || ngx_strcmp(value->data, "off") == 0)
        return NGX_CONF_OK;
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "signalbox: parts=%V, use on or off", value);
    return NGX_CONF_ERROR;
}

static char *ngx_http_signalbox_set_publish(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, ngx_str_t *value)
{
    ngx_http_signalbox_main_conf_t *main_conf =
        ngx_http_conf_get_module_main_conf(cf, ngx_http_signalbox_module);
    conf->publish = ngx_signalbox_gateway_use(cf, &main_conf->uses, SB_USE_PUBLISH, value);
    return conf->publish != NGX_ERROR ? NGX_CONF_OK : NGX_CONF_ERROR;
}

#define NGX_HTTP_SIGNALBOX_STREAMS NGX_HTTP_SIGNALBOX_USE(SB_USE_SUBSCRIBE)

#define NGX_HTTP_SIGNALBOX_CALLS                                                                             \
    (NGX_HTTP_SIGNALBOX_USE(SB_USE_REQUEST) | NGX_HTTP_SIGNALBOX_USE(SB_USE_PUBLISH))

static const ngx_http_signalbox_param_t ngx_http_signalbox_params[] = {
    {ngx_string("timeout="), NGX_HTTP_SIGNALBOX_CALLS | NGX_HTTP_SIGNALBOX_STREAMS,
        ngx_http_signalbox_set_timeout},
    {ngx_string("frames="), NGX_HTTP_SIGNALBOX_CALLS, ngx_http_signalbox_set_frames},
    {ngx_string("headers="), NGX_HTTP_SIGNALBOX_CALLS, ngx_http_signalbox_set_headers},
    {ngx_string("parts="), NGX_HTTP_SIGNALBOX_USE(SB_USE_REQUEST), ngx_http_signalbox_set_parts},
    {ngx_string("topic="), NGX_HTTP_SIGNALBOX_USE(SB_USE_PUBLISH) | NGX_HTTP_SIGNALBOX_STREAMS,
        ngx_http_signalbox_set_topic},
    {ngx_string("user="), NGX_HTTP_SIGNALBOX_CALLS | NGX_HTTP_SIGNALBOX_STREAMS, ngx_http_signalbox_set_user},
    {ngx_string("format="), NGX_HTTP_SIGNALBOX_STREAMS, ngx_http_signalbox_set_format},
    {ngx_string("retain="), NGX_HTTP_SIGNALBOX_STREAMS, ngx_http_signalbox_set_retain},
    {ngx_string("buffer="), NGX_HTTP_SIGNALBOX_STREAMS, ngx_http_signalbox_set_buffer},
    {ngx_string("ping="), NGX_HTTP_SIGNALBOX_STREAMS, ngx_http_signalbox_set_ping},
    {ngx_string("frame="), NGX_HTTP_SIGNALBOX_STREAMS, ngx_http_signalbox_set_frame},
    {ngx_string("publish="), NGX_HTTP_SIGNALBOX_STREAMS, ngx_http_signalbox_set_publish},
    {ngx_string("message="), NGX_HTTP_SIGNALBOX_STREAMS, ngx_http_signalbox_set_message},
};

#define NGX_HTTP_SIGNALBOX_PARAMS (sizeof ngx_http_signalbox_params / sizeof *ngx_http_signalbox_params)

static char *ngx_http_signalbox_param(
    ngx_conf_t *cf, ngx_http_signalbox_loc_conf_t *conf, sb_use_kind kind, ngx_str_t *arg)
{
    u_char names[256], *p = names;
    for (size_t i = 0; i < NGX_HTTP_SIGNALBOX_PARAMS; i++) {
        const ngx_http_signalbox_param_t *param = &ngx_http_signalbox_params[i];
        if ((param->uses & NGX_HTTP_SIGNALBOX_USE(kind)) == 0)
            continue;
        p = ngx_slprintf(p, names + sizeof names, " %V", &param->key);
        if (arg->len < param->key.len || ngx_strncmp(arg->data, param->key.data, param->key.len) != 0)
            continue;
        ngx_str_t value = {arg->len - param->key.len, arg->data + param->key.len};
        return param->set(cf, conf, &value);
    }
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "signalbox: unknown parameter \"%V\", there are:%*s", arg,
        (size_t)(p - names), names);
    return NGX_CONF_ERROR;
}

/* ---- Directives ---- */

static const ngx_http_handler_pt ngx_http_signalbox_handlers[SB_USE_COUNT] = {
    [SB_USE_REQUEST] = ngx_http_signalbox_request_handler,
    [SB_USE_PUBLISH] = ngx_http_signalbox_publish_handler,
    [SB_USE_PAGE] = ngx_http_signalbox_page_handler,
    [SB_USE_SUBSCRIBE] = ngx_http_signalbox_subscribe_handler,
};

/* cmd->post holds the page's name. */
static char *ngx_http_signalbox_page(ngx_conf_t *cf, ngx_command_t *cmd, void *data)
{
    ngx_http_signalbox_loc_conf_t *conf = data;
    ngx_http_signalbox_main_conf_t *main_conf =
        ngx_http_conf_get_module_main_conf(cf, ngx_http_signalbox_module);
    ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    ngx_str_t page = {ngx_strlen(cmd->post), cmd->post};
    if (conf->use != NGX_CONF_UNSET)
        return "is duplicate, or another signalbox directive is in this location";
    conf->use = ngx_signalbox_gateway_use(cf, &main_conf->uses, SB_USE_PAGE, &page);
    core->handler = ngx_http_signalbox_handlers[SB_USE_PAGE];
    return conf->use != NGX_ERROR ? NGX_CONF_OK : NGX_CONF_ERROR;
}

/* Several locations may use one socket: the one that wants most is served. */
static void ngx_http_signalbox_retain(ngx_array_t *uses, const ngx_http_signalbox_loc_conf_t *conf)
{
    ngx_signalbox_use_t *use = (ngx_signalbox_use_t *)uses->elts + conf->use;
    if (use->use.retain < (uint32_t)conf->retain)
        use->use.retain = (uint32_t)conf->retain;
}

/* cmd->post holds the kind. */
static char *ngx_http_signalbox_use(ngx_conf_t *cf, ngx_command_t *cmd, void *data)
{
    ngx_http_signalbox_loc_conf_t *conf = data;
    ngx_http_signalbox_main_conf_t *main_conf =
        ngx_http_conf_get_module_main_conf(cf, ngx_http_signalbox_module);
    ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    sb_use_kind kind = (sb_use_kind)(uintptr_t)cmd->post;
    ngx_str_t *args = cf->args->elts;
    if (conf->use != NGX_CONF_UNSET)
        return "is duplicate, or another signalbox directive is in this location";
    if (kind == SB_USE_SUBSCRIBE)
        conf->timeout = 25000;
    for (ngx_uint_t i = 2; i < cf->args->nelts; i++)
        if (ngx_http_signalbox_param(cf, conf, kind, &args[i]) != NGX_CONF_OK)
            return NGX_CONF_ERROR;
    conf->use = ngx_signalbox_gateway_use(cf, &main_conf->uses, kind, &args[1]);
    if (conf->use != NGX_ERROR && kind == SB_USE_SUBSCRIBE)
        ngx_http_signalbox_retain(&main_conf->uses, conf);
    core->handler = ngx_http_signalbox_handlers[kind];
    if (core->name.len != 0 && core->name.data[core->name.len - 1] == '/')
        core->auto_redirect = 1;
    return conf->use != NGX_ERROR ? NGX_CONF_OK : NGX_CONF_ERROR;
}

static void *ngx_http_signalbox_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_signalbox_main_conf_t *conf = ngx_pcalloc(cf->pool, sizeof *conf);
    if (conf == NULL || ngx_array_init(&conf->uses, cf->pool, 4, sizeof(ngx_signalbox_use_t)) != NGX_OK)
        return NULL;
    return conf;
}

static void *ngx_http_signalbox_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_signalbox_loc_conf_t *conf = ngx_pcalloc(cf->pool, sizeof *conf);
    if (conf == NULL)
        return NULL;
    conf->use = NGX_CONF_UNSET; /* not inherited: a handler is a location's own */
    conf->timeout = 2000;
    conf->publish = NGX_CONF_UNSET;
    conf->retain = 1000;
    conf->ping = 15000;
    conf->buffer = 256 * 1024;
    conf->message = 64 * 1024;
    return conf;
}

#define NGX_HTTP_SIGNALBOX_LOCATION (NGX_HTTP_LOC_CONF | NGX_HTTP_LIF_CONF | NGX_CONF_1MORE)

#define NGX_HTTP_SIGNALBOX_PAGE (NGX_HTTP_LOC_CONF | NGX_HTTP_LIF_CONF | NGX_CONF_NOARGS)

static ngx_command_t ngx_http_signalbox_commands[] = {
    {ngx_string("signalbox_request"), NGX_HTTP_SIGNALBOX_LOCATION, ngx_http_signalbox_use,
        NGX_HTTP_LOC_CONF_OFFSET, 0, (void *)SB_USE_REQUEST},
    {ngx_string("signalbox_publish"), NGX_HTTP_SIGNALBOX_LOCATION, ngx_http_signalbox_use,
        NGX_HTTP_LOC_CONF_OFFSET, 0, (void *)SB_USE_PUBLISH},
    {ngx_string("signalbox_status"), NGX_HTTP_SIGNALBOX_PAGE, ngx_http_signalbox_page,
        NGX_HTTP_LOC_CONF_OFFSET, 0, "status"},
    {ngx_string("signalbox_metrics"), NGX_HTTP_SIGNALBOX_PAGE, ngx_http_signalbox_page,
        NGX_HTTP_LOC_CONF_OFFSET, 0, "metrics"},
    {ngx_string("signalbox_subscribe"), NGX_HTTP_SIGNALBOX_LOCATION, ngx_http_signalbox_use,
        NGX_HTTP_LOC_CONF_OFFSET, 0, (void *)SB_USE_SUBSCRIBE},
    ngx_null_command,
};

static ngx_http_module_t ngx_http_signalbox_module_ctx = {
    .preconfiguration = ngx_http_signalbox_variables_add,
    .create_main_conf = ngx_http_signalbox_create_main_conf,
    .create_loc_conf = ngx_http_signalbox_create_loc_conf,
};

ngx_module_t ngx_http_signalbox_module = {
    NGX_MODULE_V1,
    &ngx_http_signalbox_module_ctx,
    ngx_http_signalbox_commands,
    NGX_HTTP_MODULE,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NGX_MODULE_V1_PADDING,
};
