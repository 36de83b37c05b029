/* Signalbox in nginx: ZMTP connections that nginx's stream module has accepted: TLS is taken off, PROXY
 * protocol is read, access rules are applied. What is left are the octets of ZMTP, which are passed to and
 * from the worker with the scripts.
 *
 * A file of its own: it needs ngx_stream_module, which may be missing. Before: nginx's content phase. After:
 * ngx_signalbox_conf_t.dial. */
#include "ngx_signalbox_gateway.h"

#include <ngx_stream.h>

#define NGX_STREAM_SIGNALBOX_BUFFER 16384
#define NGX_STREAM_SIGNALBOX_HOLD   3600000 /* ms; begins anew when it is over */

typedef struct {
    ngx_array_t uses; /* of ngx_signalbox_use_t: first member, ngx_signalbox_gateway.c takes it */
} ngx_stream_signalbox_main_conf_t;

typedef struct {
    ngx_str_t socket;
    ngx_stream_complex_value_t *user; /* NULL: nobody is known */
} ngx_stream_signalbox_srv_conf_t;

/* One direction. */
typedef struct {
    ngx_connection_t *from, *to;
    u_char *pos, *last;
    u_char buf[NGX_STREAM_SIGNALBOX_BUFFER];
    unsigned eof : 1;  /* no more comes */
    unsigned shut : 1; /* ... and the other side was told */
} ngx_stream_signalbox_half_t;

typedef struct {
    ngx_stream_session_t *session;
    ngx_connection_t *engine;
    ngx_stream_signalbox_half_t up, down; /* to the engine, to the peer */
} ngx_stream_signalbox_ctx_t;

static ngx_command_t ngx_stream_signalbox_commands[];
static ngx_stream_module_t ngx_stream_signalbox_module_ctx;

ngx_module_t ngx_stream_signalbox_module = {
    NGX_MODULE_V1,
    &ngx_stream_signalbox_module_ctx,
    ngx_stream_signalbox_commands,
    NGX_STREAM_MODULE,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NGX_MODULE_V1_PADDING,
};

/* ---- Passing octets ---- */

static void ngx_stream_signalbox_finalize(ngx_stream_signalbox_ctx_t *ctx, ngx_uint_t rc)
{
    ngx_stream_session_t *s = ctx->session;
    if (ctx->engine != NULL)
        ngx_close_connection(ctx->engine);
    ctx->engine = NULL;
    ngx_stream_finalize_session(s, rc);
}

/* NGX_OK: as far as it goes now; NGX_DONE: this direction is over; NGX_ERROR. */
static ngx_int_t ngx_stream_signalbox_pass(ngx_stream_signalbox_half_t *h)
{
    for (;;) {
        while (h->pos < h->last) {
            ssize_t n = h->to->send(h->to, h->pos, (size_t)(h->last - h->pos));
            if (n == NGX_ERROR)
                return NGX_ERROR;
            if (n <= 0)
                return NGX_OK;
            h->pos += n;
        }
        if (h->eof)
            return NGX_DONE;
        ssize_t n = h->from->recv(h->from, h->buf, sizeof h->buf);
        if (n == NGX_AGAIN)
            return NGX_OK;
        h->eof = n <= 0;
        h->pos = h->buf;
        h->last = h->buf + (n > 0 ? n : 0);
    }
}

static ngx_int_t ngx_stream_signalbox_arm(ngx_connection_t *c)
{
    if (ngx_handle_read_event(c->read, 0) != NGX_OK)
        return NGX_ERROR;
    return ngx_handle_write_event(c->write, 0);
}

/* A peer that has ended its side is still told what the engine has for it; the engine's end is the end. */
static void ngx_stream_signalbox_work(ngx_stream_signalbox_ctx_t *ctx)
{
    ngx_stream_session_t *s = ctx->session;
    ngx_int_t up = ngx_stream_signalbox_pass(&ctx->up), down = ngx_stream_signalbox_pass(&ctx->down);
    if (up == NGX_DONE && !ctx->up.shut) {
        ctx->up.shut = 1;
        ngx_shutdown_socket(ctx->engine->fd, SHUT_WR);
    }
    if (up == NGX_ERROR || down != NGX_OK)
        ngx_stream_signalbox_finalize(ctx, NGX_STREAM_OK);
    else if (ngx_stream_signalbox_arm(s->connection) != NGX_OK ||
             ngx_stream_signalbox_arm(ctx->engine) != NGX_OK)
        ngx_stream_signalbox_finalize(ctx, NGX_STREAM_INTERNAL_SERVER_ERROR);
}

/* worker_shutdown_timeout closes what is left. */
static void ngx_stream_signalbox_on(ngx_connection_t *c, ngx_stream_signalbox_ctx_t *ctx)
{
    if (c->close)
        ngx_stream_signalbox_finalize(ctx, NGX_STREAM_OK);
    else
        ngx_stream_signalbox_work(ctx);
}

static void ngx_stream_signalbox_on_peer(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;
    ngx_stream_session_t *s = c->data;
    ngx_stream_signalbox_on(c, ngx_stream_get_module_ctx(s, ngx_stream_signalbox_module));
}

/* A quitting worker waits for timers, not for connections: this one holds it until the engine has drained. */
static void ngx_stream_signalbox_hold(ngx_connection_t *c)
{
    ngx_add_timer(c->read, NGX_STREAM_SIGNALBOX_HOLD);
}

static void ngx_stream_signalbox_on_engine(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;
    if (ev->timedout) {
        ev->timedout = 0;
        ngx_stream_signalbox_hold(c);
    }
    ngx_stream_signalbox_on(c, c->data);
}

/* ---- The beginning ---- */

static ngx_signalbox_conf_t *ngx_stream_signalbox_conf(void)
{
    for (ngx_uint_t i = 0; ngx_cycle->modules[i] != NULL; i++)
        if (ngx_strcmp(ngx_cycle->modules[i]->name, "ngx_signalbox_module") == 0)
            return (ngx_signalbox_conf_t *)ngx_get_conf(ngx_cycle->conf_ctx, (*ngx_cycle->modules[i]));
    return NULL;
}

/* "tcp://10.0.0.3:4711": the true one, behind a proxy too (set_real_ip_from). */
static void ngx_stream_signalbox_address(ngx_connection_t *c, char *out, size_t cap)
{
    u_char text[NGX_SOCKADDR_STRLEN];
    size_t len = ngx_sock_ntop(c->sockaddr, c->socklen, text, sizeof text, 1);
    const char *scheme = c->sockaddr->sa_family == AF_UNIX ? "ipc" : "tcp";
    *ngx_snprintf((u_char *)out, cap - 1, "%s://%*s", scheme, len, text) = '\0';
}

/* A name that cannot be passed whole is refused: cut, it might be somebody else's. */
static ngx_int_t ngx_stream_signalbox_user(ngx_stream_session_t *s, char *out, size_t cap)
{
    ngx_stream_signalbox_srv_conf_t *conf = ngx_stream_get_module_srv_conf(s, ngx_stream_signalbox_module);
    ngx_str_t text = ngx_null_string;
    if (conf->user != NULL && ngx_stream_complex_value(s, conf->user, &text) != NGX_OK)
        return NGX_ERROR;
    if (text.len >= cap || ngx_strlchr(text.data, text.data + text.len, '\0') != NULL)
        return NGX_DECLINED;
    *ngx_cpymem((u_char *)out, text.data, text.len) = '\0';
    return NGX_OK;
}

static int ngx_stream_signalbox_dial(ngx_stream_session_t *s)
{
    ngx_stream_signalbox_srv_conf_t *conf = ngx_stream_get_module_srv_conf(s, ngx_stream_signalbox_module);
    ngx_signalbox_conf_t *signalbox = ngx_stream_signalbox_conf();
    char from[SB_MESH_NAME], user[SB_MESH_USER];
    ngx_stream_signalbox_address(s->connection, from, sizeof from);
    if (ngx_stream_signalbox_user(s, user, sizeof user) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, s->connection->log, 0,
            "signalbox: the user's name is longer than %d octets or contains a NUL", SB_MESH_USER - 1);
        return -1;
    }
    int fd = signalbox->dial(signalbox, (char *)conf->socket.data, from, user);
    if (fd < 0)
        ngx_log_error(NGX_LOG_ERR, s->connection->log, ngx_socket_errno,
            "signalbox: cannot reach socket \"%V\"", &conf->socket);
    return fd;
}

static ngx_connection_t *ngx_stream_signalbox_open(ngx_stream_session_t *s)
{
    int fd = ngx_stream_signalbox_dial(s);
    ngx_connection_t *c = fd >= 0 ? ngx_get_connection(fd, s->connection->log) : NULL;
    if (c == NULL) {
        if (fd >= 0)
            ngx_close_socket(fd);
        return NULL;
    }
    c->log = c->read->log = c->write->log = s->connection->log;
    c->recv = ngx_recv;
    c->send = ngx_send;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->read->handler = c->write->handler = ngx_stream_signalbox_on_engine;
    c->write->ready = 1;
    return c;
}

static void ngx_stream_signalbox_handler(ngx_stream_session_t *s)
{
    ngx_connection_t *c = s->connection;
    ngx_stream_signalbox_ctx_t *ctx = ngx_palloc(c->pool, sizeof *ctx);
    if (ctx == NULL || (ctx->engine = ngx_stream_signalbox_open(s)) == NULL) {
        ngx_stream_finalize_session(s, NGX_STREAM_BAD_GATEWAY);
        return;
    }
    ctx->session = s;
    ctx->engine->data = ctx;
    ngx_stream_signalbox_hold(ctx->engine);
    ctx->up.from = ctx->down.to = c;
    ctx->up.to = ctx->down.from = ctx->engine;
    ctx->up.pos = ctx->up.last = ctx->down.pos = ctx->down.last = NULL;
    ctx->up.eof = ctx->up.shut = ctx->down.eof = ctx->down.shut = 0;
    if (c->buffer != NULL) { /* what the preread phase has */
        ctx->up.pos = c->buffer->pos;
        ctx->up.last = c->buffer->last;
    }
    ngx_stream_set_ctx(s, ctx, ngx_stream_signalbox_module);
    c->read->handler = c->write->handler = ngx_stream_signalbox_on_peer;
    c->log->action = "passing ZMTP";
    ngx_stream_signalbox_work(ctx);
}

/* ---- Directives ---- */

static char *ngx_stream_signalbox_set_user(
    ngx_conf_t *cf, ngx_stream_signalbox_srv_conf_t *conf, ngx_str_t *arg)
{
    ngx_stream_compile_complex_value_t compile;
    ngx_str_t value = {arg->len - 5, arg->data + 5};
    if (arg->len <= 5 || ngx_strncmp(arg->data, "user=", 5) != 0) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0, "signalbox: unknown parameter \"%V\", there is: user=TEXT", arg);
        return NGX_CONF_ERROR;
    }
    conf->user = ngx_palloc(cf->pool, sizeof *conf->user);
    if (conf->user == NULL)
        return NGX_CONF_ERROR;
    ngx_memzero(&compile, sizeof compile);
    compile.cf = cf;
    compile.value = &value;
    compile.complex_value = conf->user;
    return ngx_stream_compile_complex_value(&compile) == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}

static ngx_int_t ngx_stream_signalbox_use(ngx_conf_t *cf, ngx_array_t *uses, ngx_str_t *socket)
{
    ngx_signalbox_use_t *use = uses->elts;
    for (ngx_uint_t i = 0; i < uses->nelts; i++)
        if (ngx_strcmp(use[i].use.socket, socket->data) == 0)
            return NGX_OK;
    use = ngx_array_push(uses);
    if (use == NULL)
        return NGX_ERROR;
    ngx_memzero(use, sizeof *use);
    use->use = (sb_use){.kind = SB_USE_STREAM, .socket = (char *)socket->data};
    use->file = cf->conf_file->file.name;
    use->line = cf->conf_file->line;
    return NGX_OK;
}

static char *ngx_stream_signalbox_set_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *data)
{
    ngx_stream_signalbox_srv_conf_t *conf = data;
    ngx_stream_signalbox_main_conf_t *main_conf =
        ngx_stream_conf_get_module_main_conf(cf, ngx_stream_signalbox_module);
    ngx_stream_core_srv_conf_t *core = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_core_module);
    ngx_str_t *args = cf->args->elts;
    if (conf->socket.len != 0)
        return "is duplicate";
    conf->socket = args[1];
    if (cf->args->nelts == 3 && ngx_stream_signalbox_set_user(cf, conf, &args[2]) != NGX_CONF_OK)
        return NGX_CONF_ERROR;
    core->handler = ngx_stream_signalbox_handler;
    return ngx_stream_signalbox_use(cf, &main_conf->uses, &args[1]) == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}

static void *ngx_stream_signalbox_create_main_conf(ngx_conf_t *cf)
{
    ngx_stream_signalbox_main_conf_t *conf = ngx_pcalloc(cf->pool, sizeof *conf);
    if (conf == NULL || ngx_array_init(&conf->uses, cf->pool, 4, sizeof(ngx_signalbox_use_t)) != NGX_OK)
        return NULL;
    return conf;
}

static void *ngx_stream_signalbox_create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_stream_signalbox_srv_conf_t));
}

static ngx_command_t ngx_stream_signalbox_commands[] = {
    {ngx_string("signalbox_pass"), NGX_STREAM_SRV_CONF | NGX_CONF_TAKE12, ngx_stream_signalbox_set_pass,
        NGX_STREAM_SRV_CONF_OFFSET, 0, NULL},
    ngx_null_command,
};

static ngx_stream_module_t ngx_stream_signalbox_module_ctx = {
    .create_main_conf = ngx_stream_signalbox_create_main_conf,
    .create_srv_conf = ngx_stream_signalbox_create_srv_conf,
};
