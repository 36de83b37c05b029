/* Signalbox in nginx: the HTTP locations' way to the scripts' sockets, in every worker. */
#ifndef NGX_SIGNALBOX_GATEWAY_H
#define NGX_SIGNALBOX_GATEWAY_H

#include "ngx_signalbox_module.h"

#pragma GCC visibility push(hidden)

/* One use of a socket by a location. */
typedef struct {
    sb_use use;
    sb_type type;   /* of the socket, once checked */
    ngx_str_t file; /* of the directive */
    ngx_uint_t line;
} ngx_signalbox_use_t;

/* In the master: the uses of HTTP locations (may be NULL) and those of ngx_stream_signalbox_module, if it is
 * loaded; NULL when there are none. */
ngx_array_t *ngx_signalbox_gateway_collect(ngx_cycle_t *cycle, ngx_array_t *http);
/* In the master, when the whole configuration is read: are the sockets there and of the right type? Errors
 * are logged at emerg with the place of the directive. */
ngx_int_t ngx_signalbox_gateway_check(ngx_cycle_t *cycle, ngx_signalbox_conf_t *conf);
/* In a worker whose engine runs: opens the gate where the scripts are, and a gateway everywhere. Nothing to
 * do without uses. */
ngx_int_t ngx_signalbox_gateway_start(ngx_signalbox_worker_t *w, ngx_pool_t *pool);
/* Before the engine ends, and after. */
void ngx_signalbox_gateway_stop(ngx_signalbox_worker_t *w);
void ngx_signalbox_gateway_free(ngx_signalbox_worker_t *w);
/* This worker of this cycle; NULL: no engine here (it failed to start, or has ended). */
ngx_signalbox_worker_t *ngx_signalbox_gateway_worker(void);
/* Index of a use in the cycle's list, which it joins if it is new; NGX_ERROR: out of memory. */
ngx_int_t ngx_signalbox_gateway_use(ngx_conf_t *cf, ngx_array_t *uses, sb_use_kind kind, ngx_str_t *socket);

#pragma GCC visibility pop

#endif
