/* Filters of subscriptions: what on_subscribe returns, or socket:filter names, becomes the engine's;
 * functions are asked message by message. Before: handler_subscribe.c, the engine (a message is published).
 */
#include "lua/message.h"
#include "lua/socket.h"

#include <string.h>

/* ---- from Lua ---- */

static int ref_of(const sb_filter *f)
{
    return (int)(intptr_t)f->data;
}

static void take_pattern(lua_State *L, int idx, sb_filter *f)
{
    const char *separator = ".";
    size_t len = 1;
    if (lua_getfield(L, idx, "separator") != LUA_TNIL)
        separator = luaL_checklstring(L, -1, &len);
    if (len != 1)
        luaL_error(L, "'separator' of a filter is one octet");
    f->kind = SB_FILTER_MATCH;
    f->separator = separator[0];
    lua_pop(L, 1);
    lua_getfield(L, idx, "match");
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(
            L, "'match' of a filter is a pattern such as \"order.*.eu\", not a %s", luaL_typename(L, -1));
    f->pattern = lua_tolstring(L, -1, &f->pattern_len); /* stays alive in its table */
    lua_pop(L, 1);
}

static void take_table(lua_State *L, int idx, sb_filter *f)
{
    bool exact = lua_getfield(L, idx, "exact") != LUA_TNIL && lua_toboolean(L, -1);
    bool match = lua_getfield(L, idx, "match") != LUA_TNIL;
    lua_pop(L, 2);
    if (exact == match)
        luaL_error(L, "a filter is a function, { exact = true } or { match = \"order.*.eu\" }");
    if (exact)
        f->kind = SB_FILTER_EXACT;
    else
        take_pattern(L, idx, f);
}

void sb__filter_take(lua_State *L, int idx, sb_subscription *sub)
{
    sb_filter f = {.kind = SB_FILTER_ASK};
    idx = lua_absindex(L, idx);
    if (lua_type(L, idx) == LUA_TTABLE) {
        take_table(L, idx, &f);
    } else {
        luaL_checktype(L, idx, LUA_TFUNCTION);
        lua_pushvalue(L, idx);
        f.data = (void *)(intptr_t)luaL_ref(L, LUA_REGISTRYINDEX);
    }
    sb_err err = sub != NULL ? sb_subscription_filter(sub, &f) : sb_filter_check(&f);
    if (f.kind == SB_FILTER_ASK && (err != SB_OK || sub == NULL))
        luaL_unref(L, LUA_REGISTRYINDEX, ref_of(&f));
    if (err == SB_EINVAL)
        luaL_error(L, "pattern '%s': '>' can only be its last piece", (const char *)f.pattern);
    if (err != SB_OK)
        luaL_error(L, "%s", sb_strerror(err));
}

static int take_named(lua_State *L)
{
    sb__lsock *ls = lua_touserdata(L, 1);
    sb_subscription *sub = lua_touserdata(L, 2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ls->filters);
    lua_pushlstring(L, (const char *)sub->topic, sub->len);
    if (lua_rawget(L, -2) != LUA_TNIL)
        sb__filter_take(L, -1, sub);
    return 0;
}

bool sb__filter_named(sb__lsock *ls, sb_subscription *sub)
{
    lua_State *L = ls->script->L;
    if (ls->filters == LUA_NOREF)
        return true;
    lua_pushcfunction(L, take_named);
    lua_pushlightuserdata(L, ls);
    lua_pushlightuserdata(L, sub);
    bool ok = lua_pcall(L, 2, 0, 0) == LUA_OK;
    if (!ok) {
        sb__fault_note(ls->script, ls, sub->peer, "filter", lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    return ok;
}

/* socket:filter(topic, filter): for whoever subscribes exactly this topic. nil takes it off. */
int sb__socket_filter(lua_State *L)
{
    sb__lsock *ls = sb__lsock_check(L, 1);
    luaL_checkstring(L, 2);
    if (ls->type != SB_PUB && ls->type != SB_XPUB)
        return luaL_error(L, "filter belongs to PUB and XPUB sockets, this is a %s", sb_type_name(ls->type));
    lua_settop(L, 3);
    if (!lua_isnil(L, 3))
        sb__filter_take(L, 3, NULL);
    if (ls->filters == LUA_NOREF) {
        lua_newtable(L);
        ls->filters = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, ls->filters);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_rawset(L, -3);
    lua_settop(L, 1);
    return 1;
}

/* ---- from the engine ---- */

typedef struct question {
    sb__lsock *ls;
    sb_peer *peer;
    int fn;
    sb_msg *msg;
    sb__lmsg *object;
} question;

static int ask_function(lua_State *L)
{
    question *q = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, q->fn);
    q->object = sb__lmsg_push_view(L, q->msg);
    sb__lpeer_push(L, q->ls, q->peer);
    lua_call(L, 2, 1);
    return 1;
}

/* Inside of a handler that publishes its time goes on; else this is a run of its own. */
static int protected_call(sb_script *s, question *q)
{
    bool own = s->current == NULL && !s->limits.running;
    s->asked++;
    if (own)
        sb__limits_enter(&s->limits, s->L);
    lua_pushcfunction(s->L, ask_function);
    lua_pushlightuserdata(s->L, q);
    int status = lua_pcall(s->L, 1, 1, 0);
    if (own)
        sb__limits_leave(&s->limits);
    if (q->object != NULL)
        sb__lmsg_release(q->object);
    return status;
}

/* The script may do what it likes with its view: others get the message as it is. */
static sb_err copy_view(const sb_msg *msg, sb_msg *view)
{
    sb_err err = SB_OK;
    sb_msg_init(view);
    for (uint32_t i = 0; err == SB_OK && i < msg->n; i++)
        err = sb_msg_push(view, msg->frames[i].data, msg->frames[i].len, msg->frames[i].buf);
    return err;
}

bool sb__handler_on_filter(
    sb_handler *self, sb_socket *sock, sb_peer *peer, const sb_filter *filter, const sb_msg *msg)
{
    sb__lsock *ls = (sb__lsock *)self;
    sb_script *s = ls->script;
    sb_msg view;
    question q = {.ls = ls, .peer = peer, .fn = ref_of(filter), .msg = &view};
    if (copy_view(msg, &view) != SB_OK) {
        sb_msg_finish(&view);
        return false;
    }
    bool ok = protected_call(s, &q) == LUA_OK, passes = ok && lua_toboolean(s->L, -1);
    if (!ok) {
        sb_socket_count_drop(sock, SB_DROP_SCRIPT);
        sb__fault_note(s, ls, peer, "filter", lua_tostring(s->L, -1));
    }
    lua_pop(s->L, 1);
    sb_msg_finish(&view);
    return passes;
}

void sb__handler_on_filter_gone(sb_handler *self, sb_socket *sock, const sb_filter *filter)
{
    (void)sock;
    sb__lsock *ls = (sb__lsock *)self;
    luaL_unref(ls->script->L, LUA_REGISTRYINDEX, ref_of(filter));
}
