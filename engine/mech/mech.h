/* A security mechanism: one table each. Turns handshake commands into "go on", "done" or "failed", and
 * afterwards, if it secures traffic, frames into other frames. Knows commands and metadata; no session, no
 * clock, no socket types. */
#ifndef SB_MECH_H
#define SB_MECH_H

#include "engine/base/bytes.h"
#include "engine/base/cursor.h"
#include "engine/error.h"

typedef struct sb__mech sb__mech;
typedef struct sb__mech_config sb__mech_config;

/* What a mechanism is told at the start; borrowed for its lifetime. Keys and passwords of later mechanisms go
 * here. */
struct sb__mech_config {
    bool as_server;
    const uint8_t *metadata; /* our properties, encoded (engine/wire/metadata.h) */
    size_t metadata_len;
};

typedef enum sb__mech_step {
    SB__MECH_ON,         /* more commands are to come */
    SB__MECH_DONE,       /* the peer's metadata is in peer_metadata, traffic may follow */
    SB__MECH_UNEXPECTED, /* this command does not belong here */
    SB__MECH_MALFORMED   /* a field is wrong: shape, key, nonce, password */
} sb__mech_step;

typedef struct sb__mech_impl {
    const char *name; /* as in the greeting, at most 20 octets */
    bool secure;      /* anything below ZMTP 3 must be refused */
    /* Before any command came: writes what this side sends first, or nothing. Mandatory. */
    void (*start)(sb__mech *m, sb__bytes *out);
    /* A whole command of the peer (`body` with its name); writes answers. Bytes are borrowed for the call.
     * ERROR does not come here. Mandatory. */
    sb__mech_step (*command)(sb__mech *m, const uint8_t *body, size_t len, sb__bytes *out);
    /* Traffic: the payload of a frame <-> what travels, with `flags` of engine/wire/frame.h (MORE, COMMAND).
     * Both append to `out`. NULL: frames travel as they are. */
    sb_err (*encode)(sb__mech *m, unsigned flags, const uint8_t *body, size_t len, sb__bytes *out);
    sb_err (*decode)(sb__mech *m, unsigned *flags, const uint8_t *body, size_t len, sb__bytes *out);
    /* Wipes and frees what it holds beyond the struct. NULL: nothing. */
    void (*finish)(sb__mech *m);
} sb__mech_impl;

/* State of one handshake, in the session's memory; mechanisms with more hang it on `state`. */
struct sb__mech {
    /* read-only */
    const sb__mech_impl *impl;
    const sb__mech_config *cfg;
    sb__cursor peer_metadata; /* valid during the call that said DONE */
    /* the mechanism's */
    void *state;
};

/* Finds "NULL" and friends; NULL when there is none of this name. */
const sb__mech_impl *sb__mech_find(const char *name);

void sb__mech_init(sb__mech *m, const sb__mech_impl *impl, const sb__mech_config *cfg);
void sb__mech_finish(sb__mech *m);

#endif
