/* udp://: RADIO that connects, DISH that binds, DGRAM. One peer per endpoint: a datagram is a message,
 * whoever it came from. Nothing waits for a receiver: what it cannot take is dropped and counted. Before:
 * socket.c (bind, connect). After: deliver.c; transport/datagram.c. */
#include "engine/socket/internal.h"
#include "engine/transport/datagram.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BUDGET 256 /* datagrams per turn, so that one socket does not hold the loop */
#define FILL_BYTES  (64 * 1024)

typedef struct udp {
    sb__binding base;
    sb_peer *peer;
    sb_peer_info info; /* what a peer without a handshake is */
    sb_watch watch;    /* fd -1: none (yet) */
    bool waits;        /* for room in the kernel */
    bool unwatched;    /* ... and there was no memory to watch for it, or to watch for it no more */
    bool quiet;        /* takes no datagrams any more */
    sb__datagram_ends ends;
    sb_lookup lookup;
    bool looking;
    sb__task send;
    uint8_t *buf; /* of a datagram that comes in */
} udp;

static sb__hub *hub_of(const udp *u)
{
    return &u->base.socket->engine->hub;
}

static bool receives(const udp *u)
{
    return u->base.socket->type != SB_RADIO && !u->quiet;
}

/* ---- in ---- */

static bool read_msg(udp *u, sb_msg *msg, size_t len, const sb_addr *from, char *name, size_t cap)
{
    if (u->base.socket->type != SB_DGRAM)
        return sb__datagram_get(msg, u->buf, len);
    sb__datagram_format(from, name, cap);
    return sb_msg_push(msg, name, strlen(name), NULL) == SB_OK &&
           sb_msg_push(msg, u->buf, len, NULL) == SB_OK;
}

/* It came, and is dropped for a reason. */
static void refuse(udp *u, size_t len, sb_drop why)
{
    u->peer->msgs_in++;
    u->peer->bytes_in += len;
    sb__peer_drop(u->peer, why, 1);
}

static void take(udp *u, size_t len, const sb_addr *from)
{
    char name[64];
    sb_msg msg;
    sb_msg_init(&msg);
    if (!read_msg(u, &msg, len, from, name, sizeof name))
        refuse(u, len, SB_DROP_FILTERED);
    else if (sb__queue_full(&u->peer->in))
        refuse(u, len, SB_DROP_HWM);
    else
        sb__deliver(u->peer, &msg);
    sb_msg_finish(&msg);
}

static void receive(udp *u)
{
    for (int i = 0; i < READ_BUDGET && !u->quiet; i++) {
        sb_addr from = {.len = sizeof from.ss};
        ssize_t n =
            recvfrom(u->watch.fd, u->buf, SB__DATAGRAM_MAX, 0, (struct sockaddr *)&from.ss, &from.len);
        if (n < 0)
            return; /* nothing there, or an error that the kernel keeps from earlier sends */
        take(u, (size_t)n, &from);
    }
}

/* ---- out ---- */

/* Without memory what was watched stays, and it is tried again. */
static void rewatch(udp *u)
{
    sb_err err = SB_OK;
    if (u->watch.fd < 0)
        return;
    if (receives(u) || u->waits)
        err = sb_watch_start(hub_of(u)->loop, &u->watch, receives(u), u->waits);
    else
        sb_watch_stop(hub_of(u)->loop, &u->watch);
    u->unwatched = err != SB_OK;
    if (u->unwatched)
        sb__hub_later(hub_of(u), &u->send);
}

static ssize_t send_to(const udp *u, const sb_addr *to, struct iovec *iov, size_t n)
{
    struct msghdr hdr = {
        .msg_name = (void *)(uintptr_t)&to->ss, .msg_namelen = to->len, .msg_iov = iov, .msg_iovlen = n};
    ssize_t sent;
    do
        sent = sendmsg(u->watch.fd, &hdr, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

static size_t limit_of(const udp *u)
{
    return u->ends.multicast ? (size_t)sb__opt(u->base.socket, SB_OPT_MULTICAST_MAXTPDU) : SB__DATAGRAM_MAX;
}

/* DGRAM names the other end; an empty name is the one it is connected to. */
static bool address_of(const udp *u, const sb_frame *name, sb_addr *to)
{
    if (name->len == 0 && !u->base.bind) {
        *to = u->ends.target;
        return true;
    }
    return sb__datagram_parse(name->data, name->len, to);
}

/* SB_OK: gone, or dropped and counted. SB_EAGAIN: no room in the kernel. */
static sb_err send_msg(udp *u, const sb_msg *msg)
{
    uint8_t head[1 + SB_GROUP_MAX];
    struct iovec iov[2] = {{(void *)(uintptr_t)msg->frames[1].data, msg->frames[1].len}};
    sb_addr to = u->ends.target;
    bool raw = u->base.socket->type == SB_DGRAM;
    size_t len = raw ? msg->frames[1].len : sb__datagram_put(msg, head, iov);
    if (raw && !address_of(u, &msg->frames[0], &to)) {
        sb__peer_drop(u->peer, SB_DROP_NO_PEER, 1);
        return SB_OK;
    }
    if ((len == 0 && !raw) || len > limit_of(u)) {
        sb__peer_drop(u->peer, SB_DROP_OVERSIZE, 1);
        return SB_OK;
    }
    if (send_to(u, &to, iov, raw ? 1 : 2) >= 0) {
        u->peer->msgs_out++;
        u->peer->bytes_out += sb_msg_packed_size(msg);
        return SB_OK;
    }
    if (errno == EAGAIN || errno == ENOBUFS)
        return SB_EAGAIN;
    sb__peer_drop(u->peer, SB_DROP_LOST, 1);
    return SB_OK;
}

static sb_err send_first(udp *u)
{
    sb_msg msg;
    sb_err err = SB_OK;
    sb_msg_init(&msg);
    if (!sb__queue_peek(&u->peer->out, &msg))
        sb__peer_drop(u->peer, SB_DROP_LOST, 1); /* no memory to look at it */
    else if (u->watch.fd >= 0)                   /* a script that only declares sends nothing */
        err = send_msg(u, &msg);
    sb_msg_finish(&msg);
    if (err == SB_OK)
        sb__queue_pop(&u->peer->out);
    return err;
}

static void flush(sb__task *task)
{
    udp *u = SB_LIST_ENTRY(task, udp, send);
    sb_err err = SB_OK;
    if (u->peer == NULL || !u->peer->ready)
        return;
    sb__pipe_fill(u->peer, FILL_BYTES);
    while (err == SB_OK && u->peer->out.msgs > 0)
        err = send_first(u);
    if (u->waits != (err == SB_EAGAIN) || u->unwatched) {
        u->waits = err == SB_EAGAIN;
        rewatch(u);
    }
    sb__pipe_drained(u->peer);
    if (u->peer->out.msgs == 0)
        sb__socket_check(u->base.socket);
}

static void on_ready(sb_watch *w, bool readable, bool writable)
{
    udp *u = SB_LIST_ENTRY(w, udp, watch);
    if (writable)
        sb__hub_output(hub_of(u), &u->send);
    if (readable && receives(u))
        receive(u);
}

/* ---- what the pipe asks ---- */

static void link_output(sb_peer *peer)
{
    udp *u = peer->link_data;
    if (u != NULL && !u->waits)
        sb__hub_output(hub_of(u), &u->send);
}

static void link_input(sb_peer *peer)
{
    (void)peer;
}

static void link_subscribe(sb_peer *peer, const uint8_t *topic, size_t len, bool on)
{
    (void)peer, (void)topic, (void)len, (void)on; /* nobody to tell: what comes is filtered here */
}

static void link_end(sb_peer *peer)
{
    (void)peer; /* there is no connection to end; unbind or disconnect */
}

/* The peer is the endpoint: it ends, at the turn's end as an unbind would. */
static void link_kick(sb_peer *peer, sb_err why, const char *detail, bool forever)
{
    udp *u = peer->link_data;
    (void)why, (void)detail, (void)forever;
    if (u == NULL || u->base.closing)
        return;
    u->base.leaving = true;
    sb__hub_input(hub_of(u), &u->base.socket->finish);
}

static const sb__link udp_link = {
    .output = link_output,
    .input = link_input,
    .subscribe = link_subscribe,
    .kick = link_kick,
    .end = link_end,
};

/* ---- the binding ---- */

static void quiesce(sb__binding *b)
{
    udp *u = (udp *)b;
    u->quiet = true;
    rewatch(u);
}

static void close_binding(sb__binding *b)
{
    udp *u = (udp *)b;
    b->closing = true;
    sb__task_cancel(&u->send);
    if (u->looking)
        sb_loop_resolve_cancel(hub_of(u)->loop, &u->lookup);
    if (u->watch.fd >= 0) {
        sb_watch_stop(hub_of(u)->loop, &u->watch);
        close(u->watch.fd);
    }
    if (u->peer != NULL)
        sb__peer_down(u->peer, false);
    sb__binding_free(b);
    free(u->buf);
    free(u);
}

static const sb__binding_impl udp_impl = {.close = close_binding, .quiesce = quiesce};

static void note_address(udp *u)
{
    sb_addr at = {.len = sizeof at.ss};
    char name[64], text[80];
    sb_socket *sock = u->base.socket;
    const sb_addr *shown = &u->ends.target;
    if (u->base.bind && !u->ends.multicast && u->watch.fd >= 0 &&
        getsockname(u->watch.fd, (struct sockaddr *)&at.ss, &at.len) == 0)
        shown = &at;
    sb__datagram_format(shown, name, sizeof name);
    snprintf(text, sizeof text, "udp://%s", name);
    u->base.resolved = strdup(text);
    if (!u->base.bind)
        return;
    free(sock->last_endpoint);
    sock->last_endpoint = strdup(text);
}

/* A loop without descriptors, as it runs scripts that only declare, gets none. */
static sb_err open_descriptor(udp *u)
{
    sb_socket *sock = u->base.socket;
    sb__datagram_opts opts = {.hops = (int)sb__opt(sock, SB_OPT_MULTICAST_HOPS),
        .loop = sb__opt(sock, SB_OPT_MULTICAST_LOOP),
        .receives = u->base.bind};
    if (hub_of(u)->loop->impl->watch_start == NULL)
        return SB_OK;
    sb__sockopts(sock, &opts.sock);
    sb_err err = sb__datagram_open(&u->ends, &opts, &u->watch.fd);
    if (err != SB_OK || !receives(u))
        return err;
    u->buf = malloc(SB__DATAGRAM_MAX);
    return u->buf != NULL ? sb_watch_start(hub_of(u)->loop, &u->watch, true, false) : SB_ENOMEM;
}

static sb_err begin(udp *u)
{
    sb_err err = open_descriptor(u);
    if (err != SB_OK)
        return err;
    note_address(u);
    free(u->peer->address);
    u->peer->address = strdup(u->base.resolved != NULL ? u->base.resolved : "");
    u->peer->link_data = u;
    err = sb__peer_up(u->peer, NULL, &u->info);
    if (err == SB_OK && u->peer->out.msgs > 0)
        sb__hub_output(hub_of(u), &u->send);
    sb__event_conn(u->base.socket, u->base.bind ? SB_EVENT_LISTENING : SB_EVENT_CONNECTED, &u->base, NULL,
        err, err == SB_OK ? "" : sb_strerror(err));
    return err;
}

/* A name that is not found is not tried again: there is no connection whose loss would say that it moved. */
static void on_lookup(sb_lookup *lk, sb_err err, const sb_addr *addrs, size_t n)
{
    udp *u = SB_LIST_ENTRY(lk, udp, lookup);
    u->looking = false;
    if (err == SB_OK && n > 0) {
        u->ends.target = u->ends.local = addrs[0];
        err = begin(u);
    }
    if (err != SB_OK)
        sb_socket_log(
            u->base.socket, NULL, SB_LOG_WARN, "cannot connect %s: %s", u->base.given, sb_strerror(err));
}

static sb_err start(udp *u)
{
    const sb__endpoint *ep = &u->base.endpoint;
    bool ipv6 = sb__opt(u->base.socket, SB_OPT_IPV6);
    sb_err err = sb__datagram_ends_of(ep, ipv6, &u->ends);
    if (err == SB_OK)
        return begin(u);
    if (err != SB_EADDRNOTAVAIL || u->base.bind || ep->source_host[0] != '\0')
        return err;
    err = sb_loop_resolve(hub_of(u)->loop, ep->host, ep->port, ipv6 ? AF_UNSPEC : AF_INET, &u->lookup);
    u->looking = err == SB_OK;
    return err;
}

static sb_err create(
    sb_socket *sock, const sb__endpoint *ep, const char *given, bool bind, char *err, size_t cap)
{
    udp *u = calloc(1, sizeof *u);
    if (u == NULL || !sb__binding_init(&u->base, &udp_impl, sock, ep, given, bind)) {
        free(u);
        return SB_ENOMEM;
    }
    u->watch = (sb_watch){.on_ready = on_ready, .fd = -1};
    u->lookup.on_done = on_lookup;
    u->info = (sb_peer_info){.type = sock->type == SB_RADIO  ? SB_DISH
                                     : sock->type == SB_DISH ? SB_RADIO
                                                             : SB_DGRAM,
        .mechanism = "",
        .user_id = "",
        .key = ""};
    sb__task_init(&u->send, flush);
    sb_err code = !bind && (ep->any_host || ep->any_port) ? SB_EINVAL : sb__peer_add(sock, 0, &u->peer);
    if (code == SB_OK) {
        u->peer->link = &udp_link;
        u->peer->dialed = !bind;
        code = start(u);
    }
    if (code == SB_OK)
        return SB_OK;
    if (err != NULL && cap > 0)
        snprintf(err, cap, "cannot %s %s: %s", bind ? "bind" : "connect", given, sb_strerror(code));
    close_binding(&u->base);
    return code;
}

sb_err sb__udp_bind(sb_socket *sock, const sb__endpoint *ep, const char *given, char *err, size_t cap)
{
    return create(sock, ep, given, true, err, cap);
}

sb_err sb__udp_connect(sb_socket *sock, const sb__endpoint *ep, const char *given, char *err, size_t cap)
{
    return create(sock, ep, given, false, err, cap);
}
