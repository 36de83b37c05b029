/* ROUTER: addresses peers by routing id, the first frame of what it sends and receives (RFC 28). Never
 * blocks: what cannot be queued is dropped and counted, or with router_mandatory an error. After:
 * pattern/pipe.c. */
#include "engine/pattern/envelope.h"
#include "engine/pattern/names.h"
#include "engine/pattern/registry.h"
#include "engine/pattern/robin.h"

#include <assert.h>

#define ID_MAX 255

typedef struct router {
    sb_pattern base;
    sb__names names;
    bool starved; /* a mandatory send found its peer full */
} router;

static router *router_from(sb_pattern *pat)
{
    assert(pat->impl == &sb__router_impl);
    return (router *)pat;
}

/* Names */

/* The mates learn under which names our peers can be reached. */
static void hold(router *r, sb_peer *peer, bool on)
{
    const sb__pattern_host *host = r->base.host;
    if (host->holds == NULL || peer->held_by_team == on || peer->routing_id == NULL)
        return;
    peer->held_by_team = on;
    host->holds(&r->base, peer->routing_id, peer->routing_id_len, on);
}

/* Handover: what waits for the old connection goes to the new one, and the old one ends. It is renamed, for
 * what it sent before may still be delivered. */
static sb_err take_over(router *r, sb_peer *old, sb_peer *peer)
{
    hold(r, old, false);
    sb_err err = sb__names_give_auto(&r->names, old);
    hold(r, old, true);
    if (err != SB_OK)
        return err;
    old->pattern_data = NULL;
    bool edge = peer->out.msgs == 0;
    uint32_t lost = sb__queue_move(&old->out, &peer->out);
    if (old->out_stage != NULL)
        lost += sb__stage_move(old->out_stage, &peer->out, peer->out_stage, r->base.host->stamp(&r->base));
    for (; lost > 0; lost--)
        r->base.host->dropped(&r->base, old, SB_DROP_LOST);
    if (edge && peer->out.msgs > 0 && peer->ready)
        peer->link->output(peer);
    if (old->link != NULL)
        old->link->kick(old, SB_EEXIST, "routing id taken over by a new connection", true);
    return SB_OK;
}

static sb_err name_announced(router *r, sb_peer *peer, const uint8_t *id, uint32_t len)
{
    sb_peer *old = sb__names_find(&r->names, &(sb_frame){.data = id, .len = len});
    if (old == peer)
        return SB_OK;
    if (old != NULL) {
        if (!r->base.options->router_handover)
            return SB_EEXIST;
        sb_err err = take_over(r, old, peer);
        if (err != SB_OK)
            return err;
    }
    return sb__names_give(&r->names, peer, id, len);
}

/* Peers */

/* The name a connecting peer gets from connect_routing_id holds whatever it announces. */
static sb_err router_attach(sb_pattern *pat, sb_peer *peer)
{
    router *r = router_from(pat);
    const sb__pattern_options *o = pat->options;
    if (peer->pattern_data != NULL) /* with IMMEDIATE: back again */
        return sb__names_again(&r->names, peer);
    if (peer->info != NULL || o->connect_routing_id_len == 0)
        return SB_OK;
    if (o->connect_routing_id_len > ID_MAX)
        return SB_EINVAL;
    sb_err err = sb__names_give(&r->names, peer, o->connect_routing_id, (uint32_t)o->connect_routing_id_len);
    if (err == SB_OK)
        peer->pattern_data = r; /* marks the name as given */
    return err;
}

static sb_err router_ready(sb_pattern *pat, sb_peer *peer)
{
    router *r = router_from(pat);
    sb_err err = SB_OK;
    peer->dismissed = false;
    hold(r, peer, false);
    if (peer->pattern_data == NULL && peer->info->identity_len > 0)
        err = name_announced(r, peer, peer->info->identity, peer->info->identity_len);
    else if (peer->pattern_data == NULL && (!sb__names_knows(&r->names, peer) || !sb__names_is_auto(peer)))
        err = sb__names_give_auto(&r->names, peer);
    if (err != SB_OK)
        return err;
    hold(r, peer, true);
    return pat->options->probe_router && !pat->options->router_raw ? sb__probe(peer) : SB_OK;
}

/* A named peer is queued to until it is back; an automatic name ends with its connection. */
static void router_lost(sb_pattern *pat, sb_peer *peer)
{
    if (peer->pattern_data == NULL && sb__names_is_auto(peer)) {
        hold(router_from(pat), peer, false);
        sb__names_forget(&router_from(pat)->names, peer);
    }
    sb__pipe_drained(peer);
}

static void router_writable(sb_pattern *pat, sb_peer *peer)
{
    router *r = router_from(pat);
    (void)peer;
    if (!r->starved)
        return;
    r->starved = false;
    pat->host->writable(pat);
}

/* Who waited for room at this peer learns that it is gone. */
static void router_detach(sb_pattern *pat, sb_peer *peer)
{
    hold(router_from(pat), peer, false);
    sb__names_forget(&router_from(pat)->names, peer);
    if (peer->out_full)
        router_writable(pat, peer);
}

/* Messages */

/* Whether a message that cannot be queued is an error. For a full peer on_full says so. */
static bool is_error(const router *r, sb_err err)
{
    const sb__pattern_options *o = r->base.options;
    return err == SB_EAGAIN ? sb__full_waits(&r->base, o->router_mandatory) : o->router_mandatory;
}

static sb_err refused(router *r, sb_peer *peer, sb_err err, sb_drop why)
{
    if (is_error(r, err)) {
        r->starved = r->starved || err == SB_EAGAIN;
        return err;
    }
    r->base.host->dropped(&r->base, peer, why);
    return SB_OK;
}

/* Not ours, maybe a mate's. */
static sb_err send_elsewhere(router *r, const sb_msg *msg)
{
    sb_err err = SB_EHOSTUNREACH;
    if (r->base.host->elsewhere != NULL && !r->base.passing)
        err = r->base.host->elsewhere(&r->base, msg);
    if (err == SB_OK)
        return SB_OK;
    return refused(r, NULL, err, err == SB_EHOSTUNREACH ? SB_DROP_NO_PEER : SB_DROP_HWM);
}

/* router_raw: an empty frame ends a connection, behind what is queued. */
static sb_err dismiss(router *r, sb_peer *peer)
{
    if (!peer->ready)
        return SB_EHOSTUNREACH;
    sb__names_forget(&r->names, peer);
    peer->dismissed = true;
    peer->link->end(peer);
    return SB_OK;
}

static sb_err router_send(sb_pattern *pat, sb_msg *msg)
{
    router *r = router_from(pat);
    bool raw = pat->options->router_raw;
    if (msg->n < 2 || (raw && msg->n > 2))
        return SB_EINVAL;
    sb_peer *peer = sb__names_find(&r->names, &msg->frames[0]);
    if (peer == NULL)
        return send_elsewhere(r, msg);
    if (raw && msg->frames[1].len == 0)
        return dismiss(r, peer);
    sb_msg rest;
    sb__envelope_view(&rest, msg, 1);
    sb_err err = sb__pipe_push(peer, &rest);
    return err == SB_EAGAIN ? refused(r, peer, err, SB_DROP_HWM) : err;
}

static sb_err router_filter(sb_pattern *pat, sb_peer *peer, sb_msg *msg)
{
    if (peer->routing_id == NULL || peer->dismissed)
        return SB_ECANCELED;
    sb_err err = sb_msg_insert(msg, 0, peer->routing_id, peer->routing_id_len, NULL);
    if (err != SB_OK)
        return SB_ECANCELED;
    if (pat->options->router_raw) {
        msg->envelope = 1; /* octets have none */
        return SB_OK;
    }
    bool numbered = pat->options->hops > 0 || (peer->info != NULL && peer->info->type == SB_REQ);
    sb__envelope_detect(msg, 1 + pat->options->hops, numbered);
    return SB_OK;
}

static sb_err router_init(sb_pattern *pat)
{
    router *r = (router *)pat;
    sb__names_init(&r->names, pat->options->random);
    return SB_OK;
}

static void router_finish(sb_pattern *pat)
{
    sb__names_finish(&router_from(pat)->names);
}

static sb_peer *router_find(sb_pattern *pat, const sb_frame *name)
{
    return sb__names_find(&router_from(pat)->names, name);
}

const sb_pattern_impl sb__router_impl = {
    .type = SB_ROUTER,
    .size = sizeof(router),
    .can_send = true,
    .can_recv = true,
    .ids = 1,
    .drops = true,
    .init = router_init,
    .finish = router_finish,
    .attach = router_attach,
    .ready = router_ready,
    .lost = router_lost,
    .detach = router_detach,
    .send = router_send,
    .writable = router_writable,
    .filter = router_filter,
    .find = router_find,
};
