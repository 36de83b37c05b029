/* What a session keeps of its configuration for the handshake: our properties, and secrets, which are wiped
 * when the handshake is over. Before: session.c. After: mech/. */
#include "engine/base/secret.h"
#include "engine/session/internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- our properties ---- */

static bool announces_identity(sb_type type)
{
    return type == SB_REQ || type == SB_DEALER || type == SB_ROUTER;
}

static sb_err put_extra(sb_session *s, const sb_property *p)
{
    if (!sb__metadata_name_ok((const uint8_t *)p->name, strlen(p->name)) || p->value_len > INT32_MAX)
        return SB_EINVAL;
    sb__metadata_put(&s->hs->metadata, p->name, p->value, p->value_len);
    return SB_OK;
}

static sb_err read_metadata(sb_session *s, const sb_session_config *cfg)
{
    const char *type = sb_type_name(cfg->type);

    if (cfg->identity_len > 255 || (cfg->identity_len > 0 && cfg->identity[0] == 0))
        return SB_EINVAL;
    sb__metadata_put(&s->hs->metadata, "Socket-Type", type, (uint32_t)strlen(type));
    if (announces_identity(cfg->type))
        sb__metadata_put(&s->hs->metadata, "Identity", cfg->identity, cfg->identity_len);
    if (cfg->resource != NULL)
        sb__metadata_put(&s->hs->metadata, "Resource", cfg->resource, (uint32_t)strlen(cfg->resource));
    for (uint32_t i = 0; i < cfg->nmetadata; i++)
        if (put_extra(s, &cfg->metadata[i]) != SB_OK)
            return SB_EINVAL;
    return s->hs->metadata.failed ? SB_ENOMEM : SB_OK;
}

/* ---- secrets ---- */

/* A client speaks one mechanism and must have what it needs for it; a server any number. */
static bool makes_sense(const sb_security *sec)
{
    uint32_t known = (1u << SB_MECHANISM_COUNT) - 1, m = sec->mechanisms;
    bool curve = (m & SB_MECHANISM_BIT(SB_MECHANISM_CURVE)) != 0;

    if ((m & ~known) != 0 || (!sec->server && (m & (m - 1)) != 0))
        return false;
    return !curve ||
           (sec->nkeys > 0 && sec->nkeys <= SB_CURVE_KEYS && (sec->server || sec->server_key != NULL));
}

static char *copy_text(char **at, const char *text, size_t len)
{
    char *copy = *at;

    memcpy(copy, text, len);
    copy[len] = '\0';
    *at += len + 1;
    return copy;
}

/* Everything in one block, keys first, so that one wipe finds it all. */
static sb_err read_security(sb_session *s, const sb_security *from)
{
    sb_security *sec = &s->hs->cfg.security;
    const char *username = from->username != NULL ? from->username : "";
    const char *password = from->password != NULL ? from->password : "";
    size_t keys = from->nkeys * sizeof *from->keys, ulen = strnlen(username, 255),
           plen = strnlen(password, 255);
    char *at;

    *sec = *from;
    if (sec->mechanisms == 0)
        sec->mechanisms = SB_MECHANISM_BIT(SB_MECHANISM_NULL);
    if (!makes_sense(sec))
        return SB_EINVAL;
    if (sec->mechanisms == SB_MECHANISM_BIT(SB_MECHANISM_NULL))
        return SB_OK;
    s->hs->secrets_len = keys + SB_CURVE_KEY + ulen + plen + 2;
    at = s->hs->secrets = sb__secret_alloc(s->hs->secrets_len);
    if (at == NULL)
        return SB_ENOMEM;
    sec->keys = (sb_curve_pair *)(void *)at;
    if (keys > 0)
        memcpy(at, from->keys, keys);
    at += keys;
    sec->server_key = (uint8_t *)at;
    if (from->server_key != NULL)
        memcpy(at, from->server_key, SB_CURVE_KEY);
    at += SB_CURVE_KEY;
    sec->username = copy_text(&at, username, ulen);
    sec->password = copy_text(&at, password, plen);
    return SB_OK;
}

sb_err sb__config_read(sb_session *s, const sb_session_config *cfg)
{
    sb_err err = read_security(s, &cfg->security);

    if (err == SB_OK)
        err = sb__config_metadata(s, cfg);
    return err;
}

sb_err sb__config_metadata(sb_session *s, const sb_session_config *cfg)
{
    sb__bytes_finish(&s->hs->metadata);
    sb_err err = read_metadata(s, cfg);
    s->hs->cfg.metadata = sb__bytes_data(&s->hs->metadata);
    s->hs->cfg.metadata_len = sb__bytes_len(&s->hs->metadata);
    return err;
}

void sb__config_forget(sb__handshake *hs)
{
    sb__secret_free(hs->secrets, hs->secrets_len);
    sb__bytes_finish(&hs->metadata);
}
