/* The tap: tells what became of messages. Before: deliver.c, forward.c, handlers. After: the host. */
#include "engine/socket/internal.h"
#include "engine/tap.h"

static const char *const names[SB_DEED_COUNT] = {
    [SB_DEED_TO] = "to",
    [SB_DEED_REPLY] = "reply",
    [SB_DEED_HANDLED] = "handled",
    [SB_DEED_DROP] = "drop",
    [SB_DEED_DEAD] = "dead",
};

const char *sb_deed_name(sb_deed deed)
{
    return (unsigned)deed < SB_DEED_COUNT ? names[deed] : NULL;
}

void sb__detour_update(sb_socket *sock)
{
    sock->detour = sock->claim != NULL || sock->engine->tap != NULL;
}

void sb_engine_set_tap(sb_engine *engine, sb_tap *tap)
{
    engine->tap = tap;
    SB_LIST_EACH(node, &engine->sockets)
    sb__detour_update(SB_LIST_ENTRY(node, sb_socket, node));
}

void sb_socket_passed(
    sb_socket *sock, sb_peer *peer, const sb_msg *msg, sb_deed deed, const sb_socket *to, const char *reason)
{
    sb_tap *tap = sock->engine->tap;
    if (tap == NULL)
        return;
    const sb_passage passage = {.socket = sock,
        .peer = peer,
        .msg = msg,
        .row = sock->route != NULL ? (size_t)(sb_route_match(sock->route, msg) + 1) : 0,
        .deed = deed,
        .to = to,
        .reason = reason};
    tap->passed(tap, &passage);
}
