/* The gate's feeds: what a PUB or XPUB of a script publishes, numbered and kept for a while, for the
 * gateways' followers. One SUB stands for all of them at the script's socket (the tap), one XPUB gives it to
 * the gateways (the hub). Before: gate.c. After: follow.c, on the other side of the connection. */
#include "engine/base/list.h"
#include "engine/base/map.h"
#include "modules/library/gate_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_TOPIC  (60 * SB_NS_PER_S) /* a topic that nobody follows is still recorded */
#define TOPICS      100000             /* followed or recorded */
#define RING_OCTETS (16u << 20)        /* kept messages */
#define HUB_HWM     20000              /* per gateway: what was missed comes at once */

/* A topic that gateways follow, or did lately. */
typedef struct topic {
    sb__feed *feed;
    sb_timer timer; /* until it is forgotten */
    bool live;      /* some gateway subscribes it */
    bool tapped;    /* the tap does: somebody was allowed */
    size_t len;
    uint8_t text[];
} topic;

typedef struct kept {
    uint64_t number;
    sb_msg *msg;
    size_t size;
} kept;

struct sb__feed {
    sb_handler hub_handler, tap_handler;
    sb_engine *engine;
    sb_socket *hub, *tap; /* NULL once closed */
    char target[SB_MESH_NAME], tap_endpoint[SB_MESH_NAME + 32];
    uint64_t tap_peer; /* the tap, as the target sees it; 0: not known yet */
    sb_event_id last;
    sb_map topics;
    sb_list questions;
    kept *ring; /* of `cap`; the oldest at `first` */
    size_t cap, first, n, octets;
};

/* A gateway's question while the script thinks. */
typedef struct question {
    sb_asking asking; /* first member */
    sb_list_node node;
    sb__feed *feed;
    uint8_t own[SB__FEED_OWN], number[4];
    sb_event_id since;
    sb_client client;
    char address[SB_CLIENT_ADDRESS], user_id[SB_CLIENT_USER];
    size_t len;
    uint8_t text[];
} question;

/* ---- what is kept ---- */

static void forget_oldest(sb__feed *f)
{
    kept *k = &f->ring[f->first];
    f->octets -= k->size;
    sb_msg_destroy(k->msg);
    f->first = (f->first + 1) % f->cap;
    f->n--;
}

static void keep(sb__feed *f, const sb_msg *msg)
{
    sb_msg *own;
    size_t size = sb_msg_size(msg);
    if (f->cap == 0 || size > RING_OCTETS || sb_msg_keep(msg, &own) != SB_OK)
        return;
    while (f->n == f->cap || (f->n > 0 && f->octets + size > RING_OCTETS))
        forget_oldest(f);
    f->ring[(f->first + f->n++) % f->cap] = (kept){.number = f->last.number, .msg = own, .size = size};
    f->octets += size;
}

static bool begins_with(const sb_frame *frame, const uint8_t *text, size_t len)
{
    return frame->len >= len && memcmp(frame->data, text, len) == 0;
}

/* ---- messages ---- */

static sb_err on_tap(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    sb__feed *f = (sb__feed *)((char *)self - offsetof(sb__feed, tap_handler));
    uint8_t id[SB__FEED_ID];
    sb_msg out;
    (void)sock, (void)peer;
    if (f->hub == NULL || msg->n == 0)
        return SB_OK;
    f->last.number++;
    sb__feed_id_put(id, &f->last);
    sb_msg_init(&out);
    sb_err err = sb_msg_push(&out, msg->frames[0].data, msg->frames[0].len, msg->frames[0].buf);
    if (err == SB_OK)
        err = sb_msg_push(&out, id, sizeof id, NULL);
    for (uint32_t i = 1; err == SB_OK && i < msg->n; i++)
        err = sb_msg_push(&out, msg->frames[i].data, msg->frames[i].len, msg->frames[i].buf);
    if (err == SB_OK)
        err = sb_socket_send(f->hub, &out);
    if (err == SB_OK)
        keep(f, &out);
    sb_msg_finish(&out);
    return SB_OK;
}

/* ---- topics ---- */

static topic *find_topic(sb__feed *f, const uint8_t *text, size_t len)
{
    return sb_map_get(&f->topics, text, len);
}

static void free_topic(topic *t)
{
    sb__feed *f = t->feed;
    if (t->tapped && f->tap != NULL)
        sb_socket_unsubscribe(f->tap, t->text, t->len);
    sb_timer_stop(sb_engine_loop(f->engine), &t->timer);
    sb_map_remove(&f->topics, t->text, t->len);
    free(t);
}

static void on_forgotten(sb_timer *timer)
{
    free_topic((topic *)((char *)timer - offsetof(topic, timer)));
}

static void begin_topic(sb__feed *f, const uint8_t *text, size_t len)
{
    topic *t = find_topic(f, text, len);
    if (t == NULL && f->topics.n < TOPICS && (t = calloc(1, sizeof *t + len + 1)) != NULL) {
        t->feed = f;
        t->len = len;
        memcpy(t->text, text, len);
        sb_timer_init(&t->timer, on_forgotten);
        if (sb_map_add(&f->topics, text, len, t) != SB_OK) {
            free(t);
            t = NULL;
        }
    }
    if (t == NULL)
        return; /* the question about it is answered with "full" */
    t->live = true;
    sb_timer_stop(sb_engine_loop(f->engine), &t->timer);
}

static void end_topic(sb__feed *f, const uint8_t *text, size_t len)
{
    topic *t = find_topic(f, text, len);
    uint64_t until = sb_engine_now(f->engine) + KEEP_TOPIC;
    if (t == NULL)
        return;
    t->live = false;
    if (!t->tapped || sb_timer_start(sb_engine_loop(f->engine), &t->timer, until) != SB_OK)
        free_topic(t);
}

/* The hub's own event: 1 or 0, then the topic. Those that begin with NUL are the gateways' own. */
static void on_topic(sb__feed *f, const sb_frame *event)
{
    if (event->len < 1 || (event->len > 1 && event->data[1] == 0))
        return;
    if (event->data[0] == 1)
        begin_topic(f, event->data + 1, event->len - 1);
    else
        end_topic(f, event->data + 1, event->len - 1);
}

/* ---- answers ---- */

static void tell(const question *q, uint8_t status, const void *text, size_t len)
{
    sb_msg msg;
    sb_msg_init(&msg);
    if (sb_msg_push(&msg, q->own, sizeof q->own, NULL) == SB_OK &&
        sb_msg_push(&msg, q->number, sizeof q->number, NULL) == SB_OK &&
        sb_msg_push(&msg, &status, 1, NULL) == SB_OK && sb_msg_push(&msg, text, len, NULL) == SB_OK)
        sb_socket_send(q->feed->hub, &msg);
    sb_msg_finish(&msg);
}

static void tell_missed(const question *q, const kept *k)
{
    static const uint8_t missed = SB__FEED_MISSED;
    sb_msg msg;
    sb_msg_init(&msg);
    sb_err err = sb_msg_push(&msg, q->own, sizeof q->own, NULL);
    if (err == SB_OK)
        err = sb_msg_push(&msg, q->number, sizeof q->number, NULL);
    if (err == SB_OK)
        err = sb_msg_push(&msg, &missed, 1, NULL);
    for (uint32_t i = 0; err == SB_OK && i < k->msg->n; i++)
        err = sb_msg_push(&msg, k->msg->frames[i].data, k->msg->frames[i].len, k->msg->frames[i].buf);
    if (err == SB_OK)
        sb_socket_send(q->feed->hub, &msg);
    sb_msg_finish(&msg);
}

/* All of another epoch: what is kept now is younger than what was seen then. */
static void resume(const question *q)
{
    const sb__feed *f = q->feed;
    uint64_t after = q->since.epoch == f->last.epoch ? q->since.number : 0;
    for (size_t i = 0; q->since.epoch != 0 && i < f->n; i++) {
        const kept *k = &f->ring[(f->first + i) % f->cap];
        if (k->number > after && begins_with(&k->msg->frames[0], q->text, q->len))
            tell_missed(q, k);
    }
}

static void allow(question *q)
{
    sb__feed *f = q->feed;
    topic *t = find_topic(f, q->text, q->len);
    if (t == NULL || f->tap == NULL) {
        tell(q, SB__FEED_FULL, "", 0);
        return;
    }
    if (!t->tapped)
        t->tapped = sb_socket_subscribe(f->tap, t->text, t->len) == SB_OK;
    resume(q);
    tell(q, SB__FEED_OK, q->text, q->len);
}

static void on_verdict(sb_asking *self, sb_verdict verdict, const void *text, size_t len)
{
    question *q = (question *)self;
    if (q->feed->hub != NULL) {
        if (verdict == SB_VERDICT_ACCEPT)
            allow(q);
        else
            tell(q, verdict == SB_VERDICT_REWRITE ? SB__FEED_OTHER : SB__FEED_DENIED, text, len);
    }
    sb_list_remove(&q->node);
    free(q);
}

/* ---- questions ---- */

static bool note_tap(void *arg, sb_peer *peer)
{
    sb__feed *f = arg;
    if (strcmp(sb_peer_address(peer), f->tap_endpoint) != 0)
        return true;
    sb_peer_trust(peer);
    f->tap_peer = sb_peer_id(peer);
    return false;
}

/* The tap as the script's socket sees it: the peer on whose behalf is asked. */
static sb_peer *tap_peer(sb__feed *f, sb_socket *target)
{
    sb_peer *peer = f->tap_peer != 0 ? sb_socket_find_peer(target, f->tap_peer) : NULL;
    if (peer != NULL)
        return peer;
    f->tap_peer = 0;
    sb_socket_each_peer(target, note_tap, f);
    return f->tap_peer != 0 ? sb_socket_find_peer(target, f->tap_peer) : NULL;
}

static question *read_question(sb__feed *f, const sb_msg *msg)
{
    if (msg->n != 5 || msg->frames[1].len != SB__FEED_OWN || msg->frames[2].len != 4 ||
        msg->frames[4].len != SB__FEED_ID)
        return NULL;
    const sb_frame *text = &msg->frames[3];
    question *q = calloc(1, sizeof *q + text->len + 1);
    if (q == NULL)
        return NULL;
    q->asking.on_verdict = on_verdict;
    q->feed = f;
    memcpy(q->own, msg->frames[1].data, SB__FEED_OWN);
    memcpy(q->number, msg->frames[2].data, 4);
    memcpy(q->text, text->data, text->len);
    q->len = text->len;
    sb__feed_id_get(msg->frames[4].data, &q->since);
    sb_list_push_back(&f->questions, &q->node);
    return q;
}

/* Whom the gateway asks for; it may ask for another one before this is answered. */
static void note_client(question *q, const sb_peer *gateway)
{
    sb_client client;
    if (gateway == NULL || !sb_peer_client(gateway, &client))
        return;
    snprintf(q->address, sizeof q->address, "%s", client.address);
    snprintf(q->user_id, sizeof q->user_id, "%s", client.user_id);
    q->client = (sb_client){.address = q->address, .user_id = q->user_id};
    q->asking.client = &q->client;
}

static bool is_resume(const sb_frame *frame)
{
    return frame->len == sizeof SB__FEED_RESUME - 1 && memcmp(frame->data, SB__FEED_RESUME, frame->len) == 0;
}

static sb_err on_hub(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    sb__feed *f = (sb__feed *)self;
    (void)sock;
    if (peer == NULL && msg->n == 1) {
        on_topic(f, &msg->frames[0]);
        return SB_OK;
    }
    question *q = read_question(f, msg);
    if (q == NULL)
        return SB_OK;
    note_client(q, peer);
    sb_socket *target = sb_engine_find_socket(f->engine, f->target);
    sb_peer *tap = target != NULL ? tap_peer(f, target) : NULL;
    if (tap != NULL && is_resume(&msg->frames[0]))
        on_verdict(&q->asking, SB_VERDICT_ACCEPT, q->text, q->len);
    else if (tap == NULL || sb_socket_ask(target, tap, q->text, q->len, &q->asking) != SB_OK)
        on_verdict(&q->asking, SB_VERDICT_DENY, "", 0);
    return SB_OK;
}

/* ---- making ---- */

static void on_hub_closed(sb_handler *self, sb_socket *sock)
{
    (void)sock;
    ((sb__feed *)self)->hub = NULL;
}

static void on_tap_closed(sb_handler *self, sb_socket *sock)
{
    (void)sock;
    ((sb__feed *)((char *)self - offsetof(sb__feed, tap_handler)))->tap = NULL;
}

static sb_err open_hub(sb__feed *f, sb_mesh *mesh, const sb_use *use)
{
    char name[SB_MESH_NAME + 32];
    snprintf(name, sizeof name, "signalbox.subscribe.%s", use->socket);
    sb_err err = sb_socket_create(f->engine, SB_XPUB, name, &f->hub);
    if (err != SB_OK)
        return err;
    f->hub_handler = (sb_handler){.on_msg = on_hub, .on_closed = on_hub_closed};
    sb_socket_set_handler(f->hub, &f->hub_handler);
    sb_socket_set_int(f->hub, SB_OPT_SNDHWM, HUB_HWM, NULL, 0);
    sb_socket_set_int(f->hub, SB_OPT_SNDHWM_BYTES, SB__GATE_QUEUE, NULL, 0);
    sb_socket_set_int(f->hub, SB_OPT_LINGER, 0, NULL, 0);
    return sb__gate_serve(mesh, f->hub, use);
}

static sb_err open_tap(sb__feed *f, sb_socket *target, const sb_use *use)
{
    char name[SB_MESH_NAME + 32];
    snprintf(name, sizeof name, "signalbox.tap.%s", use->socket);
    snprintf(f->tap_endpoint, sizeof f->tap_endpoint, "inproc://signalbox/tap/%s", use->socket);
    sb_err err = sb_socket_create(f->engine, SB_SUB, name, &f->tap);
    if (err != SB_OK)
        return err;
    f->tap_handler = (sb_handler){.on_msg = on_tap, .on_closed = on_tap_closed};
    sb_socket_set_handler(f->tap, &f->tap_handler);
    err = sb_socket_bind(target, f->tap_endpoint, NULL, 0);
    return err == SB_OK ? sb_socket_connect(f->tap, f->tap_endpoint, NULL, 0) : err;
}

static uint32_t make_epoch(void)
{
    uint8_t id[SB__GATE_ID];
    uint32_t epoch;
    sb__gate_id(id);
    memcpy(&epoch, id, sizeof epoch);
    return epoch != 0 ? epoch : 1;
}

sb_err sb__feed_create(sb_engine *engine, sb_mesh *mesh, const sb_use *use, sb__feed **out)
{
    sb__feed *f = calloc(1, sizeof *f);
    if (f == NULL)
        return SB_ENOMEM;
    *out = f;
    f->engine = engine;
    f->last.epoch = make_epoch();
    sb_map_init(&f->topics);
    sb_list_init(&f->questions);
    snprintf(f->target, sizeof f->target, "%s", use->socket);
    f->ring = calloc(use->retain + 1, sizeof *f->ring);
    if (f->ring == NULL)
        return SB_ENOMEM;
    f->cap = use->retain;
    sb_err err = open_hub(f, mesh, use);
    return err == SB_OK ? open_tap(f, sb_engine_find_socket(engine, use->socket), use) : err;
}

/* The engine is gone: nothing is unsubscribed, no timer runs. */
void sb__feed_destroy(sb__feed *f)
{
    size_t pos = 0;
    if (f == NULL)
        return;
    for (sb_map_entry *e; (e = sb_map_next(&f->topics, &pos)) != NULL;)
        free(e->value);
    sb_map_finish(&f->topics);
    while (!sb_list_empty(&f->questions))
        free(SB_LIST_ENTRY(sb_list_pop(&f->questions), question, node));
    while (f->n > 0)
        forget_oldest(f);
    free(f->ring);
    free(f);
}
