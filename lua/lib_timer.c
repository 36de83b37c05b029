/* Tasks and time for scripts: sb.spawn, sb.every, sb.after, sb.sleep, sb.now. */
#include "lua/socket.h"

#include <stdlib.h>
#include <time.h>

#define TIMER_MAGIC 0x5342544du

typedef struct timer_object {
    uint32_t magic;
    sb__ltimer *tm; /* NULL once it is over */
} timer_object;

/* One every or after. */
struct sb__ltimer {
    sb_timer timer; /* first */
    sb_script *script;
    timer_object *object; /* NULL when it was collected */
    int fn;
    uint64_t interval; /* 0: once */
    bool busy;         /* its function waits somewhere */
    bool over;
    sb__ltimer *next, *prev;
};

/* ---- life ---- */

static void timer_free(sb__ltimer *tm)
{
    sb_script *s = tm->script;
    s->ntimers--;
    sb_timer_stop(s->loop, &tm->timer);
    sb__unref(s->L, &tm->fn);
    if (tm->object != NULL)
        tm->object->tm = NULL;
    if (tm->prev != NULL)
        tm->prev->next = tm->next;
    else
        s->timers = tm->next;
    if (tm->next != NULL)
        tm->next->prev = tm->prev;
    free(tm);
}

static void timer_end(sb__ltimer *tm)
{
    tm->over = true;
    sb_timer_stop(tm->script->loop, &tm->timer);
    if (!tm->busy)
        timer_free(tm);
}

static void tick_ended(sb__task *t, const char *reason, const char *where)
{
    (void)reason;
    (void)where;
    sb__ltimer *tm = t->u.tick.timer;
    tm->busy = false;
    if (tm->over)
        timer_free(tm);
}

static const sb__task_kind tick_kind = {.name = "timer", .ended = tick_ended};

static void tick(sb__ltimer *tm, bool exiting)
{
    sb_script *s = tm->script;
    sb__task *t = tm->busy ? NULL : sb__task_take(s, &tick_kind, NULL);
    if (t == NULL)
        return; /* the last one still waits, or there is no memory: tried again next time */
    tm->busy = true;
    t->u.tick.timer = tm;
    t->nargs = 1;
    lua_rawgeti(t->co, LUA_REGISTRYINDEX, tm->fn);
    lua_pushboolean(t->co, exiting);
    sb__task_run(t);
}

static void on_expire(sb_timer *timer)
{
    sb__ltimer *tm = (sb__ltimer *)timer;
    uint64_t now = sb_loop_now(tm->script->loop);
    if (tm->interval == 0) {
        tm->over = true; /* freed by its last tick */
    } else {
        uint64_t next = timer->deadline + tm->interval;
        sb_timer_start(
            tm->script->loop, timer, next > now ? next : now + tm->interval); /* missed ticks are skipped */
    }
    tick(tm, false);
}

static int push_timer(lua_State *L, uint64_t interval, uint64_t first)
{
    sb_script *s = sb__script_of(L);
    if (s->ntimers >= s->max_tasks)
        return sb__push_error(L, SB_EAGAIN, "too many timers");
    timer_object *obj = lua_newuserdatauv(L, sizeof(*obj), 0);
    *obj = (timer_object){.magic = TIMER_MAGIC};
    luaL_setmetatable(L, "timer");
    if (s->phase == SB_SCRIPT_DECLARE) {
        s->recorded++;
        return 1;
    }
    lua_pushvalue(L, 2);
    int fn = luaL_ref(L, LUA_REGISTRYINDEX);
    sb__ltimer *tm = calloc(1, sizeof(*tm));
    if (tm == NULL)
        return sb__no_memory(L);
    *tm = (sb__ltimer){.script = s, .object = obj, .fn = fn, .interval = interval, .next = s->timers};
    obj->tm = tm;
    if (s->timers != NULL)
        s->timers->prev = tm;
    s->timers = tm;
    s->ntimers++;
    sb_timer_init(&tm->timer, on_expire);
    if (sb_timer_start(s->loop, &tm->timer, sb__script_deadline(s, first)) != SB_OK)
        return sb__no_memory(L);
    return 1;
}

/* ---- for scripts ---- */

static int timer_every(lua_State *L)
{
    uint64_t ns = sb__arg_time(L, 1, SB_NEVER);
    luaL_argcheck(L, ns >= SB_NS_PER_MS / 10 && ns != SB_NEVER, 1, "an interval is at least 0.0001 seconds");
    luaL_checktype(L, 2, LUA_TFUNCTION);
    return push_timer(L, ns, ns);
}

static int timer_after(lua_State *L)
{
    uint64_t ns = sb__arg_time(L, 1, SB_NEVER);
    luaL_argcheck(L, ns != SB_NEVER, 1, "a delay in seconds expected");
    luaL_checktype(L, 2, LUA_TFUNCTION);
    return push_timer(L, 0, ns);
}

static int timer_cancel(lua_State *L)
{
    timer_object *obj = sb__to_object(L, 1, TIMER_MAGIC, sizeof(*obj));
    if (obj == NULL)
        return luaL_typeerror(L, 1, "timer");
    sb__ltimer *tm = obj->tm;
    lua_pushboolean(L, tm != NULL);
    if (tm == NULL)
        return 1;
    obj->tm = NULL;
    tm->object = NULL;
    timer_end(tm);
    return 1;
}

static int timer_gc(lua_State *L)
{
    timer_object *obj = lua_touserdata(L, 1);
    if (obj->tm != NULL)
        obj->tm->object = NULL; /* goes on by itself */
    obj->tm = NULL;
    return 0;
}

static const sb__task_kind spawn_kind = {.name = "task"};

static int task_spawn(lua_State *L)
{
    sb_script *s = sb__script_of(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    int n = lua_gettop(L);
    if (s->phase == SB_SCRIPT_DECLARE) {
        s->recorded++;
        return 0;
    }
    if (s->stats.tasks >= s->max_tasks)
        return sb__push_error(L, SB_EAGAIN, "too many open tasks");
    sb__task *t = sb__task_take(s, &spawn_kind, NULL);
    if (t == NULL || !lua_checkstack(t->co, n))
        return sb__no_memory(L);
    lua_xmove(L, t->co, n);
    t->nargs = n - 1;
    sb__task_ready(t);
    lua_pushboolean(L, 1);
    return 1;
}

static int sleep_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    sb__task *t = (sb__task *)ctx;
    if (t->wake != SB__WAKE_TIMEOUT)
        return sb__wait_failed(L, t);
    lua_pushboolean(L, 1);
    return 1;
}

static int task_sleep(lua_State *L)
{
    uint64_t ns = sb__arg_time(L, 1, SB_NEVER);
    luaL_argcheck(L, ns != SB_NEVER, 1, "seconds expected");
    sb__task *t = sb__task_waiter(L, "sb.sleep");
    if (t->script->exiting)
        return sb__push_error(L, SB_ECANCELED, "exiting");
    return sb__task_wait(L, t, NULL, sb__script_deadline(t->script, ns), sleep_k, (lua_KContext)t);
}

static int wall_clock(lua_State *L)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    lua_pushnumber(L, (lua_Number)ts.tv_sec + (lua_Number)ts.tv_nsec / 1e9);
    return 1;
}

/* ---- the end ---- */

void sb__timers_exiting(sb_script *s)
{
    for (sb__ltimer *tm = s->timers, *next; tm != NULL; tm = next) {
        next = tm->next;
        sb_timer_stop(s->loop, &tm->timer);
    }
    sb__ltimer *tm = s->timers;
    while (tm != NULL) { /* functions may cancel any timer: begin again after each */
        if (tm->over || tm->interval == 0 || tm->busy) {
            tm = tm->next;
            continue;
        }
        tm->over = true;
        tick(tm, true);
        tm = s->timers;
    }
}

void sb__timers_finish(sb_script *s)
{
    while (s->timers != NULL)
        timer_free(s->timers);
}

/* ---- tables ---- */

static const luaL_Reg timer_methods[] = {
    {"cancel", timer_cancel},
    {NULL, NULL},
};

static const luaL_Reg timer_meta[] = {
    {"__gc", timer_gc},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"spawn", task_spawn},
    {"every", timer_every},
    {"after", timer_after},
    {"sleep", task_sleep},
    {"now", wall_clock},
    {NULL, NULL},
};

void sb__open_timer(lua_State *L)
{
    sb__metatable(L, "timer", timer_meta);
    luaL_newlib(L, timer_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
