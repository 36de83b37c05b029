/* Options that are kept nowhere: the socket tells them. Before: values.c. */
#include "engine/socket/internal.h"

static int64_t type_of(const sb_socket *sock)
{
    return sock->type;
}

static int64_t mechanism_of(const sb_socket *sock)
{
    return sb__security_mechanism(sock);
}

static int64_t fd_of(const sb_socket *sock)
{
    return sb_engine_fd(sock->engine);
}

static int64_t nothing(const sb_socket *sock)
{
    (void)sock;
    return 0;
}

static int64_t topics_of(const sb_socket *sock)
{
    const sb_pattern_impl *impl = sock->pattern->impl;
    return impl->subscriptions != NULL ? (int64_t)impl->subscriptions(sock->pattern) : 0;
}

#define POLLIN_BIT  1 /* ZMQ_POLLIN */
#define POLLOUT_BIT 2 /* ZMQ_POLLOUT */

static bool has_input(const sb_socket *sock)
{
    return sock->pattern->impl->can_recv &&
           (sock->pending != NULL || sock->events.msgs > 0 || !sb_list_empty(&sock->fair));
}

/* Types that drop take everything; those that wait want one peer with room. */
static bool takes_output(const sb_socket *sock)
{
    const uint32_t droppers = SB_TYPE_BIT(SB_PUB) | SB_TYPE_BIT(SB_XPUB) | SB_TYPE_BIT(SB_ROUTER) |
                              SB_TYPE_BIT(SB_XSUB) | SB_TYPE_BIT(SB_RADIO);
    if (!sock->pattern->impl->can_send || sock->closing)
        return false;
    if (SB_TYPE_BIT(sock->type) & droppers)
        return true;
    SB_LIST_EACH(n, &sock->peers)
    {
        const sb_peer *peer = SB_LIST_ENTRY(n, sb_peer, peers);
        if (peer->attached && !sb__queue_full(&peer->out))
            return true;
    }
    return false;
}

static int64_t events_of(const sb_socket *sock)
{
    return (has_input(sock) ? POLLIN_BIT : 0) | (takes_output(sock) ? POLLOUT_BIT : 0);
}

static int64_t ipv4only_of(const sb_socket *sock)
{
    return !sb__opt(sock, SB_OPT_IPV6);
}

static const struct {
    sb_opt opt;
    int64_t (*tell)(const sb_socket *sock);
} told[] = {
    {SB_OPT_TYPE, type_of},
    {SB_OPT_MECHANISM, mechanism_of},
    {SB_OPT_FD, fd_of},
    {SB_OPT_EVENTS, events_of},
    {SB_OPT_RCVMORE, nothing},
    {SB_OPT_THREAD_SAFE, nothing},
    {SB_OPT_TOPICS_COUNT, topics_of},
    {SB_OPT_IPV4ONLY, ipv4only_of},
};

bool sb__opt_told(const sb_socket *sock, sb_opt opt, int64_t *value)
{
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        if (told[i].opt == opt) {
            *value = told[i].tell(sock);
            return true;
        }
    return false;
}
