/* REP: takes one request, answers it, takes the next (RFC 28). The envelope, up to the first empty frame, is
 * kept and put before the reply. After: pattern/envelope.c, pattern/pipe.c. */
#include "engine/pattern/envelope.h"
#include "engine/pattern/packed.h"
#include "engine/pattern/registry.h"

#include <assert.h>
#include <stdlib.h>

typedef struct rep {
    sb_pattern base;
    bool busy;
    bool starved;      /* a reply waits for room at the asker (on_full = block) */
    sb_peer *asker;    /* NULL: gone, the reply is dropped */
    sb_peer *from;     /* whose request it is, also when that went with its connection; NULL: gone for good */
    uint8_t *envelope; /* packed frames */
    size_t len, cap;
    uint32_t frames;
} rep;

static rep *rep_from(sb_pattern *pat)
{
    assert(pat->impl == &sb__rep_impl);
    return (rep *)pat;
}

static bool reserve(rep *r, size_t len)
{
    if (len <= r->cap)
        return true;
    uint8_t *envelope = realloc(r->envelope, len);
    if (envelope == NULL)
        return false;
    r->envelope = envelope;
    r->cap = len;
    return true;
}

static bool store_envelope(rep *r, const sb_msg *msg)
{
    size_t len = 0;
    for (uint32_t i = 0; i < msg->envelope; i++)
        len += sb__packed_header_size(msg->frames[i].len) + msg->frames[i].len;
    if (!reserve(r, len))
        return false;
    uint8_t *p = r->envelope;
    for (uint32_t i = 0; i < msg->envelope; i++) {
        const sb_frame *f = &msg->frames[i];
        p = sb__packed_header_write(p, f->len, true);
        if (f->len > 0)
            memcpy(p, f->data, f->len);
        p += f->len;
    }
    r->len = len;
    r->frames = msg->envelope;
    return true;
}

static sb_err rep_filter(sb_pattern *pat, sb_peer *peer, sb_msg *msg)
{
    (void)peer;
    if (rep_from(pat)->busy)
        return SB_EAGAIN;
    /* A request without an empty frame, or with nothing behind it, is malformed. */
    for (uint32_t i = 0; i + 1 < msg->n; i++) {
        if (msg->frames[i].len == 0) {
            msg->envelope = i + 1;
            return SB_OK;
        }
    }
    return SB_ECANCELED;
}

static void rep_taken(sb_pattern *pat, sb_peer *peer, const sb_msg *msg)
{
    rep *r = rep_from(pat);
    r->busy = true;
    bool awaited = peer->ready && peer->stale == 0; /* a new connection has not asked what an old one did */
    r->asker = awaited && store_envelope(r, msg) ? peer : NULL;
    r->from = peer->attached ? peer : NULL; /* else its end is not told any more */
}

static sb_err push_envelope(const rep *r, sb_msg *out)
{
    const uint8_t *p = r->envelope;
    sb_err err = SB_OK;
    for (uint32_t i = 0; err == SB_OK && i < r->frames; i++) {
        size_t len;
        bool more;
        p += sb__packed_header_read(p, &len, &more);
        err = sb_msg_push(out, p, len, NULL);
        p += len;
    }
    return err;
}

static sb_err answer(rep *r, const sb_msg *msg)
{
    sb_msg out;
    sb_msg_init(&out);
    sb_err err = push_envelope(r, &out);
    if (err == SB_OK)
        err = sb__envelope_add_body(&out, msg);
    if (err == SB_OK)
        err = sb__pipe_push(r->asker, &out);
    sb_msg_finish(&out);
    return err;
}

static void next_request(rep *r)
{
    r->busy = false;
    r->asker = r->from = NULL;
    r->base.host->readable(&r->base);
}

/* Never blocks, unless told to: an asker that does not read its replies loses them, the others go on. */
static sb_err rep_send(sb_pattern *pat, sb_msg *msg)
{
    rep *r = rep_from(pat);
    if (!r->busy)
        return SB_EFSM;
    if (msg->n <= msg->envelope)
        return SB_EINVAL;
    sb_err err = r->asker != NULL ? answer(r, msg) : SB_EHOSTUNREACH;
    if (err == SB_EAGAIN && sb__full_waits(pat, false)) {
        r->starved = true;
        return SB_EAGAIN;
    }
    if (err == SB_EAGAIN || err == SB_EHOSTUNREACH)
        pat->host->dropped(pat, r->asker, err == SB_EAGAIN ? SB_DROP_HWM : SB_DROP_NO_PEER);
    else if (err != SB_OK)
        return err;
    if (err == SB_EHOSTUNREACH && r->from != NULL)
        r->from->abandoned++;
    next_request(r);
    return SB_OK;
}

static void rep_abandoned(sb_pattern *pat, sb_peer *peer)
{
    (void)peer;
    if (rep_from(pat)->busy)
        next_request(rep_from(pat));
}

static void rep_writable(sb_pattern *pat, sb_peer *peer)
{
    rep *r = rep_from(pat);
    (void)peer;
    if (!r->starved)
        return;
    r->starved = false;
    pat->host->writable(pat);
}

/* Who waited for room at this peer learns that it is gone. Its answers are for who asked, not for who comes
 * next over the same connect. */
static void rep_lost(sb_pattern *pat, sb_peer *peer)
{
    rep *r = rep_from(pat);
    bool waited = r->asker == peer;
    uint32_t unsent = sb__pipe_clear_waiting(peer);
    peer->dropped[SB_DROP_LOST] += unsent;
    peer->abandoned += unsent;
    if (waited)
        r->asker = NULL;
    sb__pipe_drained(peer);
    if (waited)
        rep_writable(pat, peer);
}

static void rep_detach(sb_pattern *pat, sb_peer *peer)
{
    rep *r = rep_from(pat);
    r->from = r->from == peer ? NULL : r->from;
    rep_lost(pat, peer);
}

static sb_err rep_init(sb_pattern *pat)
{
    (void)pat;
    return SB_OK;
}

static void rep_finish(sb_pattern *pat)
{
    free(rep_from(pat)->envelope);
}

const sb_pattern_impl sb__rep_impl = {
    .type = SB_REP,
    .size = sizeof(rep),
    .can_send = true,
    .can_recv = true,
    .drops = true,
    .init = rep_init,
    .finish = rep_finish,
    .lost = rep_lost,
    .detach = rep_detach,
    .send = rep_send,
    .writable = rep_writable,
    .filter = rep_filter,
    .taken = rep_taken,
    .abandoned = rep_abandoned,
};
