/* Scripts: the one header of the Lua side that hosts include. Lua itself stays behind it. */
#ifndef SB_SCRIPT_H
#define SB_SCRIPT_H

#include "engine/context.h"
#include "engine/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_script sb_script;

typedef enum sb_script_phase {
    /* Top level only, against an engine on the fake loop (no I/O happens): yields sockets, binds and checked
     * routes. Tasks, timers and requests are recorded and never run. */
    SB_SCRIPT_DECLARE,
    SB_SCRIPT_RUN
} sb_script_phase;

typedef struct sb_script_config {
    const char *name;   /* for messages: "routes.lua" */
    const char *source; /* Lua 5.4 text; copied */
    size_t source_len;
    const char *const *args; /* "key=value"; become the chunk's one argument, a table */
    size_t nargs;
    sb_script_phase phase;
    size_t memory;         /* octets of the Lua state, 0 = 64 MiB */
    uint64_t handler_time; /* ns of processor time per handler, 0 = 50 ms */
    uint32_t max_tasks;    /* open tasks, 0 = 10000 */
    bool libs_unsafe;      /* also io, os, debug and package */
    /* What sb.shared keeps its dictionaries in: zeroed memory of the host's, the same for all scripts,
     * workers and generations, at least as long-lived as they are; aligned to 64. zone NULL with a size: the
     * script's own (a declare pass). size 0: sb.shared is an error. Too small a size, or memory of another
     * layout: SB_EINVAL. */
    void *zone;
    size_t zone_size;
} sb_script_config;

/* Makes a Lua state of its own, runs the top level, connects sockets and handlers to the engine. On failure
 * nothing of the script is left and err holds "routes.lua:12: unknown option 'rcvhvm', did you mean
 * 'rcvhwm'?". SB_EINVAL for errors of the script, SB_EADDRINUSE and friends for binds, SB_ENOMEM. The script
 * must be destroyed before the engine. */
sb_err sb_script_load(
    sb_engine *engine, const sb_script_config *cfg, char *err, size_t err_cap, sb_script **out);
/* Ends tasks and timers, closes its sockets (their linger is the engine's matter), frees the state. Not from
 * inside a callback. NULL is allowed. */
void sb_script_destroy(sb_script *script);

/* The host is about to drain: waits return nil, "exiting", "ECANCELED"; sb.every functions get exiting = true
 * once. */
void sb_script_exiting(sb_script *script);

typedef struct sb_script_stats {
    uint64_t errors, calls;
    uint64_t time_ns;           /* spent in handlers */
    uint64_t seconds_bucket[8]; /* calls that took at most 1us 10us 100us 1ms 10ms 100ms 1s, more */
    size_t memory;              /* octets now */
    uint32_t tasks;             /* open now */
} sb_script_stats;
void sb_script_get_stats(const sb_script *script, sb_script_stats *out);

/* The last errors of the script, newest first; the same one again only counts. Strings are borrowed for the
 * call. */
typedef struct sb_script_fault {
    uint64_t time;      /* of the last one, on the engine's clock (ns) */
    const char *what;   /* "front on_message" */
    const char *where;  /* "routes.lua:12", "" if unknown */
    const char *reason; /* one line */
    uint64_t count;
} sb_script_fault;
void sb_script_each_fault(
    const sb_script *script, void (*fn)(void *arg, const sb_script_fault *fault), void *arg);

/* The slowest handlers, at most eight, in no order; of the runs that were timed, which is one of some. */
typedef struct sb_script_slow {
    const char *what; /* "front on_message" */
    uint64_t runs, mean_ns, max_ns;
} sb_script_slow;
void sb_script_each_slow(
    const sb_script *script, void (*fn)(void *arg, const sb_script_slow *slow), void *arg);

/* The script's own numbers (sb.metrics{counter = ...} or {gauge = ...}): names of letters, digits and _. */
void sb_script_each_metric(const sb_script *script,
    void (*fn)(void *arg, const char *name, const char *help, bool counter, double value), void *arg);

/* Reads a file and loads it with SB_SCRIPT_RUN; args as above. When out is NULL the script ends with the
 * engine: when sb_engine_destroy, or the end of a drain, closes the last of its sockets (it needs one). */
sb_err sb_engine_load(sb_engine *engine, const char *path, const char *const *args, size_t nargs, char *err,
    size_t err_cap, sb_script **out);

#ifdef __cplusplus
}
#endif
#endif
