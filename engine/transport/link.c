/* A connection as its pipe sees it: what the queue side asks of the far side. Before: pattern/pipe.c, the
 * socket. After: transport/conn.c, the session. */
#include "engine/transport/conn.h"

#include <string.h>

static void link_output(sb_peer *peer)
{
    sb__conn *conn = peer->link_data;
    if (conn != NULL && conn->vectors == NULL)
        sb__hub_output(conn->hub, &conn->flush);
}

static void link_input(sb_peer *peer)
{
    sb__conn *conn = peer->link_data;
    if (conn != NULL && conn->stalled)
        sb__hub_input(conn->hub, &conn->feed);
}

/* Whether a message may be followed by more within its delivery. */
static bool goes_on(const sb__conn *conn)
{
    return conn != NULL && !conn->over && !conn->stalled && conn->end.err == SB_OK;
}

static bool link_next(sb_peer *peer, sb_msg *msg)
{
    sb__conn *conn = peer->link_data;
    return goes_on(conn) && sb_session_next(conn->session, msg);
}

static void link_unread(sb_peer *peer, sb_msg *msg)
{
    sb__conn *conn = peer->link_data;
    sb_session_unread(conn->session, msg);
}

static bool link_run(sb_peer *peer, uint32_t most, sb_run *run)
{
    sb__conn *conn = peer->link_data;
    return goes_on(conn) && sb_session_run(conn->session, most, run);
}

static void link_took(sb_peer *peer, size_t octets)
{
    sb__conn *conn = peer->link_data;
    sb_session_took(conn->session, octets);
}

static void link_kick(sb_peer *peer, sb_err why, const char *detail, bool forever)
{
    sb__conn *conn = peer->link_data;
    if (conn == NULL || conn->over || conn->end.err != SB_OK)
        return;
    conn->end.err = why != SB_OK ? why : SB_ECLOSED;
    conn->end.forever = forever;
    conn->end_detail = strdup(detail != NULL ? detail : "");
    sb__hub_input(conn->hub, &conn->feed);
}

static void note_subscription(sb__conn *conn, const uint8_t *topic, size_t len)
{
    if (conn->confirm == NULL)
        conn->confirm = sb__confirm_create();
    if (conn->confirm != NULL && sb__confirm_note(conn->confirm, topic, len) == SB_OK)
        conn->peer->unconfirmed++;
    else
        link_kick(conn->peer, SB_ENOMEM, "no memory to confirm a subscription", false);
}

static void link_subscribe(sb_peer *peer, const uint8_t *topic, size_t len, bool on)
{
    sb__conn *conn = peer->link_data;
    if (conn == NULL || sb_session_get_state(conn->session) != SB_SESSION_READY)
        return;
    if (sb_session_subscribe(conn->session, topic, len, on) != SB_OK) {
        link_kick(
            peer, SB_ENOMEM, "no memory to say a topic", false); /* the next connection begins with all */
        return;
    }
    if (on && peer->confirms)
        note_subscription(conn, topic, len);
    sb__hub_output(conn->hub, &conn->flush);
}

static void link_end(sb_peer *peer)
{
    sb__conn *conn = peer->link_data;
    if (conn == NULL || conn->over)
        return;
    conn->end.forever = true;
    sb__conn_shutdown(conn);
}

const sb__link sb__conn_link = {
    .output = link_output,
    .input = link_input,
    .subscribe = link_subscribe,
    .kick = link_kick,
    .end = link_end,
    .next = link_next,
    .unread = link_unread,
    .run = link_run,
    .took = link_took,
};
