/* Dialers: connected tcp and ipc endpoints, their one peer, and reconnecting.
 * Before: socket.c (connect). After: transport/conn.c, peers.c. */
#include "engine/socket/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESSES     8
#define PROTOCOL_WAIT (30 * SB_NS_PER_S) /* longest wait after a peer that does not speak our protocol */

typedef struct dialer {
    sb__binding base;
    sb_peer *peer;
    sb__conn *conn;        /* NULL: not connected */
    sb_stream *connecting; /* NULL: no attempt under way */
    sb_timer timer;        /* next attempt, or the limit of this one */
    sb_lookup lookup;
    bool looking;
    sb_addr addrs[ADDRESSES];
    uint32_t naddrs, next_addr;
    uint64_t wait; /* ns before the next attempt */
    uint32_t open; /* streams not closed yet */
    bool quiet;    /* no new attempts unless something is queued */
    bool held;     /* neither connected nor trying: waits for release */
} dialer;

static void dial(dialer *d);

static void free_if_done(dialer *d)
{
    if (!d->base.closing || d->open > 0)
        return;
    sb__binding_free(&d->base);
    free(d);
}

static sb__hub *hub_of(const dialer *d)
{
    return &d->base.socket->engine->hub;
}

/* ---- waiting ---- */

static uint64_t option_ns(const dialer *d, sb_opt opt)
{
    return (uint64_t)sb__opt(d->base.socket, opt) * SB_NS_PER_MS;
}

/* The wait doubles where reconnect_ivl_max allows it; a random part spreads the clients of a restarted
 * server. */
static uint64_t next_wait(dialer *d, bool protocol)
{
    uint64_t first = option_ns(d, SB_OPT_RECONNECT_IVL), max = option_ns(d, SB_OPT_RECONNECT_IVL_MAX);
    uint64_t limit = protocol ? PROTOCOL_WAIT : max;
    uint64_t wait = d->wait == 0 || limit == 0 ? first : d->wait * 2;
    if (limit != 0 && wait > limit)
        wait = limit > first ? limit : first;
    d->wait = wait;
    return wait + (uint64_t)(sb__hub_random(hub_of(d)) % 1024) * (wait / 2048);
}

/* reconnect_stop; that disconnect ends it is always so. */
#define STOP_REFUSED   1
#define STOP_HANDSHAKE 2

static void retry(dialer *d, sb_err why, bool protocol)
{
    sb_socket *sock = d->base.socket;
    bool stop = why == SB_ECONNREFUSED && (sb__opt(sock, SB_OPT_RECONNECT_STOP) & STOP_REFUSED);
    d->held = d->quiet && d->peer->out.msgs == 0;
    if (d->base.closing || d->held || stop || sb__opt(sock, SB_OPT_RECONNECT_IVL) < 0)
        return;
    uint64_t wait = next_wait(d, protocol);
    sb_event event = {.endpoint = d->base.given, .err = why, .interval = wait, .detail = sb_strerror(why)};
    sb__event(sock, SB_EVENT_CONNECT_RETRIED, &event);
    sb_timer_start(hub_of(d)->loop, &d->timer, sb_engine_now(sock->engine) + wait);
}

/* ---- the connection ---- */

static sb_err conn_ready(sb__conn *conn, const sb_peer_info *info)
{
    dialer *d = conn->owner_data;
    sb_err err = sb__peer_up(d->peer, conn, info);
    if (err == SB_OK)
        d->wait = 0;
    sb__event_conn(d->base.socket, err == SB_OK ? SB_EVENT_HANDSHAKE_SUCCEEDED : SB_EVENT_PEER_REFUSED,
        &d->base, conn, err, err == SB_OK ? "" : sb_strerror(err));
    return err;
}

static void drop_peer(dialer *d)
{
    sb_peer *peer = d->peer;
    d->peer = NULL;
    if (peer != NULL)
        sb__peer_down(peer, false);
}

static void conn_gone(sb__conn *conn, const sb__conn_end *end)
{
    dialer *d = conn->owner_data;
    bool protocol =
        end->cause != SB_CAUSE_NONE && end->cause != SB_CAUSE_TIMEOUT && end->cause != SB_CAUSE_HEARTBEAT;
    d->conn = NULL;
    sb__conn_tell_end(d->base.socket, &d->base, conn, end);
    if (end->forever || d->base.closing) {
        d->base.closing = true;
        drop_peer(d);
    } else {
        sb__peer_down(d->peer, true);
        if (end->was_ready || !(sb__opt(d->base.socket, SB_OPT_RECONNECT_STOP) & STOP_HANDSHAKE))
            retry(d, end->err, protocol);
    }
    sb__socket_check(d->base.socket);
}

static void conn_closed(sb__conn *conn)
{
    dialer *d = conn->owner_data;
    hub_of(d)->peers--;
    d->open--;
    free_if_done(d);
}

static const sb__conn_owner dialer_conns = {
    .ready = conn_ready,
    .message = sb__deliver,
    .subscribe = sb__subscribe_ask,
    .auth = sb__auth_ask,
    .confirmed = sb__subscription_confirmed,
    .drained = sb__conn_all_sent,
    .gone = conn_gone,
    .closed = conn_closed,
};

/* ---- one attempt ---- */

static void attempt_closed(sb_stream *st)
{
    dialer *d = st->data;
    hub_of(d)->handles--;
    d->open--;
    free_if_done(d);
}

static const sb_stream_events attempt_events;

static void take_over(dialer *d, sb_stream *st)
{
    sb_session_config cfg;
    sb__session_config(d->base.socket, false, &cfg);
    cfg.resource = d->base.endpoint.resource[0] != '\0' ? d->base.endpoint.resource : NULL;
    if (sb__layers_wrap(d->base.layers, hub_of(d), &cfg, &st) != SB_OK ||
        sb__conn_create(hub_of(d), st, &cfg, d->peer, &dialer_conns, d, &d->conn) != SB_OK) {
        d->conn = NULL;
        st->data = d;
        st->events = &attempt_events;
        sb_stream_close(st);
        retry(d, SB_ENOMEM, false);
        return;
    }
    hub_of(d)->peers++;
    d->conn->address = strdup(sb__binding_where(&d->base));
    sb__event_conn(d->base.socket, SB_EVENT_CONNECTED, &d->base, d->conn, SB_OK, "");
    sb__conn_start(d->conn);
}

/* A host may have several addresses, of which some answer. */
static void attempt_failed(dialer *d, sb_err err)
{
    sb__event_conn(d->base.socket, SB_EVENT_CLOSED, &d->base, NULL, err, sb_strerror(err));
    if (!d->base.closing && d->next_addr < d->naddrs)
        dial(d);
    else
        retry(d, err, false);
}

static void on_connected(sb_stream *st, sb_err err)
{
    dialer *d = st->data;
    d->connecting = NULL;
    sb_timer_stop(hub_of(d)->loop, &d->timer);
    if (err == SB_OK && !d->base.closing) {
        take_over(d, st);
        return;
    }
    sb_stream_close(st);
    attempt_failed(d, err);
}

static const sb_stream_events attempt_events = {.on_connected = on_connected, .on_closed = attempt_closed};

/* What the proxy connects to is its business: then the endpoint stays as it was given. */
static void set_resolved(dialer *d, const sb_addr *addr)
{
    char text[512];
    sb__endpoint_resolved(&d->base.endpoint, addr, text, sizeof text);
    free(d->base.resolved);
    d->base.resolved = strdup(sb__layers_proxy(d->base.layers) != NULL ? d->base.given : text);
}

static void start_timeout(dialer *d)
{
    uint64_t limit = option_ns(d, SB_OPT_CONNECT_TIMEOUT);
    if (limit > 0)
        sb_timer_start(hub_of(d)->loop, &d->timer, sb_loop_now(hub_of(d)->loop) + limit);
}

static void dial(dialer *d)
{
    const sb__endpoint *ep = &d->base.endpoint;
    const sb_addr *addr = &d->addrs[d->next_addr++];
    sb_sockopts opts;
    sb_addr source;
    sb__sockopts(d->base.socket, &opts);
    if (ep->source_host[0] != '\0' && sb__endpoint_local(ep->source_host, strcmp(ep->source_host, "*") == 0,
                                          ep->source_port, true, &source) == SB_OK)
        opts.source = &source;
    set_resolved(d, addr);
    sb_err err = sb_loop_connect(hub_of(d)->loop, addr, &opts, &attempt_events, d, &d->connecting);
    if (err != SB_OK) {
        d->connecting = NULL;
        attempt_failed(d, err);
        return;
    }
    d->open++;
    hub_of(d)->handles++;
    sb__event_conn(d->base.socket, SB_EVENT_CONNECT_DELAYED, &d->base, NULL, SB_OK, "");
    start_timeout(d);
}

static void on_lookup(sb_lookup *lk, sb_err err, const sb_addr *addrs, size_t n)
{
    dialer *d = SB_LIST_ENTRY(lk, dialer, lookup);
    d->looking = false;
    d->naddrs = (uint32_t)(n < ADDRESSES ? n : ADDRESSES);
    d->next_addr = 0;
    if (err != SB_OK || n == 0) {
        sb_socket_log(
            d->base.socket, NULL, SB_LOG_WARN, "cannot resolve %s: %s", d->base.given, sb_strerror(err));
        retry(d, err, false);
        return;
    }
    memcpy(d->addrs, addrs, d->naddrs * sizeof *addrs);
    dial(d);
}

/* A connected descriptor instead of an attempt; on success it is ours. */
static sb_err adopt(dialer *d, int fd)
{
    sb_stream *st;
    sb_err err = sb_loop_adopt_stream(hub_of(d)->loop, fd, &attempt_events, d, &st);
    if (err != SB_OK)
        return err;
    free(d->base.resolved);
    d->base.resolved = strdup(d->base.given);
    d->open++;
    hub_of(d)->handles++;
    take_over(d, st);
    return SB_OK;
}

/* The host may have a way of its own to get there. */
static bool begin_at_host(dialer *d)
{
    sb_host *host = d->base.socket->engine->host;
    sb_err err = SB_EHOSTUNREACH;
    int fd =
        host != NULL && host->connect_fd != NULL ? host->connect_fd(host, d->base.given) : SB_HOST_NOT_MINE;
    if (fd >= 0 && (err = adopt(d, fd)) != SB_OK)
        close(fd);
    if (fd == SB_HOST_LATER || (fd >= 0 && err != SB_OK))
        retry(d, err, false);
    return fd != SB_HOST_NOT_MINE;
}

/* Of a team one is enough to get what is published. */
static bool is_left_to_another(const sb_socket *sock)
{
    return sock->engine->worker > 0 &&
           (SB_TYPE_BIT(sock->type) & (SB_TYPE_BIT(SB_SUB) | SB_TYPE_BIT(SB_XSUB)));
}

/* A name is looked up anew for every round of attempts: addresses change. */
static void begin(dialer *d)
{
    const sb__endpoint *ep = sb__layers_proxy(d->base.layers);
    bool ipv6 = sb__opt(d->base.socket, SB_OPT_IPV6);
    if (ep == NULL)
        ep = &d->base.endpoint;
    d->next_addr = 0;
    d->naddrs = 1;
    if (begin_at_host(d))
        return;
    d->held = (d->base.socket->engine->holding && !d->quiet) || is_left_to_another(d->base.socket);
    if (d->held)
        return;
    sb_err err = sb__endpoint_addr(ep, ipv6, &d->addrs[0]);
    if (err == SB_OK) {
        dial(d);
        return;
    }
    err = sb_loop_resolve(hub_of(d)->loop, ep->host, ep->port, ipv6 ? AF_UNSPEC : AF_INET, &d->lookup);
    d->looking = err == SB_OK;
    if (err != SB_OK)
        retry(d, err, false);
}

static void on_timer(sb_timer *timer)
{
    dialer *d = SB_LIST_ENTRY(timer, dialer, timer);
    if (d->connecting == NULL) {
        begin(d);
        return;
    }
    sb_stream_close(d->connecting); /* connect_timeout, of each address */
    d->connecting = NULL;
    attempt_failed(d, SB_ETIMEDOUT);
}

/* ---- the binding ---- */

static void release(sb__binding *b)
{
    dialer *d = (dialer *)b;
    if (d->held && !b->closing && !(d->quiet && d->peer->out.msgs == 0))
        begin(d);
}

static void quiesce(sb__binding *b)
{
    dialer *d = (dialer *)b;
    d->quiet = true;
    if (d->conn != NULL) {
        sb__conn_quiesce_for(d->conn, b->socket);
    } else if (d->peer != NULL && d->peer->out.msgs == 0 && d->connecting == NULL && !d->looking) {
        sb_timer_stop(hub_of(d)->loop, &d->timer);
        d->held = true;
    } else {
        release(b);
    }
}

static void close_binding(sb__binding *b)
{
    dialer *d = (dialer *)b;
    b->closing = true;
    sb_timer_stop(hub_of(d)->loop, &d->timer);
    if (d->looking)
        sb_loop_resolve_cancel(hub_of(d)->loop, &d->lookup);
    d->looking = false;
    if (d->connecting != NULL)
        sb_stream_close(d->connecting);
    d->connecting = NULL;
    if (d->conn != NULL)
        sb__conn_end_for(d->conn, b->socket);
    else
        drop_peer(d);
    free_if_done(d);
}

static const sb__binding_impl dialer_impl = {
    .close = close_binding,
    .quiesce = quiesce,
    .release = release,
};

static sb_err fail(dialer *d, sb_err code, const char *why, char *err, size_t cap)
{
    if (err != NULL && cap > 0)
        snprintf(err, cap, "cannot connect %s: %s", d->base.given, why);
    drop_peer(d);
    sb__binding_free(&d->base);
    free(d);
    return code;
}

static bool is_pattern(const sb__endpoint *ep)
{
    return ep->any_host || ep->any_path || ep->any_port;
}

sb_err sb__dialer_create(sb_socket *sock, const sb__endpoint *ep, const char *given, char *err, size_t cap)
{
    char why[256] = "";
    dialer *d = calloc(1, sizeof *d);
    if (d == NULL)
        return SB_ENOMEM;
    if (!sb__binding_init(&d->base, &dialer_impl, sock, ep, given, false)) {
        free(d);
        return SB_ENOMEM;
    }
    d->lookup.on_done = on_lookup;
    sb_timer_init(&d->timer, on_timer);
    sb_err code =
        is_pattern(ep) ? SB_EINVAL : sb__layers_create(sock, ep, false, why, sizeof why, &d->base.layers);
    if (code == SB_OK)
        code = sb__peer_add(sock, 0, &d->peer);
    if (code != SB_OK)
        return fail(d, code, why[0] != '\0' ? why : sb_strerror(code), err, cap);
    d->peer->link = &sb__conn_link;
    d->peer->place = sb_hash(given, strlen(given), 0);
    d->peer->dialed = true;
    if (!sb__opt(sock, SB_OPT_IMMEDIATE) && (code = sb__peer_attach(d->peer)) != SB_OK)
        return fail(d, code, sb_strerror(code), err, cap);
    int fd = sb__take_fd(sock);
    if (fd < 0)
        begin(d);
    else if ((code = adopt(d, fd)) != SB_OK)
        return fail(d, code, "use_fd is no connected stream", err, cap);
    return SB_OK;
}
