/* A zone: named dictionaries in one piece of memory that several processes may map, each at its own address.
 *
 * Bounded by its size; what does not fit is refused, and nothing that lives is thrown out. Only offsets
 * inside, and one lock that survives the death of its holder: an index is changed by single stores, so the
 * next one finds it whole and collects what the dead one had not linked yet. The head carries a version of
 * the layout.
 *
 * Knows no files and no clock: times are milliseconds of whatever clock all its users share. */
#ifndef SB_ZONE_H
#define SB_ZONE_H

#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SB__ZONE_MIN 16384 /* octets: fewer would hold nothing */

typedef struct sb__zone_head sb__zone_head;

/* One process's view. */
typedef struct sb__zone {
    sb__zone_head *head;
} sb__zone;

typedef enum sb__zone_type {
    SB__ZONE_STRING,
    SB__ZONE_INTEGER,
    SB__ZONE_NUMBER,
    SB__ZONE_BOOLEAN
} sb__zone_type;

typedef struct sb__zone_value {
    sb__zone_type type;
    union {
        int64_t integer;
        double number;
        bool boolean;
    };
    const void *data; /* strings, going in */
    size_t len;       /* ... and their full length, coming out */
} sb__zone_value;

/* Which entry: a dictionary's name and a key of any octets. Name and key together at most 4096 octets. */
typedef struct sb__zone_key {
    const char *name;
    const void *key;
    size_t len;
} sb__zone_key;

/* Memory full of zeros becomes an empty zone; one that is a zone already is joined. SB_EINVAL when it is too
 * small, or is another layout. */
sb_err sb__zone_open(void *mem, size_t size, sb__zone *out);

/* A string is copied into buf as far as it goes; out->len tells its length. SB_ENOENT. */
sb_err sb__zone_get(
    sb__zone *zone, const sb__zone_key *key, uint64_t now, void *buf, size_t cap, sb__zone_value *out);
/* `until` 0: it stays. `add`: only a new one (SB_EEXIST). SB_ENOMEM: full, and what was there is still there.
 * SB_EMSGSIZE: name and key are too long. */
sb_err sb__zone_set(sb__zone *zone, const sb__zone_key *key, const sb__zone_value *value, uint64_t now,
    uint64_t until, bool add);
/* Adds to a number and tells the sum; integers stay integers while `by` is one. `init` (may be NULL): the
 * number to begin with, until `until`, where there is none (else SB_ENOENT). SB_EINVAL: it is not a number.
 */
sb_err sb__zone_incr(sb__zone *zone, const sb__zone_key *key, const sb__zone_value *by,
    const sb__zone_value *init, uint64_t now, uint64_t until, sb__zone_value *sum);
/* A new end, 0: none. SB_ENOENT. */
sb_err sb__zone_expire(sb__zone *zone, const sb__zone_key *key, uint64_t now, uint64_t until);
/* SB_ENOENT. */
sb_err sb__zone_delete(sb__zone *zone, const sb__zone_key *key);

/* The keys of a dictionary, one behind the other: a length (32 bits, this machine's order) and the octets. As
 * many as fit, at most `max`; *n gets their number. Returns the octets written. */
size_t sb__zone_keys(
    sb__zone *zone, const char *name, uint64_t now, size_t max, void *buf, size_t cap, size_t *n);

/* Octets for entries: all, and free ones. */
void sb__zone_room(sb__zone *zone, size_t *all, size_t *left);

#endif
