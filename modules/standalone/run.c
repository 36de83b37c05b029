/* signalbox run: one generation runs, older ones drain beside it; signals come through its loop. */
#include "modules/standalone/access_log.h"
#include "modules/standalone/generation.h"
#include "modules/standalone/options.h"
#include "modules/standalone/service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

typedef struct program {
    generation_owner owner; /* first member */
    const options *opts;
    ports ports;
    generation *current, *next; /* next: made, not yet running */
    generation *old;            /* drain, newest first */
    sb_watch signals;
    service service;
    bool ending; /* SIGTERM or SIGINT came */
    bool cut;    /* ... twice */
} program;

static program *from_watch(sb_watch *watch)
{
    return (program *)((char *)watch - offsetof(program, signals));
}

static bool is_done(const program *p)
{
    return p->cut || (p->ending && p->current->drained && p->old == NULL);
}

/* ---- Draining ---- */

static void remove_old(program *p, generation *gen)
{
    for (generation **at = &p->old; *at != NULL; at = &(*at)->next) {
        if (*at != gen)
            continue;
        *at = gen->next;
        generation_destroy(gen);
        return;
    }
}

static void on_drained(generation_owner *self, generation *gen)
{
    program *p = (program *)self;
    if (gen != p->current)
        remove_old(p, gen); /* it is a guest: we are not inside its callbacks */
    if (p->old == NULL)
        sb_engine_release_connects(p->current->engine);
    if (is_done(p))
        sb_engine_stop(p->current->engine);
}

/* ---- Signals ---- */

static void on_end_signal(program *p)
{
    p->cut = p->ending;
    p->ending = true;
    service_stopping(&p->service);
    generation_drain(p->current);
    if (is_done(p))
        sb_engine_stop(p->current->engine);
}

static void on_reload_signal(program *p)
{
    if (p->ending || p->next != NULL)
        return;
    service_reloading(&p->service);
    p->next = generation_create(p->opts, &p->ports, &p->owner, !p->opts->overlap);
    if (p->next != NULL) {
        sb_engine_stop(p->current->engine);
        return;
    }
    fprintf(stderr, "signalbox: reload failed, the old script goes on\n");
    service_ready(&p->service, "the new script is broken, the old one goes on");
}

static void on_reopen_signal(program *p)
{
    if (p->opts->log != NULL)
        access_log_reopen(p->opts->log);
}

static void on_signals(sb_watch *watch, bool readable, bool writable)
{
    program *p = from_watch(watch);
    struct signalfd_siginfo info;
    (void)readable, (void)writable;
    while (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            on_reload_signal(p);
        else if (info.ssi_signo == SIGUSR1)
            on_reopen_signal(p);
        else
            on_end_signal(p);
    }
}

static bool open_signals(program *p)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGPIPE, SIG_IGN); /* a closed stderr */
    sigprocmask(SIG_BLOCK, &set, NULL);
    p->signals = (sb_watch){.on_ready = on_signals, .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
    if (p->signals.fd < 0)
        fprintf(stderr, "signalbox: cannot watch signals: %s\n", strerror(errno));
    return p->signals.fd >= 0;
}

static sb_err watch_signals(program *p)
{
    return sb_watch_start(sb_engine_loop(p->current->engine), &p->signals, true, false);
}

/* ---- Running ---- */

static void tell_ready(program *p)
{
    char text[64];
    sb_engine *engine = p->current->engine;
    snprintf(text, sizeof text, "ready backend=%s sockets=%u", sb_engine_backend(engine),
        sb_engine_sockets(engine) -
            (p->opts->status[0] != '\0')); /* that of the status page is not the script's */
    fprintf(stderr, "signalbox: %s\n", text);
    service_ready(&p->service, text);
    service_watch(&p->service, sb_engine_loop(engine));
    if (p->opts->log != NULL)
        access_log_watch(p->opts->log, sb_engine_loop(engine));
}

/* The next generation takes over; the current one and all older ones become its guests. */
static sb_err take_over(program *p)
{
    generation *before = p->current;
    sb_watch_stop(sb_engine_loop(before->engine), &p->signals);
    p->current = p->next;
    p->next = NULL;
    generation_drain(before);
    before->next = p->old;
    p->old = before;
    for (generation *gen = p->old; gen != NULL; gen = gen->next)
        generation_move(gen, sb_engine_loop(p->current->engine));
    ports_commit(&p->ports);
    tell_ready(p);
    return watch_signals(p);
}

static sb_err run(program *p)
{
    ports_commit(&p->ports);
    sb_err err = watch_signals(p);
    if (err == SB_OK)
        tell_ready(p);
    while (err == SB_OK && !is_done(p)) {
        err = sb_engine_run(p->current->engine);
        if (err == SB_OK && p->next != NULL && !p->ending)
            err = take_over(p);
    }
    return err;
}

/* What a second signal leaves behind is lost, and told. */
static uint64_t lost(program *p)
{
    uint64_t n = p->current->drained ? 0 : sb_board_unsent(p->current->board);
    for (generation *gen = p->old; gen != NULL; gen = gen->next)
        n += sb_board_unsent(gen->board);
    return n;
}

static void finish(program *p)
{
    sb_watch_stop(sb_engine_loop(p->current->engine), &p->signals);
    service_finish(&p->service);
    if (p->opts->log != NULL)
        access_log_watch(p->opts->log, NULL);
    while (p->old != NULL)
        remove_old(p, p->old);
    generation_destroy(p->next);
    generation_destroy(p->current);
    ports_finish(&p->ports);
}

/* What sb.shared keeps over reloads. It ends with the program. */
static bool open_zone(options *opts)
{
    void *zone = mmap(NULL, opts->zone_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (zone == MAP_FAILED) {
        fprintf(stderr, "signalbox: no memory for the zone: %s\n", strerror(errno));
        return false;
    }
    opts->zone = zone;
    return true;
}

static int run_program(const options *opts)
{
    program p = {.owner = {.drained = on_drained}, .opts = opts};
    if (!open_signals(&p))
        return 1;
    service_init(&p.service);
    p.current = generation_create(opts, &p.ports, &p.owner, false);
    if (p.current == NULL) {
        ports_finish(&p.ports);
        close(p.signals.fd);
        return 1;
    }
    sb_err err = run(&p);
    if (err != SB_OK)
        fprintf(stderr, "signalbox: the loop failed: %s\n", sb_strerror(err));
    else if (p.cut)
        fprintf(stderr, "signalbox: ended, %llu messages unsent\n", (unsigned long long)lost(&p));
    finish(&p);
    close(p.signals.fd);
    return err != SB_OK || p.cut ? 1 : 0;
}

int run_command(const options *opts)
{
    options mine = *opts;
    if (opts->access_log != NULL &&
        (mine.log = access_log_create(opts->access_log, opts->access_format)) == NULL)
        return 1;
    if (!open_zone(&mine)) {
        access_log_destroy(mine.log);
        return 1;
    }
    int code = run_program(&mine);
    access_log_destroy(mine.log);
    munmap(mine.zone, mine.zone_size);
    return code;
}
