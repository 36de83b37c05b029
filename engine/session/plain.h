/* Plain frames: whole, with heads as we write them, within the limits; nearly all are. Private to the folder;
 * header only, since every message passes here. */
#ifndef SB_SESSION_PLAIN_H
#define SB_SESSION_PLAIN_H

#include "engine/session/internal.h"
#include "engine/wire/frame.h"

/* The head of a plain frame at `at`, all of which lies in `left` octets: its size; 0 for any other frame,
 * which next_unit then looks at. */
static inline __attribute__((always_inline)) size_t sb__plain_head(
    const sb_session *s, const uint8_t *at, size_t left, unsigned *flags, uint64_t *len)
{
    size_t head = 2;

    if (left < 2)
        return 0;
    *flags = at[0];
    *len = at[1];
    if (*flags > SB__FRAME_MORE) {
        if (*flags > (SB__FRAME_MORE | SB__FRAME_LONG) || left < 9)
            return 0;
        *len = sb__be64_get(at + 1);
        head = 9;
        if (*len < 256)
            return 0;
    }
    return *len <= left - head && *len <= s->max_frame ? head : 0;
}

#endif
