/* The greeting, in stages, and the choice of the mechanism. Before: the stream's bytes. After: handshake.c.
 */
#include "engine/session/internal.h"

#include <string.h>

#define CHOSEN (SB__GREETING_SIGNATURE + 2 + SB__GREETING_MECHANISM) /* octets that tell the mechanism */

static void choose(sb_session *s, sb_mechanism id)
{
    const sb_security *cfg = &s->hs->cfg.security;

    sb__mech_init(&s->hs->mech, sb__mech_get(id, cfg->server), &s->hs->cfg);
    s->silent = s->hs->mech.impl->silent;
    s->peer.mechanism = sb_mechanism_name(id);
}

static void greeting_put(const sb_session *s, uint8_t ours[SB__GREETING_SIZE])
{
    bool roles = s->hs->mech.impl != NULL && s->hs->mech.impl->id != SB_MECHANISM_NULL;

    sb__greeting_put(
        ours, s->hs->mech.impl != NULL ? s->peer.mechanism : "", roles && s->hs->cfg.security.server);
}

void sb__greeting_begin(sb_session *s)
{
    uint32_t mechanisms = s->hs->cfg.security.mechanisms;
    uint8_t ours[SB__GREETING_SIZE];

    if ((mechanisms & (mechanisms - 1)) == 0)
        choose(s, (sb_mechanism)__builtin_ctz(mechanisms));
    greeting_put(s, ours);
    ours[8] =
        (uint8_t)(sb__old_identity_len(s) + 1); /* to a 1.0 peer this is the length of our identity frame */
    ours[7] = sb__old_identity_len(s) == 255;
    sb__bytes_put(&s->out, ours, SB__GREETING_SIGNATURE);
    s->hs->greeting_sent = SB__GREETING_SIGNATURE;
}

/* Sends as much of ours as the peer has earned. A server of several mechanisms holds back what names one
 * until the peer has named its own. */
static void greeting_advance(sb_session *s)
{
    uint8_t ours[SB__GREETING_SIZE];
    size_t stage = sb__greeting_stage(s->hs->greeting_len);

    if (s->hs->mech.impl == NULL && stage > SB__GREETING_SIGNATURE + 2)
        stage = SB__GREETING_SIGNATURE + 2;
    if (stage <= s->hs->greeting_sent)
        return;
    greeting_put(s, ours);
    sb__bytes_put(&s->out, ours + s->hs->greeting_sent, stage - s->hs->greeting_sent);
    s->hs->greeting_sent = (uint8_t)stage;
}

/* Majors 0 and 1 are ZMTP 1.0 (with a signature; it speaks 2.0's framing) and 2.0; 2 has never been seen and,
 * as libzmq does, counts as newer than ours. Older versions know no mechanisms: a side that has one, or that
 * asks about its peers, never speaks them. */
static sb_err greeting_revision(sb_session *s)
{
    uint8_t major = s->hs->greeting[SB__GREETING_SIGNATURE];

    if (s->hs->greeting_len != SB__GREETING_SIGNATURE + 1 || major >= 2)
        return SB_OK;
    if (sb__old_allowed(s, 2))
        return sb__old_begin(s, 2);
    return sb__session_fail(
        s, SB_EPROTO, SB_CAUSE_GREETING, "ZMTP 2.0 peer, and older versions are not spoken here");
}

/* No signature: the octets may be the first frame of a 1.0 peer. */
static sb_err greeting_foreign(sb_session *s)
{
    if (sb__old_allowed(s, 1))
        return sb__old_begin(s, 1);
    return sb__session_fail(s, SB_EPROTO, SB_CAUSE_GREETING, "not a ZMTP 3 greeting");
}

static sb_err greeting_mechanism(sb_session *s)
{
    char theirs[SB__GREETING_MECHANISM + 1] = {0};
    sb_mechanism id;

    if (s->hs->greeting_len != CHOSEN)
        return SB_OK;
    memcpy(theirs, s->hs->greeting + SB__GREETING_SIGNATURE + 2, SB__GREETING_MECHANISM);
    if (sb__mech_match((uint8_t *)theirs, s->hs->cfg.security.mechanisms, &id)) {
        if (s->hs->mech.impl == NULL)
            choose(s, id);
        return SB_OK;
    }
    for (char *p = theirs; *p != '\0'; p++)
        *p = *p > ' ' && *p <= '~' ? *p : '?'; /* goes to logs */
    return sb__session_fail(s, SB_EMECHANISM, SB_CAUSE_MECHANISM, "peer's mechanism is \"%s\", not %s",
        theirs, s->hs->mech.impl != NULL ? s->peer.mechanism : "one of ours");
}

static sb_err greeting_done(sb_session *s)
{
    sb__greeting g;

    sb__greeting_get(s->hs->greeting, &g);
    s->peer.major = g.major;
    s->peer.minor = g.minor;
    s->commands = g.major != 3 || g.minor >= 1;
    s->state = SB_SESSION_HANDSHAKE;
    return sb__handshake_begin(s);
}

sb_err sb__greeting_feed(sb_session *s, sb__input *in)
{
    sb__greeting_verdict verdict = SB__GREETING_MORE;
    sb_err err = SB_OK;

    while (err == SB_OK && verdict == SB__GREETING_MORE && s->old == 0 && in->p < in->end) {
        s->hs->greeting[s->hs->greeting_len++] = *in->p++;
        verdict = sb__greeting_check(s->hs->greeting, s->hs->greeting_len);
        if (verdict == SB__GREETING_FOREIGN)
            return greeting_foreign(s);
        err = greeting_revision(s);
        if (err == SB_OK && s->old == 0)
            err = greeting_mechanism(s);
        if (err == SB_OK && s->old == 0)
            greeting_advance(s);
    }
    if (err == SB_OK && verdict == SB__GREETING_DONE)
        err = greeting_done(s);
    return err;
}
