/* The hand-driven connection. Before: conform_vectors.c. */
#include "modules/standalone/probe.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- the socket ---- */

static int connect_path(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&un, sizeof un) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int connect_host(const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int fd = -1;
    if (getaddrinfo(host, port, &hints, &list) != 0)
        return -1;
    for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

bool probe_open(probe *p, const probe_target *target)
{
    p->target = target;
    p->len = 0;
    p->closed = false;
    p->fd = target->path != NULL ? connect_path(target->path) : connect_host(target->host, target->port);
    return p->fd >= 0;
}

void probe_close(probe *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

void probe_send(probe *p, const void *data, size_t len)
{
    const uint8_t *at = data;
    int64_t end = now_ms() + p->target->patience;
    while (len > 0 && now_ms() < end) {
        ssize_t n = send(p->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        struct pollfd pfd = {.fd = p->fd, .events = POLLOUT};
        if (n < 0 && errno == EAGAIN)
            poll(&pfd, 1, 100);
        else if (n < 0)
            return;
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

void probe_trickle(probe *p, const void *data, size_t len)
{
    const struct timespec moment = {.tv_nsec = 500000};
    for (size_t i = 0; i < len; i++) {
        probe_send(p, (const uint8_t *)data + i, 1);
        nanosleep(&moment, NULL);
    }
}

/* One read, at most until `end`; false: nothing more will come. */
static bool read_some(probe *p, int64_t end)
{
    int64_t left = end - now_ms();
    struct pollfd pfd = {.fd = p->fd, .events = POLLIN};
    if (p->closed || left <= 0 || poll(&pfd, 1, (int)left) <= 0)
        return false;
    if (p->len == sizeof p->in)
        p->len = 0; /* more than anybody asked for: only the end matters now */
    ssize_t n = recv(p->fd, p->in + p->len, sizeof p->in - p->len, 0);
    p->closed = n <= 0;
    p->len += n > 0 ? (size_t)n : 0;
    return n > 0;
}

bool probe_want(probe *p, size_t len)
{
    int64_t end = now_ms() + p->target->patience;
    while (p->len < len && read_some(p, end))
        continue;
    return p->len >= len;
}

bool probe_has(const probe *p, const void *what, size_t len)
{
    for (size_t i = 0; i + len <= p->len; i++)
        if (memcmp(p->in + i, what, len) == 0)
            return true;
    return false;
}

bool probe_await(probe *p, const void *what, size_t len)
{
    int64_t end = now_ms() + p->target->patience;
    while (!probe_has(p, what, len))
        if (!read_some(p, end))
            return probe_has(p, what, len);
    return true;
}

bool probe_ends(probe *p)
{
    int64_t end = now_ms() + p->target->patience;
    while (read_some(p, end))
        continue;
    return p->closed;
}

bool probe_stays(probe *p)
{
    int64_t end = now_ms() + p->target->patience / 8 + 1;
    while (read_some(p, end))
        continue;
    return !p->closed;
}

/* ---- ZMTP ---- */

void probe_greeting(uint8_t out[64], uint8_t major, uint8_t minor)
{
    memset(out, 0, 64);
    out[0] = 0xff;
    out[9] = 0x7f;
    out[10] = major;
    out[11] = minor;
    memcpy(out + 12, "NULL", 4);
}

size_t probe_frame(uint8_t *out, uint8_t flags, const void *body, size_t len)
{
    size_t head = 2;
    out[0] = flags;
    out[1] = (uint8_t)len;
    if (len > 255) {
        out[0] |= 2;
        for (int i = 0; i < 8; i++)
            out[1 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
        head = 9;
    }
    memcpy(out + head, body, len);
    return head + len;
}

size_t probe_command(uint8_t *out, const char *name, const void *data, size_t len)
{
    uint8_t body[8192];
    size_t n = strlen(name);
    body[0] = (uint8_t)n;
    memcpy(body + 1, name, n);
    if (len > 0)
        memcpy(body + 1 + n, data, len);
    return probe_frame(out, 4, body, 1 + n + len);
}

size_t probe_property(uint8_t *out, const char *name, const void *value, size_t len)
{
    size_t n = strlen(name);
    out[0] = (uint8_t)n;
    memcpy(out + 1, name, n);
    for (int i = 0; i < 4; i++)
        out[1 + n + (size_t)i] = (uint8_t)(len >> (24 - 8 * i));
    memcpy(out + 5 + n, value, len);
    return 5 + n + len;
}

size_t probe_ready(uint8_t *out, const char *type)
{
    uint8_t data[64];
    return probe_command(out, "READY", data, probe_property(data, "Socket-Type", type, strlen(type)));
}

bool probe_handshake(probe *p)
{
    uint8_t out[256];
    probe_greeting(out, 3, 1);
    size_t n = 64 + probe_ready(out + 64, p->target->ours);
    probe_send(p, out, n);
    return probe_await(p, "\x05READY", 6);
}

bool probe_alive(probe *p)
{
    uint8_t out[64];
    static const char context[] = "\0\0still-there?";
    size_t n = probe_command(out, "PING", context, sizeof context - 1);
    probe_send(p, out, n);
    return probe_await(p, "\x04PONGstill-there?", 17);
}
