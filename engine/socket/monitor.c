/* Monitor events: what happened to which connection, told to the handler. */
#include "engine/socket/internal.h"

#include <string.h>

typedef struct event_name {
    sb_event_kind kind;
    const char *name;
} event_name;

static const event_name names[] = {
    {SB_EVENT_CONNECTED, "connected"},
    {SB_EVENT_CONNECT_DELAYED, "connect_delayed"},
    {SB_EVENT_CONNECT_RETRIED, "connect_retried"},
    {SB_EVENT_LISTENING, "listening"},
    {SB_EVENT_BIND_FAILED, "bind_failed"},
    {SB_EVENT_ACCEPTED, "accepted"},
    {SB_EVENT_ACCEPT_FAILED, "accept_failed"},
    {SB_EVENT_CLOSED, "closed"},
    {SB_EVENT_CLOSE_FAILED, "close_failed"},
    {SB_EVENT_DISCONNECTED, "disconnected"},
    {SB_EVENT_MONITOR_STOPPED, "monitor_stopped"},
    {SB_EVENT_HANDSHAKE_FAILED_NO_DETAIL, "handshake_failed_no_detail"},
    {SB_EVENT_HANDSHAKE_SUCCEEDED, "handshake_succeeded"},
    {SB_EVENT_HANDSHAKE_FAILED_PROTOCOL, "handshake_failed_protocol"},
    {SB_EVENT_HANDSHAKE_FAILED_AUTH, "handshake_failed_auth"},
    {SB_EVENT_SUBSCRIBED, "subscribed"},
    {SB_EVENT_UNSUBSCRIBED, "unsubscribed"},
    {SB_EVENT_PEER_REFUSED, "peer_refused"},
    {SB_EVENT_CONGESTED, "congested"},
    {SB_EVENT_RELIEVED, "relieved"},
    {SB_EVENT_SUBSCRIPTION_CONFIRMED, "subscription_confirmed"},
    {SB_EVENT_REQUEST_EXPIRED, "request_expired"},
};

const char *sb_event_name(sb_event_kind kind)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].kind == kind)
            return names[i].name;
    return "unknown";
}

void sb__event(sb_socket *sock, sb_event_kind kind, const sb_event *event)
{
    sb_host *host = sock->engine->host;
    bool handler = sock->handler != NULL && sock->handler->on_event != NULL;
    if (!handler && (host == NULL || host->event == NULL))
        return;
    sb_event told = event != NULL ? *event : (sb_event){0};
    told.kind = kind;
    told.endpoint = told.endpoint != NULL ? told.endpoint : "";
    told.address = told.address != NULL ? told.address : "";
    told.detail = told.detail != NULL ? told.detail : "";
    if (host != NULL && host->event != NULL)
        host->event(host, sock, &told);
    if (handler)
        sock->handler->on_event(sock->handler, sock, &told);
}

void sb__event_peer(sb_socket *sock, sb_event_kind kind, sb_peer *peer, const sb_event *event)
{
    sb_event told = *event;
    if (peer != NULL) {
        told.conn_id = sb_peer_connection(peer);
        told.peer = peer;
        told.address = sb_peer_address(peer);
    }
    if (peer != NULL && peer->info != NULL) {
        told.identity = peer->info->identity;
        told.identity_len = peer->info->identity_len;
    }
    sb__event(sock, kind, &told);
}

void sb__event_conn(sb_socket *sock, sb_event_kind kind, const sb__binding *b, const sb__conn *conn,
    sb_err err, const char *detail)
{
    sb_event event = {.err = err, .detail = detail};
    if (b != NULL && b->inside)
        return; /* mates are no peers */
    event.endpoint = b != NULL ? sb__binding_where(b) : NULL;
    if (conn != NULL) {
        event.conn_id = conn->id;
        event.peer = conn->peer;
        event.address = conn->address;
        event.cause = conn->end.cause;
    }
    if (conn != NULL && conn->peer != NULL && conn->peer->info != NULL) {
        event.identity = conn->peer->info->identity;
        event.identity_len = conn->peer->info->identity_len;
    }
    sb__event(sock, kind, &event);
}
