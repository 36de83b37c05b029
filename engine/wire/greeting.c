/* The greeting of ZMTP 3.1: values <-> octets. Place: before the session's handshake; pure. */
#include "engine/wire/greeting.h"

#include <string.h>

enum { AT_MAJOR = 10, AT_MINOR = 11, AT_MECHANISM = 12, AT_AS_SERVER = 32 };

void sb__greeting_put(uint8_t out[SB__GREETING_SIZE], const char *mechanism, bool as_server)
{
    memset(out, 0, SB__GREETING_SIZE);
    /* Read by a 1.0 peer this is the long length of a frame of one octet: an empty identity, as libzmq sends
     * it. */
    out[0] = 0xff;
    out[8] = 1;
    out[9] = 0x7f;
    out[AT_MAJOR] = 3;
    out[AT_MINOR] = 1;
    memcpy(out + AT_MECHANISM, mechanism, strnlen(mechanism, SB__GREETING_MECHANISM));
    out[AT_AS_SERVER] = as_server;
}

sb__greeting_verdict sb__greeting_check(const uint8_t *p, size_t len)
{
    if (len > 0 && p[0] != 0xff)
        return SB__GREETING_FOREIGN;
    if (len >= SB__GREETING_SIGNATURE && (p[9] & 1) == 0)
        return SB__GREETING_FOREIGN;
    return len >= SB__GREETING_SIZE ? SB__GREETING_DONE : SB__GREETING_MORE;
}

size_t sb__greeting_stage(size_t len)
{
    if (len > AT_MAJOR)
        return SB__GREETING_SIZE;
    return len == AT_MAJOR ? AT_MAJOR + 1 : SB__GREETING_SIGNATURE;
}

void sb__greeting_get(const uint8_t p[SB__GREETING_SIZE], sb__greeting *out)
{
    out->major = p[AT_MAJOR];
    out->minor = p[AT_MINOR];
    memcpy(out->mechanism, p + AT_MECHANISM, SB__GREETING_MECHANISM);
    out->mechanism[SB__GREETING_MECHANISM] = '\0';
    out->as_server = p[AT_AS_SERVER] & 1;
}
