/* Names of peers. Before: router.c, stream.c, server.c. After: base/map.c. */
#include "engine/pattern/names.h"

#include <stdlib.h>

bool sb__names_is_auto(const sb_peer *peer)
{
    return peer->routing_id_len == SB__NAME_AUTO && peer->routing_id[0] == 0;
}

bool sb__names_knows(const sb__names *names, const sb_peer *peer)
{
    return peer->routing_id != NULL &&
           sb_map_get(&names->peers, peer->routing_id, peer->routing_id_len) == peer;
}

void sb__names_forget(sb__names *names, sb_peer *peer)
{
    if (names->recent == peer)
        names->recent = NULL;
    if (sb__names_knows(names, peer))
        sb_map_remove(&names->peers, peer->routing_id, peer->routing_id_len);
}

sb_err sb__names_again(sb__names *names, sb_peer *peer)
{
    return sb_map_add(&names->peers, peer->routing_id, peer->routing_id_len, peer);
}

sb_err sb__names_give(sb__names *names, sb_peer *peer, const uint8_t *name, uint32_t len)
{
    uint8_t *copy = malloc(len);
    if (copy == NULL)
        return SB_ENOMEM;
    memcpy(copy, name, len);
    sb_err err = sb_map_add(&names->peers, name, len, peer);
    if (err != SB_OK) {
        free(copy);
        return err;
    }
    sb__names_forget(names, peer);
    free(peer->routing_id);
    peer->routing_id = copy;
    peer->routing_id_len = len;
    return SB_OK;
}

/* The number stands at the end of the name, behind NULs. Alone it is never zero. */
static sb_err give_next(sb__names *names, sb_peer *peer, uint32_t len)
{
    uint8_t name[SB__NAME_AUTO] = {0};
    sb_err err = SB_EEXIST;
    while (err == SB_EEXIST) {
        uint32_t n = names->next++;
        for (uint32_t i = 0; i < sizeof n; i++)
            name[len - 1 - i] = (uint8_t)(n >> (8 * i));
        err = n == 0 && len == sizeof n ? SB_EEXIST : sb__names_give(names, peer, name, len);
    }
    return err;
}

sb_err sb__names_give_auto(sb__names *names, sb_peer *peer)
{
    return give_next(names, peer, SB__NAME_AUTO);
}

sb_err sb__names_give_number(sb__names *names, sb_peer *peer)
{
    return give_next(names, peer, SB__NAME_NUMBER);
}

sb_peer *sb__names_look_up(sb__names *names, const sb_frame *name)
{
    names->recent = sb_map_get(&names->peers, name->data, name->len);
    return names->recent;
}

void sb__names_init(sb__names *names, uint32_t random)
{
    sb_map_init(&names->peers);
    names->recent = NULL;
    names->next = random;
}

void sb__names_finish(sb__names *names)
{
    sb_map_finish(&names->peers);
}
