/* Listening sockets that a host opens for the engine, from a plan's binds. Before: plan.c. */
#include "modules/library/plan.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const struct sockaddr *as_sockaddr(const sb_addr *addr)
{
    return (const struct sockaddr *)&addr->ss;
}

static bool is_path(const sb_addr *addr)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&addr->ss;
    return addr->len != 0 && addr->ss.ss_family == AF_UNIX && un->sun_path[0] != '\0';
}

/* Only connect() tells a path with a listener from one that a killed process left behind. */
static bool is_refused(const sb_addr *addr)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, as_sockaddr(addr), addr->len) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

void sb_plan_unlink_stale(const sb_addr *addr)
{
    struct stat st;
    if (!is_path(addr))
        return;
    const char *path = ((const struct sockaddr_un *)&addr->ss)->sun_path;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && is_refused(addr))
        unlink(path);
}

static sb_err bind_and_listen(int fd, const sb_plan_bind *bound)
{
    int on = 1, v6only = !bound->ipv6_dual;
    sa_family_t family = bound->addr.ss.ss_family;
    if (family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only);
    if (bind(fd, as_sockaddr(&bound->addr), bound->addr.len) < 0 || listen(fd, bound->backlog) < 0)
        return sb_err_from_errno(errno);
    return SB_OK;
}

sb_err sb_plan_listen(const sb_plan_bind *bound, int *out)
{
    if (bound->addr.len == 0)
        return SB_EINVAL;
    sb_plan_unlink_stale(&bound->addr);
    int fd = socket(bound->addr.ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return sb_err_from_errno(errno);
    sb_err err = bind_and_listen(fd, bound);
    if (err != SB_OK) {
        close(fd);
        return err;
    }
    *out = fd;
    return SB_OK;
}
