/* Options of a world's sockets: those of the plan, and now and then one more of a table. */
#include "tests/sim/sim.h"

#include <stdio.h>

typedef struct setting {
    sb_opt opt;
    int64_t value;
} setting;

/* One of four values, or (text) an octet string. What does not apply to a type is refused by the socket, and
 * forgotten. */
typedef struct extra {
    sb_opt opt;
    int values[4];
    const char *text;
} extra;

static const extra extras[] = {
    {SB_OPT_BALANCE,
        {SB_BALANCE_LEAST_QUEUED, SB_BALANCE_WEIGHTED, SB_BALANCE_STICKY, SB_BALANCE_LEAST_QUEUED}},
    {SB_OPT_WEIGHT, {2, 3, 4, 100}},
    {SB_OPT_PROBE_ROUTER, {1, 1, 1, 1}},
    {SB_OPT_HELLO_MSG, .text = "h"},
    {SB_OPT_DISCONNECT_MSG, .text = "d"},
    {SB_OPT_HICCUP_MSG, .text = "b"},
    {SB_OPT_XPUB_WELCOME_MSG, .text = "a"},
    {SB_OPT_METADATA, .text = "X-sim:yes"},
    {SB_OPT_ROUTER_NOTIFY, {1, 2, 3, 3}},
    {SB_OPT_XPUB_VERBOSE, {1, 1, 1, 1}},
    {SB_OPT_XPUB_VERBOSER, {1, 1, 1, 1}},
    {SB_OPT_XPUB_MANUAL, {1, 1, 1, 1}},
    {SB_OPT_XSUB_VERBOSE_UNSUBSCRIBE, {1, 1, 1, 1}},
    {SB_OPT_CONFIRM_SUBSCRIPTIONS, {1, 1, 1, 1}},
    {SB_OPT_RETAIN_LAST, {1, 2, 3, 100}},
    {SB_OPT_RETAIN_MESSAGES, {1, 2, 5, 50}},
    {SB_OPT_RETAIN_BYTES, {100, 1000, 5000, 100000}},
    {SB_OPT_CONFLATE_PREFIX, {1, 1, 2, 20}},
    {SB_OPT_REQ_DEADLINE, {20, 200, 1000, 5000}},
    {SB_OPT_REQ_RESEND, {10, 100, 500, 3000}},
    {SB_OPT_HEARTBEAT_TTL, {2000, 3000, 10000, 60000}},
    {SB_OPT_HEARTBEAT_TIMEOUT, {1500, 2000, 5000, 0}},
    {SB_OPT_HANDSHAKE_IVL, {100, 300, 1000, 5000}},
    {SB_OPT_CONNECT_TIMEOUT, {50, 300, 1000, 5000}},
    {SB_OPT_RECONNECT_IVL_MAX, {200, 500, 1000, 2000}},
    {SB_OPT_LINGER, {0, 0, 20, 5000}},
    {SB_OPT_AUTH_TIMEOUT, {100, 300, 1000, 5000}},
    {SB_OPT_MAX_HANDSHAKES, {1, 2, 3, 10}},
    {SB_OPT_ACCEPT_RATE, {1, 3, 10, 100}},
    {SB_OPT_MAX_PEERS, {0, 0, 1, 5}},             /* above what is linked to it */
    {SB_OPT_MAX_PEERS_PER_ADDRESS, {0, 0, 1, 5}}, /* the same */
    {SB_OPT_MAXMSGSIZE, {100, 300, 3000, 100000}},
    {SB_OPT_MAX_FRAMES, {2, 3, 4, 6}},
    {SB_OPT_MAX_MESSAGE, {100, 300, 3000, 100000}},
    {SB_OPT_ZMTP_MIN, {3, 3, 3, 3}},
};
#define EXTRAS (sizeof extras / sizeof extras[0])
_Static_assert(EXTRAS <= SIM_EXTRAS, "a slot has room for them");

void sim_plan_extras(sim_slot *s, sim_dice *d)
{
    for (size_t i = 0; i < EXTRAS; i++)
        s->extras[i] = sim_once_in(d, 10) ? (uint8_t)(1 + sim_pick(d, 4)) : 0;
}

static const extra *find(sb_opt opt, size_t *at)
{
    for (*at = 0; *at < EXTRAS; ++*at)
        if (extras[*at].opt == opt)
            return &extras[*at];
    return NULL;
}

void sim_drop_extra(sim_slot *s, sb_opt opt)
{
    size_t at;
    if (find(opt, &at) != NULL)
        s->extras[at] = 0;
}

bool sim_has(const sim_slot *s, sb_opt opt)
{
    size_t at;
    return find(opt, &at) != NULL && s->extras[at] != 0;
}

static int64_t value_of(const sim_slot *s, const extra *e, uint8_t which)
{
    bool counts = e->opt == SB_OPT_MAX_PEERS || e->opt == SB_OPT_MAX_PEERS_PER_ADDRESS;
    return e->values[which - 1] + (counts ? sim_links_of(s->world, s) : 0);
}

/* Refused for want of memory or of sense: then it is not there. */
static void set_extras(sim_slot *s)
{
    for (size_t i = 0; i < EXTRAS; i++) {
        const extra *e = &extras[i];
        sb_err err = SB_OK;
        if (s->extras[i] != 0 && e->text != NULL)
            err = sb_socket_set_bytes(s->sock, e->opt, e->text, strlen(e->text), NULL, 0);
        else if (s->extras[i] != 0)
            err = sb_socket_set_int(s->sock, e->opt, value_of(s, e, s->extras[i]), NULL, 0);
        if (err != SB_OK)
            s->extras[i] = 0;
    }
}

static void set_planned(const sim_slot *s)
{
    int loose = s->world->broken == SIM_LIMIT ? 3 : 1;
    const setting settings[] = {
        {SB_OPT_SNDHWM, s->hwm_out * loose},
        {SB_OPT_RCVHWM, s->hwm_in * loose},
        {SB_OPT_SNDHWM_BYTES, s->hwm_bytes},
        {SB_OPT_RCVHWM_BYTES, s->hwm_bytes},
        {SB_OPT_HEARTBEAT_IVL, s->heartbeat},
        {SB_OPT_RECONNECT_IVL, s->reconnect},
        {SB_OPT_IMMEDIATE, s->immediate},
        {SB_OPT_ROUTER_MANDATORY, s->mandatory},
        {SB_OPT_ROUTER_HANDOVER, s->handover},
        {SB_OPT_XPUB_NODROP, s->nodrop},
        {SB_OPT_REQ_RELAXED, s->relaxed},
        {SB_OPT_REQ_CORRELATE, s->correlate},
        {SB_OPT_CONFLATE, s->conflate},
        {SB_OPT_CONFLATE_KEY, s->conflate_key},
        {SB_OPT_MESSAGE_TTL, s->ttl},
        {SB_OPT_ON_FULL, s->world->broken == SIM_LOST ? SB_ON_FULL_DROP_NEW : s->on_full},
        {SB_OPT_LINGER, 200},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        sb_socket_set_int(
            s->sock, settings[i].opt, settings[i].value, NULL, 0); /* what does not apply is refused */
}

bool sim_set_options(sim_slot *s)
{
    char name[8];
    int len = snprintf(name, sizeof name, "s%u", s->index);
    set_planned(s);
    set_extras(s);
    if (s->named)
        sb_socket_set_bytes(s->sock, SB_OPT_ROUTING_ID, name, (size_t)len, NULL, 0);
    return sim_lock(s);
}

bool sim_greets(const sim_slot *s)
{
    static const sb_opt greetings[] = {SB_OPT_PROBE_ROUTER, SB_OPT_HELLO_MSG, SB_OPT_DISCONNECT_MSG,
        SB_OPT_HICCUP_MSG, SB_OPT_XPUB_WELCOME_MSG, SB_OPT_ROUTER_NOTIFY};
    for (size_t i = 0; i < sizeof greetings / sizeof greetings[0]; i++)
        if (sim_has(s, greetings[i]))
            return true;
    return false;
}

void sim_show_extras(const sim_slot *s)
{
    for (size_t i = 0; i < EXTRAS; i++)
        if (s->extras[i] != 0)
            fprintf(stderr, "        %s %s%d\n", sb_option_get(extras[i].opt)->name,
                extras[i].text != NULL ? extras[i].text : "", (int)value_of(s, &extras[i], s->extras[i]));
}
