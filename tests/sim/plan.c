/* The plan of a world: which sockets there are, with which options, and who connects to whom. */
#include "engine/session.h"
#include "tests/sim/sim.h"

/* DGRAM has no connections: plan_wires. */
static const sb_type types[] = {SB_PUSH, SB_PULL, SB_DEALER, SB_ROUTER, SB_REQ, SB_REP, SB_PUB, SB_SUB,
    SB_XPUB, SB_XSUB, SB_PAIR, SB_SERVER, SB_CLIENT, SB_RADIO, SB_DISH, SB_SCATTER, SB_GATHER, SB_PEER,
    SB_CHANNEL, SB_STREAM};
#define TYPES (sizeof types / sizeof types[0])

static sb_type pick_type(sim *w)
{
    sb_type type = types[sim_pick(&w->dice, TYPES)];
    if (w->nslots == 0 || sim_once_in(&w->dice, 3))
        return type;
    uint32_t fits = sb_type_peers(w->slots[sim_pick(&w->dice, w->nslots)].type); /* somebody to talk to */
    uint32_t i = sim_pick(&w->dice, TYPES);
    for (uint32_t k = 0; k < TYPES && (fits & SB_TYPE_BIT(types[i])) == 0; k++)
        i = (i + 1) % TYPES;
    return types[i];
}

static int pick_hwm(sim *w)
{
    static const int hwms[] = {0, 1, 2, 3, 10, 100, 1000};
    return hwms[sim_pick(&w->dice, 7)];
}

/* What happens to messages that are too many or too old. What does not apply to a type is refused later. */
static void plan_overload(sim_slot *s, sim_dice *d)
{
    static const int ttls[] = {5, 50, 400};
    s->on_full = sim_once_in(d, 3) ? (int)sim_pick(d, SB_ON_FULL_DISCONNECT + 1) : SB_ON_FULL_DEFAULT;
    s->ttl = sim_once_in(d, 8) ? ttls[sim_pick(d, 3)] : 0;
    s->conflate = sim_once_in(d, 12);
    s->conflate_key = sim_once_in(d, 10);
}

static void plan_ways(sim_slot *s, sim_dice *d)
{
    s->ways[SIM_TCP] = true;
    s->ways[SIM_IPC] = sim_once_in(d, 2);
    s->ways[SIM_INPROC] = sim_once_in(d, 2);
    s->ways[SIM_WS] = sim_once_in(d, 2) && s->type != SB_STREAM;
    s->ways[SIM_SERVICE] = sim_once_in(d, 2) && s->type != SB_STREAM;
}

static sim_slot *plan_slot(sim *w, sb_type type, sim_relay relay)
{
    static const uint32_t publishers = SB_TYPE_BIT(SB_PUB) | SB_TYPE_BIT(SB_XPUB) | SB_TYPE_BIT(SB_RADIO);
    sim_slot *s = &w->slots[w->nslots];
    sim_dice *d = &w->dice;
    *s = (sim_slot){.world = w, .index = (uint8_t)w->nslots++, .type = type, .relay = relay};
    s->engine = relay == SIM_RELAY_BACK ? s[-1].engine : (uint8_t)sim_pick(d, w->nengines);
    s->hwm_out = pick_hwm(w);
    s->hwm_in = pick_hwm(w);
    s->hwm_bytes = sim_once_in(d, 4) ? 2000 : 0;
    s->heartbeat = sim_once_in(d, 4) ? 300 : 0;
    s->reconnect = sim_once_in(d, 2) ? 10 : 100;
    s->immediate = sim_once_in(d, 4);
    s->named = sim_once_in(d, 3) && (type == SB_DEALER || type == SB_ROUTER || type == SB_REQ);
    s->mandatory = sim_once_in(d, 3) && relay == SIM_RELAY_NONE;
    s->handover = sim_once_in(d, 4);
    s->nodrop = sim_once_in(d, 3);
    s->relaxed = sim_once_in(d, 2);
    s->correlate = sim_once_in(d, 2);
    s->rewrites = sim_once_in(d, 3) && (SB_TYPE_BIT(type) & publishers) != 0;
    plan_ways(s, d);
    s->polled = sim_once_in(d, 5) && relay == SIM_RELAY_NONE && type != SB_REP;
    plan_overload(s, d);
    if (w->spiced)
        sim_plan_extras(s, d);
    return s;
}

static void plan_slots(sim *w)
{
    static const sb_type relays[][2] = {
        {SB_PULL, SB_PUSH}, {SB_ROUTER, SB_DEALER}, {SB_XSUB, SB_XPUB}, {SB_GATHER, SB_SCATTER}};
    uint32_t want = sim_between(&w->dice, 2, SIM_SLOTS - SIM_WIRES - 1);
    while (w->nslots < want) {
        if (!sim_once_in(&w->dice, 6)) {
            plan_slot(w, pick_type(w), SIM_RELAY_NONE);
            continue;
        }
        const sb_type *pair = relays[sim_pick(&w->dice, 4)];
        plan_slot(w, pair[0], SIM_RELAY_FRONT);
        plan_slot(w, pair[1], SIM_RELAY_BACK);
    }
}

/* Each has a port, or sends to the one of another and gets one of the kernel's. */
static void plan_wires(sim *w)
{
    uint32_t n = sim_once_in(&w->dice, 4) ? sim_between(&w->dice, 1, SIM_WIRES) : 0, first = w->nslots;
    for (uint32_t i = 0; i < n; i++) {
        sim_slot *s = plan_slot(w, SB_DGRAM, SIM_RELAY_NONE);
        s->wire_to = (uint8_t)(i > 0 && sim_once_in(&w->dice, 3) ? first : s->index);
    }
}

static bool is_exclusive(const sim_slot *s)
{
    return s->type == SB_PAIR || s->type == SB_CHANNEL;
}

static bool has_role(const sim *w, const sim_slot *s)
{
    return w->mechanism != SB_MECHANISM_NULL && s->type != SB_STREAM;
}

/* With a mechanism a socket is one side of it. */
static bool fits_role(const sim *w, const sim_slot *from, const sim_slot *to)
{
    return !has_role(w, from) || (from->role != SIM_SERVES && to->role != SIM_CALLS);
}

static bool may_link(const sim *w, const sim_slot *from, const sim_slot *to)
{
    if (from->type == SB_DGRAM || from == to || (sb_type_peers(from->type) & SB_TYPE_BIT(to->type)) == 0)
        return false;
    if (from->relay != SIM_RELAY_NONE && to->relay != SIM_RELAY_NONE)
        return false; /* rings of relays never get quiet */
    for (uint32_t i = 0; i < w->nlinks; i++) {
        const sim_link *l = &w->links[i];
        bool pair = is_exclusive(from) && (l->from == from->index || l->to == from->index ||
                                              l->from == to->index || l->to == to->index);
        bool same =
            (l->from == from->index && l->to == to->index) || (l->from == to->index && l->to == from->index);
        if (pair || same)
            return false;
    }
    return true;
}

static sim_way pick_way(sim *w, const sim_slot *from, const sim_slot *to)
{
    sim_way how = sim_pick(&w->dice, SIM_WAYS);
    bool octets = from->type == SB_STREAM && how != SIM_IPC, apart = from->engine != to->engine;
    return !to->ways[how] || octets || (how == SIM_INPROC && apart) ? SIM_TCP : how;
}

static void plan_link(sim *w)
{
    sim_slot *from = &w->slots[sim_pick(&w->dice, w->nslots)], *to = &w->slots[sim_pick(&w->dice, w->nslots)];
    sim_way how = pick_way(w, from, to);
    if (!may_link(w, from, to) || w->nlinks == SIM_LINKS)
        return;
    if (how != SIM_INPROC && !fits_role(w, from, to))
        return;
    if (how != SIM_INPROC && has_role(w, from)) {
        from->role = SIM_CALLS;
        to->role = SIM_SERVES;
    }
    w->links[w->nlinks++] = (sim_link){.from = from->index, .to = to->index, .how = (uint8_t)how};
    from->fed |= to->relay != SIM_RELAY_NONE;
    to->fed |= from->relay != SIM_RELAY_NONE;
    from->delimits |= from->type == SB_DEALER && to->type == SB_REP;
    to->delimits |= to->type == SB_DEALER && from->type == SB_REP;
}

uint32_t sim_links_of(const sim *w, const sim_slot *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->nlinks; i++)
        n += w->links[i].from == s->index || w->links[i].to == s->index;
    return n;
}

static bool dead_end(const sim *w, uint32_t slot)
{
    const sim_slot *s = &w->slots[slot];
    return s->relay != SIM_RELAY_NONE && sim_links_of(w, s->relay == SIM_RELAY_FRONT ? s + 1 : s - 1) == 0;
}

/* A relay with nobody on its other side waits for ever, and its peers with it. */
static void drop_dead_ends(sim *w)
{
    uint32_t i = 0;
    while (i < w->nlinks)
        if (dead_end(w, w->links[i].from) || dead_end(w, w->links[i].to)) {
            w->links[i] = w->links[--w->nlinks];
            i = 0;
        } else {
            i++;
        }
}

/* A question or an answer of another form ends its connection, each time anew. */
static void drop_greetings(sim *w)
{
    static const sb_opt greetings[] = {
        SB_OPT_HELLO_MSG, SB_OPT_PROBE_ROUTER, SB_OPT_ROUTER_NOTIFY, SB_OPT_RETAIN_LAST};
    for (uint32_t i = 0; i < w->nslots; i++) /* the same, where they fill a queue */
        for (uint32_t k = 0; k < w->nslots * 4 && w->slots[i].on_full == SB_ON_FULL_DISCONNECT; k++)
            sim_drop_extra(&w->slots[k / 4], greetings[k % 4]);
    for (uint32_t i = 0; i < w->nlinks; i++) {
        sim_slot *ends[] = {&w->slots[w->links[i].from], &w->slots[w->links[i].to]};
        for (uint32_t k = 0; k < 4; k++)
            if (ends[k / 2]->type == SB_REQ || ends[k / 2]->type == SB_REP)
                sim_drop_extra(ends[1 - k / 2], greetings[k % 2]);
    }
}

/* What is retained, or asked again, and too large for its receiver ends its connection, each time anew. */
static void drop_sizes(sim *w)
{
    static const sb_opt sizes[] = {SB_OPT_MAXMSGSIZE, SB_OPT_MAX_FRAMES, SB_OPT_MAX_MESSAGE};
    bool repeats = false;
    for (uint32_t i = 0; i < w->nslots; i++)
        repeats |= sim_has(&w->slots[i], SB_OPT_RETAIN_LAST) || sim_has(&w->slots[i], SB_OPT_REQ_RESEND);
    for (uint32_t i = 0; i < w->nslots * 3 && repeats; i++)
        sim_drop_extra(&w->slots[i / 3], sizes[i % 3]);
}

void sim_plan(sim *w)
{
    static const sb_mechanism mechanisms[] = {
        SB_MECHANISM_NULL, SB_MECHANISM_NULL, SB_MECHANISM_NULL, SB_MECHANISM_PLAIN, SB_MECHANISM_CURVE};
    w->mechanism = mechanisms[sim_pick(&w->dice, 5)];
    w->asks = w->mechanism != SB_MECHANISM_NULL || sim_once_in(&w->dice, 4);
    w->spiced = sim_once_in(&w->dice, 2);
    plan_slots(w);
    plan_wires(w);
    for (uint32_t i = 0; i < 40; i++)
        plan_link(w);
    drop_dead_ends(w);
    drop_greetings(w);
    drop_sizes(w);
}
