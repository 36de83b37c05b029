/* The one table of functions a host that does not link libsignalbox takes from it: one dlopen, one dlsym.
 *
 * nginx needs this: its modules share one symbol space, and in there may be another Lua. With RTLD_LOCAL and
 * RTLD_DEEPBIND ours stays apart. The table only grows at its end; what changes otherwise gets a new version.
 */
#ifndef SB_API_H
#define SB_API_H

#include "modules/library/access.h"
#include "modules/library/board.h"
#include "modules/library/gateway.h"
#include "modules/library/heir.h"
#include "modules/library/ledger.h"
#include "modules/library/plan.h"
#include "modules/library/samples.h"
#include "modules/library/team.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SB_API_VERSION 4
#define SB_API_SYMBOL  "sb_api_get"

typedef struct sb_api {
    uint32_t version;
    uint32_t size;       /* octets of the table: what lies behind is not there */
    const char *release; /* "0.1.0" */

    const char *(*strerror)(sb_err err);

    sb_err (*plan_create)(const sb_board_config *cfg, sb_board_error *error, sb_plan **out);
    void (*plan_destroy)(sb_plan *plan);
    const sb_plan_bind *(*plan_binds)(const sb_plan *plan, size_t *n);
    void (*plan_unlink_stale)(const sb_addr *addr);

    sb_err (*board_create)(const sb_board_config *cfg, sb_board_error *error, sb_board **out);
    void (*board_destroy)(sb_board *board);
    sb_engine *(*board_engine)(sb_board *board);
    sb_script *(*board_script)(sb_board *board, size_t i);
    sb_err (*board_drain)(sb_board *board, uint64_t deadline_ns, sb_drain *drain);
    uint64_t (*board_unsent)(sb_board *board);

    int (*engine_fd)(sb_engine *engine);
    int (*engine_timeout)(sb_engine *engine);
    sb_err (*engine_step)(sb_engine *engine);
    const char *(*engine_backend)(const sb_engine *engine);
    const char *(*engine_notice)(const sb_engine *engine);
    uint32_t (*engine_sockets)(const sb_engine *engine);

    void (*board_status)(sb_board *board, sb_text *out);
    void (*board_metrics)(sb_board *board, sb_text *out);
    void (*board_each_sample)(sb_board *board, sb_sample_fn *fn, void *arg);
    void (*exposition_add)(sb_exposition *e, const sb_sample *sample);
    void (*text_finish)(sb_text *t);
    const char *(*status_page)(size_t *len);
    sb_err (*mesh_box_open)(sb_mesh_box *box);
    void (*mesh_box_close)(sb_mesh_box *box);
    int (*mesh_dial)(int post, const char *name, const char *from, const char *user);
    sb_err (*mesh_create)(sb_engine *engine, int look, sb_mesh **out);
    void (*mesh_destroy)(sb_mesh *mesh);
    uint32_t (*mesh_gateways)(sb_engine *engine);

    sb_err (*use_check)(sb_plan *plan, const sb_use *use, sb_type *type, char *err, size_t cap);
    sb_err (*gate_create)(sb_board *board, sb_mesh *mesh, const sb_use *uses, size_t n, sb_gate **out);
    void (*gate_destroy)(sb_gate *gate);
    sb_err (*gateway_create)(
        sb_engine *engine, const char *where, const sb_use *uses, size_t n, sb_gateway **out);
    void (*gateway_destroy)(sb_gateway *gw);
    void (*gateway_stats)(const sb_gateway *gw, sb_gateway_stats *out);
    sb_err (*gateway_call)(sb_gateway *gw, size_t use, const struct iovec *frames, size_t n, sb_call *call);
    void (*gateway_cancel)(sb_gateway *gw, sb_call *call);
    sb_err (*gateway_follow)(sb_gateway *gw, size_t use, const void *topic, size_t len,
        const sb_event_id *since, sb_follower *follower);
    void (*gateway_unfollow)(sb_gateway *gw, sb_follower *follower);
    void (*engine_release_connects)(sb_engine *engine);
    sb_err (*ledger_create)(void *zone, size_t size, sb_ledger **out);
    void (*ledger_destroy)(sb_ledger *ledger);
    void (*ledger_take)(sb_ledger *ledger, sb_board *board);
    sb_err (*ledger_each)(
        sb_ledger *ledger, void (*fn)(void *arg, const char *name, double value), void *arg);
    sb_err (*team_check)(sb_plan *plan, char *err, size_t cap);
    sb_err (*team_create)(sb_engine *engine, sb_host *host, sb_mesh *mesh, sb_team_host **out);
    void (*team_destroy)(sb_team_host *team);
    void (*board_set_ledger)(sb_board *board, sb_ledger *ledger);
    size_t (*event_line)(const sb_socket *sock, const sb_event *event, char *out, size_t cap);
    bool (*heir_wanted)(sb_plan *plan);
    sb_err (*heir_create)(sb_engine *engine, sb_mesh *mesh, const int *posts, size_t n, sb_heir **out);
    void (*heir_destroy)(sb_heir *heir);
    sb_err (*access_create)(const sb_access_config *cfg, char *err, size_t cap, sb_access **out);
    void (*access_destroy)(sb_access *access);
    size_t (*access_line)(sb_access *access, const sb_passage *passage, char *out);
    void (*engine_set_tap)(sb_engine *engine, sb_tap *tap);
    void (*ledger_leave)(sb_ledger *ledger);
} sb_api;

/* The table, or NULL when this library does not speak that version. Any thread. */
const sb_api *sb_api_get(uint32_t version);
typedef const sb_api *(*sb_api_get_fn)(uint32_t version);

#ifdef __cplusplus
}
#endif
#endif
