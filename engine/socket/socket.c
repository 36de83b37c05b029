/* Sockets: a pattern with endpoints, a handler or a route table; their making and their orderly end.
 * Before: hosts and scripts. After: pattern/, transport/. */
#include "engine/socket/internal.h"
#include "engine/trace.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the end of a socket ---- */

static bool targeted(const sb_socket *by, const sb_socket *sock)
{
    for (size_t i = 0; by->route != NULL && i < sb_route_count(by->route); i++) {
        const sb_route_row *row = sb_route_get(by->route, i);
        for (uint32_t k = 0; row->action == SB_ROUTE_TO && k < row->nto; k++)
            if (row->to[k] == sock)
                return true;
    }
    return false;
}

static bool is_target(const sb_socket *sock)
{
    SB_LIST_EACH(n, &sock->engine->sockets)
    {
        if (targeted(SB_LIST_ENTRY(n, sb_socket, node), sock))
            return true;
    }
    return false;
}

static void free_resources(sb_socket *sock)
{
    sb_engine *engine = sock->engine;
    sb_timer_stop(engine->loop, &sock->linger);
    sb_timer_stop(engine->loop, &sock->alarm);
    sb__subscriptions_finish(sock);
    sb__held_forget_target(sock);
    sb__task_cancel(&sock->finish);
    sb__deliver_finish(sock);
    sb__overload_finish(sock);
    sb_route_destroy(sock->route);
    sock->route = NULL;
    sb__pattern_destroy(sock->pattern);
    sock->pattern = NULL;
    sb__options_finish(sock);
    sb_map_finish(&sock->by_id);
    sb__gate_finish(&sock->gate);
    free(sock->last_endpoint);
    sock->last_endpoint = NULL;
}

static void free_shell(sb_socket *sock)
{
    free(sock->name);
    free(sock);
}

/* Route rows elsewhere may still name the socket: then its shell stays until the engine ends. */
static void end_socket(sb_socket *sock)
{
    sb_engine *engine = sock->engine;
    sb_handler *handler = sock->handler;
    sock->closed = true;
    sb_list_remove(&sock->node);
    engine->nsockets--;
    if (engine->dead_letter == sock)
        engine->dead_letter = NULL;
    sb__event(sock, SB_EVENT_MONITOR_STOPPED, NULL);
    free_resources(sock);
    if (handler != NULL && handler->on_closed != NULL)
        handler->on_closed(handler, sock);
    if (is_target(sock))
        sb_list_push_back(&engine->shells, &sock->node);
    else
        free_shell(sock);
}

void sb__shells_finish(sb_engine *engine)
{
    while (!sb_list_empty(&engine->shells))
        free_shell(SB_LIST_ENTRY(sb_list_pop(&engine->shells), sb_socket, node));
}

static bool all_sent(const sb_socket *sock)
{
    SB_LIST_EACH(n, &sock->peers)
    {
        if (SB_LIST_ENTRY(n, sb_peer, peers)->out.msgs > 0)
            return false;
    }
    return true;
}

static void close_leaving(sb_socket *sock)
{
    SB_LIST_EACH_SAFE(n, after, &sock->bindings)
    {
        sb__binding *b = SB_LIST_ENTRY(n, sb__binding, node);
        if (b->leaving && !b->closing)
            b->impl->close(b);
    }
}

/* Peers that are gone and stayed only for what they had sent: nobody will take it any more. */
static void reap_left(sb_socket *sock)
{
    SB_LIST_EACH_SAFE(n, after, &sock->peers)
    {
        sb__peer_reap(SB_LIST_ENTRY(n, sb_peer, peers));
    }
}

/* Closing goes in steps: no more input; all sent or linger over; all closed. */
static void finish_run(sb__task *task)
{
    sb_socket *sock = SB_LIST_ENTRY(task, sb_socket, finish);
    close_leaving(sock);
    if (!sock->closing || sock->closed)
        return;
    if (!sock->draining) {
        sb__held_forget_target(sock);
        sb__socket_quiesce(sock);
    }
    if (!sock->cutting && (sock->linger_over || all_sent(sock))) {
        sock->cutting = true;
        sb__socket_cut(sock);
    }
    if (sock->cutting)
        reap_left(sock);
    if (sock->cutting && sb_list_empty(&sock->bindings) && sb_list_empty(&sock->peers))
        end_socket(sock);
}

void sb__socket_check(sb_socket *sock)
{
    if (sock->closing && !sock->closed)
        sb__hub_input(&sock->engine->hub, &sock->finish);
}

static void on_linger(sb_timer *timer)
{
    sb_socket *sock = SB_LIST_ENTRY(timer, sb_socket, linger);
    sock->linger_over = true;
    sb__socket_check(sock);
}

void sb_socket_close(sb_socket *sock)
{
    if (sock == NULL || sock->closing)
        return;
    int64_t linger = sb__opt(sock, SB_OPT_LINGER);
    sock->closing = true;
    sock->linger_over = linger == 0;
    if (linger > 0)
        sb_timer_start(
            sock->engine->loop, &sock->linger, sb_engine_now(sock->engine) + (uint64_t)linger * SB_NS_PER_MS);
    sb__socket_check(sock);
}

void sb__socket_abort(sb_socket *sock)
{
    sock->cutting &= !sock->engine->hub.aborting; /* what is ending in order ends at once */
    sock->closing = true;
    sock->linger_over = true;
    sb__socket_check(sock);
}

/* ---- making ---- */

static char *auto_name(const sb_engine *engine, sb_type type)
{
    char name[48];
    snprintf(name, sizeof name, "%s-%llu", sb_type_name(type), (unsigned long long)engine->hub.last_id);
    for (char *p = name; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return strdup(name);
}

static void init_lists(sb_socket *sock)
{
    sb_list_init(&sock->bindings);
    sb__gate_init(&sock->gate);
    sb_list_init(&sock->peers);
    sb_map_init(&sock->by_id);
    sb_list_init(&sock->holders);
    sb_list_init(&sock->subscriptions);
    sb_list_node_init(&sock->node);
    sb__task_init(&sock->finish, finish_run);
    sb_timer_init(&sock->linger, on_linger);
    sb__host_init(sock);
    sb__deliver_init(sock);
    sb__overload_init(sock);
}

sb_err sb_socket_create(sb_engine *engine, sb_type type, const char *name, sb_socket **out)
{
    if (name != NULL && sb_engine_find_socket(engine, name) != NULL)
        return SB_EEXIST;
    sb_socket *sock = calloc(1, sizeof *sock);
    if (sock == NULL)
        return SB_ENOMEM;
    sock->engine = engine;
    sock->type = type;
    sb__detour_update(sock);
    sock->meter.base.time = sb_engine_now(engine);
    engine->hub.last_id++;
    sock->name = name != NULL ? strdup(name) : auto_name(engine, type);
    init_lists(sock);
    sb__options_init(sock);
    sb_err err = sock->name == NULL
                     ? SB_ENOMEM
                     : sb__pattern_create(type, &sb__socket_as_host, &sock->popts, sock, &sock->pattern);
    if (err != SB_OK) {
        sb__options_finish(sock);
        free_shell(sock);
        return err;
    }
    sb_list_push_back(&engine->sockets, &sock->node);
    engine->nsockets++;
    *out = sock;
    return SB_OK;
}

/* ---- endpoints ---- */

static sb_err say(char *err, size_t cap, sb_err code, const char *text)
{
    if (err != NULL && cap > 0)
        snprintf(err, cap, "%s", text);
    return code;
}

typedef sb_err (*reach)(sb_socket *sock, const sb__endpoint *ep, const char *given, char *err, size_t cap);

typedef struct way {
    reach bind, connect;
} way;

static const way stream_way = {sb__listener_create, sb__dialer_create};
static const way inproc_way = {sb__inproc_bind, sb__inproc_connect};
static const way udp_way = {sb__udp_bind, sb__udp_connect};

static const way *way_of(sb__endpoint_kind kind)
{
    if (kind == SB__ENDPOINT_INPROC)
        return &inproc_way;
    return kind == SB__ENDPOINT_UDP ? &udp_way : &stream_way;
}

/* What is no ZMTP has transports of its own. */
static sb_err check_way(const sb_socket *sock, sb__endpoint_kind kind, bool bind, char *err, size_t cap)
{
    sb_type type = sock->type;
    bool raw = sb__is_raw(sock);
    bool secured = sb__security_mechanism(sock) != SB_MECHANISM_NULL;
    bool datagrams = type == SB_DGRAM || type == (bind ? SB_DISH : SB_RADIO);
    if (kind == SB__ENDPOINT_UDP && !datagrams)
        return say(err, cap, SB_ENOTSUP, "udp:// is for RADIO to connect, DISH to bind, and DGRAM");
    if (type == SB_DGRAM && kind != SB__ENDPOINT_UDP && kind != SB__ENDPOINT_INPROC)
        return say(err, cap, SB_ENOTSUP, "DGRAM is for udp:// and inproc://");
    if (raw && (kind == SB__ENDPOINT_WS || kind == SB__ENDPOINT_WSS))
        return say(err, cap, SB_ENOTSUP, "STREAM speaks no ZMTP, and nothing else goes over WebSocket here");
    if (secured && (kind == SB__ENDPOINT_UDP || raw))
        return say(
            err, cap, SB_ENOTSUP, "udp:// and STREAM have no handshake that PLAIN or CURVE could secure");
    return SB_OK;
}

sb_err sb__reach_check(
    sb_socket *sock, const char *endpoint, bool bind, sb__endpoint *ep, char *err, size_t cap)
{
    if (sock->closing || sock->engine->drain != NULL)
        return say(err, cap, SB_ECLOSED, "the socket is closing");
    sb_err code = sb__endpoint_parse(endpoint, ep, err, cap);
    if (code == SB_OK)
        code = sb__security_check(sock, err, cap);
    return code == SB_OK ? check_way(sock, ep->kind, bind, err, cap) : code;
}

static sb_err reach_endpoint(sb_socket *sock, const char *endpoint, bool bind, char *err, size_t cap)
{
    sb__endpoint ep;
    sb_err code = sb__reach_check(sock, endpoint, bind, &ep, err, cap);
    if (code != SB_OK)
        return code;
    const way *w = way_of(ep.kind);
    return (bind ? w->bind : w->connect)(sock, &ep, endpoint, err, cap);
}

sb_err sb_socket_bind(sb_socket *sock, const char *endpoint, char *err, size_t cap)
{
    return reach_endpoint(sock, endpoint, true, err, cap);
}

sb_err sb_socket_connect(sb_socket *sock, const char *endpoint, char *err, size_t cap)
{
    sb_err code = reach_endpoint(sock, endpoint, false, err, cap);
    sb__opt_clear(sock, SB_OPT_CONNECT_ROUTING_ID); /* it was for this connect only (zmq_setsockopt(3)) */
    return code;
}

sb_err sb_socket_connect_peer(sb_socket *sock, const char *endpoint, sb_peer **peer, char *err, size_t cap)
{
    if (sb__opt(sock, SB_OPT_IMMEDIATE))
        return say(err, cap, SB_EINVAL, "with immediate there is no peer before its handshake");
    sb_err code = sb_socket_connect(sock, endpoint, err, cap);
    if (code == SB_OK)
        *peer = SB_LIST_ENTRY(sock->peers.prev, sb_peer, peers); /* the newest */
    return code;
}

static sb_err leave(sb_socket *sock, const char *endpoint, bool bind)
{
    SB_LIST_EACH(n, &sock->bindings)
    {
        sb__binding *b = SB_LIST_ENTRY(n, sb__binding, node);
        bool same =
            strcmp(b->given, endpoint) == 0 || (b->resolved != NULL && strcmp(b->resolved, endpoint) == 0);
        if (b->bind == bind && same && !b->closing && !b->leaving) {
            b->leaving = true; /* not now: this may be inside a callback of one of its connections */
            sb__hub_input(&sock->engine->hub, &sock->finish);
            return SB_OK;
        }
    }
    return SB_ENOENT;
}

sb_err sb_socket_unbind(sb_socket *sock, const char *endpoint)
{
    return leave(sock, endpoint, true);
}

sb_err sb_socket_disconnect(sb_socket *sock, const char *endpoint)
{
    return leave(sock, endpoint, false);
}

const char *sb_socket_last_endpoint(const sb_socket *sock)
{
    return sock->last_endpoint != NULL ? sock->last_endpoint : "";
}

/* ---- sending and subscribing ---- */

sb_err sb_socket_send(sb_socket *sock, sb_msg *msg)
{
    if (sock->closing)
        return SB_ECLOSED;
    const sb_pattern_impl *impl = sock->pattern->impl;
    if (!impl->can_send)
        return SB_ENOTSUP;
    SB_TRACE(10);
    if (!sb__may_ask(sock))
        return SB_EFSM;
    sb_err err = impl->send(sock->pattern, msg);
    if (err == SB_EAGAIN)
        sock->want_writable = true;
    return err;
}

sb_err sb_socket_send_bytes(sb_socket *sock, const void *data, size_t len)
{
    sb_msg msg;
    sb_msg_init(&msg);
    msg.frames[0] = (sb_frame){.data = data, .len = len};
    msg.n = 1;
    return sb_socket_send(sock, &msg);
}

static sb_err subscribe(sb_socket *sock, const void *topic, size_t len, bool groups, bool on)
{
    const sb_pattern_impl *impl = sock->pattern->impl;
    if (impl->grant != NULL && sock->popts.xpub_manual) {
        sb_peer *peer = sb_socket_find_peer(sock, sock->asker);
        return peer != NULL ? impl->grant(sock->pattern, peer, topic, len, on) : SB_EFSM;
    }
    if (impl->subscribe == NULL || impl->groups != groups)
        return SB_ENOTSUP;
    return impl->subscribe(sock->pattern, topic, len, on);
}

sb_err sb_socket_subscribe(sb_socket *sock, const void *topic, size_t len)
{
    return subscribe(sock, topic, len, false, true);
}

sb_err sb_socket_unsubscribe(sb_socket *sock, const void *topic, size_t len)
{
    return subscribe(sock, topic, len, false, false);
}

sb_err sb_socket_join(sb_socket *sock, const void *group, size_t len)
{
    return subscribe(sock, group, len, true, true);
}

sb_err sb_socket_leave(sb_socket *sock, const void *group, size_t len)
{
    return subscribe(sock, group, len, true, false);
}

uint32_t sb_socket_forget(sb_socket *sock, const void *topic, size_t len)
{
    const sb_pattern_impl *impl = sock->pattern->impl;
    return impl->forget != NULL ? impl->forget(sock->pattern, topic, len) : 0;
}

/* ---- what a socket is ---- */

sb_engine *sb_socket_engine(const sb_socket *sock)
{
    return sock->engine;
}

const char *sb_socket_name(const sb_socket *sock)
{
    return sock->name;
}

bool sb_type_can_send(sb_type type)
{
    const sb_pattern_impl *impl = sb__pattern_impl_of(type);
    return impl != NULL && impl->can_send;
}

bool sb_type_can_recv(sb_type type)
{
    const sb_pattern_impl *impl = sb__pattern_impl_of(type);
    return impl != NULL && impl->can_recv;
}

sb_type sb_socket_type(const sb_socket *sock)
{
    return sock->type;
}

void sb_socket_set_handler(sb_socket *sock, sb_handler *handler)
{
    sock->handler = handler;
    sock->stopped = false;
    sb__pump(sock);
}

void sb_socket_set_claim(sb_socket *sock, sb_handler *claim)
{
    sock->claim = claim;
    sb__detour_update(sock);
    sb__pump(sock);
}

sb_handler *sb_socket_handler(const sb_socket *sock)
{
    return sock->handler;
}

void sb_socket_set_data(sb_socket *sock, void *data)
{
    sock->data = data;
}

void *sb_socket_data(const sb_socket *sock)
{
    return sock->data;
}

void sb_socket_set_route(sb_socket *sock, sb_route *route)
{
    sb_route_destroy(sock->route);
    sock->route = route;
    sock->stopped = false;
    sb__pump(sock);
}

sb_route *sb_socket_get_route(const sb_socket *sock)
{
    return sock->route;
}

void sb_socket_set_hops(sb_socket *sock, uint32_t hops)
{
    sock->popts.hops = hops;
}

uint32_t sb_socket_hops(const sb_socket *sock)
{
    return sock->popts.hops + sb__pattern_impl_of(sock->type)->ids;
}
