/* Signalbox inside a program that has an event loop of its own: plain epoll here, anything that can poll a
 * descriptor elsewhere. No thread, no signal, nothing global.
 *
 *   embed ENDPOINT                       a REP socket in C that answers in upper case
 *   embed --script FILE.lua [key=value]  a script's sockets
 *
 * Ends in order when its standard input ends: that stands for whatever else such a program waits for. */
#include "engine/signalbox.h"
#include "lua/script.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

typedef struct app {
    sb_host host;
    sb_handler handler;
    sb_drain drain;
    sb_engine *engine;
    sb_script *script;
    int epoll;
    bool drained;
} app;

/* ---- What the engine calls ---- */

static void on_log(sb_host *self, sb_log_level level, const char *line)
{
    (void)self;
    if (level >= SB_LOG_NOTICE)
        fprintf(stderr, "embed: %s\n", line);
}

static sb_err on_request(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    char text[256];
    sb_msg answer;
    (void)self;
    size_t len = 0;
    const sb_frame *frame = sb_msg_count(msg) > 0 ? sb_msg_frame(msg, 0) : NULL;
    for (; frame != NULL && len < frame->len && len < sizeof text; len++)
        text[len] = (char)toupper(frame->data[len]);
    sb_msg_init(&answer);
    sb_msg_push(&answer, text, len, NULL); /* borrowed: sending copies what it needs */
    sb_err err = sb_socket_reply(sock, peer, msg, &answer);
    sb_msg_finish(&answer);
    return err;
}

static void on_drained(sb_drain *self, const sb_drain_report *report)
{
    app *a = (app *)((char *)self - offsetof(app, drain));
    fprintf(stderr, "embed: %llu messages unsent\n", (unsigned long long)report->unsent_msgs);
    a->drained = true;
}

/* ---- What there is to run ---- */

static bool open_socket(app *a, const char *endpoint)
{
    char why[256];
    sb_socket *sock;
    if (sb_socket_create(a->engine, SB_REP, "echo", &sock) != SB_OK)
        return false;
    sb_socket_set_handler(sock, &a->handler);
    if (sb_socket_bind(sock, endpoint, why, sizeof why) != SB_OK) {
        fprintf(stderr, "embed: %s\n", why);
        return false;
    }
    printf("%s\n", sb_socket_last_endpoint(sock));
    fflush(stdout);
    return true;
}

static bool open_script(app *a, const char *path, const char *const *args, size_t nargs)
{
    char why[512];
    if (sb_engine_load(a->engine, path, args, nargs, why, sizeof why, &a->script) == SB_OK) {
        puts("ready");
        fflush(stdout);
        return true;
    }
    fprintf(stderr, "embed: %s\n", why);
    return false;
}

static bool open_work(app *a, int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "--script") == 0)
        return open_script(a, argv[2], (const char *const *)argv + 3, (size_t)argc - 3);
    if (argc == 2)
        return open_socket(a, argv[1]);
    fputs("usage: embed ENDPOINT | embed --script FILE.lua [key=value ...]\n", stderr);
    return false;
}

/* ---- The program's own loop ---- */

static bool watch(app *a, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static void on_input(app *a, int fd)
{
    char bytes[256];
    if (read(fd, bytes, sizeof bytes) > 0)
        return;
    epoll_ctl(a->epoll, EPOLL_CTL_DEL, fd, NULL);
    a->drain.on_drained = on_drained;
    if (sb_engine_drain(a->engine, 2 * SB_NS_PER_S, &a->drain) != SB_OK)
        a->drained = true;
}

static void run(app *a)
{
    struct epoll_event events[8];
    while (!a->drained) {
        /* The engine's descriptor says that something arrived, its timeout when it wants to be called anyway.
         */
        int n = epoll_wait(a->epoll, events, 8, sb_engine_timeout(a->engine));
        for (int i = 0; i < n; i++)
            if (events[i].data.fd == STDIN_FILENO)
                on_input(a, STDIN_FILENO);
        sb_engine_step(a->engine);
    }
}

int main(int argc, char **argv)
{
    char why[256];
    app a = {.host = {.log = on_log}, .handler = {.on_msg = on_request}};
    const sb_engine_config config = {.host = &a.host};
    if (sb_engine_create(&config, why, sizeof why, &a.engine) != SB_OK) {
        fprintf(stderr, "embed: %s\n", why);
        return 1;
    }
    a.epoll = epoll_create1(EPOLL_CLOEXEC);
    bool ok = open_work(&a, argc, argv) && watch(&a, sb_engine_fd(a.engine)) && watch(&a, STDIN_FILENO);
    if (ok)
        run(&a);
    sb_script_destroy(a.script);
    sb_engine_destroy(a.engine);
    close(a.epoll);
    return ok ? 0 : 1;
}
