/* Messages of one frame. Before: the draft types' tables. After: pattern/robin.c. */
#include "engine/pattern/single.h"

#include "engine/pattern/envelope.h"
#include "engine/pattern/robin.h"

sb_err sb__single_filter(sb_pattern *pat, sb_peer *peer, sb_msg *msg)
{
    (void)pat, (void)peer;
    return msg->n == 1 ? SB_OK : SB_ECANCELED;
}

sb_err sb__single_body(sb_msg *view, const sb_msg *msg)
{
    if (msg->n != msg->envelope + 1)
        return SB_EINVAL;
    sb__envelope_view(view, msg, msg->envelope);
    return SB_OK;
}

sb_err sb__single_send(sb_pattern *pat, sb_msg *msg)
{
    sb_msg body;
    sb_err err = sb__single_body(&body, msg);
    return err == SB_OK ? sb__robin_send(pat, &body) : err;
}
