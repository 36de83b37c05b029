/* What binds and connects of any kind have in common: their place in their socket's list, and their names. */
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
