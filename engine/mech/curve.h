/* The tables of CURVE's two sides, and what its files share. Place: engine/mech/registry.c. */
#ifndef SB_MECH_CURVE_H
#define SB_MECH_CURVE_H

#include "engine/mech/mech.h"

#include <sodium.h>

extern const sb__mech_impl sb__mech_curve_client, sb__mech_curve_server;

/* curve_box.c: traffic. One direction each; the key is the shared one after HSalsa20 with the direction's
 * nonce prefix, which is the same for every message. */
typedef struct sb__curve_box {
    uint8_t key[crypto_core_hsalsa20_OUTPUTBYTES];
    uint64_t nonce; /* out: the next one; in: the last one that was authentic */
} sb__curve_box;

void sb__curve_box_init(
    sb__curve_box *box, const uint8_t shared[crypto_box_BEFORENMBYTES], bool from_server, uint64_t nonce);

#define SB__CURVE_NAME     8 /* "\x07MESSAGE" */
#define SB__CURVE_OVERHEAD (SB__CURVE_NAME + 8 + crypto_box_MACBYTES + 1)

bool sb__curve_seal(sb__curve_box *box, const sb__mech_frame *frame, uint8_t *out);
bool sb__curve_open(sb__curve_box *box, const uint8_t *body, size_t len, uint8_t *out, sb__mech_frame *frame);

#endif
