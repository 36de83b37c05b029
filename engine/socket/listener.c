/* Listeners: bound tcp and ipc endpoints and the connections that came in.
 * Before: socket.c (bind), the backend (accepts). After: transport/conn.c, peers.c. */
#include "engine/socket/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static const sb__binding_impl listener_impl;

typedef struct listener {
    sb__binding base;
    sb_listener *ln; /* NULL once closed */
    bool accepting;
    bool made_path; /* the path of an ipc endpoint is ours to remove */
    uint8_t inside; /* an sb_inside: of the mates that come in here */
    bool adopted;   /* never listened: there is one connection, and the binding ends with it */
    sb_list conns;
    uint32_t open; /* connections whose stream is not closed yet */
    /* Several services behind one port: one of them has the listening socket. */
    struct listener *port; /* who has it: itself, or the one it shares with */
    sb_list sharers;       /* those that share ours */
    sb_list_node sharer;
} listener;

static void free_if_done(listener *l)
{
    if (!l->base.closing || l->ln != NULL || l->open > 0)
        return;
    sb__binding_free(&l->base);
    free(l);
}

/* ---- connections ---- */

static const sb__conn_owner speaker_conns;

static sb_err conn_ready(sb__conn *conn, const sb_peer_info *info)
{
    listener *l = conn->owner_data;
    sb_socket *sock = l->base.socket;
    sb_peer *peer;
    if (!l->inside && !sb__gate_know(sock, conn, info)) {
        sb__event_conn(
            sock, SB_EVENT_PEER_REFUSED, &l->base, conn, SB_EREFUSED, "max_peers_per_identity is reached");
        return SB_EREFUSED;
    }
    sb_err err = sb__peer_add(sock, conn->id, &peer);
    if (err != SB_OK)
        return err;
    conn->peer = peer;
    peer->inside = l->inside;
    sb__gate_settle(sock, conn);
    if (conn->owner == &speaker_conns)
        err = sb__speaker_begin(peer);
    if (err == SB_OK)
        err = sb__peer_up(peer, conn, info);
    if (err == SB_OK) {
        sb__event_conn(sock, SB_EVENT_HANDSHAKE_SUCCEEDED, &l->base, conn, SB_OK, "");
        return SB_OK;
    }
    sb__event_conn(sock, SB_EVENT_PEER_REFUSED, &l->base, conn, err, sb_strerror(err));
    conn->peer = NULL;
    sb__peer_down(peer, false);
    return err;
}

static void conn_gone(sb__conn *conn, const sb__conn_end *end)
{
    listener *l = conn->owner_data;
    sb__conn_tell_end(l->base.socket, &l->base, conn, end);
    sb_list_remove(&conn->node);
    sb__gate_settle(l->base.socket, conn);
    sb__gate_forget(l->base.socket, conn);
    if (conn->peer != NULL)
        sb__peer_down(conn->peer, false);
    sb__socket_check(l->base.socket);
}

static void conn_closed(sb__conn *conn)
{
    listener *l = conn->owner_data;
    l->base.socket->engine->hub.peers--;
    if (!l->inside)
        sb__gate_leave(l->base.socket, conn);
    l->open--;
    l->base.closing = l->base.closing || l->adopted;
    free_if_done(l);
}

/* ---- several services behind one port (RFC 37 "The Resource Property") ---- */

static bool has_resource(const listener *l, const uint8_t *name, size_t len)
{
    const char *own = l->base.endpoint.resource;
    return l->accepting && strlen(own) == len && (len == 0 || memcmp(own, name, len) == 0);
}

static listener *find_service(listener *port, const uint8_t *name, size_t len)
{
    if (has_resource(port, name, len))
        return port;
    SB_LIST_EACH(n, &port->sharers)
    {
        listener *l = SB_LIST_ENTRY(n, listener, sharer);
        if (has_resource(l, name, len))
            return l;
    }
    return NULL;
}

static bool has_services(const listener *port)
{
    return port->base.endpoint.resource[0] != '\0' || !sb_list_empty(&port->sharers);
}

static void move_conn(sb__conn *conn, listener *from, listener *to)
{
    sb_list_remove(&conn->node);
    sb__gate_leave(from->base.socket, conn);
    conn->counted = false;
    from->open--;
    conn->owner_data = to;
    to->open++;
    sb_list_push_back(&to->conns, &conn->node);
    sb__gate_enter(to->base.socket, conn);
}

static bool admits(listener *l, listener *to, sb__conn *conn)
{
    if (to == l)
        return sb__gate_stay(l->base.socket, conn) == NULL;
    return sb__security_agrees(l->base.socket, to->base.socket) && /* options may have changed */
           sb__gate_check(to->base.socket, conn->address != NULL ? conn->address : "") == NULL;
}

static sb_err conn_resource(sb__conn *conn, const uint8_t *name, size_t len)
{
    listener *l = conn->owner_data, *to = find_service(l->port, name, len);
    sb_session_config cfg;
    if (to == NULL)
        return SB_ENOENT;
    if (!admits(l, to, conn))
        return SB_EREFUSED;
    if (to != l)
        move_conn(conn, l, to);
    sb__session_config(to->base.socket, true, &cfg);
    return sb_session_become(conn->session, &cfg);
}

/* Who listens on this address already. */
static listener *find_port(sb_engine *engine, const sb_addr *addr)
{
    sb_addr own;
    SB_LIST_EACH(n, &engine->sockets)
    {
        SB_LIST_EACH(m, &SB_LIST_ENTRY(n, sb_socket, node)->bindings)
        {
            listener *l = (listener *)SB_LIST_ENTRY(m, sb__binding, node);
            if (l->base.impl == &listener_impl && l->base.endpoint.kind == SB__ENDPOINT_TCP && l->accepting &&
                l->ln != NULL && sb_listener_addr(l->ln, &own) == SB_OK && own.len == addr->len &&
                memcmp(&own.ss, &addr->ss, own.len) == 0)
                return l;
        }
    }
    return NULL;
}

/* The greeting and the keys come before the name of the service does. */
static sb_err check_security(const listener *port, const listener *l, char *why, size_t cap)
{
    const sb_socket *first = port->base.socket;
    if (sb__security_agrees(first, l->base.socket))
        return SB_OK;
    snprintf(why, cap, "socket %s has the port with other security: mechanisms, keys, zap_domain must agree",
        first->name);
    return SB_EMECHANISM;
}

/* SB_ENOENT: there is nobody to share with. */
static sb_err share_port(listener *l, const sb_addr *addr, char *why, size_t cap)
{
    const char *own = l->base.endpoint.resource;
    bool tcp = l->base.endpoint.kind == SB__ENDPOINT_TCP;
    listener *port = tcp ? find_port(l->base.socket->engine, addr) : NULL;
    if (port == NULL || (own[0] == '\0' && !has_services(port)))
        return SB_ENOENT;
    if (find_service(port, (const uint8_t *)own, strlen(own)) != NULL)
        return SB_EADDRINUSE;
    sb_err err = check_security(port, l, why, cap);
    if (err != SB_OK)
        return err;
    l->port = port;
    l->base.shares = true;
    sb_list_push_back(&port->sharers, &l->sharer);
    return SB_OK;
}

/* The listening socket stays for those that share it. */
static void hand_over(listener *l)
{
    listener *next = SB_LIST_ENTRY(sb_list_pop(&l->sharers), listener, sharer);
    next->ln = l->ln;
    next->ln->data = next;
    next->made_path = l->made_path;
    next->base.shares = false;
    next->port = next;
    l->ln = NULL;
    l->made_path = false;
    sb_list_splice(&next->sharers, &l->sharers);
    SB_LIST_EACH(n, &next->sharers)
    {
        SB_LIST_ENTRY(n, listener, sharer)->port = next;
    }
}

static const sb__conn_owner listener_conns = {
    .ready = conn_ready,
    .message = sb__deliver,
    .subscribe = sb__subscribe_ask,
    .auth = sb__auth_ask,
    .resource = conn_resource,
    .confirmed = sb__subscription_confirmed,
    .retired = sb__peer_retire,
    .drained = sb__conn_all_sent,
    .gone = conn_gone,
    .closed = conn_closed,
};

/* Their messages begin with who they are from. */
static const sb__conn_owner speaker_conns = {
    .ready = conn_ready,
    .message = sb__speaker_deliver,
    .subscribe = sb__subscribe_ask,
    .auth = sb__auth_ask,
    .confirmed = sb__subscription_confirmed,
    .drained = sb__conn_all_sent,
    .gone = conn_gone,
    .closed = conn_closed,
};

/* ---- accepting ---- */

static void refused_closed(sb_stream *st)
{
    sb__hub *hub = st->data;
    hub->handles--;
}

static const sb_stream_events refused_events = {.on_closed = refused_closed};

void sb__stream_refuse(sb__hub *hub, sb_stream *st)
{
    st->data = hub;
    st->events = &refused_events;
    hub->handles++;
    sb_stream_close(st);
}

static void refuse(listener *l, sb_stream *st, const char *why)
{
    sb__stream_refuse(&l->base.socket->engine->hub, st);
    sb__event_conn(l->base.socket, SB_EVENT_PEER_REFUSED, &l->base, NULL, SB_EREFUSED, why);
}

static char *address_of(const sb_stream *st)
{
    sb_addr addr;
    char text[256] = "";
    if (sb_stream_peer_addr(st, &addr) == SB_OK)
        sb__endpoint_format(&addr, text, sizeof text);
    return strdup(text);
}

/* The connection of a stream that came in or was given; `address` is its from now on. On failure *st is what
 * must be closed. */
static sb_err take(listener *l, sb_stream **st, bool accepted, char *address, const sb_arrival *arrival)
{
    sb_socket *sock = l->base.socket;
    sb__hub *hub = &sock->engine->hub;
    sb_session_config cfg;
    sb__conn *conn;
    bool speaks = arrival != NULL && arrival->speaks;
    sb__session_config(sock, accepted, &cfg);
    cfg.user_id = arrival != NULL ? arrival->user_id : NULL;
    if (l->inside || sock->inside)
        memset(&cfg.security, 0, sizeof cfg.security); /* nobody else can post into our box */
    cfg.chooses = has_services(l);
    if (cfg.chooses)
        cfg.oldest = 3; /* older ones cannot say what they want */
    sb_err err = sb__layers_wrap(l->base.layers, hub, &cfg, st);
    if (err == SB_OK)
        err = sb__conn_create(hub, *st, &cfg, NULL, speaks ? &speaker_conns : &listener_conns, l, &conn);
    if (err != SB_OK) {
        free(address);
        return err;
    }
    hub->handles++;
    hub->peers++;
    l->open++;
    conn->address = address;
    sb__gate_line(sock, conn, &cfg.security);
    sb_list_push_back(&l->conns, &conn->node);
    if (!l->inside)
        sb__gate_enter(sock, conn);
    sb__event_conn(sock, SB_EVENT_ACCEPTED, &l->base, conn, SB_OK, "");
    sb__conn_start(conn);
    return SB_OK;
}

static void on_accept(sb_listener *ln, sb_stream *st)
{
    listener *l = ln->data;
    char *address = address_of(st);
    const char *from = address != NULL ? address : "";
    const char *why =
        has_services(l) ? sb__gate_check_port(l->base.socket, from) : sb__gate_check(l->base.socket, from);
    if (why == NULL) {
        if (take(l, &st, true, address, NULL) != SB_OK)
            refuse(l, st, "out of memory");
        return;
    }
    free(address);
    refuse(l, st, why);
}

static void on_error(sb_listener *ln, sb_err err)
{
    listener *l = ln->data;
    sb_socket_log(l->base.socket, NULL, SB_LOG_WARN, "accept on %s failed: %s; trying again",
        sb__binding_where(&l->base), sb_strerror(err));
    sb__event_conn(l->base.socket, SB_EVENT_ACCEPT_FAILED, &l->base, NULL, err, sb_strerror(err));
}

static void on_closed(sb_listener *ln)
{
    listener *l = ln->data;
    l->base.socket->engine->hub.handles--;
    l->ln = NULL;
    free_if_done(l);
}

static const sb_listener_events listener_events = {
    .on_accept = on_accept,
    .on_error = on_error,
    .on_closed = on_closed,
};

/* ---- binding ---- */

/* A socket file that nobody listens on any more is in the way: remove it (libzmq removes any). */
static bool remove_stale(const sb_addr *addr)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&addr->ss;
    if (un->sun_family != AF_UNIX || un->sun_path[0] == '\0')
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool dead = connect(fd, (const struct sockaddr *)un, addr->len) != 0 && errno == ECONNREFUSED;
    close(fd);
    return dead && unlink(un->sun_path) == 0;
}

static sb_err listen_on(listener *l, const sb_addr *addr)
{
    sb_engine *engine = l->base.socket->engine;
    sb_host *host = engine->host;
    sb_sockopts opts;
    int fd = sb__take_fd(l->base.socket);
    if (fd >= 0)
        return sb_loop_adopt_listener(engine->loop, fd, true, NULL, &listener_events, l, &l->ln);
    sb__sockopts(l->base.socket, &opts);
    fd = host != NULL && host->listen_fd != NULL ? host->listen_fd(host, l->base.given) : -1;
    if (fd >= 0)
        return sb_loop_adopt_listener(engine->loop, fd, false, &opts, &listener_events, l, &l->ln);
    sb_err err = sb_loop_listen(engine->loop, addr, &opts, &listener_events, l, &l->ln);
    if (err == SB_EADDRINUSE && remove_stale(addr))
        err = sb_loop_listen(engine->loop, addr, &opts, &listener_events, l, &l->ln);
    l->made_path = err == SB_OK && addr->ss.ss_family == AF_UNIX;
    return err;
}

static sb_err local_address(const sb_socket *sock, sb__endpoint *ep, sb_addr *addr)
{
    if (ep->any_path && !ep->abstract)
        snprintf(ep->name, sizeof ep->name, "/tmp/signalbox-%d-%08x.sock", (int)getpid(),
            sb__hub_random(&sock->engine->hub));
    return sb__endpoint_addr(ep, sb__opt(sock, SB_OPT_IPV6), addr);
}

static void note_address(listener *l)
{
    sb_addr addr;
    char text[512] = "";
    sb_socket *sock = l->base.socket;
    if (sb_listener_addr(l->port->ln, &addr) == SB_OK)
        sb__endpoint_resolved(&l->base.endpoint, &addr, text, sizeof text);
    size_t len = strlen(text);
    if (len > 0 && l->base.endpoint.resource[0] != '\0')
        snprintf(text + len, sizeof text - len, "/%s", l->base.endpoint.resource);
    l->base.resolved = strdup(text[0] != '\0' ? text : l->base.given);
    free(sock->last_endpoint);
    sock->last_endpoint = strdup(sb__binding_where(&l->base));
}

static void close_path(listener *l)
{
    if (l->made_path && !l->base.endpoint.abstract &&
        strcmp(sb_engine_backend(l->base.socket->engine), "fake") != 0 &&
        unlink(l->base.endpoint.name) != 0) {
        const char *why = strerror(errno);
        sb__event_conn(l->base.socket, SB_EVENT_CLOSE_FAILED, &l->base, NULL, sb_err_from_errno(errno), why);
    }
    l->made_path = false;
}

static void quiesce(sb__binding *b)
{
    listener *l = (listener *)b;
    if (l->accepting && l->ln != NULL && !sb_list_empty(&l->sharers)) {
        hand_over(l);
    } else if (l->accepting && l->ln != NULL) {
        close_path(l);
        sb_listener_close(l->ln);
    }
    sb_list_remove(&l->sharer);
    if (l->accepting)
        sb__event_conn(b->socket, SB_EVENT_CLOSED, b, NULL, SB_OK, "");
    l->accepting = false;
    SB_LIST_EACH_SAFE(n, after, &l->conns)
    {
        sb__conn_quiesce_for(SB_LIST_ENTRY(n, sb__conn, node), b->socket);
    }
}

static void close_binding(sb__binding *b)
{
    listener *l = (listener *)b;
    quiesce(b);
    b->closing = true;
    SB_LIST_EACH_SAFE(n, after, &l->conns)
    {
        sb__conn_end_for(SB_LIST_ENTRY(n, sb__conn, node), b->socket);
    }
    free_if_done(l);
}

static const sb__binding_impl listener_impl = {.close = close_binding, .quiesce = quiesce};

static sb_err fail(listener *l, sb_err code, const char *why, char *err, size_t cap)
{
    if (err != NULL && cap > 0)
        snprintf(err, cap, "cannot bind %s: %s", l->base.given, why);
    sb__event_conn(l->base.socket, SB_EVENT_BIND_FAILED, &l->base, NULL, code, why);
    sb__binding_free(&l->base);
    free(l);
    return code;
}

static void init_lists(listener *l)
{
    sb_list_init(&l->conns);
    sb_list_init(&l->sharers);
    sb_list_node_init(&l->sharer);
    l->port = l;
}

sb_err sb__listener_create(sb_socket *sock, const sb__endpoint *ep, const char *given, char *err, size_t cap)
{
    sb_addr addr;
    char why[256] = "";
    listener *l = calloc(1, sizeof *l);
    if (l == NULL)
        return SB_ENOMEM;
    if (!sb__binding_init(&l->base, &listener_impl, sock, ep, given, true)) {
        free(l);
        return SB_ENOMEM;
    }
    init_lists(l);
    sb_err code = sb__layers_create(sock, ep, true, why, sizeof why, &l->base.layers);
    if (code == SB_OK)
        code = local_address(sock, &l->base.endpoint, &addr);
    if (code == SB_OK)
        code = share_port(l, &addr, why, sizeof why);
    if (code == SB_ENOENT)
        code = listen_on(l, &addr);
    if (code != SB_OK)
        return fail(l, code, why[0] != '\0' ? why : sb_strerror(code), err, cap);
    sock->engine->hub.handles += !l->base.shares;
    l->accepting = true;
    note_address(l);
    sb__event_conn(sock, SB_EVENT_LISTENING, &l->base, NULL, SB_OK, "");
    return SB_OK;
}

/* ---- streams that the host accepted ---- */

static listener *find_adopter(const sb_socket *sock, const char *endpoint)
{
    SB_LIST_EACH(n, &sock->bindings)
    {
        sb__binding *b = SB_LIST_ENTRY(n, sb__binding, node);
        if (b->impl == &listener_impl && !b->closing && strcmp(b->given, endpoint) == 0)
            return (listener *)b;
    }
    return NULL;
}

/* A listener that never listened. */
static listener *create_adopter(sb_socket *sock, const char *endpoint, sb_inside inside)
{
    const sb__endpoint none = {.kind = SB__ENDPOINT_IPC};
    listener *l = calloc(1, sizeof *l);
    if (l == NULL || !sb__binding_init(&l->base, &listener_impl, sock, &none, endpoint, true)) {
        free(l);
        return NULL;
    }
    l->base.resolved = strdup(endpoint);
    l->base.inside = inside != SB_OUTSIDE;
    l->inside = inside;
    init_lists(l);
    return l;
}

sb_err sb__listener_join(sb_socket *sock, sb_stream *st, const sb_arrival *arrival, const char **why)
{
    const char *refused = arrival->inside == SB_OUTSIDE ? sb__gate_check(sock, arrival->address) : NULL;
    listener *l = refused == NULL ? find_adopter(sock, arrival->endpoint) : NULL;
    sb_err err = refused != NULL ? SB_EREFUSED : SB_OK;
    if (err == SB_OK && l == NULL && (l = create_adopter(sock, arrival->endpoint, arrival->inside)) == NULL)
        err = SB_ENOMEM;
    if (err == SB_OK)
        err = take(l, &st, true, strdup(arrival->address), arrival);
    if (err == SB_OK)
        return SB_OK;
    *why = refused != NULL ? refused : sb_strerror(err);
    sb__stream_refuse(&sock->engine->hub, st);
    sb__event_conn(sock, SB_EVENT_PEER_REFUSED, l != NULL ? &l->base : NULL, NULL, SB_EREFUSED, *why);
    return err;
}

sb_err sb__listener_adopt(
    sb_socket *sock, const sb__endpoint *ep, sb_stream *st, const sb_arrival *arrival, char *err, size_t cap)
{
    char why[256] = "";
    const char *given = arrival->endpoint;
    bool accepted = !arrival->called;
    listener *l = calloc(1, sizeof *l);
    if (l == NULL || !sb__binding_init(&l->base, &listener_impl, sock, ep, given, true)) {
        free(l);
        sb__stream_refuse(&sock->engine->hub, st);
        return SB_ENOMEM;
    }
    init_lists(l);
    l->adopted = true;
    const char *refused = sb__gate_check(sock, given);
    sb_err code = refused != NULL ? SB_EREFUSED
                                  : sb__layers_create(sock, ep, accepted, why, sizeof why, &l->base.layers);
    if (code == SB_OK && (code = take(l, &st, accepted, strdup(given), NULL)) == SB_OK)
        return SB_OK;
    if (err != NULL && cap > 0)
        snprintf(err, cap, "cannot adopt %s: %s", given,
            refused != NULL  ? refused
            : why[0] != '\0' ? why
                             : sb_strerror(code));
    refuse(l, st, sb_strerror(code));
    sb__binding_free(&l->base);
    free(l);
    return code;
}

/* ---- links to mates ---- */

sb_err sb_socket_unlink(sb_socket *sock, const char *endpoint)
{
    SB_LIST_EACH(n, &sock->bindings)
    {
        listener *l = (listener *)SB_LIST_ENTRY(n, sb__binding, node);
        if (l->base.impl != &listener_impl || !l->adopted || strcmp(l->base.given, endpoint) != 0)
            continue;
        SB_LIST_EACH(m, &l->conns)
        {
            sb__conn *conn = SB_LIST_ENTRY(m, sb__conn, node);
            if (conn->ending || conn->over)
                continue;
            sb__conn_read_out(conn);
            return SB_OK;
        }
    }
    return SB_ENOENT;
}
