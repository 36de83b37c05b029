/* Messages of one frame: what the draft types CLIENT, SERVER, SCATTER, GATHER, PEER and CHANNEL have in
 * common (RFC 41, 49-52). */
#ifndef SB_SINGLE_H
#define SB_SINGLE_H

#include "engine/pattern/pattern.h"

/* What came in: several frames are discarded, all of them. */
sb_err sb__single_filter(sb_pattern *pat, sb_peer *peer, sb_msg *msg);
/* Makes `view` show the body of msg, which must be one frame: else SB_EINVAL. Read it while msg lives, do not
 * finish it. */
sb_err sb__single_body(sb_msg *view, const sb_msg *msg);
/* To the next peer with room (engine/pattern/robin.h). */
sb_err sb__single_send(sb_pattern *pat, sb_msg *msg);

#endif
