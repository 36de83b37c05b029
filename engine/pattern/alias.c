/* Aliases of subscriptions. Before: socket/subscription.c (a script rewrote a topic). After: pattern/pipe.c.
 */
#include "engine/pattern/alias.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t *given_of(const sb__alias *alias)
{
    return alias->bytes + alias->asked_len;
}

sb__alias *sb__alias_find(const sb_peer *peer, const uint8_t *asked, size_t asked_len)
{
    for (sb__alias *a = peer->aliases; a != NULL; a = a->next)
        if (a->asked_len == asked_len && memcmp(a->bytes, asked, asked_len) == 0)
            return a;
    return NULL;
}

sb_err sb__alias_add(
    sb_peer *peer, const uint8_t *asked, size_t asked_len, const uint8_t *given, size_t given_len)
{
    sb__alias *alias = sb__alias_find(peer, asked, asked_len);
    if (alias != NULL) {
        alias->refs++;
        return SB_OK;
    }
    alias = malloc(sizeof *alias + asked_len + given_len);
    if (alias == NULL)
        return SB_ENOMEM;
    *alias = (sb__alias){.next = peer->aliases, .refs = 1, .asked_len = asked_len, .given_len = given_len};
    memcpy(alias->bytes, asked, asked_len);
    memcpy(alias->bytes + asked_len, given, given_len);
    peer->aliases = alias;
    return SB_OK;
}

void sb__alias_unref(sb_peer *peer, sb__alias *alias)
{
    if (--alias->refs > 0)
        return;
    sb__alias **at = &peer->aliases;
    while (*at != alias)
        at = &(*at)->next;
    *at = alias->next;
    free(alias);
}

void sb__alias_clear(sb_peer *peer)
{
    while (peer->aliases != NULL) {
        sb__alias *next = peer->aliases->next;
        free(peer->aliases);
        peer->aliases = next;
    }
}

static const sb__alias *match(const sb_peer *peer, const sb_frame *topic, bool exact)
{
    for (const sb__alias *a = peer->aliases; a != NULL; a = a->next)
        if ((exact ? topic->len == a->given_len : topic->len >= a->given_len) &&
            memcmp(topic->data, given_of(a), a->given_len) == 0)
            return a;
    return NULL;
}

static sb_err put_topic(const sb__alias *alias, const sb_frame *topic, sb_msg *out)
{
    size_t rest = topic->len - alias->given_len;
    uint8_t *text = malloc(alias->asked_len + rest + 1);
    if (text == NULL)
        return SB_ENOMEM;
    memcpy(text, alias->bytes, alias->asked_len);
    memcpy(text + alias->asked_len, topic->data + alias->given_len, rest);
    sb_err err = sb_msg_push_copy(out, text, alias->asked_len + rest);
    free(text);
    return err;
}

sb_err sb__alias_apply(const sb_peer *peer, const sb_msg *msg, bool exact, sb_msg *out)
{
    const sb__alias *alias = msg->n > msg->envelope ? match(peer, sb_msg_frame(msg, 0), exact) : NULL;
    sb_err err = alias != NULL ? put_topic(alias, sb_msg_frame(msg, 0), out) : SB_ENOENT;
    for (uint32_t i = msg->envelope + 1; err == SB_OK && i < msg->n; i++)
        err = sb_msg_push(out, msg->frames[i].data, msg->frames[i].len, msg->frames[i].buf);
    return err;
}
