/* sb.log.{debug,info,notice,warn,error} and print: lines to the host's log. */
#include "lua/task.h"

#include <string.h>

static void log_text(sb_script *s, sb_log_level level, const char *text)
{
    sb__task *t = s->current;
    do {
        size_t len = strcspn(text, "\n");
        sb__log(s, t != NULL ? t->ls : NULL, t != NULL ? sb__task_peer(t) : NULL, level, text, len);
        text += len + (text[len] == '\n');
    } while (*text != '\0');
}

/* All arguments as text, a space between them. */
static int write_line(lua_State *L)
{
    sb_log_level level = (sb_log_level)lua_tointeger(L, lua_upvalueindex(1));
    int n = lua_gettop(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&b, ' ');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    log_text(sb__script_of(L), level, lua_tostring(L, -1));
    return 0;
}

static const struct {
    const char *name;
    sb_log_level level;
} levels[] = {
    {"debug", SB_LOG_DEBUG},
    {"info", SB_LOG_INFO},
    {"notice", SB_LOG_NOTICE},
    {"warn", SB_LOG_WARN},
    {"error", SB_LOG_ERROR},
};

void sb__open_log(lua_State *L)
{
    lua_newtable(L);
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        lua_pushinteger(L, levels[i].level);
        lua_pushcclosure(L, write_line, 1);
        lua_setfield(L, -2, levels[i].name);
    }
    lua_getfield(L, -1, "info");
    lua_setglobal(L, "print");
    lua_setfield(L, -2, "log");
}
