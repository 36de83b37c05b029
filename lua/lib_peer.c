/* Peer objects: who a message, a subscription or an event came from. One object per connection while a script
 * holds it. */
#include "lua/message.h"
#include "lua/socket.h"

#include <string.h>

#define PEER_MAGIC 0x53425045u

/* The userdata; its user value is a table with what was known when it was made, or after its last handshake.
 */
typedef struct lpeer {
    uint32_t magic;
    uint64_t id;
} lpeer;

static void set_string(lua_State *L, const char *key, const char *value)
{
    lua_pushstring(L, value != NULL ? value : "");
    lua_setfield(L, -2, key);
}

static void set_properties(lua_State *L, const sb_property *props, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        lua_pushlstring(L, (const char *)props[i].value, props[i].value_len);
        lua_setfield(L, -2, props[i].name);
    }
}

/* What its authenticator says of a peer counts more than what it says itself. */
static void push_metadata(lua_State *L, const sb_peer_info *info)
{
    lua_createtable(L, 0, (int)(info->nprops + info->nauth_props));
    set_properties(L, info->props, info->nprops);
    set_properties(L, info->auth_props, info->nauth_props);
}

static void fill_info(lua_State *L, const sb_peer_info *info)
{
    const char *type = sb_type_name(info->type);
    set_string(L, "type", type != NULL ? type : "");
    set_string(L, "mechanism", info->mechanism);
    set_string(L, "key", info->key);
    lua_pushlstring(L, (const char *)info->identity, info->identity_len);
    lua_setfield(L, -2, "identity");
    push_metadata(L, info);
    lua_setfield(L, -2, "metadata");
}

/* What the stream knows, where it is more than a stream. */
static const char *const properties[] = {
    "ws_protocol", "ws_origin", "tls_version", "tls_cipher", "tls_subject", NULL};

static void set_stream_properties(lua_State *L, const sb_peer *peer)
{
    for (const char *const *name = properties; *name != NULL; name++) {
        const char *value = sb_peer_property(peer, *name);
        if (value != NULL)
            set_string(L, *name, value);
    }
}

static void push_facts(lua_State *L, sb__lsock *ls, sb_peer *peer, const sb_client *client)
{
    size_t len;
    lua_createtable(L, 0, 10);
    lua_pushinteger(L, (lua_Integer)sb_peer_id(peer));
    lua_setfield(L, -2, "id");
    set_string(L, "address", client != NULL ? client->address : sb_peer_address(peer));
    set_string(L, "user_id", client != NULL ? client->user_id : sb_peer_user_id(peer));
    set_stream_properties(L, peer);
    const char *routing_id = sb_peer_routing_id(peer, &len);
    if (ls->type == SB_SERVER || ls->type == SB_PEER)
        lua_pushinteger(L, sb_peer_number(peer));
    else
        lua_pushlstring(L, routing_id != NULL ? routing_id : "", routing_id != NULL ? len : 0);
    lua_setfield(L, -2, "routing_id");
    sb__lsock_push(L, ls);
    lua_setfield(L, -2, "socket");
    const sb_peer_info *info = sb_peer_get_info(peer);
    if (info != NULL)
        fill_info(L, info);
}

static void push_object(lua_State *L, sb__lsock *ls, sb_peer *peer, const sb_client *client)
{
    lpeer *p = lua_newuserdatauv(L, sizeof(*p), 1);
    p->magic = PEER_MAGIC;
    p->id = sb_peer_id(peer);
    luaL_setmetatable(L, "peer");
    push_facts(L, ls, peer, client);
    lua_setiuservalue(L, -2, 1);
}

static void push_new(lua_State *L, sb__lsock *ls, sb_peer *peer, uint64_t id)
{
    push_object(L, ls, peer, NULL);
    lua_rawgeti(L, LUA_REGISTRYINDEX, sb__script_of(L)->peers_ref);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, (lua_Integer)id);
    lua_pop(L, 1);
}

static void remember(lua_State *L, sb__lsock *ls, uint64_t id)
{
    lua_pushvalue(L, -1);
    if (ls->peer_ref == LUA_NOREF)
        ls->peer_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    else
        lua_rawseti(L, LUA_REGISTRYINDEX, ls->peer_ref);
    ls->peer_id = id;
}

/* One object per connection, while a script holds it. */
static void push_known(lua_State *L, sb__lsock *ls, sb_peer *peer)
{
    uint64_t id = sb_peer_id(peer);
    if (id == ls->peer_id && ls->peer_ref != LUA_NOREF) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, ls->peer_ref);
        return;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, sb__script_of(L)->peers_ref);
    int type = lua_rawgeti(L, -1, (lua_Integer)id);
    lua_remove(L, -2);
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        push_new(L, ls, peer, id);
    }
    if (!ls->closing)
        remember(L, ls, id);
}

uint64_t sb__lpeer_push(lua_State *L, sb__lsock *ls, sb_peer *peer)
{
    sb_client client;
    if (peer == NULL) {
        lua_pushnil(L);
        return 0;
    }
    if (sb_peer_client(peer, &client)) {
        push_object(L, ls, peer, &client);
        return UINT64_MAX;
    }
    push_known(L, ls, peer);
    return sb_peer_id(peer);
}

void sb__lpeer_push_client(lua_State *L, sb__lsock *ls, sb_peer *peer, const sb_client *client)
{
    if (peer != NULL && client != NULL)
        push_object(L, ls, peer, client);
    else
        sb__lpeer_push(L, ls, peer);
}

void sb__lpeer_push_anew(lua_State *L, sb__lsock *ls, sb_peer *peer)
{
    uint64_t known = sb__lpeer_push(L, ls, peer);
    if (known == 0 || known == UINT64_MAX)
        return;
    push_facts(L, ls, peer, NULL);
    lua_setiuservalue(L, -2, 1);
}

uint64_t sb__lpeer_check(lua_State *L, int idx)
{
    lpeer *p = sb__to_object(L, idx, PEER_MAGIC, sizeof(*p));
    if (p == NULL)
        luaL_typeerror(L, idx, "peer");
    return p->id;
}

/* The live peer, NULL when it is gone. */
static sb_peer *live(lua_State *L)
{
    uint64_t id = sb__lpeer_check(L, 1);
    lua_getiuservalue(L, 1, 1);
    lua_getfield(L, -1, "socket");
    sb__lsock *ls = sb__lsock_is(L, -1) ? sb__lsock_test(L, -1) : NULL;
    lua_pop(L, 2);
    return ls != NULL ? sb_socket_find_peer(ls->sock, id) : NULL;
}

static int peer_index(lua_State *L)
{
    sb__lpeer_check(L, 1);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "connected") == 0) {
        lua_pushboolean(L, live(L) != NULL);
        return 1;
    }
    if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "writable") == 0) {
        const sb_peer *peer = live(L);
        lua_pushboolean(L, peer != NULL && sb_peer_takes(peer));
        return 1;
    }
    lua_getiuservalue(L, 1, 1);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    return 1;
}

static int peer_kick(lua_State *L)
{
    const char *why = luaL_optstring(L, 2, "kicked by the script");
    sb_peer *peer = live(L);
    if (peer == NULL)
        return sb__push_error(L, SB_EHOSTUNREACH, NULL);
    sb_err err = sb_peer_kick(peer, why);
    if (err != SB_OK)
        return sb__push_error(L, err, NULL);
    lua_pushboolean(L, 1);
    return 1;
}

/* The body of what is sent, under the routing id of the peer. */
static sb_err send_body(sb_peer *peer, const sb_msg *body)
{
    size_t len;
    sb_msg msg;
    const void *id = sb_peer_routing_id(peer, &len);
    sb_msg_init(&msg);
    sb_err err = id != NULL ? sb_msg_push(&msg, id, len, NULL) : SB_ENOTSUP;
    for (uint32_t i = body->envelope; err == SB_OK && i < body->n; i++)
        err = sb_msg_push(&msg, body->frames[i].data, body->frames[i].len, body->frames[i].buf);
    msg.envelope = 1;
    if (err == SB_OK)
        err = sb_socket_send(sb_peer_socket(peer), &msg);
    sb_msg_finish(&msg);
    return err;
}

static int peer_send(lua_State *L)
{
    char text[160];
    sb__out out;
    sb_peer *peer = live(L);
    if (peer == NULL)
        return sb__push_error(L, SB_EHOSTUNREACH, NULL);
    lua_settop(L, 2);
    sb_err err = sb__out_init(L, 2, &out, text, sizeof(text));
    bool misuse = err != SB_OK;
    if (!misuse)
        err = send_body(peer, out.msg);
    sb__out_finish(&out);
    if (misuse)
        return luaL_argerror(L, 2, text);
    if (err != SB_OK)
        return sb__push_error(L, err, NULL);
    lua_pushboolean(L, 1);
    return 1;
}

static int peer_rtt(lua_State *L)
{
    sb_peer *peer = live(L);
    uint64_t rtt = peer != NULL ? sb_peer_rtt(peer) : 0;
    if (rtt == 0)
        return 0;
    lua_pushnumber(L, (lua_Number)rtt / 1e9);
    return 1;
}

static int peer_stats(lua_State *L)
{
    sb_peer *peer = live(L);
    if (peer == NULL)
        return sb__push_error(L, SB_EHOSTUNREACH, NULL);
    sb_stats st;
    sb_rates rates;
    sb_peer_stats(peer, &st);
    sb_peer_rates(peer, &rates);
    sb__push_stats(L, &st, &rates);
    if (sb_peer_rtt(peer) != 0) {
        lua_pushnumber(L, (lua_Number)sb_peer_rtt(peer) / 1e9);
        lua_setfield(L, -2, "rtt");
    }
    return 1;
}

static int peer_tostring(lua_State *L)
{
    uint64_t id = sb__lpeer_check(L, 1);
    lua_getiuservalue(L, 1, 1);
    lua_getfield(L, -1, "address");
    lua_pushfstring(L, "peer %I (%s)", (lua_Integer)id, lua_tostring(L, -1));
    return 1;
}

static const luaL_Reg methods[] = {
    {"send", peer_send},
    {"kick", peer_kick},
    {"rtt", peer_rtt},
    {"stats", peer_stats},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__tostring", peer_tostring},
    {NULL, NULL},
};

static int make_weak_table(lua_State *L)
{
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

void sb__open_peer(lua_State *L)
{
    sb_script *s = sb__script_of(L);
    s->peers_ref = make_weak_table(L);
    s->sockets_ref = make_weak_table(L);
    sb__metatable(L, "peer", meta);
    luaL_newlib(L, methods);
    lua_pushcclosure(L, peer_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
