/* A plan: what scripts declare, found out without any I/O. Hosts open the listening sockets from it, before
 * they fork, drop privileges or reload, and refuse a broken script while the old one still runs. */
#ifndef SB_PLAN_H
#define SB_PLAN_H

#include "modules/library/board.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_plan sb_plan;

/* One bind. Strings live as long as the plan. */
typedef struct sb_plan_bind {
    const char *endpoint; /* as the script gave it; what sb_host.listen_fd will be asked for */
    const char *socket;   /* its name */
    size_t script;        /* which script */
    sb_addr addr;         /* what to listen on; len 0: nothing that a host could open (inproc) */
    int backlog;
    bool ipv6_dual; /* clear IPV6_V6ONLY */
} sb_plan_bind;

/* Runs the top levels against a loop in memory (SB_SCRIPT_DECLARE) and checks that the backend can be had
 * when "uring" is insisted on. Log lines below SB_LOG_WARN are swallowed: the run pass will say them. Errors
 * and `error` as sb_board_create; a clash with another script's bind names that script. */
sb_err sb_plan_create(const sb_board_config *cfg, sb_board_error *error, sb_plan **out);
/* NULL is allowed. */
void sb_plan_destroy(sb_plan *plan);

/* The binds of all scripts, in order; *n gets their number. */
const sb_plan_bind *sb_plan_binds(const sb_plan *plan, size_t *n);
/* The engine behind it, to look at sockets and routes. Nothing moves in it. */
sb_engine *sb_plan_engine(sb_plan *plan);

/* A socket (non-blocking, close-on-exec) that listens as the bind wants it. A path left behind by a process
 * that is gone is removed first. On success *fd is the caller's. SB_EADDRINUSE and friends; SB_EINVAL when
 * addr.len is 0. */
sb_err sb_plan_listen(const sb_plan_bind *bind, int *fd);
/* Removes an AF_UNIX path nobody listens on any more; harmless for everything else. */
void sb_plan_unlink_stale(const sb_addr *addr);

#ifdef __cplusplus
}
#endif
#endif
