/* Signalbox in nginx: the HTTP locations. What the ngx_http_signalbox_* files share. */
#ifndef NGX_HTTP_SIGNALBOX_H
#define NGX_HTTP_SIGNALBOX_H

#include "ngx_signalbox_gateway.h"

#include <ngx_http.h>

#pragma GCC visibility push(hidden)

typedef struct {
    ngx_array_t uses; /* of ngx_signalbox_use_t */
} ngx_http_signalbox_main_conf_t;

/* What one frame is made of. */
typedef struct ngx_http_signalbox_item_s ngx_http_signalbox_item_t;
struct ngx_http_signalbox_item_s {
    ngx_int_t (*make)(ngx_http_request_t *r, ngx_http_signalbox_item_t *item, ngx_str_t *out);
    ngx_http_complex_value_t value; /* of an item with variables */
};

typedef struct {
    ngx_int_t use; /* NGX_CONF_UNSET: this location is none of ours */
    ngx_msec_t timeout;
    ngx_array_t *frames;             /* of ngx_http_signalbox_item_t; NULL: the default of the use */
    ngx_array_t *headers;            /* of ngx_str_t, lower case; NULL: all of the request */
    ngx_http_complex_value_t *topic; /* NULL: what follows the location's name in the path */
    ngx_http_complex_value_t *user;  /* whom hooks see; NULL: nobody by name */
    ngx_int_t publish;               /* use for what WebSocket clients send; NGX_CONF_UNSET: they may not */
    ngx_int_t retain;                /* messages kept for clients that come back */
    ngx_msec_t ping;
    size_t buffer;     /* octets that may wait for one client */
    size_t message;    /* octets of a message from a WebSocket client */
    ngx_uint_t format; /* one of the enum below */
    ngx_flag_t binary; /* WebSocket frames */
    ngx_flag_t parts;  /* bodies go and come in parts */
} ngx_http_signalbox_loc_conf_t;

enum { NGX_HTTP_SIGNALBOX_DATA, NGX_HTTP_SIGNALBOX_EVENT, NGX_HTTP_SIGNALBOX_JSON };

/* One request on its way through a socket. */
typedef struct {
    sb_call call; /* first member */
    sb_client client;
    ngx_http_request_t *request;
    ngx_event_t timer;
    ngx_msec_t began, took;
    ngx_str_t outcome; /* for $signalbox_status */
    ngx_str_t topic;
    size_t size; /* octets of the frames that were made of the request */
    unsigned topic_known : 1;
} ngx_http_signalbox_ctx_t;

extern ngx_module_t ngx_http_signalbox_module;

/* ngx_http_signalbox_module.c: the uses of all locations; NULL without http { }. */
ngx_array_t *ngx_http_signalbox_uses(ngx_cycle_t *cycle);

/* ngx_http_signalbox_log.c. socket: which one the request's location uses, NULL: none. log: a line about the
 * request, "TEXT WHAT", that ends with that socket, before what nginx says of the client. */
const char *ngx_http_signalbox_socket(ngx_http_request_t *r);
const sb_use *ngx_http_signalbox_use_of(ngx_http_request_t *r); /* the same as a whole */
void ngx_http_signalbox_log(ngx_http_request_t *r, ngx_uint_t level, const char *text, const char *what);

/* ngx_http_signalbox_frames.c: requests to frames and back. parse: the value of frames=. make: all frames of
 * a request, *n of them, NULL when out of memory or a variable fails. topic: of this request. */
ngx_array_t *ngx_http_signalbox_frames_parse(ngx_conf_t *cf, ngx_str_t *list);
struct iovec *ngx_http_signalbox_frames_make(ngx_http_request_t *r, size_t *n);
ngx_int_t ngx_http_signalbox_topic(ngx_http_request_t *r, ngx_str_t *topic);

/* ngx_http_signalbox_client.c: who the client is, out of the request's pool. NGX_OK, or a status. */
ngx_int_t ngx_http_signalbox_client(ngx_http_request_t *r, sb_client *client);

/* ngx_http_signalbox_json.c: a flat object. size and write: a string with its quotes; write returns the end.
 * read: calls `each` for every member whose value is a string, number or boolean, for every element of an
 * array of them, in order; strings are unescaped into `pool`. NGX_ERROR: it is something else, or each said
 * so. */
size_t ngx_http_signalbox_json_size(ngx_str_t *text);
u_char *ngx_http_signalbox_json_write(u_char *p, ngx_str_t *text);
typedef ngx_int_t (*ngx_http_signalbox_json_pt)(void *data, ngx_str_t *name, ngx_str_t *value);
ngx_int_t ngx_http_signalbox_json_read(
    ngx_pool_t *pool, ngx_str_t *text, ngx_http_signalbox_json_pt each, void *data);

/* ngx_http_signalbox_reply.c: the answer of a service as an HTTP response. Returns what
 * ngx_http_finalize_request wants. */
ngx_int_t ngx_http_signalbox_reply(ngx_http_request_t *r, const struct iovec *frames, size_t n);
/* Its status and headers alone: how many frames they were, or NGX_ERROR with *why. */
ngx_int_t ngx_http_signalbox_head(
    ngx_http_request_t *r, const struct iovec *frames, size_t n, const char **why);

/* ngx_http_signalbox_call.c: content handlers of signalbox_request and signalbox_publish. */
ngx_int_t ngx_http_signalbox_request_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_signalbox_publish_handler(ngx_http_request_t *r);

/* What every request has in common. create: of `size` octets, which begin with the ctx. forget: no reply
 * comes any more. finish: ends the request. outcome: notes it; NGX_OK, or the status it means. */
ngx_http_signalbox_ctx_t *ngx_http_signalbox_ctx_create(ngx_http_request_t *r, size_t size);
void ngx_http_signalbox_forget(ngx_http_signalbox_ctx_t *ctx);
void ngx_http_signalbox_finish(ngx_http_signalbox_ctx_t *ctx, ngx_int_t rc);
ngx_int_t ngx_http_signalbox_request_outcome(ngx_http_signalbox_ctx_t *ctx, sb_call_status status);
/* ngx_http_signalbox_parts.c: content handler of signalbox_request with parts=on. */
ngx_int_t ngx_http_signalbox_parts_handler(ngx_http_request_t *r);

/* ngx_http_signalbox_reply.c: after output of a response that goes on. Waits until the client takes what is
 * buffered, at most send_timeout, as nginx's own writer does. */
ngx_int_t ngx_http_signalbox_write_wait(ngx_http_request_t *r);

/* ngx_http_signalbox_page.c: content handler of signalbox_status and signalbox_metrics. */
ngx_int_t ngx_http_signalbox_page_handler(ngx_http_request_t *r);
/* ngx_http_signalbox_subscribe.c: content handler of signalbox_subscribe. quit: the worker ends, clients are
 * told to come back, which brings them to another one. */
ngx_int_t ngx_http_signalbox_subscribe_handler(ngx_http_request_t *r);
void ngx_http_signalbox_quit(ngx_signalbox_worker_t *w);

/* ngx_http_signalbox_variables.c */
ngx_int_t ngx_http_signalbox_variables_add(ngx_conf_t *cf);

#pragma GCC visibility pop

#endif
