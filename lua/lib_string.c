/* string.find, match, gmatch and gsub over our own matcher, and a guard on rep: nothing here runs unseen for
 * long. */
#include "lua/pattern.h"
#include "lua/state.h"

#include <ctype.h>
#include <string.h>

typedef struct text {
    const char *data;
    size_t len;
} text;

static text check_text(lua_State *L, int arg)
{
    text t;
    t.data = luaL_checklstring(L, arg, &t.len);
    return t;
}

/* Where argument `arg` (1-based, negative from the end) begins, 0-based; beyond the end: len + 1. */
static size_t check_start(lua_State *L, int arg, size_t len)
{
    lua_Integer at = luaL_optinteger(L, arg, 1);
    if (at > 0)
        return (lua_Unsigned)at > len + 1 ? len + 1 : (size_t)at - 1;
    if (at == 0 || at < -(lua_Integer)len)
        return 0;
    return len + (size_t)at;
}

/* ---- find and match ---- */

static bool is_plain(text pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.data[i] != '\0' && strchr("^$*+?.([%-", pattern.data[i]) != NULL)
            return false;
    return true;
}

static int find_plain(lua_State *L, text subject, size_t from, text wanted)
{
    const char *at = memmem(subject.data + from, subject.len - from, wanted.data, wanted.len);
    if (at == NULL) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, at - subject.data + 1);
    lua_pushinteger(L, at - subject.data + (lua_Integer)wanted.len);
    return 2;
}

static int push_found(lua_State *L, sb__pattern *m, const char *s, const char *e, bool find)
{
    if (!find)
        return sb__pattern_push_all(m, s, e, 1);
    lua_pushinteger(L, s - m->subject + 1);
    lua_pushinteger(L, e - m->subject);
    return sb__pattern_push_all(m, s, e, 0) + 2;
}

static int search(lua_State *L, bool find)
{
    text subject = check_text(L, 1), pattern = check_text(L, 2);
    size_t from = check_start(L, 3, subject.len);
    if (from > subject.len) {
        lua_pushnil(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || is_plain(pattern)))
        return find_plain(L, subject, from, pattern);
    sb__pattern m;
    bool anchored = pattern.len > 0 && pattern.data[0] == '^';
    sb__pattern_init(&m, L, subject.data, subject.len, pattern.data, pattern.len);
    for (const char *s = subject.data + from; s <= m.subject_end; s++) {
        const char *e = sb__pattern_match(&m, s, pattern.data + anchored);
        if (e != NULL)
            return push_found(L, &m, s, e, find);
        if (anchored)
            break;
    }
    lua_pushnil(L);
    return 1;
}

static int string_find(lua_State *L)
{
    return search(L, true);
}

static int string_match(lua_State *L)
{
    return search(L, false);
}

/* ---- gmatch ---- */

/* Upvalues: subject, pattern, where to go on, end of the last match (both 0-based, -1: none). */
static int gmatch_next(lua_State *L)
{
    sb__pattern m;
    text subject, pattern;
    subject.data = lua_tolstring(L, lua_upvalueindex(1), &subject.len);
    pattern.data = lua_tolstring(L, lua_upvalueindex(2), &pattern.len);
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    sb__pattern_init(&m, L, subject.data, subject.len, pattern.data, pattern.len);
    for (const char *s = subject.data + lua_tointeger(L, lua_upvalueindex(3)); s <= m.subject_end; s++) {
        const char *e = sb__pattern_match(&m, s, pattern.data);
        if (e == NULL || e - subject.data == last)
            continue;
        lua_pushinteger(L, e - subject.data);
        lua_pushvalue(L, -1);
        lua_replace(L, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return sb__pattern_push_all(&m, s, e, 1);
    }
    lua_pushinteger(L, (lua_Integer)subject.len + 1);
    lua_replace(L, lua_upvalueindex(3));
    return 0;
}

static int string_gmatch(lua_State *L)
{
    text subject = check_text(L, 1);
    check_text(L, 2);
    size_t from = check_start(L, 3, subject.len);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)from);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* ---- gsub ---- */

static void add_template(lua_State *L, luaL_Buffer *b, sb__pattern *m, const char *s, const char *e)
{
    text repl;
    repl.data = lua_tolstring(L, 3, &repl.len);
    for (size_t i = 0; i < repl.len; i++) {
        char c = repl.data[i];
        if (c != '%') {
            luaL_addchar(b, c);
            continue;
        }
        c = ++i < repl.len ? repl.data[i] : '\0';
        if (c == '%') {
            luaL_addchar(b, c);
        } else if (c == '0') {
            luaL_addlstring(b, s, (size_t)(e - s));
        } else if (isdigit((unsigned char)c)) {
            sb__pattern_push(m, c - '1', s, e);
            luaL_tolstring(L, -1, NULL);
            lua_remove(L, -2);
            luaL_addvalue(b);
        } else {
            luaL_error(L, "invalid use of '%%' in replacement string");
        }
    }
}

/* Pushes what a table or function has for this match. */
static void look_up(lua_State *L, sb__pattern *m, const char *s, const char *e)
{
    if (lua_type(L, 3) == LUA_TTABLE) {
        sb__pattern_push(m, 0, s, e);
        lua_gettable(L, 3);
        return;
    }
    lua_pushvalue(L, 3);
    lua_call(L, sb__pattern_push_all(m, s, e, 1), 1);
}

static void add_replacement(lua_State *L, luaL_Buffer *b, sb__pattern *m, const char *s, const char *e)
{
    int type = lua_type(L, 3);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        add_template(L, b, m, s, e);
        return;
    }
    look_up(L, m, s, e);
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, s, (size_t)(e - s));
    } else if (lua_isstring(L, -1)) {
        luaL_addvalue(b);
    } else {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
}

static int string_gsub(lua_State *L)
{
    text subject = check_text(L, 1), pattern = check_text(L, 2);
    int type = lua_type(L, 3);
    luaL_argexpected(L,
        type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TTABLE || type == LUA_TFUNCTION, 3,
        "string/function/table");
    if (type == LUA_TNUMBER)
        lua_tolstring(L, 3, NULL);
    lua_Integer max = luaL_optinteger(L, 4, (lua_Integer)subject.len + 1), n = 0;
    bool anchored = pattern.len > 0 && pattern.data[0] == '^';
    const char *s = subject.data, *last = NULL;
    sb__pattern m;
    luaL_Buffer b;
    sb__pattern_init(&m, L, subject.data, subject.len, pattern.data, pattern.len);
    luaL_buffinit(L, &b);
    while (n < max) {
        const char *e = sb__pattern_match(&m, s, pattern.data + anchored);
        if (e != NULL && e != last) {
            n++;
            add_replacement(L, &b, &m, s, e);
            s = last = e;
        } else if (s < m.subject_end) {
            luaL_addchar(&b, *s++);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    luaL_addlstring(&b, s, (size_t)(m.subject_end - s));
    luaL_pushresult(&b);
    lua_pushinteger(L, n);
    return 2;
}

/* ---- rep ---- */

/* The library's copies piece by piece, which for a small piece takes long; this one doubles what is there. */
static int string_rep(lua_State *L)
{
    text piece = check_text(L, 1), separator = {"", 0};
    lua_Integer n = luaL_checkinteger(L, 2);
    separator.data = luaL_optlstring(L, 3, "", &separator.len);
    size_t unit = piece.len + separator.len, total, have = unit;
    if (n <= 0 || unit == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if ((lua_Unsigned)n > sb__script_of(L)->alloc.cap / unit + 1)
        return luaL_error(L, "resulting string too large");
    total = (size_t)n * unit - separator.len;
    luaL_Buffer b;
    char *out = luaL_buffinitsize(L, &b, total + unit);
    memcpy(out, piece.data, piece.len);
    memcpy(out + piece.len, separator.data, separator.len);
    for (; have < total; have *= 2)
        memcpy(out + have, out, have < total - have ? have : total - have);
    luaL_pushresultsize(&b, total);
    return 1;
}

static const luaL_Reg functions[] = {
    {"find", string_find},
    {"match", string_match},
    {"gmatch", string_gmatch},
    {"gsub", string_gsub},
    {"rep", string_rep},
    {NULL, NULL},
};

void sb__open_string(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
