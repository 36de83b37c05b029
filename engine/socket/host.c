/* What a pattern asks of its socket, and tells it. Before: pattern/. After: deliver.c, overload.c, the
 * handler. */
#include "engine/socket/internal.h"

static void host_writable(sb_pattern *pat)
{
    sb_socket *sock = pat->socket;
    if (!sock->want_writable)
        return;
    sock->want_writable = false;
    sock->writable = true;
    sb__pump(sock);
}

static void host_readable(sb_pattern *pat)
{
    sb_socket *sock = pat->socket;
    sock->pattern_waits = false;
    sb__pump(sock);
}

static void host_event(sb_pattern *pat, sb_peer *from, const uint8_t *data, size_t len)
{
    sb__deliver_event(pat->socket, from, data, len);
}

static void host_dropped(sb_pattern *pat, sb_peer *peer, sb_drop why)
{
    sb_socket *sock = pat->socket;
    sock->turned_away += why == SB_DROP_HWM || why == SB_DROP_NO_PEER;
    if (peer != NULL)
        sb__peer_drop(peer, why, 1);
    else
        sb_socket_count_drop(sock, why);
}

static void on_alarm(sb_timer *timer)
{
    sb_socket *sock = SB_LIST_ENTRY(timer, sb_socket, alarm);
    if (!sock->closing)
        sock->pattern->impl->alarm(sock->pattern, sb_engine_now(sock->engine));
}

static void host_set_alarm(sb_pattern *pat, uint64_t at)
{
    sb_socket *sock = pat->socket;
    if (at == UINT64_MAX)
        sb_timer_stop(sock->engine->loop, &sock->alarm);
    else
        sb_timer_start(sock->engine->loop, &sock->alarm, at);
}

static bool host_ask(sb_pattern *pat, sb_peer *peer, const sb_filter *filter, const sb_msg *msg)
{
    sb_socket *sock = pat->socket;
    return sock->handler != NULL && sock->handler->on_filter != NULL &&
           sock->handler->on_filter(sock->handler, sock, peer, filter, msg);
}

static void host_filter_gone(sb_pattern *pat, const sb_filter *filter)
{
    sb_socket *sock = pat->socket;
    if (sock->handler != NULL && sock->handler->on_filter_gone != NULL)
        sock->handler->on_filter_gone(sock->handler, sock, filter);
}

static void host_congestion(sb_pattern *pat, sb_peer *peer)
{
    sb__overload_changed(pat->socket, peer);
}

static void host_expired(sb_pattern *pat, sb_peer *peer)
{
    sb_event event = {.err = SB_ETIMEDOUT, .detail = "no answer within req_deadline"};
    sb__event_peer(pat->socket, SB_EVENT_REQUEST_EXPIRED, peer, &event);
}

static uint64_t host_stamp(sb_pattern *pat)
{
    return sb__overload_stamp(pat->socket);
}

static void host_holds(sb_pattern *pat, const uint8_t *key, size_t len, bool on)
{
    const sb_socket *sock = pat->socket;
    if (sock->team != NULL)
        sock->team->holds(sock->team, key, len, on);
}

static sb_err host_elsewhere(sb_pattern *pat, const sb_msg *msg)
{
    const sb_socket *sock = pat->socket;
    return sock->team != NULL ? sock->team->elsewhere(sock->team, msg) : SB_EHOSTUNREACH;
}

const sb__pattern_host sb__socket_as_host = {
    .writable = host_writable,
    .readable = host_readable,
    .event = host_event,
    .dropped = host_dropped,
    .set_alarm = host_set_alarm,
    .ask = host_ask,
    .filter_gone = host_filter_gone,
    .congestion = host_congestion,
    .expired = host_expired,
    .stamp = host_stamp,
    .holds = host_holds,
    .elsewhere = host_elsewhere,
};

void sb__host_init(sb_socket *sock)
{
    sb_timer_init(&sock->alarm, on_alarm);
}
