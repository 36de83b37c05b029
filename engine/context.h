/* The engine: sockets on one loop, one thread. Several engines may live in a process. No globals, no threads,
 * no signals, no exit(). All functions on the engine's thread. */
#ifndef SB_CONTEXT_H
#define SB_CONTEXT_H

#include "engine/error.h"
#include "engine/loop.h"
#include "engine/msg.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_engine sb_engine;
typedef struct sb_socket sb_socket;
struct sb_event;

typedef enum sb_log_level {
    SB_LOG_DEBUG,
    SB_LOG_INFO,
    SB_LOG_NOTICE,
    SB_LOG_WARN,
    SB_LOG_ERROR
} sb_log_level;

/* What the host gives. All slots may be NULL. */
typedef struct sb_host sb_host;
struct sb_host {
    /* One line, no newline. May come from any function of the engine. */
    void (*log)(sb_host *self, sb_log_level level, const char *line);
    /* A descriptor that already listens for this bind endpoint, -1 if the engine shall make its own. Stays
     * the host's. */
    int (*listen_fd)(sb_host *self, const char *endpoint);
    /* A connected stream descriptor for this connect endpoint, the engine's from now on; asked again whenever
     * the connection has to be made anew. SB_HOST_NOT_MINE: the engine connects itself; SB_HOST_LATER: not
     * now, ask again after reconnect_ivl. CONNECTED may then be told from inside sb_socket_connect. */
    int (*connect_fd)(sb_host *self, const char *endpoint);
    /* What happens on any socket (engine/handler.h), besides the socket's own handler. Borrowed for the call;
     * changes nothing. */
    void (*event)(sb_host *self, sb_socket *sock, const struct sb_event *event);
};
#define SB_HOST_NOT_MINE (-1)
#define SB_HOST_LATER    (-2)

typedef struct sb_engine_config {
    const char *backend; /* "auto" (NULL), "uring", "uv"; ignored with loop */
    sb_loop *loop;       /* a loop of the host's; stays the host's. NULL: the engine opens its own */
    sb_host *host;       /* borrowed, may be NULL (log lines are lost) */
    uint32_t max_peers;  /* connections over all sockets, 0 = no limit */
    uint64_t max_queued; /* octets queued over all peers, 0 = no limit; shared fairly (docs/overload.md) */
    bool hold_connects;  /* connects wait for sb_engine_release_connects */
    /* This engine is number `worker` of so many that are one to the outside (engine/team.h): routing ids are
     * given so that no two meet, and SUB and XSUB connect in number 0 only. 0 workers: it is alone. */
    uint32_t worker, workers;
} sb_engine_config;

/* NULL config: all defaults. err (may be NULL) gets one line. */
sb_err sb_engine_create(const sb_engine_config *cfg, char *err, size_t err_cap, sb_engine **out);
/* Closes everything at once (no linger) and frees. Not from inside a callback. NULL is allowed. */
void sb_engine_destroy(sb_engine *engine);

sb_loop *sb_engine_loop(sb_engine *engine);
const char *sb_engine_backend(const sb_engine *engine);
/* Why io_uring was not taken, "" if it was (or was not asked for). */
const char *sb_engine_notice(const sb_engine *engine);
uint64_t sb_engine_now(const sb_engine *engine); /* ns, monotonic, of this turn */

/* Either run (until stop, or nothing is left to do) ... */
sb_err sb_engine_run(sb_engine *engine);
void sb_engine_stop(sb_engine *engine);
/* ... or, in a host's loop: poll fd for reading, at most timeout ms (-1 no limit), then step (never blocks).
 */
int sb_engine_fd(sb_engine *engine);
int sb_engine_timeout(sb_engine *engine);
sb_err sb_engine_step(sb_engine *engine);

/* Ends hold_connects: tcp and ipc connects begin now. For a host whose older engine still has its own
 * connections to the same peers; meanwhile messages queue as for any peer that is not there yet. Idempotent.
 */
void sb_engine_release_connects(sb_engine *engine);

/* Graceful end: stops accepting, new connects and taking requests (what already arrived is still handled and
 * passed on), waits for the answers to requests under way, sends what is queued. The report comes once, when
 * all is sent or at the deadline (ns from now); then everything is closed. */
typedef struct sb_drain_report {
    uint64_t sent_msgs; /* left while draining */
    uint64_t unsent_msgs, unsent_bytes;
    uint32_t peers_with_unsent;
    uint64_t incomplete_msgs; /* peers ended inside them: discarded, whole messages only */
    uint32_t unread_peers;    /* were not read to their end when the time was over */
} sb_drain_report;
typedef struct sb_drain sb_drain;
struct sb_drain {
    void (*on_drained)(sb_drain *self, const sb_drain_report *report);
};
/* `drain` is the caller's until on_drained. SB_EFSM when draining already. */
sb_err sb_engine_drain(sb_engine *engine, uint64_t deadline_ns, sb_drain *drain);

/* Where go messages that cannot be routed or whose script failed: [header as JSON: reason, where, socket,
 * peer, time] [body frames]. NULL: nowhere (counted as dropped). */
void sb_engine_set_dead_letter(sb_engine *engine, sb_socket *sock);
/* Sends msg there. `where` is "script:line" or "". Returns true if it was taken by the dead letter socket;
 * else the drop is counted on `sock` under `drop` (an sb_drop). */
bool sb_engine_dead_letter(sb_engine *engine, sb_socket *sock, sb_peer *peer, const sb_msg *msg,
    const char *reason, const char *where, int drop);

/* Sockets by name (NULL: none), and all of them. */
sb_socket *sb_engine_find_socket(sb_engine *engine, const char *name);
void sb_engine_each_socket(sb_engine *engine, bool (*fn)(void *arg, sb_socket *sock), void *arg);
/* Binds of all sockets, as given (as given to bind): what a host opens before it forks. */
void sb_engine_each_bind(
    sb_engine *engine, bool (*fn)(void *arg, sb_socket *sock, const char *endpoint), void *arg);
uint32_t sb_engine_sockets(const sb_engine *engine);
/* Which one it is of how many (at least 1): as the configuration said. */
uint32_t sb_engine_worker(const sb_engine *engine, uint32_t *workers);

/* Formats a line and hands it to the host. */
void sb_engine_log(sb_engine *engine, sb_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif
#endif
