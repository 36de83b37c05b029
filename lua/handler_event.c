/* Events of a socket: waiting tasks wake, and on_peer is told. The slot of the engine's handler. */
#include "lua/socket.h"

static const sb__task_kind event_kind = {.name = "on_peer"};

static void set_string(lua_State *L, const char *key, const char *value)
{
    if (value == NULL || *value == '\0')
        return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

static void push_details(lua_State *L, const sb_event *ev)
{
    lua_createtable(L, 0, 8);
    lua_pushinteger(L, (lua_Integer)ev->conn_id);
    lua_setfield(L, -2, "id");
    set_string(L, "endpoint", ev->endpoint);
    set_string(L, "address", ev->address);
    set_string(L, "detail", ev->detail);
    if (ev->err != SB_OK)
        set_string(L, "error", sb_errname(ev->err));
    if (ev->cause != SB_CAUSE_NONE)
        set_string(L, "cause", sb_session_cause_name(ev->cause));
    if (ev->identity_len > 0) {
        lua_pushlstring(L, (const char *)ev->identity, ev->identity_len);
        lua_setfield(L, -2, "identity");
    }
    if (ev->kind == SB_EVENT_CONGESTED || ev->kind == SB_EVENT_RELIEVED) {
        lua_pushinteger(L, (lua_Integer)ev->queued_msgs);
        lua_setfield(L, -2, "queued_msgs");
        lua_pushinteger(L, (lua_Integer)ev->queued_bytes);
        lua_setfield(L, -2, "queued_bytes");
    }
    if (ev->interval != 0) {
        lua_pushnumber(L, (lua_Number)ev->interval / 1e9);
        lua_setfield(L, -2, "retry_in");
    }
}

/* Arguments: task, event. Puts the function and what it gets on the task's own stack. */
static int prepare_event(lua_State *L)
{
    sb__task *t = lua_touserdata(L, 1);
    const sb_event *ev = lua_touserdata(L, 2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->ls->on_peer);
    lua_pushstring(L, sb_event_name(ev->kind));
    if (ev->kind == SB_EVENT_HANDSHAKE_SUCCEEDED)
        sb__lpeer_push_anew(L, t->ls, ev->peer);
    else
        sb__lpeer_push(L, t->ls, ev->peer);
    push_details(L, ev);
    lua_xmove(L, t->co, 4);
    return 0;
}

void sb__handler_on_event(sb_handler *self, sb_socket *sock, const sb_event *event)
{
    (void)sock;
    sb__lsock *ls = (sb__lsock *)self;
    sb_script *s = ls->script;
    if (event->kind == SB_EVENT_SUBSCRIPTION_CONFIRMED && ls->confirmers.first != NULL) {
        sb__waitq_wake(&ls->confirmers, SB__WAKE_EVENT);
        sb_timer_start(s->loop, &s->kick, sb_loop_now(s->loop));
    }
    if (event->kind == SB_EVENT_REQUEST_EXPIRED && ls->receivers.first != NULL) {
        sb__waitq_wake(&ls->receivers, SB__WAKE_TIMEOUT);
        sb_timer_start(s->loop, &s->kick, sb_loop_now(s->loop));
    }
    if (event->kind == SB_EVENT_MONITOR_STOPPED) /* no code runs for a socket that is gone */
        return;
    if (ls->on_peer == LUA_NOREF || ls->closing || s->stats.tasks >= s->max_tasks)
        return;
    sb__task *t = sb__task_take(s, &event_kind, ls);
    if (t == NULL)
        return;
    t->nargs = 3;
    lua_pushcfunction(s->L, prepare_event);
    lua_pushlightuserdata(s->L, t);
    lua_pushlightuserdata(s->L, (void *)event);
    if (lua_pcall(s->L, 2, 0, 0) != LUA_OK) {
        lua_pop(s->L, 1);
        lua_settop(t->co, 0);
        sb__task_give_back(t);
        sb__fault_note(s, ls, NULL, "on_peer", "out of memory");
        return;
    }
    sb__task_ready(t);
    if (s->current == NULL && !s->toplevel)
        sb_timer_start(s->loop, &s->kick, sb_loop_now(s->loop)); /* never from inside the engine's own work */
}
