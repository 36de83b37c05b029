/* What a socket's binds and connects have in common, and what is done to all of them at once.
 * Before: socket.c, drain.c. After: listener.c, dialer.c, inproc.c. */
#include "engine/socket/internal.h"

#include <stdlib.h>
#include <string.h>

bool sb__binding_init(sb__binding *b, const sb__binding_impl *impl, sb_socket *sock, const sb__endpoint *ep,
    const char *given, bool bind)
{
    if ((b->given = strdup(given)) == NULL)
        return false;
    b->impl = impl;
    b->socket = sock;
    b->endpoint = *ep;
    b->bind = bind;
    sb_list_push_back(&sock->bindings, &b->node);
    return true;
}

const char *sb__binding_where(const sb__binding *b)
{
    return b->resolved != NULL ? b->resolved : b->given;
}

void sb__binding_free(sb__binding *b)
{
    sb_socket *sock = b->socket;
    sb_list_remove(&b->node);
    sb__layers_free(b->layers);
    free(b->given);
    free(b->resolved);
    sb__socket_check(sock);
}

static void each_binding(sb_socket *sock, void (*act)(sb__binding *b))
{
    SB_LIST_EACH_SAFE(n, after, &sock->bindings)
    {
        act(SB_LIST_ENTRY(n, sb__binding, node));
    }
}

static void close_one(sb__binding *b)
{
    b->impl->close(b);
}

static void quiesce_one(sb__binding *b)
{
    b->impl->quiesce(b);
}

static void release_one(sb__binding *b)
{
    if (b->impl->release != NULL)
        b->impl->release(b);
}

void sb__socket_cut(sb_socket *sock)
{
    each_binding(sock, close_one);
}

/* So many messages without a single one back: nobody there waits for answers. */
#define ONE_WAY 16

static bool is_one_way(const sb_socket *sock)
{
    sb_stats s;
    sb_socket_stats(sock, &s);
    return s.msgs_in >= ONE_WAY && s.msgs_out == 0 && s.queued_out_msgs == 0;
}

void sb__socket_quiesce(sb_socket *sock)
{
    if (!sock->draining)
        sock->one_way = is_one_way(sock);
    sock->draining = true;
    each_binding(sock, quiesce_one);
}

void sb__socket_release(sb_socket *sock)
{
    each_binding(sock, release_one);
}
