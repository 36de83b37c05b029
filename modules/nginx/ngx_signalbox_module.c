/* Signalbox in nginx: the signalbox { } block and the module's life. After: the files named in the header. */
#include "ngx_http_signalbox.h"
#include "ngx_signalbox_access.h"
#include "ngx_signalbox_gateway.h"
#include "ngx_signalbox_mesh.h"

typedef struct {
    ngx_str_t name;
    ngx_uint_t min, max; /* arguments */
    const char *usage;
    char *(*set)(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n);
} ngx_signalbox_directive_t;

/* ---- Directives ---- */

static char *ngx_signalbox_script(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n)
{
    ngx_signalbox_script_t *script = ngx_array_push(&conf->scripts);
    if (script == NULL)
        return NGX_CONF_ERROR;
    ngx_memzero(script, sizeof *script);
    script->name = script->path = args[0];
    script->file = cf->conf_file->file.name;
    script->line = cf->conf_file->line;
    if (ngx_array_init(&script->args, cf->pool, n, sizeof(char *)) != NGX_OK)
        return NGX_CONF_ERROR;
    for (ngx_uint_t i = 1; i < n; i++) {
        if (ngx_strlchr(args[i].data, args[i].data + args[i].len, '=') == NULL) {
            ngx_conf_log_error(
                NGX_LOG_EMERG, cf, 0, "signalbox: script argument \"%V\" must be key=value", &args[i]);
            return NGX_CONF_ERROR;
        }
        char **arg = ngx_array_push(&script->args);
        if (arg == NULL)
            return NGX_CONF_ERROR;
        *arg = (char *)args[i].data; /* nginx ends tokens with a NUL */
    }
    if (ngx_conf_full_name(cf->cycle, &script->path, 1) != NGX_OK)
        return NGX_CONF_ERROR;
    return ngx_signalbox_script_read(cf, script) == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}

static char *ngx_signalbox_backend(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n)
{
    static const char *const names[] = {"auto", "uring", "uv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (ngx_strcmp(args[0].data, names[i]) == 0) {
            conf->backend = (char *)names[i];
            return NGX_CONF_OK;
        }
    }
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0, "signalbox: unknown backend \"%V\", use auto, uring or uv", &args[0]);
    return NGX_CONF_ERROR;
}

static char *ngx_signalbox_owner(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n)
{
    conf->all = ngx_strcmp(args[0].data, "all") == 0;
    if (conf->all)
        return NGX_CONF_OK;
    conf->owner = ngx_atoi(args[0].data, args[0].len);
    if (conf->owner != NGX_ERROR)
        return NGX_CONF_OK;
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
        "signalbox: worker \"%V\" must be the number of a worker, from 0, or all", &args[0]);
    return NGX_CONF_ERROR;
}

static char *ngx_signalbox_bad(ngx_conf_t *cf, const char *what, ngx_str_t *value, const char *right)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "signalbox: invalid %s \"%V\", must be %s", what, value, right);
    return NGX_CONF_ERROR;
}

static char *ngx_signalbox_memory(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n)
{
    ssize_t size = ngx_parse_size(&args[0]);
    if (size < 64 * 1024)
        return ngx_signalbox_bad(cf, "memory", &args[0], "a size of 64k or more, such as 64m");
    conf->memory = (size_t)size;
    return NGX_CONF_OK;
}

static char *ngx_signalbox_queue_limit(
    ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n)
{
    ssize_t size = ngx_parse_size(&args[0]);
    if (size == NGX_ERROR)
        return ngx_signalbox_bad(cf, "queue_limit", &args[0], "a size such as 256m, or 0 for none");
    conf->queue_limit = (size_t)size;
    return NGX_CONF_OK;
}

static char *ngx_signalbox_handler_time(
    ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n)
{
    ngx_int_t ms = ngx_parse_time(&args[0], 0);
    if (ms <= 0)
        return ngx_signalbox_bad(cf, "handler_time", &args[0], "a time above zero, such as 50ms");
    conf->handler_time = (ngx_msec_t)ms;
    return NGX_CONF_OK;
}

static char *ngx_signalbox_linger(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n)
{
    ngx_int_t ms = ngx_parse_time(&args[0], 0);
    if (ms == NGX_ERROR)
        return ngx_signalbox_bad(cf, "linger", &args[0], "a time such as 5s");
    conf->linger = (ngx_msec_t)ms;
    return NGX_CONF_OK;
}

static char *ngx_signalbox_max_peers(
    ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n)
{
    ngx_int_t peers = ngx_atoi(args[0].data, args[0].len);
    if (peers == NGX_ERROR || peers > 0x7fffffff)
        return ngx_signalbox_bad(cf, "max_peers", &args[0], "a number, or 0 for no limit");
    conf->max_peers = (ngx_uint_t)peers;
    conf->max_peers_set = 1;
    return NGX_CONF_OK;
}

static ngx_uint_t ngx_signalbox_is_word(const ngx_str_t *name)
{
    for (size_t i = 0; i < name->len; i++)
        if (!isalnum(name->data[i]) && strchr("_-.", name->data[i]) == NULL)
            return 0;
    return name->len > 0 && name->len <= NGX_SIGNALBOX_ZONE_NAME;
}

static char *ngx_signalbox_zone(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n)
{
    ssize_t size = ngx_parse_size(&args[1]);
    if (conf->zone_name.len != 0)
        return "is duplicate: one zone serves all scripts";
    if (!ngx_signalbox_is_word(&args[0]))
        return ngx_signalbox_bad(
            cf, "zone name", &args[0], "up to 64 letters, digits, \"_\", \"-\" or \".\"");
    if (size < 16 * 1024)
        return ngx_signalbox_bad(cf, "zone size", &args[1], "a size of 16k or more, such as 1m");
    conf->zone_name = args[0];
    conf->zone_size = (size_t)size;
    return NGX_CONF_OK;
}

static char *ngx_signalbox_takeover(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n)
{
    conf->overlap = ngx_strcmp(args[0].data, "overlap") == 0;
    if (conf->overlap || ngx_strcmp(args[0].data, "drain") == 0)
        return NGX_CONF_OK;
    return ngx_signalbox_bad(cf, "takeover", &args[0], "drain or overlap");
}

static char *ngx_signalbox_library(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n)
{
    conf->library = args[0];
    return ngx_conf_full_name(cf->cycle, &conf->library, 0) == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}

static const ngx_signalbox_directive_t ngx_signalbox_directives[] = {
    {ngx_string("script"), 1, 64, "script FILE [key=value ...];", ngx_signalbox_script},
    {ngx_string("backend"), 1, 1, "backend auto|uring|uv;", ngx_signalbox_backend},
    {ngx_string("worker"), 1, 1, "worker NUMBER|all;", ngx_signalbox_owner},
    {ngx_string("memory"), 1, 1, "memory SIZE;", ngx_signalbox_memory},
    {ngx_string("queue_limit"), 1, 1, "queue_limit SIZE;", ngx_signalbox_queue_limit},
    {ngx_string("handler_time"), 1, 1, "handler_time TIME;", ngx_signalbox_handler_time},
    {ngx_string("linger"), 1, 1, "linger TIME;", ngx_signalbox_linger},
    {ngx_string("max_peers"), 1, 1, "max_peers NUMBER;", ngx_signalbox_max_peers},
    {ngx_string("zone"), 2, 2, "zone NAME SIZE;", ngx_signalbox_zone},
    {ngx_string("takeover"), 1, 1, "takeover drain|overlap;", ngx_signalbox_takeover},
    {ngx_string("library"), 1, 1, "library PATH;", ngx_signalbox_library},
    {ngx_string("signalbox_log"), 1, 7,
        "signalbox_log PATH [FORMAT] [escape=default|json|none] [buffer=SIZE] [flush=TIME] [sample=N] "
        "[if=ACTIONS] "
        "| off;",
        ngx_signalbox_access},
};

#define NGX_SIGNALBOX_DIRECTIVES (sizeof ngx_signalbox_directives / sizeof *ngx_signalbox_directives)

/* ---- The block ---- */

static char *ngx_signalbox_unknown(ngx_conf_t *cf, ngx_str_t *name)
{
    u_char names[256], *p = names;
    for (size_t i = 0; i < NGX_SIGNALBOX_DIRECTIVES; i++)
        p = ngx_slprintf(p, names + sizeof names, " %V", &ngx_signalbox_directives[i].name);
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "signalbox: unknown directive \"%V\", there are:%*s", name,
        (size_t)(p - names), names);
    return NGX_CONF_ERROR;
}

static char *ngx_signalbox_directive(ngx_conf_t *cf, ngx_command_t *dummy, void *data)
{
    ngx_str_t *value = cf->args->elts;
    ngx_uint_t n = cf->args->nelts - 1;
    if (ngx_strcmp(value[0].data, "include") == 0 && n == 1)
        return ngx_conf_include(cf, dummy, data);
    for (size_t i = 0; i < NGX_SIGNALBOX_DIRECTIVES; i++) {
        const ngx_signalbox_directive_t *d = &ngx_signalbox_directives[i];
        if (d->name.len != value[0].len || ngx_strncmp(d->name.data, value[0].data, d->name.len) != 0)
            continue;
        if (n >= d->min && n <= d->max)
            return d->set(cf, data, value + 1, n);
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "signalbox: usage: %s", d->usage);
        return NGX_CONF_ERROR;
    }
    return ngx_signalbox_unknown(cf, &value[0]);
}

static ngx_signalbox_conf_t *ngx_signalbox_conf_create(ngx_conf_t *cf)
{
    ngx_signalbox_conf_t *conf = ngx_pcalloc(cf->pool, sizeof *conf);
    if (conf == NULL ||
        ngx_array_init(&conf->scripts, cf->pool, 4, sizeof(ngx_signalbox_script_t)) != NGX_OK ||
        ngx_array_init(&conf->listens, cf->pool, 4, sizeof(ngx_signalbox_listen_t *)) != NGX_OK ||
        ngx_array_init(&conf->accesses, cf->pool, 2, sizeof(ngx_signalbox_access_t *)) != NGX_OK ||
        ngx_array_init(&conf->kept, cf->pool, 2, sizeof(ngx_signalbox_kept_t *)) != NGX_OK)
        return NULL;
    conf->dial = ngx_signalbox_mesh_dial;
    conf->backend = "auto";
    conf->memory = 64 * 1024 * 1024;
    conf->handler_time = 50;
    conf->linger = 5000;
    conf->max_peers = 10000;
    return conf;
}

static void ngx_signalbox_plan_forget(void *data)
{
    ngx_signalbox_conf_t *conf = data;
    if (conf->plan != NULL)
        conf->api->plan_destroy(conf->plan);
    conf->plan = NULL;
}

/* What fails after the block shall not leave the plan behind. */
static ngx_int_t ngx_signalbox_plan_keep(ngx_conf_t *cf, ngx_signalbox_conf_t *conf)
{
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cf->pool, 0);
    if (cleanup == NULL)
        return NGX_ERROR;
    cleanup->handler = ngx_signalbox_plan_forget;
    cleanup->data = conf;
    return NGX_OK;
}

static char *ngx_signalbox_block(ngx_conf_t *cf, ngx_command_t *cmd, void *data)
{
    ngx_signalbox_conf_t **slot = data, *conf;
    ngx_conf_t save = *cf;
    if (*slot != NULL)
        return "is duplicate";
    *slot = conf = ngx_signalbox_conf_create(cf);
    if (conf == NULL)
        return NGX_CONF_ERROR;
    cf->handler = ngx_signalbox_directive;
    cf->handler_conf = (void *)conf;
    char *rv = ngx_conf_parse(cf, NULL);
    *cf = save;
    if (rv != NGX_CONF_OK)
        return rv;
    conf->api = ngx_signalbox_library_open(cf, &conf->library);
    if (conf->api == NULL || ngx_signalbox_plan_keep(cf, conf) != NGX_OK ||
        ngx_signalbox_access_check(cf, conf) != NGX_OK || ngx_signalbox_takeover_add(cf, conf) != NGX_OK ||
        ngx_signalbox_zone_add(cf, conf) != NGX_OK || ngx_signalbox_scripts_declare(cf, conf) != NGX_OK ||
        ngx_signalbox_kept_export(cf->cycle, conf) != NGX_OK)
        return NGX_CONF_ERROR;
    return NGX_CONF_OK;
}

/* ---- The module's life ---- */

ngx_signalbox_conf_t *ngx_signalbox_conf_of(ngx_cycle_t *cycle)
{
    if (cycle->conf_ctx == NULL)
        return NULL;
    return (ngx_signalbox_conf_t *)ngx_get_conf(cycle->conf_ctx, ngx_signalbox_module);
}

static char *ngx_signalbox_check_team(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf)
{
    char err[256];
    if (conf->workers > SB_TEAM_WORKERS) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
            "signalbox: worker all works with at most %d worker_processes, not %ui", SB_TEAM_WORKERS,
            conf->workers);
        return NGX_CONF_ERROR;
    }
    if (conf->api->team_check(conf->plan, err, sizeof err) == SB_OK)
        return NGX_CONF_OK;
    ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "signalbox: %s", err);
    return NGX_CONF_ERROR;
}

static char *ngx_signalbox_check_owner(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf)
{
    ngx_core_conf_t *core = (ngx_core_conf_t *)ngx_get_conf(cycle->conf_ctx, ngx_core_module);
    if (!core->master) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
            "signalbox: does not work with master_process off: a reload would not change the scripts, and "
            "quit "
            "would not send what is queued; remove that line, or the signalbox { } block");
        return NGX_CONF_ERROR;
    }
    conf->workers = (ngx_uint_t)core->worker_processes;
    if (conf->all)
        return ngx_signalbox_check_team(cycle, conf);
    if (conf->owner < core->worker_processes)
        return NGX_CONF_OK;
    ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
        "signalbox: worker %i: there are only %i worker_processes, numbered from 0", conf->owner,
        core->worker_processes);
    return NGX_CONF_ERROR;
}

/* Locations that name sockets: all is there, and the workers can reach each other. */
static char *ngx_signalbox_init_uses(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf)
{
    ngx_uint_t used = conf->uses != NULL && conf->uses->nelts != 0;
    if (used && ngx_signalbox_gateway_check(cycle, conf) != NGX_OK)
        return NGX_CONF_ERROR;
    conf->meshed = used || (conf->all && conf->workers > 1);
    if (ngx_signalbox_mesh_inherit(cycle, conf) != NGX_OK)
        return NGX_CONF_ERROR;
    if (!conf->meshed && !conf->api->heir_wanted(conf->plan))
        return NGX_CONF_OK;
    return ngx_signalbox_mesh_open(cycle, conf, conf->workers) == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}

/* Core modules whose create_conf gives nothing have a NULL slot, which is what "no block" looks like. */
static char *ngx_signalbox_init_conf(ngx_cycle_t *cycle, void *data)
{
    ngx_signalbox_conf_t *conf = ngx_signalbox_conf_of(cycle);
    ngx_array_t *uses = ngx_signalbox_gateway_collect(cycle, ngx_http_signalbox_uses(cycle));
    if (conf == NULL && uses != NULL && uses->nelts != 0) {
        ngx_signalbox_use_t *use = uses->elts;
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
            "signalbox: a location names socket \"%s\", but there is no signalbox { } block in %V:%ui",
            use->use.socket, &use->file, use->line);
        return NGX_CONF_ERROR;
    }
    if (conf == NULL)
        return NGX_CONF_OK;
    conf->uses = uses;
    if (ngx_signalbox_listen_check(cycle) != NGX_OK || ngx_signalbox_check_owner(cycle, conf) != NGX_CONF_OK)
        return NGX_CONF_ERROR;
    char *rv = ngx_signalbox_init_uses(cycle, conf);
    ngx_signalbox_plan_forget(conf);
    return rv;
}

static ngx_int_t ngx_signalbox_init_module(ngx_cycle_t *cycle)
{
    ngx_signalbox_kept_forget(ngx_signalbox_conf_of(cycle));
    return NGX_OK;
}

/* The cache manager and loader come here too: they are neither. */
static ngx_int_t ngx_signalbox_init_process(ngx_cycle_t *cycle)
{
    ngx_signalbox_conf_t *conf = ngx_signalbox_conf_of(cycle);
    if (conf == NULL || ngx_process != NGX_PROCESS_WORKER)
        return NGX_OK;
    ngx_uint_t owner = conf->all || ngx_worker == (ngx_uint_t)conf->owner;
    ngx_signalbox_mesh_take(conf, ngx_worker);
    if (ngx_signalbox_listen_take(cycle, conf, owner) == NGX_OK && (owner || conf->meshed))
        ngx_signalbox_worker_start(cycle, conf, owner);
    return NGX_OK;
}

static void ngx_signalbox_exit_process(ngx_cycle_t *cycle)
{
    ngx_signalbox_conf_t *conf = ngx_signalbox_conf_of(cycle);
    if (conf != NULL && conf->worker != NULL)
        ngx_signalbox_drain_skip(conf->worker);
}

static ngx_command_t ngx_signalbox_commands[] = {
    {ngx_string("signalbox"), NGX_MAIN_CONF | NGX_CONF_BLOCK | NGX_CONF_NOARGS, ngx_signalbox_block, 0, 0,
        NULL},
    ngx_null_command,
};

static ngx_core_module_t ngx_signalbox_module_ctx = {
    ngx_string("signalbox"),
    NULL,
    ngx_signalbox_init_conf,
};

ngx_module_t ngx_signalbox_module = {
    NGX_MODULE_V1,
    &ngx_signalbox_module_ctx,
    ngx_signalbox_commands,
    NGX_CORE_MODULE,
    NULL,
    ngx_signalbox_init_module,
    ngx_signalbox_init_process,
    NULL,
    NULL,
    ngx_signalbox_exit_process,
    NULL,
    NGX_MODULE_V1_PADDING,
};
