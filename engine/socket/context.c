/* The engine: sockets on one loop. Before: hosts. After: socket.c, transport/hub.c. */
#include "engine/socket/internal.h"
#include "engine/transport/filter.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_KEEP     256  /* chunks of 64 KiB that wait for the next burst; 10,000 KiB are 160 */
#define DESTROY_STEPS 2000 /* of at most 1 ms: cancelled operations come back at once */

static sb_err open_loop(sb_engine *engine, const sb_engine_config *cfg, char *err, size_t cap)
{
    if (cfg->loop != NULL) {
        engine->loop = cfg->loop;
        return SB_OK;
    }
    sb_err code = sb_loop_open(cfg->backend, engine->notice, sizeof engine->notice, &engine->loop);
    if (code != SB_OK && err != NULL && cap > 0)
        snprintf(err, cap, "backend %s: %s", cfg->backend != NULL ? cfg->backend : "auto",
            engine->notice[0] != '\0' ? engine->notice : sb_strerror(code));
    engine->own_loop = code == SB_OK;
    return code;
}

sb_err sb_engine_create(const sb_engine_config *cfg, char *err, size_t cap, sb_engine **out)
{
    static const sb_engine_config defaults;
    sb_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return SB_ENOMEM;
    cfg = cfg != NULL ? cfg : &defaults;
    sb_err code = open_loop(engine, cfg, err, cap);
    if (code != SB_OK) {
        free(engine);
        return code;
    }
    engine->host = cfg->host;
    engine->budget.max = cfg->max_queued;
    engine->budget.clock = &engine->loop->now;
    engine->holding = cfg->hold_connects;
    engine->worker = cfg->worker;
    engine->workers = cfg->workers > 0 ? cfg->workers : 1;
    engine->pool = sb__pool_create(POOL_KEEP); /* NULL: the queues take from the heap */
    sb_list_init(&engine->sockets);
    sb_list_init(&engine->shells);
    sb_map_init(&engine->questions);
    sb__hub_init(&engine->hub, engine->loop, cfg->max_peers);
    sb__drain_init(engine);
    if (engine->notice[0] != '\0')
        sb_engine_log(engine, SB_LOG_NOTICE, "%s", engine->notice);
    *out = engine;
    return SB_OK;
}

static void abort_sockets(sb_engine *engine)
{
    SB_LIST_EACH(n, &engine->sockets)
    {
        sb__socket_abort(SB_LIST_ENTRY(n, sb_socket, node));
    }
}

static bool all_gone(const sb_engine *engine)
{
    return sb_list_empty(&engine->sockets) && engine->hub.handles == 0;
}

/* Connections that are over and only wait to have written why. */
static void close_parting(sb__hub *hub)
{
    while (!sb_list_empty(&hub->parting))
        sb__conn_close(SB_LIST_ENTRY(sb_list_first(&hub->parting), sb__conn, node), SB_ECLOSED, "closed");
    sb__filters_close(hub);
}

void sb_engine_destroy(sb_engine *engine)
{
    if (engine == NULL)
        return;
    engine->hub.aborting = true;
    abort_sockets(engine);
    sb_timer_stop(engine->loop, &engine->drain_timer);
    for (int i = 0; i < DESTROY_STEPS && !all_gone(engine); i++) {
        struct pollfd pfd = {.fd = sb_loop_fd(engine->loop), .events = POLLIN};
        close_parting(&engine->hub);
        sb_loop_step(engine->loop);
        if (!all_gone(engine) && pfd.fd >= 0 && sb_engine_timeout(engine) != 0)
            poll(&pfd, 1, 1);
    }
    sb__hub_finish(&engine->hub);
    sb__shells_finish(engine);
    sb_map_finish(&engine->questions);
    sb__pool_destroy(engine->pool);
    if (engine->own_loop)
        sb_loop_destroy(engine->loop);
    free(engine);
}

sb_loop *sb_engine_loop(sb_engine *engine)
{
    return engine->loop;
}

const char *sb_engine_backend(const sb_engine *engine)
{
    return sb_loop_backend(engine->loop);
}

const char *sb_engine_notice(const sb_engine *engine)
{
    return engine->notice;
}

uint32_t sb_engine_worker(const sb_engine *engine, uint32_t *workers)
{
    *workers = engine->workers;
    return engine->worker;
}

uint64_t sb_engine_now(const sb_engine *engine)
{
    return sb_loop_now(engine->loop);
}

sb_err sb_engine_run(sb_engine *engine)
{
    sb__hub_go_on(&engine->hub); /* inproc alone keeps no loop alive */
    return sb_loop_run(engine->loop);
}

void sb_engine_stop(sb_engine *engine)
{
    sb_loop_stop(engine->loop);
}

int sb_engine_fd(sb_engine *engine)
{
    return sb_loop_fd(engine->loop);
}

int sb_engine_timeout(sb_engine *engine)
{
    return sb__hub_busy(&engine->hub) ? 0 : sb_loop_timeout(engine->loop);
}

sb_err sb_engine_step(sb_engine *engine)
{
    return sb_loop_step(engine->loop);
}

void sb_engine_release_connects(sb_engine *engine)
{
    engine->holding = false;
    SB_LIST_EACH(n, &engine->sockets)
    {
        sb__socket_release(SB_LIST_ENTRY(n, sb_socket, node));
    }
}

sb_socket *sb_engine_find_socket(sb_engine *engine, const char *name)
{
    SB_LIST_EACH(n, &engine->sockets)
    {
        sb_socket *sock = SB_LIST_ENTRY(n, sb_socket, node);
        if (strcmp(sock->name, name) == 0)
            return sock;
    }
    return NULL;
}

void sb_engine_each_socket(sb_engine *engine, bool (*fn)(void *arg, sb_socket *sock), void *arg)
{
    SB_LIST_EACH_SAFE(n, after, &engine->sockets)
    {
        if (!fn(arg, SB_LIST_ENTRY(n, sb_socket, node)))
            return;
    }
}

void sb_engine_each_bind(
    sb_engine *engine, bool (*fn)(void *arg, sb_socket *sock, const char *endpoint), void *arg)
{
    SB_LIST_EACH(n, &engine->sockets)
    {
        sb_socket *sock = SB_LIST_ENTRY(n, sb_socket, node);
        SB_LIST_EACH(m, &sock->bindings)
        {
            const sb__binding *b = SB_LIST_ENTRY(m, sb__binding, node);
            if (b->bind && !b->closing && !b->shares && !fn(arg, sock, b->given))
                return;
        }
    }
}

uint32_t sb_engine_sockets(const sb_engine *engine)
{
    return engine->nsockets;
}
