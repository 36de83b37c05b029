/* Signalbox in nginx: script files and the declare pass, in the master, also under nginx -t. */
#include "ngx_signalbox_module.h"

typedef struct {
    sb_host host; /* first member */
    ngx_log_t *log;
} ngx_signalbox_declare_t;

/* As ngx_conf_log_error, but with the place of the `script` line, not of the block's end. */
static void ngx_signalbox_script_error(
    ngx_conf_t *cf, ngx_signalbox_script_t *script, ngx_err_t err, const char *text)
{
    ngx_log_error(NGX_LOG_EMERG, cf->log, err, "signalbox: %s in %V:%ui", text, &script->file, script->line);
}

static ngx_int_t ngx_signalbox_script_fill(ngx_conf_t *cf, ngx_signalbox_script_t *script, ngx_file_t *file)
{
    ngx_file_info_t info;
    if (ngx_fd_info(file->fd, &info) == NGX_FILE_ERROR || !S_ISREG(info.st_mode))
        return NGX_ERROR;
    script->text.len = (size_t)ngx_file_size(&info);
    script->text.data = ngx_pnalloc(cf->pool, script->text.len + 1);
    if (script->text.data == NULL)
        return NGX_ERROR;
    ssize_t n = ngx_read_file(file, script->text.data, script->text.len, 0);
    return n == (ssize_t)script->text.len ? NGX_OK : NGX_ERROR;
}

ngx_int_t ngx_signalbox_script_read(ngx_conf_t *cf, ngx_signalbox_script_t *script)
{
    ngx_file_t file;
    ngx_memzero(&file, sizeof file);
    file.name = script->path;
    file.log = cf->log;
    file.fd = ngx_open_file(file.name.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, ngx_errno, "signalbox: cannot read script \"%V\"", &script->path);
        return NGX_ERROR;
    }
    ngx_int_t rc = ngx_signalbox_script_fill(cf, script, &file);
    if (rc != NGX_OK)
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
            "signalbox: cannot read script \"%V\": not a regular file, or it changed", &script->path);
    ngx_close_file(file.fd);
    return rc;
}

sb_script_config *ngx_signalbox_scripts_config(ngx_pool_t *pool, ngx_signalbox_conf_t *conf)
{
    ngx_signalbox_script_t *script = conf->scripts.elts;
    sb_script_config *out = ngx_pcalloc(pool, (conf->scripts.nelts + 1) * sizeof *out);
    for (ngx_uint_t i = 0; out != NULL && i < conf->scripts.nelts; i++) {
        out[i].name = (char *)script[i].name.data;
        out[i].source = (char *)script[i].text.data;
        out[i].source_len = script[i].text.len;
        out[i].args = script[i].args.elts;
        out[i].nargs = script[i].args.nelts;
        out[i].memory = conf->memory;
        out[i].handler_time = conf->handler_time * SB_NS_PER_MS;
        out[i].zone = conf->zone_memory;
        out[i].zone_size = conf->zone_size;
    }
    return out;
}

void ngx_signalbox_log(ngx_log_t *log, sb_log_level level, const char *line)
{
    static const ngx_uint_t levels[] = {
        [SB_LOG_DEBUG] = NGX_LOG_DEBUG,
        [SB_LOG_INFO] = NGX_LOG_INFO,
        [SB_LOG_NOTICE] = NGX_LOG_NOTICE,
        [SB_LOG_WARN] = NGX_LOG_WARN,
        [SB_LOG_ERROR] = NGX_LOG_ERR,
    };
    ngx_log_error(levels[level], log, 0, "signalbox: %s", line);
}

static void ngx_signalbox_declare_log(sb_host *self, sb_log_level level, const char *line)
{
    ngx_signalbox_log(((ngx_signalbox_declare_t *)self)->log, level, line);
}

static ngx_int_t ngx_signalbox_scripts_listen(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, sb_plan *plan)
{
    size_t n;
    const sb_plan_bind *binds = conf->api->plan_binds(plan, &n);
    for (size_t i = 0; i < n; i++)
        if (ngx_signalbox_listen_add(cf, conf, &binds[i]) != NGX_OK)
            return NGX_ERROR;
    return NGX_OK;
}

ngx_int_t ngx_signalbox_scripts_declare(ngx_conf_t *cf, ngx_signalbox_conf_t *conf)
{
    ngx_signalbox_declare_t declare = {.host = {.log = ngx_signalbox_declare_log}, .log = cf->log};
    ngx_signalbox_script_t *script = conf->scripts.elts;
    sb_board_error error;
    sb_board_config config = {
        .backend = conf->backend,
        .host = &declare.host,
        .max_peers = (uint32_t)conf->max_peers,
        .max_queued = conf->queue_limit,
        .scripts = ngx_signalbox_scripts_config(cf->temp_pool, conf),
        .nscripts = conf->scripts.nelts,
    };
    if (config.scripts == NULL)
        return NGX_ERROR;
    if (conf->api->plan_create(&config, &error, &conf->plan) != SB_OK) {
        if (error.script < config.nscripts)
            ngx_signalbox_script_error(cf, &script[error.script], 0, error.text);
        else
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "signalbox: %s", error.text);
        return NGX_ERROR;
    }
    return ngx_signalbox_scripts_listen(cf, conf, conf->plan);
}
