/* Hints for misspelt names: what Lua says of a call to nothing gets the name that was probably meant. */
#include "engine/base/near.h"
#include "lua/socket.h"

#include <string.h>

typedef struct guess {
    const char *word, *best; /* best: a key of a table that stays */
    size_t len, distance;
} guess;

/* A name may differ by a letter in three: more is another name. */
static void consider(guess *g, const char *name)
{
    size_t d = sb_near_distance(g->word, g->len, name, strlen(name));
    if (d * 3 > g->len || d >= g->distance)
        return;
    g->distance = d;
    g->best = name;
}

/* Takes the table on top away. */
static void consider_keys(lua_State *L, guess *g)
{
    for (lua_pushnil(L); lua_istable(L, -2) && lua_next(L, -2) != 0; lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING)
            consider(g, lua_tostring(L, -2));
    lua_pop(L, 1);
}

static void consider_functions(lua_State *L, guess *g)
{
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "signalbox");
    lua_remove(L, -2);
    consider_keys(L, g);
}

/* Methods are a table, or what a closure looks into first. */
static void consider_methods(lua_State *L, guess *g, const char *kind)
{
    if (luaL_getmetatable(L, kind) == LUA_TTABLE) {
        lua_getfield(L, -1, "__index");
        if (lua_isfunction(L, -1) && lua_getupvalue(L, -1, 1) != NULL)
            lua_remove(L, -2);
        lua_remove(L, -2);
    }
    if (lua_istable(L, -1))
        consider_keys(L, g);
    else
        lua_pop(L, 1);
}

/* "... attempt to call a nil value (method 'on_mesage')": copies the name. */
static bool misspelt(const char *text, char *name, size_t cap, bool *method)
{
    static const char call[] = "attempt to call a nil value (";
    const char *p = strstr(text, call);
    if (p == NULL)
        return false;
    p += sizeof call - 1;
    *method = strncmp(p, "method '", 8) == 0;
    if (!*method && strncmp(p, "field '", 7) != 0)
        return false;
    p += *method ? 8 : 7;
    size_t len = strcspn(p, "'");
    if (len >= cap || strcmp(p + len, "')") != 0)
        return false;
    memcpy(name, p, len);
    name[len] = '\0';
    return true;
}

void sb__hint(lua_State *L)
{
    static const char *const kinds[] = {"socket", "signalbox.message", "peer", "timer"};
    char name[SB_NEAR_MAX + 1];
    bool method;
    if (!misspelt(lua_tostring(L, -1), name, sizeof name, &method))
        return;
    guess g = {.word = name, .len = strlen(name), .distance = SB_NEAR_MAX};
    if (!method)
        consider_functions(L, &g);
    for (size_t i = 0; method && i < sizeof kinds / sizeof *kinds; i++)
        consider_methods(L, &g, kinds[i]);
    if (g.best == NULL)
        return;
    lua_pushfstring(L, "%s, did you mean '%s'?", lua_tostring(L, -1), g.best);
    lua_remove(L, -2);
}
