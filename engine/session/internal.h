/* What the files of engine/session share: the session's struct and its steps. Private to the folder. */
#ifndef SB_SESSION_INTERNAL_H
#define SB_SESSION_INTERNAL_H

#include "engine/base/bytes.h"
#include "engine/mech/mech.h"
#include "engine/session.h"
#include "engine/session/assembly.h"
#include "engine/session/heartbeat.h"
#include "engine/wire/command.h"
#include "engine/wire/greeting.h"

/* How far a message or command was looked at; offsets count from its first octet. */
typedef struct sb__unit {
    size_t scanned;  /* octets of its whole frames */
    uint64_t want;   /* octets that must be there before looking again makes sense */
    uint64_t octets; /* of bodies in `scanned` */
    uint32_t frames;
    bool whole;
    bool command;
    bool plain; /* every head is as we would write it: may be forwarded as it is */
} sb__unit;

/* Bytes being fed. */
typedef struct sb__input {
    sb_buf *buf;
    const uint8_t *p, *end;
    uint64_t now;
    bool stop; /* a callback wants no more for now */
} sb__input;

struct sb_session {
    /* used for every message */
    const sb_session_events *events;
    void *data;
    sb_session_state state;
    bool publisher; /* PUB, XPUB: 0x00 and 0x01 are subscriptions */
    bool strict;
    uint32_t max_plain; /* frames of a message on the shortest way */
    uint64_t max_frame, max_message;
    uint32_t max_frames, max_topic, max_handshake;
    sb__assembly part;
    sb__unit part_unit;

    sb_type type;
    bool as_server;
    sb__heartbeat beat;
    uint16_t ttl; /* ours, deciseconds */
    uint64_t handshake_end;

    sb__bytes out;
    uint64_t ping_time; /* context of our last PING, 0 when its PONG came */
    bool ping_out;      /* a PING of ours lies in out */
    bool pong_out;      /* a PONG of ours lies in out */
    bool pong_due;      /* and this one waits for it to go */
    sb__ping pong;

    sb__mech mech;
    sb__mech_config mech_cfg;
    sb__bytes metadata;                  /* ours, encoded */
    uint8_t greeting[SB__GREETING_SIZE]; /* the peer's */
    uint8_t greeting_len, greeting_sent;
    bool commands; /* the peer speaks 3.1: subscriptions are commands */
    sb_peer_info peer;
    bool was_ready;    /* on_ready was called: `peer` may be shown */
    void *peer_memory; /* what `peer` points into */

    sb_err err;
    sb_session_cause cause;
    char detail[128];
};

/* Ends the session; returns err. The first end counts. */
__attribute__((format(printf, 4, 5))) sb_err sb__session_fail(
    sb_session *s, sb_err err, sb_session_cause cause, const char *format, ...);
/* The same, and tells the peer why with an ERROR command. */
__attribute__((format(printf, 4, 5))) sb_err sb__session_refuse(
    sb_session *s, sb_err err, sb_session_cause cause, const char *format, ...);

/* handshake.c: the peer's greeting octets; a whole command before READY. */
sb_err sb__handshake_greeting(sb_session *s, sb__input *in);
sb_err sb__handshake_command(sb_session *s, sb__input *in, const uint8_t *body, size_t len);
/* Our READY properties out of the configuration. SB_EINVAL, SB_ENOMEM. */
sb_err sb__handshake_metadata(sb_session *s, const sb_session_config *cfg);

/* peer.c: reads the peer's properties into s->peer. */
sb_err sb__peer_read(sb_session *s, sb__cursor data);

/* control.c: a whole command after READY; a subscription in either form; the peer's ERROR. */
sb_err sb__control_command(sb_session *s, sb__input *in, const uint8_t *body, size_t len);
sb_err sb__control_subscribe(sb_session *s, const uint8_t *topic, size_t len, bool subscribe);
sb_err sb__control_error(sb_session *s, sb__cursor data);
void sb__control_ping(sb_session *s, uint64_t now);
/* Puts the PONG that waits into the output if there is none. */
void sb__control_pong(sb_session *s);

/* decode.c: frames, from the end of the greeting on. */
sb_err sb__decode_feed(sb_session *s, sb__input *in);

#endif
