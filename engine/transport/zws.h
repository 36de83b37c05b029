/* ZWS 2.0 (RFC 45) as a session sees ZMTP: what a session writes, taken apart into frames for WebSocket
 * messages, and what it must read for a peer that sends no greeting. Pure: no stream, no WebSocket. */
#ifndef SB_ZWS_H
#define SB_ZWS_H

#include "engine/base/bytes.h"
#include "engine/error.h"
#include "engine/session.h"
#include "engine/wire/greeting.h"

/* First octet of a WebSocket message. */
#define SB__ZWS_MORE    0x01u
#define SB__ZWS_COMMAND 0x02u
#define SB__ZWS_FLAGS   (SB__ZWS_MORE | SB__ZWS_COMMAND)

/* What the session wrote, in order. */
typedef struct sb__zws_sink {
    /* A message frame begins: `flags` of ZWS, `len` octets of body follow in pieces. */
    void (*begin)(void *arg, uint8_t flags, uint64_t len);
    void (*body)(void *arg, const uint8_t *data, size_t len);
    /* A whole command, with its name. */
    void (*command)(void *arg, const uint8_t *body, size_t len);
} sb__zws_sink;

/* Takes the session's octets. All zero begins. */
typedef struct sb__zws_out {
    uint8_t greeting_len; /* octets of it, which nobody needs */
    uint8_t head[9], head_len;
    bool body, in_command;
    uint64_t left; /* of the body */
    sb__bytes command;
} sb__zws_out;

/* False: out of memory. */
bool sb__zws_write(sb__zws_out *z, const uint8_t *data, size_t len, const sb__zws_sink *sink, void *arg);
void sb__zws_finish(sb__zws_out *z);

/* The greeting of a 3.0 peer. (3.0: over ZWS subscriptions are messages.) */
void sb__zws_greeting(uint8_t out[SB__GREETING_SIZE], const char *mechanism, bool as_server);

/* Without a mechanism ("ZWS2.0") peers exchange routing ids and no READY. The identity in ours: */
bool sb__zws_identity(const uint8_t *ready, size_t len, const uint8_t **id, size_t *id_len);
/* ... and the READY frame of a peer that only told its routing id: a socket of the most general type that
 * `ours` may talk to. */
void sb__zws_ready(sb__bytes *out, sb_type ours, const uint8_t *id, size_t len);

/* A PING command's context, to be sent as a WebSocket ping; false for other commands. */
bool sb__zws_ping(const uint8_t *command, size_t len, const uint8_t **context, size_t *context_len);
/* The PONG frame for a WebSocket pong; false when its payload cannot be the context of one of ours. */
bool sb__zws_pong(sb__bytes *out, const uint8_t *payload, size_t len);

#endif
