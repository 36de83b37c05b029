/* What may happen in a world, and how often. */
#include "engine/socket/internal.h"
#include "engine/wire/greeting.h"
#include "tests/sim/memory.h"
#include "tests/sim/sim.h"

#include <netinet/in.h>

static sim_slot *any_slot(sim *w)
{
    return &w->slots[sim_pick(&w->dice, w->nslots)];
}

static void act_send(sim *w)
{
    sim_slot *s = any_slot(w);
    if (!sim_sends(s) || !sim_alive(w, s))
        return;
    for (uint32_t n = 1 + sim_pick(&w->dice, sim_once_in(&w->dice, 6) ? 60 : 4); n > 0 && sim_alive(w, s);
         n--)
        sim_send(w, s);
}

static void act_step(sim *w)
{
    sim_engine *e = &w->engines[sim_pick(&w->dice, w->nengines)];
    if (e->engine != NULL)
        sb_engine_step(e->engine);
}

static void act_settle(sim *w)
{
    sim_settle(w);
    sim_check(w);
}

static void act_wait(sim *w)
{
    static const uint64_t waits[] = {1, 10, 100, 350, 2000, 31000};
    sim_pass_time(w, waits[sim_pick(&w->dice, 6)] * SB_NS_PER_MS);
    act_settle(w);
}

static void act_weather(sim *w)
{
    sim_weather_change(w);
}

static void act_break(sim *w)
{
    sim_engine *e = &w->engines[sim_pick(&w->dice, w->nengines)];
    sb_stream *st = e->loop != NULL ? sb_fake_stream(e->loop, sim_pick(&w->dice, 8)) : NULL;
    if (st == NULL)
        return;
    static const sb_err whys[] = {SB_ECONNRESET, SB_ETIMEDOUT, SB_EIO};
    sb_fake_break(st, whys[sim_pick(&w->dice, 3)]);
    w->parted = true;
    sim_note(w, "break", 0, 0);
}

static void act_kill(sim *w)
{
    sim_kill(w, sim_pick(&w->dice, w->nengines));
}

static void act_revive(sim *w)
{
    sim_revive(w, sim_pick(&w->dice, w->nengines));
}

static void act_drain(sim *w)
{
    sim_drain(w, sim_pick(&w->dice, w->nengines));
}

static void act_consume(sim *w)
{
    sim_slot *s = any_slot(w);
    if (!sim_alive(w, s))
        return;
    if (s->polled)
        sim_poll(w, s, 1 + sim_pick(&w->dice, 20));
    else if (s->owes)
        sim_answer(w, s);
    else if (s->stopped) {
        s->stopped = false;
        sb_socket_resume(s->sock);
    }
}

static void act_stop(sim *w)
{
    any_slot(w)->stopped = true;
}

static void act_subscribe(sim *w)
{
    static const char *const topics[] = {"", "a", "ab", "b", "bab"};
    sim_slot *s = any_slot(w);
    const char *topic = topics[sim_pick(&w->dice, 5)];
    if (!sim_alive(w, s) || s->relay != SIM_RELAY_NONE)
        return;
    bool on = sim_once_in(&w->dice, 2);
    if (s->type == SB_DISH)
        (on ? sb_socket_join : sb_socket_leave)(s->sock, topic, strlen(topic));
    else
        (on ? sb_socket_subscribe : sb_socket_unsubscribe)(s->sock, topic, strlen(topic));
}

static void act_answer_door(sim *w)
{
    sim_engine *e = &w->engines[sim_pick(&w->dice, w->nengines)];
    if (e->engine != NULL)
        sim_doorman_answers(e);
}

static void act_answer_subscribers(sim *w)
{
    sim_answer_subscribers(w, any_slot(w));
}

static void act_close(sim *w)
{
    sim_slot *s = any_slot(w);
    if (!sim_alive(w, s) || s->relay != SIM_RELAY_NONE)
        return;
    sim_note(w, "close", s->index, 0);
    s->leaving = w->parted = true;
    sb_socket_close(s->sock);
}

static void act_open(sim *w)
{
    sim_slot *s = any_slot(w);
    sim_open(w, s);
    for (uint32_t i = 0; i < w->nlinks; i++)
        if (w->links[i].from == s->index)
            sim_join(w, &w->links[i]);
}

static void act_link(sim *w)
{
    if (w->nlinks > 0)
        sim_join(w, &w->links[sim_pick(&w->dice, w->nlinks)]);
}

static void act_part(sim *w)
{
    if (w->nlinks > 0)
        sim_part(w, &w->links[sim_pick(&w->dice, w->nlinks)]);
}

static void act_refuse_memory(sim *w)
{
    uint64_t nth = 1 + sim_pick(&w->dice, 200), times = 1 + sim_pick(&w->dice, 3);
    if (w->torture)
        return; /* one at a time */
    sim_memory_refuse(nth, times);
    w->refused = w->parted = true; /* a connection may be what it costs */
    sim_note(w, "memory", 0, 0);
}

/* ---- strangers ---- */

static sb_fake_raw *raw_at(sim *w, uint32_t i)
{
    sim_slot *s = any_slot(w);
    sb_addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&addr.ss;
    sb_socket *sock = s->sock;
    const char *colon = sock != NULL ? strrchr(sb_socket_last_endpoint(sock), ':') : NULL;
    if (w->raw[i] != NULL || colon == NULL || s->type == SB_STREAM) /* which would take anything */
        return w->raw[i];
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)(20000 + s->index));
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (sb_fake_connect_raw(w->ground, &addr, &w->raw[i]) != SB_OK)
        w->raw[i] = NULL;
    return w->raw[i];
}

static size_t hello_of(sim *w, uint8_t *out)
{
    static const char *const names[] = {"DEALER", "REQ", "SUB", "PUSH", "PUB", "PAIR", "ROUTER", "NOTHING"};
    const char *type = names[sim_pick(&w->dice, 8)];
    size_t len = strlen(type), body = 6 + 12 + 4 + len;
    sb__greeting_put(out, "NULL", false);
    out[64] = 4;
    out[65] = (uint8_t)body;
    memcpy(out + 66, "\5READY\13Socket-Type\0\0\0", 21);
    out[87] = (uint8_t)len;
    memcpy(out + 88, type, len);
    return 88 + len;
}

/* The same of ZMTP 2.0: signature, revision, type by number, an empty identity. */
static size_t old_hello_of(sim *w, uint8_t *out)
{
    memcpy(out, "\377\0\0\0\0\0\0\0\1\177\1\0\0\0", 14);
    out[11] = (uint8_t)sim_pick(&w->dice, 10);
    return 14;
}

static size_t nonsense_of(sim *w, uint8_t *out)
{
    static const uint8_t huge[] = "\1\3abc\2\377\377\377\377\377\377\377\377";
    size_t len = sim_pick(&w->dice, 400);
    if (sim_once_in(&w->dice, 2)) {
        memcpy(out, huge, sizeof huge - 1);
        return len < sizeof huge - 1 ? len : sizeof huge - 1;
    }
    for (size_t k = 0; k < len; k++)
        out[k] = (uint8_t)(0xf8 | sim_pick(&w->dice, 256)); /* flags that no frame has */
    return len;
}

/* A good beginning, or none, then nonsense that is no message, then an end. */
static void act_raw(sim *w)
{
    uint32_t i = sim_pick(&w->dice, SIM_RAWS), kind = sim_pick(&w->dice, 6);
    sb_fake_raw *raw = raw_at(w, i);
    uint8_t block[400];
    size_t len = 0;
    if (raw == NULL)
        return;
    w->raws = true;
    if (kind == 5 || w->raw_spoilt[i]) {
        sb_fake_raw_close(raw, sim_once_in(&w->dice, 2) ? SB_OK : SB_ECONNRESET);
        w->raw[i] = NULL;
        w->raw_spoilt[i] = false;
        return;
    }
    if (kind < 3)
        len = kind == 2 ? old_hello_of(w, block) : hello_of(w, block);
    else
        len = nonsense_of(w, block);
    size_t whole = len;
    if (kind < 3 && sim_once_in(&w->dice, 3))
        len = sim_pick(&w->dice, (uint32_t)len);
    w->raw_spoilt[i] = kind >= 3 || len < whole;
    sb_fake_raw_write(raw, block, len);
    while (sb_fake_raw_read(raw, block, sizeof block) > 0)
        ;
}

/* ---- the table ---- */

typedef struct act {
    void (*run)(sim *w);
    uint32_t weight;
} act;

static const act acts[] = {
    {act_send, 120},
    {act_step, 60},
    {act_settle, 50},
    {act_consume, 60},
    {act_wait, 12},
    {act_stop, 6},
    {act_subscribe, 6},
    {act_answer_door, 4},
    {act_answer_subscribers, 4},
    {act_weather, 6},
    {act_raw, 6},
    {act_break, 4},
    {act_link, 3},
    {act_part, 2},
    {act_open, 6},
    {act_close, 2},
    {act_refuse_memory, 2},
    {act_kill, 1},
    {act_revive, 3},
    {act_drain, 1},
};

void sim_act(sim *w)
{
    uint32_t sum = 0, i = 0;
    for (size_t k = 0; k < sizeof acts / sizeof acts[0]; k++)
        sum += acts[k].weight;
    uint32_t at = sim_pick(&w->dice, sum);
    while (at >= acts[i].weight)
        at -= acts[i++].weight;
    acts[i].run(w);
}
