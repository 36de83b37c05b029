/* REQ: asks one peer, waits for its answer, asks the next (RFC 28). Adds the delimiter, and with
 * req_correlate or req_resend a number before it. With req_resend a request that gets no answer is asked
 * again elsewhere, with req_deadline it ends. After: pattern/robin.c, pattern/envelope.c. */
#include "engine/pattern/envelope.h"
#include "engine/pattern/registry.h"
#include "engine/pattern/robin.h"

#include <assert.h>

#define ID_LEN 4

typedef struct req {
    sb__robin robin;
    bool waiting;        /* for an answer */
    sb_peer *asked;      /* NULL: gone, but its answer may still be in its in queue */
    uint64_t asked_id;   /* its id */
    uint32_t number;     /* of the request, for correlation */
    sb_msg *kept;        /* the request, to be sent again; NULL: not */
    bool unsent;         /* ... as soon as somebody has room */
    uint64_t end, again; /* when the request is over, and when it is sent again; UINT64_MAX: never */
} req;

static req *req_from(sb_pattern *pat)
{
    assert(pat->impl == &sb__req_impl);
    return (req *)pat;
}

static bool numbers(const req *r)
{
    const sb__pattern_options *o = r->robin.base.options;
    return o->req_correlate || o->req_resend != 0;
}

/* ---- asking ---- */

/* Where it was not sent yet it will not be. */
static bool take_back(sb_peer *peer)
{
    if (!peer->ready)
        peer->dropped[SB_DROP_LOST] += sb__pipe_clear_waiting(peer);
    return !peer->ready;
}

/* The answer to an abandoned request must not be taken for the next one's. Without numbers only a new
 * connection is sure: what its in queue holds is stale (counted in pattern_data), and until it is back it is
 * not asked. */
static void abandon(req *r)
{
    sb_peer *peer = r->asked;
    r->waiting = false;
    r->asked = NULL;
    if (peer == NULL)
        return;
    bool away = take_back(peer);
    if (numbers(r))
        return;
    peer->pattern_data = (void *)(uintptr_t)peer->in.msgs;
    if (away)
        return;
    /* What is not under way yet would be asked on the next connection. */
    peer->dropped[SB_DROP_LOST] += sb__pipe_clear_waiting(peer);
    sb_list_remove(&peer->active);
    peer->link->kick(peer, SB_ECANCELED, "its request was abandoned (req_relaxed)", false);
}

static void write_number(const req *r, uint8_t id[ID_LEN])
{
    for (int i = 0; i < ID_LEN; i++)
        id[i] = (uint8_t)(r->number >> (24 - 8 * i));
}

static sb_err ask(req *r, const sb_msg *msg)
{
    sb_msg out;
    uint8_t id[ID_LEN];
    sb_err err = SB_OK;
    sb_msg_init(&out);
    write_number(r, id);
    if (numbers(r))
        err = sb_msg_push(&out, id, ID_LEN, NULL);
    if (err == SB_OK)
        err = sb_msg_push(&out, "", 0, NULL);
    if (err == SB_OK)
        err = sb__envelope_add_body(&out, msg);
    if (err == SB_OK)
        out.envelope = out.n - sb_msg_count(msg);
    if (err == SB_OK)
        err = sb__robin_send_to(&r->robin, &out, &r->asked);
    sb_msg_finish(&out);
    return err;
}

static uint64_t later(uint64_t now, uint64_t span)
{
    return span != 0 ? now + span : UINT64_MAX;
}

static void set_alarm(req *r)
{
    r->robin.base.host->set_alarm(&r->robin.base, r->end < r->again ? r->end : r->again);
}

/* Nothing is sent again any more. */
static void settle(req *r)
{
    sb_msg_destroy(r->kept);
    r->kept = NULL;
    r->unsent = false;
    if (r->end == UINT64_MAX && r->again == UINT64_MAX)
        return;
    r->end = r->again = UINT64_MAX;
    set_alarm(r);
}

/* The request is under way: its time begins. Without memory for a copy it is not sent again. */
static void watch(req *r, const sb_msg *msg)
{
    const sb__pattern_options *o = r->robin.base.options;
    settle(r);
    if (o->req_deadline == 0 && o->req_resend == 0)
        return;
    uint64_t now = r->robin.base.host->stamp(&r->robin.base);
    r->end = later(now, o->req_deadline);
    if (o->req_resend != 0 && sb_msg_keep(msg, &r->kept) == SB_OK)
        r->again = later(now, o->req_resend);
    set_alarm(r);
}

/* Who had it is the last to get it again. */
static void pass_over(req *r, sb_peer *peer)
{
    take_back(peer);
    if (!sb_list_linked(&peer->active))
        return;
    sb_list_remove(&peer->active);
    sb_list_push_back(&r->robin.ring, &peer->active);
}

/* The same request under the same number, to whoever is next; when nobody has room, as soon as somebody has.
 */
static void ask_again(req *r)
{
    if (r->asked != NULL)
        pass_over(r, r->asked);
    r->unsent = false;
    r->asked = NULL;
    r->asked_id = 0;
    if (ask(r, r->kept) == SB_OK)
        r->asked_id = r->asked->id;
    else
        r->unsent = true;
}

static void ask_if_unsent(req *r)
{
    if (r->unsent && r->waiting && r->kept != NULL)
        ask_again(r);
}

static sb_err req_send(sb_pattern *pat, sb_msg *msg)
{
    req *r = req_from(pat);
    if (r->waiting && !pat->options->req_relaxed)
        return SB_EFSM;
    if (msg->n <= msg->envelope)
        return SB_EINVAL;
    if (r->waiting)
        abandon(r);
    r->number++;
    sb_err err = ask(r, msg);
    if (err != SB_OK)
        return err;
    r->waiting = true;
    r->asked_id = r->asked->id;
    watch(r, msg);
    return SB_OK;
}

/* ---- the answer ---- */

static void end_wait(req *r)
{
    r->waiting = false;
    r->asked = NULL;
    settle(r);
    r->robin.base.host->readable(&r->robin.base);
}

/* [number] delimiter body...; sets *lead to the frames before the body. */
static bool well_formed(const sb_msg *msg, uint32_t *lead)
{
    uint32_t i = msg->n > 0 && msg->frames[0].len == ID_LEN ? 1 : 0;
    *lead = i + 1;
    return msg->n > i + 1 && msg->frames[i].len == 0;
}

static bool is_answer(const req *r, sb_peer *peer, const sb_msg *msg, uint32_t lead)
{
    uint8_t id[ID_LEN];
    if (peer->pattern_data != NULL) {
        peer->pattern_data = (void *)((uintptr_t)peer->pattern_data - 1);
        return false;
    }
    /* What was asked of several may be answered by any of them. */
    if (!r->waiting || (r->asked_id != peer->id && r->kept == NULL))
        return false;
    if (!numbers(r))
        return lead == 1;
    write_number(r, id);
    return lead == 2 && memcmp(msg->frames[0].data, id, ID_LEN) == 0;
}

static sb_err req_filter(sb_pattern *pat, sb_peer *peer, sb_msg *msg)
{
    req *r = req_from(pat);
    uint32_t lead;
    bool formed = well_formed(msg, &lead);
    if (formed && is_answer(r, peer, msg, lead)) {
        sb_msg_drop_front(msg, lead); /* the application sees the answer's body only (RFC 28) */
        return SB_OK;
    }
    /* The last a lost peer left was no answer. */
    if (r->waiting && r->asked == NULL && r->asked_id == peer->id && peer->in.msgs <= 1)
        end_wait(r);
    return formed ? SB_ECANCELED : SB_EPROTO;
}

static void req_taken(sb_pattern *pat, sb_peer *peer, const sb_msg *msg)
{
    req *r = req_from(pat);
    (void)peer, (void)msg;
    r->waiting = false;
    r->asked = NULL;
    settle(r);
}

/* ---- time ---- */

/* The socket may ask again from inside the telling. */
static void expire(req *r)
{
    sb_pattern *pat = &r->robin.base;
    sb_peer *peer = r->asked;
    pat->host->dropped(pat, peer, SB_DROP_EXPIRED);
    abandon(r);
    settle(r);
    pat->host->expired(pat, peer);
    pat->host->readable(pat);
}

static void req_alarm(sb_pattern *pat, uint64_t now)
{
    req *r = req_from(pat);
    if (!r->waiting)
        return;
    if (now >= r->end) {
        expire(r);
        return;
    }
    if (now >= r->again && r->kept != NULL) {
        r->again = later(now, pat->options->req_resend);
        ask_again(r);
    }
    set_alarm(r);
}

/* ---- peers ---- */

static sb_err req_attach(sb_pattern *pat, sb_peer *peer)
{
    sb_err err = sb__robin_attach(pat, peer);
    ask_if_unsent(req_from(pat));
    return err;
}

static void req_writable(sb_pattern *pat, sb_peer *peer)
{
    sb__robin_writable(pat, peer);
    ask_if_unsent(req_from(pat));
}

/* Who had the request is gone: it goes elsewhere at once, or is over. */
static void lost(req *r)
{
    if (r->kept != NULL)
        ask_again(r);
    else
        end_wait(r);
}

static sb_err req_ready(sb_pattern *pat, sb_peer *peer)
{
    sb__robin_admit(pat, peer);
    ask_if_unsent(req_from(pat));
    return pat->options->probe_router ? sb__probe(peer) : SB_OK;
}

/* A request that was not sent yet will be, after the reconnect; one that was sent is lost with its
 * connection. */
static void req_lost(sb_pattern *pat, sb_peer *peer)
{
    req *r = req_from(pat);
    bool sent = r->waiting && r->asked == peer && peer->out.msgs == 0 && peer->in.msgs == 0;
    if (sent && r->kept != NULL)
        sb_list_remove(&peer->active); /* the next one, until it is back */
    if (sent)
        lost(r);
    sb__robin_lost(pat, peer);
}

static void req_detach(sb_pattern *pat, sb_peer *peer)
{
    req *r = req_from(pat);
    sb__robin_detach(pat, peer);
    if (r->asked != peer)
        return;
    r->asked = NULL;
    if (r->waiting && peer->in.msgs == 0)
        lost(r);
}

static void req_finish(sb_pattern *pat)
{
    sb_msg_destroy(req_from(pat)->kept);
}

static bool req_out_of_turn(const sb_pattern *pat)
{
    return !((const req *)pat)->waiting;
}

static sb_err req_init(sb_pattern *pat)
{
    req *r = (req *)pat;
    r->number = pat->options->random;
    r->end = r->again = UINT64_MAX;
    return sb__robin_init(pat);
}

const sb_pattern_impl sb__req_impl = {
    .type = SB_REQ,
    .size = sizeof(req),
    .can_send = true,
    .balances = true,
    .can_recv = true,
    .init = req_init,
    .finish = req_finish,
    .attach = req_attach,
    .alarm = req_alarm,
    .ready = req_ready,
    .lost = req_lost,
    .detach = req_detach,
    .send = req_send,
    .writable = req_writable,
    .filter = req_filter,
    .taken = req_taken,
    .out_of_turn = req_out_of_turn,
};
