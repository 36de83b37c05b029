/* Tasks: coroutines that run handlers and spawned functions, one at a time, and wait for sockets and time.
 *
 * A task takes a coroutine from the pool, runs its kind's body in it, and gives it back when the body has
 * returned. Only when the body waits (yields) does the task keep its coroutine; then it is "open" until it
 * ends. Nothing ever runs inside something else: what happens while Lua runs becomes ready and is run when
 * Lua has returned. */
#ifndef SB_LUA_TASK_H
#define SB_LUA_TASK_H

#include "lua/state.h"

typedef struct sb__task_kind {
    const char *name; /* "on_message" */
    /* Runs in the coroutine, protected; NULL: the function and its arguments were put on the coroutine's
     * stack. */
    lua_CFunction body;
    /* The body ended (reason NULL) or failed; called outside Lua, before the task is recycled. May be NULL.
     */
    void (*ended)(sb__task *t, const char *reason, const char *where);
    /* The body yielded for the first time: take hold of what was borrowed. Anything but SB_OK ends the task.
     * May be NULL. */
    sb_err (*suspended)(sb__task *t);
} sb__task_kind;

typedef enum sb__wake { SB__WAKE_EVENT, SB__WAKE_TIMEOUT, SB__WAKE_EXITING, SB__WAKE_CLOSED } sb__wake;

/* Tasks that wait for the same thing, oldest first. */
typedef struct sb__waitq {
    sb__task *first, *last;
} sb__waitq;

struct sb__lmsg;

/* A request whose answer a task waits for (socket_request.c). */
typedef struct sb__request {
    uint32_t id;
    bool listed;
    sb_msg *answer; /* kept */
    sb__task *task;
    struct sb__request *next;
} sb__request;

struct sb__task {
    sb_script *script;
    lua_State *co;
    int co_ref;
    const sb__task_kind *kind;
    int nargs; /* for the first run of a task without body */
    bool started, is_open, is_ready, waiting;
    bool stopped;        /* its last run was out of time */
    uint64_t timed_from; /* ns when this run is measured, else 0 */
    uint32_t handled;    /* messages of this run */

    /* what a handler works on; NULL and 0 for plain tasks */
    sb__lsock *ls;
    sb_peer *peer; /* only until the first yield, then peer_id */
    uint64_t peer_id;
    bool paused;             /* this task has paused its peer */
    char *client;            /* once it waits: for whom that peer spoke, address and user; NULL: for itself */
    sb_msg *view;            /* the message as it came; the engine's until the first yield, then orig */
    sb_msg *orig;            /* a copy of its own since the first yield, else NULL */
    struct sb__lmsg *msg;    /* the message object in hand; lives on the coroutine's stack */
    sb_msg edit;             /* what it shows once it was edited */
    int fn;                  /* registry reference of the function to call */
    struct sb__quick *quick; /* what it does, NULL: it is Lua's */
    sb_route_call *call;     /* the row it stands in, NULL: none */
    union {
        struct {
            sb_subscription *sub;
            sb_verdict *out; /* while the engine's question is still on the C stack, else NULL */
        } ask;
        struct {
            sb__ltimer *timer;
        } tick;
        struct {
            uint64_t id;
            int request; /* registry reference of its table */
        } auth;
    } u;

    /* waiting */
    sb__wake wake;
    uint64_t deadline;    /* of the whole wait, ns */
    sb__lsock *requester; /* the socket whose request this task waits for; referenced */
    sb__request request;
    sb_msg *given; /* handed over by on_msg: to be copied in the continuation; valid during this resume */
    sb_peer *given_peer;
    sb_timer timer;
    sb__waitq *queue;
    sb__task *qnext, *qprev;

    sb__task *next, *prev; /* free list or open list */
    sb__task *rnext;       /* ready list */
};

/* A task from the pool, with an empty coroutine; NULL when out of memory (logged). It is run, or given back.
 */
sb__task *sb__task_take(sb_script *s, const sb__task_kind *kind, sb__lsock *ls);
void sb__task_give_back(sb__task *t);
/* Runs it now; only when nothing runs (s->current == NULL). The task may be gone afterwards. */
void sb__task_run(sb__task *t);
/* Runs it when nothing runs: at the end of the current run, or in the next turn. */
void sb__task_ready(sb__task *t);
/* Runs what is ready, a bounded number; the rest comes in the next turn. */
void sb__tasks_drain(sb_script *s);
void sb__tasks_init(sb_script *s);

/* The current task, if this code may wait; raises a clear error if not. */
sb__task *sb__task_waiter(lua_State *L, const char *what);
/* Whether sb__task_waiter would succeed. */
bool sb__task_can_wait(lua_State *L);
/* Suspends the current task until woken; k then looks at t->wake. q may be NULL. deadline in ns, SB_NEVER for
 * none. `return sb__task_wait(...)`. */
int sb__task_wait(
    lua_State *L, sb__task *t, sb__waitq *q, uint64_t deadline, lua_KFunction k, lua_KContext ctx);
/* Wakes a waiting task: it becomes ready. */
void sb__task_wake(sb__task *t, sb__wake why);
void sb__waitq_wake(sb__waitq *q, sb__wake why);
/* Wakes everything that waits, on exit. */
void sb__tasks_exiting(sb_script *s);
/* Ends all tasks without running them. */
void sb__tasks_finish(sb_script *s);

/* The peer a handler's message came from, NULL when it is gone. */
sb_peer *sb__task_peer(sb__task *t);

#endif
