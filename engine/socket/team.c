/* Sockets that are one with those of other engines. Before: the host (modules/library/team.c). After:
 * pattern/ (who gets a message), transport/ (links). */
#include "engine/team.h"

#include "engine/pattern/fan.h"
#include "engine/socket/internal.h"

void sb_socket_set_team(sb_socket *sock, sb_team *team)
{
    sock->team = team;
}

void sb_socket_set_inside(sb_socket *sock, sb_inside inside)
{
    sock->inside = (uint8_t)inside;
}

void sb_socket_wake(sb_socket *sock)
{
    if (!sock->closing)
        sock->pattern->host->writable(sock->pattern);
}

bool sb_peer_is_inside(const sb_peer *peer)
{
    return peer->inside != SB_OUTSIDE;
}

void sb__team_peer(sb_peer *peer, bool on)
{
    sb_team *team = peer->socket->team;
    if (team != NULL && !peer->dialed)
        team->guest(team, on);
}

/* In order, as if it came from a peer that is not read meanwhile. */
void sb__team_rescue(sb_peer *peer)
{
    sb_socket *sock = peer->socket;
    sb_msg msg;
    sb_msg_init(&msg);
    sb__peer_retire(peer);
    while (sock->pattern->impl->balances && !sock->closing && sb__queue_peek(&peer->out, &msg)) {
        sb_socket_forward(sock, peer, &msg);
        sb_msg_finish(&msg);
        sb_msg_init(&msg);
        sb__queue_pop(&peer->out);
    }
    sb_msg_finish(&msg);
}

void sb__team_part(sb_engine *engine, uint8_t kind)
{
    SB_LIST_EACH(n, &engine->sockets)
    {
        sb_socket *sock = SB_LIST_ENTRY(n, sb_socket, node);
        SB_LIST_EACH(m, &sock->peers)
        {
            sb_peer *peer = SB_LIST_ENTRY(m, sb_peer, peers);
            if (peer->inside == kind && peer->link != NULL)
                peer->link->end(peer);
        }
    }
}

static bool is_publisher(const sb_socket *sock)
{
    return sock->type == SB_PUB || sock->type == SB_XPUB;
}

bool sb_socket_is_subscribed(const sb_socket *sock, const void *topic, size_t len)
{
    const sb__fan *fan = (const sb__fan *)sock->pattern;
    return is_publisher(sock) &&
           (sb__topics_match(&fan->topics, topic, len) || sb__topics_match(&fan->links, topic, len));
}

bool sb_socket_has_audience(const sb_socket *sock)
{
    if (sock->npeers > 0)
        return true;
    SB_LIST_EACH(n, &sock->peers)
    {
        const sb_peer *peer = SB_LIST_ENTRY(n, sb_peer, peers);
        if (peer->inside && peer->ready && (peer->topics > 0 || sock->pattern->impl->balances))
            return true;
    }
    return false;
}
