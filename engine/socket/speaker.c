/* Peers that speak for others: every message of theirs begins with a frame that says who it is from, which
 * goes no further. Before: listener.c, inproc.c (a message came). After: deliver.c. */
#include "engine/socket/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the message that was shown last. A peer shows no other before that one is done with, or its handler
 * waits: such a handler says again whom it works for (sb_peer_set_client). */
struct sb__client {
    char address[SB_CLIENT_ADDRESS];
    char user_id[SB_CLIENT_USER];
};

sb_err sb__speaker_begin(sb_peer *peer)
{
    peer->client = calloc(1, sizeof *peer->client);
    return peer->client != NULL ? SB_OK : SB_ENOMEM;
}

sb_err sb__speaker_deliver(sb_peer *peer, sb_msg *msg)
{
    if (peer->client == NULL)
        return sb__deliver(peer, msg);
    sb_err err = sb__deliver_later(peer, msg);
    sb__pump(peer->socket);
    return err;
}

static bool copy(char *out, size_t cap, const uint8_t *text, size_t len)
{
    if (len >= cap)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

/* Cut, a name might be somebody else's: what does not fit is nobody. */
static void take(struct sb__client *c, const sb_frame *f)
{
    const uint8_t *nul = f->len > 0 ? memchr(f->data, 0, f->len) : NULL;
    size_t len = nul != NULL ? (size_t)(nul - f->data) : 0;
    if (nul != NULL && copy(c->address, sizeof c->address, f->data, len) &&
        copy(c->user_id, sizeof c->user_id, nul + 1, f->len - len - 1))
        return;
    c->address[0] = c->user_id[0] = '\0';
}

bool sb__speaker_show(sb_peer *peer, sb_msg *msg)
{
    if (msg->n < 2)
        return false;
    take(peer->client, &msg->frames[0]);
    sb_msg_drop_front(msg, 1);
    return true;
}

void sb__speaker_end(sb_peer *peer)
{
    free(peer->client);
    peer->client = NULL;
}

/* ---- public ---- */

bool sb_peer_client(const sb_peer *peer, sb_client *out)
{
    if (peer->client == NULL || peer->client->address[0] == '\0')
        return false;
    *out = (sb_client){.address = peer->client->address, .user_id = peer->client->user_id};
    return true;
}

void sb_peer_set_client(sb_peer *peer, const sb_client *client)
{
    if (peer->client == NULL)
        return;
    snprintf(peer->client->address, sizeof peer->client->address, "%s", client->address);
    snprintf(peer->client->user_id, sizeof peer->client->user_id, "%s", client->user_id);
}

size_t sb_client_write(const sb_client *client, char out[SB_CLIENT_FRAME])
{
    if (client == NULL || client->address == NULL || strlen(client->address) >= SB_CLIENT_ADDRESS)
        return 0;
    const char *user = client->user_id != NULL ? client->user_id : "";
    if (strlen(user) >= SB_CLIENT_USER)
        return 0;
    size_t len = strlen(client->address) + 1;
    memcpy(out, client->address, len);
    memcpy(out + len, user, strlen(user));
    return len + strlen(user);
}
