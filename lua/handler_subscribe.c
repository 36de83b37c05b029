/* Subscriptions that a script decides about: on_subscribe becomes a task, its answer a verdict.
 * Before: handler.c (the engine's callbacks). */
#include "lua/message.h"
#include "lua/socket.h"

/* Stack of the body: 1 peer object, 2 nil (where messages have theirs), 3.. results. */
#define ARG_PEER 1
#define RESULT   3

static void decide(sb__task *t, sb_verdict verdict, const char *topic, size_t len)
{
    if (t->ls->gone)
        return; /* the question went with its socket */
    if (t->u.ask.out == NULL) {
        sb_subscription_answer(t->u.ask.sub, verdict, topic, len);
        return;
    }
    if (verdict == SB_VERDICT_REWRITE && sb_subscription_rewrite(t->u.ask.sub, topic, len) != SB_OK)
        verdict = SB_VERDICT_DENY;
    *t->u.ask.out = verdict;
}

static bool is_filter(lua_State *L, int idx)
{
    return lua_istable(L, idx) || lua_isfunction(L, idx);
}

static int subscribe_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    sb__task *t = (sb__task *)ctx;
    bool second = is_filter(L, RESULT + 1);
    if (!t->ls->gone && (second || is_filter(L, RESULT)))
        sb__filter_take(L, second ? RESULT + 1 : RESULT, t->u.ask.sub);
    if (is_filter(L, RESULT) || sb__is_token(L, RESULT, SB__ACCEPT) ||
        (lua_isboolean(L, RESULT) && lua_toboolean(L, RESULT))) {
        decide(t, SB_VERDICT_ACCEPT, NULL, 0);
    } else if (sb__is_token(L, RESULT, SB__DENY) || lua_isboolean(L, RESULT)) {
        decide(t, SB_VERDICT_DENY, NULL, 0);
    } else if (lua_type(L, RESULT) == LUA_TSTRING) {
        size_t len;
        const char *topic = lua_tolstring(L, RESULT, &len);
        decide(t, SB_VERDICT_REWRITE, topic, len);
    } else {
        return luaL_error(L, "on_subscribe returns sb.ACCEPT, sb.DENY, another topic or a filter, not a %s",
            luaL_typename(L, RESULT));
    }
    return 0;
}

static int subscribe_body(lua_State *L)
{
    sb__task *t = sb__script_of(L)->current;
    if (t->ls->closing)
        return 0; /* closed before its turn came */
    sb__lpeer_push_client(L, t->ls, sb__task_peer(t), t->u.ask.sub->client);
    lua_pushnil(L); /* where messages have theirs */
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->fn);
    lua_pushlstring(L, (const char *)t->u.ask.sub->topic, t->u.ask.sub->len);
    lua_pushvalue(L, ARG_PEER);
    lua_callk(L, 2, 2, (lua_KContext)t, subscribe_k);
    return subscribe_k(L, LUA_OK, (lua_KContext)t);
}

static sb_err subscribe_suspended(sb__task *t)
{
    t->peer = NULL;
    if (t->u.ask.out != NULL)
        *t->u.ask.out = SB_VERDICT_LATER;
    t->u.ask.out = NULL;
    return SB_OK;
}

static void subscribe_ended(sb__task *t, const char *reason, const char *where)
{
    (void)where;
    if (reason != NULL)
        decide(t, SB_VERDICT_DENY, NULL, 0);
}

static const sb__task_kind subscribe_kind = {.name = "on_subscribe",
    .body = subscribe_body,
    .ended = subscribe_ended,
    .suspended = subscribe_suspended};

sb_verdict sb__handler_on_subscribe(sb_handler *self, sb_socket *sock, sb_subscription *sub)
{
    (void)sock;
    sb__lsock *ls = (sb__lsock *)self;
    sb_script *s = ls->script;
    if (!sb__filter_named(ls, sub))
        return SB_VERDICT_DENY;
    if (ls->on_subscribe == LUA_NOREF)
        return SB_VERDICT_ACCEPT;
    sb__task *t = sb__task_take(s, &subscribe_kind, ls);
    if (t == NULL)
        return SB_VERDICT_DENY;
    sb_verdict verdict = SB_VERDICT_DENY;
    t->fn = ls->on_subscribe;
    t->peer = sub->peer;
    t->peer_id = sub->peer != NULL ? sb_peer_id(sub->peer) : 0;
    t->u.ask.sub = sub;
    t->u.ask.out = NULL;
    if (s->current != NULL || s->toplevel) {
        subscribe_suspended(t);
        sb__task_ready(t);
        return SB_VERDICT_LATER;
    }
    t->u.ask.out = &verdict;
    sb__task_run(t);
    return verdict;
}
