/* Signalbox in nginx: a client that stays and is told things. What the ways of telling share.
 *
 * What is to be sent gathers in one block while another one is on its way; both are the stream's own, so a
 * request that lasts for days does not grow. A client whose block grows over the limit is dropped. A request
 * is only ever finalized from nginx's own events, never from inside the engine's callbacks. */
#ifndef NGX_HTTP_SIGNALBOX_STREAM_H
#define NGX_HTTP_SIGNALBOX_STREAM_H

#include "ngx_http_signalbox.h"

#pragma GCC visibility push(hidden)

typedef struct ngx_http_signalbox_stream_s ngx_http_signalbox_stream_t;

/* A way of telling: server-sent events, WebSocket, long poll. */
typedef struct {
    /* The subscription is accepted: NGX_OK, or what ngx_http_finalize_request wants. */
    ngx_int_t (*begin)(ngx_http_signalbox_stream_t *s);
    void (*message)(
        ngx_http_signalbox_stream_t *s, const sb_event_id *id, const struct iovec *frames, size_t n);
    void (*ping)(ngx_http_signalbox_stream_t *s);
    /* Something to say before an end: a status as of WebSocket's close frames. */
    void (*farewell)(ngx_http_signalbox_stream_t *s, ngx_uint_t code);
} ngx_http_signalbox_mode_t;

typedef struct {
    u_char *data;
    size_t len, cap;
} ngx_http_signalbox_block_t;

/* What arrives from a WebSocket client. */
typedef struct {
    u_char head[14]; /* of the frame being read */
    size_t nhead;
    ngx_http_signalbox_block_t payload, message; /* of a control frame; of the message so far */
    ngx_http_signalbox_block_t rest;             /* read, and to be looked at later */
    uint64_t left, done;                         /* octets of this frame to come, and seen */
    u_char opcode;                               /* of the message */
    unsigned in_payload : 1;
    unsigned waiting : 1; /* a message is on its way to its socket: nothing is read meanwhile */
    unsigned closed : 1;  /* no more is read */
    unsigned quiet : 1;   /* nothing came since the last ping */
} ngx_http_signalbox_input_t;

struct ngx_http_signalbox_stream_s {
    ngx_http_signalbox_ctx_t base; /* first member; its timer pings */
    sb_follower follower;
    const ngx_http_signalbox_mode_t *mode;
    ngx_signalbox_worker_t *worker;
    ngx_http_signalbox_loc_conf_t *conf;
    ngx_queue_t node; /* of the worker's streams */
    ngx_event_t flush;
    ngx_buf_t buf; /* the block on its way */
    ngx_chain_t chain;
    ngx_http_signalbox_block_t sending, gathered;
    ngx_http_signalbox_input_t input;
    ngx_int_t rc; /* to finalize with */
    unsigned begun : 1;
    unsigned busy : 1;   /* the block is on its way */
    unsigned ending : 1; /* ends when all is sent */
    unsigned dead : 1;   /* ends now */
    unsigned over : 1;   /* was finalized: nginx finishes it */
};

/* Appends; a client that is too slow is dropped. Sent at the end of nginx's turn. */
void ngx_http_signalbox_stream_put(ngx_http_signalbox_stream_t *s, const void *data, size_t len);
/* Room for at most len octets at the end, NULL when the client was dropped; then `took` says how many it was.
 */
u_char *ngx_http_signalbox_stream_room(ngx_http_signalbox_stream_t *s, size_t len);
void ngx_http_signalbox_stream_took(ngx_http_signalbox_stream_t *s, u_char *end);
/* Ends when all is sent; or at once, with a status for a client that has no response yet. Later, in either
 * case. */
void ngx_http_signalbox_stream_end(ngx_http_signalbox_stream_t *s);
void ngx_http_signalbox_stream_kill(ngx_http_signalbox_stream_t *s, ngx_int_t rc);
/* Sends what can be sent; may finalize the request: nothing of the stream is left then. */
void ngx_http_signalbox_stream_flush(ngx_http_signalbox_stream_t *s);
/* Nothing comes from gateway, timer or flush any more. Idempotent. */
void ngx_http_signalbox_stream_detach(ngx_http_signalbox_stream_t *s);
/* nginx's write event. */
void ngx_http_signalbox_stream_writable(ngx_http_request_t *r);
/* Blocks of memory that grow. */
ngx_int_t ngx_http_signalbox_block_add(ngx_http_signalbox_block_t *b, const void *data, size_t len);
void ngx_http_signalbox_block_free(ngx_http_signalbox_block_t *b);

/* ngx_http_signalbox_websocket.c: whether the request wants one; the way of telling. */
ngx_uint_t ngx_http_signalbox_is_websocket(ngx_http_request_t *r);
extern const ngx_http_signalbox_mode_t ngx_http_signalbox_websocket;

/* ngx_http_signalbox_subscribe.c: a header of the request, empty if it is not there; one for the response,
 * whose name is static. */
ngx_str_t ngx_http_signalbox_header(ngx_http_request_t *r, const char *name);
ngx_int_t ngx_http_signalbox_out(ngx_http_request_t *r, const char *name, ngx_str_t *value);

/* ngx_http_signalbox_subscribe.c: the body frames of a message, with a newline between them, or as JSON;
 * appended to a block of its own. */
ngx_int_t ngx_http_signalbox_text(ngx_http_signalbox_stream_t *s, ngx_http_signalbox_block_t *out,
    const sb_event_id *id, const struct iovec *frames, size_t n);

#pragma GCC visibility pop

#endif
