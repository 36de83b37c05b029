/* NULL (RFC 37 "The NULL Security Mechanism"): both sides send READY at once, except that a side which asks
 * about its peers, or becomes what they want, waits with its own. Place: behind engine/mech/mech.h. */
#include "engine/mech/null.h"
#include "engine/wire/command.h"

static void put_ready(sb__mech *m, sb__bytes *out)
{
    sb__command_put(out, SB__COMMAND_READY, m->cfg->metadata_len);
    sb__bytes_put(out, m->cfg->metadata, m->cfg->metadata_len);
}

static bool waits(const sb__mech *m)
{
    return m->cfg->security.ask || m->cfg->late;
}

static sb__mech_step null_start(sb__mech *m, sb__bytes *out)
{
    if (!waits(m))
        put_ready(m, out);
    return SB__MECH_ON;
}

static sb__mech_step null_command(sb__mech *m, const uint8_t *body, size_t len, sb__bytes *out)
{
    sb__command_id id;
    sb__cursor data;

    (void)out;
    if (!sb__command_get(body, len, &id, &data))
        return SB__MECH_MALFORMED;
    if (id != SB__COMMAND_READY)
        return SB__MECH_UNEXPECTED;
    m->peer_metadata = data;
    if (!m->cfg->security.ask)
        return m->cfg->late ? SB__MECH_HEAR : SB__MECH_DONE;
    m->has_metadata = true;
    m->credentials = (sb_credentials){.mechanism = SB_MECHANISM_NULL, .username = "", .password = ""};
    return SB__MECH_ASK;
}

static sb__mech_step null_accept(sb__mech *m, sb__bytes *out)
{
    put_ready(m, out);
    return SB__MECH_DONE;
}

const sb__mech_impl sb__mech_null = {
    .id = SB_MECHANISM_NULL,
    .start = null_start,
    .command = null_command,
    .accept = null_accept,
};
