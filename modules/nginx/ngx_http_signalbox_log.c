/* Signalbox in nginx: lines of the error log about a request. nginx adds the client and the server itself. */
#include "ngx_http_signalbox.h"

const sb_use *ngx_http_signalbox_use_of(ngx_http_request_t *r)
{
    ngx_http_signalbox_loc_conf_t *conf = ngx_http_get_module_loc_conf(r, ngx_http_signalbox_module);
    ngx_http_signalbox_main_conf_t *main_conf = ngx_http_get_module_main_conf(r, ngx_http_signalbox_module);
    const ngx_signalbox_use_t *uses = main_conf->uses.elts;
    return conf->use != NGX_CONF_UNSET ? &uses[conf->use].use : NULL;
}

const char *ngx_http_signalbox_socket(ngx_http_request_t *r)
{
    const sb_use *use = ngx_http_signalbox_use_of(r);
    return use != NULL ? use->socket : NULL;
}

void ngx_http_signalbox_log(ngx_http_request_t *r, ngx_uint_t level, const char *text, const char *what)
{
    const char *socket = ngx_http_signalbox_socket(r);
    ngx_log_error(level, r->connection->log, 0, "signalbox: %s%s, socket: %s", text, what,
        socket != NULL ? socket : "-");
}
