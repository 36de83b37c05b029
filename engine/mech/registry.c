/* The mechanisms there are: one line each. Place: between a configuration's name and the session. */
#include "engine/mech/mech.h"
#include "engine/mech/null.h"

#include <string.h>

static const sb__mech_impl *const mechanisms[] = {
    &sb__mech_null,
};

const sb__mech_impl *sb__mech_find(const char *name)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
        if (strcmp(mechanisms[i]->name, name) == 0)
            return mechanisms[i];
    return NULL;
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
