/* The greeting of ZMTP 3.1 (RFC 37 "Version Negotiation"): values <-> octets. Pure: no peer, no clock.
 *
 * 10 octets of signature, major, minor, 20 octets of mechanism, as-server, 31 octets of filler. We send it in
 * three parts, so that a peer of any age learns what it needs and nobody waits for more than the other must
 * have sent. */
#ifndef SB_WIRE_GREETING_H
#define SB_WIRE_GREETING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SB__GREETING_SIGNATURE 10
#define SB__GREETING_SIZE      64
#define SB__GREETING_MECHANISM 20

typedef enum sb__greeting_verdict {
    SB__GREETING_MORE,   /* fine so far */
    SB__GREETING_DONE,   /* all 64 octets are there */
    SB__GREETING_FOREIGN /* not a ZMTP peer that has a signature (1.0, HTTP, TLS ...) */
} sb__greeting_verdict;

typedef struct sb__greeting {
    uint8_t major, minor;
    char mechanism[SB__GREETING_MECHANISM + 1]; /* NUL-padded on the wire */
    bool as_server;
} sb__greeting;

/* Writes all 64 octets of ours: version 3.1. */
void sb__greeting_put(uint8_t out[SB__GREETING_SIZE], const char *mechanism, bool as_server);

/* Judges the first `len` octets of a peer's. Padding and filler are not looked at. */
sb__greeting_verdict sb__greeting_check(const uint8_t *p, size_t len);

/* Octets of ours that may be out when the peer's first `len` are in: 10, 11 or 64. */
size_t sb__greeting_stage(size_t len);

/* Reads a whole greeting. */
void sb__greeting_get(const uint8_t p[SB__GREETING_SIZE], sb__greeting *out);

#endif
