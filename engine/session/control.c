/* The control lane after READY: PING, PONG, SUBSCRIBE, CANCEL, ERROR, both ways.
 * Before: decode.c. After: the session's output, on_subscribe, on_rtt. */
#include "engine/session/internal.h"
#include "engine/wire/frame.h"

#include <ctype.h>
#include <string.h>

#define DECISECOND   100000000ull
#define MARK         'M'
#define MARK_CONTEXT 9 /* octets: MARK and a number */

static sb_err malformed(sb_session *s, const char *what)
{
    return sb__session_fail(s, SB_EPROTO, SB_CAUSE_FRAME, "malformed %s command", what);
}

/* ---- from the peer ---- */

/* A peer that sends PINGs and reads nothing gets one PONG in the output and the latest one behind it. */
static sb_err on_ping(sb_session *s, sb__input *in, sb__cursor data)
{
    sb__ping ping;

    (void)in;
    if (!sb__ping_get(data, &ping))
        return malformed(s, "PING");
    sb__heartbeat_peer_ttl(&s->beat, ping.ttl * DECISECOND);
    s->pong = ping;
    s->pong_due = true;
    sb__control_pong(s);
    return SB_OK;
}

static sb_err on_pong(sb_session *s, sb__input *in, sb__cursor data)
{
    uint64_t sent;
    sb__ping pong;

    if (!sb__pong_get(data, &pong))
        return malformed(s, "PONG");
    if (pong.context_len == MARK_CONTEXT && pong.context[0] == MARK && s->events->on_mark != NULL)
        s->events->on_mark(s, sb__be64_get(pong.context + 1));
    if (pong.context_len != sizeof sent)
        return SB_OK;
    sent = sb__be64_get(pong.context);
    if (sent != s->ping_time || sent == 0)
        return SB_OK; /* not the context of our last PING */
    s->ping_time = 0;
    s->events->on_rtt(s, in->now - sent);
    return SB_OK;
}

static sb_err on_topic(sb_session *s, sb__input *in, sb__cursor data, bool subscribe)
{
    sb_err err;

    if (!s->publisher)
        return SB_OK; /* never reaches an application that has no use for it */
    err = sb__control_subscribe(s, data.p, sb__cursor_left(&data), subscribe);
    if (err != SB_EAGAIN)
        return err;
    in->stop = true;
    return SB_OK;
}

static sb_err on_subscribe(sb_session *s, sb__input *in, sb__cursor data)
{
    return on_topic(s, in, data, true);
}

static sb_err on_cancel(sb_session *s, sb__input *in, sb__cursor data)
{
    return on_topic(s, in, data, false);
}

static sb_err on_group(sb_session *s, sb__input *in, sb__cursor data, bool join)
{
    size_t len = sb__cursor_left(&data);
    sb_err err;

    if (s->type != SB_RADIO)
        return SB_OK;
    if (len > SB_GROUP_MAX)
        return malformed(s, join ? "JOIN" : "LEAVE");
    err = sb__control_subscribe(s, data.p, len, join);
    if (err != SB_EAGAIN)
        return err;
    in->stop = true;
    return SB_OK;
}

static sb_err on_join(sb_session *s, sb__input *in, sb__cursor data)
{
    return on_group(s, in, data, true);
}

static sb_err on_leave(sb_session *s, sb__input *in, sb__cursor data)
{
    return on_group(s, in, data, false);
}

static sb_err on_error(sb_session *s, sb__input *in, sb__cursor data)
{
    (void)in;
    return sb__control_error(s, data);
}

static sb_err on_late(sb_session *s, sb__input *in, sb__cursor data)
{
    (void)in;
    (void)data;
    return sb__session_fail(s, SB_EPROTO, SB_CAUSE_FRAME, "command of the handshake after READY");
}

sb_err sb__control_subscribe(sb_session *s, const uint8_t *topic, size_t len, bool subscribe)
{
    sb_err err;

    if (len > s->max_topic)
        return sb__session_fail(
            s, SB_EMSGSIZE, SB_CAUSE_OVERSIZE, "topic of %zu octets, limit %u", len, s->max_topic);
    err = s->events->on_subscribe(s, topic, len, subscribe);
    if (err == SB_OK || err == SB_EAGAIN)
        return err;
    return sb__session_fail(s, err, SB_CAUSE_REFUSED, "%s", sb_strerror(err));
}

/* Before READY a ZAP status means that we were not let in (RFC 27, as libzmq sends it). */
static bool is_status(const sb_session *s, const char *text)
{
    return s->state == SB_SESSION_HANDSHAKE && strlen(text) == 3 && strspn(text, "0123456789") == 3;
}

sb_err sb__control_error(sb_session *s, sb__cursor data)
{
    const uint8_t *reason;
    char text[64];
    uint8_t len;
    size_t n;

    if (!sb__error_get(data, &reason, &len))
        return malformed(s, "ERROR");
    n = len < sizeof text - 1 ? len : sizeof text - 1;
    for (size_t i = 0; i < n; i++)
        text[i] = isprint(reason[i]) ? (char)reason[i] : '?'; /* goes to logs */
    text[n] = '\0';
    return sb__session_fail(
        s, SB_EREFUSED, is_status(s, text) ? SB_CAUSE_AUTH : SB_CAUSE_ERROR_COMMAND, "peer says: %s", text);
}

static sb_err (*const actions[SB__COMMAND_COUNT])(sb_session *, sb__input *, sb__cursor);

sb_err sb__control_command(sb_session *s, sb__input *in, const uint8_t *body, size_t len)
{
    sb__command_id id;
    sb__cursor data;

    if (!sb__command_get(body, len, &id, &data))
        return sb__session_fail(s, SB_EPROTO, SB_CAUSE_FRAME, "malformed command");
    return actions[id] != NULL ? actions[id](s, in, data) : SB_OK;
}

/* ---- to the peer ---- */

void sb__control_pong(sb_session *s)
{
    if (!s->pong_due || s->pong_out)
        return;
    sb__pong_put(sb__lane(s), &s->pong);
    s->pong_due = false;
    s->pong_out = sb__lane_done(s) == SB_OK;
}

/* The context is the time, so that the PONG tells how long it took. One PING that was not read yet is enough.
 */
void sb__control_ping(sb_session *s, uint64_t now)
{
    sb__ping ping = {.ttl = s->ttl, .context_len = sizeof now};

    if (s->ping_out)
        return;
    sb__be64_put(ping.context, now);
    sb__ping_put(s->stream_pings ? &s->out : sb__lane(s), &ping);
    s->ping_out = s->stream_pings || sb__lane_done(s) == SB_OK;
    s->ping_time = now;
}

sb_err sb__control_stream_pong(sb_session *s, sb__input *in, const uint8_t *body, size_t len)
{
    sb__command_id id;
    sb__cursor data;

    if (!sb__command_get(body, len, &id, &data) || id != SB__COMMAND_PONG)
        return malformed(s, "command outside of a box");
    return on_pong(s, in, data);
}

/* Apart from heartbeats: its context is longer, and as many may be on their way as the owner likes. */
sb_err sb_session_mark(sb_session *s, uint64_t number)
{
    sb__ping ping = {.ttl = s->beat.ivl > 0 ? s->ttl : 0, .context_len = MARK_CONTEXT, .context = {MARK}};

    if (s->state != SB_SESSION_READY)
        return SB_EFSM;
    if (!s->commands)
        return SB_ENOTSUP;
    sb__be64_put(ping.context + 1, number);
    sb__bytes *out = sb__lane(s);
    size_t before = sb__bytes_len(out);
    sb__ping_put(out, &ping);
    if (!out->failed)
        return sb__lane_done(s);
    sb__bytes_cut(out, before);
    out->failed = false;
    return SB_ENOMEM;
}

static void put_topic_message(sb__bytes *out, const uint8_t *topic, size_t len, bool subscribe)
{
    uint8_t head[SB__FRAME_HEAD];
    size_t size = sb__frame_put(head, 0, 1ull + len);

    sb__bytes_put(out, head, size);
    sb__bytes_put_u8(out, subscribe);
    sb__bytes_put(out, topic, len);
}

static sb__command_id topic_command(const sb_session *s, bool subscribe)
{
    if (s->type == SB_DISH)
        return subscribe ? SB__COMMAND_JOIN : SB__COMMAND_LEAVE;
    return subscribe ? SB__COMMAND_SUBSCRIBE : SB__COMMAND_CANCEL;
}

sb_err sb_session_subscribe(sb_session *s, const uint8_t *topic, size_t len, bool subscribe)
{
    sb__bytes *out = sb__lane(s);
    size_t before = sb__bytes_len(out);

    if (s->state != SB_SESSION_READY)
        return SB_EFSM;
    if (s->old == 1) /* sends everything anyway */
        return SB_OK;
    if (s->commands || s->type == SB_DISH) {
        sb__command_put(out, topic_command(s, subscribe), len);
        sb__bytes_put(out, topic, len);
    } else {
        put_topic_message(out, topic, len, subscribe);
    }
    if (!out->failed)
        return sb__lane_done(s);
    sb__bytes_cut(out, before);
    out->failed = false;
    return SB_ENOMEM;
}

static sb_err (*const actions[SB__COMMAND_COUNT])(sb_session *, sb__input *, sb__cursor) = {
    [SB__COMMAND_UNKNOWN] = NULL, /* ignored, as libzmq does; the RFC is silent */
    [SB__COMMAND_READY] = on_late,
    [SB__COMMAND_HELLO] = on_late,
    [SB__COMMAND_WELCOME] = on_late,
    [SB__COMMAND_INITIATE] = on_late,
    [SB__COMMAND_ERROR] = on_error,
    [SB__COMMAND_SUBSCRIBE] = on_subscribe,
    [SB__COMMAND_CANCEL] = on_cancel,
    [SB__COMMAND_JOIN] = on_join,
    [SB__COMMAND_LEAVE] = on_leave,
    [SB__COMMAND_PING] = on_ping,
    [SB__COMMAND_PONG] = on_pong,
};
