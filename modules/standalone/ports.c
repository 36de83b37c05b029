/* Listening sockets kept over reloads. Before: run.c. */
#include "modules/standalone/ports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* The one of this endpoint that was handed out least: "tcp://127.0.0.1:*" may stand for several ports. */
static port *find(const ports *ports, const char *endpoint)
{
    port *best = NULL;
    for (size_t i = 0; i < ports->n; i++)
        if (strcmp(ports->all[i].endpoint, endpoint) == 0 &&
            (best == NULL || ports->all[i].handed < best->handed))
            best = &ports->all[i];
    return best;
}

/* One of this endpoint that no bind of the plan has taken yet. */
static port *find_unwanted(const ports *ports, const char *endpoint)
{
    for (size_t i = 0; i < ports->n; i++)
        if (strcmp(ports->all[i].endpoint, endpoint) == 0 && !ports->all[i].wanted)
            return &ports->all[i];
    return NULL;
}

static port *add(ports *ports, const sb_plan_bind *bound)
{
    if (ports->n == ports->cap) {
        size_t cap = ports->cap == 0 ? 8 : ports->cap * 2;
        port *all = realloc(ports->all, cap * sizeof *all);
        if (all == NULL)
            return NULL;
        ports->all = all;
        ports->cap = cap;
    }
    char *endpoint = strdup(bound->endpoint);
    if (endpoint == NULL)
        return NULL;
    ports->all[ports->n] = (port){.endpoint = endpoint, .fd = -1, .addr = bound->addr};
    return &ports->all[ports->n++];
}

static void drop(ports *ports, size_t i)
{
    port *gone = &ports->all[i];
    const struct sockaddr_un *un = (const struct sockaddr_un *)&gone->addr.ss;
    if (gone->fd >= 0 && un->sun_family == AF_UNIX && un->sun_path[0] != '\0')
        unlink(un->sun_path);
    if (gone->fd >= 0)
        close(gone->fd);
    free(gone->endpoint);
    *gone = ports->all[--ports->n];
}

static sb_err prepare_one(ports *ports, const sb_plan_bind *bound)
{
    if (bound->addr.len == 0)
        return SB_OK; /* inproc and the like: the engine's own business */
    port *p = find_unwanted(ports, bound->endpoint);
    if (p == NULL)
        p = add(ports, bound);
    if (p == NULL)
        return SB_ENOMEM;
    p->wanted = true;
    p->handed = 0;
    return p->fd >= 0 ? SB_OK : sb_plan_listen(bound, &p->fd);
}

sb_err ports_prepare(ports *ports, const sb_plan *plan, char *why, size_t cap)
{
    size_t n;
    const sb_plan_bind *binds = sb_plan_binds(plan, &n);
    for (size_t i = 0; i < n; i++) {
        sb_err err = prepare_one(ports, &binds[i]);
        if (err == SB_OK)
            continue;
        snprintf(
            why, cap, "socket %s cannot bind %s: %s", binds[i].socket, binds[i].endpoint, sb_strerror(err));
        ports_rollback(ports);
        return err;
    }
    return SB_OK;
}

void ports_commit(ports *ports)
{
    for (size_t i = ports->n; i-- > 0;) {
        ports->all[i].used = ports->all[i].wanted;
        ports->all[i].wanted = false;
        if (!ports->all[i].used)
            drop(ports, i);
    }
}

void ports_rollback(ports *ports)
{
    for (size_t i = ports->n; i-- > 0;) {
        ports->all[i].wanted = false;
        if (!ports->all[i].used)
            drop(ports, i);
    }
}

int ports_take(ports *ports, const char *endpoint)
{
    port *p = find(ports, endpoint);
    if (p == NULL)
        return -1;
    p->handed++;
    return p->fd;
}

void ports_finish(ports *ports)
{
    while (ports->n > 0)
        drop(ports, ports->n - 1);
    free(ports->all);
}
