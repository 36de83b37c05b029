/* Message objects of scripts: a userdata over a message of the engine. */
#ifndef SB_LUA_MESSAGE_H
#define SB_LUA_MESSAGE_H

#include "lua/state.h"

#define SB__MSG_MAGIC 0x534d5347u

typedef enum sb__lmsg_state {
    SB__MSG_DEAD,   /* its handler has returned */
    SB__MSG_VIEW,   /* msg is the engine's, during the call only */
    SB__MSG_EDITED, /* msg is the task's: frames of the engine's message and new ones, during the run only */
    SB__MSG_OWNED,  /* msg is ours, made by sb_msg_keep; ends with the handler */
    SB__MSG_KEPT    /* ours, ends with the garbage collector */
} sb__lmsg_state;

/* The userdata; its user value is the peer object. */
typedef struct sb__lmsg {
    uint32_t magic;
    sb__lmsg_state state;
    bool was_kept; /* the script may hold on to it: it is not used again */
    sb_msg *msg;
    uint64_t peer_id; /* whose object the user value is, 0: nil */
    sb__alloc *alloc; /* the script's, which is charged for what the message holds */
    size_t weight;    /* octets it was charged */
} sb__lmsg;

/* Tells the collector of memory it does not see, and makes room for n octets more, collecting garbage if need
 * be. Raises when there is none. */
void sb__lmsg_make_room(lua_State *L, size_t n);
/* What the message holds becomes more, or less by at most what it was charged. */
void sb__lmsg_charge(sb__lmsg *um, size_t n);
void sb__lmsg_give_back(sb__lmsg *um, size_t n);
/* Ends a message that is the object's own. */
void sb__lmsg_drop(sb__lmsg *um);

/* Pushes a view; the caller ends it with sb__lmsg_release. The object is one of a few that take turns, so
 * that a message makes no garbage: who holds one too long gets an error until its turn comes again. Raises on
 * ENOMEM. */
sb__lmsg *sb__lmsg_push_view(lua_State *L, sb_msg *msg);
/* Gives the object on top of the stack its metatable (lib_message.c). */
void sb__lmsg_own_metatable(lua_State *L);
/* Makes the value on top of the stack, which is popped, the peer of the message object at idx. */
void sb__lmsg_set_peer(lua_State *L, int idx, sb__lmsg *um, uint64_t peer_id);
/* Pushes a message object with a copy of its own, ended by the garbage collector. peer_idx 0: no peer. Raises
 * on ENOMEM. */
sb__lmsg *sb__lmsg_push_kept(lua_State *L, const sb_msg *msg, int peer_idx);
/* Pushes a dead object that becomes kept with sb__lmsg_fill: nothing is lost when memory runs out in between.
 * Raises where there is no room for more. */
sb__lmsg *sb__lmsg_push_empty(lua_State *L);
/* Gives the object a copy of msg, which may be the one that goes beyond the script's memory. SB_ENOMEM. Does
 * not raise. */
sb_err sb__lmsg_fill(sb__lmsg *um, const sb_msg *msg);
/* Gives the object a message made by sb_msg_keep. */
void sb__lmsg_adopt(sb__lmsg *um, sb_msg *own);
/* The handler has returned: the object is dead unless the script has kept it. */
void sb__lmsg_release(sb__lmsg *um);
/* The handler waits: a view becomes a copy of its own. SB_ENOMEM. */
sb_err sb__lmsg_hold(sb__lmsg *um);

/* Before an edit: what the task's message object shows becomes the task's own list of frames, and the message
 * it came as stays. SB_ENOMEM. */
sb_err sb__lmsg_edit(sb__lmsg *um, sb__task *t);

/* NULL when the value is not a message. */
sb__lmsg *sb__lmsg_test(lua_State *L, int idx);

/* What a script hands over as a message: an object, a string, or a table of strings. `local` serves the last
 * two and must be finished with sb__out_finish; nothing here raises. The strings must stay on the stack (or
 * in their table). */
typedef struct sb__out {
    sb_msg local;
    sb_msg *msg; /* what to send */
} sb__out;
/* SB_EINVAL with a text when the value is none of these. */
sb_err sb__out_init(lua_State *L, int idx, sb__out *out, char *err, size_t err_cap);
void sb__out_finish(sb__out *out);
/* Appends the frame at idx (a string or a number); false if it is something else. */
bool sb__out_push(lua_State *L, int idx, sb_msg *msg);

/* Pushes a table of the frames [from, to) as strings. */
void sb__push_frames(lua_State *L, const sb_msg *msg, uint32_t from, uint32_t to);

#endif
