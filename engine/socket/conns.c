/* What listeners and dialers do alike with their connections: telling why one ended, and ending it for its
 * socket. Before: listener.c, dialer.c. After: transport/conn.c, monitor.c. */
#include "engine/socket/internal.h"

static sb_event_kind failed_kind(sb_session_cause cause)
{
    if (cause == SB_CAUSE_AUTH)
        return SB_EVENT_HANDSHAKE_FAILED_AUTH;
    return cause == SB_CAUSE_NONE || cause == SB_CAUSE_TIMEOUT ? SB_EVENT_HANDSHAKE_FAILED_NO_DETAIL
                                                               : SB_EVENT_HANDSHAKE_FAILED_PROTOCOL;
}

void sb__conn_tell_end(sb_socket *sock, const sb__binding *b, sb__conn *conn, const sb__conn_end *end)
{
    sb_event_kind kind = SB_EVENT_DISCONNECTED;
    sb__auth_forget(conn);
    if (!end->was_ready) {
        kind = failed_kind(end->cause);
        sock->handshake_failures[end->cause]++;
    }
    if (end->cause == SB_CAUSE_OVERSIZE && conn->peer != NULL)
        sb__peer_drop(conn->peer, SB_DROP_OVERSIZE, 1);
    if (end->unfinished > 0 && conn->peer != NULL)
        sb__peer_drop(conn->peer, SB_DROP_INCOMPLETE, 1);
    sb__event_conn(sock, kind, b, conn, end->err, end->detail);
}

void sb__conn_end_for(sb__conn *conn, sb_socket *sock)
{
    bool sent = conn->peer != NULL && conn->peer->ready && conn->peer->out.msgs == 0;
    if (sent && !sock->engine->hub.aborting)
        sb__conn_shutdown(conn);
    else
        sb__conn_close(conn, SB_ECLOSED, "the socket closed");
}

/* While its engine drains, what a peer has sent is still taken where it can be told to stop. */
void sb__conn_quiesce_for(sb__conn *conn, sb_socket *sock)
{
    if (!sock->closing && !sock->pattern->impl->can_send)
        sb__conn_read_out(conn);
    else
        sb__conn_quiet(conn);
}

void sb__conn_all_sent(sb_peer *peer)
{
    sb__socket_check(peer->socket);
}
