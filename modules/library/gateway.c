/* The gateway: questions through the doors of the gate, answers to who asked. Before: the hosts. After:
 * gate.c, on the other side of the connection. */
#include "engine/base/map.h"
#include "modules/library/gate_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

typedef struct line {
    sb_handler handler; /* first member */
    sb_gateway *gw;
    sb_socket *dealer;  /* NULL once closed */
    sb__follow *follow; /* of a SUBSCRIBE use, which has no dealer */
} line;

struct sb_gateway {
    sb_map calls; /* number -> sb_call */
    uint32_t last;
    sb_gateway_stats stats;
    size_t n;
    line lines[];
};

/* A call that waits, and where. */
typedef struct waiting {
    sb_call *call;
    line *line;
} waiting;

/* ---- numbers ---- */

static void number_bytes(uint32_t number, uint8_t out[SB__CALL_NUMBER])
{
    out[0] = 0;
    memcpy(out + 1, &number, sizeof number);
}

static sb_call *take_call(sb_gateway *gw, const uint8_t *number)
{
    waiting *w = sb_map_remove(&gw->calls, number, SB__CALL_NUMBER);
    if (w == NULL)
        return NULL;
    sb_call *call = w->call;
    free(w);
    call->number = 0;
    return call;
}

static sb_err add_call(sb_gateway *gw, line *l, sb_call *call, uint8_t number[SB__CALL_NUMBER])
{
    waiting *w = malloc(sizeof *w);
    if (w == NULL)
        return SB_ENOMEM;
    *w = (waiting){.call = call, .line = l};
    sb_err err;
    do {
        gw->last = gw->last == UINT32_MAX ? 1 : gw->last + 1;
        number_bytes(gw->last, number);
        err = sb_map_add(&gw->calls, number, SB__CALL_NUMBER, w);
    } while (err == SB_EEXIST);
    if (err == SB_OK)
        call->number = gw->last;
    else
        free(w);
    return err;
}

/* ---- answers ---- */

static sb_call_status status_of(const sb_frame *frame)
{
    if (frame->len == 0 || frame->data[0] == SB__ANSWER_PUBLISHED)
        return SB_CALL_OK;
    if (frame->data[0] == SB__ANSWER_NOBODY)
        return SB_CALL_NOBODY;
    return frame->data[0] == SB__ANSWER_FULL ? SB_CALL_FULL : SB_CALL_NO_PEER;
}

#define REPLY_FRAMES 64 /* more are cut off */

static sb_err on_msg(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    sb_gateway *gw = ((line *)self)->gw;
    struct iovec frames[REPLY_FRAMES];
    size_t n = 0;
    (void)sock, (void)peer;
    sb_call *call =
        msg->n >= 2 && msg->frames[0].len == SB__CALL_NUMBER ? take_call(gw, msg->frames[0].data) : NULL;
    if (call == NULL) {
        gw->stats.late++;
        return SB_OK;
    }
    for (uint32_t i = 2; i < msg->n && n < REPLY_FRAMES; i++)
        frames[n++] = (struct iovec){.iov_base = (void *)msg->frames[i].data, .iov_len = msg->frames[i].len};
    call->on_reply(call, status_of(&msg->frames[1]), frames, n);
    return SB_OK;
}

/* What was on its way when the connection broke has no answer. */
static void lose(line *l)
{
    size_t pos = 0;
    for (sb_map_entry *e; (e = sb_map_next(&l->gw->calls, &pos)) != NULL;) {
        waiting *w = e->value;
        if (w->line != l)
            continue;
        uint8_t number[SB__CALL_NUMBER];
        memcpy(number, e->key, sizeof number);
        sb_call *call = take_call(l->gw, number);
        call->on_reply(call, SB_CALL_LOST, NULL, 0);
        pos = 0; /* the map changed under the walk */
    }
}

static void on_event(sb_handler *self, sb_socket *sock, const sb_event *event)
{
    (void)sock;
    if (event->kind == SB_EVENT_DISCONNECTED)
        lose((line *)self);
}

static void on_closed(sb_handler *self, sb_socket *sock)
{
    (void)sock;
    ((line *)self)->dealer = NULL;
}

/* ---- lines ---- */

/* What a door tells gateways apart by; nobody else's peer has it by chance. */
void sb__gate_id(uint8_t id[SB__GATE_ID])
{
    if (getrandom(id, SB__GATE_ID, 0) != SB__GATE_ID)
        for (int i = 0; i < SB__GATE_ID; i++)
            id[i] = (uint8_t)((uintptr_t)id >> i);
    id[0] |= 1; /* a routing id does not begin with NUL */
}

static sb_err open_line(line *l, sb_engine *engine, const char *where, const sb_use *use)
{
    char name[SB_MESH_NAME], text[SB_MESH_NAME + 64];
    uint8_t id[SB__GATE_ID];
    where = use->where != NULL ? use->where : where;
    if (use->kind == SB_USE_STREAM)
        return SB_OK; /* each stream dials for itself */
    if (use->kind == SB_USE_SUBSCRIBE)
        return sb__follow_create(engine, where, use, &l->follow);
    sb__use_name(use, name, sizeof name);
    snprintf(text, sizeof text, "signalbox.gateway.%s", name);
    sb_err err = sb_socket_create(engine, SB_DEALER, text, &l->dealer);
    if (err != SB_OK)
        return err;
    l->handler = (sb_handler){.on_msg = on_msg, .on_event = on_event, .on_closed = on_closed};
    sb_socket_set_handler(l->dealer, &l->handler);
    sb__gate_id(id);
    sb_socket_set_bytes(l->dealer, SB_OPT_ROUTING_ID, id, sizeof id, NULL, 0);
    sb_socket_set_int(l->dealer, SB_OPT_SNDHWM_BYTES, SB__GATE_QUEUE, NULL, 0);
    sb_socket_set_int(l->dealer, SB_OPT_LINGER, 0, NULL, 0);
    snprintf(text, sizeof text, "%s%s", where, name);
    return sb_socket_connect(l->dealer, text, NULL, 0);
}

sb_err sb_gateway_create(sb_engine *engine, const char *where, const sb_use *uses, size_t n, sb_gateway **out)
{
    sb_gateway *gw = calloc(1, sizeof *gw + n * sizeof(line));
    if (gw == NULL)
        return SB_ENOMEM;
    sb_map_init(&gw->calls);
    *out = gw; /* also when a line fails: the handlers of the others live in here */
    for (size_t i = 0; i < n; i++) {
        line *l = &gw->lines[gw->n++];
        l->gw = gw;
        sb_err err = open_line(l, engine, where, &uses[i]);
        if (err != SB_OK)
            return err;
    }
    return SB_OK;
}

void sb_gateway_destroy(sb_gateway *gw)
{
    if (gw == NULL)
        return;
    size_t pos = 0;
    for (sb_map_entry *e; (e = sb_map_next(&gw->calls, &pos)) != NULL;) {
        waiting *w = e->value;
        w->call->number = 0;
        free(w);
    }
    sb_map_finish(&gw->calls);
    for (size_t i = 0; i < gw->n; i++)
        sb__follow_destroy(gw->lines[i].follow);
    free(gw);
}

void sb_gateway_get_stats(const sb_gateway *gw, sb_gateway_stats *out)
{
    *out = gw->stats;
    out->waiting = gw->calls.n;
}

/* ---- calls ---- */

static sb_err send_call(
    line *l, const sb_client *client, const uint8_t *number, const struct iovec *frames, size_t n)
{
    char who[SB_CLIENT_FRAME];
    sb_msg msg;
    sb_msg_init(&msg);
    sb_err err = sb_msg_push(&msg, who, sb_client_write(client, who), NULL);
    if (err == SB_OK)
        err = sb_msg_push(&msg, number, SB__CALL_NUMBER, NULL);
    if (err == SB_OK)
        err = sb_msg_push(&msg, "", 0, NULL);
    for (size_t i = 0; err == SB_OK && i < n; i++)
        err = sb_msg_push(&msg, frames[i].iov_base, frames[i].iov_len, NULL);
    if (err == SB_OK)
        err = sb_socket_send(l->dealer, &msg);
    sb_msg_finish(&msg);
    return err;
}

sb_err sb_gateway_call(sb_gateway *gw, size_t use, const struct iovec *frames, size_t n, sb_call *call)
{
    line *l = &gw->lines[use];
    uint8_t number[SB__CALL_NUMBER];
    if (use >= gw->n || l->dealer == NULL)
        return SB_ECLOSED;
    sb_err err = add_call(gw, l, call, number);
    if (err != SB_OK)
        return err;
    err = send_call(l, call->client, number, frames, n);
    if (err != SB_OK)
        take_call(gw, number);
    else
        gw->stats.calls++;
    return err;
}

void sb_gateway_cancel(sb_gateway *gw, sb_call *call)
{
    uint8_t number[SB__CALL_NUMBER];
    if (call->number == 0)
        return;
    number_bytes(call->number, number);
    take_call(gw, number);
}

sb_err sb_gateway_follow(sb_gateway *gw, size_t use, const void *topic, size_t len, const sb_event_id *since,
    sb_follower *follower)
{
    if (use >= gw->n || gw->lines[use].follow == NULL)
        return SB_ECLOSED;
    return sb__follow_add(gw->lines[use].follow, topic, len, since, follower);
}
