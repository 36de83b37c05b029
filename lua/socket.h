/* A script's socket: an engine's socket with what the script put on it. The userdata only points to it,
 * because the engine may need the handler longer than Lua needs the object. */
#ifndef SB_LUA_SOCKET_H
#define SB_LUA_SOCKET_H

#include "lua/task.h"

#define SB__SOCK_MAGIC 0x53425353u

typedef struct sb__lproxy sb__lproxy;

/* The userdata. */
typedef struct sb__lsock_object {
    uint32_t magic;
    sb__lsock *ls; /* NULL once it is closed */
} sb__lsock_object;

/* A function that is called for messages. */
typedef struct sb__lfunction {
    int ref;                 /* in the registry; LUA_NOREF: none */
    struct sb__quick *quick; /* NULL: always carried out by Lua */
} sb__lfunction;

struct sb__lsock {
    sb_handler handler; /* first */
    sb_socket *sock;
    sb_script *script;
    sb__lsock_object *object; /* NULL when it was collected or closed */
    const char *name;         /* the engine's */
    sb_type type;
    bool closing;  /* closed by the script; on_closed comes later */
    bool gone;     /* on_closed has come: freed with the last reference */
    uint32_t refs; /* open tasks */

    /* registry references: the object itself (while it must not be collected) and the script's functions */
    int self, on_subscribe, on_peer, filters;
    sb__lfunction on_message, pipe_fn;
    const sb__task_kind *kind; /* what runs for a message; NULL: messages queue for recv */
    sb__lsock *pipe_to;
    sb__lproxy *proxy;
    bool dead_letters; /* sb.dead_letter named it */
    bool target_lost;  /* a route or pipe led to a socket that is closed now */

    sb__waitq receivers, senders, confirmers;
    sb__request *requests;
    bool asks;         /* a DEALER that has made requests: late answers are recognised */
    bool request_open; /* REQ: one at a time */
    bool resume_later;
    sb__lsock *resume_next;

    int peer_ref; /* the peer object used last */
    uint64_t peer_id;

    sb__lsock *next, *prev;
};

/* Makes the engine's socket and the object; pushes the object. On failure pushes nothing and fills err. */
sb_err sb__lsock_create(
    lua_State *L, sb_type type, const char *name, char *err, size_t err_cap, sb__lsock **out);
/* Closes it: the object is empty from now on, waiting tasks wake. Idempotent. */
void sb__lsock_close(sb__lsock *ls);
/* The script ends: takes handler and route off, closes, frees. */
/* The engine is done with it (on_closed). */
void sb__lsock_closed(sb__lsock *ls);
void sb__lsocks_finish(sb_script *s);
static inline void sb__lsock_ref(sb__lsock *ls)
{
    ls->refs++;
}
void sb__lsock_unref(sb__lsock *ls);
/* The object at idx must not be collected from now on (until closed): it has work to do. */
void sb__lsock_anchor(lua_State *L, int idx, sb__lsock *ls);
/* Pushes the object, or nil when it is closed. */
void sb__lsock_push(lua_State *L, sb__lsock *ls);

/* The socket at idx; raises when it is none. Closed: NULL from test, nil from check after pushing the error
 * triple. */
sb__lsock *sb__lsock_test(lua_State *L, int idx);
/* Raises when the value is no socket or is closed. */
sb__lsock *sb__lsock_check(lua_State *L, int idx);
/* Raise when the type of the socket makes no sense there. `what` begins the sentence. */
void sb__lsock_must_send(lua_State *L, const sb__lsock *ls, const char *what);
void sb__lsock_must_receive(lua_State *L, const sb__lsock *ls, const char *what);
bool sb__lsock_is(lua_State *L, int idx);
/* The object at idx, NULL when it is no socket; its ls is NULL when closed. Does not raise. */
sb__lsock_object *sb__lsock_object_at(lua_State *L, int idx);

/* Sets the handler slots (handler.c). */
void sb__handler_init(sb__lsock *ls);
/* Keeps the function at idx, or none (nil), instead of what is there; may raise. _drop: none again. */
void sb__lfunction_take(lua_State *L, int idx, sb__lfunction *fn);
void sb__lfunction_drop(lua_State *L, sb__lfunction *fn);
/* What runs for messages, from what is set (handler.c). */
void sb__handler_update(sb__lsock *ls);
/* Sends what a handler decided on: held and braked when the target is full. from may be NULL. What cannot go
 * is dead-lettered on `ls`. */
void sb__lsock_deliver(sb__task *t, sb__lsock *to, sb_msg *msg);
/* A DEALER that gets a ROUTER's messages must know how many routing ids stand before the body. */
void sb__hops_follow(sb_socket *from, sb_socket *to);

/* Runs a function of a route table for a message; what an sb_route_call returns. */
/* handler_subscribe.c: the slot of the engine's handler. */
/* handler_filter.c: the filter at idx becomes the subscription's (sub NULL: is only checked); raises. The one
 * that socket:filter named for its topic, if any: false when that failed, which is noted. Slots of the
 * engine's handler. */
void sb__filter_take(lua_State *L, int idx, sb_subscription *sub);
bool sb__filter_named(sb__lsock *ls, sb_subscription *sub);
int sb__socket_filter(lua_State *L);
void sb__handler_on_event(sb_handler *self, sb_socket *sock, const sb_event *event);
bool sb__handler_on_filter(
    sb_handler *self, sb_socket *sock, sb_peer *peer, const sb_filter *filter, const sb_msg *msg);
void sb__handler_on_filter_gone(sb_handler *self, sb_socket *sock, const sb_filter *filter);
sb_verdict sb__handler_on_subscribe(sb_handler *self, sb_socket *sock, sb_subscription *sub);
sb_err sb__route_function(
    sb__lsock *ls, const sb__lfunction *fn, sb_route_call *call, sb_peer *peer, sb_msg *msg);

/* Peer objects (lib_peer.c): pushes the object of this peer of ls, or of whom it speaks for now; nil when
 * peer is NULL. Returns its number, 0, or UINT64_MAX when the next object of the same peer may be another.
 * _client: of whom it asks for (NULL: for itself). */
uint64_t sb__lpeer_push(lua_State *L, sb__lsock *ls, sb_peer *peer);
void sb__lpeer_push_client(lua_State *L, sb__lsock *ls, sb_peer *peer, const sb_client *client);
/* The same after a handshake: what the object knew is out of date. */
void sb__lpeer_push_anew(lua_State *L, sb__lsock *ls, sb_peer *peer);
/* The number of a peer object at idx; raises when it is none. */
uint64_t sb__lpeer_check(lua_State *L, int idx);

/* A message that may answer a request of a DEALER: true when it did (socket_request.c). */
bool sb__request_answer(sb__lsock *ls, sb_peer *peer, sb_msg *msg);
/* The task's request is over, answered or not. Idempotent. */
void sb__request_finish(sb__task *t);
/* Sends the value at idx; raises only when it is no message (socket_io.c). */
sb_err sb__socket_send_value(lua_State *L, sb__lsock *ls, int idx);
/* What a wait returns that was ended by time, exit or close; 0 when it may try again (socket_io.c). */
int sb__wait_failed(lua_State *L, const sb__task *t);

/* A message for a proxy (proxy.c). */
sb_err sb__proxy_msg(sb__lsock *ls, sb_peer *peer, sb_msg *msg);
void sb__proxy_detach(sb__lsock *ls);

/* The route "every message to `to`"; returns the object at 1 (socket_route.c). */
int sb__route_everything(lua_State *L, sb__lsock *ls, sb__lsock *to);
/* Like sb__push_error; at the top level it ends the load instead (lib_socket.c). */
int sb__socket_failure(lua_State *L, sb_err code, const char *text);
/* Pushes a table of the numbers (socket_admin.c). */
void sb__push_stats(lua_State *L, const sb_stats *st, const sb_rates *rates);
void sb__push_socket_stats(lua_State *L, sb_socket *sock);

/* Methods, one list per file, all in the socket's method table. */
extern const luaL_Reg sb__socket_io_methods[];
extern const luaL_Reg sb__socket_request_methods[];
extern const luaL_Reg sb__socket_route_methods[];
extern const luaL_Reg sb__socket_admin_methods[];
extern const luaL_Reg sb__socket_handler_methods[];
extern const luaL_Reg sb__socket_subscribe_methods[];

/* The constructor's table argument: name, bind, connect, subscribe and options (options.c). */
/* `retain` of the table at 1 (socket_subscribe.c). */
void sb__retain_apply(lua_State *L, sb__lsock *ls);
/* Applies the option named key from the value at idx; raises for an unknown name or a wrong kind of value. */
void sb__option_set(lua_State *L, sb__lsock *ls, const char *key, int idx);
/* Pushes the value of an option, raises for an unknown name. */
int sb__option_get(lua_State *L, sb__lsock *ls, const char *key);
/* sb_option_find, or an error with a hint that also knows `extra` names. */
const sb_opt_row *sb__option_check(lua_State *L, const char *key, const char *const *extra);

#endif
