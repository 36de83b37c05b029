/* Socket methods for running things: endpoints, options, peers, numbers. */
#include "lua/socket.h"

static int result(lua_State *L, sb_err err, const char *text)
{
    if (err != SB_OK)
        return sb__socket_failure(L, err, text);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- endpoints ---- */

static int socket_bind(lua_State *L)
{
    char err[256] = "";
    sb__lsock *ls = sb__lsock_check(L, 1);
    return result(L, sb_socket_bind(ls->sock, luaL_checkstring(L, 2), err, sizeof(err)), err);
}

static int socket_connect(lua_State *L)
{
    char err[256] = "";
    sb__lsock *ls = sb__lsock_check(L, 1);
    return result(L, sb_socket_connect(ls->sock, luaL_checkstring(L, 2), err, sizeof(err)), err);
}

static int socket_connect_peer(lua_State *L)
{
    char err[256] = "";
    sb_peer *peer;
    sb__lsock *ls = sb__lsock_check(L, 1);
    sb_err code = sb_socket_connect_peer(ls->sock, luaL_checkstring(L, 2), &peer, err, sizeof(err));
    if (code != SB_OK)
        return sb__socket_failure(L, code, err);
    sb__lpeer_push(L, ls, peer);
    return 1;
}

static int socket_unbind(lua_State *L)
{
    sb__lsock *ls = sb__lsock_check(L, 1);
    return result(L, sb_socket_unbind(ls->sock, luaL_checkstring(L, 2)), NULL);
}

static int socket_disconnect(lua_State *L)
{
    sb__lsock *ls = sb__lsock_check(L, 1);
    return result(L, sb_socket_disconnect(ls->sock, luaL_checkstring(L, 2)), NULL);
}

/* ---- groups ---- */

static int socket_join(lua_State *L)
{
    size_t len;
    sb__lsock *ls = sb__lsock_check(L, 1);
    const char *group = luaL_checklstring(L, 2, &len);
    return result(L, sb_socket_join(ls->sock, group, len), NULL);
}

static int socket_leave(lua_State *L)
{
    size_t len;
    sb__lsock *ls = sb__lsock_check(L, 1);
    const char *group = luaL_checklstring(L, 2, &len);
    return result(L, sb_socket_leave(ls->sock, group, len), NULL);
}

/* ---- options ---- */

static int socket_set(lua_State *L)
{
    sb__lsock *ls = sb__lsock_check(L, 1);
    luaL_checkany(L, 3);
    sb__option_set(L, ls, luaL_checkstring(L, 2), 3);
    lua_settop(L, 1);
    return 1;
}

static int socket_get(lua_State *L)
{
    return sb__option_get(L, sb__lsock_check(L, 1), luaL_checkstring(L, 2));
}

/* ---- peers ---- */

/* Collecting ids raises nothing; objects are made afterwards. */
typedef struct id_list {
    uint64_t *ids;
    size_t n, cap;
} id_list;

static bool count_peer(void *arg, sb_peer *peer)
{
    (void)peer;
    ((id_list *)arg)->n++;
    return true;
}

static bool collect_peer(void *arg, sb_peer *peer)
{
    id_list *list = arg;
    list->ids[list->n++] = sb_peer_id(peer);
    return list->n < list->cap;
}

static int socket_peers(lua_State *L)
{
    sb__lsock *ls = sb__lsock_check(L, 1);
    id_list list = {0};
    sb_socket_each_peer(ls->sock, count_peer, &list);
    list.cap = list.n;
    list.n = 0;
    lua_createtable(L, (int)list.cap, 0);
    if (list.cap == 0)
        return 1;
    list.ids = lua_newuserdatauv(L, list.cap * sizeof(*list.ids), 0);
    lua_insert(L, -2);
    sb_socket_each_peer(ls->sock, collect_peer, &list);
    for (size_t i = 0; i < list.n; i++) {
        sb__lpeer_push(L, ls, sb_socket_find_peer(ls->sock, list.ids[i]));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* By its routing id: a string, or the number of a SERVER's or PEER's. */
static int socket_peer(lua_State *L)
{
    sb__lsock *ls = sb__lsock_check(L, 1);
    size_t len = 4;
    const char *id;
    char number[4];
    if (lua_isinteger(L, 2)) {
        for (int i = 0; i < 4; i++)
            number[i] = (char)(lua_tointeger(L, 2) >> (24 - 8 * i));
        id = number;
    } else {
        id = luaL_checklstring(L, 2, &len);
    }
    sb__lpeer_push(L, ls, sb_socket_peer_named(ls->sock, id, len));
    return 1;
}

static int socket_kick(lua_State *L)
{
    sb__lsock *ls = sb__lsock_check(L, 1);
    sb_peer *peer = sb_socket_find_peer(ls->sock, sb__lpeer_check(L, 2));
    const char *why = luaL_optstring(L, 3, "kicked by the script");
    if (peer == NULL)
        return sb__push_error(L, SB_EHOSTUNREACH, NULL);
    sb_err err = sb_peer_kick(peer, why);
    if (err != SB_OK)
        return sb__push_error(L, err, NULL);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- numbers ---- */

static void set_number(lua_State *L, const char *key, uint64_t v)
{
    lua_pushinteger(L, (lua_Integer)v);
    lua_setfield(L, -2, key);
}

static void push_drops(lua_State *L, const sb_stats *st)
{
    lua_createtable(L, 0, SB_DROP_COUNT);
    for (int i = 0; i < SB_DROP_COUNT; i++)
        set_number(L, sb_drop_name((sb_drop)i), st->dropped[i]);
}

static void push_failures(lua_State *L, const sb_stats *st)
{
    lua_createtable(L, 0, SB_CAUSE_COUNT);
    for (int i = SB_CAUSE_NONE + 1; i < SB_CAUSE_COUNT; i++)
        set_number(L, sb_session_cause_name((sb_session_cause)i), st->handshake_failures[i]);
}

static void set_real(lua_State *L, const char *key, double v)
{
    lua_pushnumber(L, v);
    lua_setfield(L, -2, key);
}

static void push_rates(lua_State *L, const sb_rates *rates)
{
    lua_createtable(L, 0, 5);
    set_real(L, "msgs_in", rates->msgs_in);
    set_real(L, "msgs_out", rates->msgs_out);
    set_real(L, "bytes_in", rates->bytes_in);
    set_real(L, "bytes_out", rates->bytes_out);
    set_real(L, "span", rates->span);
}

void sb__push_stats(lua_State *L, const sb_stats *st, const sb_rates *rates)
{
    lua_createtable(L, 0, 18);
    set_number(L, "msgs_in", st->msgs_in);
    set_number(L, "msgs_out", st->msgs_out);
    set_number(L, "bytes_in", st->bytes_in);
    set_number(L, "bytes_out", st->bytes_out);
    set_number(L, "peers", st->peers);
    set_number(L, "subscriptions", st->subscriptions);
    set_number(L, "handshakes_delayed", st->handshakes_delayed);
    set_number(L, "retained_msgs", st->retained_msgs);
    set_number(L, "retained_bytes", st->retained_bytes);
    set_number(L, "queued_in_msgs", st->queued_in_msgs);
    set_number(L, "queued_in_bytes", st->queued_in_bytes);
    set_number(L, "queued_out_msgs", st->queued_out_msgs);
    set_number(L, "queued_out_bytes", st->queued_out_bytes);
    set_real(L, "age_in", (double)st->age_in / SB_NS_PER_S);
    set_real(L, "age_out", (double)st->age_out / SB_NS_PER_S);
    push_rates(L, rates);
    lua_setfield(L, -2, "rates");
    push_drops(L, st);
    lua_setfield(L, -2, "dropped");
    push_failures(L, st);
    lua_setfield(L, -2, "handshake_failures");
}

void sb__push_socket_stats(lua_State *L, sb_socket *sock)
{
    sb_stats st;
    sb_rates rates;
    sb_socket_stats(sock, &st);
    sb_socket_rates(sock, &rates);
    sb__push_stats(L, &st, &rates);
}

static int socket_stats(lua_State *L)
{
    sb__push_socket_stats(L, sb__lsock_check(L, 1)->sock);
    return 1;
}

const luaL_Reg sb__socket_admin_methods[] = {
    {"bind", socket_bind},
    {"connect", socket_connect},
    {"connect_peer", socket_connect_peer},
    {"unbind", socket_unbind},
    {"disconnect", socket_disconnect},
    {"join", socket_join},
    {"leave", socket_leave},
    {"set", socket_set},
    {"get", socket_get},
    {"peers", socket_peers},
    {"peer", socket_peer},
    {"kick", socket_kick},
    {"stats", socket_stats},
    {NULL, NULL},
};
