/* Keys: making them, and their texts. Place: behind engine/security.h; the primitives are libsodium's. */
#include "engine/security.h"

#include <sodium.h>
#include <string.h>

sb_err sb_curve_generate(sb_curve_pair *out)
{
    if (sodium_init() < 0)
        return SB_EIO;
    return crypto_box_keypair(out->public_key, out->secret_key) == 0 ? SB_OK : SB_EIO;
}

void sb_curve_public(const uint8_t secret_key[SB_CURVE_KEY], uint8_t public_key[SB_CURVE_KEY])
{
    crypto_scalarmult_base(public_key, secret_key);
}

void sb_wipe(void *memory, size_t len)
{
    sodium_memzero(memory, len);
}

/* ---- Z85 ---- */

static const char digits[] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

void sb_z85_encode(const uint8_t *data, size_t len, char *out)
{
    for (size_t i = 0; i + 4 <= len; i += 4, out += 5) {
        uint32_t v =
            (uint32_t)data[i] << 24 | (uint32_t)data[i + 1] << 16 | (uint32_t)data[i + 2] << 8 | data[i + 3];

        for (int k = 4; k >= 0; k--, v /= 85)
            out[k] = digits[v % 85];
    }
    *out = '\0';
}

/* Five characters; false when one is no digit or the number is too large. */
static bool decode_five(const char *text, uint32_t *out)
{
    uint64_t v = 0;

    for (int k = 0; k < 5; k++) {
        const char *digit = text[k] != '\0' ? strchr(digits, text[k]) : NULL;

        if (digit == NULL)
            return false;
        v = v * 85 + (uint64_t)(digit - digits);
    }
    *out = (uint32_t)v;
    return v <= UINT32_MAX;
}

bool sb_z85_decode(const char *text, size_t len, uint8_t *out)
{
    if (len % 5 != 0)
        return false;
    for (size_t i = 0; i < len; i += 5, out += 4) {
        uint32_t v;

        if (!decode_five(text + i, &v))
            return false;
        out[0] = (uint8_t)(v >> 24);
        out[1] = (uint8_t)(v >> 16);
        out[2] = (uint8_t)(v >> 8);
        out[3] = (uint8_t)v;
    }
    return true;
}

bool sb_curve_key(const void *text, size_t len, uint8_t out[SB_CURVE_KEY])
{
    const char *chars = text;

    if (len == SB_CURVE_KEY) {
        memcpy(out, text, SB_CURVE_KEY);
        return true;
    }
    if (len == SB_CURVE_Z85 + 1 && chars[SB_CURVE_Z85] == '\0')
        len--;
    return len == SB_CURVE_Z85 && sb_z85_decode(chars, len, out);
}
