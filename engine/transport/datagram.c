/* UDP sockets. Before: socket/udp.c. After: the kernel. */
#include "engine/transport/datagram.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- addresses ---- */

static const struct sockaddr_in *v4(const sb_addr *addr)
{
    return (const struct sockaddr_in *)&addr->ss;
}

static const struct sockaddr_in6 *v6(const sb_addr *addr)
{
    return (const struct sockaddr_in6 *)&addr->ss;
}

static bool is_v6(const sb_addr *addr)
{
    return addr->ss.ss_family == AF_INET6;
}

static bool is_multicast(const sb_addr *addr)
{
    return is_v6(addr) ? IN6_IS_ADDR_MULTICAST(&v6(addr)->sin6_addr)
                       : IN_MULTICAST(ntohl(v4(addr)->sin_addr.s_addr));
}

/* IPv4 names an interface by its address, IPv6 by its index. */
static sb_err interface_of(const sb__endpoint *ep, sb__datagram_ends *out)
{
    const char *name = ep->source_host;
    bool any = name[0] == '\0' || strcmp(name, "*") == 0, ipv6 = is_v6(&out->target);
    out->interface = any ? 0 : if_nametoindex(name);
    if (ipv6 && !any && out->interface == 0)
        return SB_EADDRNOTAVAIL;
    sb_err err = sb__endpoint_local(name, any || ipv6, ep->port, ipv6, &out->local);
    if (err == SB_OK && out->local.ss.ss_family != out->target.ss.ss_family)
        return SB_EADDRNOTAVAIL;
    return err;
}

sb_err sb__datagram_ends_of(const sb__endpoint *ep, bool ipv6, sb__datagram_ends *out)
{
    memset(out, 0, sizeof *out);
    sb_err err = sb__endpoint_local(ep->host, ep->any_host, ep->port, ipv6, &out->target);
    if (err != SB_OK)
        return err;
    out->multicast = is_multicast(&out->target);
    if (out->multicast)
        return interface_of(ep, out);
    out->local = out->target;
    return ep->source_host[0] == '\0' ? SB_OK : SB_EINVAL;
}

void sb__datagram_format(const sb_addr *addr, char *out, size_t cap)
{
    char text[256];
    sb__endpoint_format(addr, text, sizeof text);
    snprintf(out, cap, "%s", text + strlen("tcp://"));
}

bool sb__datagram_parse(const uint8_t *text, size_t len, sb_addr *out)
{
    char endpoint[128];
    sb__endpoint ep;
    if (len > 0 && text[len - 1] == '\0')
        len--;
    if (len == 0 || len > 64 || memchr(text, '\0', len) != NULL)
        return false;
    snprintf(endpoint, sizeof endpoint, "udp://%.*s", (int)len, (const char *)text);
    return sb__endpoint_parse(endpoint, &ep, NULL, 0) == SB_OK && !ep.any_host && !ep.any_port &&
           ep.source_host[0] == '\0' && sb__endpoint_local(ep.host, false, ep.port, true, out) == SB_OK;
}

/* ---- descriptors ---- */

static bool set(int fd, int level, int name, const void *value, size_t len)
{
    return setsockopt(fd, level, name, value, (socklen_t)len) == 0;
}

static bool set_int(int fd, int level, int name, int value)
{
    return set(fd, level, name, &value, sizeof value);
}

/* Best effort, as for streams. */
static void set_plain(int fd, const sb_sockopts *opts)
{
    if (opts->sndbuf >= 0)
        set_int(fd, SOL_SOCKET, SO_SNDBUF, opts->sndbuf);
    if (opts->rcvbuf >= 0)
        set_int(fd, SOL_SOCKET, SO_RCVBUF, opts->rcvbuf);
    if (opts->tos != 0)
        set_int(fd, IPPROTO_IP, IP_TOS, opts->tos);
}

/* Whoever names a device does not want another. */
static bool bind_device(int fd, const char *device)
{
    return device == NULL || device[0] == '\0' ||
           set(fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device) + 1);
}

static bool set_multicast(int fd, const sb__datagram_ends *ends, const sb__datagram_opts *opts)
{
    const sb_addr *local = &ends->local;
    if (is_v6(&ends->target))
        return set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, opts->loop) &&
               set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, opts->hops) &&
               (ends->interface == 0 || set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)ends->interface));
    return set_int(fd, IPPROTO_IP, IP_MULTICAST_LOOP, opts->loop) &&
           set_int(fd, IPPROTO_IP, IP_MULTICAST_TTL, opts->hops) &&
           (!ends->multicast || v4(local)->sin_addr.s_addr == INADDR_ANY ||
               set(fd, IPPROTO_IP, IP_MULTICAST_IF, &v4(local)->sin_addr, sizeof(struct in_addr)));
}

static bool join_group(int fd, const sb__datagram_ends *ends)
{
    if (is_v6(&ends->target)) {
        struct ipv6_mreq mreq = {v6(&ends->target)->sin6_addr, ends->interface};
        return set(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &mreq, sizeof mreq);
    }
    struct ip_mreq mreq = {v4(&ends->target)->sin_addr, v4(&ends->local)->sin_addr};
    return set(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof mreq);
}

/* A group is listened to at any address; the membership says on which interface. */
static bool listen_at(int fd, const sb__datagram_ends *ends)
{
    sb_addr at = ends->local;
    if (ends->multicast && is_v6(&at))
        ((struct sockaddr_in6 *)&at.ss)->sin6_addr = in6addr_any;
    else if (ends->multicast)
        ((struct sockaddr_in *)&at.ss)->sin_addr.s_addr = INADDR_ANY;
    return set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
           (!ends->multicast || set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
           bind(fd, (const struct sockaddr *)&at.ss, at.len) == 0 &&
           (!ends->multicast || join_group(fd, ends));
}

sb_err sb__datagram_open(const sb__datagram_ends *ends, const sb__datagram_opts *opts, int *out)
{
    int fd = socket(ends->target.ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return sb_err_from_errno(errno);
    set_plain(fd, &opts->sock);
    if (!bind_device(fd, opts->sock.bind_device) || !set_multicast(fd, ends, opts) ||
        (opts->receives && !listen_at(fd, ends))) {
        sb_err err = sb_err_from_errno(errno);
        close(fd);
        return err;
    }
    *out = fd;
    return SB_OK;
}

/* ---- datagrams with a group ---- */

size_t sb__datagram_put(const sb_msg *msg, uint8_t *head, struct iovec iov[2])
{
    const sb_frame *group = &msg->frames[0], *body = &msg->frames[1];
    size_t len = 1 + group->len + body->len;
    if (len > SB__DATAGRAM_GROUPS)
        return 0;
    head[0] = (uint8_t)group->len;
    if (group->len > 0)
        memcpy(head + 1, group->data, group->len);
    iov[0] = (struct iovec){.iov_base = head, .iov_len = 1 + group->len};
    iov[1] = (struct iovec){.iov_base = (void *)(uintptr_t)body->data, .iov_len = body->len};
    return len;
}

bool sb__datagram_get(sb_msg *msg, const uint8_t *data, size_t len)
{
    size_t group = len > 0 ? data[0] : 0;
    if (len < 1 + group)
        return false;
    return sb_msg_push(msg, data + 1, group, NULL) == SB_OK &&
           sb_msg_push(msg, data + 1 + group, len - 1 - group, NULL) == SB_OK;
}
