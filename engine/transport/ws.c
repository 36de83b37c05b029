/* WebSocket messages carrying ZWS frames, between the session's octets and the stream below.
 * Before: filter.c (octets from below and above). After: zws.c, ws_handshake.c, the session. */
#include "engine/transport/tls.h"
#include "engine/transport/ws_internal.h"
#include "engine/wire/frame.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define ROUTING_ID_MAX 255

static ws *of(sb__filter *f)
{
    return (ws *)f; /* base is the first member */
}

/* ---- down: frames of the session to WebSocket messages ---- */

static ssize_t put_frame(const uint8_t *data, size_t len, int flags, void *user)
{
    (void)flags;
    sb__filter_put(&((ws *)user)->base, data, len);
    return (ssize_t)len;
}

static int mask_frame(uint8_t *buf, size_t len, void *user)
{
    (void)user;
    sb__tls_random(buf, len);
    return 0;
}

static void send_piece(ws *w, uint64_t whole, const uint8_t *data, size_t len)
{
    struct wslay_frame_iocb piece = {.fin = 1,
        .opcode = WSLAY_BINARY_FRAME,
        .mask = !w->cfg.as_server,
        .payload_length = whole,
        .data = data,
        .data_length = len};
    wslay_frame_send(w->frames, &piece);
}

static void begin_frame(void *arg, uint8_t flags, uint64_t len)
{
    ws *w = arg;
    if (w->state == WS_OPEN)
        send_piece(w, len + 1, &flags, 1);
}

static void frame_body(void *arg, const uint8_t *data, size_t len)
{
    ws *w = arg;
    if (w->state == WS_OPEN)
        send_piece(w, len, data, len);
}

static void send_control(ws *w, uint8_t opcode, const uint8_t *data, size_t len)
{
    struct wslay_event_msg msg = {.opcode = opcode, .msg = data, .msg_length = len};
    if (wslay_event_queue_msg(w->events, &msg) == WSLAY_ERR_NOMEM)
        w->base.out.failed = true;
    wslay_event_send(w->events);
}

static void whole_command(void *arg, const uint8_t *body, size_t len)
{
    ws *w = arg;
    const uint8_t *part = NULL;
    size_t part_len;
    if (w->state != WS_OPEN)
        return;
    if (sb__zws_ping(body, len, &part, &part_len)) {
        send_control(w, WSLAY_PING, part, part_len);
    } else if (w->plain && sb__zws_identity(body, len, &part, &part_len)) {
        begin_frame(w, 0, part_len);
        if (part_len > 0)
            frame_body(w, part, part_len);
    } else if (!w->plain) { /* who has no mechanism knows no commands */
        begin_frame(w, SB__ZWS_COMMAND, len);
        frame_body(w, body, len);
    }
}

static const sb__zws_sink sink = {.begin = begin_frame, .body = frame_body, .command = whole_command};

static sb_err ws_write(sb__filter *f, const struct iovec *iov, size_t n)
{
    ws *w = of(f);
    for (size_t i = 0; i < n; i++)
        if (!sb__zws_write(&w->writes, iov[i].iov_base, iov[i].iov_len, &sink, w))
            return SB_ENOMEM;
    return SB_OK;
}

/* ---- up: WebSocket messages to frames for the session ---- */

static void refuse(ws *w, uint16_t code, const char *why)
{
    w->bad = code;
    sb__filter_why(&w->base, SB_EPROTO, "WebSocket: %s", why);
    wslay_event_shutdown_read(w->events);
}

static void give_head(ws *w, uint8_t flags, uint64_t len)
{
    uint8_t head[SB__FRAME_HEAD];
    unsigned zmtp =
        (flags & SB__ZWS_MORE ? SB__FRAME_MORE : 0) | (flags & SB__ZWS_COMMAND ? SB__FRAME_COMMAND : 0);
    if (flags & ~SB__ZWS_FLAGS)
        refuse(w, WSLAY_CODE_PROTOCOL_ERROR, "a message begins with its flags octet: 0, 1 or 2");
    else
        sb__filter_deliver(&w->base, head, sb__frame_put(head, zmtp, len));
}

/* The session's frame as soon as its length is known. */
static void stream_on(ws *w, const uint8_t *data, size_t len)
{
    if (!w->head_given && len > 0) {
        give_head(w, data[0], w->length - 1);
        w->head_given = true;
        data++;
        len--;
    }
    if (w->bad == 0)
        sb__filter_deliver(&w->base, data, len);
}

static void take_routing_id(ws *w)
{
    const uint8_t *data = sb__bytes_data(&w->part);
    sb__bytes ready = {0};
    if (data[0] != 0) {
        refuse(w, WSLAY_CODE_PROTOCOL_ERROR, "the first message is the routing id, its flags are 0");
        return;
    }
    sb__zws_ready(&ready, w->cfg.type, data + 1, sb__bytes_len(&w->part) - 1);
    sb__filter_deliver(&w->base, sb__bytes_data(&ready), sb__bytes_len(&ready));
    w->base.out.failed = w->base.out.failed || ready.failed;
    w->peer_told = true;
    sb__bytes_finish(&ready);
}

static void gathered(ws *w)
{
    const uint8_t *data = sb__bytes_data(&w->part);
    size_t len = sb__bytes_len(&w->part);
    if (w->part.failed) {
        w->base.out.failed = true;
        return;
    }
    if (len == 0) {
        refuse(w, WSLAY_CODE_PROTOCOL_ERROR, "a message without its flags octet");
    } else if (w->plain && !w->peer_told) {
        take_routing_id(w);
    } else {
        w->length = len;
        w->head_given = false;
        stream_on(w, data, len);
    }
    sb__bytes_finish(&w->part);
    w->part = (sb__bytes){0};
}

static void gather(ws *w, const uint8_t *data, size_t len)
{
    uint64_t limit = w->cfg.max_frame >= 0 ? (uint64_t)w->cfg.max_frame : UINT64_MAX - 1;
    if (w->plain && !w->peer_told)
        limit = ROUTING_ID_MAX;
    if (sb__bytes_len(&w->part) + len > limit + 1)
        refuse(w, WSLAY_CODE_MESSAGE_TOO_BIG, "message too long");
    else
        sb__bytes_put(&w->part, data, len);
}

static void on_frame_start(
    wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_start_arg *arg, void *user)
{
    ws *w = user;
    (void)ctx;
    w->control = wslay_is_ctrl_frame(arg->opcode);
    if (w->control)
        return;
    if (arg->opcode == WSLAY_TEXT_FRAME) {
        refuse(w, WSLAY_CODE_UNSUPPORTED_DATA, "ZWS messages are binary, not text");
        return;
    }
    w->last_fragment = arg->fin;
    w->length = arg->payload_length;
    w->head_given = false;
    if (arg->opcode == WSLAY_BINARY_FRAME) /* what comes whole needs no second copy */
        w->gathering = !arg->fin || arg->payload_length == 0 || (w->plain && !w->peer_told);
}

static void on_frame_chunk(
    wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_chunk_arg *arg, void *user)
{
    ws *w = user;
    (void)ctx;
    if (w->control || w->bad != 0)
        return;
    if (w->gathering)
        gather(w, arg->data, arg->data_length);
    else
        stream_on(w, arg->data, arg->data_length);
}

static void on_frame_end(wslay_event_context_ptr ctx, void *user)
{
    ws *w = user;
    (void)ctx;
    if (!w->control && w->bad == 0 && w->gathering && w->last_fragment)
        gathered(w);
}

static void note_close(ws *w, const struct wslay_event_on_msg_recv_arg *arg)
{
    char reason[64];
    size_t skip = arg->msg_length < 2 ? arg->msg_length : 2, n = arg->msg_length - skip;
    n = n < sizeof reason - 1 ? n : sizeof reason - 1;
    for (size_t i = 0; i < n; i++)
        reason[i] = isprint(arg->msg[skip + i]) ? (char)arg->msg[skip + i] : '?'; /* goes to logs */
    reason[n] = '\0';
    sb__filter_why(&w->base, SB_ECLOSED, "the peer closed the WebSocket: %u %s",
        arg->status_code != 0 ? arg->status_code : WSLAY_CODE_NO_STATUS_RCVD, reason);
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg, void *user)
{
    ws *w = user;
    sb__bytes pong = {0};
    (void)ctx;
    if (arg->opcode == WSLAY_CONNECTION_CLOSE)
        note_close(w, arg);
    if (arg->opcode != WSLAY_PONG)
        return; /* wslay answered pings; a message went up in pieces */
    if (sb__zws_pong(&pong, arg->msg, arg->msg_length))
        sb__filter_deliver(&w->base, sb__bytes_data(&pong), sb__bytes_len(&pong));
    sb__bytes_finish(&pong);
}

static ssize_t recv_octets(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user)
{
    ws *w = user;
    size_t n = w->in_len < len ? w->in_len : len;
    (void)flags;
    if (n == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(buf, w->in, n);
    w->in += n;
    w->in_len -= n;
    return (ssize_t)n;
}

static ssize_t send_octets(
    wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *user)
{
    (void)ctx;
    return put_frame(data, len, flags, user);
}

static int mask_control(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, void *user)
{
    (void)ctx;
    return mask_frame(buf, len, user);
}

/* What the reading came to: wslay has queued its own close frame, if one is due. */
static sb_err verdict(ws *w, int status)
{
    if (status == WSLAY_ERR_NOMEM)
        return SB_ENOMEM;
    if (w->bad != 0)
        wslay_event_queue_close(w->events, w->bad, NULL, 0);
    wslay_event_send(w->events);
    if (w->bad == 0 && wslay_event_get_close_received(w->events))
        return SB_ECLOSED;
    if (w->bad == 0 && wslay_event_get_read_enabled(w->events))
        return SB_OK;
    w->state = WS_FAILED;
    return sb__filter_why(&w->base, SB_EPROTO, "WebSocket: the peer breaks RFC 6455 (closed with %u)",
        wslay_event_get_status_code_sent(w->events));
}

static sb_err read_messages(ws *w, const uint8_t *data, size_t len)
{
    w->in = data;
    w->in_len = len;
    int status = wslay_event_recv(w->events);
    return verdict(w, status);
}

static sb_err ws_read(sb__filter *f, const uint8_t *data, size_t len)
{
    ws *w = of(f);
    if (w->state == WS_OPEN)
        return read_messages(w, data, len);
    sb__bytes_put(&w->head, data, len);
    return w->head.failed ? SB_ENOMEM : sb__ws_handshake(w);
}

/* ---- life ---- */

static sb_err ws_start(sb__filter *f)
{
    if (!of(f)->cfg.as_server)
        sb__ws_ask(of(f));
    return SB_OK;
}

static const struct wslay_event_callbacks event_callbacks = {
    .recv_callback = recv_octets,
    .send_callback = send_octets,
    .genmask_callback = mask_control,
    .on_frame_recv_start_callback = on_frame_start,
    .on_frame_recv_chunk_callback = on_frame_chunk,
    .on_frame_recv_end_callback = on_frame_end,
    .on_msg_recv_callback = on_message,
};

static const struct wslay_frame_callbacks frame_callbacks = {
    .send_callback = put_frame,
    .genmask_callback = mask_frame,
};

static sb_err open_contexts(ws *w)
{
    int status = w->cfg.as_server ? wslay_event_context_server_init(&w->events, &event_callbacks, w)
                                  : wslay_event_context_client_init(&w->events, &event_callbacks, w);
    if (status != 0 || wslay_frame_context_init(&w->frames, &frame_callbacks, w) != 0)
        return SB_ENOMEM;
    wslay_event_config_set_no_buffering(w->events, 1); /* memory follows what came, not what was declared */
    wslay_event_config_set_max_recv_msg_length(w->events, INT64_MAX); /* the session has the limits */
    return SB_OK;
}

sb_err sb__ws_opened(ws *w)
{
    uint8_t greeting[SB__GREETING_SIZE];
    sb__bytes head = w->head;
    size_t len = sb__bytes_len(&head) - w->head_len;
    w->head = (sb__bytes){0};
    if (open_contexts(w) != SB_OK) {
        sb__bytes_finish(&head);
        return SB_ENOMEM;
    }
    w->state = WS_OPEN;
    bool roles = strcmp(w->mechanism, "NULL") != 0;
    sb__zws_greeting(greeting, w->mechanism, roles && !w->session_serves);
    sb__filter_deliver(&w->base, greeting, sizeof greeting);
    sb_err err = len > 0 ? read_messages(w, sb__bytes_data(&head) + w->head_len, len) : SB_OK;
    sb__bytes_finish(&head);
    return err;
}

static void ws_shutdown(sb__filter *f)
{
    ws *w = of(f);
    if (w->state != WS_OPEN || wslay_event_get_close_sent(w->events))
        return;
    wslay_event_queue_close(w->events, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
    wslay_event_send(w->events);
}

static void ws_ended(sb__filter *f)
{
    ws *w = of(f);
    if (w->state == WS_HANDSHAKE)
        sb__filter_why(f, SB_ECLOSED, "the peer closed the connection during the WebSocket handshake");
}

static const char *ws_property(const sb__filter *f, const char *name)
{
    const ws *w = (const ws *)f;
    if (strcmp(name, "ws_origin") == 0)
        return w->origin;
    if (strcmp(name, "ws_protocol") == 0 && w->protocol[0] != '\0')
        return w->protocol;
    return NULL;
}

static void ws_free(sb__filter *f)
{
    ws *w = of(f);
    if (w->events != NULL)
        wslay_event_context_free(w->events);
    if (w->frames != NULL)
        wslay_frame_context_free(w->frames);
    sb__zws_finish(&w->writes);
    sb__bytes_finish(&w->head);
    sb__bytes_finish(&w->part);
    free(w->origin);
    free(w->host);
    free(w->path);
    free(w);
}

static const sb__filter_impl ws_impl = {
    .start = ws_start,
    .read = ws_read,
    .write = ws_write,
    .shutdown = ws_shutdown,
    .ended = ws_ended,
    .property = ws_property,
    .free = ws_free,
};

sb_err sb__ws_wrap(sb__hub *hub, sb_stream *below, const sb__ws_config *cfg, sb_stream **out)
{
    ws *w = calloc(1, sizeof *w);
    if (w == NULL)
        return SB_ENOMEM;
    w->cfg = *cfg;
    w->mechanisms =
        cfg->security->mechanisms != 0 ? cfg->security->mechanisms : SB_MECHANISM_BIT(SB_MECHANISM_NULL);
    w->session_serves = cfg->security->server;
    w->cfg.security = NULL;
    w->host = strdup(cfg->host != NULL ? cfg->host : "");
    w->path = strdup(cfg->path);
    if (w->host == NULL || w->path == NULL) {
        ws_free(&w->base);
        return SB_ENOMEM;
    }
    sb__filter_init(&w->base, &ws_impl, hub, below);
    *out = &w->base.base;
    return SB_OK;
}
