/* sb.proxy(front, back, capture): everything from one side to the other, in C, with a copy for a third. It
 * can be paused and counts exactly. Subscriptions of an XPUB go to the XSUB like any other message. */
#include "lua/socket.h"

#include <stdlib.h>

#define PROXY_MAGIC 0x53425058u

typedef struct flow {
    uint64_t msgs, bytes;
} flow;

struct sb__lproxy {
    sb_script *script;
    sb__lsock *front, *back, *capture; /* NULL when closed */
    bool paused;
    uint32_t refs; /* both sides, the capture and the object */
    flow in_front, in_back, captured;
    uint64_t missed; /* what did not fit into the capture */
};

typedef struct proxy_object {
    uint32_t magic;
    sb__lproxy *proxy; /* never NULL: referenced */
} proxy_object;

static void proxy_unref(sb__lproxy *p)
{
    if (--p->refs == 0)
        free(p);
}

/* ---- messages ---- */

/* Never waits: what does not fit is not captured, nor what the capture's on_full or type drops. */
static void capture(sb__lproxy *p, sb_msg *msg)
{
    uint64_t before = sb_socket_turned_away(p->capture->sock);
    sb_err err = sb_socket_send(p->capture->sock, msg);
    if (err != SB_OK || sb_socket_turned_away(p->capture->sock) != before) {
        p->missed++;
        return;
    }
    p->captured.msgs++;
    p->captured.bytes += sb_msg_size(msg);
}

sb_err sb__proxy_msg(sb__lsock *ls, sb_peer *peer, sb_msg *msg)
{
    sb__lproxy *p = ls->proxy;
    if (p->paused)
        return SB_EAGAIN;
    sb__lsock *to = ls == p->front ? p->back : p->front;
    flow *in = ls == p->front ? &p->in_front : &p->in_back;
    in->msgs++;
    in->bytes += sb_msg_size(msg);
    if (p->capture != NULL)
        capture(p, msg);
    if (to != NULL) {
        sb_socket_passed(ls->sock, peer, msg, SB_DEED_TO, to->sock, NULL);
        return sb_socket_forward(to->sock, peer, msg);
    }
    sb_engine_dead_letter(
        ls->script->engine, ls->sock, peer, msg, "the target is closed", "", SB_DROP_NO_ROUTE);
    return SB_OK;
}

/* ---- life ---- */

/* Lets a side go; returns how many references that was. */
static unsigned let_go(sb__lproxy *p, sb__lsock **side)
{
    if (*side == NULL)
        return 0;
    if ((*side)->proxy == p)
        (*side)->proxy = NULL;
    *side = NULL;
    return 1;
}

static void detach_side(sb__lproxy *p, sb__lsock **side)
{
    if (let_go(p, side) != 0)
        proxy_unref(p);
}

static bool has(const sb__lproxy *p, const sb__lsock *ls)
{
    return p->front == ls || p->back == ls || p->capture == ls;
}

void sb__proxy_detach(sb__lsock *ls)
{
    /* A capture socket does not know its proxies: look at those of all sockets. */
    for (sb__lsock *other = ls->script->sockets; other != NULL; other = other->next) {
        sb__lproxy *p = other->proxy;
        if (p == NULL || !has(p, ls))
            continue;
        if (p->capture == ls) {
            p->capture = NULL;
            proxy_unref(p);
            continue;
        }
        sb__lsock **side = p->front == ls ? &p->front : &p->back;
        detach_side(p, side);
    }
}

static void stop(sb__lproxy *p)
{
    unsigned gone = let_go(p, &p->front) + let_go(p, &p->back) + (p->capture != NULL);
    p->capture = NULL;
    if (gone == 0)
        return;
    p->refs -= gone - 1;
    proxy_unref(p);
}

static void attach_side(lua_State *L, sb__lproxy *p, sb__lsock **side, int idx)
{
    *side = sb__lsock_check(L, idx);
    (*side)->proxy = p;
    p->refs++;
    sb__lsock_anchor(L, idx, *side);
}

static int proxy_new(lua_State *L)
{
    sb__lsock *front = sb__lsock_check(L, 1), *back = sb__lsock_check(L, 2);
    luaL_argcheck(L, front != back, 2, "front and back are the same socket");
    luaL_argcheck(L, front->proxy == NULL, 1, "this socket has a proxy already");
    luaL_argcheck(L, back->proxy == NULL, 2, "this socket has a proxy already");
    sb__lsock *capture = lua_isnoneornil(L, 3) ? NULL : sb__lsock_check(L, 3);
    lua_settop(L, 3);
    proxy_object *obj = lua_newuserdatauv(L, sizeof(*obj), 0);
    *obj = (proxy_object){.magic = PROXY_MAGIC, .proxy = calloc(1, sizeof(sb__lproxy))};
    if (obj->proxy == NULL)
        return sb__no_memory(L);
    obj->proxy->refs = 1;
    luaL_setmetatable(L, "proxy");
    sb__lproxy *p = obj->proxy;
    p->script = front->script;
    attach_side(L, p, &p->front, 1);
    attach_side(L, p, &p->back, 2);
    if (capture != NULL) {
        p->capture = capture;
        p->refs++;
        sb__lsock_anchor(L, 3, capture);
    }
    sb__hops_follow(front->sock, back->sock);
    sb__hops_follow(back->sock, front->sock);
    sb_socket_resume(front->sock);
    sb_socket_resume(back->sock);
    return 1;
}

/* ---- for scripts ---- */

static sb__lproxy *check_proxy(lua_State *L)
{
    proxy_object *obj = sb__to_object(L, 1, PROXY_MAGIC, sizeof(*obj));
    if (obj == NULL)
        luaL_typeerror(L, 1, "proxy");
    return obj->proxy;
}

static int proxy_pause(lua_State *L)
{
    check_proxy(L)->paused = true;
    return 0;
}

static int proxy_resume(lua_State *L)
{
    sb__lproxy *p = check_proxy(L);
    p->paused = false;
    if (p->front != NULL)
        sb_socket_resume(p->front->sock);
    if (p->back != NULL)
        sb_socket_resume(p->back->sock);
    return 0;
}

static int proxy_stop(lua_State *L)
{
    stop(check_proxy(L));
    return 0;
}

static void push_flow(lua_State *L, const char *key, const flow *f)
{
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, (lua_Integer)f->msgs);
    lua_setfield(L, -2, "msgs");
    lua_pushinteger(L, (lua_Integer)f->bytes);
    lua_setfield(L, -2, "bytes");
    lua_setfield(L, -2, key);
}

static int proxy_statistics(lua_State *L)
{
    const sb__lproxy *p = check_proxy(L);
    lua_createtable(L, 0, 5);
    push_flow(L, "front", &p->in_front);
    push_flow(L, "back", &p->in_back);
    push_flow(L, "captured", &p->captured);
    lua_pushinteger(L, (lua_Integer)p->missed);
    lua_setfield(L, -2, "missed");
    lua_pushboolean(L, p->paused);
    lua_setfield(L, -2, "paused");
    return 1;
}

static int proxy_gc(lua_State *L)
{
    proxy_object *obj = lua_touserdata(L, 1);
    if (obj->proxy != NULL)
        proxy_unref(obj->proxy); /* goes on by itself */
    obj->proxy = NULL;
    return 0;
}

static const luaL_Reg methods[] = {
    {"pause", proxy_pause},
    {"resume", proxy_resume},
    {"statistics", proxy_statistics},
    {"stop", proxy_stop},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__gc", proxy_gc},
    {NULL, NULL},
};

void sb__open_proxy(lua_State *L)
{
    sb__metatable(L, "proxy", meta);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushcfunction(L, proxy_new);
    lua_setfield(L, -2, "proxy");
}
