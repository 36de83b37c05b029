/* One script's state, shared by the files of lua/. Below: alloc, limits. Above: the lib_*.c files and
 * script.c. */
#ifndef SB_LUA_STATE_H
#define SB_LUA_STATE_H

#include "engine/base/zone.h"
#include "engine/signalbox.h"
#include "lua/alloc.h"
#include "lua/limits.h"
#include "lua/script.h"

#include <lauxlib.h>
#include <lua.h>

typedef struct sb__task sb__task;
typedef struct sb__lsock sb__lsock;
typedef struct sb__ltimer sb__ltimer;
typedef struct sb__lmetric sb__lmetric;

/* Sentinels a handler may return; compared by address. */
typedef enum sb__token { SB__DROP, SB__ACCEPT, SB__DENY, SB__TOKENS } sb__token;

/* Message objects of handlers that take turns. */
#define SB__VIEWS 64
typedef struct sb__view {
    struct sb__lmsg *object; /* NULL: none yet */
    int ref;                 /* keeps it alive */
} sb__view;

/* An error as the status shows it. */
#define SB__FAULTS 16
typedef struct sb__fault {
    uint64_t time, count; /* count 0: empty */
    char what[64], where[96], reason[200];
} sb__fault;

/* A handler among those that took longest (slow.c). */
#define SB__SLOW 8
typedef struct sb__slow {
    const void *socket, *handler; /* compared only */
    char what[96];
    uint64_t runs, ns, max_ns; /* of those that were timed; runs 0: free */
} sb__slow;

struct sb_script {
    sb_engine *engine;
    sb_loop *loop;
    lua_State *L;
    char *name;
    sb_script_phase phase;
    uint32_t max_tasks;
    bool toplevel; /* the chunk itself runs: nothing may wait */
    bool exiting;
    bool ends_with_engine; /* nobody holds the script */
    bool sealed;           /* no code of the script can change what values of the engine's do */
    sb_err load_err;       /* why the top level failed, when it was not the script's own fault */
    sb__alloc alloc;
    sb__limits limits;

    /* tasks */
    sb__task *current;             /* whose coroutine runs; NULL outside Lua */
    sb__task *free, *open;         /* idle ones; all that are suspended or ready */
    sb__task *ready, **ready_tail; /* to be run when nothing runs */
    sb_timer kick;                 /* runs the ready ones in a later turn */
    sb__lsock *resume;             /* sockets that were told "not now" while a handler ran */

    sb_authenticator authenticator;
    int authenticate; /* registry reference of its function */

    sb__zone zone;  /* head NULL: none */
    void *own_zone; /* NULL: the host's, or none */
    sb__lsock *sockets;
    sb__ltimer *timers;
    uint32_t ntimers; /* at most max_tasks */
    sb__lmetric *metrics;
    uint64_t runs;       /* of tasks */
    uint64_t quick;      /* messages that were dealt with without Lua */
    uint32_t asked;      /* filters that ran, perhaps in the middle of something */
    uint64_t tune_at;    /* the collector is looked after when so many calls were made */
    uint64_t collect_at; /* not before: garbage is collected after a lack of memory, ns */
    uint32_t handlers;   /* changes with every route, pipe and handler that is set */
    uint32_t recorded;   /* declare phase: tasks, timers and requests that were not run */
    uint64_t request_id; /* of the last request of a DEALER */
    uint64_t requests_made;

    /* registry references */
    int peers_ref;   /* weak: connection number -> peer object */
    int sockets_ref; /* weak: sb__lsock -> socket object */
    int mt_kept;
    const void *token[SB__TOKENS];
    sb__view views[SB__VIEWS];
    unsigned view_turn;

    /* faults */
    uint64_t fault_second;
    uint32_t faults_in_second, faults_hidden;
    sb__fault faults[SB__FAULTS]; /* newest first */
    sb__slow slow[SB__SLOW];
    sb_script_stats stats;
};

/* The script a state or coroutine belongs to. */
static inline sb_script *sb__script_of(lua_State *L)
{
    return *(sb_script **)lua_getextraspace(L);
}

/* slow.c: a run of a task was timed. */
void sb__slow_note(sb_script *s, const sb__task *t, uint64_t ns);

/* ---- values and errors (value.c) ---- */

/* Raises for memory that was not Lua's own. */
int sb__no_memory(lua_State *L);
/* Pushes nil, text, ENAME; returns 3. text NULL: the error's own. */
int sb__push_error(lua_State *L, sb_err err, const char *text);
/* A time in ns from argument `arg`: seconds, or "500ms"; nil or none: def; negative: SB_NEVER. Raises. */
uint64_t sb__arg_time(lua_State *L, int arg, uint64_t def);
/* now + ns without overflow. */
uint64_t sb__script_deadline(const sb_script *s, uint64_t ns);
/* A value that is one of our userdata of this kind (its first member is the magic number), else NULL. */
void *sb__to_object(lua_State *L, int idx, uint32_t magic, size_t size);
/* Makes a metatable (name NULL: one that is not registered) that scripts cannot see, with `methods` as
 * fields; __index stays to the caller. Leaves it on the stack. */
void sb__metatable(lua_State *L, const char *name, const luaL_Reg *metamethods);
/* Whether the value is this sentinel. */
bool sb__is_token(lua_State *L, int idx, sb__token token);
/* Drops a registry reference and forgets it. */
void sb__unref(lua_State *L, int *ref);

/* ---- faults (fault.c) ---- */

/* A line to the host's log that begins with the script's name and ends with the socket and the peer it is
 * about; both may be NULL. */
void sb__log(
    sb_script *s, const sb__lsock *ls, sb_peer *peer, sb_log_level level, const char *text, size_t len);
/* Logs the error a task ended with, with its traceback, rate limited, and counts it. `what` is where it
 * happened ("front on_message"). The error object is on top of its coroutine; it stays. `where` (of `cap`
 * octets) gets "routes.lua:12" or "". */
void sb__fault_report(
    sb__task *t, const char *what, char *reason, size_t reason_cap, char *where, size_t where_cap);
/* The text of the error object on top of a coroutine; it stays there, and the text is on top of the script's
 * own stack until it is popped. `traced`: with a traceback. */
const char *sb__fault_text(sb_script *s, lua_State *co, bool traced);
/* Adds to the text on top what name was probably meant, if it complains of a call to nothing (hint.c). */
void sb__hint(lua_State *L);
/* A fault without traceback, at a socket and a peer, or (NULL) none. */
void sb__fault_note(sb_script *s, const sb__lsock *ls, sb_peer *peer, const char *what, const char *text);
/* Counts and says whether this one may be logged. */
bool sb__fault_admit(sb_script *s);
/* "routes.lua:12" of the Lua function at idx, "" for C. */
void sb__fault_where_function(lua_State *L, int idx, char *out, size_t cap);

/* ---- what the module table is made of; each leaves its functions in the table on top of the stack ---- */
void sb__open_message(lua_State *L);
void sb__open_peer(lua_State *L);
void sb__open_socket(lua_State *L);
void sb__open_timer(lua_State *L);
void sb__open_log(lua_State *L);
void sb__open_metrics(lua_State *L);
void sb__open_proxy(lua_State *L);
void sb__open_auth(lua_State *L);
void sb__open_shared(lua_State *L);
/* The module itself: pushes its table (lib_signalbox.c). */
int sb__open_signalbox(lua_State *L);
/* Libraries open to scripts and the guards around them; leaves nothing. */
void sb__open_sandbox(lua_State *L, bool libs_unsafe);
void sb__open_string(lua_State *L);
void sb__open_table(lua_State *L);
void sb__open_coroutine(lua_State *L);
int sb__xpcall(lua_State *L);
/* cjson and cjson.safe: pushes the module. */
int sb__open_json(lua_State *L);
int sb__open_json_safe(lua_State *L);

/* ---- lib_shared.c: the script's zone, before its state is opened and after it is closed ---- */
sb_err sb__shared_init(sb_script *s, void *zone, size_t size);
void sb__shared_finish(sb_script *s);

/* ---- teardown ---- */
void sb__authenticate_finish(sb_script *s);
void sb__timers_exiting(sb_script *s);
void sb__timers_finish(sb_script *s);
void sb__metrics_finish(sb_script *s);

#endif
