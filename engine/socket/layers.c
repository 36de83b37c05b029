/* What lies between a binding's connections and their streams: made out of its endpoint and the socket's
 * options. Before: listener.c, dialer.c. After: transport/{tls,ws,socks}.c. */
#include "engine/socket/internal.h"
#include "engine/transport/socks.h"
#include "engine/transport/tls.h"
#include "engine/transport/ws.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1 << 20) /* octets of a PEM file */

struct sb__layers {
    sb__tls *tls;
    bool ws, socks;
    sb__ws_config ws_cfg;
    sb__socks_config socks_cfg;
    sb__endpoint proxy;
    char host[300], path[256]; /* ws: the Host field, what is asked for */
    char target[256], username[256], password[256];
};

static sb_err say(char *err, size_t cap, const char *what, const char *more)
{
    if (err != NULL && cap > 0)
        snprintf(err, cap, "%s%s", what, more);
    return SB_EINVAL;
}

/* ---- TLS ---- */

static char *read_all(FILE *in)
{
    char *text = malloc(FILE_MAX + 1);
    if (text == NULL)
        return NULL;
    text[fread(text, 1, FILE_MAX, in)] = '\0';
    return text;
}

static sb_err read_file(const char *path, char **out, char *err, size_t cap)
{
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        if (err != NULL && cap > 0)
            snprintf(err, cap, "cannot read %s: %s", path, strerror(errno));
        return sb_err_from_errno(errno);
    }
    *out = read_all(in);
    fclose(in);
    return *out != NULL ? SB_OK : SB_ENOMEM;
}

/* The text of an option, or of the file that another one names; *out is NULL when neither is set. */
static sb_err pem(const sb_socket *sock, sb_opt text_opt, sb_opt file_opt, char **out, char *err, size_t cap)
{
    const sb__blob *text = sb__opt_bytes(sock, text_opt), *file = sb__opt_bytes(sock, file_opt);
    *out = NULL;
    if (text->len == 0 && file->len > 0)
        return read_file((const char *)file->data, out, err, cap);
    if (text->len > 0 && (*out = strdup((const char *)text->data)) == NULL)
        return SB_ENOMEM;
    return SB_OK;
}

static const char *certified_name(const sb_socket *sock, const sb__endpoint *ep)
{
    const sb__blob *name = sb__opt_bytes(sock, SB_OPT_WSS_HOSTNAME);
    return name->len > 0 ? (const char *)name->data : ep->host;
}

static sb_err make_tls(
    const sb_socket *sock, const sb__endpoint *ep, bool bind, char *err, size_t cap, sb__tls **out)
{
    char *key = NULL, *cert = NULL, *trust = NULL;
    sb_err code = pem(sock, SB_OPT_WSS_KEY_PEM, SB_OPT_WSS_KEY_FILE, &key, err, cap);
    if (code == SB_OK)
        code = pem(sock, SB_OPT_WSS_CERT_PEM, SB_OPT_WSS_CERT_FILE, &cert, err, cap);
    if (code == SB_OK)
        code = pem(sock, SB_OPT_WSS_TRUST_PEM, SB_OPT_WSS_TRUST_FILE, &trust, err, cap);
    sb__tls_config cfg = {
        .as_server = bind,
        .key = key,
        .cert = cert,
        .trust = trust,
        .trust_system = sb__opt(sock, SB_OPT_WSS_TRUST_SYSTEM),
        .hostname = bind ? NULL : certified_name(sock, ep),
    };
    if (code == SB_OK)
        code = sb__tls_create(&cfg, err, cap, out);
    if (key != NULL)
        sb_wipe(key, strlen(key));
    free(key);
    free(cert);
    free(trust);
    return code;
}

/* ---- WebSocket ---- */

static void set_ws(sb__layers *layers, const sb_socket *sock, const sb__endpoint *ep, bool bind)
{
    bool v6 = strchr(ep->host, ':') != NULL;
    snprintf(
        layers->host, sizeof layers->host, "%s%s%s:%u", v6 ? "[" : "", ep->host, v6 ? "]" : "", ep->port);
    snprintf(layers->path, sizeof layers->path, "%s", ep->path);
    layers->ws = true;
    layers->ws_cfg = (sb__ws_config){
        .as_server = bind,
        .type = sock->type,
        .max_frame = sb__opt(sock, SB_OPT_MAXMSGSIZE),
        .host = layers->host,
        .path = layers->path,
    };
}

/* ---- SOCKS5 ---- */

static void copy_option(const sb_socket *sock, sb_opt opt, char *out, size_t cap)
{
    const sb__blob *value = sb__opt_bytes(sock, opt);
    snprintf(out, cap, "%s", value->len > 0 ? (const char *)value->data : "");
}

static sb_err set_socks(
    sb__layers *layers, const sb_socket *sock, const sb__endpoint *ep, char *err, size_t cap)
{
    char proxy[300];
    snprintf(proxy, sizeof proxy, "tcp://%s", (const char *)sb__opt_bytes(sock, SB_OPT_SOCKS_PROXY)->data);
    if (sb__endpoint_parse(proxy, &layers->proxy, NULL, 0) != SB_OK || layers->proxy.any_host ||
        layers->proxy.any_port)
        return say(err, cap, "bad socks_proxy, expected HOST:PORT: ", proxy + strlen("tcp://"));
    snprintf(layers->target, sizeof layers->target, "%s", ep->host);
    copy_option(sock, SB_OPT_SOCKS_USERNAME, layers->username, sizeof layers->username);
    copy_option(sock, SB_OPT_SOCKS_PASSWORD, layers->password, sizeof layers->password);
    layers->socks = true;
    layers->socks_cfg = (sb__socks_config){
        .host = layers->target,
        .port = ep->port,
        .username = layers->username,
        .password = layers->password,
    };
    return SB_OK;
}

/* ---- together ---- */

static sb_err fill(sb__layers *layers, const sb_socket *sock, const sb__endpoint *ep, bool bind, bool socks,
    char *err, size_t cap)
{
    sb_err code = SB_OK;
    if (ep->kind == SB__ENDPOINT_WS || ep->kind == SB__ENDPOINT_WSS)
        set_ws(layers, sock, ep, bind);
    if (ep->kind == SB__ENDPOINT_WSS)
        code = make_tls(sock, ep, bind, err, cap, &layers->tls);
    return code == SB_OK && socks ? set_socks(layers, sock, ep, err, cap) : code;
}

sb_err sb__layers_create(
    const sb_socket *sock, const sb__endpoint *ep, bool bind, char *err, size_t cap, sb__layers **out)
{
    bool socks = !bind && sb__endpoint_has_host(ep) && sb__opt_bytes(sock, SB_OPT_SOCKS_PROXY)->len > 0;
    bool ws = ep->kind == SB__ENDPOINT_WS || ep->kind == SB__ENDPOINT_WSS;
    *out = NULL;
    if (!ws && !socks)
        return SB_OK;
    sb__layers *layers = calloc(1, sizeof *layers);
    if (layers == NULL)
        return SB_ENOMEM;
    sb_err code = fill(layers, sock, ep, bind, socks, err, cap);
    if (code == SB_OK)
        *out = layers;
    else
        sb__layers_free(layers);
    return code;
}

void sb__layers_free(sb__layers *layers)
{
    if (layers == NULL)
        return;
    sb__tls_free(layers->tls);
    sb_wipe(layers->password, sizeof layers->password);
    free(layers);
}

sb_err sb__layers_wrap(const sb__layers *layers, sb__hub *hub, sb_session_config *session, sb_stream **st)
{
    sb_err err = SB_OK;
    if (layers == NULL)
        return SB_OK;
    sb__ws_config ws = layers->ws_cfg;
    ws.security = &session->security;
    session->stream_pings = layers->ws;
    if (layers->socks)
        err = sb__socks_wrap(hub, *st, &layers->socks_cfg, st);
    if (err == SB_OK && layers->tls != NULL)
        err = sb__tls_wrap(hub, *st, layers->tls, st);
    if (err == SB_OK && layers->ws)
        err = sb__ws_wrap(hub, *st, &ws, st);
    return err;
}

const sb__endpoint *sb__layers_proxy(const sb__layers *layers)
{
    return layers != NULL && layers->socks ? &layers->proxy : NULL;
}
