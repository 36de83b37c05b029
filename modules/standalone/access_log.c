/* The access log's file. Before: run.c. After: modules/library/access.c. */
#include "modules/standalone/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLUSH SB_NS_PER_S

static bool open_file(access_log *log)
{
    int fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        fprintf(stderr, "signalbox: access log %s: %s\n", log->path, strerror(errno));
        return false;
    }
    if (log->fd >= 0)
        close(log->fd);
    log->fd = fd;
    return true;
}

/* A full disk loses lines; that is told once a second. */
static void complain(access_log *log, ssize_t n)
{
    time_t now = time(NULL);
    if (now == log->complained)
        return;
    log->complained = now;
    fprintf(
        stderr, "signalbox: access log %s: %s\n", log->path, n < 0 ? strerror(errno) : "not all was written");
}

static void flush(access_log *log)
{
    size_t len = log->len;
    log->len = 0;
    if (len == 0)
        return;
    ssize_t n = write(log->fd, log->buffer, len);
    if (n != (ssize_t)len)
        complain(log, n);
}

static void on_time(sb_timer *timer)
{
    access_log *log = (access_log *)((char *)timer - offsetof(access_log, timer));
    flush(log);
    sb_timer_start(log->loop, timer, sb_loop_now(log->loop) + FLUSH);
}

static void on_passed(sb_tap *self, const sb_passage *passage)
{
    access_log *log = (access_log *)self;
    if (sizeof log->buffer - log->len < SB_ACCESS_LINE)
        flush(log);
    log->len += sb_access_line(log->access, passage, log->buffer + log->len);
}

access_log *access_log_create(const char *path, const char *format)
{
    char err[256];
    access_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return NULL;
    log->tap.passed = on_passed;
    log->path = path;
    log->fd = -1;
    sb_timer_init(&log->timer, on_time);
    if (sb_access_create(&(sb_access_config){.format = format}, err, sizeof err, &log->access) != SB_OK)
        fprintf(stderr, "signalbox: --access-format: %s\n", err);
    else if (open_file(log))
        return log;
    access_log_destroy(log);
    return NULL;
}

void access_log_destroy(access_log *log)
{
    if (log == NULL)
        return;
    flush(log);
    access_log_watch(log, NULL);
    if (log->fd >= 0)
        close(log->fd);
    sb_access_destroy(log->access);
    free(log);
}

void access_log_reopen(access_log *log)
{
    flush(log);
    open_file(log); /* else the old one goes on */
}

void access_log_watch(access_log *log, sb_loop *loop)
{
    if (log->loop != NULL)
        sb_timer_stop(log->loop, &log->timer);
    log->loop = loop;
    if (loop != NULL)
        sb_timer_start(loop, &log->timer, sb_loop_now(loop) + FLUSH);
}
