/* ROUTER: addresses peers by routing id, the first frame of what it sends and receives (RFC 28). Never
 * blocks: what cannot be queued is dropped and counted, or with router_mandatory an error. After:
 * pattern/pipe.c. */
#include "engine/base/map.h"
#include "engine/pattern/envelope.h"
#include "engine/pattern/registry.h"
#include "engine/pattern/robin.h"

#include <assert.h>
#include <stdlib.h>

#define AUTO_ID_LEN 5
#define ID_MAX      255

typedef struct router {
    sb_pattern base;
    sb_map ids;      /* routing id -> peer */
    sb_peer *recent; /* whom the last message went to: replies come in runs */
    uint32_t next_auto;
    bool starved; /* a mandatory send found its peer full */
} router;

static router *router_from(sb_pattern *pat)
{
    assert(pat->impl == &sb__router_impl);
    return (router *)pat;
}

/* Names */

static bool is_auto(const sb_peer *peer)
{
    return peer->routing_id_len == AUTO_ID_LEN && peer->routing_id[0] == 0;
}

static bool has_name(const sb_peer *peer, const uint8_t *id, size_t len)
{
    return peer->routing_id_len == len && memcmp(peer->routing_id, id, len) == 0;
}

static void unname(router *r, sb_peer *peer)
{
    if (r->recent == peer)
        r->recent = NULL;
    if (peer->routing_id != NULL && sb_map_get(&r->ids, peer->routing_id, peer->routing_id_len) == peer)
        sb_map_remove(&r->ids, peer->routing_id, peer->routing_id_len);
}

/* On failure the peer keeps what it had. */
static sb_err name_peer(router *r, sb_peer *peer, const uint8_t *id, uint32_t len)
{
    uint8_t *copy = malloc(len);
    if (copy == NULL)
        return SB_ENOMEM;
    memcpy(copy, id, len);
    sb_err err = sb_map_add(&r->ids, id, len, peer);
    if (err != SB_OK) {
        free(copy);
        return err;
    }
    unname(r, peer);
    free(peer->routing_id);
    peer->routing_id = copy;
    peer->routing_id_len = len;
    return SB_OK;
}

static sb_err name_auto(router *r, sb_peer *peer)
{
    uint8_t id[AUTO_ID_LEN] = {0};
    sb_err err = SB_EEXIST;
    while (err == SB_EEXIST) {
        uint32_t n = r->next_auto++;
        for (int i = 1; i < AUTO_ID_LEN; i++)
            id[i] = (uint8_t)(n >> (32 - 8 * i));
        err = name_peer(r, peer, id, AUTO_ID_LEN);
    }
    return err;
}

/* Handover: what waits for the old connection goes to the new one, and the old one ends. It is renamed, for
 * what it sent before may still be delivered. */
static sb_err take_over(router *r, sb_peer *old, sb_peer *peer)
{
    sb_err err = name_auto(r, old);
    if (err != SB_OK)
        return err;
    old->pattern_data = NULL;
    bool edge = peer->out.msgs == 0;
    for (uint32_t lost = sb__queue_move(&old->out, &peer->out); lost > 0; lost--)
        r->base.host->dropped(&r->base, old, SB_DROP_LOST);
    if (edge && peer->out.msgs > 0 && peer->ready)
        peer->link->output(peer);
    if (old->link != NULL)
        old->link->kick(old, SB_EEXIST, "routing id taken over by a new connection", true);
    return SB_OK;
}

static sb_err name_announced(router *r, sb_peer *peer, const uint8_t *id, uint32_t len)
{
    if (peer->routing_id != NULL && has_name(peer, id, len))
        return SB_OK;
    sb_peer *old = sb_map_get(&r->ids, id, len);
    if (old != NULL) {
        if (!r->base.options->router_handover)
            return SB_EEXIST;
        sb_err err = take_over(r, old, peer);
        if (err != SB_OK)
            return err;
    }
    return name_peer(r, peer, id, len);
}

/* Peers */

/* The name a connecting peer gets from connect_routing_id holds whatever it announces. */
static sb_err router_attach(sb_pattern *pat, sb_peer *peer)
{
    router *r = router_from(pat);
    const sb__pattern_options *o = pat->options;
    if (peer->pattern_data != NULL) /* with IMMEDIATE: back again */
        return sb_map_add(&r->ids, peer->routing_id, peer->routing_id_len, peer);
    if (peer->info != NULL || o->connect_routing_id_len == 0)
        return SB_OK;
    if (o->connect_routing_id_len > ID_MAX)
        return SB_EINVAL;
    sb_err err = name_peer(r, peer, o->connect_routing_id, (uint32_t)o->connect_routing_id_len);
    if (err == SB_OK)
        peer->pattern_data = r; /* marks the name as given */
    return err;
}

static sb_err router_ready(sb_pattern *pat, sb_peer *peer)
{
    router *r = router_from(pat);
    sb_err err = SB_OK;
    if (peer->pattern_data == NULL && peer->info->identity_len > 0)
        err = name_announced(r, peer, peer->info->identity, peer->info->identity_len);
    else if (peer->pattern_data == NULL &&
             (peer->routing_id == NULL || !is_auto(peer) ||
                 sb_map_get(&r->ids, peer->routing_id, peer->routing_id_len) != peer))
        err = name_auto(r, peer);
    if (err != SB_OK)
        return err;
    return pat->options->probe_router ? sb__probe(peer) : SB_OK;
}

/* A named peer is queued to until it is back; an automatic name ends with its connection. */
static void router_lost(sb_pattern *pat, sb_peer *peer)
{
    if (peer->routing_id != NULL && is_auto(peer) && peer->pattern_data == NULL)
        unname(router_from(pat), peer);
    sb__pipe_drained(peer);
}

static void router_detach(sb_pattern *pat, sb_peer *peer)
{
    unname(router_from(pat), peer);
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

/* Messages */

static sb_peer *find(router *r, const sb_frame *id)
{
    if (r->recent != NULL && has_name(r->recent, id->data, id->len))
        return r->recent;
    r->recent = sb_map_get(&r->ids, id->data, id->len);
    return r->recent;
}

static sb_err refused(router *r, sb_peer *peer, sb_err err, sb_drop why)
{
    if (r->base.options->router_mandatory) {
        r->starved = r->starved || err == SB_EAGAIN;
        return err;
    }
    r->base.host->dropped(&r->base, peer, why);
    return SB_OK;
}

static sb_err router_send(sb_pattern *pat, sb_msg *msg)
{
    router *r = router_from(pat);
    if (msg->n < 2)
        return SB_EINVAL;
    sb_peer *peer = find(r, &msg->frames[0]);
    if (peer == NULL)
        return refused(r, NULL, SB_EHOSTUNREACH, SB_DROP_NO_PEER);
    sb_msg rest;
    sb__envelope_view(&rest, msg, 1);
    sb_err err = sb__pipe_push(peer, &rest);
    return err == SB_EAGAIN ? refused(r, peer, err, SB_DROP_HWM) : err;
}

static sb_err router_filter(sb_pattern *pat, sb_peer *peer, sb_msg *msg)
{
    if (peer->routing_id == NULL)
        return SB_ECANCELED;
    sb_err err = sb_msg_insert(msg, 0, peer->routing_id, peer->routing_id_len, NULL);
    if (err != SB_OK)
        return SB_ECANCELED;
    bool numbered = pat->options->hops > 0 || (peer->info != NULL && peer->info->type == SB_REQ);
    sb__envelope_detect(msg, 1 + pat->options->hops, numbered);
    return SB_OK;
}

static sb_err router_init(sb_pattern *pat)
{
    router *r = (router *)pat;
    sb_map_init(&r->ids);
    r->next_auto = pat->options->random;
    return SB_OK;
}

static void router_finish(sb_pattern *pat)
{
    sb_map_finish(&router_from(pat)->ids);
}

const sb_pattern_impl sb__router_impl = {
    .type = SB_ROUTER,
    .size = sizeof(router),
    .can_send = true,
    .can_recv = true,
    .init = router_init,
    .finish = router_finish,
    .attach = router_attach,
    .ready = router_ready,
    .lost = router_lost,
    .detach = router_detach,
    .send = router_send,
    .writable = router_writable,
    .filter = router_filter,
};
