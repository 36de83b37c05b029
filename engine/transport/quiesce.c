/* A connection takes no more input: at once, or when its peer has ended. Before: socket/conns.c. After:
 * conn.c does it. */
#include "engine/transport/conn.h"

bool sb__conn_is_new(const sb__conn *conn)
{
    return sb_session_get_state(conn->session) == SB_SESSION_GREETING;
}

void sb__conn_read_out(sb__conn *conn)
{
    if (sb_stream_fd(conn->stream) < 0) {
        sb__conn_quiet(conn);
        return;
    }
    if (conn->over || conn->shutting || conn->ending)
        return;
    conn->ending = true;
    conn->hub->ending++;
    sb__hub_output(conn->hub, &conn->flush);
}

void sb__conn_quiet(sb__conn *conn)
{
    conn->quiet = true;
    if (!conn->over && sb_session_get_state(conn->session) == SB_SESSION_READY)
        sb_stream_read_stop(
            conn->stream); /* before READY it goes on: something may be queued for this peer */
}

void sb__conn_stay(sb__conn *conn, bool deaf)
{
    conn->stays = true;
    conn->quiet = conn->deaf = deaf;
}

bool sb__conn_hear(sb__conn *conn)
{
    bool ready = !conn->over && sb_session_get_state(conn->session) == SB_SESSION_READY;
    conn->heard = conn->heard || (conn->stays && ready && !conn->shut);
    return conn->heard && !conn->shut;
}

bool sb__conn_retire(sb__conn *conn)
{
    sb_peer *peer = conn->peer;
    if (conn->over || conn->shut || peer == NULL || !peer->inside || !peer->ready ||
        conn->owner->retired == NULL)
        return false;
    conn->heard = conn->shutting = true;
    sb_timer_stop(conn->hub->loop, &conn->timer); /* however long the rest takes: it takes it */
    conn->owner->retired(peer);
    sb__hub_output(conn->hub, &conn->flush);
    return true;
}
