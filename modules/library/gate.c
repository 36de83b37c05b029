/* The gate: doors to scripts' sockets. A door is a ROUTER that gateways connect to; where the script's socket
 * can be such a ROUTER (or REP) itself, it is the door. Before: the hosts, gateway.c. After: engine/socket.
 */
#include "modules/library/gate_internal.h"

#include "engine/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct door {
    sb_handler handler; /* of the ROUTER: first member */
    sb_handler claim;   /* of the target: replies that belong to the ROUTER's peers */
    sb_board *board;
    sb_engine *engine;
    sb__feed *feed;    /* of a SUBSCRIBE use */
    bool forwards;     /* who the client is goes on to the target */
    sb_socket *router; /* NULL: the target itself is the door, or it is closed */
    char target[SB_MESH_NAME + 16];
} door;

struct sb_gate {
    size_t n;
    door doors[];
};

/* ---- uses ---- */

typedef struct use_row {
    const char *word; /* in names, and the directive's end */
    uint32_t types;
    const char *names; /* of the types, for people */
} use_row;

static const use_row rows[SB_USE_COUNT] = {
    [SB_USE_REQUEST] = {"request", SB_TYPE_BIT(SB_ROUTER) | SB_TYPE_BIT(SB_REP) | SB_TYPE_BIT(SB_DEALER),
        "ROUTER, REP or DEALER"},
    [SB_USE_PUBLISH] = {"publish",
        SB_TYPE_BIT(SB_PUB) | SB_TYPE_BIT(SB_XPUB) | SB_TYPE_BIT(SB_PUSH) | SB_TYPE_BIT(SB_PULL),
        "PUB, XPUB, PUSH or PULL"},
    [SB_USE_PAGE] = {"page", 0, ""},
    [SB_USE_STREAM] = {"stream", ~(uint32_t)SB_TYPE_BIT(SB_STREAM), "type of ZMTP"},
    [SB_USE_SUBSCRIBE] = {"subscribe", SB_TYPE_BIT(SB_PUB) | SB_TYPE_BIT(SB_XPUB), "PUB or XPUB"},
};

void sb__use_name(const sb_use *use, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%s", rows[use->kind].word, use->socket);
}

sb_err sb_use_check(sb_plan *plan, const sb_use *use, sb_type *type, char *err, size_t cap)
{
    const use_row *row = &rows[use->kind];
    const sb_socket *sock = sb_engine_find_socket(sb_plan_engine(plan), use->socket);
    if (strlen(row->word) + strlen(use->socket) + 2 > SB_MESH_NAME) {
        snprintf(err, cap, "the name of socket \"%s\" is too long to be used from here", use->socket);
        return SB_ENAMETOOLONG;
    }
    if (use->kind == SB_USE_PAGE && sb__page_find(use->socket) != NULL)
        return SB_OK;
    if (sock == NULL) {
        snprintf(err, cap, "no script has a socket of the name \"%s\"", use->socket);
        return SB_ENOENT;
    }
    *type = sb_socket_type(sock);
    if ((row->types & SB_TYPE_BIT(*type)) == 0) {
        snprintf(err, cap, "socket \"%s\" is a %s, %s wants a %s", use->socket, sb_type_name(*type),
            row->word, row->names);
        return SB_ENOTSUP;
    }
    return SB_OK;
}

/* ---- answers ---- */

/* The frames before the body, with the status where the delimiter was. */
static void answer(door *d, const sb_msg *request, uint8_t status)
{
    sb_msg msg;
    sb_msg_init(&msg);
    sb_err err = SB_OK;
    for (uint32_t i = 0; err == SB_OK && i < 2 && i < request->n; i++)
        err = sb_msg_push(&msg, request->frames[i].data, request->frames[i].len, request->frames[i].buf);
    if (err == SB_OK && sb_msg_push(&msg, &status, 1, NULL) == SB_OK)
        sb_socket_send(d->router, &msg);
    sb_msg_finish(&msg);
}

static void refuse(door *d, const sb_msg *request, const sb_socket *target)
{
    bool somebody = target != NULL && sb_socket_has_audience(target);
    answer(d, request, somebody ? SB__ANSWER_FULL : SB__ANSWER_NO_PEER);
}

static door *door_of(sb_handler *handler)
{
    return (door *)handler;
}

static sb_socket *target_of(const door *d)
{
    return sb_engine_find_socket(d->engine, d->target);
}

static void on_closed(sb_handler *self, sb_socket *sock)
{
    (void)sock;
    door_of(self)->router = NULL;
}

/* ---- requests to a DEALER's peers ---- */

static sb_err on_request(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    door *d = door_of(self);
    sb_socket *target = target_of(d);
    (void)sock, (void)peer;
    if (target == NULL || sb_socket_send(target, msg) != SB_OK)
        refuse(d, msg, target);
    return SB_OK;
}

/* A reply begins with the routing id of the gateway that asked; all others are the script's. */
static sb_err on_reply(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    door *d = (door *)((char *)self - offsetof(door, claim));
    (void)sock;
    if (d->router == NULL || msg->n < 3 || msg->frames[0].len != SB__GATE_ID)
        return SB_ENOENT;
    sb_err err = sb_socket_send(d->router, msg);
    if (err == SB_EHOSTUNREACH)
        return SB_ENOENT;
    return err == SB_EAGAIN ? sb_socket_forward(d->router, peer, msg) : SB_OK;
}

/* ---- publishing ---- */

static sb_err on_publish(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    door *d = door_of(self);
    sb_socket *target = target_of(d);
    char who[SB_CLIENT_FRAME];
    sb_client client;
    sb_msg body;
    sb_msg_init(&body);
    (void)sock;
    sb_err err = target != NULL ? SB_OK : SB_ECLOSED;
    if (err == SB_OK && d->forwards)
        err = sb_msg_push(
            &body, who, sb_client_write(sb_peer_client(peer, &client) ? &client : NULL, who), NULL);
    for (uint32_t i = msg->envelope; err == SB_OK && i < msg->n; i++)
        err = sb_msg_push(&body, msg->frames[i].data, msg->frames[i].len, msg->frames[i].buf);
    if (err == SB_OK)
        err = sb_socket_send(target, &body);
    if (err == SB_OK)
        answer(d, msg, sb_socket_has_audience(target) ? SB__ANSWER_PUBLISHED : SB__ANSWER_NOBODY);
    else
        refuse(d, msg, target);
    sb_msg_finish(&body);
    return SB_OK;
}

/* ---- pages of the board ---- */

static sb_err on_page(sb_handler *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    door *d = door_of(self);
    const sb__page *page = sb__page_find(d->target);
    sb_text text = {0};
    sb_msg body;
    page->put(d->board, &text);
    sb_msg_init(&body);
    sb_err err = text.failed ? SB_ENOMEM : sb_msg_push(&body, "200", 3, NULL);
    if (err == SB_OK)
        err = sb_msg_push(&body, page->headers, strlen(page->headers), NULL);
    if (err == SB_OK)
        err = sb_msg_push(&body, text.text, text.len, NULL);
    if (err == SB_OK)
        sb_socket_reply(sock, peer, msg, &body);
    sb_msg_finish(&body);
    sb_text_finish(&text);
    return SB_OK;
}

/* ---- doors ---- */

sb_err sb__gate_serve(sb_mesh *mesh, sb_socket *sock, const sb_use *use)
{
    char name[SB_MESH_NAME], endpoint[SB_MESH_NAME + sizeof SB_GATE_INPROC];
    sb__use_name(use, name, sizeof name);
    snprintf(endpoint, sizeof endpoint, "%s%s", SB_GATE_INPROC, name);
    sb_err err = sb_socket_bind(sock, endpoint, NULL, 0);
    return err == SB_OK && mesh != NULL ? sb_mesh_serve(mesh, name, sb_socket_name(sock), true) : err;
}

static sb_err open_router(door *d, sb_mesh *mesh, const sb_use *use)
{
    char name[SB_MESH_NAME + 16];
    snprintf(name, sizeof name, "signalbox.%s.%s", rows[use->kind].word, use->socket);
    sb_err err = sb_socket_create(d->engine, SB_ROUTER, name, &d->router);
    if (err != SB_OK)
        return err;
    d->handler.on_closed = on_closed;
    sb_socket_set_handler(d->router, &d->handler);
    sb_socket_set_int(d->router, SB_OPT_ROUTER_MANDATORY, 1, NULL, 0);
    return sb__gate_serve(mesh, d->router, use);
}

/* A PULL is reached as its peers reach it. */
static sb_err feed_pull(door *d, sb_socket *target, const sb_use *use)
{
    char name[SB_MESH_NAME + 16], endpoint[SB_MESH_NAME + 32];
    sb_socket *push;
    snprintf(name, sizeof name, "signalbox.push.%s", use->socket);
    snprintf(endpoint, sizeof endpoint, "%spush/%s", SB_GATE_INPROC, use->socket);
    sb_err err = sb_socket_create(d->engine, SB_PUSH, name, &push);
    if (err == SB_OK)
        err = sb_socket_bind(target, endpoint, NULL, 0);
    if (err == SB_OK)
        err = sb_socket_connect(push, endpoint, NULL, 0);
    snprintf(d->target, sizeof d->target, "%s", name);
    d->forwards = true;
    return err;
}

static sb_err open_request(door *d, sb_mesh *mesh, sb_socket *target, const sb_use *use)
{
    if (sb_socket_type(target) != SB_DEALER)
        return sb__gate_serve(mesh, target, use);
    d->handler.on_msg = on_request;
    d->claim.on_msg = on_reply;
    sb_socket_set_claim(target, &d->claim);
    return open_router(d, mesh, use);
}

static sb_err open_publish(door *d, sb_mesh *mesh, sb_socket *target, const sb_use *use)
{
    d->handler.on_msg = on_publish;
    sb_err err = open_router(d, mesh, use);
    return err == SB_OK && sb_socket_type(target) == SB_PULL ? feed_pull(d, target, use) : err;
}

static sb_err open_page(door *d, sb_mesh *mesh, sb_socket *target, const sb_use *use)
{
    (void)target;
    d->handler.on_msg = on_page;
    return open_router(d, mesh, use);
}

static sb_err open_subscribe(door *d, sb_mesh *mesh, sb_socket *target, const sb_use *use)
{
    (void)target;
    return sb__feed_create(d->engine, mesh, use, &d->feed);
}

/* Whole connections come over the mesh only. */
static sb_err open_stream(door *d, sb_mesh *mesh, sb_socket *target, const sb_use *use)
{
    char name[SB_MESH_NAME];
    (void)d;
    sb__use_name(use, name, sizeof name);
    return mesh != NULL ? sb_mesh_serve(mesh, name, sb_socket_name(target), false) : SB_OK;
}

static sb_err (*const openers[SB_USE_COUNT])(door *d, sb_mesh *mesh, sb_socket *target, const sb_use *use) = {
    [SB_USE_REQUEST] = open_request,
    [SB_USE_PUBLISH] = open_publish,
    [SB_USE_STREAM] = open_stream,
    [SB_USE_PAGE] = open_page,
    [SB_USE_SUBSCRIBE] = open_subscribe,
};

sb_err sb_gate_create(sb_board *board, sb_mesh *mesh, const sb_use *uses, size_t n, sb_gate **out)
{
    sb_engine *engine = sb_board_engine(board);
    sb_gate *gate = calloc(1, sizeof *gate + n * sizeof(door));
    if (gate == NULL)
        return SB_ENOMEM;
    *out = gate; /* also when a door fails: the handlers of the others live in here */
    for (size_t i = 0; i < n; i++) {
        door *d = &gate->doors[gate->n++];
        const sb_use *use = &uses[i];
        sb_socket *target = sb_engine_find_socket(engine, use->socket);
        d->board = board;
        d->engine = engine;
        snprintf(d->target, sizeof d->target, "%s", use->socket);
        sb_err err =
            target != NULL || use->kind == SB_USE_PAGE ? openers[use->kind](d, mesh, target, use) : SB_ENOENT;
        if (err != SB_OK)
            return err;
    }
    return SB_OK;
}

void sb_gate_destroy(sb_gate *gate)
{
    for (size_t i = 0; gate != NULL && i < gate->n; i++)
        sb__feed_destroy(gate->doors[i].feed);
    free(gate);
}
