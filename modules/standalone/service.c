/* The service manager's socket. Before: run.c. */
#include "modules/standalone/service.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* "/path", or "@name" for an abstract one; its length, 0: it cannot be one. */
static socklen_t address_of(const char *text, struct sockaddr_un *un)
{
    size_t len = strlen(text);
    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((*text != '/' && *text != '@') || len < 2 || len >= sizeof un->sun_path)
        return 0;
    memcpy(un->sun_path, text, len);
    if (*text == '@')
        un->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static int open_socket(const char *text)
{
    struct sockaddr_un un;
    socklen_t len = address_of(text, &un);
    int fd = len > 0 ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (len > 0 && fd >= 0 && connect(fd, (struct sockaddr *)&un, len) == 0)
        return fd;
    fprintf(stderr, "signalbox: warning: NOTIFY_SOCKET %s: %s\n", text,
        len > 0 ? strerror(errno) : "must be /PATH or @NAME");
    if (fd >= 0)
        close(fd);
    return -1;
}

static void on_pulse(sb_timer *timer)
{
    service *s = (service *)((char *)timer - offsetof(service, timer));
    (void)!send(s->fd, "WATCHDOG=1", 10, MSG_NOSIGNAL);
    sb_timer_start(s->loop, &s->timer, sb_loop_now(s->loop) + s->pulse);
}

/* Signs of life are wanted from us, not from a parent whose environment we have. */
static uint64_t wanted_pulse(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    return strtoull(usec, NULL, 10) * 1000 / 2;
}

void service_init(service *s)
{
    const char *text = getenv("NOTIFY_SOCKET");
    *s = (service){.fd = text != NULL && *text != '\0' ? open_socket(text) : -1};
    s->pulse = s->fd >= 0 ? wanted_pulse() : 0;
    sb_timer_init(&s->timer, on_pulse);
}

void service_finish(service *s)
{
    service_watch(s, NULL);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void service_ready(service *s, const char *status)
{
    char text[256];
    int n = snprintf(text, sizeof text, "READY=1\nSTATUS=%s", status);
    if (s->fd >= 0)
        (void)!send(s->fd, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1, MSG_NOSIGNAL);
}

void service_reloading(service *s)
{
    struct timespec now;
    char text[80];
    clock_gettime(CLOCK_MONOTONIC, &now);
    int n = snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
        (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
    if (s->fd >= 0)
        (void)!send(s->fd, text, (size_t)n, MSG_NOSIGNAL);
}

void service_stopping(service *s)
{
    if (s->fd >= 0)
        (void)!send(s->fd, "STOPPING=1", 10, MSG_NOSIGNAL);
}

void service_watch(service *s, sb_loop *loop)
{
    if (s->loop != NULL)
        sb_timer_stop(s->loop, &s->timer);
    s->loop = s->pulse > 0 ? loop : NULL;
    if (s->loop != NULL)
        sb_timer_start(s->loop, &s->timer, sb_loop_now(s->loop) + s->pulse);
}
