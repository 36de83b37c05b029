/* Tasks: the pool, running and ending. What they wait for is in wait.c. Between the engine's callbacks
 * (handler.c) and Lua. */
#include "lua/task.h"
#include "lua/message.h"
#include "lua/socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Handlers whose time is measured: one of this many. */
#define TIME_SAMPLE 8
#define TUNE_EACH   1024
/* Ready tasks that are run before the loop gets its turn. */
#define DRAIN_MAX 256
/* For the report of a handler that used all there was, and for closing what it held. */
#define REPORT_MEMORY (64u << 10)

static void on_kick(sb_timer *timer)
{
    sb_script *s = (sb_script *)((char *)timer - offsetof(sb_script, kick));
    sb__tasks_drain(s);
}

void sb__tasks_init(sb_script *s)
{
    s->ready_tail = &s->ready;
    sb_timer_init(&s->kick, on_kick);
}

/* ---- the pool ---- */

static void on_timeout(sb_timer *timer)
{
    sb__task *t = (sb__task *)((char *)timer - offsetof(sb__task, timer));
    sb__task_wake(t, SB__WAKE_TIMEOUT);
    sb__tasks_drain(t->script);
}

static int make_coroutine(lua_State *L)
{
    sb__task *t = lua_touserdata(L, 1);
    t->co = lua_newthread(L);
    t->co_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static sb__task *task_create(sb_script *s)
{
    sb__task *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->script = s;
    t->co_ref = LUA_NOREF;
    sb_timer_init(&t->timer, on_timeout);
    lua_pushcfunction(s->L, make_coroutine);
    lua_pushlightuserdata(s->L, t);
    if (lua_pcall(s->L, 1, 0, 0) == LUA_OK)
        return t;
    lua_pop(s->L, 1);
    free(t);
    return NULL;
}

sb__task *sb__task_take(sb_script *s, const sb__task_kind *kind, sb__lsock *ls)
{
    sb__task *t = s->free;
    if (t != NULL)
        s->free = t->next;
    else if ((t = task_create(s)) == NULL) {
        sb__fault_note(s, ls, NULL, kind->name, "out of memory");
        return NULL;
    }
    t->kind = kind;
    t->ls = ls;
    return t;
}

static void open_list_remove(sb__task *t)
{
    sb_script *s = t->script;
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        s->open = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    t->is_open = false;
    s->stats.tasks--;
    if (t->ls != NULL)
        sb__lsock_unref(t->ls);
}

static void open_list_add(sb__task *t)
{
    sb_script *s = t->script;
    t->is_open = true;
    t->prev = NULL;
    t->next = s->open;
    if (s->open != NULL)
        s->open->prev = t;
    s->open = t;
    s->stats.tasks++;
    if (t->ls != NULL)
        sb__lsock_ref(t->ls);
}

void sb__task_give_back(sb__task *t)
{
    sb_script *s = t->script;
    if (t->is_open)
        open_list_remove(t);
    t->ls = NULL;
    t->peer = NULL;
    t->view = NULL;
    t->msg = NULL;
    t->given = NULL;
    t->started = false;
    t->call = NULL;
    t->nargs = 0;
    t->stopped = false;
    if (t->co == NULL) { /* no memory for another coroutine */
        free(t);
        return;
    }
    t->next = s->free;
    s->free = t;
}

/* ---- ending ---- */

static void release(sb__task *t)
{
    if (t->requester != NULL)
        sb__request_finish(t);
    if (t->msg != NULL)
        sb__lmsg_release(t->msg);
    sb_msg_destroy(t->orig);
    t->orig = NULL;
    free(t->client);
    t->client = NULL;
    if (t->paused) {
        sb_peer *peer = sb__task_peer(t);
        t->paused = false;
        if (peer != NULL)
            sb_peer_resume(peer);
    }
}

static void end(sb__task *t)
{
    if (t->kind->ended != NULL)
        t->kind->ended(t, NULL, "");
    release(t);
    sb__task_give_back(t);
}

/* Lua runs no hooks any more in a coroutine that died in one: it is left to the garbage collector, unclosed.
 */
static bool replace_coroutine(sb__task *t)
{
    sb_script *s = t->script;
    sb__unref(s->L, &t->co_ref);
    t->co = NULL;
    lua_pushcfunction(s->L, make_coroutine);
    lua_pushlightuserdata(s->L, t);
    if (lua_pcall(s->L, 1, 0, 0) == LUA_OK)
        return true;
    lua_pop(s->L, 1);
    return false;
}

static void reset_coroutine(sb__task *t)
{
    sb_script *s = t->script;
    if (t->stopped) {
        t->stopped = false;
        replace_coroutine(t);
        return;
    }
    sb__limits_enter(&s->limits, t->co); /* pending __close functions run now */
    lua_resetthread(t->co);
    sb__limits_leave(&s->limits);
    sb__limits_install(t->co);
    lua_settop(t->co, 0);
}

/* The message goes before the coroutine that holds its object does. */
static void end_failed(sb__task *t, const char *reason, const char *where)
{
    if (t->kind->ended != NULL)
        t->kind->ended(t, reason, where);
    release(t);
    reset_coroutine(t);
    sb__task_give_back(t);
}

/* A small script collects rarely, a large one in time: garbage may fill half of what memory there is, and the
 * next round begins before all of it is full. What has a finalizer outlives one round. */
static void tune_collector(sb_script *s)
{
    size_t each = s->alloc.used / 100 + 1, percent = s->alloc.cap / 2 / each,
           most = s->alloc.cap / 10 * 9 / each;
    percent = percent < 200 ? 200 : percent > 1000 ? 1000 : percent;
    percent = percent > most ? most : percent;
    lua_gc(s->L, LUA_GCINC, (int)(percent < 120 ? 120 : percent), 0, 0);
}

/* A handler ended for lack of memory. Lua has collected what it could at that moment, without finalizers and
 * while the handler held what it holds; the next message shall find room, and does not wait until all is
 * swept: the collector goes on where it was left. As much time as that takes passes before it is done again.
 */
static void collect(sb_script *s)
{
    const sb__alloc *a = &s->alloc;
    uint64_t begin = sb__limits_clock();
    if (begin < s->collect_at)
        return;
    for (int rounds = 0; rounds < 2 && a->used > a->cap / 4 * 3;)
        rounds += lua_gc(s->L, LUA_GCSTEP, 0);
    tune_collector(s);
    uint64_t end = sb__limits_clock();
    s->collect_at = end + (end - begin);
}

static void fail(sb__task *t, int status)
{
    char what[160], reason[256], where[128];
    sb_script *s = t->script;
    snprintf(what, sizeof(what), "%s%s%s", t->ls != NULL ? t->ls->name : "", t->ls != NULL ? " " : "",
        t->kind->name);
    /* Each refusal costs a collection, which frees nothing before the handler's frames are gone. */
    s->alloc.spare = status == LUA_ERRMEM ? REPORT_MEMORY : 0;
    sb__fault_report(t, what, reason, sizeof(reason), where, sizeof(where));
    end_failed(t, reason, where);
    s->alloc.spare = 0;
    if (status == LUA_ERRMEM)
        collect(s);
}

static void fail_with(sb__task *t, const char *text)
{
    lua_settop(t->co, 0); /* room without growing */
    sb__fault_note(t->script, t->ls, sb__task_peer(t), t->kind->name, text);
    end_failed(t, text, "");
}

/* ---- running ---- */

static void suspend(sb__task *t)
{
    sb_script *s = t->script;
    if (!t->waiting && !t->is_ready) {
        fail_with(t, "coroutine.yield outside of a coroutine of the script's own");
        return;
    }
    if (t->is_open)
        return;
    const char *refusal = NULL;
    if (s->stats.tasks >= s->max_tasks)
        refusal = "too many open tasks";
    else if (t->kind->suspended != NULL && t->kind->suspended(t) != SB_OK)
        refusal = "out of memory";
    if (refusal == NULL) {
        open_list_add(t);
        return;
    }
    sb__task_wake(t, SB__WAKE_CLOSED); /* out of its queue */
    t->is_ready = false;
    sb__task **p = &s->ready;
    while (*p != t)
        p = &(*p)->rnext;
    *p = t->rnext;
    if (t->rnext == NULL)
        s->ready_tail = p;
    fail_with(t, refusal);
}

static void count_time(sb_script *s, uint64_t ns, uint32_t weight)
{
    static const uint64_t bound[] = {1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};
    unsigned i = 0;
    while (i < 7 && ns > bound[i])
        i++;
    s->stats.seconds_bucket[i] += weight;
    s->stats.time_ns += ns * weight;
}

static void measure_begin(sb__task *t)
{
    sb_script *s = t->script;
    if (s->stats.calls >= s->tune_at) {
        tune_collector(s);
        s->tune_at = s->stats.calls + TUNE_EACH;
    }
    t->handled = 1;
    t->timed_from = s->runs++ % TIME_SAMPLE == 0 ? sb__limits_clock() : 0;
}

/* A run of messages counts as so many of the same length. */
static void measure_end(sb__task *t)
{
    t->script->stats.calls += t->handled;
    if (t->timed_from == 0)
        return;
    uint64_t ns = (sb__limits_clock() - t->timed_from) / t->handled;
    count_time(t->script, ns, TIME_SAMPLE * t->handled);
    sb__slow_note(t->script, t, ns);
}

/* What it says and sends from now on is about that client again. */
static void show_client(sb__task *t)
{
    sb_peer *peer = t->client != NULL ? sb__task_peer(t) : NULL;
    if (peer == NULL)
        return;
    const sb_client client = {.address = t->client, .user_id = t->client + strlen(t->client) + 1};
    sb_peer_set_client(peer, &client);
}

static int resume(sb__task *t, int *nres)
{
    sb_script *s = t->script;
    int nargs = 0;
    if (!t->started) {
        t->started = true;
        nargs = t->nargs;
        if (t->kind->body != NULL)
            lua_pushcfunction(t->co, t->kind->body);
    }
    show_client(t);
    s->current = t;
    sb__limits_enter(&s->limits, t->co);
    int status = lua_resume(t->co, s->L, nargs, nres);
    t->stopped = sb__limits_leave(&s->limits);
    if (t->stopped && status == LUA_OK)
        sb__fault_note(s, t->ls, NULL, t->kind->name, "ran longer than its time and hid the error");
    s->current = NULL;
    return status;
}

static void run_one(sb__task *t)
{
    int nres;
    measure_begin(t);
    int status = resume(t, &nres);
    measure_end(t);
    t->given = NULL;
    if (status == LUA_OK) {
        lua_settop(t->co, 0);
        end(t);
    } else if (status == LUA_YIELD) {
        lua_pop(t->co, nres);
        suspend(t);
    } else {
        fail(t, status);
    }
}

static void resume_sockets(sb_script *s)
{
    while (s->resume != NULL) {
        sb__lsock *ls = s->resume;
        s->resume = ls->resume_next;
        ls->resume_later = false;
        if (!ls->closing)
            sb_socket_resume(ls->sock);
    }
}

void sb__task_run(sb__task *t)
{
    sb_script *s = t->script;
    run_one(t);
    if (s->ready != NULL || s->resume != NULL)
        sb__tasks_drain(s);
}

void sb__task_ready(sb__task *t)
{
    sb_script *s = t->script;
    if (t->is_ready)
        return;
    if (!t->started && !t->is_open)
        open_list_add(t);
    t->is_ready = true;
    t->rnext = NULL;
    *s->ready_tail = t;
    s->ready_tail = &t->rnext;
}

static sb__task *ready_pop(sb_script *s)
{
    sb__task *t = s->ready;
    s->ready = t->rnext;
    if (s->ready == NULL)
        s->ready_tail = &s->ready;
    t->is_ready = false;
    return t;
}

void sb__tasks_drain(sb_script *s)
{
    if (s->current != NULL || s->toplevel)
        return;
    for (int i = 0; s->ready != NULL && i < DRAIN_MAX; i++)
        run_one(ready_pop(s));
    resume_sockets(s);
    if (s->ready != NULL)
        sb_timer_start(s->loop, &s->kick, sb_loop_now(s->loop));
}

void sb__tasks_finish(sb_script *s)
{
    for (sb__task *t; (t = s->open) != NULL;) {
        sb_timer_stop(s->loop, &t->timer);
        release(t);
        t->is_ready = false;
        sb__task_give_back(t);
    }
    for (sb__task *t; (t = s->free) != NULL;) {
        s->free = t->next;
        free(t);
    }
    s->ready = NULL;
    sb_timer_stop(s->loop, &s->kick);
}

sb_peer *sb__task_peer(sb__task *t)
{
    if (t->peer != NULL)
        return t->peer;
    if (t->ls == NULL || t->ls->closing || t->peer_id == 0)
        return NULL;
    return sb_socket_find_peer(t->ls->sock, t->peer_id);
}
