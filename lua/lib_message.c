/* What scripts can do with a message: msg[i], #msg, msg:size(i) and so on. i counts body frames from 1. */
#include "lua/message.h"
#include "lua/task.h"

#include <string.h>

static sb__lmsg *check_message(lua_State *L, int idx)
{
    const sb__task *t = sb__script_of(L)->current;
    sb__lmsg *um = lua_touserdata(L, idx);
    if (um != NULL && t != NULL && um == t->msg && um->state != SB__MSG_DEAD)
        return um; /* what nearly all calls are about */
    um = sb__lmsg_test(L, idx);
    if (um == NULL)
        luaL_typeerror(L, idx, "message");
    if (um->state == SB__MSG_DEAD)
        luaL_error(L, "message used after its handler returned; use msg:keep()");
    return um;
}

static lua_Integer arg_integer(lua_State *L, int arg)
{
    int is;
    lua_Integer i = lua_tointegerx(L, arg, &is);
    return is ? i : luaL_checkinteger(L, arg); /* which raises */
}

/* Before an edit that adds `more` octets: the original stays as it came, for the dead letters and for whoever
 * else reads it. */
static sb_msg *check_editable(lua_State *L, int idx, size_t more)
{
    sb__lmsg *um = check_message(L, idx);
    if (more > 0)
        sb__lmsg_make_room(L, more);
    if (sb__lmsg_edit(um, sb__script_of(L)->current) != SB_OK)
        sb__no_memory(L);
    sb__lmsg_charge(um, more);
    return um->msg;
}

/* Frames [from, to) are about to go; only what the message itself holds was charged. */
static void give_back(lua_State *L, int idx, uint32_t from, uint32_t to)
{
    sb__lmsg *um = lua_touserdata(L, idx);
    for (uint32_t i = from; i < to; i++)
        if (um->msg->frames[i].held)
            sb__lmsg_give_back(um, um->msg->frames[i].len);
}

static const sb_frame *frame_at(const sb_msg *msg, lua_Integer i)
{
    return i >= 1 && (lua_Unsigned)i <= sb_msg_count(msg) ? sb_msg_frame(msg, (uint32_t)(i - 1)) : NULL;
}

static const sb_frame *check_frame(lua_State *L, const sb_msg *msg, int arg)
{
    const sb_frame *f = frame_at(msg, arg_integer(L, arg));
    if (f == NULL)
        luaL_argerror(L, arg, lua_pushfstring(L, "the message has %d frames", (int)sb_msg_count(msg)));
    return f;
}

static void check_edit(lua_State *L, sb_err err)
{
    if (err != SB_OK)
        luaL_error(L, "%s", err == SB_ENOMEM ? "not enough memory" : sb_strerror(err));
}

/* ---- fields ---- */

static void push_routing_id(lua_State *L, const sb_msg *msg)
{
    uint32_t id = sb_msg_routing_id(msg);
    if (id != 0)
        lua_pushinteger(L, id);
    else
        lua_pushnil(L);
}

static void push_group(lua_State *L, const sb_msg *msg)
{
    size_t len;
    const void *group = sb_msg_group(msg, &len);
    if (group != NULL)
        lua_pushlstring(L, group, len);
    else
        lua_pushnil(L);
}

static int push_field(lua_State *L, int obj, sb__lmsg *um)
{
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(key, "peer") == 0)
        lua_getiuservalue(L, obj, 1);
    else if (strcmp(key, "envelope") == 0)
        sb__push_frames(L, um->msg, 0, um->msg->envelope);
    else if (strcmp(key, "group") == 0)
        push_group(L, um->msg);
    else if (strcmp(key, "routing_id") == 0)
        push_routing_id(L, um->msg);
    else
        lua_pushnil(L);
    return 1;
}

static int push_frame(lua_State *L, const sb_msg *msg, lua_Integer i)
{
    const sb_frame *f = frame_at(msg, i);
    if (f == NULL)
        return 0;
    lua_pushlstring(L, (const char *)f->data, f->len);
    return 1;
}

static int message_index(lua_State *L)
{
    sb__lmsg *um = lua_touserdata(L, 1);
    if (lua_isinteger(L, 2) && um->state != SB__MSG_DEAD)
        return push_frame(L, um->msg, lua_tointeger(L, 2));
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    return push_field(L, 1, check_message(L, 1));
}

/* What is no method of a handler's message; the object is the closure's own. */
static int view_index(lua_State *L)
{
    sb__lmsg *um = check_message(L, lua_upvalueindex(1));
    if (lua_isinteger(L, 2))
        return push_frame(L, um->msg, lua_tointeger(L, 2));
    return push_field(L, lua_upvalueindex(1), um);
}

static const char *check_bytes(lua_State *L, int arg, size_t *len)
{
    return luaL_checklstring(L, arg, len);
}

static void set_envelope(lua_State *L, sb_msg *msg, int idx)
{
    luaL_checktype(L, idx, LUA_TTABLE);
    size_t n = lua_rawlen(L, idx), len;
    for (size_t i = 1; i <= n; i++) {
        if (lua_rawgeti(L, idx, (lua_Integer)i) != LUA_TSTRING)
            luaL_error(L, "envelope frame %d is not a string", (int)i);
        lua_pop(L, 1);
    }
    give_back(L, 1, 0, msg->envelope);
    sb_msg_drop_front(msg, msg->envelope);
    msg->envelope = 0;
    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(L, idx, (lua_Integer)i);
        const char *data = lua_tolstring(L, -1, &len);
        sb__lmsg_make_room(L, len);
        sb__lmsg_charge(lua_touserdata(L, 1), len);
        check_edit(L, sb_msg_insert_copy(msg, (uint32_t)(i - 1), data, len));
        msg->envelope = (uint32_t)i;
        lua_pop(L, 1);
    }
}

static void set_routing_id(lua_State *L, sb_msg *msg, int idx)
{
    lua_Integer id = luaL_checkinteger(L, idx);
    luaL_argcheck(L, id >= 1 && id <= UINT32_MAX, idx, "a routing id is a number from 1 to 4294967295");
    check_edit(L, sb_msg_set_routing_id(msg, (uint32_t)id));
}

static void set_group(lua_State *L, sb_msg *msg, int idx)
{
    size_t len;
    const char *group = luaL_checklstring(L, idx, &len);
    luaL_argcheck(L, len <= SB_GROUP_MAX, idx, "a group has at most 255 octets");
    check_edit(L, sb_msg_set_group(msg, group, len));
}

static const struct {
    const char *name;
    void (*set)(lua_State *L, sb_msg *msg, int idx);
} settable[] = {{"envelope", set_envelope}, {"group", set_group}, {"routing_id", set_routing_id}};

static int set_field(lua_State *L)
{
    const char *key = luaL_tolstring(L, 2, NULL);
    for (size_t i = 0; i < sizeof(settable) / sizeof(settable[0]); i++)
        if (strcmp(key, settable[i].name) == 0) {
            settable[i].set(L, check_editable(L, 1, 0), 3);
            return 0;
        }
    return luaL_error(L, "a message has no field '%s' to set", key);
}

static int message_newindex(lua_State *L)
{
    if (!lua_isinteger(L, 2))
        return set_field(L);
    size_t len;
    lua_Integer i = lua_tointeger(L, 2);
    const char *data = check_bytes(L, 3, &len);
    sb_msg *msg = check_editable(L, 1, len);
    uint32_t n = sb_msg_count(msg);
    luaL_argcheck(L, i >= 1 && i <= (lua_Integer)n + 1, 2, "frame number out of range");
    if (i == (lua_Integer)n + 1)
        check_edit(L, sb_msg_push_copy(msg, data, len));
    else {
        uint32_t at = msg->envelope + (uint32_t)i - 1;
        give_back(L, 1, at, at + 1);
        check_edit(L, sb_msg_set_copy(msg, at, data, len));
    }
    return 0;
}

static int message_len(lua_State *L)
{
    lua_pushinteger(L, sb_msg_count(check_message(L, 1)->msg));
    return 1;
}

static int message_gc(lua_State *L)
{
    sb__lmsg *um = lua_touserdata(L, 1);
    sb__lmsg_drop(um);
    return 0;
}

static int message_tostring(lua_State *L)
{
    sb__lmsg *um = sb__lmsg_test(L, 1);
    if (um == NULL || um->state == SB__MSG_DEAD)
        lua_pushliteral(L, "message (ended)");
    else
        lua_pushfstring(L, "message (%d frames)", (int)sb_msg_count(um->msg));
    return 1;
}

/* ---- methods ---- */

static int message_size(lua_State *L)
{
    const sb_msg *msg = check_message(L, 1)->msg;
    size_t size = lua_isnoneornil(L, 2) ? sb_msg_body_size(msg) : check_frame(L, msg, 2)->len;
    lua_pushinteger(L, (lua_Integer)size);
    return 1;
}

static int message_starts(lua_State *L)
{
    size_t len;
    const sb_msg *msg = check_message(L, 1)->msg;
    const sb_frame *f = frame_at(msg, arg_integer(L, 2));
    const char *prefix = check_bytes(L, 3, &len);
    lua_pushboolean(L, f != NULL && f->len >= len && memcmp(f->data, prefix, len) == 0);
    return 1;
}

static int message_equals(lua_State *L)
{
    size_t len;
    const sb_msg *msg = check_message(L, 1)->msg;
    const sb_frame *f = frame_at(msg, arg_integer(L, 2));
    const char *text = check_bytes(L, 3, &len);
    lua_pushboolean(L, f != NULL && f->len == len && memcmp(f->data, text, len) == 0);
    return 1;
}

static int message_insert(lua_State *L)
{
    size_t len;
    lua_Integer i = arg_integer(L, 2);
    const char *data = check_bytes(L, 3, &len);
    sb_msg *msg = check_editable(L, 1, len);
    luaL_argcheck(L, i >= 1 && i <= (lua_Integer)sb_msg_count(msg) + 1, 2, "frame number out of range");
    check_edit(L, sb_msg_insert_copy(msg, msg->envelope + (uint32_t)i - 1, data, len));
    lua_settop(L, 1);
    return 1;
}

static int message_remove(lua_State *L)
{
    sb_msg *msg = check_editable(L, 1, 0);
    uint32_t n = sb_msg_count(msg);
    lua_Integer i = luaL_optinteger(L, 2, n);
    luaL_argcheck(L, i >= 1 && i <= (lua_Integer)n, 2, "frame number out of range");
    const sb_frame *f = frame_at(msg, i);
    uint32_t at = msg->envelope + (uint32_t)i - 1;
    lua_pushlstring(L, (const char *)f->data, f->len);
    give_back(L, 1, at, at + 1);
    check_edit(L, sb_msg_remove(msg, at));
    return 1;
}

static int message_copy(lua_State *L)
{
    sb__lmsg *um = check_message(L, 1);
    lua_getiuservalue(L, 1, 1);
    sb__lmsg_push_kept(L, um->msg, lua_gettop(L))->msg->peer = NULL;
    return 1;
}

static int message_keep(lua_State *L)
{
    sb__lmsg *um = check_message(L, 1);
    sb__lmsg_make_room(L, sb_msg_size(um->msg));
    if (sb__lmsg_hold(um) != SB_OK)
        sb__no_memory(L);
    lua_settop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, sb__script_of(L)->mt_kept);
    lua_setmetatable(L, 1);
    um->state = SB__MSG_KEPT;
    um->was_kept = true;
    return 1;
}

static int message_frames(lua_State *L)
{
    const sb_msg *msg = check_message(L, 1)->msg;
    sb__push_frames(L, msg, msg->envelope, msg->n);
    return 1;
}

/* sb.message(value): an object of its own, not tied to a handler. */
static int message_new(lua_State *L)
{
    char err[160];
    sb__out out;
    sb__lmsg *um = sb__lmsg_push_empty(L);
    sb_err code = sb__out_init(L, 1, &out, err, sizeof(err));
    if (code == SB_OK)
        code = sb__lmsg_fill(um, out.msg);
    sb__out_finish(&out);
    if (code == SB_EINVAL)
        return luaL_argerror(L, 1, err);
    check_edit(L, code);
    return 1;
}

/* ---- tables ---- */

static const luaL_Reg methods[] = {
    {"size", message_size},
    {"starts", message_starts},
    {"equals", message_equals},
    {"insert", message_insert},
    {"remove", message_remove},
    {"copy", message_copy},
    {"keep", message_keep},
    {"frames", message_frames},
    {NULL, NULL},
};

static const luaL_Reg view_meta[] = {
    {"__newindex", message_newindex},
    {"__len", message_len},
    {"__tostring", message_tostring},
    {NULL, NULL},
};

static const luaL_Reg kept_meta[] = {
    {"__gc", message_gc},
    {"__close", message_gc},
    {NULL, NULL},
};

static int make_kept_metatable(lua_State *L)
{
    sb__metatable(L, "signalbox.message", view_meta);
    luaL_setfuncs(L, kept_meta, 0);
    luaL_newlib(L, methods);
    lua_pushcclosure(L, message_index, 1);
    lua_setfield(L, -2, "__index");
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Methods are looked up by Lua itself, without a call into C: __index is a table of methods, and only what is
 * not in it goes to a closure that knows the object. So every object has both of its own. */
void sb__lmsg_own_metatable(lua_State *L)
{
    int obj = lua_gettop(L);
    sb__metatable(L, NULL, view_meta);
    luaL_newlib(L, methods);
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, obj);
    lua_pushcclosure(L, view_index, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, obj);
}

void sb__open_message(lua_State *L)
{
    sb_script *s = sb__script_of(L);
    s->mt_kept = make_kept_metatable(L);
    lua_pushcfunction(L, message_new);
    lua_setfield(L, -2, "message");
}
