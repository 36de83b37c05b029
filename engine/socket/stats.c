/* Counters: exact, live, per peer and per socket. */
#include "engine/socket/internal.h"

#include <string.h>

static const char *const drop_names[SB_DROP_COUNT] = {
    [SB_DROP_HWM] = "hwm",
    [SB_DROP_NO_PEER] = "no_peer",
    [SB_DROP_NO_ROUTE] = "no_route",
    [SB_DROP_DENIED] = "denied",
    [SB_DROP_SCRIPT] = "script",
    [SB_DROP_OVERSIZE] = "oversize",
    [SB_DROP_LOST] = "lost",
    [SB_DROP_FILTERED] = "filtered",
    [SB_DROP_INCOMPLETE] = "incomplete",
    [SB_DROP_EXPIRED] = "expired",
    [SB_DROP_EVICTED] = "evicted",
    [SB_DROP_CONFLATED] = "conflated",
};

const char *sb_drop_name(sb_drop drop)
{
    return (unsigned)drop < SB_DROP_COUNT ? drop_names[drop] : "unknown";
}

static void add_stage(uint64_t *msgs, uint64_t *bytes, const sb__stage *stage)
{
    *msgs += stage != NULL ? stage->msgs : 0;
    *bytes += stage != NULL ? stage->bytes : 0;
}

static void older(uint64_t *age, uint64_t now, uint64_t since)
{
    if (since < now && now - since > *age)
        *age = now - since;
}

static void add_ages(sb_stats *out, const sb_peer *peer)
{
    uint64_t now = sb_engine_now(peer->socket->engine);
    older(&out->age_in, now,
        peer->in_stage != NULL ? sb__stage_oldest(peer->in_stage) : sb__queue_oldest(&peer->in));
    older(&out->age_out, now,
        peer->out_stage != NULL ? sb__stage_oldest(peer->out_stage) : sb__queue_oldest(&peer->out));
    if (peer->held != NULL)
        older(&out->age_in, now, peer->held->since);
}

static void add_peer(sb_stats *out, const sb_peer *peer)
{
    add_ages(out, peer);
    out->msgs_in += peer->msgs_in;
    out->msgs_out += peer->msgs_out;
    out->bytes_in += peer->bytes_in;
    out->bytes_out += peer->bytes_out;
    for (int i = 0; i < SB_DROP_COUNT; i++)
        out->dropped[i] += peer->dropped[i];
    out->queued_in_msgs += peer->in.msgs;
    out->queued_in_bytes += peer->in.bytes;
    out->queued_out_msgs += peer->out.msgs;
    out->queued_out_bytes += peer->out.bytes;
    add_stage(&out->queued_in_msgs, &out->queued_in_bytes, peer->in_stage);
    add_stage(&out->queued_out_msgs, &out->queued_out_bytes, peer->out_stage);
    for (const sb__held *h = peer->held; h != NULL; h = h->next) {
        out->queued_in_msgs++;
        out->queued_in_bytes += sb_msg_packed_size(h->msg);
    }
}

uint64_t sb_socket_turned_away(const sb_socket *sock)
{
    return sock->turned_away;
}

void sb_peer_stats(const sb_peer *peer, sb_stats *out)
{
    memset(out, 0, sizeof *out);
    add_peer(out, peer);
    out->peers = peer->ready;
    out->subscriptions = peer->topics;
}

void sb_socket_stats(const sb_socket *sock, sb_stats *out)
{
    memset(out, 0, sizeof *out);
    out->msgs_in = sock->msgs_in;
    out->msgs_out = sock->msgs_out;
    out->bytes_in = sock->bytes_in;
    out->bytes_out = sock->bytes_out;
    memcpy(out->dropped, sock->dropped, sizeof out->dropped);
    out->handshakes_delayed = sock->handshakes_delayed;
    memcpy(out->handshake_failures, sock->handshake_failures, sizeof out->handshake_failures);
    SB_LIST_EACH(n, &sock->peers)
    {
        add_peer(out, SB_LIST_ENTRY(n, sb_peer, peers));
    }
    out->peers = sock->npeers;
    if (sock->pattern->impl->subscriptions != NULL)
        out->subscriptions = sock->pattern->impl->subscriptions(sock->pattern);
    if (sock->pattern->impl->retained != NULL)
        sock->pattern->impl->retained(sock->pattern, &out->retained_msgs, &out->retained_bytes);
    if (sock->pending != NULL && !sock->pending_event) {
        out->queued_in_msgs++;
        older(&out->age_in, sb_engine_now(sock->engine), sock->pending_since);
    }
}

void sb_socket_each_endpoint(
    const sb_socket *sock, bool (*fn)(void *arg, const sb_endpoint_info *info), void *arg)
{
    SB_LIST_EACH(n, &sock->bindings)
    {
        const sb__binding *b = SB_LIST_ENTRY(n, sb__binding, node);
        const sb_endpoint_info info = {b->given, b->resolved != NULL ? b->resolved : "", b->bind};
        if (!b->closing && !b->leaving && !fn(arg, &info))
            return;
    }
}

void sb_socket_each_topic(
    sb_socket *sock, bool (*fn)(void *arg, const uint8_t *topic, size_t len, uint32_t holders), void *arg)
{
    if (sock->pattern->impl->topics != NULL)
        sock->pattern->impl->topics(sock->pattern, fn, arg);
}

uint32_t sb_socket_peers(const sb_socket *sock)
{
    return sock->npeers;
}

void sb_socket_count_drop(sb_socket *sock, sb_drop why)
{
    sock->dropped[why]++;
}
