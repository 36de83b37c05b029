/* The gate: how many connections a socket accepts, from whom, how fast, and how many of them may be
 * unfinished. Before: listener.c (a connection came in). After: transport/conn.c. */
#include "engine/socket/internal.h"

#include <stdlib.h>
#include <string.h>

#define BURST     SB_NS_PER_S /* connections of one second may come at once */
#define LOOK      64          /* connections that are looked at for one to end */
#define GRACE_IVL 30000       /* ms: handshake_ivl where none is set */

void sb__gate_init(sb__gate *gate)
{
    *gate = (sb__gate){0};
    sb_list_init(&gate->fresh);
    sb_map_init(&gate->hosts);
    sb_map_init(&gate->users);
}

void sb__gate_finish(sb__gate *gate)
{
    sb_map_finish(&gate->hosts);
    sb_map_finish(&gate->users);
}

/* "tcp://192.0.2.1" of an address; what has no port is one host. */
static size_t host_len(const char *address)
{
    const char *colon = strrchr(address, ':');
    return colon != NULL && colon > address ? (size_t)(colon - address) : strlen(address);
}

static uintptr_t count_of(const sb__gate *gate, const char *address)
{
    return (uintptr_t)sb_map_get(&gate->hosts, address, host_len(address));
}

/* A bucket that holds a second's worth and refills evenly (GCRA). */
static bool too_fast(sb_socket *sock)
{
    uint64_t rate = (uint64_t)sb__opt(sock, SB_OPT_ACCEPT_RATE), now = sb_engine_now(sock->engine);
    sb__gate *gate = &sock->gate;
    if (rate == 0)
        return false;
    uint64_t from = gate->next > now ? gate->next : now;
    if (from + SB_NS_PER_S / rate > now + BURST)
        return true;
    gate->next = from + SB_NS_PER_S / rate;
    return false;
}

static bool reached(const sb_socket *sock, sb_opt opt, uint64_t n)
{
    uint64_t max = (uint64_t)sb__opt(sock, opt);
    return max != 0 && n >= max;
}

static const char *refused(sb_socket *sock, const char *why)
{
    if (why != NULL)
        sock->handshake_failures[SB_CAUSE_REFUSED]++;
    return why;
}

static const char *too_many(const sb_socket *sock, const char *address)
{
    if (reached(sock, SB_OPT_MAX_PEERS, sock->gate.open))
        return "max_peers is reached";
    if (reached(sock, SB_OPT_MAX_PEERS_PER_ADDRESS, count_of(&sock->gate, address)))
        return "max_peers_per_address is reached";
    return NULL;
}

static const char *cannot_come(sb_socket *sock)
{
    const sb__hub *hub = &sock->engine->hub;
    if (hub->max_peers != 0 && hub->peers >= hub->max_peers)
        return "max_peers is reached";
    return too_fast(sock) ? "accept_rate is reached" : NULL;
}

/* ---- unfinished handshakes ---- */

static uint32_t line_of(const sb_socket *sock, const char *address)
{
    return (uint32_t)sb_hash(address, host_len(address), sock->engine->hub.turnstile.seed) % SB__LINES;
}

static uint32_t ms_now(const sb_socket *sock)
{
    return (uint32_t)(sb_engine_now(sock->engine) / SB_NS_PER_MS);
}

/* Of those that came first: one that could have said more for an eighth of a handshake's time, and was not
 * held up by us. */
static sb__conn *overdue(const sb_socket *sock)
{
    int64_t ivl = sb__opt(sock, SB_OPT_HANDSHAKE_IVL);
    uint32_t grace = (uint32_t)(ivl > 0 ? ivl : GRACE_IVL) / 8, now = ms_now(sock), n = 0;
    SB_LIST_EACH(node, &sock->gate.fresh)
    {
        const sb__newcomer *in = SB_LIST_ENTRY(node, sb__newcomer, fresh);
        if (!sb_list_linked(&in->in_line) && now - in->since >= grace)
            return in->conn;
        if (++n == LOOK)
            break;
    }
    return NULL;
}

/* The newest of the line that most of the last ones stand in, unless that is the newcomer's: a crowd does not
 * keep others out. */
static sb__conn *one_of_the_crowd(const sb_socket *sock, uint32_t newcomer)
{
    const sb_list *fresh = &sock->gate.fresh;
    sb__conn *newest[SB__LINES] = {NULL};
    uint32_t of_line[SB__LINES] = {0}, n = 0;
    for (sb_list_node *node = fresh->prev; node != fresh && n < LOOK; node = node->prev, n++) {
        const sb__newcomer *in = SB_LIST_ENTRY(node, sb__newcomer, fresh);
        uint32_t line = in->line;
        newest[line] = of_line[line] == 0 ? in->conn : newest[line];
        if (++of_line[line] > LOOK / 2)
            return line != newcomer ? newest[line] : NULL;
    }
    return NULL;
}

/* Room for one more handshake; the newcomer goes when all the others need theirs. */
static const char *make_room(sb_socket *sock, const char *address)
{
    if (!reached(sock, SB_OPT_MAX_HANDSHAKES, sock->gate.nfresh))
        return NULL;
    sb__conn *conn = overdue(sock);
    if (conn == NULL)
        conn = one_of_the_crowd(sock, line_of(sock, address));
    if (conn == NULL)
        return "max_handshakes is reached";
    conn->end.cause = SB_CAUSE_REFUSED;
    sb__conn_close(conn, SB_EREFUSED, "max_handshakes is reached");
    return NULL;
}

/* ---- coming and going ---- */

const char *sb__gate_check(sb_socket *sock, const char *address)
{
    const char *why = too_many(sock, address);
    return why != NULL ? refused(sock, why) : sb__gate_check_port(sock, address);
}

const char *sb__gate_check_port(sb_socket *sock, const char *address)
{
    const char *why = cannot_come(sock);
    return refused(sock, why != NULL ? why : make_room(sock, address));
}

const char *sb__gate_stay(sb_socket *sock, sb__conn *conn)
{
    sb__gate_leave(sock, conn);
    conn->counted = false;
    const char *why = too_many(sock, conn->address != NULL ? conn->address : "");
    sb__gate_enter(sock, conn);
    return refused(sock, why);
}

void sb__gate_enter(sb_socket *sock, sb__conn *conn)
{
    sb__gate *gate = &sock->gate;
    conn->newcomer->since = ms_now(sock);
    gate->open++;
    gate->nfresh++;
    sb_list_push_back(&gate->fresh, &conn->newcomer->fresh);
    if (sb__opt(sock, SB_OPT_MAX_PEERS_PER_ADDRESS) == 0 || conn->address == NULL)
        return;
    void *count = (void *)(count_of(gate, conn->address) + 1);
    conn->counted = sb_map_put(&gate->hosts, conn->address, host_len(conn->address), count) == SB_OK;
}

void sb__gate_line(const sb_socket *sock, sb__conn *conn, const sb_security *security)
{
    sb__newcomer *in = conn->newcomer;
    if (conn->address != NULL)
        in->line = line_of(sock, conn->address);
    if ((security->mechanisms & SB_MECHANISM_BIT(SB_MECHANISM_CURVE)) != 0)
        in->steps_per_turn = (uint32_t)sb__opt(sock, SB_OPT_HANDSHAKES_PER_TURN);
}

void sb__gate_settle(sb_socket *sock, sb__conn *conn)
{
    sb__newcomer *in = conn->newcomer;
    if (in == NULL)
        return;
    sock->handshakes_delayed += in->waited;
    in->waited = false;
    if (!sb_list_linked(&in->fresh))
        return;
    sb_list_remove(&in->fresh);
    sock->gate.nfresh--;
}

/* A user id that somebody vouches for counts more than a name that the peer gave itself. */
static bool name_it(sb__conn *conn, const sb_peer_info *info)
{
    bool user = info->user_id[0] != '\0';
    const void *name = user ? (const void *)info->user_id : info->identity;
    size_t len = user ? strlen(info->user_id) : info->identity_len;
    if (len == 0 || (conn->who = malloc(sizeof *conn->who + len + 1)) == NULL)
        return false;
    conn->who->name[0] = user ? 'u' : 'i';
    memcpy(conn->who->name + 1, name, len);
    conn->who->len = len + 1;
    return true;
}

static void set_count(sb_map *map, const char *key, size_t len, uintptr_t n)
{
    if (n > 0) /* in place: cannot fail */
        sb_map_put(map, key, len, (void *)n);
    else
        sb_map_remove(map, key, len);
}

bool sb__gate_know(sb_socket *sock, sb__conn *conn, const sb_peer_info *info)
{
    sb_map *users = &sock->gate.users;
    if (sb__opt(sock, SB_OPT_MAX_PEERS_PER_IDENTITY) == 0 || !name_it(conn, info))
        return true;
    uintptr_t n = (uintptr_t)sb_map_get(users, conn->who->name, conn->who->len);
    bool enough = reached(sock, SB_OPT_MAX_PEERS_PER_IDENTITY, n);
    if (!enough && sb_map_put(users, conn->who->name, conn->who->len, (void *)(n + 1)) == SB_OK)
        return true;
    free(conn->who);
    conn->who = NULL;
    return !enough;
}

void sb__gate_forget(sb_socket *sock, sb__conn *conn)
{
    sb_map *users = &sock->gate.users;
    if (conn->who == NULL)
        return;
    uintptr_t n = (uintptr_t)sb_map_get(users, conn->who->name, conn->who->len);
    set_count(users, conn->who->name, conn->who->len, n - 1);
    free(conn->who);
    conn->who = NULL;
}

void sb__gate_leave(sb_socket *sock, sb__conn *conn)
{
    sb__gate *gate = &sock->gate;
    sb__gate_settle(sock, conn);
    gate->open--;
    if (!conn->counted)
        return;
    set_count(&gate->hosts, conn->address, host_len(conn->address), count_of(gate, conn->address) - 1);
}
