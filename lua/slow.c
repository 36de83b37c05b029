/* The slowest handlers of a script, among the runs that are timed. Before: task.c. */
#include "lua/socket.h"
#include "lua/task.h"

#include <stdio.h>
#include <string.h>

static uint64_t mean(const sb__slow *e)
{
    return e->runs > 0 ? e->ns / e->runs : 0;
}

static const char *socket_name(const sb__task *t)
{
    return t->ls != NULL ? t->ls->name : "";
}

/* A closed socket's place in memory may be another one's by now. */
static bool is_of(const sb__slow *e, const sb__task *t)
{
    const char *name = socket_name(t);
    return e->runs > 0 && e->handler == t->kind && e->socket == t->ls &&
           strncmp(e->what, name, strnlen(name, sizeof e->what / 2)) == 0;
}

/* Its own entry, or the one that it takes the place of: a free one, or that of the quickest. */
static sb__slow *place(sb_script *s, const sb__task *t)
{
    sb__slow *quickest = &s->slow[0];
    for (size_t i = 0; i < SB__SLOW; i++) {
        sb__slow *e = &s->slow[i];
        if (is_of(e, t))
            return e;
        if (mean(e) < mean(quickest))
            quickest = e;
    }
    return quickest;
}

static void begin(sb__slow *e, const sb__task *t)
{
    *e = (sb__slow){.socket = t->ls, .handler = t->kind};
    snprintf(e->what, sizeof e->what, "%s%s%s", socket_name(t), t->ls != NULL ? " " : "", t->kind->name);
}

void sb__slow_note(sb_script *s, const sb__task *t, uint64_t ns)
{
    sb__slow *e = place(s, t);
    if (!is_of(e, t)) {
        if (e->runs > 0 && ns <= mean(e))
            return;
        begin(e, t);
    }
    e->runs++;
    e->ns += ns;
    e->max_ns = ns > e->max_ns ? ns : e->max_ns;
}

void sb_script_each_slow(
    const sb_script *script, void (*fn)(void *arg, const sb_script_slow *slow), void *arg)
{
    for (size_t i = 0; i < SB__SLOW; i++) {
        const sb__slow *e = &script->slow[i];
        const sb_script_slow told = {e->what, e->runs, mean(e), e->max_ns};
        if (e->runs > 0)
            fn(arg, &told);
    }
}
