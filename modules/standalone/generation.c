/* Generations of the script. An old one drains as a guest in the loop of the new one: its descriptor is
 * watched there and its deadline is a timer there. Before: run.c. */
#include "modules/standalone/generation.h"

#include "modules/standalone/access_log.h"
#include "modules/standalone/script_file.h"

#include <stdio.h>
#include <stdlib.h>

static generation *from_host(sb_host *self)
{
    return (generation *)self;
}

static void on_log(sb_host *self, sb_log_level level, const char *line)
{
    log_line(from_host(self)->opts->verbose, level, line);
}

static void on_event(sb_host *self, sb_socket *sock, const sb_event *event)
{
    char line[512];
    if (from_host(self)->opts->verbose && sb_board_event_line(sock, event, line, sizeof line) > 0)
        log_line(true, SB_LOG_DEBUG, line);
}

static int on_listen_fd(sb_host *self, const char *endpoint)
{
    return ports_take(from_host(self)->ports, endpoint);
}

static void on_drained(sb_drain *self, const sb_drain_report *report)
{
    generation *gen = (generation *)((char *)self - offsetof(generation, drain));
    fprintf(stderr, "signalbox: drained, %llu messages unsent, %llu incomplete\n",
        (unsigned long long)report->unsent_msgs, (unsigned long long)report->incomplete_msgs);
    if (report->unread_peers != 0)
        fprintf(stderr, "signalbox: linger was over before %u peers were read to their end\n",
            report->unread_peers);
    gen->drained = true;
    if (gen->home == NULL)
        gen->owner->drained(gen->owner, gen);
}

/* ---- As a guest ---- */

static void guest_arm(generation *gen)
{
    int ms = sb_engine_timeout(gen->engine);
    sb_timer_stop(gen->home, &gen->timer);
    if (ms >= 0)
        sb_timer_start(gen->home, &gen->timer, sb_loop_now(gen->home) + (uint64_t)ms * SB_NS_PER_MS);
}

static void guest_step(generation *gen)
{
    sb_err err = sb_engine_step(gen->engine);
    if (err != SB_OK)
        gen->drained = true;
    if (gen->drained)
        gen->owner->drained(gen->owner, gen); /* may destroy it */
    else
        guest_arm(gen);
}

static void on_guest_ready(sb_watch *watch, bool readable, bool writable)
{
    (void)readable, (void)writable;
    guest_step((generation *)((char *)watch - offsetof(generation, watch)));
}

static void on_guest_timer(sb_timer *timer)
{
    guest_step((generation *)((char *)timer - offsetof(generation, timer)));
}

void generation_move(generation *gen, sb_loop *home)
{
    if (gen->home != NULL) {
        sb_watch_stop(gen->home, &gen->watch);
        sb_timer_stop(gen->home, &gen->timer);
    }
    gen->home = home;
    if (home == NULL)
        return;
    gen->watch = (sb_watch){.on_ready = on_guest_ready, .fd = sb_engine_fd(gen->engine)};
    sb_timer_init(&gen->timer, on_guest_timer);
    if (sb_watch_start(home, &gen->watch, true, false) != SB_OK)
        log_line(false, SB_LOG_WARN, "the old script cannot be watched, its queues are lost");
    sb_timer_start(home, &gen->timer, sb_loop_now(home)); /* step it at once */
}

void generation_drain(generation *gen)
{
    if (gen->draining)
        return;
    gen->draining = true;
    gen->drain.on_drained = on_drained;
    if (sb_board_drain(gen->board, gen->opts->linger, &gen->drain) != SB_OK)
        gen->drained = true;
}

/* ---- From file to board ---- */

static sb_err open_ports(const sb_board_config *config, ports *ports, sb_board_error *error)
{
    sb_plan *plan;
    sb_err err = sb_plan_create(config, error, &plan);
    if (err != SB_OK)
        return err;
    err = ports_prepare(ports, plan, error->text, sizeof error->text);
    sb_plan_destroy(plan);
    return err;
}

static sb_err open_board(generation *gen, const script_file *file, bool hold_connects, sb_board_error *error)
{
    sb_board_config config = script_file_board(file, gen->opts, &gen->host);
    config.hold_connects = hold_connects;
    sb_err err = open_ports(&config, gen->ports, error);
    if (err != SB_OK)
        return err;
    err = sb_board_create(&config, error, &gen->board);
    if (err != SB_OK) {
        ports_rollback(gen->ports);
        return err;
    }
    gen->engine = sb_board_engine(gen->board);
    if (gen->opts->log != NULL)
        sb_engine_set_tap(gen->engine, &gen->opts->log->tap);
    return SB_OK;
}

generation *generation_create(const options *opts, ports *ports, generation_owner *owner, bool hold_connects)
{
    script_file file;
    sb_board_error error;
    generation *gen = calloc(1, sizeof *gen);
    if (gen == NULL || !script_file_init(&file, opts)) {
        free(gen);
        return NULL;
    }
    *gen = (generation){.host = {.log = on_log, .listen_fd = on_listen_fd, .event = on_event},
        .opts = opts,
        .ports = ports,
        .owner = owner};
    sb_err err = open_board(gen, &file, hold_connects, &error);
    script_file_finish(&file);
    if (err == SB_OK)
        return gen;
    fprintf(stderr, "signalbox: %s\n", error.text);
    free(gen);
    return NULL;
}

void generation_destroy(generation *gen)
{
    if (gen == NULL)
        return;
    generation_move(gen, NULL);
    sb_board_destroy(gen->board);
    free(gen);
}
