/* Metadata of READY: properties <-> octets. Place: used by mechanisms and the session; pure. */
#include "engine/wire/metadata.h"

#include <string.h>
#include <strings.h>

static bool name_char(uint8_t c)
{
    uint8_t lower = c | 0x20;

    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
           c == '+';
}

bool sb__metadata_name_ok(const uint8_t *name, size_t len)
{
    if (len == 0 || len > 255)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!name_char(name[i]))
            return false;
    return true;
}

bool sb__metadata_get(sb__cursor *c, sb__metadata *out)
{
    sb__cursor at = *c;

    if (!sb__cursor_u8(&at, &out->name_len) || !sb__cursor_take(&at, out->name_len, &out->name))
        return false;
    if (!sb__metadata_name_ok(out->name, out->name_len))
        return false;
    if (!sb__cursor_u32(&at, &out->value_len) || out->value_len > INT32_MAX)
        return false;
    if (!sb__cursor_take(&at, out->value_len, &out->value))
        return false;
    *c = at;
    return true;
}

bool sb__metadata_is(const sb__metadata *m, const char *name)
{
    return strlen(name) == m->name_len && strncasecmp((const char *)m->name, name, m->name_len) == 0;
}

void sb__metadata_put(sb__bytes *out, const char *name, const void *value, uint32_t value_len)
{
    uint8_t len = (uint8_t)strnlen(name, 255);

    sb__bytes_put_u8(out, len);
    sb__bytes_put(out, name, len);
    sb__bytes_put_u32(out, value_len);
    sb__bytes_put(out, value, value_len);
}
