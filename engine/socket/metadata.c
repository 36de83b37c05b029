/* Properties of the application's own in READY (libzmq's ZMQ_METADATA). Before: values.c. After: session
 * config. */
#include "engine/socket/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METADATA_MAX 64

static sb_err refuse(char *err, size_t cap, const char *why)
{
    if (err != NULL && cap > 0)
        snprintf(err, cap, "option metadata: %s", why);
    return SB_EINVAL;
}

/* The set text, line by line, for get. */
static sb_err append_text(sb__blob *text, const char *value, size_t len)
{
    uint8_t *more = realloc(text->data, text->len + len + 2);
    if (more == NULL)
        return SB_ENOMEM;
    if (text->len > 0)
        more[text->len++] = '\n';
    memcpy(more + text->len, value, len);
    *text = (sb__blob){more, text->len + len};
    more[text->len] = '\0';
    return SB_OK;
}

static sb_err append(sb_socket *sock, const char *name, size_t name_len, const char *value, size_t len)
{
    sb_property *list = realloc(sock->metadata, (sock->nmetadata + 1) * sizeof *list);
    if (list == NULL)
        return SB_ENOMEM;
    sock->metadata = list;
    char *block = malloc(name_len + len + 2); /* name and value together: one thing to free */
    if (block == NULL)
        return SB_ENOMEM;
    memcpy(block, name, name_len);
    block[name_len] = '\0';
    memcpy(block + name_len + 1, value, len);
    block[name_len + 1 + len] = '\0';
    list[sock->nmetadata++] =
        (sb_property){.name = block, .value = (uint8_t *)block + name_len + 1, .value_len = (uint32_t)len};
    return SB_OK;
}

static bool is_name(const char *name, size_t len)
{
    static const char others[] = "-_.+";
    for (size_t i = 0; i < len; i++) {
        bool letter = (name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z';
        if (!letter && !(name[i] >= '0' && name[i] <= '9') &&
            (name[i] == '\0' || strchr(others, name[i]) == NULL))
            return false;
    }
    return len > 2 && len <= 255 && name[0] == 'X' && name[1] == '-';
}

sb_err sb__metadata_add(sb_socket *sock, sb__blob *text, const void *value, size_t len, char *err, size_t cap)
{
    const char *setting = value, *colon = memchr(setting, ':', len);
    if (colon == NULL || !is_name(setting, (size_t)(colon - setting)))
        return refuse(err, cap, "must be \"X-name:value\", the name of letters, digits and - _ . +");
    if (sock->nmetadata == METADATA_MAX)
        return refuse(err, cap, "no more than 64 properties");
    size_t name_len = (size_t)(colon - setting);
    sb_err code = append(sock, setting, name_len, colon + 1, len - name_len - 1);
    return code == SB_OK ? append_text(text, setting, len) : code;
}

void sb__metadata_finish(sb_socket *sock)
{
    for (uint32_t i = 0; i < sock->nmetadata; i++)
        free(sock->metadata[i].name);
    free(sock->metadata);
}
