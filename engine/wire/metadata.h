/* Metadata of READY (RFC 37 "The Metadata"): name behind one length octet, value behind four. Pure. */
#ifndef SB_WIRE_METADATA_H
#define SB_WIRE_METADATA_H

#include "engine/base/bytes.h"
#include "engine/base/cursor.h"

typedef struct sb__metadata {
    const uint8_t *name, *value;
    uint8_t name_len;
    uint32_t value_len; /* below 2^31 */
} sb__metadata;

/* Reads the next property. False at the end, and when malformed: then octets are left in the cursor. Names
 * are 1 to 255 of letters, digits and "-_.+". */
bool sb__metadata_get(sb__cursor *c, sb__metadata *out);

/* Whether the property has this name in any case. */
bool sb__metadata_is(const sb__metadata *m, const char *name);

/* Whether a name of ours may be sent. */
bool sb__metadata_name_ok(const uint8_t *name, size_t len);

void sb__metadata_put(sb__bytes *out, const char *name, const void *value, uint32_t value_len);

#endif
