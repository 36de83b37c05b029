/* The module table: what require "signalbox" gives. */
#include "lua/socket.h"

#define TOKEN_MAGIC 0x53425644u

static int phase(lua_State *L)
{
    lua_pushstring(L, sb__script_of(L)->phase == SB_SCRIPT_DECLARE ? "declare" : "run");
    return 1;
}

static int dead_letter(lua_State *L)
{
    sb_script *s = sb__script_of(L);
    if (lua_isnil(L, 1)) {
        sb_engine_set_dead_letter(s->engine, NULL);
        return 0;
    }
    sb__lsock *ls = sb__lsock_check(L, 1);
    sb__lsock_must_send(L, ls, "dead letters go to");
    sb_engine_set_dead_letter(s->engine, ls->sock);
    sb__lsock_anchor(L, 1, ls);
    ls->dead_letters = true;
    return 0;
}

static int exiting(lua_State *L)
{
    lua_pushboolean(L, sb__script_of(L)->exiting);
    return 1;
}

static int token_tostring(lua_State *L)
{
    lua_getiuservalue(L, 1, 1);
    return 1;
}

static const luaL_Reg token_meta[] = {
    {"__tostring", token_tostring},
    {NULL, NULL},
};

static void open_tokens(lua_State *L)
{
    static const char *const names[SB__TOKENS] = {
        [SB__DROP] = "DROP", [SB__ACCEPT] = "ACCEPT", [SB__DENY] = "DENY"};
    sb__metatable(L, "signalbox.token", token_meta);
    lua_pop(L, 1);
    for (int i = 0; i < SB__TOKENS; i++) {
        uint32_t *token = lua_newuserdatauv(L, sizeof(*token), 1);
        *token = TOKEN_MAGIC;
        sb__script_of(L)->token[i] = token;
        lua_pushfstring(L, "sb.%s", names[i]);
        lua_setiuservalue(L, -2, 1);
        luaL_setmetatable(L, "signalbox.token");
        lua_setfield(L, -2, names[i]);
    }
}

static const luaL_Reg functions[] = {
    {"phase", phase},
    {"dead_letter", dead_letter},
    {"exiting", exiting},
    {NULL, NULL},
};

static void open_worker(lua_State *L)
{
    uint32_t workers;
    lua_pushinteger(L, sb_engine_worker(sb__script_of(L)->engine, &workers));
    lua_setfield(L, -2, "worker");
    lua_pushinteger(L, workers);
    lua_setfield(L, -2, "workers");
}

int sb__open_signalbox(lua_State *L)
{
    lua_newtable(L);
    sb__open_message(L);
    sb__open_peer(L);
    sb__open_socket(L);
    sb__open_timer(L);
    sb__open_log(L);
    sb__open_metrics(L);
    sb__open_proxy(L);
    sb__open_auth(L);
    sb__open_shared(L);
    open_tokens(L);
    luaL_setfuncs(L, functions, 0);
    open_worker(L);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "cjson.safe");
    lua_setfield(L, -3, "json");
    lua_pop(L, 1);
    return 1;
}
