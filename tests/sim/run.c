/* A run: a world, a schedule, a long calm, and nothing left. */
#include "tests/sim/memory.h"
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CALM_STEPS 400
#define CALM_STEP  (500 * SB_NS_PER_MS)

static sim world; /* large */

/* Everything else that the same run needs. */
static void say_again(const sim *w)
{
    fprintf(stderr, "\nsim: see it again with: build/tests/simulator --trace");
    if (w->refuse != 0)
        fprintf(stderr, " --refuse %llu", (unsigned long long)w->refuse);
    if (w->broken != SIM_HARNESS)
        fprintf(stderr, " --broken %s", sim_promise_name(w->broken));
    fprintf(stderr, " %llu %llu %u\n", (unsigned long long)w->seed, (unsigned long long)w->seed, w->steps);
}

void sim_fail(sim *w, sim_promise promise, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "sim: %s: seed=%llu step=%u: ", sim_promise_name(promise), (unsigned long long)w->seed,
        w->step);
    vfprintf(stderr, fmt, args);
    va_end(args);
    say_again(w);
    abort();
}

void sim_note(sim *w, const char *what, uint64_t a, uint64_t b)
{
    for (const char *p = what; *p != '\0'; p++)
        w->print = (w->print ^ (uint8_t)*p) * 0x100000001b3ull;
    w->print = (w->print ^ a) * 0x100000001b3ull;
    w->print = (w->print ^ b) * 0x100000001b3ull;
    w->print += sim_breaks(w, SIM_REPLAY, 2) ? w->serial : 0;
    if (w->trace)
        fprintf(stderr, "%5u %-28s %llu %llu\n", w->step, what, (unsigned long long)a, (unsigned long long)b);
}

/* The plan, for the reader of a trace. */
static void show(const sim *w)
{
    static const char *const relays[] = {"", " front", " back"};
    for (uint32_t i = 0; i < w->nslots; i++) {
        const sim_slot *s = &w->slots[i];
        fprintf(stderr, "slot %u: %s%s on engine %u, hwm %d %d %d%s%s%s%s\n", i, sb_type_name(s->type),
            relays[s->relay], s->engine, s->hwm_out, s->hwm_in, s->hwm_bytes, s->polled ? " polled" : "",
            s->named ? " named" : "", s->immediate ? " immediate" : "",
            s->mandatory  ? " mandatory"
            : s->rewrites ? " rewrites"
                          : "");
        fprintf(stderr, "        mechanism %s, on_full %d, ttl %d%s%s\n",
            s->role == SIM_ANY ? "NULL" : sb_mechanism_name(w->mechanism), s->on_full, s->ttl,
            s->conflate ? ", conflates" : "", s->conflate_key ? ", by key" : "");
        sim_show_extras(s);
    }
    for (uint32_t i = 0; i < w->nlinks; i++)
        fprintf(stderr, "link %u: %u to %u over %u\n", i, w->links[i].from, w->links[i].to, w->links[i].how);
}

/* Everybody takes what there is and answers what was asked. */
static void serve(sim *w)
{
    for (uint32_t i = 0; i < w->nslots; i++) {
        sim_slot *s = &w->slots[i];
        if (!sim_alive(w, s))
            continue;
        if (s->stopped && w->broken != SIM_STUCK) {
            s->stopped = false;
            sb_socket_resume(s->sock);
        }
        if (s->polled)
            sim_poll(w, s, 2000);
        if (s->owes)
            sim_answer(w, s);
    }
}

static uint64_t fetched(const sim *w)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < w->nslots; i++)
        n += w->slots[i].polled ? w->slots[i].delivered : 0;
    return n;
}

/* Who fetches messages goes on while there are any: whoever sent them waits for it no longer than that. */
static void serve_all(sim *w)
{
    uint64_t before = UINT64_MAX;
    for (uint32_t i = 0; i < 200 && before != fetched(w); i++) {
        before = fetched(w);
        serve(w);
        sim_settle(w);
    }
}

static void rest(sim *w)
{
    for (uint32_t i = 0; i < CALM_STEPS; i++) {
        sim_calm(w);
        sim_pass_time(w, CALM_STEP);
        sim_settle(w);
        serve_all(w);
        if (i % 20 == 0)
            sim_check(w);
    }
}

static void begin(sim *w, const sim_order *o)
{
    static uint32_t serial;
    memset(w, 0, sizeof *w);
    w->seed = o->seed;
    w->dice = o->dice;
    w->trace = o->trace;
    w->steps = o->steps;
    w->refuse = o->refuse;
    w->broken = o->broken;
    w->mischief = sim_dice_seeded(o->seed);
    w->serial = ++serial;
    w->print = 0xcbf29ce484222325ull;
}

uint64_t sim_run(const sim_order *order)
{
    sim *w = &world;
    begin(w, order);
    sim_world_create(w);
    if (w->trace)
        show(w);
    if (w->refuse > 0) {
        sim_memory_refuse(w->refuse, 1);
        w->torture = w->refused = w->parted = true;
    }
    for (w->step = 1; w->step <= w->steps && !sim_dice_spent(&w->dice); w->step++)
        sim_act(w);
    w->quiet = true;
    rest(w);
    sim_check_rest(w);
    sim_world_destroy(w);
    return w->print;
}
