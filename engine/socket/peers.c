/* Peers of a socket: their making, their coming and going, what scripts and hosts may ask of them.
 * Before: transport (a connection is up or gone). After: pattern/ (attach, ready, lost, detach). */
#include "engine/socket/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

sb_err sb__peer_add(sb_socket *sock, uint64_t id, sb_peer **out)
{
    sb_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return SB_ENOMEM;
    peer->socket = sock;
    peer->pattern = sock->pattern;
    peer->id = id != 0 ? id : ++sock->engine->hub.last_id;
    peer->since = sb_engine_now(sock->engine);
    sb__queue_init(
        &peer->out, (uint32_t)sb__opt(sock, SB_OPT_SNDHWM), (uint64_t)sb__opt(sock, SB_OPT_SNDHWM_BYTES));
    sb__queue_init(
        &peer->in, (uint32_t)sb__opt(sock, SB_OPT_RCVHWM), (uint64_t)sb__opt(sock, SB_OPT_RCVHWM_BYTES));
    peer->weight = (uint32_t)sb__opt(sock, SB_OPT_WEIGHT);
    peer->place = sb_hash(&peer->id, sizeof peer->id, 0);
    peer->confirms = sb__opt(sock, SB_OPT_CONFIRM_SUBSCRIPTIONS);
    peer->in.conflate = sock->popts.conflate;
    peer->in.replaced = peer->out.replaced = &peer->dropped[SB_DROP_CONFLATED];
    peer->in.pool = peer->out.pool = sock->engine->pool;
    peer->in.budget = peer->out.budget = &sock->engine->budget;
    sb_list_node_init(&peer->active);
    sb_list_node_init(&peer->waiting);
    sb_list_node_init(&peer->member);
    sb_list_node_init(&peer->crowded);
    sb_err err = sb__overload_peer(peer);
    if (err == SB_OK)
        err = sb_map_add(&sock->by_id, &peer->id, sizeof peer->id, peer);
    if (err != SB_OK) {
        sb__overload_peer_finish(peer);
        free(peer);
        return err;
    }
    sb_list_push_back(&sock->peers, &peer->peers);
    *out = peer;
    return SB_OK;
}

static sb_err attach(sb_peer *peer)
{
    const sb_pattern_impl *impl = peer->pattern->impl;
    sb_err err = SB_OK;
    if (!peer->attached && impl->attach != NULL)
        err = impl->attach(peer->pattern, peer);
    peer->attached = peer->attached || err == SB_OK;
    return err;
}

sb_err sb__peer_attach(sb_peer *peer)
{
    return attach(peer);
}

/* A peer may say what it can take (X-Weight: 1 to 1000). One that came to us keeps its place by its name. */
static void take_properties(sb_peer *peer, const sb_peer_info *info)
{
    if (info->identity_len > 0 && peer->place == sb_hash(&peer->id, sizeof peer->id, 0))
        peer->place = sb_hash(info->identity, info->identity_len, 0);
    for (uint32_t i = 0; i < info->nprops; i++) {
        const sb_property *p = &info->props[i];
        long weight = strcasecmp(p->name, "X-Weight") == 0 ? strtol((const char *)p->value, NULL, 10) : 0;
        if (weight >= 1 && weight <= 1000)
            peer->weight = (uint32_t)weight;
    }
}

sb_err sb__peer_up(sb_peer *peer, sb__conn *conn, const sb_peer_info *info)
{
    const sb_pattern_impl *impl = peer->pattern->impl;
    peer->info = info;
    if (conn != NULL) {
        peer->link = &sb__conn_link;
        peer->link_data = conn;
        peer->conn_id = conn->id;
        free(peer->address);
        peer->address = NULL;
    }
    take_properties(peer, info);
    sb_err err = attach(peer);
    peer->ready = err == SB_OK;
    if (err == SB_OK && impl->ready != NULL)
        err = impl->ready(peer->pattern, peer);
    peer->ready = err == SB_OK;
    if (!peer->ready) {
        peer->link_data = NULL;
        return err;
    }
    sb__overload_again(peer);
    if (peer->inside)
        return SB_OK;
    peer->socket->npeers++;
    sb__team_peer(peer, true);
    sb__notify_up(peer);
    return SB_OK;
}

void sb__peer_drop(sb_peer *peer, sb_drop why, uint64_t n)
{
    peer->dropped[why] += n;
}

void sb__peer_retire(sb_peer *peer)
{
    if (peer->attached && peer->pattern->impl->detach != NULL)
        peer->pattern->impl->detach(peer->pattern, peer);
    peer->attached = false;
}

static void detach(sb_peer *peer)
{
    sb__peer_retire(peer);
    sb__peer_drop(peer, SB_DROP_LOST, sb__pipe_clear_waiting(peer));
    sb__peer_drop(peer, SB_DROP_LOST, sb__queue_clear(&peer->out));
    peer->out_full = false; /* empty now, should it come back */
}

/* The connection knows the address while there is one; no need to keep it twice. */
static const char *address_of(const sb_peer *peer)
{
    const sb__conn *conn = sb__peer_conn(peer);
    const char *address = conn != NULL ? conn->address : peer->address;
    return address != NULL ? address : "";
}

/* It goes, the peer may stay. */
static void keep_address(sb_peer *peer)
{
    if (peer->address == NULL)
        peer->address = strdup(address_of(peer));
}

void sb__peer_down(sb_peer *peer, bool reconnects)
{
    const sb_pattern_impl *impl = peer->pattern->impl;
    keep_address(peer);
    sb__peer_drop(peer, SB_DROP_LOST, sb__queue_lost(&peer->out));
    if (peer->ready && !peer->inside) {
        peer->socket->npeers--;
        sb__team_peer(peer, false);
        sb__notify_down(peer);
    }
    peer->ready = false;
    peer->link_data = NULL;
    peer->info = NULL;
    peer->unconfirmed = 0;
    peer->stale = peer->in.msgs;
    sb__subscriptions_forget(peer);
    if (peer->inside)
        sb__team_rescue(peer);
    if (!reconnects || sb__opt(peer->socket, SB_OPT_IMMEDIATE)) {
        detach(peer);
    } else if (peer->attached && impl->lost != NULL) {
        impl->lost(peer->pattern, peer);
    }
    if (!reconnects) {
        peer->link = NULL;
        sb__peer_reap(peer);
    }
}

static void add_counts(sb_socket *sock, const sb_peer *peer)
{
    sock->msgs_in += peer->msgs_in;
    sock->msgs_out += peer->msgs_out;
    sock->bytes_in += peer->bytes_in;
    sock->bytes_out += peer->bytes_out;
    for (int i = 0; i < SB_DROP_COUNT; i++)
        sock->dropped[i] += peer->dropped[i];
}

void sb__peer_reap(sb_peer *peer)
{
    sb_socket *sock = peer->socket;
    bool keep = !sock->closing && (peer->in.msgs > 0 || peer->held != NULL || peer->pauses > 0);
    if (peer->link != NULL || keep)
        return;
    if (sock->peeked == peer)
        sock->peeked = NULL;
    if (sock->pending != NULL && sock->pending->peer == peer)
        sock->pending->peer = NULL;
    if (peer->held != NULL)
        sb__held_forget_peer(peer);
    sb__peer_drop(peer, SB_DROP_LOST, sb__queue_clear(&peer->in));
    sb_list_remove(&peer->waiting);
    sb_list_remove(&peer->peers);
    sb_map_remove(&sock->by_id, &peer->id, sizeof peer->id);
    sb__overload_peer_finish(peer);
    sb__speaker_end(peer);
    add_counts(sock, peer);
    sb__queue_finish(&peer->in);
    sb__queue_finish(&peer->out);
    free(peer->routing_id);
    free(peer->address);
    free(peer->meter);
    free(peer);
    sb__socket_check(sock);
}

/* ---- public ---- */

void sb_peer_pause(sb_peer *peer)
{
    peer->pauses++;
    sb__fair_update(peer);
}

bool sb__peer_is_paused(const sb_peer *peer)
{
    bool many = peer->client != NULL && peer->socket->type == SB_ROUTER;
    return peer->pauses >= (many ? SB_SPEAKER_AT_ONCE : 1);
}

void sb_peer_resume(sb_peer *peer)
{
    if (peer->pauses == 0)
        return;
    bool was = sb__peer_is_paused(peer);
    peer->pauses--;
    if (!was || sb__peer_is_paused(peer))
        return;
    sb__fair_update(peer);
    sb__pump(peer->socket);
    if (peer->link == NULL && peer->in.msgs == 0)
        sb__peer_reap(peer);
}

sb_err sb_peer_kick(sb_peer *peer, const char *why)
{
    if (peer->link == NULL || peer->link_data == NULL)
        return SB_EHOSTUNREACH;
    peer->link->kick(peer, SB_ECANCELED, why != NULL ? why : "kicked", true);
    return SB_OK;
}

uint64_t sb_peer_id(const sb_peer *peer)
{
    return peer->id;
}

uint64_t sb_peer_connection(const sb_peer *peer)
{
    return peer->conn_id != 0 ? peer->conn_id : peer->id;
}

static sb_peer *peer_of(sb_list_node *node)
{
    return (sb_peer *)((char *)node - offsetof(sb_peer, peers));
}

sb_peer *sb_socket_find_peer(sb_socket *sock, uint64_t id)
{
    return sb_map_get(&sock->by_id, &id, sizeof id);
}

sb_peer *sb_socket_peer_named(sb_socket *sock, const void *id, size_t len)
{
    const sb_frame name = {.data = id, .len = len};
    if (sock->closing || sock->pattern->impl->find == NULL)
        return NULL;
    return sock->pattern->impl->find(sock->pattern, &name);
}

bool sb_peer_takes(const sb_peer *peer)
{
    return peer->attached && !sb__queue_full(&peer->out);
}

sb_socket *sb_peer_socket(const sb_peer *peer)
{
    return peer->socket;
}

const sb_peer_info *sb_peer_get_info(const sb_peer *peer)
{
    return peer->info;
}

const char *sb_peer_address(const sb_peer *peer)
{
    return address_of(peer);
}

const void *sb_peer_routing_id(const sb_peer *peer, size_t *len)
{
    *len = peer->routing_id_len;
    return peer->routing_id;
}

uint32_t sb_peer_number(const sb_peer *peer)
{
    uint32_t number = 0;
    for (uint32_t i = 0; peer->routing_id_len == sizeof number && i < sizeof number; i++)
        number = number << 8 | peer->routing_id[i];
    return number;
}

const char *sb_peer_user_id(const sb_peer *peer)
{
    return peer->info != NULL ? peer->info->user_id : "";
}

const char *sb_peer_property(const sb_peer *peer, const char *name)
{
    const sb__conn *conn = sb__peer_conn(peer);
    return conn != NULL ? sb_stream_property(conn->stream, name) : NULL;
}

uint64_t sb_peer_rtt(const sb_peer *peer)
{
    return peer->rtt;
}

void sb_socket_each_peer(sb_socket *sock, bool (*fn)(void *arg, sb_peer *peer), void *arg)
{
    sb_list_node *next;
    for (sb_list_node *n = sb_list_first(&sock->peers); n != NULL; n = next) {
        next = sb_list_next(&sock->peers, n);
        if (!fn(arg, peer_of(n)))
            return;
    }
}
