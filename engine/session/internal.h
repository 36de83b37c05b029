/* What the files of engine/session share: the session's struct and its steps. Private to the folder. */
#ifndef SB_SESSION_INTERNAL_H
#define SB_SESSION_INTERNAL_H

#include "engine/base/bytes.h"
#include "engine/mech/mech.h"
#include "engine/session.h"
#include "engine/session/assembly.h"
#include "engine/session/heartbeat.h"
#include "engine/wire/metadata.h"
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

/* How far an old peer's greeting, or the head of a frame of 1.0, has come. */
typedef struct sb__old_part {
    uint64_t left; /* octets of the body that are still to come */
    size_t len;    /* octets in head */
    uint8_t head[10 + 255];
} sb__old_part;

/* Bytes being fed. */
typedef struct sb__input {
    sb_buf *buf;
    const uint8_t *p, *end;
    uint64_t now;
    bool stop; /* a callback wants no more for now */
} sb__input;

/* What only the handshake needs; freed when it is over, with what it holds. */
typedef struct sb__handshake {
    sb__mech mech; /* impl is NULL while a server waits for the peer's choice */
    sb__mech_config cfg;
    void *secrets; /* what cfg points into */
    size_t secrets_len;
    uint64_t end;
    sb__bytes metadata;                  /* ours, encoded */
    uint8_t greeting[SB__GREETING_SIZE]; /* the peer's */
    uint8_t greeting_len, greeting_sent;
    char peer_key[SB_CURVE_Z85 + 1];
} sb__handshake;

/* What only a session needs whose frames are boxes. */
typedef struct sb__secure {
    sb__mech mech;
    sb__assembly box; /* the unfinished frame of the peer */
    uint64_t box_want;
    sb_buf *clear;  /* opened frames lie here; NULL between feeds */
    sb__bytes lane; /* control commands before they are sealed */
} sb__secure;

struct sb_session {
    /* used for every message */
    const sb_session_events *events;
    void *data;
    uint8_t state;  /* an sb_session_state */
    uint8_t type;   /* an sb_type */
    bool publisher; /* PUB, XPUB: 0x00 and 0x01 are subscriptions */
    bool strict;
    bool chooses;       /* on_resource says what it becomes */
    bool raw;           /* STREAM: no handshake, no frames */
    bool silent;        /* refuses without telling why: its mechanism's side must not send ERROR */
    bool stream_pings;  /* ... but PINGs of ours and their PONGs, which are the stream's */
    uint32_t max_plain; /* frames of a message on the shortest way */
    uint32_t max_frames, max_topic, max_handshake;
    uint64_t max_frame, max_message;
    sb__secure *secure;  /* READY, and frames are boxes; else NULL */
    sb__input *input;    /* what is being decoded; NULL outside of feed */
    const uint8_t *read; /* where the message that sb_session_next gave begins */
    sb__assembly part;
    sb__unit part_unit;

    sb__heartbeat beat;
    sb__bytes out;
    uint64_t ping_time; /* context of our last PING, 0 when its PONG came */
    uint16_t ttl;       /* ours, deciseconds */
    bool ping_out;      /* a PING of ours lies in out */
    bool pong_out;      /* a PONG of ours lies in out */
    bool pong_due;      /* and this one waits for it to go */
    sb__ping pong;

    uint8_t oldest;    /* version we would speak */
    uint8_t old;       /* 1 or 2: the peer speaks ZMTP 1.0 or 2.0; 0: 3 */
    bool commands;     /* the peer speaks 3.1: subscriptions are commands */
    bool asking;       /* on_auth waits for its answer */
    bool was_ready;    /* on_ready was called: `peer` may be shown */
    bool peer_read;    /* its properties were looked at */
    sb__handshake *hs; /* NULL from READY on */
    sb__old_part *way; /* of an old peer */
    sb_peer_info peer;
    void *peer_memory; /* what `peer` points into */
    char *known_user;  /* of the configuration, NULL: none */
    void *auth_memory; /* ... its user_id, key and auth_props */

    sb_err err;
    sb_session_cause cause;
    char *detail; /* NULL: none, or no memory for it */
};

/* Ends the session; returns err. The first end counts. */
__attribute__((format(printf, 4, 5))) sb_err sb__session_fail(
    sb_session *s, sb_err err, sb_session_cause cause, const char *format, ...);
/* The same, and tells the peer why with an ERROR command. */
__attribute__((format(printf, 4, 5))) sb_err sb__session_refuse(
    sb_session *s, sb_err err, sb_session_cause cause, const char *format, ...);

/* greeting.c: the peer's greeting octets; the first of ours. */
sb_err sb__greeting_feed(sb_session *s, sb__input *in);
void sb__greeting_begin(sb_session *s);

/* handshake.c: a whole command before READY. */
sb_err sb__handshake_command(sb_session *s, sb__input *in, const uint8_t *body, size_t len);
sb_err sb__handshake_begin(sb_session *s);
/* It is over, for good or ill: frees what it needed. Idempotent. */
void sb__handshake_finish(sb_session *s);
sb_err sb__handshake_ready(sb_session *s, uint64_t now);
sb_err sb__handshake_answer(sb_session *s, const sb_session_verdict *verdict, uint64_t now);

/* config.c: our READY properties and secrets out of the configuration, into s->hs. SB_EINVAL, SB_ENOMEM. */
sb_err sb__config_read(sb_session *s, const sb_session_config *cfg);
sb_err sb__config_metadata(sb_session *s, const sb_session_config *cfg); /* our properties alone, anew */
/* They are not needed any more. */
void sb__config_forget(sb__handshake *hs);

/* peer.c: reads the peer's properties into s->peer; what its authenticator says of it. */
sb_err sb__peer_read(sb_session *s, sb__cursor data);
sb_err sb__peer_admit(sb_session *s, const sb_session_verdict *verdict);

/* raw.c: octets as they come; packed messages without their heads. */
sb_err sb__raw_feed(sb_session *s, sb__input *in);
sb_err sb__raw_strip(const struct iovec *iov, size_t n, sb_buf **out);

sb_err sb__peer_match(sb_session *s); /* may our types talk? */
sb_err sb__peer_identity(sb_session *s, const uint8_t *id, uint32_t len);

/* old.c: peers of ZMTP 1.0 and 2.0. begin: the peer has shown that it is one. SB_ENOMEM. */
bool sb__old_allowed(const sb_session *s, unsigned version);
sb_err sb__old_begin(sb_session *s, unsigned version);
sb_err sb__old_feed(sb_session *s, sb__input *in);
sb_err sb__old_frames(const struct iovec *iov, size_t n, sb_buf **out);
uint8_t sb__old_identity_len(const sb_session *s); /* of ours */

/* secure.c: boxes in; control commands that were put into its lane out. begin: `mech` is done with the
 * handshake and goes on in s->secure; SB_ENOMEM leaves it where it was. */
sb_err sb__secure_begin(sb_session *s, sb__mech *mech);
sb_err sb__secure_feed(sb_session *s, sb__input *in);
sb_err sb__secure_lane(sb_session *s);
void sb__secure_finish(sb_session *s);

/* Where control commands are put; then call lane_done. */
static inline sb__bytes *sb__lane(sb_session *s)
{
    return s->secure != NULL ? &s->secure->lane : &s->out;
}
static inline sb_err sb__lane_done(sb_session *s)
{
    return s->secure != NULL ? sb__secure_lane(s) : SB_OK;
}

/* control.c: a whole command after READY; a subscription in either form; the peer's ERROR. */
sb_err sb__control_command(sb_session *s, sb__input *in, const uint8_t *body, size_t len);
sb_err sb__control_subscribe(sb_session *s, const uint8_t *topic, size_t len, bool subscribe);
sb_err sb__control_error(sb_session *s, sb__cursor data);
void sb__control_ping(sb_session *s, uint64_t now);
/* Octets in clear between boxes: the stream's PONG, and nothing else. */
sb_err sb__control_stream_pong(sb_session *s, sb__input *in, const uint8_t *body, size_t len);
/* Puts the PONG that waits into the output if there is none. */
void sb__control_pong(sb_session *s);

/* decode.c: frames, from the end of the greeting on. */
sb_err sb__decode_feed(sb_session *s, sb__input *in);
/* The same for frames in clear, whatever the mechanism. */
sb_err sb__decode_clear(sb_session *s, sb__input *in);

#endif
