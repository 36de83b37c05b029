/* A connection: stream <-> session <-> pipe.
 * Before: the backend's stream (bytes), pattern/pipe.c (messages). After: socket/deliver.c, the backend. */
#include "engine/transport/conn.h"
#include "engine/trace.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_BYTES  (512 * 1024)      /* about what one write carries */
#define STAGED_BYTES (64 * 1024)       /* the same where messages may be replaced until they are written */
#define SEAL_BYTES   (64 * 1024)       /* ... when it has to be sealed first */
#define SMALL_REST   4096              /* a smaller rest is copied, so as not to pin a receive buffer */
#define SHUT_TIMEOUT (1 * SB_NS_PER_S) /* how long the peer may take for our last octets, and to end */

/* ---- newcomers ---- */

static bool make_newcomer(sb__conn *conn)
{
    sb__newcomer *in = calloc(1, sizeof *in);
    if (in == NULL)
        return false;
    in->conn = conn;
    sb_list_node_init(&in->fresh);
    sb_list_node_init(&in->in_line);
    conn->newcomer = in;
    return true;
}

/* It is ready, or closed; the owner has taken it out of its list. */
static void end_newcomer(sb__conn *conn)
{
    free(conn->newcomer);
    conn->newcomer = NULL;
}

/* ---- ending ---- */

static void tell_gone(sb__conn *conn)
{
    if (conn->over)
        return;
    conn->over = true;
    if (conn->newcomer != NULL)
        sb__turnstile_leave(&conn->hub->turnstile, conn->newcomer);
    conn->hub->ending -= conn->ending;
    conn->end.unfinished = sb_session_unfinished(conn->session);
    if (conn->peer != NULL)
        conn->end.was_ready = conn->peer->ready;
    if (conn->vectors != NULL && conn->peer != NULL)
        conn->peer->dropped[SB_DROP_LOST] += sb__queue_split_flight(&conn->peer->out, &conn->vectors->flight);
    conn->owner->gone(conn, &conn->end);
    conn->peer = NULL;
}

static void set_end(sb__conn *conn, sb_err err, const char *detail)
{
    if (conn->over)
        return;
    conn->end.err = err;
    conn->end.detail = detail != NULL ? detail : "";
}

static void close_stream(sb__conn *conn)
{
    sb_list_remove(&conn->node);
    sb_timer_stop(conn->hub->loop, &conn->timer);
    sb__task_cancel(&conn->flush);
    sb__task_cancel(&conn->feed);
    sb_stream_close(conn->stream);
}

/* Writes what is left, for a while, and takes nothing more. */
static void shut_soon(sb__conn *conn)
{
    conn->shutting = true;
    sb_stream_read_stop(conn->stream);
    sb_timer_start(conn->hub->loop, &conn->timer, sb_loop_now(conn->hub->loop) + SHUT_TIMEOUT);
    sb__hub_output(conn->hub, &conn->flush);
}

/* The session ended by itself: its ERROR command, if any, is written before the stream closes. */
static void session_failed(sb__conn *conn, sb_err err)
{
    const char *detail = "";
    const uint8_t *out;
    conn->end.cause = sb_session_why(conn->session, &detail);
    set_end(conn, err, detail);
    tell_gone(conn);
    sb_list_push_back(&conn->hub->parting, &conn->node);
    if (sb_session_output(conn->session, &out) == 0)
        close_stream(conn);
    else
        shut_soon(conn);
}

void sb__conn_close(sb__conn *conn, sb_err err, const char *detail)
{
    set_end(conn, err, detail);
    tell_gone(conn);
    close_stream(conn);
}

void sb__conn_shutdown(sb__conn *conn)
{
    if (!conn->over && !conn->shutting)
        shut_soon(conn);
}

/* All is written: end our side and wait for the peer to end its own. Closing at once could reset the
 * connection while the peer has not read everything (unread input makes the kernel send RST). */
static void shut(sb__conn *conn)
{
    if (conn->shut)
        return;
    if (conn->over || conn->heard || sb_stream_shutdown(conn->stream) != SB_OK) {
        sb__conn_close(conn, SB_OK, "closed");
        return;
    }
    conn->shut = true;
    sb_timer_start(conn->hub->loop, &conn->timer, sb_loop_now(conn->hub->loop) + SHUT_TIMEOUT);
    sb_stream_read_start(conn->stream);
}

/* ---- output: once per turn ---- */

/* Control octets move into a buffer of the write's own: the session may add more meanwhile. */
static sb_err take_control(sb__conn *conn, struct iovec *iov, size_t *n)
{
    const uint8_t *out;
    size_t len = sb_session_output(conn->session, &out);
    if (len == 0)
        return SB_OK;
    conn->control = sb_buf_create(len);
    if (conn->control == NULL)
        return SB_ENOMEM;
    memcpy(conn->control->data, out, len);
    sb_session_sent(conn->session, len);
    iov[(*n)++] = (struct iovec){.iov_base = conn->control->data, .iov_len = len};
    return SB_OK;
}

/* What the queue holds, in boxes; it stays in the queue until they are written. */
static sb_err gather_sealed(sb__conn *conn, struct iovec *iov, size_t *n)
{
    struct iovec clear[SB__WRITE_VECTORS];
    size_t count = sb__queue_iov(&conn->peer->out, clear, SB__WRITE_VECTORS, SEAL_BYTES);
    if (count == 0)
        return SB_OK;
    sb_err err = sb_session_seal(conn->session, clear, count, &conn->sealed);
    if (err == SB_OK)
        iov[(*n)++] = (struct iovec){.iov_base = conn->sealed->data, .iov_len = conn->sealed->cap};
    return err;
}

static sb_err gather(sb__conn *conn, struct iovec *iov, size_t *n)
{
    if (conn->confirm != NULL)
        sb__confirm_ask(conn->confirm, conn->session);
    sb_err err = take_control(conn, iov, n);
    if (err != SB_OK || conn->peer == NULL || !conn->peer->ready)
        return err;
    if (conn->peer->out_stage != NULL)
        sb__pipe_fill(conn->peer, STAGED_BYTES);
    if (!sb_session_passthrough(conn->session))
        return gather_sealed(conn, iov, n);
    *n += sb__queue_iov(&conn->peer->out, iov + *n, SB__WRITE_VECTORS - *n, WRITE_BYTES);
    return SB_OK;
}

static void write_done(sb__conn *conn)
{
    sb__hub_vectors_done(conn->hub, conn->vectors);
    conn->vectors = NULL;
    sb_buf_unref(conn->control);
    conn->control = NULL;
    sb_buf_unref(conn->sealed);
    conn->sealed = NULL;
}

/* From here on PONGs and the like have nowhere to go. */
static void end_own_side(sb__conn *conn)
{
    conn->ended = true;
    sb_stream_shutdown(conn->stream);
}

static void flush(sb__task *task)
{
    sb__conn *conn = (sb__conn *)((char *)task - offsetof(sb__conn, flush));
    if (conn->vectors != NULL || conn->shut)
        return;
    if (conn->ended) {
        if (conn->shutting)
            shut(conn); /* no more waiting for the peer's end than that */
        return;
    }
    conn->vectors = sb__hub_vectors(conn->hub);
    if (conn->vectors == NULL) {
        sb__conn_close(conn, SB_ENOMEM, "no memory for a write");
        return;
    }
    size_t n = 0;
    sb_err err = gather(conn, conn->vectors->iov, &n);
    if (n > 0)
        SB_TRACE(14);
    if (err == SB_OK && n > 0 && sb_stream_write(conn->stream, conn->vectors->iov, n) == SB_OK)
        return;
    write_done(conn);
    if (err != SB_OK)
        sb__conn_close(conn, err, err == SB_ENOMEM ? "no memory for a write" : "cannot seal what is queued");
    else if (n > 0)
        sb__conn_close(conn, SB_EIO, "write failed");
    else if (conn->shutting)
        shut(conn);
    else if (conn->ending && sb_session_get_state(conn->session) == SB_SESSION_READY)
        end_own_side(conn);
}

static void on_written(sb_stream *st, sb_err err)
{
    sb__conn *conn = st->data;
    sb_peer *peer = conn->peer;
    write_done(conn);
    if (err != SB_OK) {
        if (err != SB_ECANCELED)
            sb__conn_close(conn, err, "write failed");
        return;
    }
    if (peer != NULL && peer->out.flight_msgs > 0) {
        peer->msgs_out += peer->out.flight_msgs;
        peer->bytes_out += peer->out.flight_bytes;
        sb__queue_sent(&peer->out);
        sb__pipe_drained(peer);
        if (peer->out.msgs == 0)
            conn->owner->drained(peer);
    }
    sb__hub_output(conn->hub, &conn->flush);
}

/* ---- input ---- */

static void rearm(sb__conn *conn)
{
    uint64_t deadline = sb_session_deadline(conn->session);
    if (!conn->over && !conn->shutting && deadline < conn->timer.deadline)
        sb_timer_start(conn->hub->loop, &conn->timer, deadline);
}

static void drop_rest(sb__conn *conn)
{
    sb_buf_unref(conn->rest);
    conn->rest = NULL;
    conn->rest_len = 0;
}

static void keep_rest(sb__conn *conn, sb_buf *buf, const uint8_t *data, size_t len)
{
    if (len == 0)
        return;
    if (len <= SMALL_REST && buf->cap > 4 * SMALL_REST) {
        sb_buf *copy = sb_buf_create(len);
        if (copy != NULL) {
            memcpy(copy->data, data, len);
            conn->rest = copy;
            conn->rest_data = copy->data;
            conn->rest_len = len;
            return;
        }
    }
    conn->rest = sb_buf_ref(buf);
    conn->rest_data = data;
    conn->rest_len = len;
}

static void stall(sb__conn *conn)
{
    conn->stalled = true;
    sb_stream_read_stop(conn->stream);
}

static void feed_bytes(sb__conn *conn, sb_buf *buf, const uint8_t *data, size_t len)
{
    size_t taken = len;
    const uint8_t *out;
    sb_err err = sb_session_feed(conn->session, buf, data, len, sb_loop_now(conn->hub->loop), &taken);
    if (conn->over)
        return;
    if (err != SB_OK) {
        session_failed(conn, err);
        return;
    }
    if (taken < len)
        keep_rest(conn, buf, data + taken, len - taken);
    if (taken < len || conn->stalled)
        stall(conn);
    if (sb_session_output(conn->session, &out) > 0)
        sb__hub_output(conn->hub, &conn->flush);
    rearm(conn);
}

/* What a stranger costs is limited per turn. */
static bool must_wait(sb__conn *conn)
{
    sb__newcomer *in = conn->newcomer;
    return in != NULL && in->steps_per_turn > 0 && sb_session_get_state(conn->session) != SB_SESSION_READY &&
           !sb__turnstile_pass(&conn->hub->turnstile, in);
}

static void on_read(sb_stream *st, sb_buf *buf, const uint8_t *data, size_t len)
{
    sb__conn *conn = st->data;
    if (conn->over || conn->shutting)
        return; /* only the end of the peer's side is awaited */
    if (conn->deaf && sb_session_get_state(conn->session) == SB_SESSION_READY) {
        sb_session_touch(conn->session, sb_loop_now(conn->hub->loop));
        return;
    }
    assert(conn->rest == NULL && "a stalled connection does not read");
    SB_TRACE(2);
    if (must_wait(conn)) {
        keep_rest(conn, buf, data, len);
        stall(conn);
        return;
    }
    feed_bytes(conn, buf, data, len);
}

/* The in queue has room, or the pattern wants this connection ended. */
static void resume(sb__task *task)
{
    sb__conn *conn = (sb__conn *)((char *)task - offsetof(sb__conn, feed));
    if (conn->end.err != SB_OK && !conn->over) {
        sb__conn_close(conn, conn->end.err, conn->end_detail);
        return;
    }
    if (!conn->stalled || conn->over || conn->shutting)
        return;
    conn->stalled = false;
    if (conn->rest != NULL) {
        sb_buf *buf = conn->rest;
        conn->rest = NULL;
        feed_bytes(conn, buf, conn->rest_data, conn->rest_len);
        sb_buf_unref(buf);
    }
    if (!conn->stalled && !conn->over && !conn->shutting && (!conn->quiet || conn->stays))
        sb_stream_read_start(conn->stream);
}

static void on_end(sb_stream *st, sb_err why)
{
    sb__conn *conn = st->data;
    if (why == SB_ECLOSED && (sb__conn_retire(conn) || sb__conn_hear(conn)))
        return;
    const char *detail = sb_stream_property(st, "error");
    if (detail != NULL && !conn->over && sb_session_get_state(conn->session) != SB_SESSION_READY)
        conn->end.cause = SB_CAUSE_TRANSPORT;
    if (detail == NULL)
        detail = why == SB_ECLOSED ? "the peer closed the connection" : sb_strerror(why);
    if (conn->shut)
        sb__conn_close(conn, SB_OK, "closed");
    else
        sb__conn_close(conn, why, detail);
}

static void on_closed(sb_stream *st)
{
    sb__conn *conn = st->data;
    conn->owner->closed(conn);
    conn->hub->handles--;
    sb_session_destroy(conn->session);
    drop_rest(conn);
    write_done(conn);
    sb__confirm_destroy(conn->confirm);
    free(conn->end_detail);
    free(conn->address);
    free(conn->who);
    end_newcomer(conn);
    free(conn);
}

static void on_timer(sb_timer *timer)
{
    sb__conn *conn = (sb__conn *)((char *)timer - offsetof(sb__conn, timer));
    const uint8_t *out;
    if (conn->shutting || conn->over) {
        sb__conn_close(conn, SB_OK, "closed");
        return;
    }
    if (conn->ended)
        return; /* no PING can be sent; the drain's deadline bounds the wait */
    uint64_t now = sb_loop_now(conn->hub->loop);
    if (conn->stalled ||
        conn->heard) /* its PONGs wait behind messages that we do not read, or it has ended */
        sb_session_touch(conn->session, now);
    sb_err err = sb_session_expire(conn->session, now);
    if (err != SB_OK) {
        session_failed(conn, err);
        return;
    }
    if (sb_session_output(conn->session, &out) > 0)
        sb__hub_output(conn->hub, &conn->flush);
    rearm(conn);
}

/* ---- may the peer come in ---- */

/* Nothing more is read until the answer. */
static sb_err auth(sb_session *s, const sb_credentials *credentials, const sb_peer_info *info)
{
    sb__conn *conn = sb_session_data(s);
    sb_err err = conn->owner->auth(conn, credentials, info);
    conn->stalled = conn->stalled || err == SB_OK;
    return err;
}

void sb__conn_answer(sb__conn *conn, const sb_session_verdict *verdict)
{
    const uint8_t *out;
    if (conn->over || conn->shutting)
        return;
    sb_err err = sb_session_answer(conn->session, verdict, sb_loop_now(conn->hub->loop));
    if (conn->over)
        return;
    if (err != SB_OK) {
        session_failed(conn, err);
        return;
    }
    if (sb_session_output(conn->session, &out) > 0)
        sb__hub_output(conn->hub, &conn->flush);
    rearm(conn);
    sb__hub_input(conn->hub, &conn->feed);
}

/* ---- what the session tells ---- */

static sb_err ready(sb_session *s, const sb_peer_info *info)
{
    sb__conn *conn = sb_session_data(s);
    sb_err err = conn->owner->ready(conn, info);
    if (err == SB_OK)
        end_newcomer(conn);
    if (err == SB_OK && conn->peer != NULL && (conn->peer->out.msgs > 0 || conn->ending))
        sb__hub_output(conn->hub, &conn->flush);
    if (conn->quiet && !conn->stays)
        stall(conn);
    return err;
}

/* A kick or a close from inside the callback ends the session's parsing too. */
static sb_err unless_over(sb__conn *conn, sb_err err)
{
    if (conn->over || conn->end.err != SB_OK)
        return SB_EAGAIN;
    if (err == SB_EAGAIN)
        conn->stalled = true;
    return err;
}

static sb_err message(sb_session *s, sb_msg *msg)
{
    sb__conn *conn = sb_session_data(s);
    msg->peer = conn->peer;
    return unless_over(conn, conn->owner->message(conn->peer, msg));
}

static sb_err subscribe(sb_session *s, const uint8_t *topic, size_t len, bool on)
{
    sb__conn *conn = sb_session_data(s);
    return unless_over(conn, conn->owner->subscribe(conn->peer, topic, len, on));
}

static void rtt(sb_session *s, uint64_t ns)
{
    sb__conn *conn = sb_session_data(s);
    if (conn->peer != NULL)
        conn->peer->rtt = ns;
}

static void tell_confirmed(void *arg, const uint8_t *topic, size_t len)
{
    sb__conn *conn = arg;
    if (conn->peer != NULL)
        conn->owner->confirmed(conn->peer, topic, len);
}

static sb_err resource(sb_session *s, const uint8_t *name, size_t len)
{
    sb__conn *conn = sb_session_data(s);
    return conn->owner->resource(conn, name, len);
}

static void mark(sb_session *s, uint64_t number)
{
    sb__conn *conn = sb_session_data(s);
    if (conn->confirm != NULL)
        sb__confirm_answer(conn->confirm, number, tell_confirmed, conn);
}

static const sb_session_events session_events = {
    .on_ready = ready,
    .on_msg = message,
    .on_subscribe = subscribe,
    .on_rtt = rtt,
    .on_auth = auth,
    .on_resource = resource,
    .on_mark = mark,
};

/* ---- life ---- */

static const sb_stream_events stream_events = {
    .on_read = on_read,
    .on_end = on_end,
    .on_written = on_written,
    .on_closed = on_closed,
};

void sb__conn_start(sb__conn *conn)
{
    sb_err err = sb_session_start(conn->session, sb_loop_now(conn->hub->loop));
    if (conn->over)
        return;
    if (err != SB_OK) {
        session_failed(conn, err);
        return;
    }
    if (!conn->stalled)
        sb_stream_read_start(conn->stream);
    if (conn->peer == NULL) /* accepted: its greeting is mostly here already, then one write answers it all */
        sb__hub_later(conn->hub, &conn->flush);
    else
        sb__hub_output(conn->hub, &conn->flush);
    rearm(conn);
}

sb_err sb__conn_create(sb__hub *hub, sb_stream *stream, const sb_session_config *cfg, sb_peer *peer,
    const sb__conn_owner *owner, void *owner_data, sb__conn **out)
{
    sb__conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return SB_ENOMEM;
    sb_err err = SB_ENOMEM;
    if (peer != NULL || make_newcomer(conn))
        err = sb_session_create(cfg, &session_events, conn, sb_loop_now(hub->loop), &conn->session);
    if (err != SB_OK) {
        end_newcomer(conn);
        free(conn);
        return err;
    }
    conn->hub = hub;
    conn->stream = stream;
    conn->peer = peer;
    conn->owner = owner;
    conn->owner_data = owner_data;
    conn->id = ++hub->last_id;
    sb_list_node_init(&conn->node);
    sb__task_init(&conn->flush, flush);
    sb__task_init(&conn->feed, resume);
    sb_timer_init(&conn->timer, on_timer);
    stream->data = conn;
    stream->events = &stream_events;
    *out = conn;
    return SB_OK;
}
