/* Signalbox in nginx: the signalbox_log directive. */
#ifndef NGX_SIGNALBOX_ACCESS_H
#define NGX_SIGNALBOX_ACCESS_H

#include "ngx_signalbox_module.h"

#pragma GCC visibility push(hidden)

/* One log. Belongs to the configuration; buffer and timer are a worker's. */
typedef struct {
    ngx_open_file_t *file;
    sb_access_config config;
    ngx_str_t conf_file; /* where the directive stands */
    ngx_uint_t conf_line;
    size_t size; /* of the buffer */
    ngx_msec_t flush;
    const sb_api *api;
    sb_access *access;
    u_char *buffer; /* NULL in the master */
    size_t len;
    ngx_event_t timer;
    ngx_log_t *log;
    time_t complained; /* last time that writing failed and it was told */
} ngx_signalbox_access_t;

/* The directive. check: when the library is there. begin, end: of a worker; end before its board goes, with
 * what is still in the buffers. write: empties the buffer. */
char *ngx_signalbox_access(ngx_conf_t *cf, ngx_signalbox_conf_t *conf, ngx_str_t *args, ngx_uint_t n);
ngx_int_t ngx_signalbox_access_check(ngx_conf_t *cf, ngx_signalbox_conf_t *conf);
ngx_int_t ngx_signalbox_access_begin(ngx_signalbox_worker_t *w, ngx_pool_t *pool);
void ngx_signalbox_access_end(ngx_signalbox_worker_t *w);
void ngx_signalbox_access_write(ngx_signalbox_access_t *log);

#pragma GCC visibility pop

#endif
