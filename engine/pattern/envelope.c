/* Which frames are envelope, and views that leave it off. Before: the patterns. After: engine/msg.c. */
#include "engine/pattern/envelope.h"

#include "engine/pattern/packed.h"
#include "engine/pattern/pattern.h"

/* libzmq's own routing ids: NUL and a 32-bit number. */
static bool is_auto_id(const sb_frame *f)
{
    return f->len == 5 && f->data[0] == 0;
}

/* The number a REQ with req_correlate puts before the delimiter. */
static bool is_number(const sb_frame *f)
{
    return f->len == 4;
}

void sb__envelope_detect(sb_msg *msg, uint32_t ids, bool numbered)
{
    uint32_t last = msg->n > 0 ? msg->n - 1 : 0; /* the last frame is always body */
    uint32_t i = ids < last ? ids : last;
    msg->envelope = i;
    while (i < last && is_auto_id(&msg->frames[i]))
        i++;
    if (numbered && i + 1 < last && is_number(&msg->frames[i]))
        i++;
    if (i < last && msg->frames[i].len == 0)
        msg->envelope = i + 1;
}

static size_t packed_size(const sb_msg *msg, uint32_t from, uint32_t to)
{
    size_t size = 0;
    for (uint32_t i = from; i < to; i++)
        size += sb__packed_header_size(msg->frames[i].len) + msg->frames[i].len;
    return size;
}

void sb__envelope_view(sb_msg *view, const sb_msg *msg, uint32_t from)
{
    view->frames = msg->frames + from;
    view->n = msg->n - from;
    view->cap = view->n;
    view->envelope = msg->envelope > from ? msg->envelope - from : 0;
    view->peer = msg->peer;
    size_t skip = msg->wire_len != 0 && msg->wire_first < from ? packed_size(msg, msg->wire_first, from) : 0;
    view->wire = msg->wire_len != 0 ? msg->wire + skip : NULL;
    view->wire_len = msg->wire_len - skip;
    view->wire_buf = msg->wire_buf;
    view->wire_first = msg->wire_first > from ? msg->wire_first - from : 0;
}

sb_err sb__envelope_add_body(sb_msg *out, const sb_msg *msg)
{
    sb_msg body;
    uint32_t lead = out->n;
    sb_err err = msg->n > msg->envelope ? SB_OK : SB_EINVAL;
    sb__envelope_view(&body, msg, msg->envelope);
    for (uint32_t i = 0; err == SB_OK && i < body.n; i++)
        err = sb_msg_push(out, body.frames[i].data, body.frames[i].len, body.frames[i].buf);
    if (err != SB_OK || body.wire_len == 0)
        return err;
    out->wire = body.wire;
    out->wire_len = body.wire_len;
    out->wire_buf = body.wire_buf;
    out->wire_first = lead + body.wire_first;
    return SB_OK;
}
