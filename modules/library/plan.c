/* Plans: scripts' top levels against an engine whose loop is in memory. Before: board.h, address.c. After:
 * the hosts. */
#include "modules/library/plan.h"

#include "backends/fake/fake.h"
#include "engine/socket.h"
#include "modules/library/address.h"
#include "modules/library/web.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A bind that was tried, also by a script that failed then. */
typedef struct tried {
    char *endpoint;
    size_t script;
} tried;

struct sb_plan {
    sb_host host; /* what the engine sees: first member */
    sb_host *outer;
    sb_loop *loop;
    sb_engine *engine;
    size_t nscripts, current; /* current: the script whose top level runs */
    sb_script **scripts;
    sb_plan_bind *binds;
    size_t nbinds, binds_cap;
    tried *tried;
    size_t ntried, tried_cap;
    sb__web *web; /* NULL: none */
    bool out_of_memory;
};

static sb_err fail(sb_board_error *error, sb_err err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error->text, sizeof error->text, fmt, ap);
    va_end(ap);
    return err;
}

static bool grow(void **array, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return true;
    size_t more = *cap == 0 ? 8 : *cap * 2;
    void *p = realloc(*array, more * size);
    if (p == NULL)
        return false;
    *array = p;
    *cap = more;
    return true;
}

/* ---- The host the engine sees ---- */

static void plan_log(sb_host *self, sb_log_level level, const char *line)
{
    sb_plan *plan = (sb_plan *)self;
    if (level >= SB_LOG_WARN && plan->outer != NULL && plan->outer->log != NULL)
        plan->outer->log(plan->outer, level, line);
}

static int plan_listen_fd(sb_host *self, const char *endpoint)
{
    sb_plan *plan = (sb_plan *)self;
    char *copy = strdup(endpoint);
    if (copy == NULL || !grow((void **)&plan->tried, &plan->tried_cap, plan->ntried, sizeof *plan->tried)) {
        free(copy);
        plan->out_of_memory = true;
        return -1;
    }
    plan->tried[plan->ntried++] = (tried){.endpoint = copy, .script = plan->current};
    return -1;
}

/* ---- Loading ---- */

/* The engine says that an address is taken; if another script took it, say which. */
static void name_the_other(const sb_plan *plan, const sb_board_config *cfg, sb_board_error *error)
{
    if (plan->ntried == 0)
        return;
    const tried *last = &plan->tried[plan->ntried - 1];
    size_t len = strlen(error->text);
    for (const tried *t = plan->tried; t < last; t++) {
        const char *mine = strrchr(last->endpoint, ':'), *other = strrchr(t->endpoint, ':');
        if (t->script == last->script || mine == NULL || other == NULL || strcmp(mine, other) != 0)
            continue;
        snprintf(error->text + len, sizeof error->text - len, " (%s is bound by %s)", t->endpoint,
            cfg->scripts[t->script].name);
        return;
    }
}

static sb_err load_scripts(sb_plan *plan, const sb_board_config *cfg, sb_board_error *error)
{
    plan->scripts = calloc(cfg->nscripts + 1, sizeof *plan->scripts);
    if (plan->scripts == NULL)
        return fail(error, SB_ENOMEM, "%s", sb_strerror(SB_ENOMEM));
    for (size_t i = 0; i < cfg->nscripts; i++) {
        sb_script_config script = cfg->scripts[i];
        script.phase = SB_SCRIPT_DECLARE;
        script.zone = NULL; /* a look at a script changes nothing */
        error->script = plan->current = i;
        sb_err err =
            sb_script_load(plan->engine, &script, error->text, sizeof error->text, &plan->scripts[i]);
        if (err == SB_EADDRINUSE)
            name_the_other(plan, cfg, error);
        if (err != SB_OK)
            return err;
        plan->nscripts++;
    }
    error->script = cfg->nscripts;
    return SB_OK;
}

static sb_err open_engine(sb_plan *plan, const sb_board_config *cfg, sb_board_error *error)
{
    sb_err err = sb_fake_create(&plan->loop);
    if (err != SB_OK)
        return fail(error, err, "%s", sb_strerror(err));
    plan->host = (sb_host){.log = plan_log, .listen_fd = plan_listen_fd};
    plan->outer = cfg->host;
    const sb_engine_config config = {
        .loop = plan->loop,
        .host = &plan->host,
        .max_peers = cfg->max_peers,
        .max_queued = cfg->max_queued,
    };
    return sb_engine_create(&config, error->text, sizeof error->text, &plan->engine);
}

/* Who insists on io_uring learns now, not in a worker, that the kernel refuses it. */
static sb_err probe_backend(const sb_board_config *cfg, sb_board_error *error)
{
    char notice[256] = "";
    sb_loop *loop = NULL;
    if (cfg->backend == NULL || strcmp(cfg->backend, "auto") == 0)
        return SB_OK;
    sb_err err = sb_loop_open(cfg->backend, notice, sizeof notice, &loop);
    if (err != SB_OK)
        return fail(error, err, "backend %s: %s", cfg->backend, notice[0] ? notice : sb_strerror(err));
    sb_loop_destroy(loop);
    return SB_OK;
}

/* ---- Binds ---- */

static size_t script_of(const sb_plan *plan, const char *endpoint)
{
    for (size_t i = 0; i < plan->ntried; i++)
        if (strcmp(plan->tried[i].endpoint, endpoint) == 0)
            return plan->tried[i].script;
    return 0;
}

static bool add_bind(void *arg, sb_socket *sock, const char *endpoint)
{
    sb_plan *plan = arg;
    int64_t backlog = 100, ipv6 = 0;
    if (!grow((void **)&plan->binds, &plan->binds_cap, plan->nbinds, sizeof *plan->binds)) {
        plan->out_of_memory = true;
        return false;
    }
    sb_socket_get_int(sock, SB_OPT_BACKLOG, &backlog);
    sb_socket_get_int(sock, SB_OPT_IPV6, &ipv6);
    sb_plan_bind *bound = &plan->binds[plan->nbinds++];
    *bound = (sb_plan_bind){
        .endpoint = endpoint,
        .socket = sb_socket_name(sock),
        .script = script_of(plan, endpoint),
        .backlog = (int)backlog,
        .ipv6_dual = ipv6 != 0,
    };
    sb__address_of_bind(endpoint, ipv6 != 0, &bound->addr);
    return true;
}

static sb_err collect(sb_plan *plan, const sb_board_config *cfg, sb_board_error *error)
{
    sb_err err = open_engine(plan, cfg, error);
    if (err == SB_OK)
        err = load_scripts(plan, cfg, error);
    if (err != SB_OK)
        return err;
    if (cfg->status != NULL)
        err = sb__web_create(plan->engine, NULL, cfg->status, error->text, sizeof error->text, &plan->web);
    if (err != SB_OK)
        return err;
    sb_engine_each_bind(plan->engine, add_bind, plan);
    if (plan->out_of_memory)
        return fail(error, SB_ENOMEM, "%s", sb_strerror(SB_ENOMEM));
    return SB_OK;
}

sb_err sb_plan_create(const sb_board_config *cfg, sb_board_error *error, sb_plan **out)
{
    *error = (sb_board_error){.script = cfg->nscripts};
    sb_err err = probe_backend(cfg, error);
    if (err != SB_OK)
        return err;
    sb_plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return fail(error, SB_ENOMEM, "%s", sb_strerror(SB_ENOMEM));
    err = collect(plan, cfg, error);
    if (err != SB_OK) {
        sb_plan_destroy(plan);
        return err;
    }
    *out = plan;
    return SB_OK;
}

void sb_plan_destroy(sb_plan *plan)
{
    if (plan == NULL)
        return;
    while (plan->nscripts > 0)
        sb_script_destroy(plan->scripts[--plan->nscripts]);
    sb_engine_destroy(plan->engine);
    sb__web_destroy(plan->web);
    if (plan->loop != NULL)
        sb_loop_destroy(plan->loop);
    for (size_t i = 0; i < plan->ntried; i++)
        free(plan->tried[i].endpoint);
    free(plan->tried);
    free(plan->binds);
    free(plan->scripts);
    free(plan);
}

const sb_plan_bind *sb_plan_binds(const sb_plan *plan, size_t *n)
{
    *n = plan->nbinds;
    return plan->binds;
}

sb_engine *sb_plan_engine(sb_plan *plan)
{
    return plan->engine;
}
