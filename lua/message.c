/* Message objects: their life, and what a script hands over as a message. The script's functions are in
 * lib_message.c. */
#include "lua/message.h"
#include "lua/task.h"

#include <stdio.h>

/* ---- weight: what messages hold is the engine's memory, and counts as the script's ---- */

#define TELL_EACH (64 * 1024)

static void tell_collector(lua_State *L, sb__alloc *a)
{
    if (a->untold < TELL_EACH)
        return;
    size_t kib = a->untold / 1024;
    a->untold = 0;
    lua_gc(L, LUA_GCSTEP, (int)kib);
}

/* An eighth is left to Lua, so that handlers that keep nothing go on. */
static bool has_room(const sb__alloc *a, size_t n)
{
    return n <= a->cap && sb__alloc_has_room(a, n + a->cap / 8);
}

void sb__lmsg_make_room(lua_State *L, size_t n)
{
    sb__alloc *a = &sb__script_of(L)->alloc;
    tell_collector(L, a);
    if (has_room(a, n))
        return;
    lua_gc(L, LUA_GCCOLLECT);
    sb__limits_check(L);
    if (!has_room(a, n))
        sb__no_memory(L);
}

void sb__lmsg_charge(sb__lmsg *um, size_t n)
{
    um->weight += n;
    sb__alloc_charge(um->alloc, n);
}

void sb__lmsg_give_back(sb__lmsg *um, size_t n)
{
    n = n < um->weight ? n : um->weight;
    um->weight -= n;
    sb__alloc_give_back(um->alloc, n);
}

static void charge_whole(sb__lmsg *um, const sb_msg *own)
{
    sb__lmsg_charge(um, sizeof *own + own->n * sizeof *own->frames + sb_msg_size(own));
}

void sb__lmsg_drop(sb__lmsg *um)
{
    if (um->state == SB__MSG_EDITED)
        sb_msg_finish(um->msg);
    else if (um->state == SB__MSG_OWNED || um->state == SB__MSG_KEPT)
        sb_msg_destroy(um->msg);
    um->state = SB__MSG_DEAD;
    um->msg = NULL;
    sb__lmsg_give_back(um, um->weight);
}

/* ---- life ---- */

static sb__lmsg *push_bare(lua_State *L)
{
    sb__lmsg *um = lua_newuserdatauv(L, sizeof(*um), 1);
    *um = (sb__lmsg){.magic = SB__MSG_MAGIC, .state = SB__MSG_DEAD, .alloc = &sb__script_of(L)->alloc};
    return um;
}

static sb__lmsg *push_object(lua_State *L, size_t weight, int peer_idx)
{
    sb__lmsg_make_room(L, weight);
    sb__lmsg *um = push_bare(L);
    if (peer_idx != 0) {
        lua_pushvalue(L, peer_idx);
        lua_setiuservalue(L, -2, 1);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, sb__script_of(L)->mt_kept);
    lua_setmetatable(L, -2);
    return um;
}

static sb__lmsg *new_view(lua_State *L, sb__view *slot)
{
    sb__lmsg *um = push_bare(L);
    sb__lmsg_own_metatable(L);
    lua_pushvalue(L, -1);
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    if (slot->object != NULL)
        luaL_unref(L, LUA_REGISTRYINDEX, slot->ref);
    *slot = (sb__view){um, ref};
    return um;
}

static bool is_free(const sb__view *slot)
{
    return slot->object != NULL && slot->object->state == SB__MSG_DEAD && !slot->object->was_kept;
}

static sb__lmsg *take_view(lua_State *L, sb__view *slot)
{
    sb__lmsg *um = slot->object;
    if (!is_free(slot))
        return new_view(L, slot);
    lua_rawgeti(L, LUA_REGISTRYINDEX, slot->ref);
    return um;
}

void sb__lmsg_set_peer(lua_State *L, int idx, sb__lmsg *um, uint64_t peer_id)
{
    lua_setiuservalue(L, idx, 1);
    um->peer_id = peer_id;
}

sb__lmsg *sb__lmsg_push_view(lua_State *L, sb_msg *msg)
{
    sb_script *s = sb__script_of(L);
    sb__lmsg *um = take_view(L, &s->views[s->view_turn++ % SB__VIEWS]);
    um->msg = msg;
    um->state = SB__MSG_VIEW;
    return um;
}

sb__lmsg *sb__lmsg_push_kept(lua_State *L, const sb_msg *msg, int peer_idx)
{
    sb__lmsg *um = push_object(L, sb_msg_size(msg), peer_idx);
    if (sb_msg_keep(msg, &um->msg) != SB_OK)
        sb__no_memory(L);
    um->state = SB__MSG_KEPT;
    charge_whole(um, um->msg);
    return um;
}

sb__lmsg *sb__lmsg_push_empty(lua_State *L)
{
    return push_object(L, 0, 0);
}

void sb__lmsg_adopt(sb__lmsg *um, sb_msg *own)
{
    own->peer = NULL; /* the peer may go first */
    um->msg = own;
    um->state = SB__MSG_KEPT;
    charge_whole(um, own);
}

sb_err sb__lmsg_fill(sb__lmsg *um, const sb_msg *msg)
{
    sb_msg *own;
    sb_err err = sb_msg_keep(msg, &own);
    if (err == SB_OK)
        sb__lmsg_adopt(um, own);
    return err;
}

void sb__lmsg_release(sb__lmsg *um)
{
    if (um->state == SB__MSG_VIEW) { /* nearly all of them */
        um->state = SB__MSG_DEAD;
        um->msg = NULL;
    } else if (um->state != SB__MSG_KEPT) {
        sb__lmsg_drop(um);
    }
}

sb_err sb__lmsg_hold(sb__lmsg *um)
{
    if (um->state != SB__MSG_VIEW && um->state != SB__MSG_EDITED)
        return SB_OK;
    sb_msg *own;
    sb_err err = sb_msg_keep(um->msg, &own);
    if (err != SB_OK)
        return err;
    sb__lmsg_drop(um);
    own->peer = NULL; /* the peer may go first */
    um->msg = own;
    um->state = SB__MSG_OWNED;
    charge_whole(um, own);
    return SB_OK;
}

sb_err sb__lmsg_edit(sb__lmsg *um, sb__task *t)
{
    const sb_msg *msg = um->msg;
    if (um->state != SB__MSG_VIEW)
        return SB_OK;
    if (t == NULL || t->msg != um || msg->frames != msg->inl)
        return sb__lmsg_hold(um);
    t->edit = *msg;
    t->edit.frames = t->edit.inl;
    t->edit.peer = NULL;
    for (uint32_t i = 0; i < t->edit.n; i++)
        t->edit.inl[i].held = false; /* by the original */
    um->msg = &t->edit;
    um->state = SB__MSG_EDITED;
    return SB_OK;
}

sb__lmsg *sb__lmsg_test(lua_State *L, int idx)
{
    return sb__to_object(L, idx, SB__MSG_MAGIC, sizeof(sb__lmsg));
}

/* ---- what scripts hand over ---- */

static bool push_number(lua_State *L, int idx, sb_msg *msg)
{
    char text[64];
    int n = lua_isinteger(L, idx) ? snprintf(text, sizeof(text), "%lld", (long long)lua_tointeger(L, idx))
                                  : snprintf(text, sizeof(text), "%.14g", lua_tonumber(L, idx));
    return sb_msg_push_copy(msg, text, (size_t)n) == SB_OK;
}

bool sb__out_push(lua_State *L, int idx, sb_msg *msg)
{
    size_t len;
    switch (lua_type(L, idx)) {
    case LUA_TSTRING: {
        const char *data = lua_tolstring(L, idx, &len);
        return sb_msg_push(msg, data, len, NULL) == SB_OK;
    }
    case LUA_TNUMBER:
        return push_number(L, idx, msg);
    default:
        return false;
    }
}

static sb_err from_table(lua_State *L, int idx, sb_msg *msg, char *err, size_t err_cap)
{
    size_t n = lua_rawlen(L, idx);
    if (n == 0) {
        snprintf(err, err_cap, "a message needs at least one frame; the table is empty");
        return SB_EINVAL;
    }
    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(L, idx, (lua_Integer)i);
        bool taken = sb__out_push(L, -1, msg);
        if (!taken)
            snprintf(err, err_cap, "frame %zu is a %s, not a string", i, luaL_typename(L, -1));
        lua_pop(L, 1); /* the table still holds the string */
        if (!taken)
            return SB_EINVAL;
    }
    return SB_OK;
}

sb_err sb__out_init(lua_State *L, int idx, sb__out *out, char *err, size_t err_cap)
{
    sb__lmsg *um = sb__lmsg_test(L, idx);
    idx = lua_absindex(L, idx);
    sb_msg_init(&out->local);
    out->msg = um != NULL ? um->msg : &out->local;
    if (um != NULL && um->state != SB__MSG_DEAD)
        return SB_OK;
    if (um != NULL) {
        snprintf(err, err_cap, "message used after its handler returned; use msg:keep()");
        return SB_EINVAL;
    }
    if (lua_type(L, idx) == LUA_TTABLE)
        return from_table(L, idx, &out->local, err, err_cap);
    if (sb__out_push(L, idx, &out->local))
        return SB_OK;
    snprintf(err, err_cap, "a message is a string, a table of strings or a message object, not a %s",
        luaL_typename(L, idx));
    return SB_EINVAL;
}

void sb__out_finish(sb__out *out)
{
    sb_msg_finish(&out->local);
}

void sb__push_frames(lua_State *L, const sb_msg *msg, uint32_t from, uint32_t to)
{
    lua_createtable(L, (int)(to - from), 0);
    for (uint32_t i = from; i < to; i++) {
        lua_pushlstring(L, (const char *)msg->frames[i].data, msg->frames[i].len);
        lua_rawseti(L, -2, (lua_Integer)(i - from + 1));
    }
}
