/* The team: links between the sockets of one name in several workers. Before: the hosts. After: mesh.c,
 * engine/team.h.
 *
 * A worker receives what its mates have for it on a socket of its own, "signalbox.team.NAME", and gives it to
 * the script's socket (sb_socket_pass). That socket connects to the mates' sockets themselves, as a
 * subscriber that wants what our subscribers want, or once for each of our workers that take turns. To a
 * ROUTER it cannot: there is a publisher beside it, "signalbox.reach.NAME", where mates subscribe the routing
 * ids of their peers. */
#include "modules/library/team.h"

#include "engine/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY     (20 * SB_NS_PER_MS)
#define LINKS     8   /* to one mate, for so many workers of ours or more */
#define ID_MAX    255 /* of a routing id */
#define NAME_ROOM (SB_MESH_NAME + 64)

typedef struct member {
    sb_team team; /* of the script's socket: first member */
    sb_handler in_handler, out_handler;
    sb_timer retry;
    sb_team_host *host;
    sb_socket *sock, *in, *out; /* in, out: NULL once closed; out: a ROUTER's alone */
    bool reach;
    uint32_t guests;
    uint16_t links[SB_TEAM_WORKERS], leaving[SB_TEAM_WORKERS];
    char name[SB_MESH_NAME]; /* in the mesh */
} member;

struct sb_team_host {
    sb_engine *engine;
    sb_host *host;
    sb_mesh *mesh;
    uint32_t me, workers;
    sb_err err; /* of the first member that failed */
    size_t n, cap;
    member **members;
};

/* ---- types ---- */

typedef struct type_row {
    sb_type type;
    sb_type in;       /* what receives for it; 0 (PAIR): nothing has to */
    bool reach;       /* over a publisher of routing ids */
    bool binds;       /* may bind: peers that come to different workers are served alike */
    const char *hint; /* why not */
} type_row;

static const type_row rows[] = {
    {SB_PUB, SB_XSUB, false, true, ""},
    {SB_XPUB, SB_XSUB, false, true, ""},
    {SB_PUSH, SB_PULL, false, true, ""},
    {SB_SCATTER, SB_GATHER, false, true, ""},
    {SB_DEALER, SB_DEALER, false, true, ""},
    {SB_ROUTER, SB_XSUB, true, true, ""},
    {SB_SUB, SB_PAIR, false, true, ""},
    {SB_XSUB, SB_PAIR, false, true, ""},
    {SB_PULL, SB_PAIR, false, true, ""},
    {SB_GATHER, SB_PAIR, false, true, ""},
    {SB_REP, SB_PAIR, false, true, ""},
    {SB_REQ, SB_PAIR, false, false, ": one that binds asks only who came to its own worker, let it connect"},
};

static const type_row *row_of(sb_type type)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].type == type)
            return &rows[i];
    return NULL;
}

/* ---- what can be one ---- */

typedef struct option_row {
    sb_opt opt;
    int64_t fine; /* the one value that works */
    const char *name;
} option_row;

/* All of them need to know every peer, or every message, in one place. */
static const option_row refused[] = {
    {SB_OPT_XPUB_MANUAL, 0, "xpub_manual"},
    {SB_OPT_XPUB_MANUAL_LAST_VALUE, 0, "xpub_manual_last_value"},
    {SB_OPT_INVERT_MATCHING, 0, "invert_matching"},
    {SB_OPT_RETAIN_LAST, 0, "retain_last"},
};

typedef struct check {
    char *err;
    size_t cap;
    sb_err result;
} check;

static bool refuse(check *c, const sb_socket *sock, const char *what, const char *why)
{
    snprintf(c->err, c->cap, "worker all: socket \"%s\": %s%s", sb_socket_name(sock), what, why);
    c->result = SB_ENOTSUP;
    return false;
}

typedef struct ends {
    bool binds, connects, inproc;
} ends;

static bool see_end(void *arg, const sb_endpoint_info *info)
{
    ends *e = arg;
    bool local = strncmp(info->given, "inproc://", 9) == 0;
    e->inproc |= local;
    e->binds |= info->bind && !local;
    e->connects |= !info->bind && !local;
    return true;
}

static bool check_options(check *c, const sb_socket *sock)
{
    int64_t value;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (sb_socket_get_int(sock, refused[i].opt, &value) == SB_OK && value != refused[i].fine)
            return refuse(c, sock, refused[i].name, " needs one worker that knows all: use worker 0");
    if (sb_socket_get_int(sock, SB_OPT_BALANCE, &value) == SB_OK && value != SB_BALANCE_ROUND_ROBIN &&
        value != SB_BALANCE_LEAST_QUEUED)
        return refuse(c, sock, "balance", " must be round_robin or least_queued, else use worker 0");
    return true;
}

static bool check_socket(void *arg, sb_socket *sock)
{
    check *c = arg;
    ends e = {0};
    size_t len = 0;
    sb_type type = sb_socket_type(sock);
    const type_row *row = row_of(type);
    sb_socket_each_endpoint(sock, see_end, &e);
    if (!e.binds && !e.connects)
        return true; /* inproc: each worker has its own */
    if (row == NULL)
        return refuse(
            c, sock, sb_type_name(type), " cannot be one socket over several workers: use worker 0");
    if (!row->binds && e.binds)
        return refuse(c, sock, sb_type_name(type), row->hint);
    if (strlen(sb_socket_name(sock)) + sizeof SB_MESH_REACH > SB_MESH_NAME)
        return refuse(c, sock, "its name", " is too long");
    if (e.connects && type != SB_SUB && type != SB_XSUB &&
        sb_socket_get_bytes(sock, SB_OPT_ROUTING_ID, NULL, 0, &len) == SB_OK && len > 0)
        return refuse(c, sock, "routing_id", " and connect: all workers would connect under that name");
    return check_options(c, sock);
}

sb_err sb_team_check(sb_plan *plan, char *err, size_t cap)
{
    check c = {.err = err, .cap = cap, .result = SB_OK};
    sb_engine_each_socket(sb_plan_engine(plan), check_socket, &c);
    return c.result;
}

/* ---- links ---- */

static uint32_t wanted(const member *m)
{
    if (m->reach || row_of(sb_socket_type(m->sock))->in == SB_XSUB)
        return 1;
    return m->guests < LINKS ? m->guests : LINKS;
}

static void endpoint_of(const member *m, uint32_t mate, char out[NAME_ROOM])
{
    snprintf(out, NAME_ROOM, SB_MESH_PREFIX "%u/%s", (unsigned)mate, m->name);
}

static sb_err link_to(member *m, uint32_t mate)
{
    char endpoint[NAME_ROOM];
    endpoint_of(m, mate, endpoint);
    int fd = m->host->host->connect_fd(m->host->host, endpoint);
    const sb_arrival link = {.endpoint = endpoint, .called = true};
    sb_err err = fd >= 0 ? sb_socket_adopt(m->in, fd, &link, NULL, 0) : SB_EAGAIN;
    m->links[mate] += err == SB_OK;
    return err;
}

static void unlink_from(member *m, uint32_t mate)
{
    char endpoint[NAME_ROOM];
    endpoint_of(m, mate, endpoint);
    m->links[mate]--;
    m->leaving[mate] += sb_socket_unlink(m->in, endpoint) == SB_OK;
}

/* As many links to every mate as there should be; what fails is tried again. */
static void settle(member *m)
{
    uint32_t want = wanted(m);
    bool again = false;
    for (uint32_t mate = 0; m->in != NULL && mate < m->host->workers; mate++) {
        sb_err err = SB_OK;
        if (mate == m->host->me)
            continue;
        while (m->links[mate] < want && err == SB_OK)
            err = link_to(m, mate);
        while (m->links[mate] > want)
            unlink_from(m, mate);
        again |= err != SB_OK && err != SB_ECLOSED;
    }
    if (again)
        sb_timer_start(sb_engine_loop(m->host->engine), &m->retry, sb_engine_now(m->host->engine) + RETRY);
}

static void on_retry(sb_timer *timer)
{
    settle((member *)((char *)timer - offsetof(member, retry)));
}

/* ---- what comes over links ---- */

static member *member_of_in(sb_handler *handler)
{
    return (member *)((char *)handler - offsetof(member, in_handler));
}

/* The routing id is told with its length before it, so that none is the beginning of another. */
static sb_err pass_reached(member *m, sb_peer *peer, sb_msg *msg)
{
    uint8_t id[ID_MAX];
    const sb_frame topic = msg->frames[0];
    if (topic.len < 2 || topic.len > 1 + ID_MAX)
        return SB_EPROTO;
    memcpy(id, topic.data + 1, topic.len - 1);
    sb_msg_remove(msg, 0);
    sb_err err = sb_msg_insert(msg, 0, id, topic.len - 1, NULL);
    return err == SB_OK ? sb_socket_pass(m->sock, peer, msg) : err;
}

static sb_err on_msg(sb_handler *self, sb_socket *in, sb_peer *peer, sb_msg *msg)
{
    member *m = member_of_in(self);
    (void)in;
    return m->reach ? pass_reached(m, peer, msg) : sb_socket_pass(m->sock, peer, msg);
}

static bool is_end(sb_event_kind kind)
{
    return kind == SB_EVENT_DISCONNECTED || kind == SB_EVENT_PEER_REFUSED ||
           kind == SB_EVENT_HANDSHAKE_FAILED_NO_DETAIL || kind == SB_EVENT_HANDSHAKE_FAILED_PROTOCOL ||
           kind == SB_EVENT_HANDSHAKE_FAILED_AUTH;
}

static void on_event(sb_handler *self, sb_socket *in, const sb_event *event)
{
    member *m = member_of_in(self);
    size_t prefix = strlen(SB_MESH_PREFIX);
    (void)in;
    if (!is_end(event->kind) || strncmp(event->endpoint, SB_MESH_PREFIX, prefix) != 0)
        return;
    unsigned long mate = strtoul(event->endpoint + prefix, NULL, 10);
    if (mate >= m->host->workers)
        return;
    if (m->leaving[mate] > 0)
        m->leaving[mate]--;
    else if (m->links[mate] > 0)
        m->links[mate]--;
    /* Not at once: what is served there may not be there yet. */
    sb_timer_start(sb_engine_loop(m->host->engine), &m->retry, sb_engine_now(m->host->engine) + RETRY);
}

static void on_in_closed(sb_handler *self, sb_socket *in)
{
    member *m = member_of_in(self);
    (void)in;
    m->in = NULL;
    sb_timer_stop(sb_engine_loop(m->host->engine), &m->retry);
}

/* ---- what the socket tells ---- */

static void holds(sb_team *self, const uint8_t *key, size_t len, bool on)
{
    member *m = (member *)self;
    uint8_t id[1 + ID_MAX];
    if (m->in == NULL || row_of(sb_socket_type(m->sock))->in != SB_XSUB)
        return;
    if (m->reach) {
        id[0] = (uint8_t)len;
        memcpy(id + 1, key, len);
        key = id;
        len++;
    }
    if (on)
        sb_socket_subscribe(m->in, key, len);
    else
        sb_socket_unsubscribe(m->in, key, len);
}

static void guest(sb_team *self, bool on)
{
    member *m = (member *)self;
    m->guests += on ? 1 : (uint32_t)-1;
    if (m->in != NULL)
        settle(m);
}

static sb_err elsewhere(sb_team *self, const sb_msg *msg)
{
    member *m = (member *)self;
    uint8_t topic[1 + ID_MAX];
    const sb_frame *id = &msg->frames[0];
    sb_msg out;
    if (m->out == NULL || id->len == 0 || id->len > ID_MAX)
        return SB_EHOSTUNREACH;
    topic[0] = (uint8_t)id->len;
    memcpy(topic + 1, id->data, id->len);
    if (!sb_socket_is_subscribed(m->out, topic, id->len + 1))
        return SB_EHOSTUNREACH;
    sb_msg_init(&out);
    sb_err err = sb_msg_push(&out, topic, id->len + 1, NULL);
    for (uint32_t i = 1; err == SB_OK && i < msg->n; i++)
        err = sb_msg_push(&out, msg->frames[i].data, msg->frames[i].len, msg->frames[i].buf);
    if (err == SB_OK)
        err = sb_socket_send(m->out, &out);
    sb_msg_finish(&out);
    return err;
}

static void on_out_writable(sb_handler *self, sb_socket *out)
{
    member *m = (member *)((char *)self - offsetof(member, out_handler));
    (void)out;
    sb_socket_wake(m->sock);
}

static void on_out_closed(sb_handler *self, sb_socket *out)
{
    member *m = (member *)((char *)self - offsetof(member, out_handler));
    (void)out;
    m->out = NULL;
}

/* ---- members ---- */

static void copy_limits(const sb_socket *from, sb_socket *to)
{
    static const sb_opt limits[] = {SB_OPT_SNDHWM, SB_OPT_RCVHWM, SB_OPT_SNDHWM_BYTES, SB_OPT_RCVHWM_BYTES,
        SB_OPT_MAXMSGSIZE, SB_OPT_MAX_FRAMES, SB_OPT_MAX_MESSAGE, SB_OPT_MAX_TOPIC};
    int64_t value;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (sb_socket_get_int(from, limits[i], &value) == SB_OK)
            sb_socket_set_int(to, limits[i], value, NULL, 0);
    sb_socket_set_int(to, SB_OPT_LINGER, 0, NULL, 0);
}

static sb_err open_out(member *m)
{
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "signalbox.reach.%s", sb_socket_name(m->sock));
    sb_err err = sb_socket_create(m->host->engine, SB_PUB, name, &m->out);
    if (err != SB_OK)
        return err;
    copy_limits(m->sock, m->out);
    sb_socket_set_int(m->out, SB_OPT_XPUB_NODROP, 1, NULL, 0);
    m->out_handler = (sb_handler){.on_writable = on_out_writable, .on_closed = on_out_closed};
    sb_socket_set_handler(m->out, &m->out_handler);
    return sb_mesh_serve(m->host->mesh, m->name, name, false);
}

static sb_err open_in(member *m, sb_type type)
{
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "signalbox.team.%s", sb_socket_name(m->sock));
    sb_err err = sb_socket_create(m->host->engine, type, name, &m->in);
    if (err != SB_OK)
        return err;
    copy_limits(m->sock, m->in);
    sb_socket_set_inside(m->in, m->reach ? SB_INSIDE_REACH : SB_INSIDE);
    m->in_handler = (sb_handler){.on_msg = on_msg, .on_event = on_event, .on_closed = on_in_closed};
    sb_socket_set_handler(m->in, &m->in_handler);
    return SB_OK;
}

static sb_err open_member(member *m, const type_row *row)
{
    sb_timer_init(&m->retry, on_retry);
    m->reach = row->reach;
    m->team = (sb_team){.holds = holds, .guest = guest, .elsewhere = elsewhere};
    snprintf(
        m->name, sizeof m->name, "%s%s", row->reach ? SB_MESH_REACH : SB_MESH_TEAM, sb_socket_name(m->sock));
    sb_err err = open_in(m, row->in);
    if (err == SB_OK)
        err =
            row->reach ? open_out(m) : sb_mesh_serve(m->host->mesh, m->name, sb_socket_name(m->sock), false);
    if (err != SB_OK)
        return err;
    sb_socket_set_team(m->sock, &m->team);
    settle(m);
    return SB_OK;
}

/* One without endpoints gets its peers from the host (signalbox_pass). */
static bool is_outward(sb_socket *sock)
{
    ends e = {0};
    sb_socket_each_endpoint(sock, see_end, &e);
    return e.binds || e.connects || !e.inproc;
}

/* The host's own sockets are each worker's, but for the doors that wait for answers of a DEALER's peers:
 * those may come to any worker. */
static bool is_shared(sb_socket *sock)
{
    const char *name = sb_socket_name(sock);
    if (strncmp(name, "signalbox.", strlen("signalbox.")) != 0)
        return is_outward(sock);
    return strncmp(name, "signalbox.request.", strlen("signalbox.request.")) == 0;
}

static bool note_socket(void *arg, sb_socket *sock)
{
    sb_team_host *team = arg;
    const type_row *row = row_of(sb_socket_type(sock));
    if (row == NULL || row->in == SB_PAIR || !is_shared(sock))
        return true;
    member *m = team->n < team->cap ? calloc(1, sizeof *m) : NULL;
    if (m == NULL) {
        team->err = SB_ENOMEM;
        return false;
    }
    m->host = team;
    m->sock = sock;
    team->members[team->n++] = m;
    return true;
}

sb_err sb_team_create(sb_engine *engine, sb_host *host, sb_mesh *mesh, sb_team_host **out)
{
    sb_team_host *team = calloc(1, sizeof *team);
    if (team == NULL)
        return SB_ENOMEM;
    *out = team; /* also when a member fails: the handlers of the others live in here */
    team->engine = engine;
    team->host = host;
    team->mesh = mesh;
    team->me = sb_engine_worker(engine, &team->workers);
    team->cap = sb_engine_sockets(engine);
    team->members = calloc(team->cap + 1, sizeof *team->members);
    if (team->members == NULL)
        return SB_ENOMEM;
    sb_engine_each_socket(engine, note_socket, team);
    for (size_t i = 0; team->err == SB_OK && i < team->n; i++)
        team->err = open_member(team->members[i], row_of(sb_socket_type(team->members[i]->sock)));
    return team->err;
}

void sb_team_destroy(sb_team_host *team)
{
    for (size_t i = 0; team != NULL && i < team->n; i++)
        free(team->members[i]);
    if (team != NULL)
        free(team->members);
    free(team);
}
