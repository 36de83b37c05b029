/* Where a bind endpoint listens: text to sb_addr, without I/O. Before: plan.c. After:
 * engine/transport/endpoint.c. */
#include "modules/library/address.h"

#include "engine/transport/endpoint.h"

bool sb__address_of_bind(const char *endpoint, bool ipv6, sb_addr *out)
{
    sb__endpoint ep;
    *out = (sb_addr){0};
    if (sb__endpoint_parse(endpoint, &ep, NULL, 0) == SB_OK && !ep.any_path &&
        ep.kind != SB__ENDPOINT_VSOCK && sb__endpoint_addr(&ep, ipv6, out) == SB_OK)
        return true;
    out->len = 0;
    return false;
}
