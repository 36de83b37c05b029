/* inproc: two pipes of one engine joined without bytes in between. Connect may come before bind.
 * Before: socket.c (bind, connect). After: deliver.c of the other side. The same rules as on the wire: type
 * matrix, HWM of both queues, subscriptions on their own lane. */
#include "engine/socket/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOVE_BUDGET 4096 /* messages per side and turn */

typedef struct channel channel;

/* A subscription or cancel on its way; the control lane never counts against HWM. */
typedef struct control {
    struct control *next;
    bool subscribe, confirm;
    size_t len;
    uint8_t topic[];
} control;

typedef struct side {
    channel *channel;
    struct side *other;
    sb_peer *peer;
    sb_peer_info info; /* what the other side learns of this one */
    sb__task move;
    control *controls, **controls_end;
    bool kicked, forever, ending;
    char kicked_why[128];
} side;

/* A bound name, or a connect to one. */
typedef struct inproc {
    sb__binding base;
    sb_list_node entry; /* of the hub: binds, or connects that wait for one */
    sb_list channels;   /* bind: its channels */
    channel *channel;   /* connect: the one it has */
    sb_peer *peer;      /* connect: lives as long as the binding */
    sb__task join;
    sb_timer timer; /* connect: the next try after one that failed, or did not last */
    uint64_t joined;
    bool quiet;
} inproc;

struct channel {
    sb_list_node node;
    inproc *server, *client;
    side sides[2]; /* 0: the bound one's */
};

static void drop_channel(channel *ch, const side *by);
static void part(channel *ch, const char *why);
static void close_binding(sb__binding *b);

static sb__hub *hub_of(const inproc *ip)
{
    return &ip->base.socket->engine->hub;
}

/* ---- moving ---- */

static void move_controls(side *from)
{
    control *list = from->controls;
    from->controls = NULL;
    from->controls_end = &from->controls;
    while (list != NULL) {
        control *c = list;
        list = c->next;
        sb__subscribe_ask(from->other->peer, c->topic, c->len, c->subscribe);
        if (c->confirm)
            sb__subscription_confirmed(from->peer, c->topic, c->len);
        free(c);
    }
}

/* The message at hand and those that lie behind it, at most so many; returns how many. Whoever gets one may
 * send back, or close, before it is done with it. */
static uint32_t pass_on(sb_peer *peer, sb_peer *to, sb_msg *msg, uint32_t most)
{
    sb__queue *out = &peer->out;
    sb_err err;
    sb__queue_fly(out);
    do {
        err = sb__speaker_deliver(to, msg);
        sb_msg_finish(msg);
    } while (err == SB_OK && out->flight_msgs < most && sb__queue_fly_next(out, msg));
    uint32_t n = out->flight_msgs;
    peer->msgs_out += n;
    peer->bytes_out += out->flight_bytes;
    sb__queue_sent(out);
    return n;
}

static void lose_first(sb_peer *peer)
{
    sb__peer_drop(peer, SB_DROP_LOST, 1);
    sb__queue_pop(&peer->out);
}

/* As many as lie in one piece; 0 when there is none or the other side is full. One that there is no memory to
 * look at is lost: nobody would come back for it, and those behind it would wait for ever. */
static uint32_t move_some(side *from, uint32_t most)
{
    sb_peer *peer = from->peer, *to = from->other->peer;
    sb_msg msg;
    sb__pipe_fill(peer, 0);
    if (peer->out.msgs == 0 || !sb__overload_takes(to))
        return 0;
    sb_msg_init(&msg);
    if (sb__queue_peek(&peer->out, &msg))
        return pass_on(peer, to, &msg, most);
    lose_first(peer);
    return 1;
}

static void move(sb__task *task)
{
    side *from = SB_LIST_ENTRY(task, side, move);
    sb_socket *sock = from->peer->socket;
    uint32_t budget = MOVE_BUDGET, moved;
    if (from->kicked) {
        drop_channel(from->channel, from);
        return;
    }
    move_controls(from);
    while (budget > 0 && (moved = move_some(from, budget)) > 0)
        budget -= moved;
    if (budget == 0)
        sb__hub_input(&sock->engine->hub, &from->move);
    sb__pipe_drained(from->peer);
    if (from->ending && from->peer->out.msgs == 0)
        drop_channel(from->channel, from);
    else if (from->peer->out.msgs == 0)
        sb__socket_check(sock);
}

/* ---- what the pipe asks ---- */

static void schedule(side *s)
{
    sb__hub_input(&s->peer->socket->engine->hub, &s->move);
}

static void link_output(sb_peer *peer)
{
    if (peer->link_data != NULL)
        schedule(peer->link_data);
}

static void link_input(sb_peer *peer)
{
    side *s = peer->link_data;
    if (s != NULL)
        schedule(s->other);
}

static void link_subscribe(sb_peer *peer, const uint8_t *topic, size_t len, bool subscribe)
{
    side *s = peer->link_data;
    control *c = s != NULL ? malloc(sizeof *c + len) : NULL;
    if (c == NULL)
        return;
    *c = (control){.subscribe = subscribe, .confirm = subscribe && peer->confirms, .len = len};
    peer->unconfirmed += c->confirm;
    memcpy(c->topic, topic, len);
    *s->controls_end = c;
    s->controls_end = &c->next;
    schedule(s);
}

static void link_kick(sb_peer *peer, sb_err why, const char *detail, bool forever)
{
    side *s = peer->link_data;
    if (s == NULL)
        return;
    s->kicked = true;
    s->forever = forever;
    snprintf(s->kicked_why, sizeof s->kicked_why, "%s", detail != NULL ? detail : sb_strerror(why));
    schedule(s);
}

static void link_end(sb_peer *peer)
{
    side *s = peer->link_data;
    if (s == NULL)
        return;
    s->ending = s->forever = true;
    snprintf(s->kicked_why, sizeof s->kicked_why, "closed");
    schedule(s);
}

static const sb__link inproc_link = {
    .output = link_output,
    .input = link_input,
    .subscribe = link_subscribe,
    .kick = link_kick,
    .end = link_end,
};

/* ---- joining ---- */

static void side_init(channel *ch, side *s, side *other, sb_peer *peer)
{
    const sb__blob *id = sb__opt_bytes(peer->socket, SB_OPT_ROUTING_ID);
    s->channel = ch;
    s->other = other;
    s->peer = peer;
    s->info = (sb_peer_info){.type = peer->socket->type,
        .major = 3,
        .minor = 1,
        .identity = id->data,
        .identity_len = (uint32_t)id->len,
        .mechanism = "NULL",
        .user_id = "",
        .key = ""};
    s->controls_end = &s->controls;
    sb__task_init(&s->move, move);
}

static void side_finish(side *s)
{
    sb__task_cancel(&s->move);
    while (s->controls != NULL) {
        control *next = s->controls->next;
        free(s->controls);
        s->controls = next;
    }
}

static void tell(const inproc *ip, sb_event_kind kind, sb_peer *peer, sb_err err, const char *detail)
{
    sb_event event = {.endpoint = ip->base.given, .address = ip->base.given, .err = err, .detail = detail};
    event.peer = peer;
    event.conn_id = peer != NULL ? peer->id : 0;
    if (peer != NULL && peer->info != NULL) {
        event.identity = peer->info->identity;
        event.identity_len = peer->info->identity_len;
    }
    sb__event(ip->base.socket, kind, &event);
}

static sb_err bring_up(inproc *ip, side *s)
{
    s->peer->link = &inproc_link;
    s->peer->link_data = s;
    free(s->peer->address);
    s->peer->address = strdup(ip->base.given);
    sb_err err = sb__peer_up(s->peer, NULL, &s->other->info);
    tell(ip, err == SB_OK ? SB_EVENT_HANDSHAKE_SUCCEEDED : SB_EVENT_PEER_REFUSED, s->peer, err,
        err == SB_OK ? "" : sb_strerror(err));
    return err;
}

/* Refused, or no memory: not at once again, or it would never end. */
static void join_later(inproc *client)
{
    int64_t wait = sb__opt(client->base.socket, SB_OPT_RECONNECT_IVL);
    sb__hub *hub = hub_of(client);
    sb_list_push_back(&hub->inproc_waiting, &client->entry);
    if (wait >= 0)
        sb_timer_start(
            hub->loop, &client->timer, sb_loop_now(hub->loop) + ((uint64_t)wait + 1) * SB_NS_PER_MS);
}

static void on_timer(sb_timer *timer)
{
    inproc *client = SB_LIST_ENTRY(timer, inproc, timer);
    sb__hub_input(hub_of(client), &client->join);
}

static bool is_speakers(const inproc *server)
{
    return strncmp(server->base.given, SB_INPROC_SPEAKERS, sizeof SB_INPROC_SPEAKERS - 1) == 0;
}

static sb_err join(inproc *server, inproc *client)
{
    channel *ch = calloc(1, sizeof *ch);
    sb_peer *peer;
    sb_err err = ch != NULL ? sb__peer_add(server->base.socket, 0, &peer) : SB_ENOMEM;
    if (err != SB_OK) {
        free(ch);
        return err;
    }
    if (is_speakers(server) && (err = sb__speaker_begin(peer)) != SB_OK) {
        sb__peer_down(peer, false);
        free(ch);
        return err;
    }
    ch->server = server;
    ch->client = client;
    client->joined = sb_loop_now(hub_of(client)->loop);
    side_init(ch, &ch->sides[0], &ch->sides[1], peer);
    side_init(ch, &ch->sides[1], &ch->sides[0], client->peer);
    sb_list_push_back(&server->channels, &ch->node);
    client->channel = ch;
    err = bring_up(server, &ch->sides[0]);
    if (err == SB_OK)
        err = bring_up(client, &ch->sides[1]);
    if (err != SB_OK) {
        part(ch, "refused");
        return err;
    }
    schedule(&ch->sides[0]); /* something may be queued already: a request that is asked again */
    schedule(&ch->sides[1]);
    return SB_OK;
}

static inproc *find_bind(sb__hub *hub, const char *name)
{
    SB_LIST_EACH(n, &hub->inproc_binds)
    {
        inproc *ip = SB_LIST_ENTRY(n, inproc, entry);
        if (strcmp(ip->base.endpoint.name, name) == 0)
            return ip;
    }
    return NULL;
}

static void try_join(sb__task *task)
{
    inproc *client = SB_LIST_ENTRY(task, inproc, join);
    inproc *server = find_bind(hub_of(client), client->base.endpoint.name);
    if (client->channel != NULL || client->base.closing || server == NULL)
        return;
    if ((sb_type_peers(client->base.socket->type) & SB_TYPE_BIT(server->base.socket->type)) == 0) {
        tell(client, SB_EVENT_HANDSHAKE_FAILED_PROTOCOL, NULL, SB_EPEERTYPE, sb_strerror(SB_EPEERTYPE));
        client->base.socket->handshake_failures[SB_CAUSE_PEER_TYPE]++;
        return;
    }
    sb_list_remove(&client->entry);
    sb_timer_stop(hub_of(client)->loop, &client->timer);
    if (join(server, client) != SB_OK)
        join_later(client);
}

/* ---- parting ---- */

static void wait_again(inproc *client)
{
    sb_list_push_back(&hub_of(client)->inproc_waiting, &client->entry);
    sb__hub_input(hub_of(client), &client->join);
}

/* What a side ends as soon as it is there would be ended and made again for ever. */
static bool lasted(const inproc *client)
{
    int64_t wait = sb__opt(client->base.socket, SB_OPT_RECONNECT_IVL);
    return wait >= 0 &&
           sb_loop_now(hub_of(client)->loop) - client->joined > ((uint64_t)wait + 1) * SB_NS_PER_MS;
}

/* Ends a channel. */
static void part(channel *ch, const char *why)
{
    inproc *client = ch->client;
    sb_peer *served = ch->sides[0].peer;
    sb_list_remove(&ch->node);
    client->channel = NULL;
    tell(ch->server, SB_EVENT_DISCONNECTED, served, SB_ECLOSED, why);
    tell(client, SB_EVENT_DISCONNECTED, client->peer, SB_ECLOSED, why);
    served->link_data = NULL;
    sb__peer_down(client->peer, true);
    sb__peer_down(served, false);
    side_finish(&ch->sides[0]);
    side_finish(&ch->sides[1]);
    free(ch);
}

/* `by`: the side that wanted it (kick), NULL for a socket's close. */
static void drop_channel(channel *ch, const side *by)
{
    inproc *client = ch->client;
    bool forever = by != NULL && by->forever, again = !client->base.closing && !client->quiet && !forever;
    part(ch, by != NULL ? by->kicked_why : "closed");
    if (again && by != NULL && !lasted(client))
        join_later(client);
    else if (again)
        wait_again(client);
    else if (forever && !client->base.closing)
        close_binding(&client->base); /* as a dialer that is told not to come back */
}

static void quiesce(sb__binding *b)
{
    inproc *ip = (inproc *)b;
    ip->quiet = true;
    if (b->bind)
        sb_list_remove(&ip->entry);
}

static void close_binding(sb__binding *b)
{
    inproc *ip = (inproc *)b;
    quiesce(b);
    b->closing = true;
    sb_list_remove(&ip->entry);
    sb__task_cancel(&ip->join);
    sb_timer_stop(hub_of(ip)->loop, &ip->timer);
    while (!sb_list_empty(&ip->channels))
        drop_channel(SB_LIST_ENTRY(sb_list_first(&ip->channels), channel, node), NULL);
    if (ip->channel != NULL)
        drop_channel(ip->channel, NULL);
    if (ip->peer != NULL)
        sb__peer_down(ip->peer, false);
    sb__binding_free(b);
    free(ip);
}

static const sb__binding_impl inproc_impl = {.close = close_binding, .quiesce = quiesce};

static inproc *create(sb_socket *sock, const sb__endpoint *ep, const char *given, bool bind)
{
    inproc *ip = calloc(1, sizeof *ip);
    if (ip == NULL || !sb__binding_init(&ip->base, &inproc_impl, sock, ep, given, bind)) {
        free(ip);
        return NULL;
    }
    sb_list_init(&ip->channels);
    sb_list_node_init(&ip->entry);
    sb__task_init(&ip->join, try_join);
    sb_timer_init(&ip->timer, on_timer);
    return ip;
}

bool sb__inproc_bound(sb_engine *engine, const char *name)
{
    return find_bind(&engine->hub, name) != NULL;
}

sb_err sb__inproc_bind(sb_socket *sock, const sb__endpoint *ep, const char *given, char *err, size_t cap)
{
    sb__hub *hub = &sock->engine->hub;
    bool taken = find_bind(hub, ep->name) != NULL;
    inproc *ip = taken ? NULL : create(sock, ep, given, true);
    if (ip == NULL) {
        sb_err code = taken ? SB_EADDRINUSE : SB_ENOMEM;
        if (err != NULL && cap > 0)
            snprintf(err, cap, "cannot bind %s: %s", given, sb_strerror(code));
        return code;
    }
    ip->base.resolved = strdup(given);
    free(sock->last_endpoint);
    sock->last_endpoint = strdup(given);
    sb_list_push_back(&hub->inproc_binds, &ip->entry);
    SB_LIST_EACH(n, &hub->inproc_waiting)
    {
        sb__hub_input(hub, &SB_LIST_ENTRY(n, inproc, entry)->join);
    }
    return SB_OK;
}

sb_err sb__inproc_connect(sb_socket *sock, const sb__endpoint *ep, const char *given, char *err, size_t cap)
{
    inproc *ip = create(sock, ep, given, false);
    sb_err code = ip != NULL ? sb__peer_add(sock, 0, &ip->peer) : SB_ENOMEM;
    if (code == SB_OK) {
        ip->peer->link = &inproc_link;
        ip->peer->place = sb_hash(given, strlen(given), 0);
        ip->peer->dialed = true;
        code = sb__opt(sock, SB_OPT_IMMEDIATE) ? SB_OK : sb__peer_attach(ip->peer);
    }
    if (code == SB_OK) {
        wait_again(ip);
        return SB_OK;
    }
    if (err != NULL && cap > 0)
        snprintf(err, cap, "cannot connect %s: %s", given, sb_strerror(code));
    if (ip != NULL)
        close_binding(&ip->base);
    return code;
}
