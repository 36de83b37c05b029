/* Signalbox in nginx: listening sockets. nginx opens them in the master, keeps them over reloads and hands
 * them to a new binary; accepting is the engine's, in one worker. */
#include "ngx_signalbox_module.h"

#include <fcntl.h>

/* Never called: nginx's accept events are taken away in every worker. */
static void ngx_signalbox_accepted(ngx_connection_t *c)
{
    ngx_close_connection(c);
}

/* Already open in the old cycle, or inherited from another binary: it will be taken over. */
static ngx_uint_t ngx_signalbox_listen_known(ngx_cycle_t *cycle, const sb_addr *addr)
{
    ngx_listening_t *ls = cycle->old_cycle->listening.elts;
    for (ngx_uint_t i = 0; i < cycle->old_cycle->listening.nelts; i++)
        if (ngx_cmp_sockaddr((struct sockaddr *)&addr->ss, addr->len, ls[i].sockaddr, ls[i].socklen, 1) ==
            NGX_OK)
            return 1;
    return 0;
}

static ngx_signalbox_listen_t *ngx_signalbox_listen_push(
    ngx_conf_t *cf, ngx_signalbox_conf_t *conf, const char *endpoint)
{
    ngx_signalbox_listen_t *listen = ngx_palloc(cf->pool, sizeof *listen);
    ngx_signalbox_listen_t **slot = ngx_array_push(&conf->listens);
    size_t len = ngx_strlen(endpoint);
    if (listen == NULL || slot == NULL)
        return NULL;
    listen->fd = -1;
    listen->spread = 0;
    listen->endpoint = ngx_pnalloc(cf->pool, len + 1);
    if (listen->endpoint == NULL)
        return NULL;
    ngx_memcpy(listen->endpoint, endpoint, len + 1);
    *slot = listen;
    return listen;
}

static ngx_int_t ngx_signalbox_listen_open(
    ngx_conf_t *cf, ngx_signalbox_conf_t *conf, const sb_plan_bind *bind, ngx_signalbox_listen_t *listen)
{
    ngx_listening_t *ls = ngx_create_listening(cf, (struct sockaddr *)&bind->addr.ss, bind->addr.len);
    if (ls == NULL)
        return NGX_ERROR;
    ls->handler = ngx_signalbox_accepted;
    ls->servers = listen;
    ls->pool_size = 256;
    ls->logp = &cf->cycle->new_log;
    ls->log.data = &ls->addr_text;
    ls->log.handler = ngx_accept_log_error;
    ls->addr_ntop = 1;
    ls->backlog = bind->backlog;
#if (NGX_HAVE_REUSEPORT)
    ls->reuseport = listen->spread = conf->all && bind->addr.ss.ss_family != AF_UNIX;
#endif
#if (NGX_HAVE_INET6)
    ls->ipv6only = !bind->ipv6_dual;
#endif
    return NGX_OK;
}

/* nginx would take the first octet of an abstract name for the end of an empty path. */
static ngx_uint_t ngx_signalbox_listen_abstract(const sb_addr *addr)
{
    return addr->ss.ss_family == AF_UNIX && ((const struct sockaddr_un *)&addr->ss)->sun_path[0] == '\0';
}

ngx_int_t ngx_signalbox_listen_add(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, const sb_plan_bind *bind)
{
    if (bind->addr.len == 0)
        return NGX_OK; /* nothing to open: the engine binds it itself, in the worker */
    if (ngx_signalbox_listen_abstract(&bind->addr)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
            "signalbox: %s of socket \"%s\": nginx cannot keep abstract names over a reload, use a path",
            bind->endpoint, bind->socket);
        return NGX_ERROR;
    }
    if (!ngx_test_config && !ngx_signalbox_listen_known(cf->cycle, &bind->addr))
        conf->api->plan_unlink_stale(&bind->addr);
    ngx_signalbox_listen_t *listen = ngx_signalbox_listen_push(cf, conf, bind->endpoint);
    return listen == NULL ? NGX_ERROR : ngx_signalbox_listen_open(cf, conf, bind, listen);
}

static ngx_uint_t ngx_signalbox_listen_same(ngx_listening_t *a, ngx_listening_t *b)
{
    if (a->servers == b->servers && a->servers != NULL)
        return 0; /* one for each worker */
    if (a->sockaddr->sa_family != AF_UNIX && ngx_inet_get_port(a->sockaddr) == 0)
        return 0; /* the kernel chooses, differently each time */
    return a->type == b->type &&
           ngx_cmp_sockaddr(a->sockaddr, a->socklen, b->sockaddr, b->socklen, 1) == NGX_OK;
}

ngx_int_t ngx_signalbox_listen_check(ngx_cycle_t *cycle)
{
    ngx_listening_t *ls = cycle->listening.elts;
    for (ngx_uint_t i = 0; i < cycle->listening.nelts; i++) {
        for (ngx_uint_t j = 0; j < cycle->listening.nelts; j++) {
            if (i == j || ls[i].handler != ngx_signalbox_accepted ||
                !ngx_signalbox_listen_same(&ls[i], &ls[j]))
                continue;
            ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                "signalbox: %s is also listened on elsewhere in the configuration",
                ((ngx_signalbox_listen_t *)ls[i].servers)->endpoint);
            return NGX_ERROR;
        }
    }
    return NGX_OK;
}

/* nginx forgets the connection of the listening socket, so that accept_mutex does not arm it again. */
static ngx_int_t ngx_signalbox_listen_silence(ngx_listening_t *ls)
{
    ngx_connection_t *c = ls->connection;
    if (c == NULL)
        return NGX_OK;
    if (c->read->active && ngx_del_event(c->read, NGX_READ_EVENT, 0) != NGX_OK)
        return NGX_ERROR;
    ngx_free_connection(c);
    c->fd = (ngx_socket_t)-1;
    ls->connection = NULL;
    return NGX_OK;
}

/* A duplicate, because nginx closes its own descriptor at the beginning of a graceful quit, before the engine
 * could stop polling it. */
static int ngx_signalbox_listen_duplicate(ngx_cycle_t *cycle, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno, "signalbox: cannot duplicate a listening socket");
    return copy;
}

ngx_int_t ngx_signalbox_listen_take(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf, ngx_uint_t owner)
{
    ngx_listening_t *ls = cycle->listening.elts;
    for (ngx_uint_t i = 0; i < cycle->listening.nelts; i++) {
        if (ls[i].handler != ngx_signalbox_accepted)
            continue;
        if (ngx_signalbox_listen_silence(&ls[i]) != NGX_OK)
            return NGX_ERROR;
        if (owner && (!((ngx_signalbox_listen_t *)ls[i].servers)->spread || ls[i].worker == ngx_worker))
            ((ngx_signalbox_listen_t *)ls[i].servers)->fd = ngx_signalbox_listen_duplicate(cycle, ls[i].fd);
    }
    return NGX_OK;
}

void ngx_signalbox_listen_drop(ngx_signalbox_conf_t *conf)
{
    ngx_signalbox_listen_t **listen = conf->listens.elts;
    for (ngx_uint_t i = 0; i < conf->listens.nelts; i++) {
        if (listen[i]->fd >= 0)
            close(listen[i]->fd);
        listen[i]->fd = -1;
    }
}

int ngx_signalbox_listen_find(ngx_signalbox_conf_t *conf, const char *endpoint)
{
    ngx_signalbox_listen_t **listen = conf->listens.elts;
    for (ngx_uint_t i = 0; i < conf->listens.nelts; i++)
        if (strcmp(listen[i]->endpoint, endpoint) == 0)
            return listen[i]->fd;
    return -1;
}
