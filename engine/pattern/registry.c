/* Every socket type's table, and how a pattern is made and ended. */
#include "engine/pattern/registry.h"

#include <stdlib.h>

sb_err sb__discard(sb_pattern *pat, sb_peer *peer, sb_msg *msg)
{
    (void)pat, (void)peer, (void)msg;
    return SB_ECANCELED;
}

static const sb_pattern_impl *const impls[SB_TYPE_COUNT] = {
#define SB__PATTERN_ROW(name, lower, number, peers) [number] = &sb__##lower##_impl,
    SB_TYPES(SB__PATTERN_ROW)
#undef SB__PATTERN_ROW
};

const sb_pattern_impl *sb__pattern_impl_of(sb_type type)
{
    return (unsigned)type < SB_TYPE_COUNT ? impls[type] : NULL;
}

sb_err sb__pattern_create(sb_type type, const sb__pattern_host *host, const sb__pattern_options *options,
    void *socket, sb_pattern **out)
{
    const sb_pattern_impl *impl = sb__pattern_impl_of(type);
    *out = NULL;
    if (impl == NULL)
        return SB_EINVAL;
    sb_pattern *pat = calloc(1, impl->size);
    if (pat == NULL)
        return SB_ENOMEM;
    pat->impl = impl;
    pat->host = host;
    pat->options = options;
    pat->socket = socket;
    sb_err err = impl->init(pat);
    if (err != SB_OK) {
        free(pat);
        return err;
    }
    *out = pat;
    return SB_OK;
}

void sb__pattern_destroy(sb_pattern *pat)
{
    if (pat == NULL)
        return;
    if (pat->impl->finish != NULL)
        pat->impl->finish(pat);
    free(pat);
}
