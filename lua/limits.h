/* How long a handler may run. One sb__limits per script; a count hook on every coroutine looks at the clock.
 */
#ifndef SB_LUA_LIMITS_H
#define SB_LUA_LIMITS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sb__limits {
    uint64_t budget;      /* ns of processor time per run */
    uint64_t started;     /* when the clock was first looked at in this run, 0: not yet */
    uint64_t started_cpu; /* processor time of the thread then */
    bool running;
    bool late;      /* out of time: every instruction raises until the run is over */
    lua_State *top; /* the coroutine that runs */
} sb__limits;

uint64_t sb__limits_clock(void); /* ns, monotonic, uncached */

void sb__limits_init(sb__limits *lim, uint64_t budget);
/* Puts the hook on a state; coroutines made from it inherit it. */
void sb__limits_install(lua_State *L);

/* A run of `top` begins. Cheap: the clock is first looked at by the hook. */
static inline void sb__limits_enter(sb__limits *lim, lua_State *top)
{
    lim->started = 0;
    lim->late = false;
    lim->running = true;
    lim->top = top;
}
/* The run is over; true if it was out of time. */
bool sb__limits_leave(sb__limits *lim);

/* How many steps of about `ns` each fit into one run: what a C function, which no hook interrupts, may be
 * given at once. */
static inline size_t sb__limits_steps(const sb__limits *lim, unsigned ns)
{
    return (size_t)(lim->budget / ns);
}

/* Looks at the clock; true when the run is out of time, and from then on. Does not raise. */
bool sb__limits_late(sb__limits *lim);
/* The same, and raises. For C functions that take long. */
void sb__limits_check(lua_State *L);

#endif
