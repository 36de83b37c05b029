/* A security mechanism: one table per side. Turns handshake commands into steps, and afterwards, if it
 * secures traffic, frames into other frames. Knows commands and metadata; no session, no clock, no socket
 * types.
 *
 * Deny by default: a server's mechanism lets nobody in by itself. It says ASK; whoever decides calls
 * `accept`, or never does. */
#ifndef SB_MECH_H
#define SB_MECH_H

#include "engine/base/bytes.h"
#include "engine/base/cursor.h"
#include "engine/error.h"
#include "engine/security.h"

typedef struct sb__mech sb__mech;

/* What a mechanism is told at the start; borrowed for its lifetime. */
typedef struct sb__mech_config {
    const uint8_t *metadata; /* our properties, encoded (engine/wire/metadata.h) */
    size_t metadata_len;
    bool late; /* what the peer says of itself decides what we say: READY is written after HEAR */
    sb_security security;
} sb__mech_config;

typedef enum sb__mech_step {
    SB__MECH_ON,         /* more commands are to come */
    SB__MECH_ASK,        /* credentials is filled (and peer_metadata, if `has_metadata`): may it come in? */
    SB__MECH_HEAR,       /* peer_metadata is filled and may change ours: `accept` goes on when it was read */
    SB__MECH_DONE,       /* the peer's metadata is in peer_metadata, traffic may follow */
    SB__MECH_UNEXPECTED, /* this command does not belong here */
    SB__MECH_MALFORMED,  /* a field has the wrong shape */
    SB__MECH_CRYPTO,     /* a box, key, nonce, cookie or vouch is not right */
    SB__MECH_NOMEM
} sb__mech_step;

/* One secured frame, taken apart. */
typedef struct sb__mech_frame {
    unsigned flags; /* of engine/wire/frame.h: MORE, COMMAND */
    const uint8_t *body;
    size_t len;
} sb__mech_frame;

/* Octets of work space before what `open` writes. */
#define SB__MECH_ROOM 33

typedef struct sb__mech_impl {
    sb_mechanism id;
    bool silent; /* this side must not send ERROR (RFC 26: clients) */
    /* Before any command came: writes what this side sends first, or nothing. Mandatory. */
    sb__mech_step (*start)(sb__mech *m, sb__bytes *out);
    /* A whole command of the peer (`body` with its name); writes answers. Bytes are borrowed for the call.
     * ERROR does not come here. Mandatory. */
    sb__mech_step (*command)(sb__mech *m, const uint8_t *body, size_t len, sb__bytes *out);
    /* After ASK: the peer may come in; after HEAR: it was heard. Writes what tells it so. ON or DONE. */
    sb__mech_step (*accept)(sb__mech *m, sb__bytes *out);
    /* After DONE, the metadata was read: what only the handshake needed is wiped. NULL: nothing. */
    void (*settle)(sb__mech *m);
    /* Traffic. NULL: frames travel as they are. */
    size_t overhead; /* octets by which the body of a sealed frame is longer than what is in it */
    /* Writes a sealed body, exactly frame->len + overhead octets. false: the nonces are used up. */
    bool (*seal)(sb__mech *m, const sb__mech_frame *frame, uint8_t *out);
    /* Opens a sealed body of at least `overhead` octets: writes what is in it to `out`; the SB__MECH_ROOM
     * octets before are work space and are restored. frame->body is `out`. false: not authentic. */
    bool (*open)(sb__mech *m, const uint8_t *body, size_t len, uint8_t *out, sb__mech_frame *frame);
    /* Wipes and frees what it holds beyond the struct. NULL: nothing. */
    void (*finish)(sb__mech *m);
} sb__mech_impl;

/* State of one handshake, in the session's memory; mechanisms with more hang it on `state`. */
struct sb__mech {
    /* read-only */
    const sb__mech_impl *impl;
    const sb__mech_config *cfg;
    sb__cursor peer_metadata; /* valid during the call that said ASK, HEAR or DONE */
    bool has_metadata;        /* ASK: peer_metadata is filled */
    sb_credentials credentials;
    /* the mechanism's */
    void *state;
};

/* The table of one side of a mechanism. */
const sb__mech_impl *sb__mech_get(sb_mechanism id, bool server);
/* Which of the mechanisms (bits) has this name, 20 octets padded with NULs. false: none. */
bool sb__mech_match(const uint8_t name[20], uint32_t mechanisms, sb_mechanism *out);

void sb__mech_init(sb__mech *m, const sb__mech_impl *impl, const sb__mech_config *cfg);
void sb__mech_finish(sb__mech *m);

#endif
