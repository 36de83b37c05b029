/* Signalbox in nginx: what the files of this folder share.
 *
 * nginx's dialect here, the engine's behind the table of modules/library/api.h. The configuration belongs to
 * a cycle; the worker part belongs to the configuration and lives from init_process to exit_process. */
#ifndef NGX_SIGNALBOX_MODULE_H
#define NGX_SIGNALBOX_MODULE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "modules/library/api.h"

/* nginx loads modules into one symbol space: nothing of ours belongs there. */
#pragma GCC visibility push(hidden)

typedef struct ngx_signalbox_worker_s ngx_signalbox_worker_t;

/* One `script` line. The text is read once, by the master: master and worker run the same bytes. */
typedef struct {
    ngx_str_t path; /* full */
    ngx_str_t name; /* for messages, as it was given */
    ngx_str_t text;
    ngx_array_t args; /* of char *, "key=value" */
    ngx_str_t file;   /* where the line stands */
    ngx_uint_t line;
} ngx_signalbox_script_t;

/* One bind that nginx listens for. Reached from ngx_listening_t.servers. */
typedef struct {
    char *endpoint;    /* as the script gave it */
    ngx_uint_t spread; /* every worker has a listening socket of its own */
    int fd;            /* the owner worker's duplicate of the listening socket, -1: none */
} ngx_signalbox_listen_t;

#define NGX_SIGNALBOX_ZONE_NAME 64 /* longest name of a zone */

/* Memory that outlives this configuration. Shared by the configurations that name it alike. */
typedef struct {
    ngx_str_t name;
    size_t size;
    int fd; /* a file without a name, the same number in every process */
    ngx_uint_t refs;
} ngx_signalbox_kept_t;

typedef struct ngx_signalbox_lock_s ngx_signalbox_lock_t;

typedef struct ngx_signalbox_conf_s {
    ngx_array_t scripts;  /* of ngx_signalbox_script_t */
    ngx_array_t listens;  /* of ngx_signalbox_listen_t * */
    ngx_array_t accesses; /* of ngx_signalbox_access_t * */
    ngx_array_t kept;     /* of ngx_signalbox_kept_t * */
    ngx_signalbox_kept_t *lock;
    ngx_str_t zone_name; /* empty: no zone */
    size_t zone_size;
    ngx_signalbox_kept_t *zone;
    void *zone_memory;  /* in workers */
    ngx_uint_t overlap; /* connects do not wait for the old generation's end */
    ngx_str_t library;  /* directive; empty: next to this module */
    char *backend;
    ngx_int_t owner; /* index of the worker that runs the scripts */
    ngx_uint_t all;  /* ... or all do */
    ngx_uint_t workers;
    size_t memory;
    size_t queue_limit;
    ngx_msec_t handler_time;
    ngx_msec_t linger;
    ngx_uint_t max_peers;
    ngx_uint_t max_peers_set; /* by the directive */
    const sb_api *api;
    /* For ngx_stream_signalbox_module, which is a file of its own and can only reach what hangs here: a
     * connection to a socket of the scripts, -1 when it cannot be had now. */
    int (*dial)(struct ngx_signalbox_conf_s *conf, const char *socket, const char *from, const char *user);
    sb_plan *plan;         /* from the block's end until the whole configuration is read */
    ngx_array_t *uses;     /* of ngx_signalbox_use_t: sockets that HTTP locations name; may be NULL */
    sb_mesh_box *boxes;    /* one per worker, when workers have to reach each other */
    ngx_uint_t nboxes, me; /* me: this worker's number */
    ngx_uint_t meshed;     /* workers without scripts reach those with them */
    int olds[SB_HEIR_OLD]; /* ways into boxes of the workers with scripts of older configurations */
    ngx_uint_t old_workers[SB_HEIR_OLD], nolds;
    ngx_signalbox_worker_t *worker; /* NULL in the master and in workers that have no engine */
} ngx_signalbox_conf_t;

struct ngx_signalbox_worker_s {
    sb_host host; /* what the engine sees; first member */
    ngx_signalbox_conf_t *conf;
    const sb_api *api;
    ngx_log_t *log;
    sb_board *board; /* NULL: ended */
    sb_engine *engine;
    sb_tap tap;                /* of access logs */
    sb_mesh *mesh;             /* the owner's */
    sb_team_host *team;        /* of a worker with mates; lives longer than the board */
    sb_heir *heir;             /* the owner's; lives longer than the board */
    sb_gate *gate;             /* the owner's; lives longer than the board */
    sb_gateway *gateway;       /* likewise; NULL: no location wants one */
    ngx_connection_t *loop;    /* the engine's descriptor */
    ngx_connection_t *watcher; /* its read handler is called when the worker shall quit */
    ngx_connection_t nobody;   /* what timers point at: no descriptor */
    ngx_event_t timer;         /* the engine's next deadline */
    ngx_event_t step;          /* posted: step in the next turn */
    ngx_event_t hold;          /* keeps a quitting worker alive while it drains */
    ngx_event_t takeover;      /* looks whether the old generation is gone */
    ngx_signalbox_lock_t *lock;
    sb_ledger *ledger;  /* NULL: no zone */
    ngx_event_t keeper; /* puts counters into the zone */
    ngx_msec_t quit;    /* when it was told to */
    sb_drain drain;
    sb_drain_report report;
    ngx_queue_t streams;       /* clients of signalbox_subscribe */
    ngx_uint_t nstreams, slow; /* now; dropped because they did not keep up */
    unsigned owner : 1;        /* runs the scripts */
    unsigned draining : 1;
    unsigned drained : 1;
    unsigned locked : 1; /* we are the generation whose connects may be there */
    unsigned held : 1;   /* our connects wait */
};

extern ngx_module_t ngx_signalbox_module;

/* The cycle's configuration; NULL: it has no signalbox block, or is no real cycle. */
ngx_signalbox_conf_t *ngx_signalbox_conf_of(ngx_cycle_t *cycle);

/* ngx_signalbox_library.c: opens libsignalbox.so and takes its table. Errors are logged at emerg. */
const sb_api *ngx_signalbox_library_open(ngx_conf_t *cf, ngx_str_t *path);

/* ngx_signalbox_script.c: reads a script's file; runs the declare pass over all of them and opens what they
 * bind. Errors are logged at emerg with the line of the `script` directive. */
ngx_int_t ngx_signalbox_script_read(ngx_conf_t *cf, ngx_signalbox_script_t *script);
ngx_int_t ngx_signalbox_scripts_declare(ngx_conf_t *cf, ngx_signalbox_conf_t *conf);
/* The engine's view of the scripts, out of `pool`; NULL when out of memory. */
sb_script_config *ngx_signalbox_scripts_config(ngx_pool_t *pool, ngx_signalbox_conf_t *conf);
void ngx_signalbox_log(ngx_log_t *log, sb_log_level level, const char *line);

/* ngx_signalbox_kept.c: memory kept over reloads and binary upgrades. get: the old configuration's piece of
 * that name and size, the old binary's, or a new one full of zeros; NULL after an emerg line. map: never
 * unmapped by whoever needs it as long as the process lives; NULL after an emerg line. export: once, when all
 * are got. forget: closes what the old binary left for nothing (conf may be NULL). */
ngx_signalbox_kept_t *ngx_signalbox_kept_get(
    ngx_conf_t *cf, ngx_signalbox_conf_t *conf, const ngx_str_t *name, size_t size);
void *ngx_signalbox_kept_map(ngx_signalbox_kept_t *kept, ngx_log_t *log);
ngx_int_t ngx_signalbox_kept_export(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf);
void ngx_signalbox_kept_forget(ngx_signalbox_conf_t *conf);
/* The `zone` directive's memory: add, in the master; map, in a worker. Nothing where there is no zone. */
ngx_int_t ngx_signalbox_zone_add(ngx_conf_t *cf, ngx_signalbox_conf_t *conf);
ngx_int_t ngx_signalbox_zone_map(ngx_signalbox_conf_t *conf, ngx_log_t *log);
/* Counters go into it from time to time, and at the end, before the board is destroyed. */
ngx_int_t ngx_signalbox_zone_begin(ngx_signalbox_worker_t *w);
void ngx_signalbox_zone_take(ngx_signalbox_worker_t *w); /* now; nothing where there is no zone */
void ngx_signalbox_zone_end(ngx_signalbox_worker_t *w);

/* ngx_signalbox_takeover.c: who may connect. add: in the master. begin: in the worker; sets w->held when its
 * connects have to wait. announce: it drains, and will have ended in so many ms. */
ngx_int_t ngx_signalbox_takeover_add(ngx_conf_t *cf, ngx_signalbox_conf_t *conf);
ngx_int_t ngx_signalbox_takeover_begin(ngx_signalbox_worker_t *w);
void ngx_signalbox_takeover_announce(ngx_signalbox_worker_t *w, ngx_msec_t longest);
void ngx_signalbox_takeover_end(ngx_signalbox_worker_t *w);

/* ngx_signalbox_listen.c: listening sockets. add: in the master, for one bind. check: when the whole
 * configuration is read, against http and others. take: in a worker, so that nginx does not accept; the owner
 * keeps duplicates. drop: closes the duplicates. */
ngx_int_t ngx_signalbox_listen_add(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, const sb_plan_bind *bind);
ngx_int_t ngx_signalbox_listen_check(ngx_cycle_t *cycle);
ngx_int_t ngx_signalbox_listen_take(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf, ngx_uint_t owner);
void ngx_signalbox_listen_drop(ngx_signalbox_conf_t *conf);
int ngx_signalbox_listen_find(ngx_signalbox_conf_t *conf, const char *endpoint);

/* ngx_signalbox_worker.c: the engine in nginx's loop, with the scripts in the owner, without them in workers
 * whose locations want to reach them. start never fails the worker: what goes wrong is logged. */
void ngx_signalbox_worker_start(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf, ngx_uint_t owner);
/* A timer or posted event of the worker's that does not keep it from ending. */
void ngx_signalbox_worker_init_event(
    ngx_signalbox_worker_t *w, ngx_event_t *ev, ngx_event_handler_pt handler);
/* Ends the engine at once. Idempotent; not from inside the engine's callbacks. */
void ngx_signalbox_worker_end(ngx_signalbox_worker_t *w);
/* Something was done to the engine outside its step: step in the next turn, which comes at once. */
void ngx_signalbox_worker_touch(ngx_signalbox_worker_t *w);

/* ngx_signalbox_drain.c: the graceful end. */
ngx_int_t ngx_signalbox_drain_watch(ngx_signalbox_worker_t *w);
void ngx_signalbox_drain_unwatch(ngx_signalbox_worker_t *w);
/* worker_shutdown_timeout, or the hold timer: what is not sent is lost, and told. */
void ngx_signalbox_drain_force(ngx_signalbox_worker_t *w);
/* The process ends without a graceful quit (TERM, or one process that is all of nginx). */
void ngx_signalbox_drain_skip(ngx_signalbox_worker_t *w);
/* After a step in which the engine reported. */
void ngx_signalbox_drain_done(ngx_signalbox_worker_t *w);

#pragma GCC visibility pop

#endif
