/* Waiting: how a task leaves its coroutine and what brings it back. Half of task.h. */
#include "lua/task.h"

bool sb__task_can_wait(lua_State *L)
{
    sb_script *s = sb__script_of(L);
    return s->current != NULL && s->current->co == L && lua_isyieldable(L);
}

sb__task *sb__task_waiter(lua_State *L, const char *what)
{
    sb_script *s = sb__script_of(L);
    if (s->toplevel)
        luaL_error(L,
            "%s waits, which the top level of a script cannot; put it into sb.spawn(function() ... end)",
            what);
    if (s->current == NULL || s->current->co != L)
        luaL_error(L, "%s waits, which a coroutine of the script's own cannot; use sb.spawn", what);
    if (!lua_isyieldable(L))
        luaL_error(L,
            "%s waits, which cannot be done inside a metamethod, iterator or callback of a C function", what);
    return s->current;
}

static void queue_add(sb__waitq *q, sb__task *t)
{
    t->queue = q;
    t->qnext = NULL;
    t->qprev = q->last;
    if (q->last != NULL)
        q->last->qnext = t;
    else
        q->first = t;
    q->last = t;
}

static void queue_remove(sb__task *t)
{
    sb__waitq *q = t->queue;
    if (q == NULL)
        return;
    if (t->qprev != NULL)
        t->qprev->qnext = t->qnext;
    else
        q->first = t->qnext;
    if (t->qnext != NULL)
        t->qnext->qprev = t->qprev;
    else
        q->last = t->qprev;
    t->queue = NULL;
}

int sb__task_wait(
    lua_State *L, sb__task *t, sb__waitq *q, uint64_t deadline, lua_KFunction k, lua_KContext ctx)
{
    if (deadline != SB_NEVER && sb_timer_start(t->script->loop, &t->timer, deadline) != SB_OK)
        return sb__no_memory(L);
    t->waiting = true;
    if (q != NULL)
        queue_add(q, t);
    return lua_yieldk(L, 0, ctx, k);
}

void sb__task_wake(sb__task *t, sb__wake why)
{
    if (!t->waiting)
        return;
    t->waiting = false;
    t->wake = why;
    sb_timer_stop(t->script->loop, &t->timer);
    queue_remove(t);
    sb__task_ready(t);
}

void sb__waitq_wake(sb__waitq *q, sb__wake why)
{
    while (q->first != NULL)
        sb__task_wake(q->first, why);
}

void sb__tasks_exiting(sb_script *s)
{
    for (sb__task *t = s->open, *next; t != NULL; t = next) {
        next = t->next;
        sb__task_wake(t, SB__WAKE_EXITING);
    }
    sb__tasks_drain(s);
}
