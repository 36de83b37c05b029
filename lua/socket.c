/* A script's socket: its life. The functions for scripts are in lib_socket.c and its neighbours. */
#include "lua/quick.h"

#include <stdio.h>
#include <stdlib.h>

static void list_add(sb__lsock *ls)
{
    sb_script *s = ls->script;
    ls->next = s->sockets;
    if (s->sockets != NULL)
        s->sockets->prev = ls;
    s->sockets = ls;
}

static void list_remove(sb__lsock *ls)
{
    if (ls->prev != NULL)
        ls->prev->next = ls->next;
    else
        ls->script->sockets = ls->next;
    if (ls->next != NULL)
        ls->next->prev = ls->prev;
}

static sb__lsock *lsock_new(sb_script *s, sb_type type)
{
    sb__lsock *ls = calloc(1, sizeof(*ls));
    if (ls == NULL)
        return NULL;
    ls->script = s;
    ls->type = type;
    ls->self = ls->on_subscribe = ls->on_peer = ls->filters = ls->peer_ref = LUA_NOREF;
    ls->on_message.ref = ls->pipe_fn.ref = LUA_NOREF;
    return ls;
}

sb_err sb__lsock_create(
    lua_State *L, sb_type type, const char *name, char *err, size_t err_cap, sb__lsock **out)
{
    sb_script *s = sb__script_of(L);
    sb__lsock_object *obj = lua_newuserdatauv(L, sizeof(*obj), 1);
    *obj = (sb__lsock_object){.magic = SB__SOCK_MAGIC}; /* born closed */
    luaL_setmetatable(L, "socket");
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->sockets_ref);
    sb__lsock *ls = lsock_new(s, type);
    sb_err code = ls != NULL ? sb_socket_create(s->engine, type, name, &ls->sock) : SB_ENOMEM;
    if (code != SB_OK) {
        snprintf(err, err_cap, "%s%s%s", name != NULL ? name : "socket", ": ",
            code == SB_EEXIST   ? "a socket of this name exists already"
            : code == SB_EINVAL ? "this type of socket cannot be made"
                                : sb_strerror(code));
        free(ls);
        lua_pop(L, 2);
        return code;
    }
    ls->name = sb_socket_name(ls->sock);
    ls->object = obj;
    obj->ls = ls;
    list_add(ls);
    sb_socket_set_data(ls->sock, ls);
    sb__handler_init(ls);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, ls);
    lua_pop(L, 1);
    *out = ls;
    return SB_OK;
}

void sb__lsock_unref(sb__lsock *ls)
{
    ls->refs--;
    if (ls->gone && ls->refs == 0)
        free(ls);
}

static void leave_dead_letters(sb__lsock *ls)
{
    if (ls->dead_letters)
        sb_engine_set_dead_letter(ls->script->engine, NULL);
    ls->dead_letters = false;
}

/* Routes of the script that lead to a socket would lead nowhere. */
static bool route_leads_to(const sb__lsock *ls, const sb_socket *target)
{
    const sb_route *route = sb_socket_get_route(ls->sock);
    for (size_t i = 0; route != NULL && i < sb_route_count(route); i++) {
        const sb_route_row *row = sb_route_get(route, i);
        for (uint32_t k = 0; k < row->nto; k++)
            if (row->to[k] == target)
                return true;
    }
    return false;
}

static void detach_target(sb__lsock *target)
{
    for (sb__lsock *ls = target->script->sockets; ls != NULL; ls = ls->next) {
        if (ls->closing)
            continue;
        bool routed = route_leads_to(ls, target->sock);
        if (routed)
            sb_socket_set_route(ls->sock, NULL);
        if (ls->pipe_to == target)
            ls->pipe_to = NULL;
        else if (!routed)
            continue;
        ls->target_lost = true;
        sb__handler_update(ls);
    }
}

void sb__lfunction_drop(lua_State *L, sb__lfunction *fn)
{
    sb__unref(L, &fn->ref);
    sb__quick_destroy(L, fn->quick);
    fn->quick = NULL;
}

void sb__lfunction_take(lua_State *L, int idx, sb__lfunction *fn)
{
    sb__lfunction_drop(L, fn);
    if (lua_isnoneornil(L, idx))
        return;
    lua_pushvalue(L, idx);
    fn->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    fn->quick = sb__quick_create(L, idx);
}

static void drop_functions(sb__lsock *ls)
{
    lua_State *L = ls->script->L;
    int *refs[] = {&ls->on_subscribe, &ls->on_peer, &ls->filters, &ls->peer_ref, &ls->self};
    for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++)
        sb__unref(L, refs[i]);
    sb__lfunction_drop(L, &ls->on_message);
    sb__lfunction_drop(L, &ls->pipe_fn);
    ls->kind = NULL;
}

void sb__lsock_close(sb__lsock *ls)
{
    if (ls->closing)
        return;
    ls->closing = true;
    if (ls->object != NULL)
        ls->object->ls = NULL;
    ls->object = NULL;
    leave_dead_letters(ls);
    sb__proxy_detach(ls);
    detach_target(ls);
    sb_socket_set_route(ls->sock, NULL);
    drop_functions(ls);
    sb__waitq_wake(&ls->receivers, SB__WAKE_CLOSED);
    sb__waitq_wake(&ls->senders, SB__WAKE_CLOSED);
    sb__waitq_wake(&ls->confirmers, SB__WAKE_CLOSED);
    sb_socket_close(ls->sock); /* may be the end of ls */
}

/* on_closed has come, or never will. */
static void lsock_gone(sb__lsock *ls)
{
    list_remove(ls);
    drop_functions(ls);
    if (ls->resume_later) {
        sb__lsock **p = &ls->script->resume;
        while (*p != ls)
            p = &(*p)->resume_next;
        *p = ls->resume_next;
    }
    ls->gone = true;
    ls->name = "(closed)"; /* the engine's string is going */
    ls->refs++;
    sb__lsock_unref(ls);
}

void sb__lsock_closed(sb__lsock *ls)
{
    if (!ls->closing) {
        ls->closing = true; /* the engine closed it */
        if (ls->object != NULL)
            ls->object->ls = NULL;
        ls->object = NULL;
        leave_dead_letters(ls);
        sb__proxy_detach(ls);
        detach_target(ls);
        drop_functions(ls);
        sb__waitq_wake(&ls->receivers, SB__WAKE_CLOSED);
        sb__waitq_wake(&ls->senders, SB__WAKE_CLOSED);
        sb__waitq_wake(&ls->confirmers, SB__WAKE_CLOSED);
    }
    lsock_gone(ls);
}

void sb__lsocks_finish(sb_script *s)
{
    for (sb__lsock *ls = s->sockets; ls != NULL; ls = ls->next) {
        sb_socket_set_route(ls->sock, NULL);
        sb_socket_set_handler(ls->sock, NULL);
        sb_socket_set_data(ls->sock, NULL);
        if (ls->object != NULL)
            ls->object->ls = NULL;
        leave_dead_letters(ls);
        sb__proxy_detach(ls);
    }
    for (sb__lsock *ls; (ls = s->sockets) != NULL;) {
        sb_socket *sock = ls->sock;
        bool closing = ls->closing;
        lsock_gone(ls);
        if (!closing)
            sb_socket_close(sock);
    }
}

void sb__lsock_anchor(lua_State *L, int idx, sb__lsock *ls)
{
    if (ls->self != LUA_NOREF)
        return;
    lua_pushvalue(L, idx);
    ls->self = luaL_ref(L, LUA_REGISTRYINDEX);
}

void sb__lsock_push(lua_State *L, sb__lsock *ls)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, sb__script_of(L)->sockets_ref);
    if (ls->object == NULL)
        lua_pushnil(L);
    else
        lua_rawgetp(L, -1, ls);
    lua_remove(L, -2);
}

sb__lsock_object *sb__lsock_object_at(lua_State *L, int idx)
{
    return sb__to_object(L, idx, SB__SOCK_MAGIC, sizeof(sb__lsock_object));
}

bool sb__lsock_is(lua_State *L, int idx)
{
    return sb__to_object(L, idx, SB__SOCK_MAGIC, sizeof(sb__lsock_object)) != NULL;
}

sb__lsock *sb__lsock_test(lua_State *L, int idx)
{
    sb__lsock_object *obj = sb__to_object(L, idx, SB__SOCK_MAGIC, sizeof(*obj));
    if (obj == NULL)
        luaL_typeerror(L, idx, "socket");
    return obj->ls;
}

sb__lsock *sb__lsock_check(lua_State *L, int idx)
{
    sb__lsock *ls = sb__lsock_test(L, idx);
    if (ls == NULL)
        luaL_argerror(L, idx, "the socket is closed");
    return ls;
}
