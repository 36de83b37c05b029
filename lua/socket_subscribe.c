/* Socket methods of pub/sub: subscribing (and waiting until publishers have taken it), and what a publisher
 * retains for late joiners. */
#include "lua/socket.h"

#include <string.h>

static int result(lua_State *L, sb_err err)
{
    if (err != SB_OK)
        return sb__socket_failure(L, err, NULL);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- subscribing ---- */

static int confirm_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    sb__task *t = (sb__task *)ctx;
    int n = sb__wait_failed(L, t);
    if (n != 0)
        return n;
    sb__lsock *ls = sb__lsock_test(L, 1);
    if (ls == NULL)
        return sb__push_error(L, SB_ECLOSED, NULL);
    if (sb_socket_confirmed(ls->sock))
        return result(L, SB_OK);
    if (t->script->exiting)
        return sb__push_error(L, SB_ECANCELED, "exiting");
    return sb__task_wait(L, t, &ls->confirmers, t->deadline, confirm_k, ctx);
}

/* { confirm = true, timeout = 5 } at 3. */
static bool wants_confirmation(lua_State *L, uint64_t *timeout)
{
    if (lua_isnoneornil(L, 3))
        return false;
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_getfield(L, 3, "confirm");
    bool confirm = lua_toboolean(L, -1);
    lua_getfield(L, 3, "timeout");
    *timeout = sb__arg_time(L, lua_gettop(L), SB_NEVER);
    lua_pop(L, 2);
    return confirm;
}

static int socket_subscribe(lua_State *L)
{
    size_t len;
    uint64_t timeout = SB_NEVER;
    sb__lsock *ls = sb__lsock_check(L, 1);
    const char *topic = luaL_checklstring(L, 2, &len);
    if (!wants_confirmation(L, &timeout))
        return result(L, sb_socket_subscribe(ls->sock, topic, len));
    sb__task *t = sb__task_waiter(L, "subscribe with confirm");
    sb_err err = sb_socket_set_int(ls->sock, SB_OPT_CONFIRM_SUBSCRIPTIONS, 1, NULL, 0);
    if (err == SB_OK)
        err = sb_socket_subscribe(ls->sock, topic, len);
    if (err != SB_OK)
        return result(L, err);
    t->deadline = timeout == SB_NEVER ? SB_NEVER : sb__script_deadline(t->script, timeout);
    t->wake = SB__WAKE_EVENT;
    return confirm_k(L, LUA_OK, (lua_KContext)t);
}

static int socket_unsubscribe(lua_State *L)
{
    size_t len;
    sb__lsock *ls = sb__lsock_check(L, 1);
    const char *topic = luaL_checklstring(L, 2, &len);
    return result(L, sb_socket_unsubscribe(ls->sock, topic, len));
}

/* ---- retaining ---- */

static const struct {
    const char *key, *option;
} retain_keys[] = {{"last", "retain_last"}, {"messages", "retain_messages"}, {"bytes", "retain_bytes"}};

/* "topic": the whole first frame; a number: so many octets of it. */
static void apply_per(lua_State *L, sb__lsock *ls, int idx)
{
    if (lua_type(L, idx) == LUA_TSTRING && strcmp(lua_tostring(L, idx), "topic") == 0)
        return;
    if (!lua_isinteger(L, idx))
        luaL_error(L, "'retain.per' is \"topic\" or a number of octets of the first frame");
    sb__option_set(L, ls, "retain_prefix", idx);
}

static void apply_retain_key(lua_State *L, sb__lsock *ls)
{
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    for (size_t i = 0; i < sizeof(retain_keys) / sizeof(retain_keys[0]); i++)
        if (strcmp(retain_keys[i].key, key) == 0) {
            sb__option_set(L, ls, retain_keys[i].option, lua_gettop(L));
            return;
        }
    if (strcmp(key, "per") != 0)
        luaL_error(L, "'retain' has last, per, messages and bytes; what is '%s'?", key);
    apply_per(L, ls, lua_gettop(L));
}

void sb__retain_apply(lua_State *L, sb__lsock *ls)
{
    if (lua_getfield(L, 1, "retain") == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    if (lua_type(L, -1) != LUA_TTABLE)
        luaL_error(
            L, "'retain' is a table such as { last = 1, per = \"topic\" }, not a %s", luaL_typename(L, -1));
    if (lua_getfield(L, -1, "last") == LUA_TNIL)
        luaL_error(L, "'retain' needs last: how many messages of each topic");
    lua_pop(L, 1);
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        apply_retain_key(L, ls);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static int socket_forget(lua_State *L)
{
    size_t len;
    sb__lsock *ls = sb__lsock_check(L, 1);
    const char *topic = luaL_optlstring(L, 2, NULL, &len);
    lua_pushinteger(L, sb_socket_forget(ls->sock, topic, len));
    return 1;
}

const luaL_Reg sb__socket_subscribe_methods[] = {
    {"subscribe", socket_subscribe},
    {"unsubscribe", socket_unsubscribe},
    {"forget", socket_forget},
    {"filter", sb__socket_filter},
    {NULL, NULL},
};
