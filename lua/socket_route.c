/* socket:route{rows}: rows become one compiled table of the engine's; functions are its slow path. */
#include "lua/message.h"
#include "lua/quick.h"
#include "engine/trace.h"

#include <stdlib.h>
#include <string.h>

/* A row's function as the engine sees it. */
typedef struct row_call {
    sb_route_call base; /* first */
    sb__lsock *ls;
    sb__lfunction fn;
} row_call;

static sb_err row_call_run(sb_route_call *self, sb_socket *sock, sb_peer *peer, sb_msg *msg)
{
    (void)sock;
    row_call *call = (row_call *)self;
    SB_TRACE(9);
    return sb__route_function(call->ls, &call->fn, self, peer, msg);
}

static void row_call_destroy(sb_route_call *self)
{
    row_call *call = (row_call *)self;
    sb__lfunction_drop(call->ls->script->L, &call->fn);
    free(call);
}

/* ---- reading rows ----
 * Everything that raises comes before anything that must be freed: functions are noted as references first.
 */

static const char *const row_keys[] = {
    "frame", "prefix", "equals", "to", "reply", "reason", "weight", "drop", NULL};

static void check_row_keys(lua_State *L, int idx, int n)
{
    luaL_argcheck(L, lua_istable(L, idx), 2, "a route is a list of rows, and a row is a table");
    lua_pushnil(L);
    while (lua_next(L, idx) != 0) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_tolstring(L, -2, NULL);
        const char *const *k = row_keys;
        while (*k != NULL && strcmp(*k, key) != 0)
            k++;
        if (*k == NULL)
            luaL_error(L,
                "row %d: unknown key '%s' (known: frame, prefix, equals, to, weight, reply, reason, drop)", n,
                key);
        lua_pop(L, 1);
    }
}

static void read_condition(lua_State *L, int idx, int n, sb_route_row *row)
{
    int prefix = lua_getfield(L, idx, "prefix"), equals = lua_getfield(L, idx, "equals");
    if (prefix != LUA_TNIL && equals != LUA_TNIL)
        luaL_error(L, "row %d has both prefix and equals", n);
    row->equals = equals != LUA_TNIL;
    int at = row->equals ? -1 : -2;
    bool any = prefix == LUA_TNIL && equals == LUA_TNIL;
    if (!any && lua_type(L, at) != LUA_TSTRING)
        luaL_error(L, "row %d: %s is a string, not a %s", n, row->equals ? "equals" : "prefix",
            luaL_typename(L, at));
    if (!any)
        row->bytes = (const uint8_t *)lua_tolstring(L, at, &row->len);
    lua_pop(L, 2); /* the row's table holds the string */
    bool numbered = lua_getfield(L, idx, "frame") != LUA_TNIL;
    if (numbered && (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1 || lua_tointeger(L, -1) > 8192))
        luaL_error(L, "row %d: frame is a number from 1", n);
    if (numbered && any)
        luaL_error(L, "row %d: frame without prefix or equals", n);
    row->frame = any ? 0 : numbered ? (uint32_t)lua_tointeger(L, -1) : 1;
    lua_pop(L, 1);
}

static void add_target(lua_State *L, int n, sb_route_row *row)
{
    if (!sb__lsock_is(L, -1))
        luaL_error(L, "row %d: 'to' leads to a %s, not a socket", n, luaL_typename(L, -1));
    sb__lsock *to = sb__lsock_test(L, -1);
    if (to == NULL)
        luaL_error(L, "row %d: 'to' leads to a closed socket", n);
    if (!sb_type_can_send(to->type))
        sb__lsock_must_send(L, to, lua_pushfstring(L, "row %d: 'to' leads to", n));
    if (row->nto == SB_ROUTE_TARGETS)
        luaL_error(L, "row %d: more than %d targets", n, SB_ROUTE_TARGETS);
    row->to[row->nto++] = to->sock;
    sb__lsock_anchor(L, lua_gettop(L), to);
}

static void read_weights(lua_State *L, int n, sb_route_row *row)
{
    if (lua_isnil(L, -1))
        return;
    if (!lua_istable(L, -1) || lua_rawlen(L, -1) != row->nto)
        luaL_error(L, "row %d: weight is a list of %d numbers, one per target", n, (int)row->nto);
    for (uint32_t i = 0; i < row->nto; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        lua_Integer w = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
        if (w < 1 || w > 1000000)
            luaL_error(L, "row %d: a weight is a whole number from 1 to 1000000", n);
        row->weight[i] = (uint32_t)w;
        lua_pop(L, 1);
    }
}

static void read_targets(lua_State *L, int idx, int n, sb_route_row *row)
{
    size_t count = lua_rawlen(L, -1);
    if (count == 0)
        luaL_error(L, "row %d: 'to' is an empty list", n);
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i);
        add_target(L, n, row);
        lua_pop(L, 1);
    }
    lua_getfield(L, -1, "weight");
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_getfield(L, idx, "weight");
    }
    read_weights(L, n, row);
    lua_pop(L, 1);
}

static void read_to(lua_State *L, int idx, int n, sb_route_row *row, int *fn)
{
    row->action = SB_ROUTE_TO;
    if (sb__is_token(L, -1, SB__DROP)) {
        row->action = SB_ROUTE_DROP;
    } else if (lua_isfunction(L, -1)) {
        row->action = SB_ROUTE_CALL;
        lua_pushvalue(L, -1);
        *fn = luaL_ref(L, LUA_REGISTRYINDEX);
    } else if (lua_istable(L, -1)) {
        read_targets(L, idx, n, row);
    } else {
        add_target(L, n, row);
    }
}

static void read_action(lua_State *L, int idx, int n, sb_route_row *row, int *fn)
{
    bool drop = lua_getfield(L, idx, "drop") != LUA_TNIL && lua_toboolean(L, -1);
    int reply = lua_getfield(L, idx, "reply");
    if (reply == LUA_TSTRING) {
        row->reply = (const uint8_t *)lua_tolstring(L, -1, &row->reply_len);
        row->action = SB_ROUTE_REPLY;
    } else if (reply != LUA_TNIL) {
        luaL_error(L, "row %d: reply is a string, not a %s", n, luaL_typename(L, -1));
    }
    int to = lua_getfield(L, idx, "to");
    if ((to != LUA_TNIL) + (reply != LUA_TNIL) + drop != 1)
        luaL_error(L, "row %d needs exactly one of to, reply and drop = true", n);
    if (drop)
        row->action = SB_ROUTE_DROP;
    else if (to != LUA_TNIL)
        read_to(L, idx, n, row, fn);
    lua_pop(L, 3);
    if (lua_getfield(L, idx, "reason") == LUA_TSTRING)
        row->reason = lua_tostring(L, -1);
    else if (!lua_isnil(L, -1))
        luaL_error(L, "row %d: reason is a string, not a %s", n, luaL_typename(L, -1));
    lua_pop(L, 1);
}

/* ---- compiling ---- */

static bool make_calls(lua_State *L, sb__lsock *ls, sb_route_row *rows, const int *fns, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].action != SB_ROUTE_CALL)
            continue;
        row_call *call = malloc(sizeof(*call));
        if (call == NULL)
            return false;
        *call = (row_call){
            .base = {.run = row_call_run, .destroy = row_call_destroy}, .ls = ls, .fn.ref = fns[i]};
        lua_rawgeti(L, LUA_REGISTRYINDEX, fns[i]);
        call->fn.quick = sb__quick_create(L, -1);
        lua_pop(L, 1);
        rows[i].call = &call->base;
    }
    return true;
}

static void destroy_calls(sb_route_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].call != NULL)
            row_call_destroy(rows[i].call);
}

static void install(sb__lsock *ls, sb_route *route, const sb_route_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < rows[i].nto; k++)
            sb__hops_follow(ls->sock, rows[i].to[k]);
    ls->target_lost = false;
    ls->script->handlers++;
    sb_socket_set_route(ls->sock, route);
    sb_socket_resume(ls->sock);
}

static void compile(lua_State *L, sb__lsock *ls, sb_route_row *rows, const int *fns, size_t n)
{
    char err[256] = "";
    sb_route *route = NULL;
    sb_err code =
        make_calls(L, ls, rows, fns, n) ? sb_route_create(rows, n, err, sizeof(err), &route) : SB_ENOMEM;
    if (code == SB_OK) {
        install(ls, route, rows, n);
        return;
    }
    destroy_calls(rows, n);
    luaL_error(L, "%s", err[0] != '\0' ? err : sb_strerror(code));
}

static int socket_route(lua_State *L)
{
    sb__lsock *ls = sb__lsock_check(L, 1);
    if (lua_isnil(L, 2)) {
        ls->script->handlers++;
        sb_socket_set_route(ls->sock, NULL);
        lua_settop(L, 1);
        return 1;
    }
    luaL_checktype(L, 2, LUA_TTABLE);
    sb__lsock_must_receive(L, ls, "a route");
    lua_settop(L, 2);
    size_t n = lua_rawlen(L, 2);
    luaL_argcheck(L, n > 0 && n <= 1000000, 2, "a route needs at least one row");
    sb_route_row *rows = lua_newuserdatauv(L, n * sizeof(*rows), 0);
    int *fns = lua_newuserdatauv(L, n * sizeof(*fns), 0);
    memset(rows, 0, n * sizeof(*rows));
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        check_row_keys(L, 5, (int)i + 1);
        read_condition(L, 5, (int)i + 1, &rows[i]);
        read_action(L, 5, (int)i + 1, &rows[i], &fns[i]);
        lua_pop(L, 1);
    }
    compile(L, ls, rows, fns, n);
    sb__lsock_anchor(L, 1, ls);
    lua_settop(L, 1);
    return 1;
}

int sb__route_everything(lua_State *L, sb__lsock *ls, sb__lsock *to)
{
    sb_route_row row = {.action = SB_ROUTE_TO, .to = {to->sock}, .nto = 1};
    sb__lsock_anchor(L, 1, ls);
    sb__lsock_anchor(L, 2, to);
    compile(L, ls, &row, NULL, 1);
    lua_settop(L, 1);
    return 1;
}

/* ---- explain ---- */

static int explain_without_route(lua_State *L, sb__lsock *ls)
{
    if (ls->pipe_to != NULL && ls->pipe_fn.ref != LUA_NOREF)
        lua_pushfstring(L, "pipe to %s through a function", ls->pipe_to->name);
    else if (ls->on_message.ref != LUA_NOREF)
        lua_pushliteral(L, "on_message");
    else
        lua_pushliteral(L, "no route: messages wait for recv");
    return 1;
}

static int explain_message(lua_State *L, sb__lsock *ls, const sb_msg *msg)
{
    char text[512];
    sb_route *route = sb_socket_get_route(ls->sock);
    int row = sb_route_match(route, msg);
    if (row < 0) {
        lua_pushliteral(L, "no row matches");
        return 1;
    }
    sb_route_explain(route, (size_t)row, sb_socket_name, text, sizeof(text));
    lua_pushstring(L, text);
    lua_pushinteger(L, row + 1);
    return 2;
}

static int socket_explain(lua_State *L)
{
    char err[160];
    sb__lsock *ls = sb__lsock_check(L, 1);
    if (sb_socket_get_route(ls->sock) == NULL)
        return explain_without_route(L, ls);
    sb__out out;
    if (sb__out_init(L, 2, &out, err, sizeof(err)) != SB_OK) {
        sb__out_finish(&out);
        return luaL_argerror(L, 2, err);
    }
    int n = explain_message(L, ls, out.msg);
    sb__out_finish(&out);
    return n;
}

const luaL_Reg sb__socket_route_methods[] = {
    {"route", socket_route},
    {"explain", socket_explain},
    {NULL, NULL},
};
