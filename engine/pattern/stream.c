/* STREAM: connections that speak anything but ZMTP; each is addressed by a routing id, the first frame of
 * what is sent and received, and what follows are its octets. An empty frame ends a connection. After:
 * pattern/names.c, pattern/pipe.c. */
#include "engine/pattern/envelope.h"
#include "engine/pattern/names.h"
#include "engine/pattern/registry.h"

#include <assert.h>

typedef struct stream {
    sb_pattern base;
    sb__names names;
    bool starved; /* a send found its peer full */
} stream;

static stream *stream_from(sb_pattern *pat)
{
    assert(pat->impl == &sb__stream_impl);
    return (stream *)pat;
}

static sb_err stream_attach(sb_pattern *pat, sb_peer *peer)
{
    stream *s = stream_from(pat);
    const sb__pattern_options *o = pat->options;
    if (peer->routing_id != NULL) /* with IMMEDIATE: back again */
        return sb__names_again(&s->names, peer);
    if (peer->dialed && o->connect_routing_id_len > 0)
        return sb__names_give(&s->names, peer, o->connect_routing_id, (uint32_t)o->connect_routing_id_len);
    return sb__names_give_auto(&s->names, peer);
}

static sb_err stream_ready(sb_pattern *pat, sb_peer *peer)
{
    (void)pat;
    peer->dismissed = false;
    return SB_OK;
}

static void stream_lost(sb_pattern *pat, sb_peer *peer)
{
    (void)pat;
    sb__pipe_drained(peer);
}

static void stream_writable(sb_pattern *pat, sb_peer *peer)
{
    stream *s = stream_from(pat);
    (void)peer;
    if (!s->starved)
        return;
    s->starved = false;
    pat->host->writable(pat);
}

static void stream_detach(sb_pattern *pat, sb_peer *peer)
{
    sb__names_forget(&stream_from(pat)->names, peer);
    if (peer->out_full)
        stream_writable(pat, peer);
}

/* Behind what is queued; it is not found any more, and its end needs no telling. */
static sb_err dismiss(stream *s, sb_peer *peer)
{
    if (!peer->ready)
        return SB_EHOSTUNREACH;
    sb__names_forget(&s->names, peer);
    peer->dismissed = true;
    peer->link->end(peer);
    return SB_OK;
}

static sb_err stream_send(sb_pattern *pat, sb_msg *msg)
{
    stream *s = stream_from(pat);
    sb_msg data;
    if (msg->n != 2)
        return SB_EINVAL;
    sb_peer *peer = sb__names_find(&s->names, &msg->frames[0]);
    if (peer == NULL)
        return SB_EHOSTUNREACH;
    if (msg->frames[1].len == 0)
        return dismiss(s, peer);
    sb__envelope_view(&data, msg, 1);
    sb_err err = sb__pipe_push(peer, &data);
    if (err != SB_EAGAIN)
        return err;
    if (sb__full_waits(pat, true)) {
        s->starved = true;
        return SB_EAGAIN;
    }
    pat->host->dropped(pat, peer, SB_DROP_HWM); /* the connection ends with it: no hole in a stream */
    return SB_OK;
}

static sb_err stream_filter(sb_pattern *pat, sb_peer *peer, sb_msg *msg)
{
    (void)pat;
    if (peer->dismissed || sb_msg_insert(msg, 0, peer->routing_id, peer->routing_id_len, NULL) != SB_OK)
        return SB_ECANCELED;
    msg->envelope = 1;
    return SB_OK;
}

static sb_err stream_init(sb_pattern *pat)
{
    sb__names_init(&((stream *)pat)->names, pat->options->random);
    return SB_OK;
}

static void stream_finish(sb_pattern *pat)
{
    sb__names_finish(&stream_from(pat)->names);
}

static sb_peer *stream_find(sb_pattern *pat, const sb_frame *name)
{
    return sb__names_find(&stream_from(pat)->names, name);
}

const sb_pattern_impl sb__stream_impl = {
    .type = SB_STREAM,
    .size = sizeof(stream),
    .can_send = true,
    .can_recv = true,
    .ids = 1,
    .init = stream_init,
    .finish = stream_finish,
    .attach = stream_attach,
    .ready = stream_ready,
    .lost = stream_lost,
    .detach = stream_detach,
    .send = stream_send,
    .writable = stream_writable,
    .filter = stream_filter,
    .find = stream_find,
};
