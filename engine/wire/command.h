/* Commands of ZMTP 3 (RFC 37 "Commands"): a name of 1 to 255 octets behind its length, then data. Pure. */
#ifndef SB_WIRE_COMMAND_H
#define SB_WIRE_COMMAND_H

#include "engine/base/bytes.h"
#include "engine/base/cursor.h"

typedef enum sb__command_id {
    SB__COMMAND_UNKNOWN,
    SB__COMMAND_READY,
    SB__COMMAND_ERROR,
    SB__COMMAND_SUBSCRIBE,
    SB__COMMAND_CANCEL,
    SB__COMMAND_JOIN,
    SB__COMMAND_LEAVE,
    SB__COMMAND_PING,
    SB__COMMAND_PONG,
    SB__COMMAND_HELLO,
    SB__COMMAND_WELCOME,
    SB__COMMAND_INITIATE,
    SB__COMMAND_COUNT
} sb__command_id;

/* Reads the name of a command body; what is left in *data is its data. False when the body has no whole name.
 */
bool sb__command_get(const uint8_t *body, size_t len, sb__command_id *id, sb__cursor *data);

/* Writes a command frame with `len` octets of data; the data is the caller's to write next. */
void sb__command_put(sb__bytes *out, sb__command_id id, size_t len);

#define SB__PING_CONTEXT 16 /* octets at most */

typedef struct sb__ping {
    uint16_t ttl; /* deciseconds; not in a PONG */
    uint8_t context_len;
    uint8_t context[SB__PING_CONTEXT];
} sb__ping;

/* Reads what follows the name. False when malformed: a PING without a whole TTL, a context over 16 octets. */
bool sb__ping_get(sb__cursor data, sb__ping *out);
bool sb__pong_get(sb__cursor data, sb__ping *out);
void sb__ping_put(sb__bytes *out, const sb__ping *ping);
void sb__pong_put(sb__bytes *out, const sb__ping *pong);

/* ERROR: a reason behind its length octet. put cuts it at 255. */
bool sb__error_get(sb__cursor data, const uint8_t **reason, uint8_t *len);
void sb__error_put(sb__bytes *out, const char *reason);

#endif
