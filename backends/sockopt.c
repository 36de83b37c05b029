/* Sockets made and dressed: sb_addr and sb_sockopts become a descriptor. Used by uring and uv alike. */
#include "backends/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

/* A unix socket's buffer does not grow as a TCP one's does. With the kernel's 208 KiB the two ends wake each
 * other several times as often. */
#define UNIX_SNDBUF (512 * 1024)

/* Best effort, as sb_sockopts promises. */
static void set_int(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static bool is_ip(sa_family_t family)
{
    return family == AF_INET || family == AF_INET6;
}

static void set_keepalive(int fd, const sb_sockopts *opts)
{
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, opts->keepalive != 0);
    if (opts->keepalive == 0)
        return;
    if (opts->keepalive_idle > 0)
        set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, opts->keepalive_idle);
    if (opts->keepalive_cnt > 0)
        set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, opts->keepalive_cnt);
    if (opts->keepalive_intvl > 0)
        set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, opts->keepalive_intvl);
}

static void set_ip_options(int fd, sa_family_t family, const sb_sockopts *opts)
{
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (opts->tos > 0)
        set_int(fd, IPPROTO_IP, IP_TOS, opts->tos);
    if (opts->tos > 0 && family == AF_INET6)
        set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, opts->tos);
    if (opts->keepalive >= 0)
        set_keepalive(fd, opts);
    if (opts->maxrt_ms > 0)
        set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, opts->maxrt_ms);
}

int sb__socket_sndbuf(sa_family_t family, const sb_sockopts *opts)
{
    if (opts != NULL && opts->sndbuf > 0)
        return opts->sndbuf;
    return family == AF_UNIX ? UNIX_SNDBUF : 0;
}

void sb__socket_set_sndbuf(int fd, int octets)
{
    if (octets > 0)
        set_int(fd, SOL_SOCKET, SO_SNDBUF, octets);
}

static void set_options(int fd, sa_family_t family, const sb_sockopts *opts)
{
    sb__socket_set_sndbuf(fd, sb__socket_sndbuf(family, opts));
    if (opts->rcvbuf > 0)
        set_int(fd, SOL_SOCKET, SO_RCVBUF, opts->rcvbuf);
    if (opts->priority > 0)
        set_int(fd, SOL_SOCKET, SO_PRIORITY, opts->priority);
    if (opts->busy_poll > 0)
        set_int(fd, SOL_SOCKET, SO_BUSY_POLL, opts->busy_poll);
    if (is_ip(family))
        set_ip_options(fd, family, opts);
}

/* Whoever names a device does not want another: unlike the rest no best effort. */
static bool bind_device(int fd, sa_family_t family, const char *device)
{
    return device == NULL || device[0] == '\0' || !is_ip(family) ||
           setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) == 0;
}

static void set_listen_options(int fd, sa_family_t family, const sb_sockopts *opts)
{
    if (!is_ip(family))
        return;
    set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (opts->reuseport)
        set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (family == AF_INET6)
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !opts->ipv6_dual);
}

static sb_err close_with(int fd, int errnum)
{
    close(fd);
    return sb_err_from_errno(errnum);
}

static sb_err open_socket(sa_family_t family, const sb_sockopts *opts, int *fd)
{
    *fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return sb_err_from_errno(errno);
    set_options(*fd, family, opts);
    return bind_device(*fd, family, opts->bind_device) ? SB_OK : close_with(*fd, errno);
}

static const sb_sockopts defaults = SB_SOCKOPTS_DEFAULT;

sb_err sb__socket_listen(const sb_addr *addr, const sb_sockopts *opts, int *out)
{
    int fd;
    if (opts == NULL)
        opts = &defaults;
    sb_err err = open_socket(addr->ss.ss_family, opts, &fd);
    if (err != SB_OK)
        return err;
    set_listen_options(fd, addr->ss.ss_family, opts);
    if (bind(fd, (const struct sockaddr *)&addr->ss, addr->len) < 0)
        return close_with(fd, errno);
    if (listen(fd, opts->backlog > 0 ? opts->backlog : SOMAXCONN) < 0)
        return close_with(fd, errno);
    *out = fd;
    return SB_OK;
}

sb_err sb__socket_for_connect(const sb_addr *addr, const sb_sockopts *opts, int *out)
{
    int fd;
    if (opts == NULL)
        opts = &defaults;
    sb_err err = open_socket(addr->ss.ss_family, opts, &fd);
    if (err != SB_OK)
        return err;
    if (opts->source != NULL) {
        if (is_ip(addr->ss.ss_family)) {
            set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
            /* Without it a source with port 0 takes a port for all destinations and the range runs dry early.
             */
            set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        }
        if (bind(fd, (const struct sockaddr *)&opts->source->ss, opts->source->len) < 0)
            return close_with(fd, errno);
    }
    *out = fd;
    return SB_OK;
}

void sb__socket_nodelay(int fd)
{
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

sb_err sb__socket_adoptable(int fd)
{
    int type = 0, flags = fcntl(fd, F_GETFL);
    socklen_t len = sizeof type;
    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
        return SB_EINVAL;
    if ((flags & O_NONBLOCK) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return sb_err_from_errno(errno);
    return SB_OK;
}

void sb__socket_dress(int fd, const sb_sockopts *opts)
{
    sb_addr addr;
    if (opts != NULL && sb__socket_addr(fd, &addr) == SB_OK)
        set_options(fd, addr.ss.ss_family, opts);
}

sb_err sb__socket_addr(int fd, sb_addr *out)
{
    *out = (sb_addr){.len = sizeof out->ss};
    if (getsockname(fd, (struct sockaddr *)&out->ss, &out->len) < 0)
        return sb_err_from_errno(errno);
    return SB_OK;
}
