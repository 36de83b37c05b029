/* Views of a message without, or with other, leading frames. The rule is in docs/messages.md. */
#ifndef SB_ENVELOPE_H
#define SB_ENVELOPE_H

#include "engine/msg.h"

/* Makes `view` show frames[from .. n) of msg, sharing its frame array: read it while msg lives, do not edit
 * it, do not finish it. Keeps `wire`. from <= msg->n. */
void sb__envelope_view(sb_msg *view, const sb_msg *msg, uint32_t from);
/* Appends the body of msg to `out`, which holds leading frames only; keeps msg's `wire` usable. SB_EINVAL
 * when there is no body, SB_ENOMEM. Finish `out` in any case. */
sb_err sb__envelope_add_body(sb_msg *out, const sb_msg *msg);

#endif
