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

static bool has_room(sb__turnstile *t, const sb__conn *conn)
{
    uint64_t turn = sb_loop_turns(conn->hub->loop);
    if (t->turn != turn)
        t->taken = 0;
    t->turn = turn;
    return t->taken < conn->steps_per_turn;
}

bool sb__turnstile_pass(sb__turnstile *t, sb__conn *conn)
{
    if (t->waiting == 0 && has_room(t, conn)) {
        t->taken++;
        return true;
    }
    sb_list_push_back(&t->lines[conn->line % SB__LINES], &conn->in_line);
    t->waiting++;
    conn->waited = true;
    return false;
}

void sb__turnstile_leave(sb__turnstile *t, sb__conn *conn)
{
    if (!sb_list_linked(&conn->in_line))
        return;
    sb_list_remove(&conn->in_line);
    t->waiting--;
}

static sb__conn *next_of(sb__turnstile *t)
{
    while (sb_list_empty(&t->lines[++t->next % SB__LINES]))
        continue;
    return SB_LIST_ENTRY(sb_list_first(&t->lines[t->next % SB__LINES]), sb__conn, in_line);
}

void sb__turnstile_turn(sb__turnstile *t)
{
    while (t->waiting > 0) {
        sb__conn *conn = next_of(t);
        if (!has_room(t, conn))
            return;
        t->taken++;
        sb__turnstile_leave(t, conn);
        sb__hub_input(conn->hub, &conn->feed);
    }
}
