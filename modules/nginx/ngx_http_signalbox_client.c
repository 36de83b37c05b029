/* Signalbox in nginx: who an HTTP client is, for the scripts' hooks. Before: nginx's access phase has let it
 * in. After: modules/library/gateway.h. */
#include "ngx_http_signalbox.h"

/* "tcp://10.0.0.3:4711": the true one, behind a proxy too (set_real_ip_from). */
static char *ngx_http_signalbox_address(ngx_http_request_t *r)
{
    ngx_connection_t *c = r->connection;
    u_char text[NGX_SOCKADDR_STRLEN];
    size_t len = ngx_sock_ntop(c->sockaddr, c->socklen, text, sizeof text, 1);
    const char *scheme = c->sockaddr->sa_family == AF_UNIX ? "ipc" : "tcp";
    u_char *out = ngx_pnalloc(r->pool, SB_CLIENT_ADDRESS);
    if (out != NULL)
        *ngx_snprintf(out, SB_CLIENT_ADDRESS - 1, "%s://%*s", scheme, len, text) = '\0';
    return (char *)out;
}

/* A name that cannot be passed whole is refused: cut, it might be somebody else's. */
static ngx_int_t ngx_http_signalbox_user(ngx_http_request_t *r, char **user)
{
    ngx_http_signalbox_loc_conf_t *conf = ngx_http_get_module_loc_conf(r, ngx_http_signalbox_module);
    ngx_str_t text;
    if (conf->user == NULL)
        return NGX_OK;
    if (ngx_http_complex_value(r, conf->user, &text) != NGX_OK)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    if (text.len >= SB_CLIENT_USER || ngx_strlchr(text.data, text.data + text.len, '\0') != NULL) {
        ngx_http_signalbox_log(
            r, NGX_LOG_ERR, "the user's name contains a NUL or is longer than 255 octets", "");
        return NGX_HTTP_FORBIDDEN;
    }
    u_char *copy = ngx_pnalloc(r->pool, text.len + 1);
    if (copy == NULL)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    *ngx_cpymem(copy, text.data, text.len) = '\0';
    *user = (char *)copy;
    return NGX_OK;
}

ngx_int_t ngx_http_signalbox_client(ngx_http_request_t *r, sb_client *client)
{
    char *user = "";
    ngx_int_t rc = ngx_http_signalbox_user(r, &user);
    client->address = ngx_http_signalbox_address(r);
    client->user_id = user;
    return rc == NGX_OK && client->address == NULL ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc;
}
