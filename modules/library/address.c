/* Where a bind endpoint listens: text to sb_addr, without I/O. Before: plan.c. After:
 * engine/transport/endpoint.c. */
#include "modules/library/address.h"

#include "engine/transport/endpoint.h"

static bool to_address(const sb__endpoint *ep, bool ipv6, sb_addr *out)
{
    if (ep->kind == SB__ENDPOINT_TCP)
        return sb__endpoint_local(ep->host, ep->any_host, ep->port, ipv6, out) == SB_OK;
    if (ep->kind == SB__ENDPOINT_IPC && !ep->any_path)
        return sb__endpoint_unix(ep, out) == SB_OK;
    return false;
}

bool sb__address_of_bind(const char *endpoint, bool ipv6, sb_addr *out)
{
    sb__endpoint ep;
    *out = (sb_addr){0};
    if (sb__endpoint_parse(endpoint, &ep, NULL, 0) == SB_OK && to_address(&ep, ipv6, out))
        return true;
    out->len = 0;
    return false;
}
