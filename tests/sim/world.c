/* Engines and sockets of a world: made, killed, made again; time; weather. */
#include "engine/socket/internal.h"
#include "tests/sim/memory.h"
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

#define SETTLE_STEPS 4000000 /* a large message that arrives octet by octet takes a step for each */
#define PORT         20000

/* ---- weather ---- */

enum { FAIR, TRICKLE, PIECES, GUSTS, DEAF, KINDS };

static uint32_t bit_of(const sim *w, const sb_loop *loop)
{
    for (uint32_t i = 0; i < w->nengines; i++)
        if (w->engines[i].loop == loop)
            return 1u << i;
    return 0;
}

static size_t pass(sb_fake_weather *self, sb_loop *from, sb_loop *to, size_t n)
{
    sim *w = (sim *)((char *)self - offsetof(sim, weather));
    if (from != NULL && from != to && (w->weather.blocked & bit_of(w, from)) != 0)
        return 0;
    if (sim_dice_spent(&w->dice)) /* whose zeros would be one octet at a time, for hours */
        return n;
    switch (w->weather.kind) {
    case TRICKLE:
        return 1 + n / 64;
    case PIECES:
        return 1 + sim_pick(&w->dice, (uint32_t)n);
    case GUSTS:
        return sim_once_in(&w->dice, 3) ? 0 : 1 + sim_pick(&w->dice, (uint32_t)n);
    default:
        return n;
    }
}

static sb_err meet(sb_fake_weather *self, sb_loop *from, sb_loop *to)
{
    sim *w = (sim *)((char *)self - offsetof(sim, weather));
    if (from != to && (w->weather.blocked & (bit_of(w, from) | bit_of(w, to))) != 0)
        return SB_EAGAIN;
    if (w->weather.kind != DEAF)
        return SB_OK;
    static const sb_err answers[] = {SB_OK, SB_EAGAIN, SB_ECONNREFUSED, SB_ETIMEDOUT};
    return answers[sim_pick(&w->dice, 4)];
}

void sim_weather_change(sim *w)
{
    static const size_t limits[] = {256 * 1024, 64, 1000, 40000};
    w->weather.kind = sim_pick(&w->dice, KINDS);
    w->weather.wire = sim_pick(&w->dice, 2);
    w->weather.blocked = sim_once_in(&w->dice, 3) ? sim_pick(&w->dice, 1u << w->nengines) : 0;
    size_t limit = limits[sim_pick(&w->dice, 4)];
    for (uint32_t i = 0; i < w->nengines; i++)
        if (w->engines[i].loop != NULL) {
            sb_fake_limit(w->engines[i].loop, limit);
            sb_fake_set_weather(w->engines[i].loop, &w->weather.base);
        }
    sim_note(w, "weather", w->weather.kind, w->weather.blocked);
}

static void clear_up(sim *w)
{
    w->weather.kind = FAIR;
    w->weather.wire = 0;
    w->weather.blocked = 0;
    for (uint32_t i = 0; i < w->nengines; i++)
        if (w->engines[i].loop != NULL) {
            sb_fake_limit(w->engines[i].loop, 256 * 1024);
            sb_fake_set_weather(w->engines[i].loop, &w->weather.base);
        }
}

/* ---- sockets ---- */

sim_engine *sim_engine_of(const sim *w, const sim_slot *slot)
{
    return (sim_engine *)&w->engines[slot->engine];
}

bool sim_alive(const sim *w, const sim_slot *slot)
{
    return slot->sock != NULL && !slot->leaving && !sim_engine_of(w, slot)->drain.on_drained;
}

static void endpoint_of(const sim_slot *s, uint32_t how, char out[64])
{
    static const char *const formats[SIM_WAYS] = {"tcp://127.0.0.1:%u", "ipc://@sim-%u", "inproc://s-%u",
        "ws://127.0.0.1:%u/s", "tcp://127.0.0.1:%u/s-%u"};
    static const uint32_t bases[SIM_WAYS] = {PORT, 0, 0, PORT + 100, PORT + 200};
    snprintf(out, 64, formats[how], bases[how] + (how == SIM_SERVICE ? s->engine : s->index), s->index);
}

static bool bind_all(sim_slot *s)
{
    char endpoint[64];
    for (uint32_t how = 0; how < SIM_WAYS; how++) {
        if (how == SIM_SERVICE && s->world->mechanism != SB_MECHANISM_NULL && s->role != SIM_SERVES)
            continue; /* who shares a port lets everybody in alike */
        endpoint_of(s, how, endpoint);
        if (s->ways[how] && sb_socket_bind(s->sock, endpoint, NULL, 0) != SB_OK)
            return false;
    }
    return true;
}

static void route_all(sim_slot *from, sim_slot *to)
{
    sb_route_row row = {.action = SB_ROUTE_TO, .to = {to->sock}, .nto = 1};
    sb_route *route;
    if (from->sock != NULL && sb_route_create(&row, 1, NULL, 0, &route) == SB_OK)
        sb_socket_set_route(from->sock, route);
}

/* Both halves of a relay live in one engine; the second that is made joins them. */
static void join_relay(sim *w, sim_slot *s)
{
    sim_slot *front = s->relay == SIM_RELAY_FRONT ? s : &w->slots[s->index - 1], *back = front + 1;
    if (front->sock == NULL || back->sock == NULL)
        return;
    route_all(front, back);
    if (front->type == SB_ROUTER)
        sb_socket_set_hops(back->sock, 1);
    if (front->type == SB_ROUTER || front->type == SB_XSUB)
        route_all(back, front); /* answers, subscriptions */
}

static void subscribe_some(sim *w, sim_slot *s)
{
    static const char *const topics[] = {"", "a", "ab", "b"};
    const char *topic = s->relay != SIM_RELAY_NONE ? "" : topics[sim_pick(&w->dice, 4)];
    if (s->type == SB_DISH)
        sb_socket_join(s->sock, topic, strlen(topic));
    else
        sb_socket_subscribe(s->sock, topic, strlen(topic));
}

void sim_open(sim *w, sim_slot *s)
{
    char name[16];
    sim_engine *e = sim_engine_of(w, s);
    if (s->sock != NULL || e->engine == NULL || e->drain.on_drained != NULL)
        return;
    snprintf(name, sizeof name, "slot-%u", s->index);
    if (sb_socket_create(e->engine, s->type, name, &s->sock) != SB_OK) {
        s->sock = NULL;
        return;
    }
    s->life++;
    s->leaving = s->stopped = s->owes = s->kicked = false;
    s->nasked = 0;
    s->next_seq = 0;
    s->accepted = s->delivered = s->told = s->wire_sent = s->wire_got = 0;
    sim_handler_init(s);
    if (!sim_set_options(s) || !(s->type == SB_DGRAM ? sim_wire_open(s) : bind_all(s))) {
        s->leaving = true;
        sb_socket_close(s->sock);
        return;
    }
    if (s->relay != SIM_RELAY_NONE)
        join_relay(w, s);
    if (s->type == SB_SUB || s->type == SB_XSUB || s->type == SB_DISH)
        subscribe_some(w, s);
    sim_keep_some(w);
    sim_note(w, "open", s->index, s->life);
}

/* A connect to this endpoint is there, or still ending: two at a time would be hard to tell apart. */
static bool is_there(const sb_socket *sock, const char *endpoint)
{
    SB_LIST_EACH(n, &sock->bindings)
    {
        const sb__binding *b = SB_LIST_ENTRY(n, sb__binding, node);
        if (!b->bind && strcmp(b->given, endpoint) == 0)
            return true;
    }
    return false;
}

void sim_join(sim *w, sim_link *link)
{
    sim_slot *from = &w->slots[link->from];
    char endpoint[64];
    if (!sim_alive(w, from) || (link->life == from->life && !from->kicked))
        return;
    endpoint_of(&w->slots[link->to], link->how, endpoint);
    if (is_there(from->sock, endpoint))
        return;
    if (sb_socket_connect(from->sock, endpoint, NULL, 0) == SB_OK)
        link->life = from->life;
    sim_note(w, "connect", link->from, link->to);
}

void sim_part(sim *w, sim_link *link)
{
    sim_slot *from = &w->slots[link->from];
    char endpoint[64];
    if (!sim_alive(w, from) || link->life != from->life)
        return;
    endpoint_of(&w->slots[link->to], link->how, endpoint);
    if (sb_socket_disconnect(from->sock, endpoint) == SB_OK)
        link->life = 0;
    w->parted = true;
    sim_note(w, "disconnect", link->from, link->to);
}

/* Who kicks what it is connected to does not connect again by itself, and over inproc nor does the other
 * side. */
void sim_kick(sim *w, sim_slot *s, sb_peer *peer)
{
    char endpoint[64];
    if (sb_peer_address(peer)[0] == '\0' || sb_peer_kick(peer, "sim") != SB_OK)
        return;
    w->parted = true;
    s->kicked |= peer->dialed;
    for (uint32_t i = 0; i < w->nlinks && !peer->dialed; i++) {
        sim_link *l = &w->links[i];
        endpoint_of(&w->slots[l->to], l->how, endpoint);
        if (l->how == SIM_INPROC && strcmp(endpoint, sb_peer_address(peer)) == 0)
            sim_part(w, l);
    }
}

/* ---- engines ---- */

static void on_drained(sb_drain *drain, const sb_drain_report *report)
{
    sim_engine *e = (sim_engine *)((char *)drain - offsetof(sim_engine, drain));
    (void)report;
    e->drained = true;
}

void sim_drain(sim *w, uint32_t i)
{
    sim_engine *e = &w->engines[i];
    if (e->engine == NULL || e->drain.on_drained != NULL)
        return;
    e->drain.on_drained = on_drained;
    w->parted = true;
    sim_note(w, "drain", i, 0);
    if (sb_engine_drain(e->engine, sim_pick(&w->dice, 3000) * SB_NS_PER_MS, &e->drain) != SB_OK)
        e->drained = true;
}

void sim_revive(sim *w, uint32_t i)
{
    sim_engine *e = &w->engines[i];
    if (e->engine != NULL)
        return;
    sim_memory_refuse(1, 0);
    *e = (sim_engine){0};
    sb_engine_config cfg = {.max_queued = w->broken == SIM_BUDGET ? 0 : w->budget};
    if (sb_fake_create_beside(w->ground, &e->loop) != SB_OK)
        sim_fail(w, SIM_HARNESS, "no loop");
    cfg.loop = e->loop;
    if (sb_engine_create(&cfg, NULL, 0, &e->engine) != SB_OK)
        sim_fail(w, SIM_HARNESS, "no engine");
    e->engine->hub.random = sim_pick(&w->dice, UINT32_MAX) | 1; /* else it depends on an address */
    sb_fake_set_weather(e->loop, &w->weather.base);
    sb_fake_set_kernel(e->loop, w->kernel);
    sim_doorman_init(w, e);
    sim_note(w, "engine", i, 0);
    for (uint32_t k = 0; k < w->nslots; k++)
        if (w->slots[k].engine == i)
            sim_open(w, &w->slots[k]);
    for (uint32_t k = 0; k < w->nlinks; k++)
        if (w->slots[w->links[k].from].engine == i)
            sim_join(w, &w->links[k]);
}

static void check_closed(sim *w, uint32_t i)
{
    for (uint32_t k = 0; k < w->nslots; k++)
        if (w->slots[k].engine == i && w->slots[k].sock != NULL)
            sim_fail(w, SIM_CONTRACT, "slot %u was not told that its socket is closed", k);
}

void sim_kill(sim *w, uint32_t i)
{
    sim_engine *e = &w->engines[i];
    sb_stream *st;
    if (e->engine == NULL)
        return;
    sim_note(w, "kill", i, 0);
    w->parted = true;
    for (size_t n = 0; (st = sb_fake_stream(e->loop, n)) != NULL; n++)
        if (sim_once_in(&w->dice, 2))
            sb_fake_break(st, SB_ECONNRESET);
    sb_engine_destroy(e->engine);
    e->engine = NULL;
    check_closed(w, i);
    sim_wire_check_closed(w, i);
    if (sb_fake_complaint(e->loop) != NULL)
        sim_fail(w, SIM_CONTRACT, "engine %u: %s", i, sb_fake_complaint(e->loop));
    sb_loop_destroy(e->loop);
    *e = (sim_engine){0};
}

/* ---- time ---- */

static void bury_drained(sim *w)
{
    for (uint32_t i = 0; i < w->nengines; i++)
        if (w->engines[i].drained)
            sim_kill(w, i);
}

void sim_settle(sim *w)
{
    bool busy = true;
    for (uint32_t steps = 0; busy; steps++) {
        busy = w->broken == SIM_QUIET;
        if (steps == SETTLE_STEPS)
            sim_fail(w, SIM_QUIET, "never gets quiet");
        for (uint32_t i = 0; i < w->nengines; i++) {
            sim_engine *e = &w->engines[i];
            if (e->engine == NULL || sb_engine_timeout(e->engine) != 0)
                continue;
            sb_engine_step(e->engine);
            busy = true;
        }
    }
    bury_drained(w);
}

void sim_pass_time(sim *w, uint64_t ns)
{
    sb_fake_advance(w->ground, ns);
    sim_wire_time();
    for (uint32_t i = 0; i < w->nengines; i++)
        if (w->engines[i].loop != NULL) {
            sb_fake_advance(w->engines[i].loop, ns);
            sb_engine_step(w->engines[i].engine);
        }
}

static bool resume_peer(void *arg, sb_peer *peer)
{
    (void)arg;
    while (peer->pauses > 1)
        sb_peer_resume(peer);
    if (peer->pauses == 1)
        sb_peer_resume(peer); /* may free it */
    return true;
}

void sim_calm(sim *w)
{
    sim_memory_refuse(1, 0);
    clear_up(w);
    for (uint32_t i = 0; i < SIM_RAWS; i++) {
        sb_fake_raw_close(w->raw[i], SB_OK);
        w->raw[i] = NULL;
        w->raw_spoilt[i] = false;
    }
    for (uint32_t i = 0; i < w->nengines; i++) {
        sim_revive(w, i);
        sim_doorman_answers(&w->engines[i]);
    }
    for (uint32_t i = 0; i < w->nslots; i++) {
        sim_slot *s = &w->slots[i];
        sim_open(w, s);
        if (s->sock == NULL)
            continue;
        if (s->type == SB_DGRAM && sim_alive(w, s) && sb_list_empty(&s->sock->bindings))
            sim_wire_open(s); /* its endpoint was kicked */
        sim_answer_subscribers(w, s);
        sb_socket_each_peer(s->sock, resume_peer, NULL);
        if (s->stopped && w->broken != SIM_STUCK)
            sb_socket_resume(
                s->sock); /* only where it is due: it would wake what had gone to sleep for good */
        s->stopped = w->broken == SIM_STUCK && s->stopped;
    }
    for (uint32_t i = 0; i < w->nlinks; i++)
        sim_join(w, &w->links[i]);
}

void sim_world_create(sim *w)
{
    static const uint64_t budgets[] = {0, 0, 3000, 100000};
    w->baseline = sim_memory_blocks();
    w->weather.base = (sb_fake_weather){.pass = pass, .meet = meet};
    sim_wire_begin(w);
    if (sb_fake_create(&w->ground) != SB_OK)
        sim_fail(w, SIM_HARNESS, "no ground");
    w->nengines = sim_between(&w->dice, 1, SIM_ENGINES);
    w->budget = budgets[sim_pick(&w->dice, 4)];
    w->small = sim_once_in(&w->dice, 3); /* where limits in octets are near */
    w->largest = 400;                    /* strangers' */
    sim_plan(w);
    for (uint32_t i = 0; i < w->nengines; i++)
        sim_revive(w, i);
}

void sim_world_destroy(sim *w)
{
    for (uint32_t i = 0; i < w->nengines; i++)
        sim_kill(w, i);
    sb_loop_destroy(w->ground);
    if (sim_memory_blocks() != w->baseline)
        sim_fail(
            w, SIM_LEAK, "%lld blocks are held at the end", (long long)(sim_memory_blocks() - w->baseline));
}
