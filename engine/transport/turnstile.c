/* The turnstile: how many steps of costly handshakes an engine takes per turn. Who is inside does not wait
 * for all who knock at once; who knocks waits in a line of its address, and the lines take turns.
 * Before: conn.c (octets of a peer that is not in). After: conn.c goes on with them. */
#include "engine/transport/turnstile.h"

#include "engine/transport/conn.h"

void sb__turnstile_init(sb__turnstile *t)
{
    *t = (sb__turnstile){0};
    for (size_t i = 0; i < SB__LINES; i++)
        sb_list_init(&t->lines[i]);
}

/* The steps of a turn before do not count in this one. */
static void begin_turn(sb__turnstile *t, const sb__newcomer *in)
{
    uint64_t turn = sb_loop_turns(in->conn->hub->loop);
    if (t->turn != turn)
        t->taken = 0;
    t->turn = turn;
}

static bool take_step(sb__turnstile *t, const sb__newcomer *in)
{
    if (t->taken >= in->steps_per_turn)
        return false;
    t->taken++;
    return true;
}

bool sb__turnstile_pass(sb__turnstile *t, sb__newcomer *in)
{
    begin_turn(t, in);
    if (t->waiting == 0 && take_step(t, in))
        return true;
    sb_list_push_back(&t->lines[in->line], &in->in_line);
    t->waiting++;
    in->waited = true;
    return false;
}

void sb__turnstile_leave(sb__turnstile *t, sb__newcomer *in)
{
    if (!sb_list_linked(&in->in_line))
        return;
    sb_list_remove(&in->in_line);
    t->waiting--;
}

/* The next line in which somebody stands. */
static uint32_t next_line(const sb__turnstile *t)
{
    uint32_t line = t->served;
    do
        line = (line + 1) % SB__LINES;
    while (sb_list_empty(&t->lines[line]));
    return line;
}

void sb__turnstile_turn(sb__turnstile *t)
{
    while (t->waiting > 0) {
        uint32_t line = next_line(t);
        sb__newcomer *in = SB_LIST_ENTRY(sb_list_first(&t->lines[line]), sb__newcomer, in_line);
        begin_turn(t, in);
        if (!take_step(t, in))
            return; /* and this line is the first of the next turn */
        t->served = line;
        sb__turnstile_leave(t, in);
        in->since = (uint32_t)(sb_loop_now(in->conn->hub->loop) / SB_NS_PER_MS);
        sb__hub_input(in->conn->hub, &in->conn->feed);
    }
}
