/* What a world's sockets send, and what its handlers do with what arrives. */
#include "engine/socket/internal.h"
#include "tests/sim/memory.h"
#include "tests/sim/sim.h"

#include <stdio.h>

#define BODIES 4

bool sim_sends(const sim_slot *s)
{
    static const uint32_t never = SB_TYPE_BIT(SB_PULL) | SB_TYPE_BIT(SB_SUB) | SB_TYPE_BIT(SB_REP) |
                                  SB_TYPE_BIT(SB_GATHER) | SB_TYPE_BIT(SB_DISH);
    return s->relay == SIM_RELAY_NONE && (SB_TYPE_BIT(s->type) & never) == 0;
}

/* ---- sending ---- */

static size_t pick_len(sim *w)
{
    switch (w->small ? 23 : sim_pick(&w->dice, 24)) {
    case 0:
        return sim_between(&w->dice, SIM_STAMP_SIZE, SIM_FRAME_MAX);
    case 1:
    case 2:
        return sim_between(&w->dice, SIM_STAMP_SIZE, 9000);
    case 3:
        return 255u + sim_pick(&w->dice, 2);
    default:
        return sim_between(&w->dice, SIM_STAMP_SIZE, 200);
    }
}

typedef struct letter {
    sb_msg msg;
    sb_buf *bufs[BODIES];
    uint8_t own[BODIES][256];
    uint32_t n;
    uint8_t count;
    sim_stamp stamp;
} letter;

static bool add_body(sim *w, letter *l, bool last)
{
    size_t len = last ? pick_len(w) : sim_between(&w->dice, SIM_STAMP_SIZE, 200);
    sb_buf *buf = len > sizeof l->own[0] ? sb_buf_create(len) : NULL;
    uint8_t *octets = buf != NULL ? buf->data : l->own[l->n];
    if (len > sizeof l->own[0] && buf == NULL)
        return false;
    l->bufs[l->n++] = buf;
    sim_stamp_write(octets, len, &l->stamp);
    l->stamp.index++;
    return sb_msg_push(&l->msg, octets, len, buf) == SB_OK;
}

static bool add_bodies(sim *w, letter *l)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < l->count; i++)
        ok = add_body(w, l, i + 1u == l->count);
    return ok;
}

/* The draft types send one frame at a time. */
static bool is_single(const sim_slot *s)
{
    static const uint32_t single = SB_TYPE_BIT(SB_CLIENT) | SB_TYPE_BIT(SB_SERVER) | SB_TYPE_BIT(SB_PEER) |
                                   SB_TYPE_BIT(SB_SCATTER) | SB_TYPE_BIT(SB_CHANNEL) | SB_TYPE_BIT(SB_RADIO) |
                                   SB_TYPE_BIT(SB_STREAM) | SB_TYPE_BIT(SB_DGRAM);
    return (SB_TYPE_BIT(s->type) & single) != 0;
}

static void letter_init(sim *w, letter *l, const sim_slot *s, uint8_t to)
{
    sb_msg_init(&l->msg);
    l->n = 0;
    l->count = (uint8_t)(!is_single(s) && sim_once_in(&w->dice, 4) ? sim_between(&w->dice, 2, BODIES) : 1);
    l->stamp = (sim_stamp){.origin = s->index,
        .to = to,
        .life = s->life,
        .seq = s->next_seq,
        .count = l->count,
        .topic = SIM_NONE,
        .answers = SIM_NO_MESSAGE};
}

static void letter_finish(sim *w, letter *l)
{
    size_t size = l->msg.n > 0 ? sb_msg_packed_size(&l->msg) : 0;
    w->largest = size > w->largest ? size : w->largest;
    sb_msg_finish(&l->msg);
    while (l->n > 0)
        sb_buf_unref(l->bufs[--l->n]);
}

/* The nth ready peer of a ROUTER. */
typedef struct choice {
    uint32_t at, wanted;
    const sb_peer *peer;
} choice;

static bool choose(void *arg, sb_peer *peer)
{
    choice *c = arg;
    if (peer->routing_id == NULL || !peer->attached)
        return true;
    if (c->at++ == c->wanted)
        c->peer = peer;
    return c->peer == NULL;
}

static const sb_peer *some_peer(sim *w, const sim_slot *s)
{
    choice c = {0};
    c.wanted = UINT32_MAX;
    sb_socket_each_peer(s->sock, choose, &c);
    if (c.at == 0)
        return NULL;
    c = (choice){.wanted = sim_pick(&w->dice, c.at)};
    sb_socket_each_peer(s->sock, choose, &c);
    return c.peer;
}

/* Whose connection it is; only where nobody else's messages come over it. */
static uint8_t slot_behind(const sim_slot *s, const sb_peer *peer)
{
    return s->fed ? SIM_ANYBODY : sim_origin_of(s, peer->id);
}

static sb_err send_routed(sim *w, sim_slot *s, letter *l)
{
    const sb_peer *peer = sim_once_in(&w->dice, 20) ? NULL : some_peer(w, s);
    letter_init(w, l, s, peer != NULL ? slot_behind(s, peer) : 0xfd); /* nobody has that number */
    bool ok = sb_msg_push(&l->msg, peer != NULL ? (const void *)peer->routing_id : "nobody",
                  peer != NULL ? peer->routing_id_len : 6, NULL) == SB_OK;
    if (ok && peer != NULL && peer->info != NULL && peer->info->type == SB_REQ)
        ok = sb_msg_push(&l->msg, "", 0, NULL) == SB_OK;
    return ok && add_bodies(w, l) ? sb_socket_send(s->sock, &l->msg) : SB_ENOMEM;
}

/* To the port of somebody, or where it is connected to; or the address is none. */
static sb_err send_datagram(sim *w, sim_slot *s, letter *l)
{
    char address[32] = "";
    uint8_t to = s->wire_to;
    uint16_t port = sim_wire_pick(w, &to);
    if (sim_once_in(&w->dice, 20))
        snprintf(address, sizeof address, "nobody");
    else if (s->wire_to != s->index && sim_once_in(&w->dice, 2))
        to = s->wire_to;
    else
        snprintf(address, sizeof address, "127.0.0.1:%u", port);
    letter_init(w, l, s, to);
    bool ok = sb_msg_push(&l->msg, address, strlen(address), NULL) == SB_OK && add_bodies(w, l);
    return ok ? sb_socket_send(s->sock, &l->msg) : SB_ENOMEM;
}

static sb_err send_plain(sim *w, sim_slot *s, letter *l, uint64_t *copies)
{
    letter_init(w, l, s, SIM_ANYBODY);
    uint8_t which = sim_pick_topic(w);
    const char *topic = sim_topic(which);
    bool publishes = s->type == SB_PUB || s->type == SB_XPUB || s->type == SB_RADIO, ok = true;
    sb_stats stats;
    l->stamp.topic = publishes ? which : SIM_NONE;
    if (publishes)
        ok = sb_msg_push(&l->msg, topic, strlen(topic), NULL) == SB_OK;
    else if (s->delimits)
        ok = sb_msg_push(&l->msg, "", 0, NULL) == SB_OK;
    if (!ok || !add_bodies(w, l))
        return SB_ENOMEM;
    sb_socket_stats(s->sock, &stats);
    *copies = publishes ? sim_copies(s, topic, strlen(topic)) : s->type == SB_XSUB ? stats.peers : 1;
    return sb_socket_send(s->sock, &l->msg);
}

void sim_send(sim *w, sim_slot *s)
{
    letter l;
    uint64_t copies = 1;
    bool routed = s->type == SB_ROUTER || s->type == SB_SERVER || s->type == SB_PEER || s->type == SB_STREAM;
    uint32_t before = s->question;
    s->question = s->next_seq; /* its answer may be here before the send returns */
    sb_err err = s->type == SB_DGRAM ? send_datagram(w, s, &l)
                 : routed            ? send_routed(w, s, &l)
                                     : send_plain(w, s, &l, &copies);
    letter_finish(w, &l);
    sim_note(w, "send", s->index, err);
    if (err == SB_OK)
        s->accepted += copies;
    else
        s->question = before;
    s->next_seq++;
}

void sim_answer(sim *w, sim_slot *s)
{
    letter l;
    letter_init(w, &l, s, s->owes_to);
    l.stamp.answers = s->owes_for;
    sb_err err = add_bodies(w, &l) ? sb_socket_send(s->sock, &l.msg) : SB_ENOMEM;
    letter_finish(w, &l);
    sim_note(w, "answer", s->index, err);
    if (err == SB_EFSM)
        sim_fail(w, SIM_CONTRACT, "slot %u: the answer to a request that was taken is out of turn", s->index);
    if (err == SB_OK)
        s->accepted++;
    s->owes = err != SB_OK;
    s->next_seq++;
}

/* ---- receiving ---- */

/* A topic, a delimiter, the ids of a relay: what stands before the first stamp. */
static uint32_t lead_of(const sb_msg *msg)
{
    uint32_t n = 0;
    while (n < 4 && n + 1 < sb_msg_count(msg) && sb_msg_frame(msg, n)->len < SIM_STAMP_SIZE)
        n++;
    return n;
}

/* What sockets say by themselves (sim_greets); stamped frames are longer. */
static bool is_greeting(const sim *w, const sim_slot *s, const sb_msg *msg)
{
    size_t most =
        s->type == SB_SUB || s->type == SB_XSUB ? 7 : 1; /* two may have put it under other topics */
    return w->spiced && sb_msg_frame(msg, sb_msg_count(msg) - 1)->len <= most;
}

/* Behind a relay a name is known by its ROUTER alone: an answer goes to whoever has the name by then, and
 * without numbers cannot be told from another. */
static bool is_for_a_name(const sim *w, const sim_slot *s)
{
    return s->named && s->fed && w->parted && !s->correlate && !sim_has(s, SB_OPT_REQ_RESEND);
}

/* Whoever asks again, or gave up, hears nothing of what it asked before. */
static void check_answer(sim *w, const sim_slot *s, const sim_stamp *st)
{
    if (s->type == SB_REQ && st->answers != SIM_NO_MESSAGE && !is_for_a_name(w, s) &&
        st->answers != s->question + sim_breaks(w, SIM_ANSWER, 5))
        sim_fail(w, SIM_ANSWER, "slot %u asked with message %u, and got the answer to message %u", s->index,
            s->question, st->answers);
}

static void take(sim *w, sim_slot *s, sb_peer *peer, const sb_msg *msg)
{
    sim_stamp stamp;
    sb_msg torn;
    if (s->type == SB_STREAM) {
        if (peer != NULL)
            sim_flow_take(w, s, peer, sb_msg_frame(msg, sb_msg_count(msg) - 1));
        return;
    }
    if (is_greeting(w, s, msg))
        return;
    sb_msg_init(&torn);
    const char *wrong = sim_stamp_check(sim_tear(w, msg, &torn), lead_of(msg), &stamp);
    sb_msg_finish(&torn);
    if (wrong != NULL)
        sim_fail(w, SIM_TORN, "slot %u (%s) got %s", s->index, sb_type_name(s->type), wrong);
    sim_check_topic(w, s, msg, &stamp);
    check_answer(w, s, &stamp);
    if (s->type == SB_DGRAM &&
        !sim_wire_is((const char *)msg->frames[0].data, msg->frames[0].len, stamp.origin))
        sim_fail(w, SIM_ORIGIN, "slot %u got a datagram of slot %u from %.*s", s->index, stamp.origin,
            (int)msg->frames[0].len, (const char *)msg->frames[0].data);
    if (!sim_holds_back(w, s, peer, &stamp))
        sim_check_taken(w, sim_misdirect(w, s, &stamp), peer, &stamp);
    s->owes = s->type == SB_REP;
    s->owes_to = stamp.origin;
    s->owes_for = stamp.seq;
}

/* What a handler may do besides. */
static void misbehave(sim *w, sim_slot *s, sb_peer *peer)
{
    switch (sim_pick(&w->dice, 200)) {
    case 1:
        sim_kick(w, s, peer);
        break;
    case 2:
        sb_peer_pause(peer);
        break;
    case 3:
        sb_socket_close(s->sock);
        s->leaving = w->parted = true;
        break;
    case 4:
    case 5:
    case 6:
        s->stopped = true;
        break;
    default: {
        sim_slot *other = &w->slots[sim_pick(&w->dice, w->nslots)];
        if (sim_once_in(&w->dice, 10) && sim_sends(other) && sim_alive(w, other))
            sim_send(w, other);
    }
    }
}

/* A subscription: told by the socket, not sent by a peer. */
static bool is_notice(const sim_slot *s, const sb_peer *peer, const sb_msg *msg)
{
    return msg->peer == NULL && peer == NULL && s->type == SB_XPUB && sb_msg_frame(msg, 0)->data[0] <= 1;
}

/* With xpub_manual the subscriber gets what the application says. */
static void grant(sim_slot *s, const sb_frame *notice)
{
    sim *w = s->world;
    if (sim_has(s, SB_OPT_XPUB_MANUAL) && !s->leaving && !sim_once_in(&w->dice, 4))
        (notice->data[0] == 1 ? sb_socket_subscribe : sb_socket_unsubscribe)(
            s->sock, notice->data + 1, notice->len - 1);
}

static sb_err on_msg(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    sim_slot *s = (sim_slot *)self;
    sim *w = s->world;
    if (s->sock != sock)
        sim_fail(w, SIM_CONTRACT, "slot %u: a message after on_closed", s->index);
    if (s->stopped)
        return SB_EAGAIN;
    if (is_notice(s, peer, msg)) {
        grant(s, sb_msg_frame(msg, 0));
        return SB_OK;
    }
    take(w, s, peer, msg);
    if (s->type != SB_STREAM && sim_breaks(w, SIM_TWICE, 20))
        take(w, s, peer, msg);
    if (peer != NULL && !w->quiet)
        misbehave(w, s, peer);
    if (!w->quiet && sim_once_in(&w->dice, 60)) {
        s->owes = false;
        return SB_EINVAL;
    }
    s->delivered += !sim_breaks(w, SIM_LAW, 20);
    if (s->owes && !s->leaving && sim_once_in(&w->dice, 2))
        sim_answer(w, s);
    return SB_OK;
}

void sim_poll(sim *w, sim_slot *s, uint32_t most)
{
    while (most-- > 0 && sim_alive(w, s)) {
        sb_msg msg;
        sb_msg_init(&msg);
        sb_err err = sb_socket_recv(s->sock, &msg);
        if (err == SB_OK && !is_notice(s, NULL, &msg)) {
            take(w, s, msg.peer, &msg);
            s->delivered++;
        }
        sb_msg_finish(&msg);
        if (err != SB_OK)
            return;
    }
}

/* ---- what is told ---- */

static void on_event(sb_handler *self, sb_socket *sock, const sb_event *event)
{
    sim_slot *s = (sim_slot *)self;
    (void)sock;
    if (event->kind == SB_EVENT_DISCONNECTED)
        s->world->parted = true;
    s->told += event->kind == SB_EVENT_DISCONNECTED || event->kind == SB_EVENT_HANDSHAKE_SUCCEEDED ||
               event->kind == SB_EVENT_SUBSCRIBED;
    sim_note(s->world, sb_event_name(event->kind), s->index, event->cause);
}

static void on_writable(sb_handler *self, sb_socket *sock)
{
    sim_slot *s = (sim_slot *)self;
    (void)sock;
    sim_note(s->world, "writable", s->index, 0);
    if (sim_sends(s) && sim_alive(s->world, s) && !s->world->quiet && sim_once_in(&s->world->dice, 2))
        sim_send(s->world, s);
}

static void on_closed(sb_handler *self, sb_socket *sock)
{
    sim_slot *s = (sim_slot *)self;
    if (s->sock != sock)
        sim_fail(s->world, SIM_CONTRACT, "slot %u: on_closed twice", s->index);
    s->sock = NULL;
    s->nasked = 0; /* the engine has ended them */
    sim_note(s->world, "closed", s->index, 0);
    if (sim_breaks(s->world, SIM_CONTRACT, 2))
        on_closed(self, sock);
}

void sim_handler_init(sim_slot *s)
{
    bool shows = !s->polled && s->relay == SIM_RELAY_NONE;
    s->handler = (sb_handler){
        .on_msg = shows ? on_msg : NULL,
        .on_subscribe = sim_on_subscribe,
        .on_event = on_event,
        .on_writable = on_writable,
        .on_closed = on_closed,
    };
    sb_socket_set_handler(s->sock, &s->handler);
}
