/* The mechanisms there are: one line each. Place: between a configuration and the session. */
#include "engine/mech/curve.h"
#include "engine/mech/mech.h"
#include "engine/mech/null.h"
#include "engine/mech/plain.h"

#include <string.h>

#define NAME 20 /* octets in a greeting */

static const struct {
    const char *name;
    const sb__mech_impl *client, *server;
} mechanisms[SB_MECHANISM_COUNT] = {
    [SB_MECHANISM_NULL] = {"NULL", &sb__mech_null, &sb__mech_null},
    [SB_MECHANISM_PLAIN] = {"PLAIN", &sb__mech_plain_client, &sb__mech_plain_server},
    [SB_MECHANISM_CURVE] = {"CURVE", &sb__mech_curve_client, &sb__mech_curve_server},
};

const char *sb_mechanism_name(sb_mechanism mechanism)
{
    return (unsigned)mechanism < SB_MECHANISM_COUNT ? mechanisms[mechanism].name : NULL;
}

const sb__mech_impl *sb__mech_get(sb_mechanism id, bool server)
{
    return server ? mechanisms[id].server : mechanisms[id].client;
}

bool sb__mech_match(const uint8_t name[NAME], uint32_t allowed, sb_mechanism *out)
{
    for (int id = 0; id < SB_MECHANISM_COUNT; id++) {
        char padded[NAME] = {0};

        if ((allowed & SB_MECHANISM_BIT(id)) == 0)
            continue;
        memcpy(padded, mechanisms[id].name, strlen(mechanisms[id].name));
        if (memcmp(padded, name, NAME) != 0)
            continue;
        *out = (sb_mechanism)id;
        return true;
    }
    return false;
}

void sb__mech_init(sb__mech *m, const sb__mech_impl *impl, const sb__mech_config *cfg)
{
    *m = (sb__mech){.impl = impl, .cfg = cfg};
}

void sb__mech_finish(sb__mech *m)
{
    if (m->impl != NULL && m->impl->finish != NULL)
        m->impl->finish(m);
    m->impl = NULL;
}
