/* From the first octet to READY: the staged greeting, then the mechanism's commands.
 * Before: the stream's bytes. After: on_ready, control.c and decode.c. */
#include "engine/session/internal.h"
#include "engine/wire/metadata.h"

#include <string.h>

/* ---- greeting ---- */

/* Sends as much of ours as the peer has earned. */
static void greeting_advance(sb_session *s)
{
    uint8_t ours[SB__GREETING_SIZE];
    size_t stage = sb__greeting_stage(s->greeting_len);

    if (stage <= s->greeting_sent)
        return;
    sb__greeting_put(ours, s->mech.impl->name, s->as_server);
    sb__bytes_put(&s->out, ours + s->greeting_sent, stage - s->greeting_sent);
    s->greeting_sent = (uint8_t)stage;
}

/* Majors 0 and 1 are ZMTP 1.0 and 2.0; 2 has never been seen and, as libzmq does, counts as newer than ours.
 */
static sb_err greeting_revision(sb_session *s)
{
    uint8_t major = s->greeting[SB__GREETING_SIGNATURE];

    if (s->greeting_len <= SB__GREETING_SIGNATURE || major >= 2)
        return SB_OK;
    return sb__session_fail(s, SB_EPROTO, SB_CAUSE_GREETING, "ZMTP %d.0 peer", major + 1);
}

static sb_err greeting_done(sb_session *s)
{
    uint8_t ours[SB__GREETING_SIZE];
    sb__greeting g;

    sb__greeting_get(s->greeting, &g);
    sb__greeting_put(ours, s->mech.impl->name, s->as_server);
    if (memcmp(ours + 12, s->greeting + 12, SB__GREETING_MECHANISM) != 0)
        return sb__session_fail(
            s, SB_EMECHANISM, SB_CAUSE_MECHANISM, "peer's mechanism is not %s", s->mech.impl->name);
    s->peer.major = g.major;
    s->peer.minor = g.minor;
    s->commands = g.major != 3 || g.minor >= 1;
    s->state = SB_SESSION_HANDSHAKE;
    s->mech.impl->start(&s->mech, &s->out);
    return SB_OK;
}

sb_err sb__handshake_greeting(sb_session *s, sb__input *in)
{
    sb__greeting_verdict verdict = SB__GREETING_MORE;
    sb_err err = SB_OK;

    while (err == SB_OK && verdict == SB__GREETING_MORE && in->p < in->end) {
        s->greeting[s->greeting_len++] = *in->p++;
        verdict = sb__greeting_check(s->greeting, s->greeting_len);
        if (verdict == SB__GREETING_FOREIGN)
            return sb__session_fail(s, SB_EPROTO, SB_CAUSE_GREETING, "not a ZMTP 3 greeting");
        err = greeting_revision(s);
        if (err == SB_OK)
            greeting_advance(s);
    }
    if (err == SB_OK && verdict == SB__GREETING_DONE)
        err = greeting_done(s);
    return err;
}

/* ---- commands ---- */

static sb_err ready(sb_session *s, sb__input *in)
{
    sb_err err;

    s->state = SB_SESSION_READY;
    s->was_ready = true;
    sb__bytes_finish(&s->metadata);
    sb__heartbeat_start(&s->beat, in->now);
    err = s->events->on_ready(s, &s->peer);
    if (err == SB_OK)
        return SB_OK;
    return sb__session_refuse(s, err, SB_CAUSE_REFUSED, "%s", sb_strerror(err));
}

sb_err sb__handshake_command(sb_session *s, sb__input *in, const uint8_t *body, size_t len)
{
    sb__command_id id;
    sb__cursor data;
    sb_err err;

    if (!sb__command_get(body, len, &id, &data))
        return sb__session_fail(s, SB_EPROTO, SB_CAUSE_FRAME, "malformed command");
    if (id == SB__COMMAND_ERROR)
        return sb__control_error(s, data);
    switch (s->mech.impl->command(&s->mech, body, len, &s->out)) {
    case SB__MECH_ON:
        return SB_OK;
    case SB__MECH_DONE:
        err = sb__peer_read(s, s->mech.peer_metadata);
        return err == SB_OK ? ready(s, in) : err;
    case SB__MECH_UNEXPECTED:
        return sb__session_fail(s, SB_EPROTO, SB_CAUSE_FRAME, "unexpected command in the handshake");
    case SB__MECH_MALFORMED:
        break;
    }
    return sb__session_fail(s, SB_EPROTO, SB_CAUSE_FRAME, "malformed command in the handshake");
}

/* ---- our properties ---- */

static bool announces_identity(sb_type type)
{
    return type == SB_REQ || type == SB_DEALER || type == SB_ROUTER;
}

static sb_err put_extra(sb_session *s, const sb_property *p)
{
    if (!sb__metadata_name_ok((const uint8_t *)p->name, strlen(p->name)) || p->value_len > INT32_MAX)
        return SB_EINVAL;
    sb__metadata_put(&s->metadata, p->name, p->value, p->value_len);
    return SB_OK;
}

sb_err sb__handshake_metadata(sb_session *s, const sb_session_config *cfg)
{
    const char *type = sb_type_name(cfg->type);

    if (cfg->identity_len > 255 || (cfg->identity_len > 0 && cfg->identity[0] == 0))
        return SB_EINVAL;
    sb__metadata_put(&s->metadata, "Socket-Type", type, (uint32_t)strlen(type));
    if (announces_identity(cfg->type))
        sb__metadata_put(&s->metadata, "Identity", cfg->identity, cfg->identity_len);
    for (uint32_t i = 0; i < cfg->nmetadata; i++)
        if (put_extra(s, &cfg->metadata[i]) != SB_OK)
            return SB_EINVAL;
    if (s->metadata.failed)
        return SB_ENOMEM;
    s->mech_cfg = (sb__mech_config){.as_server = cfg->as_server,
        .metadata = sb__bytes_data(&s->metadata),
        .metadata_len = sb__bytes_len(&s->metadata)};
    return SB_OK;
}
