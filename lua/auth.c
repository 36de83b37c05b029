/* sb.authenticate: who may come in, decided by a function of the script. Each question is a task of its own,
 * so the function may wait. Before: the engine's authenticator slot. After: sb_auth_answer. */
#include "lua/socket.h"

#include <string.h>

#define RESULT 1 /* where the function's results begin on the body's stack */

static void reply(sb__task *t, const sb_session_verdict *verdict)
{
    sb_auth_answer(t->script->engine, t->u.auth.id, verdict); /* too late: nobody waits for it any more */
}

/* ---- what the function returned ---- */

#define PROPS 16

/* The metadata table at the top of the stack; values stay alive with it. */
static uint32_t read_metadata(lua_State *L, sb_property props[PROPS])
{
    uint32_t n = 0;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1), n++) {
        size_t len;
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "sb.authenticate: metadata is a table of strings");
        if (n == PROPS)
            luaL_error(L, "sb.authenticate: more than %d properties in metadata", PROPS);
        props[n].name = (char *)(uintptr_t)lua_tostring(L, -2);
        props[n].value = (uint8_t *)(uintptr_t)lua_tolstring(L, -1, &len);
        props[n].value_len = (uint32_t)len;
    }
    return n;
}

static const char *string_field(lua_State *L, int idx, const char *key)
{
    int type = lua_getfield(L, idx, key);
    if (type != LUA_TNIL && type != LUA_TSTRING)
        luaL_error(L, "sb.authenticate: %s is a string, not a %s", key, luaL_typename(L, -1));
    return lua_tostring(L, -1);
}

static void admit_table(lua_State *L, sb__task *t)
{
    sb_property props[PROPS];
    sb_session_verdict v = {.status = 200, .user_id = string_field(L, RESULT, "user_id"), .metadata = props};
    if (lua_getfield(L, RESULT, "metadata") == LUA_TTABLE)
        v.nmetadata = read_metadata(L, props);
    else if (!lua_isnil(L, -1))
        luaL_error(L, "sb.authenticate: metadata is a table, not a %s", luaL_typename(L, -1));
    reply(t, &v);
}

static void refuse(lua_State *L, sb__task *t)
{
    lua_Integer status = luaL_optinteger(L, RESULT + 2, 400);
    const char *text = luaL_optstring(L, RESULT + 1, "refused by the script");
    if (status != 300 && status != 400 && status != 500)
        luaL_error(L, "sb.authenticate: status is 300, 400 or 500, not %I", status);
    reply(t, &(sb_session_verdict){.status = (unsigned)status, .text = text});
}

static int auth_k(lua_State *L, int status, lua_KContext ctx)
{
    sb__task *t = (sb__task *)ctx;
    (void)status;
    switch (lua_type(L, RESULT)) {
    case LUA_TSTRING:
        reply(t, &(sb_session_verdict){.status = 200, .user_id = lua_tostring(L, RESULT)});
        break;
    case LUA_TTABLE:
        admit_table(L, t);
        break;
    case LUA_TBOOLEAN:
    case LUA_TNIL:
        if (lua_toboolean(L, RESULT))
            reply(t, &(sb_session_verdict){.status = 200});
        else
            refuse(L, t);
        break;
    default:
        return luaL_error(L, "sb.authenticate: the function returned a %s", luaL_typename(L, RESULT));
    }
    return 0;
}

/* ---- the task ---- */

static int auth_body(lua_State *L)
{
    sb__task *t = sb__script_of(L)->current;
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->fn);
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->u.auth.request);
    lua_callk(L, 1, 3, (lua_KContext)t, auth_k);
    return auth_k(L, LUA_OK, (lua_KContext)t);
}

static void auth_ended(sb__task *t, const char *reason, const char *where)
{
    (void)where;
    sb__unref(t->script->L, &t->u.auth.request);
    sb__unref(t->script->L, &t->fn);
    if (reason != NULL)
        reply(t, &(sb_session_verdict){.status = 500, .text = "the script failed"});
}

static const sb__task_kind auth_kind = {.name = "authenticate", .body = auth_body, .ended = auth_ended};

static void set(lua_State *L, const char *key, const void *value, size_t len)
{
    lua_pushlstring(L, value != NULL ? value : "", value != NULL ? len : 0);
    lua_setfield(L, -2, key);
}

static void set_text(lua_State *L, const char *key, const char *value)
{
    set(L, key, value, strlen(value));
}

static void push_request(lua_State *L, const sb_auth_request *r)
{
    lua_createtable(L, 0, 12);
    set_text(L, "mechanism", r->mechanism);
    set_text(L, "domain", r->domain);
    set_text(L, "address", r->address);
    set_text(L, "endpoint", r->endpoint);
    set_text(L, "socket", sb_socket_name(r->socket));
    set(L, "identity", r->identity, r->identity_len);
    set(L, "username", r->username, r->username_len);
    set(L, "password", r->password, r->password_len);
    set_text(L, "key", r->key);
    lua_createtable(L, 0, (int)r->nmetadata);
    for (uint32_t i = 0; i < r->nmetadata; i++)
        set(L, r->metadata[i].name, r->metadata[i].value, r->metadata[i].value_len);
    lua_setfield(L, -2, "metadata");
}

/* Arguments: task, request. */
static int prepare(lua_State *L)
{
    sb__task *t = lua_touserdata(L, 1);
    push_request(L, lua_touserdata(L, 2));
    t->u.auth.request = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->script->authenticate);
    t->fn = luaL_ref(L, LUA_REGISTRYINDEX); /* the script may set another one meanwhile */
    return 0;
}

static bool start(sb_script *s, const sb_auth_request *request)
{
    sb__task *t = s->stats.tasks < s->max_tasks ? sb__task_take(s, &auth_kind, NULL) : NULL;
    if (t == NULL)
        return false;
    t->u.auth.id = request->id;
    t->u.auth.request = t->fn = LUA_NOREF;
    lua_pushcfunction(s->L, prepare);
    lua_pushlightuserdata(s->L, t);
    lua_pushlightuserdata(s->L, (void *)(uintptr_t)request);
    if (lua_pcall(s->L, 2, 0, 0) == LUA_OK) {
        sb__task_ready(t);
        return true;
    }
    lua_pop(s->L, 1);
    sb__unref(s->L, &t->u.auth.request);
    sb__unref(s->L, &t->fn);
    sb__task_give_back(t);
    return false;
}

static void on_request(sb_authenticator *self, const sb_auth_request *request)
{
    sb_script *s = (sb_script *)((char *)self - offsetof(sb_script, authenticator));
    if (!start(s, request)) {
        sb__fault_note(
            s, NULL, NULL, auth_kind.name, "no task for a peer that wants in: turned away for now");
        sb_auth_answer(
            s->engine, request->id, &(sb_session_verdict){.status = 300, .text = "too many tasks"});
        return;
    }
    if (s->current == NULL && !s->toplevel)
        sb_timer_start(s->loop, &s->kick, sb_loop_now(s->loop)); /* not inside the session's call */
}

/* ---- for scripts ---- */

void sb__authenticate_finish(sb_script *s)
{
    if (sb_engine_get_authenticator(s->engine) == &s->authenticator)
        sb_engine_set_authenticator(s->engine, NULL);
}

static int authenticate(lua_State *L)
{
    sb_script *s = sb__script_of(L);
    sb_authenticator *now = sb_engine_get_authenticator(s->engine);
    if (!lua_isnoneornil(L, 1))
        luaL_checktype(L, 1, LUA_TFUNCTION);
    if (now != NULL && now != &s->authenticator)
        return luaL_error(
            L, "sb.authenticate: another script of this engine already decides who may come in");
    sb__unref(L, &s->authenticate);
    s->authenticator.on_request = on_request;
    if (lua_isnoneornil(L, 1)) {
        sb__authenticate_finish(s);
        return 0;
    }
    lua_pushvalue(L, 1);
    s->authenticate = luaL_ref(L, LUA_REGISTRYINDEX);
    sb_engine_set_authenticator(s->engine, &s->authenticator);
    return 0;
}

void sb__open_auth(lua_State *L)
{
    sb__script_of(L)->authenticate = LUA_NOREF;
    lua_pushcfunction(L, authenticate);
    lua_setfield(L, -2, "authenticate");
}
