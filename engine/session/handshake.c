/* From the greeting to READY: one state machine for every mechanism. The mechanism takes commands and says
 * what they mean; only this file lets a peer in, and only on an answer of 200 or where nobody has to be
 * asked. Before: greeting.c. After: on_auth, on_ready, control.c and decode.c. */
#include "engine/session/internal.h"

#include <stdlib.h>
#include <string.h>

void sb__handshake_finish(sb_session *s)
{
    if (s->hs == NULL)
        return;
    sb__mech_finish(&s->hs->mech);
    sb__config_forget(s->hs);
    free(s->hs);
    s->hs = NULL;
}

sb_err sb__handshake_ready(sb_session *s, uint64_t now)
{
    sb__mech *mech = &s->hs->mech;
    sb_err err = mech->impl->seal != NULL ? sb__secure_begin(s, mech) : SB_OK;

    if (err != SB_OK)
        return err;
    s->state = SB_SESSION_READY;
    s->was_ready = true;
    sb__handshake_finish(s);
    sb__heartbeat_start(&s->beat, now);
    err = s->events->on_ready(s, &s->peer);
    if (err == SB_OK)
        return SB_OK;
    return sb__session_refuse(s, err, SB_CAUSE_REFUSED, "%s", sb_strerror(err));
}

static sb_err take_step(sb_session *s, sb__mech_step step, uint64_t now);

/* What it says of itself is checked before anybody is asked about it. */
static sb_err ask(sb_session *s)
{
    const sb_credentials *c = &s->hs->mech.credentials;
    sb_err err = s->hs->mech.has_metadata ? sb__peer_read(s, s->hs->mech.peer_metadata) : SB_OK;

    if (err != SB_OK)
        return err;
    if (c->key != NULL) {
        sb_z85_encode(c->key, SB_CURVE_KEY, s->hs->peer_key);
        s->peer.key = s->hs->peer_key;
    }
    s->asking = true;
    if (s->events->on_auth != NULL)
        err = s->events->on_auth(s, c, s->hs->mech.has_metadata ? &s->peer : NULL);
    if (s->events->on_auth != NULL && err == SB_OK)
        return SB_OK;
    s->asking = false;
    return sb__session_fail(s, SB_EACCES, SB_CAUSE_AUTH, "nobody can be asked about peers");
}

static sb_err hear(sb_session *s, uint64_t now)
{
    sb_err err = sb__peer_read(s, s->hs->mech.peer_metadata);

    return err == SB_OK ? take_step(s, s->hs->mech.impl->accept(&s->hs->mech, &s->out), now) : err;
}

static sb_err done(sb_session *s, uint64_t now)
{
    sb_err err = s->peer_read ? SB_OK : sb__peer_read(s, s->hs->mech.peer_metadata);

    return err == SB_OK ? sb__handshake_ready(s, now) : err;
}

static sb_err failed(sb_session *s, sb__mech_step step)
{
    static const struct {
        sb_err err;
        sb_session_cause cause;
        const char *text;
    } ends[] = {
        [SB__MECH_UNEXPECTED] = {SB_EPROTO, SB_CAUSE_FRAME, "unexpected command in the handshake"},
        [SB__MECH_MALFORMED] = {SB_EPROTO, SB_CAUSE_FRAME, "malformed command in the handshake"},
        [SB__MECH_CRYPTO] = {SB_EPROTO, SB_CAUSE_CRYPTO, "a box of the handshake is not authentic"},
        [SB__MECH_NOMEM] = {SB_ENOMEM, SB_CAUSE_NONE, "out of memory"},
    };

    return sb__session_fail(s, ends[step].err, ends[step].cause, "%s", ends[step].text);
}

/* What a step of the mechanism means. */
static sb_err take_step(sb_session *s, sb__mech_step step, uint64_t now)
{
    switch (step) {
    case SB__MECH_ON:
        return SB_OK;
    case SB__MECH_ASK:
        return ask(s);
    case SB__MECH_HEAR:
        return hear(s, now);
    case SB__MECH_DONE:
        return done(s, now);
    default:
        return failed(s, step);
    }
}

sb_err sb__handshake_begin(sb_session *s)
{
    return take_step(s, s->hs->mech.impl->start(&s->hs->mech, &s->out), 0);
}

/* libzmq's PLAIN server writes "\5ERROR" as a C string, where "\5E" is one octet. */
static bool is_misspelt_error(const uint8_t *body, size_t len, sb__cursor *data)
{
    static const char name[] = "\x5eRROR";

    if (len < sizeof name - 1 || memcmp(body, name, sizeof name - 1) != 0)
        return false;
    *data = sb__cursor_of(body + sizeof name - 1, len - (sizeof name - 1));
    return true;
}

sb_err sb__handshake_command(sb_session *s, sb__input *in, const uint8_t *body, size_t len)
{
    sb__command_id id;
    sb__cursor data;
    sb_err err;

    if (is_misspelt_error(body, len, &data))
        return sb__control_error(s, data);
    if (!sb__command_get(body, len, &id, &data))
        return sb__session_fail(s, SB_EPROTO, SB_CAUSE_FRAME, "malformed command");
    if (id == SB__COMMAND_ERROR)
        return sb__control_error(s, data);
    err = take_step(s, s->hs->mech.impl->command(&s->hs->mech, body, len, &s->out), in->now);
    in->stop = in->stop || s->asking;
    return err;
}

/* ZAP's 300 is silent, so that the peer comes again; 400 and 500 are told (RFC 27). */
static sb_err refused(sb_session *s, const sb_session_verdict *verdict)
{
    const char *text = verdict->text != NULL ? verdict->text : "";

    if (verdict->status == 400 || verdict->status == 500)
        sb__error_put(&s->out, verdict->status == 400 ? "400" : "500");
    return sb__session_fail(s, SB_EACCES, SB_CAUSE_AUTH, "refused with %u: %.80s", verdict->status, text);
}

sb_err sb__handshake_answer(sb_session *s, const sb_session_verdict *verdict, uint64_t now)
{
    sb_err err;

    if (verdict->status != 200)
        return refused(s, verdict);
    err = sb__peer_admit(s, verdict);
    return err == SB_OK ? take_step(s, s->hs->mech.impl->accept(&s->hs->mech, &s->out), now) : err;
}
