/* Security words: mechanisms, keys, and what a session is told of them. Knows keys and octets; no peers, no
 * sockets. Place: the public half of engine/mech. */
#ifndef SB_SECURITY_H
#define SB_SECURITY_H

#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers of libzmq (zmq.h ZMQ_NULL ...). */
typedef enum sb_mechanism {
    SB_MECHANISM_NULL = 0,
    SB_MECHANISM_PLAIN = 1,
    SB_MECHANISM_CURVE = 2,
    SB_MECHANISM_COUNT
} sb_mechanism;

#define SB_MECHANISM_BIT(mechanism) (1u << (mechanism))

/* "CURVE" for SB_MECHANISM_CURVE; NULL for unknown. Static. */
const char *sb_mechanism_name(sb_mechanism mechanism);

#define SB_CURVE_KEY  32 /* octets of a Curve25519 key */
#define SB_CURVE_Z85  40 /* its characters in Z85 */
#define SB_CURVE_KEYS 8  /* server keys that are valid at the same time, at most */

typedef struct sb_curve_pair {
    uint8_t public_key[SB_CURVE_KEY], secret_key[SB_CURVE_KEY];
} sb_curve_pair;

/* A new pair, from the system's random numbers. SB_EIO when there are none. */
sb_err sb_curve_generate(sb_curve_pair *out);
/* The public key that belongs to a secret one. */
void sb_curve_public(const uint8_t secret_key[SB_CURVE_KEY], uint8_t public_key[SB_CURVE_KEY]);
/* Overwrites memory that held a secret, also where a compiler would leave it out. */
void sb_wipe(void *memory, size_t len);

/* Z85 (RFC 32). encode: len a multiple of 4, `out` gets len * 5 / 4 characters and a NUL. decode: exactly
 * `len` characters, a multiple of 5, which become len * 4 / 5 octets; false when they are no Z85. */
void sb_z85_encode(const uint8_t *data, size_t len, char *out);
bool sb_z85_decode(const char *text, size_t len, uint8_t *out);
/* A key as people write it: 32 octets, or 40 characters of Z85 (a NUL behind them is allowed). */
bool sb_curve_key(const void *text, size_t len, uint8_t out[SB_CURVE_KEY]);

/* One key of a key file. */
typedef struct sb_key_entry {
    bool secret;
    uint8_t key[SB_CURVE_KEY];
    char name[64]; /* whose it is, "" when the file does not say */
} sb_key_entry;

/* Reads a key file: certificates as czmq writes them (lines name = "X", public-key = "Z85", secret-key =
 * "Z85"), or lines "Z85 NAME" of public keys; "#" begins a comment. At most `cap` entries. SB_EINVAL at a
 * line that is neither, SB_EMSGSIZE when there are more; *line then counts from 1. */
sb_err sb_keyfile_read(const char *text, size_t len, sb_key_entry *out, size_t cap, size_t *n, size_t *line);

/* What a session may and must do; everything is borrowed while the session is made. All zero: NULL. */
typedef struct sb_security {
    uint32_t mechanisms; /* SB_MECHANISM_BIT()s: what this side accepts (server), or the one it speaks
                            (client). 0: NULL alone */
    bool server;         /* this side authenticates the other */
    bool ask;            /* NULL peers are asked about too (PLAIN's and CURVE's are in any case) */
    const char *username, *password; /* PLAIN client; at most 255 octets each, "" when NULL */
    const sb_curve_pair *keys;       /* CURVE server: every pair that is valid; client: its own, one */
    uint32_t nkeys;
    const uint8_t *server_key; /* CURVE client: the server's public key */
} sb_security;

/* What a peer showed to be let in; borrowed for the call. Strings end in a NUL. */
typedef struct sb_credentials {
    sb_mechanism mechanism;
    const char *username, *password; /* PLAIN, else "" */
    size_t username_len, password_len;
    const uint8_t *key; /* CURVE: its long-term public key, else NULL */
} sb_credentials;

#ifdef __cplusplus
}
#endif
#endif
