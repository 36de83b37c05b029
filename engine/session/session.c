/* One peer's session: life, feeding, output, time. The steps are in the other files of the folder.
 * Before: transport/conn.c. After: handshake.c, decode.c. */
#include "engine/session/internal.h"
#include "engine/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DECISECOND 100000000ull
#define TTL_MAX    655 /* deciseconds: libzmq keeps a TTL in 16 bits of milliseconds */

/* ---- life ---- */

static uint64_t later(uint64_t now, uint64_t span)
{
    return span > 0 && span < UINT64_MAX - now ? now + span : UINT64_MAX;
}

static uint16_t ttl_of(uint64_t ns)
{
    uint64_t ttl = ns / DECISECOND;

    return (uint16_t)(ttl < TTL_MAX ? ttl : TTL_MAX);
}

static void set_limits(sb_session *s, const sb_session_config *cfg)
{
    s->max_frame = cfg->max_frame >= 0 ? (uint64_t)cfg->max_frame : INT64_MAX;
    s->max_message = cfg->max_message > 0 ? cfg->max_message : UINT64_MAX;
    s->max_frames = cfg->max_frames > 0 ? cfg->max_frames : 8192;
    s->max_plain = s->max_frames < SB_MSG_INLINE ? s->max_frames : SB_MSG_INLINE;
    s->max_handshake = cfg->max_handshake > 0 ? cfg->max_handshake : 8192;
    s->max_topic = cfg->max_topic > 0 ? cfg->max_topic : 65536;
}

static void take_type(sb_session *s, const sb_session_config *cfg)
{
    s->type = cfg->type;
    s->publisher = cfg->type == SB_PUB || cfg->type == SB_XPUB;
    s->strict = cfg->strict;
}

sb_err sb_session_become(sb_session *s, const sb_session_config *cfg)
{
    if (cfg->raw || cfg->type == SB_STREAM)
        return SB_EINVAL;
    if (s->hs == NULL)
        return SB_EFSM;
    take_type(s, cfg);
    s->ttl = ttl_of(cfg->heartbeat_ttl);
    set_limits(s, cfg);
    sb__heartbeat_init(&s->beat, cfg->heartbeat_ivl, cfg->heartbeat_timeout);
    return sb__config_metadata(s, cfg);
}

static sb_err init(sb_session *s, const sb_session_config *cfg, uint64_t now)
{
    sb_err err;

    take_type(s, cfg);
    s->raw = cfg->raw || cfg->type == SB_STREAM;
    s->chooses = cfg->chooses;
    s->stream_pings = cfg->stream_pings;
    s->hs->cfg.late = cfg->chooses;
    s->oldest = cfg->oldest > 0 ? cfg->oldest : 2;
    s->ttl = ttl_of(cfg->heartbeat_ttl);
    s->hs->end = later(now, cfg->handshake_ivl);
    set_limits(s, cfg);
    if (cfg->user_id != NULL && (s->known_user = strdup(cfg->user_id)) == NULL)
        return SB_ENOMEM;
    s->peer.user_id = s->known_user != NULL ? s->known_user : "";
    s->peer.key = "";
    if (s->raw) {
        s->peer.type = SB_STREAM;
        s->peer.mechanism = "";
        sb__heartbeat_init(&s->beat, 0, 0);
        return SB_OK;
    }
    sb__heartbeat_init(&s->beat, cfg->heartbeat_ivl, cfg->heartbeat_timeout);
    err = sb__config_read(s, cfg);
    if (err != SB_OK)
        return err;
    sb__greeting_begin(s);
    return s->out.failed ? SB_ENOMEM : SB_OK;
}

sb_err sb_session_create(
    const sb_session_config *cfg, const sb_session_events *events, void *data, uint64_t now, sb_session **out)
{
    sb_session *s;
    sb_err err;

    if (sb_type_peers(cfg->type) == 0)
        return SB_EINVAL;
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return SB_ENOMEM;
    s->events = events;
    s->data = data;
    s->hs = calloc(1, sizeof *s->hs);
    err = s->hs != NULL ? init(s, cfg, now) : SB_ENOMEM;
    if (err != SB_OK) {
        sb_session_destroy(s);
        return err;
    }
    *out = s;
    return SB_OK;
}

void sb_session_destroy(sb_session *s)
{
    if (s == NULL)
        return;
    sb__handshake_finish(s);
    sb__secure_finish(s);
    sb__assembly_finish(&s->part);
    sb__bytes_finish(&s->out);
    free(s->peer_memory);
    free(s->auth_memory);
    free(s->way);
    free(s->detail);
    free(s->known_user);
    free(s);
}

void *sb_session_data(const sb_session *s)
{
    return s->data;
}

sb_session_state sb_session_get_state(const sb_session *s)
{
    return s->state;
}

const sb_peer_info *sb_session_peer(const sb_session *s)
{
    return s->was_ready ? &s->peer : NULL;
}

bool sb_session_passthrough(const sb_session *s)
{
    return s->secure == NULL && !s->raw && s->old != 1;
}

/* ---- the end ---- */

sb_session_cause sb_session_why(const sb_session *s, const char **detail)
{
    if (detail != NULL)
        *detail = s->detail != NULL ? s->detail : "";
    return s->cause;
}

static bool end(sb_session *s, sb_err err, sb_session_cause cause, const char *format, va_list args)
{
    char text[128];

    if (s->state == SB_SESSION_OVER)
        return false;
    s->state = SB_SESSION_OVER;
    s->err = err;
    s->cause = cause;
    vsnprintf(text, sizeof text, format, args);
    s->detail = strdup(text);
    sb__assembly_finish(&s->part);
    return true;
}

sb_err sb__session_fail(sb_session *s, sb_err err, sb_session_cause cause, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    end(s, err, cause, format, args);
    va_end(args);
    return s->err;
}

sb_err sb__session_refuse(sb_session *s, sb_err err, sb_session_cause cause, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (end(s, err, cause, format, args) && s->old == 0 && !s->silent) {
        sb__error_put(sb__lane(s), s->detail != NULL ? s->detail : "");
        sb__lane_done(s);
    }
    va_end(args);
    return s->err;
}

/* A control command that found no memory would leave half of itself in the output: nothing is sent any more.
 */
static sb_err check_output(sb_session *s)
{
    if (!s->out.failed)
        return SB_OK;
    sb__bytes_finish(&s->out);
    return sb__session_fail(s, SB_ENOMEM, SB_CAUSE_NONE, "out of memory");
}

/* ---- bytes in ---- */

sb_err sb_session_feed(
    sb_session *s, sb_buf *buf, const uint8_t *data, size_t len, uint64_t now, size_t *consumed)
{
    sb__input in = {.buf = buf, .p = data, .end = data + len, .now = now};
    sb_err err = SB_OK;

    SB_TRACE(3);
    *consumed = 0;
    if (s->state == SB_SESSION_OVER)
        return s->err;
    sb__heartbeat_seen(&s->beat, now);
    if (s->asking)
        return SB_OK;
    if (s->state == SB_SESSION_GREETING)
        err = s->raw ? sb_session_start(s, now) : sb__greeting_feed(s, &in);
    if (err == SB_OK)
        err = s->raw ? sb__raw_feed(s, &in) : sb__decode_feed(s, &in);
    *consumed = (size_t)(in.p - data);
    return check_output(s) == SB_OK ? err : s->err;
}

sb_err sb_session_answer(sb_session *s, const sb_session_verdict *verdict, uint64_t now)
{
    sb_err err;

    if (s->state == SB_SESSION_OVER)
        return s->err;
    if (!s->asking)
        return SB_EFSM;
    s->asking = false;
    err = sb__handshake_answer(s, verdict, now);
    return check_output(s) == SB_OK ? err : s->err;
}

size_t sb_session_unfinished(const sb_session *s)
{
    if (s->state != SB_SESSION_READY)
        return 0;
    return (s->secure != NULL ? s->secure->box.len : 0) + (s->part_unit.command ? 0 : s->part.len);
}

/* ---- bytes out ---- */

size_t sb_session_output(sb_session *s, const uint8_t **out)
{
    *out = sb__bytes_data(&s->out);
    return s->out.failed ? 0 : sb__bytes_len(&s->out); /* its end may be half a command */
}

void sb_session_sent(sb_session *s, size_t n)
{
    sb__bytes_drop(&s->out, n);
    if (sb__bytes_len(&s->out) > 0)
        return;
    s->ping_out = false;
    s->pong_out = false;
    if (s->state == SB_SESSION_READY)
        sb__control_pong(s);
}

/* ---- time ---- */

uint64_t sb_session_deadline(const sb_session *s)
{
    if (s->state == SB_SESSION_OVER)
        return UINT64_MAX;
    return s->state == SB_SESSION_READY ? sb__heartbeat_deadline(&s->beat) : s->hs->end;
}

static sb_err expire_handshake(sb_session *s, uint64_t now)
{
    if (now < s->hs->end)
        return SB_OK;
    return sb__session_fail(s, SB_ETIMEDOUT, SB_CAUSE_TIMEOUT, "handshake not done in time");
}

sb_err sb_session_expire(sb_session *s, uint64_t now)
{
    if (s->state == SB_SESSION_OVER)
        return s->err;
    if (s->state != SB_SESSION_READY)
        return expire_handshake(s, now);
    switch (sb__heartbeat_expire(&s->beat, now)) {
    case SB__HEARTBEAT_NOTHING:
        break;
    case SB__HEARTBEAT_PING:
        sb__control_ping(s, now);
        break;
    case SB__HEARTBEAT_DEAD:
        return sb__session_fail(s, SB_ETIMEDOUT, SB_CAUSE_HEARTBEAT, "nothing heard in time");
    }
    return check_output(s);
}

void sb_session_touch(sb_session *s, uint64_t now)
{
    sb__heartbeat_seen(&s->beat, now);
}
