/* SERVER: addresses its CLIENTs by number (RFC 41). Says so when it cannot: an unknown number is
 * SB_EHOSTUNREACH, a full peer SB_EAGAIN unless on_full says something else. Before: peer.c shares it. After:
 * pattern/names.c, pattern/pipe.c.
 */
#include "engine/pattern/server.h"

#include "engine/pattern/envelope.h"
#include "engine/pattern/registry.h"
#include "engine/pattern/single.h"

static sb__server *server_from(sb_pattern *pat)
{
    return (sb__server *)pat;
}

sb_err sb__server_attach(sb_pattern *pat, sb_peer *peer)
{
    return sb__names_give_number(&server_from(pat)->names, peer);
}

/* What was in flight left the queue. */
void sb__server_lost(sb_pattern *pat, sb_peer *peer)
{
    (void)pat;
    sb__pipe_drained(peer);
}

void sb__server_detach(sb_pattern *pat, sb_peer *peer)
{
    sb__names_forget(&server_from(pat)->names, peer);
    /* Who waited for room at this peer learns that it is gone. */
    if (peer->out_full)
        sb__server_writable(pat, peer);
}

void sb__server_writable(sb_pattern *pat, sb_peer *peer)
{
    sb__server *server = server_from(pat);
    (void)peer;
    if (!server->starved)
        return;
    server->starved = false;
    pat->host->writable(pat);
}

sb_err sb__server_send(sb_pattern *pat, sb_msg *msg)
{
    sb__server *server = server_from(pat);
    sb_msg body;
    if (msg->n != 2)
        return SB_EINVAL;
    sb_peer *peer = sb__names_find(&server->names, &msg->frames[0]);
    if (peer == NULL)
        return SB_EHOSTUNREACH;
    sb__envelope_view(&body, msg, 1);
    sb_err err = sb__pipe_push(peer, &body);
    if (err != SB_EAGAIN)
        return err;
    if (sb__full_waits(pat, true)) {
        server->starved = true;
        return SB_EAGAIN;
    }
    pat->host->dropped(pat, peer, SB_DROP_HWM);
    return SB_OK;
}

sb_peer *sb__server_find(sb_pattern *pat, const sb_frame *number)
{
    return sb__names_find(&server_from(pat)->names, number);
}

sb_err sb__server_filter(sb_pattern *pat, sb_peer *peer, sb_msg *msg)
{
    if (sb__single_filter(pat, peer, msg) != SB_OK ||
        sb_msg_insert(msg, 0, peer->routing_id, peer->routing_id_len, NULL) != SB_OK)
        return SB_ECANCELED;
    msg->envelope = 1;
    return SB_OK;
}

sb_err sb__server_init(sb_pattern *pat)
{
    sb__names_init(&server_from(pat)->names, pat->options->random);
    return SB_OK;
}

void sb__server_finish(sb_pattern *pat)
{
    sb__names_finish(&server_from(pat)->names);
}

const sb_pattern_impl sb__server_impl = {
    .type = SB_SERVER,
    .size = sizeof(sb__server),
    .can_send = true,
    .can_recv = true,
    .ids = 1,
    .init = sb__server_init,
    .finish = sb__server_finish,
    .attach = sb__server_attach,
    .lost = sb__server_lost,
    .detach = sb__server_detach,
    .send = sb__server_send,
    .writable = sb__server_writable,
    .filter = sb__server_filter,
    .find = sb__server_find,
};
