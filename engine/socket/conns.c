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

/* ---- while its engine drains ---- */

/* Types whose peers are told to stop by the end of our side; what they have sent until then is taken. */
#define TAKES (SB_TYPE_BIT(SB_PULL) | SB_TYPE_BIT(SB_SUB) | SB_TYPE_BIT(SB_XSUB))
/* Types that are asked: their peers wait for answers. */
#define ANSWERS (SB_TYPE_BIT(SB_ROUTER) | SB_TYPE_BIT(SB_REP))
/* Types that ask: what comes may be the answer somebody waits for. */
#define ASKS (SB_TYPE_BIT(SB_DEALER) | SB_TYPE_BIT(SB_REQ) | SB_TYPE_BIT(SB_PAIR))
/* Types that only give: their peers have nothing for the application. */
#define GIVES                                                                                                \
    (SB_TYPE_BIT(SB_PUSH) | SB_TYPE_BIT(SB_PUB) | SB_TYPE_BIT(SB_XPUB) | SB_TYPE_BIT(SB_SCATTER) |           \
        SB_TYPE_BIT(SB_RADIO))
static bool is(const sb_socket *sock, uint32_t types)
{
    return (SB_TYPE_BIT(sock->type) & types) != 0;
}

bool sb__socket_answers(const sb_socket *sock)
{
    return is(sock, ANSWERS) && !sock->one_way;
}

bool sb__peer_awaits(const sb_peer *peer)
{
    uint64_t settled = peer->msgs_out + peer->abandoned + peer->dropped[SB_DROP_FILTERED];
    return sb__socket_answers(peer->socket) && peer->msgs_in > settled;
}

/* A peer that has its answers goes on with our successor. Right behind an answer is the best moment: its next
 * question is not yet on the way. */
static void end_if_answered(sb__conn *conn)
{
    const sb_peer *peer = conn->peer;
    if (peer != NULL && peer->ready && peer->out.msgs == 0 && !sb__peer_awaits(peer))
        sb__conn_shutdown(conn);
}

static bool has_queued(const sb__conn *conn)
{
    return conn->peer != NULL && conn->peer->out.msgs > 0;
}

void sb__conn_quiesce_for(sb__conn *conn, sb_socket *sock)
{
    bool takes = is(sock, TAKES) || (is(sock, ANSWERS | ASKS) && sock->one_way);
    if (sock->closing) {
        sb__conn_quiet(conn);
    } else if (sock->inside) { /* goes on until the mate ends it, which has nothing for us before it greets */
        if (sb__conn_is_new(conn))
            sb__conn_close(conn, SB_ECLOSED, "draining");
    } else if ((takes || is(sock, ANSWERS)) && sb__conn_is_new(conn) && !has_queued(conn)) {
        sb__conn_close(conn, SB_ECLOSED, "draining"); /* it comes again, to our successor */
    } else if (takes) {
        sb__conn_read_out(conn);
    } else if (is(sock, ANSWERS)) {
        if (!sock->engine->drain_asked)
            return; /* who asks now still gets an answer, and then the end */
        sb__conn_quiet(conn);
        end_if_answered(conn);
    } else if (is(sock, GIVES)) {
        sb__conn_stay(conn, true);
    } else if (!is(sock, ASKS)) {
        sb__conn_quiet(conn);
    } else if (conn->ours) { /* its other end tells us to stop, and takes what is queued */
        sb__conn_stay(conn, false);
    }
}

void sb__conn_all_sent(sb_peer *peer)
{
    sb_socket *sock = peer->socket;
    sb__socket_check(sock);
    if (sock->engine->drain != NULL && sb__socket_answers(sock))
        end_if_answered(peer->link_data);
}
