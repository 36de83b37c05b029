/* Sockets for scripts: the constructors and the life of an object. Its methods are in the neighbours
 * socket_*.c. */
#include "lua/socket.h"

#include <string.h>

/* Keys of a constructor's table that are no options. */
static const char *const own_keys[] = {
    "name", "bind", "connect", "subscribe", "join", "hops", "retain", "weights", NULL};

static bool is_own_key(const char *key)
{
    for (const char *const *k = own_keys; *k != NULL; k++)
        if (strcmp(*k, key) == 0)
            return true;
    return false;
}

static void check_keys(lua_State *L)
{
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "a socket's table has names only; what is [%s]?", luaL_tolstring(L, -2, NULL));
        const char *key = lua_tostring(L, -2);
        if (!is_own_key(key))
            sb__option_check(L, key, own_keys);
        lua_pop(L, 1);
    }
}

static void apply_options(lua_State *L, sb__lsock *ls)
{
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        const char *key = lua_tostring(L, -2);
        if (!is_own_key(key))
            sb__option_set(L, ls, key, lua_gettop(L));
        lua_pop(L, 1);
    }
}

static bool was_given(lua_State *L, const char *key)
{
    bool given = lua_getfield(L, 1, key) != LUA_TNIL;
    lua_pop(L, 1);
    return given;
}

/* A REQ whose request timed out must be usable again; the engine sees to it that the late answer is not taken
 * for the next. */
static void apply_defaults(lua_State *L, sb__lsock *ls)
{
    if (ls->type == SB_REQ && !was_given(L, "req_relaxed"))
        sb_socket_set_int(ls->sock, SB_OPT_REQ_RELAXED, 1, NULL, 0);
}

/* What stands for an endpoint or a topic in a constructor, and what is done with it. */
typedef struct step {
    const char *key, *noun;
    sb_err (*fn)(sb_socket *sock, const char *text, size_t len, char *err, size_t cap);
    void (*before)(lua_State *L, sb_socket *sock, lua_Integer i); /* for each of a list; may be NULL */
} step;

/* Does it for the string, or each string of the list, at idx. */
static sb_err apply_step(lua_State *L, int idx, const step *st, sb_socket *sock, char *err, size_t cap)
{
    size_t len;
    const char *text = lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &len) : NULL;
    if (text != NULL)
        return st->fn(sock, text, len, err, cap);
    if (lua_type(L, idx) != LUA_TTABLE)
        luaL_error(L, "'%s' is %s or a list of them, not a %s", st->key, st->noun, luaL_typename(L, idx));
    sb_err code = SB_OK;
    for (lua_Integer i = 1; code == SB_OK && lua_rawgeti(L, idx, i) != LUA_TNIL; i++) {
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "'%s': number %d of the list is a %s, not a string", st->key, (int)i,
                luaL_typename(L, -1));
        text = lua_tolstring(L, -1, &len);
        if (st->before != NULL)
            st->before(L, sock, i);
        code = st->fn(sock, text, len, err, cap);
        lua_pop(L, 1);
    }
    lua_settop(L, idx);
    return code;
}

static sb_err subscribe_to(sb_socket *sock, const char *topic, size_t len, char *err, size_t cap)
{
    (void)err;
    (void)cap;
    return sb_socket_subscribe(sock, topic, len);
}

static sb_err join_group(sb_socket *sock, const char *group, size_t len, char *err, size_t cap)
{
    (void)err;
    (void)cap;
    return sb_socket_join(sock, group, len);
}

static sb_err bind_to(sb_socket *sock, const char *endpoint, size_t len, char *err, size_t cap)
{
    (void)len;
    return sb_socket_bind(sock, endpoint, err, cap);
}

static sb_err connect_to(sb_socket *sock, const char *endpoint, size_t len, char *err, size_t cap)
{
    (void)len;
    return sb_socket_connect(sock, endpoint, err, cap);
}

/* weights = { 3, 1 }: the shares of the endpoints of `connect`, by their place in the list. */
static void use_weight(lua_State *L, sb_socket *sock, lua_Integer i)
{
    char err[128] = "";
    if (lua_getfield(L, 1, "weights") != LUA_TNIL) {
        luaL_checktype(L, -1, LUA_TTABLE);
        lua_rawgeti(L, -1, i);
        if (!lua_isinteger(L, -1))
            luaL_error(L, "'weights' has no whole number for endpoint %d of 'connect'", (int)i);
        if (sb_socket_set_int(sock, SB_OPT_WEIGHT, lua_tointeger(L, -1), err, sizeof(err)) != SB_OK)
            luaL_error(L, "%s", err);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static sb_err apply_endpoints(lua_State *L, sb__lsock *ls, char *err, size_t cap)
{
    static const step steps[] = {
        {"subscribe", "a topic", subscribe_to},
        {"join", "a group", join_group},
        {"bind", "an endpoint", bind_to},
        {"connect", "an endpoint", connect_to, use_weight},
    };
    sb_err code = SB_OK;
    for (size_t i = 0; code == SB_OK && i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (lua_getfield(L, 1, steps[i].key) != LUA_TNIL)
            code = apply_step(L, lua_gettop(L), &steps[i], ls->sock, err, cap);
        lua_pop(L, 1);
    }
    return code;
}

static void apply_hops(lua_State *L, sb__lsock *ls)
{
    if (lua_getfield(L, 1, "hops") != LUA_TNIL) {
        lua_Integer hops = luaL_checkinteger(L, -1);
        if (hops < 0 || hops > 64)
            luaL_error(L, "'hops' is the number of ROUTERs before this socket, 0 to 64");
        sb_socket_set_hops(ls->sock, (uint32_t)hops);
    }
    lua_pop(L, 1);
}

/* Failures while the script declares its sockets end the load; later they are values. */
int sb__socket_failure(lua_State *L, sb_err code, const char *text)
{
    sb_script *s = sb__script_of(L);
    if (!s->toplevel)
        return sb__push_error(L, code, text);
    s->load_err = code;
    return luaL_error(L, "%s", text != NULL && text[0] != '\0' ? text : sb_strerror(code));
}

static int construct(lua_State *L)
{
    sb_type type = (sb_type)lua_tointeger(L, lua_upvalueindex(1));
    char err[256] = "";
    sb__lsock *ls;
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    check_keys(L);
    lua_getfield(L, 1, "name");
    if (!lua_isnil(L, 2) && lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "'name' is a string, not a %s", luaL_typename(L, 2));
    sb_err code = sb__lsock_create(L, type, lua_tostring(L, 2), err, sizeof(err), &ls);
    if (code != SB_OK)
        return sb__socket_failure(L, code, err);
    if (sb__script_of(L)->toplevel)
        sb__lsock_anchor(L, 3, ls);
    apply_defaults(L, ls);
    apply_options(L, ls);
    apply_hops(L, ls);
    sb__retain_apply(L, ls);
    code = apply_endpoints(L, ls, err, sizeof(err));
    lua_settop(L, 3);
    if (code == SB_OK)
        return 1;
    sb__lsock_close(ls);
    return sb__socket_failure(L, code, err);
}

/* ---- the object ---- */

static int socket_gc(lua_State *L)
{
    sb__lsock_object *obj = lua_touserdata(L, 1);
    if (obj->ls != NULL)
        sb__lsock_close(obj->ls);
    return 0;
}

static int socket_close(lua_State *L)
{
    sb__lsock *ls = sb__lsock_test(L, 1);
    if (ls != NULL)
        sb__lsock_close(ls);
    return 0;
}

static int socket_tostring(lua_State *L)
{
    sb__lsock *ls = sb__lsock_test(L, 1);
    if (ls == NULL)
        lua_pushliteral(L, "socket (closed)");
    else
        lua_pushfstring(L, "%s socket %s", sb_type_name(ls->type), ls->name);
    return 1;
}

static int push_field(lua_State *L, sb__lsock *ls, const char *key)
{
    if (strcmp(key, "closed") == 0)
        lua_pushboolean(L, ls == NULL);
    else if (ls != NULL && strcmp(key, "name") == 0)
        lua_pushstring(L, ls->name);
    else if (ls != NULL && strcmp(key, "type") == 0)
        lua_pushstring(L, sb_type_name(ls->type));
    else if (ls != NULL && strcmp(key, "last_endpoint") == 0)
        lua_pushstring(L, sb_socket_last_endpoint(ls->sock));
    else
        return 0;
    return 1;
}

static int socket_index(lua_State *L)
{
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    return lua_type(L, 2) == LUA_TSTRING ? push_field(L, sb__lsock_test(L, 1), lua_tostring(L, 2)) : 0;
}

static int socket_newindex(lua_State *L)
{
    return luaL_error(L, "a socket has no fields to set; options are set with socket:set(name, value)");
}

/* ---- what a type can do ---- */

void sb__lsock_must_send(lua_State *L, const sb__lsock *ls, const char *what)
{
    if (!sb_type_can_send(ls->type))
        luaL_error(L, "%s socket '%s', and a %s cannot send", what, ls->name, sb_type_name(ls->type));
}

void sb__lsock_must_receive(lua_State *L, const sb__lsock *ls, const char *what)
{
    if (!sb_type_can_recv(ls->type))
        luaL_error(L, "%s is of no use: socket '%s' is a %s, which receives no messages", what, ls->name,
            sb_type_name(ls->type));
}

/* ---- tables ---- */

static const luaL_Reg meta[] = {
    {"__gc", socket_gc},
    {"__close", socket_close},
    {"__tostring", socket_tostring},
    {"__newindex", socket_newindex},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"close", socket_close},
    {NULL, NULL},
};

static const struct {
    const char *name;
    sb_type type;
} constructors[] = {
#define SB__CONSTRUCTOR(name, lower, number, peers) {#lower, SB_##name},
    SB_TYPES(SB__CONSTRUCTOR)
#undef SB__CONSTRUCTOR
};

static void open_methods(lua_State *L)
{
    const luaL_Reg *const parts[] = {methods, sb__socket_io_methods, sb__socket_request_methods,
        sb__socket_route_methods, sb__socket_handler_methods, sb__socket_admin_methods,
        sb__socket_subscribe_methods};
    lua_newtable(L);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        luaL_setfuncs(L, parts[i], 0);
}

void sb__open_socket(lua_State *L)
{
    sb__metatable(L, "socket", meta);
    open_methods(L);
    lua_pushcclosure(L, socket_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    for (size_t i = 0; i < sizeof(constructors) / sizeof(constructors[0]); i++) {
        lua_pushinteger(L, constructors[i].type);
        lua_pushcclosure(L, construct, 1);
        lua_setfield(L, -2, constructors[i].name);
    }
}
