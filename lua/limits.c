/* How long a handler may run. */
#include "lua/limits.h"
#include "lua/state.h"

#include <lauxlib.h>
#include <time.h>

#define HOOK_COUNT 1000

static uint64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * SB_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t sb__limits_clock(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static int raise_late(lua_State *L, const sb__limits *lim)
{
    luaL_where(L, 0);
    if (lua_tostring(L, -1)[0] == '\0') {
        lua_pop(L, 1);
        luaL_where(L, 1);
    }
    lua_pushfstring(L, "ran longer than %d ms", (int)(lim->budget / SB_NS_PER_MS));
    lua_concat(L, 2);
    return lua_error(L);
}

static void hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    sb__limits *lim = &sb__script_of(L)->limits;
    if (sb__limits_late(lim)) {
        lua_sethook(L, hook, LUA_MASKCOUNT, 1); /* pcall may swallow this error, not the next ones */
        raise_late(L, lim);
    }
    if (lua_gethookcount(L) != HOOK_COUNT)
        sb__limits_install(L); /* a coroutine that was stopped in an earlier run */
}

void sb__limits_install(lua_State *L)
{
    lua_sethook(L, hook, LUA_MASKCOUNT, HOOK_COUNT);
}

void sb__limits_init(sb__limits *lim, uint64_t budget)
{
    *lim = (sb__limits){.budget = budget};
}

bool sb__limits_leave(sb__limits *lim)
{
    bool late = lim->late;
    if (late)
        sb__limits_install(lim->top);
    lim->running = lim->late = false;
    return late;
}

bool sb__limits_late(sb__limits *lim)
{
    if (!lim->running || lim->late)
        return lim->late && lim->running;
    uint64_t now = sb__limits_clock();
    if (lim->started == 0) {
        lim->started = now;
        lim->started_cpu = read_clock(CLOCK_THREAD_CPUTIME_ID);
    }
    if (now - lim->started < lim->budget)
        return false;
    /* A thread that the kernel let wait has not worked; asked last, because this clock is a system call. */
    if (read_clock(CLOCK_THREAD_CPUTIME_ID) - lim->started_cpu < lim->budget)
        return false;
    lim->late = true;
    lua_sethook(lim->top, hook, LUA_MASKCOUNT, 1);
    return true;
}

void sb__limits_check(lua_State *L)
{
    sb__limits *lim = &sb__script_of(L)->limits;
    if (sb__limits_late(lim))
        raise_late(L, lim);
}
