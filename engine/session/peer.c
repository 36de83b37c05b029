/* What a peer says of itself: READY properties into sb_peer_info, checked.
 * Before: the mechanism (where the properties were). After: on_ready. */
#include "engine/session/internal.h"
#include "engine/wire/metadata.h"

#include <stdlib.h>
#include <string.h>

#define IDENTITY_MAX 255

/* ---- copying ---- */

/* First pass: shape, and what memory the copies take. */
static bool measure(sb__cursor data, uint32_t *count, size_t *octets)
{
    sb__metadata m;

    *count = 0;
    *octets = 0;
    while (sb__metadata_get(&data, &m)) {
        ++*count;
        *octets += m.name_len + 1u + m.value_len + 1u;
    }
    return sb__cursor_left(&data) == 0;
}

static uint8_t *copy(uint8_t *to, const uint8_t *from, size_t len)
{
    if (len > 0)
        memcpy(to, from, len);
    to[len] = '\0';
    return to + len + 1;
}

/* Second pass: copies into one block, which the caller sized. */
static void copy_all(sb__cursor data, sb_property *props, uint8_t *to)
{
    sb__metadata m;

    for (; sb__metadata_get(&data, &m); props++) {
        props->name = (char *)to;
        to = copy(to, m.name, m.name_len);
        props->value = to;
        props->value_len = m.value_len;
        to = copy(to, m.value, m.value_len);
    }
}

static sb_err store(sb_session *s, sb__cursor data)
{
    sb_property *props;
    uint32_t count;
    size_t octets;

    if (!measure(data, &count, &octets))
        return sb__session_refuse(s, SB_EPROTO, SB_CAUSE_METADATA, "malformed READY property");
    props = malloc(count * sizeof *props + octets + 1);
    if (props == NULL)
        return sb__session_fail(s, SB_ENOMEM, SB_CAUSE_NONE, "out of memory");
    copy_all(data, props, (uint8_t *)(props + count));
    s->peer_memory = props;
    s->peer.props = props;
    s->peer.nprops = count;
    s->peer_read = true;
    return SB_OK;
}

/* ---- what its authenticator says ---- */

/* An authenticator that names nobody leaves what the transport knew. */
static const char *admitted(const sb_session *s, const sb_session_verdict *v)
{
    if (v->user_id != NULL && v->user_id[0] != '\0')
        return v->user_id;
    return s->known_user != NULL ? s->known_user : "";
}

static size_t admit_size(const sb_session_verdict *v, const char *user_id, const char *key)
{
    size_t size = v->nmetadata * sizeof(sb_property) + strlen(user_id) + 1 + strlen(key) + 1;

    for (uint32_t i = 0; i < v->nmetadata; i++)
        size += strlen(v->metadata[i].name) + 1 + v->metadata[i].value_len + 1;
    return size;
}

sb_err sb__peer_admit(sb_session *s, const sb_session_verdict *v)
{
    const char *user_id = admitted(s, v);
    sb_property *props = malloc(admit_size(v, user_id, s->peer.key));
    uint8_t *at;

    if (props == NULL)
        return sb__session_fail(s, SB_ENOMEM, SB_CAUSE_NONE, "out of memory");
    at = (uint8_t *)(props + v->nmetadata);
    for (uint32_t i = 0; i < v->nmetadata; i++) {
        const sb_property *p = &v->metadata[i];

        props[i] = (sb_property){.name = (char *)at, .value_len = p->value_len};
        at = copy(at, (const uint8_t *)p->name, strlen(p->name));
        props[i].value = at;
        at = copy(at, p->value, p->value_len);
    }
    s->auth_memory = props;
    s->peer.user_id = (char *)at;
    at = copy(at, (const uint8_t *)user_id, strlen(user_id));
    copy(at, (const uint8_t *)s->peer.key, strlen(s->peer.key));
    s->peer.key = (char *)at;
    s->peer.auth_props = props;
    s->peer.nauth_props = v->nmetadata;
    return SB_OK;
}

/* ---- its own properties ---- */

/* The one property of this name; *twice when there are several. */
static const sb_property *find(const sb_session *s, const char *name, bool *twice)
{
    const sb_property *found = NULL;

    for (uint32_t i = 0; i < s->peer.nprops; i++) {
        if (strcasecmp(s->peer.props[i].name, name) != 0)
            continue;
        *twice = *twice || found != NULL;
        found = found != NULL ? found : &s->peer.props[i];
    }
    return found;
}

sb_err sb__peer_match(sb_session *s)
{
    if (sb_type_peers(s->type) & SB_TYPE_BIT(s->peer.type))
        return SB_OK;
    return sb__session_refuse(s, SB_EPEERTYPE, SB_CAUSE_PEER_TYPE, "%s cannot talk to %s",
        sb_type_name(s->type), sb_type_name(s->peer.type));
}

static sb_err check_type(sb_session *s, const sb_property *p)
{
    const char *theirs;

    if (p == NULL)
        return sb__session_refuse(s, SB_EPROTO, SB_CAUSE_METADATA, "READY without Socket-Type");
    theirs = (const char *)p->value;
    if (!sb_type_find(theirs, p->value_len, &s->peer.type))
        return sb__session_refuse(s, SB_EPEERTYPE, SB_CAUSE_PEER_TYPE, "unknown socket type");
    return sb__peer_match(s);
}

sb_err sb__peer_identity(sb_session *s, const uint8_t *id, uint32_t len)
{
    const uint32_t named = SB_TYPE_BIT(SB_REQ) | SB_TYPE_BIT(SB_DEALER) | SB_TYPE_BIT(SB_ROUTER);

    if (len == 0 || (SB_TYPE_BIT(s->peer.type) & named) == 0)
        return SB_OK;
    if (len > IDENTITY_MAX)
        return sb__session_refuse(s, SB_EPROTO, SB_CAUSE_METADATA, "identity of %u octets, limit 255", len);
    if (id[0] == 0) /* would look like an id a ROUTER made itself */
        return sb__session_refuse(s, SB_EPROTO, SB_CAUSE_METADATA, "identity begins with NUL");
    s->peer.identity = id;
    s->peer.identity_len = len;
    return SB_OK;
}

/* Which service the peer wants decides what we are. */
static sb_err choose(sb_session *s)
{
    bool twice = false;
    const sb_property *p = find(s, "Resource", &twice);
    sb_err err =
        s->events->on_resource(s, p != NULL ? p->value : (const uint8_t *)"", p != NULL ? p->value_len : 0);

    if (err == SB_OK)
        return SB_OK;
    return sb__session_refuse(
        s, err, SB_CAUSE_REFUSED, "%s", err == SB_ENOENT ? "no such resource" : sb_strerror(err));
}

sb_err sb__peer_read(sb_session *s, sb__cursor data)
{
    const sb_property *type, *identity;
    bool twice = false;
    sb_err err = store(s, data);

    if (err == SB_OK && s->chooses)
        err = choose(s);
    if (err != SB_OK)
        return err;
    type = find(s, "Socket-Type", &twice);
    identity = find(s, "Identity", &twice);
    if (twice && s->strict)
        return sb__session_refuse(s, SB_EPROTO, SB_CAUSE_METADATA, "Socket-Type or Identity twice");
    err = check_type(s, type);
    return err == SB_OK && identity != NULL ? sb__peer_identity(s, identity->value, identity->value_len)
                                            : err;
}
