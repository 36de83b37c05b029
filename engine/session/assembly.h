/* The unfinished message (or command) of a peer: octets that came without their end. Memory follows the
 * octets received, never a declared length, except that up to 256 KiB is taken at once when a frame says it
 * is that long. Place: between session/decode.c and the heap; knows no frames. */
#ifndef SB_SESSION_ASSEMBLY_H
#define SB_SESSION_ASSEMBLY_H

#include "engine/buf.h"
#include "engine/error.h"

/* All zero is empty. */
typedef struct sb__assembly {
    sb_buf *buf; /* NULL when empty; ours alone until sb__assembly_take */
    size_t len;  /* octets in it */
} sb__assembly;

/* Appends octets; `whole` tells how many there will be in all as far as is known (a hint, may be anything).
 * SB_ENOMEM. */
sb_err sb__assembly_add(sb__assembly *a, const uint8_t *data, size_t len, uint64_t whole);
/* The buffer, whose one reference is the caller's from now on; leaves the assembly empty. */
sb_buf *sb__assembly_take(sb__assembly *a);
void sb__assembly_finish(sb__assembly *a);

#endif
