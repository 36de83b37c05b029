/* Socket types: names and who may talk to whom (RFC 37 "The Socket-Type Property"); names of causes.
 * Place: tables behind engine/session.h. */
#include "engine/session.h"

#include <string.h>
#include <strings.h>

struct type {
    const char *name;
    uint32_t peers;
};

static const struct type types[SB_TYPE_COUNT];

const char *sb_type_name(sb_type type)
{
    return (unsigned)type < SB_TYPE_COUNT ? types[type].name : NULL;
}

bool sb_type_find(const char *name, size_t len, sb_type *out)
{
    for (int i = 0; i < SB_TYPE_COUNT; i++)
        if (types[i].name != NULL && strlen(types[i].name) == len &&
            strncasecmp(types[i].name, name, len) == 0) {
            *out = (sb_type)i;
            return true;
        }
    return false;
}

uint32_t sb_type_peers(sb_type type)
{
    return (unsigned)type < SB_TYPE_COUNT ? types[type].peers : 0;
}

static const char *const causes[SB_CAUSE_COUNT];

const char *sb_session_cause_name(sb_session_cause cause)
{
    return (unsigned)cause < SB_CAUSE_COUNT ? causes[cause] : "unknown";
}

static const struct type types[SB_TYPE_COUNT] = {
#define SB_TYPE_ROW(name, lower, number, peers) [number] = {#name, peers},
    SB_TYPES(SB_TYPE_ROW)
#undef SB_TYPE_ROW
};

static const char *const causes[SB_CAUSE_COUNT] = {
    [SB_CAUSE_NONE] = "none",
    [SB_CAUSE_GREETING] = "greeting",
    [SB_CAUSE_MECHANISM] = "mechanism",
    [SB_CAUSE_PEER_TYPE] = "peer_type",
    [SB_CAUSE_METADATA] = "metadata",
    [SB_CAUSE_FRAME] = "frame",
    [SB_CAUSE_OVERSIZE] = "oversize",
    [SB_CAUSE_TIMEOUT] = "timeout",
    [SB_CAUSE_HEARTBEAT] = "heartbeat",
    [SB_CAUSE_ERROR_COMMAND] = "error_command",
    [SB_CAUSE_REFUSED] = "refused",
    [SB_CAUSE_AUTH] = "auth",
    [SB_CAUSE_CRYPTO] = "crypto",
    [SB_CAUSE_TRANSPORT] = "transport",
};
