/* Options of sockets from and to Lua values: names by the engine's table, times in seconds, sizes also as
 * "64k". */
#include "engine/base/near.h"
#include "lua/socket.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

static const char *nearest(const char *key, const char *const *extra, const char *found)
{
    size_t len = strlen(key);
    size_t best = found != NULL ? sb_near_distance(key, len, found, strlen(found)) : 4;
    for (; extra != NULL && *extra != NULL; extra++) {
        size_t d = sb_near_distance(key, len, *extra, strlen(*extra));
        if (d < best && d <= 2) {
            best = d;
            found = *extra;
        }
    }
    return found;
}

const sb_opt_row *sb__option_check(lua_State *L, const char *key, const char *const *extra)
{
    const char *near = NULL;
    const sb_opt_row *row = sb_option_find(key, strlen(key), &near);
    if (row != NULL)
        return row;
    near = nearest(key, extra, near);
    if (near != NULL)
        luaL_error(L, "unknown option '%s', did you mean '%s'?", key, near);
    luaL_error(L, "unknown option '%s'", key);
    return NULL;
}

/* ---- Lua to engine ---- */

static void wrong(lua_State *L, const sb_opt_row *row, int idx, const char *wanted)
{
    luaL_error(L, "option '%s': %s expected, got %s", row->name, wanted,
        row->secret ? luaL_typename(L, idx) : luaL_tolstring(L, idx, NULL));
}

static int64_t ms_value(lua_State *L, const sb_opt_row *row, int idx)
{
    size_t len;
    int64_t ms = 0;
    if (lua_type(L, idx) == LUA_TNUMBER) {
        lua_Number v = lua_tonumber(L, idx);
        if (isnan(v) || v > 1e12)
            wrong(L, row, idx, "seconds");
        return v < 0 ? -1 : (int64_t)ceil(v * 1000 - 1e-6);
    }
    const char *text = lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &len) : NULL;
    if (text == NULL || !sb_option_parse_ms(text, len, &ms))
        wrong(L, row, idx, "seconds or a string such as \"500ms\"");
    return ms;
}

static int64_t int_value(lua_State *L, const sb_opt_row *row, int idx)
{
    size_t len;
    int64_t v = 0;
    if (lua_isinteger(L, idx))
        return lua_tointeger(L, idx);
    if (lua_type(L, idx) == LUA_TBOOLEAN)
        return lua_toboolean(L, idx);
    if (lua_type(L, idx) == LUA_TNUMBER && lua_tonumber(L, idx) == floor(lua_tonumber(L, idx)))
        return (int64_t)lua_tonumber(L, idx);
    const char *text = lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &len) : NULL;
    if (row->kind != SB_OPT_SIZE || text == NULL || !sb_option_parse_size(text, len, &v))
        wrong(L, row, idx,
            row->kind == SB_OPT_SIZE ? "a size in bytes or a string such as \"64k\"" : "a whole number");
    return v;
}

static int64_t bool_value(lua_State *L, const sb_opt_row *row, int idx)
{
    if (lua_type(L, idx) == LUA_TBOOLEAN)
        return lua_toboolean(L, idx);
    if (!lua_isinteger(L, idx))
        wrong(L, row, idx, "true or false");
    return lua_tointeger(L, idx);
}

static int64_t choice_value(lua_State *L, const sb_opt_row *row, int idx)
{
    char names[128] = "";
    const char *text = lua_type(L, idx) == LUA_TSTRING ? lua_tostring(L, idx) : "";
    for (int64_t i = 0; i <= row->max; i++) {
        if (strcmp(row->choices[i], text) == 0)
            return i;
        size_t len = strlen(names);
        snprintf(names + len, sizeof(names) - len, "%s\"%s\"", i > 0 ? ", " : "one of ", row->choices[i]);
    }
    wrong(L, row, idx, names);
    return 0;
}

/* A list of keys becomes one string with blanks between them. */
static const char *keys_value(lua_State *L, const sb_opt_row *row, int idx, size_t *len)
{
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (lua_Integer i = 1; i <= luaL_len(L, idx) && i <= SB_CURVE_KEYS + 1; i++) {
        uint8_t key[SB_CURVE_KEY];
        char text[SB_CURVE_Z85 + 1];
        size_t n = 0;
        const char *one = lua_rawgeti(L, idx, i) == LUA_TSTRING ? lua_tolstring(L, -1, &n) : "";
        if (!sb_curve_key(one, n, key))
            luaL_error(L, "option '%s': key %I of the list is no key", row->name, i);
        lua_pop(L, 1);
        sb_z85_encode(key, sizeof key, text);
        luaL_addstring(&b, text);
        luaL_addchar(&b, ' ');
    }
    luaL_pushresult(&b);
    return lua_tolstring(L, -1, len);
}

static const char *bytes_value(lua_State *L, const sb_opt_row *row, int idx, size_t *len)
{
    if (row->opt == SB_OPT_CURVE_SECRETKEY && lua_type(L, idx) == LUA_TTABLE)
        return keys_value(L, row, idx, len);
    if (lua_type(L, idx) != LUA_TSTRING)
        wrong(L, row, idx, "a string");
    return lua_tolstring(L, idx, len);
}

void sb__option_set(lua_State *L, sb__lsock *ls, const char *key, int idx)
{
    char err[256] = "";
    size_t len;
    sb_err code;
    const sb_opt_row *row = sb__option_check(L, key, NULL);
    if (!row->settable)
        luaL_error(L, "option '%s' can only be read", key);
    if (row->types != 0 && (row->types & SB_TYPE_BIT(ls->type)) == 0)
        luaL_error(L, "option '%s' does not belong to a %s socket", key, sb_type_name(ls->type));
    if (row->kind == SB_OPT_BYTES) {
        int top = lua_gettop(L);
        const char *data = bytes_value(L, row, idx, &len);
        code = sb_socket_set_bytes(ls->sock, row->opt, data, len, err, sizeof(err));
        lua_settop(L, top);
    } else {
        int64_t v = row->kind == SB_OPT_MS       ? ms_value(L, row, idx)
                    : row->kind == SB_OPT_BOOL   ? bool_value(L, row, idx)
                    : row->kind == SB_OPT_CHOICE ? choice_value(L, row, idx)
                                                 : int_value(L, row, idx);
        code = sb_socket_set_int(ls->sock, row->opt, v, err, sizeof(err));
    }
    if (code != SB_OK)
        luaL_error(
            L, "%s", err[0] != '\0' ? err : lua_pushfstring(L, "option '%s': %s", key, sb_strerror(code)));
}

/* ---- engine to Lua ---- */

static int push_bytes(lua_State *L, sb__lsock *ls, const sb_opt_row *row)
{
    char buf[512];
    size_t len = 0;
    sb_err err = sb_socket_get_bytes(ls->sock, row->opt, buf, sizeof(buf), &len);
    if (err != SB_OK)
        return sb__push_error(L, err, NULL);
    lua_pushlstring(L, buf, len < sizeof(buf) ? len : sizeof(buf));
    return 1;
}

int sb__option_get(lua_State *L, sb__lsock *ls, const char *key)
{
    const sb_opt_row *row = sb__option_check(L, key, NULL);
    int64_t v;
    if (!row->gettable)
        return luaL_error(L, "option '%s' can only be set", key);
    if (row->kind == SB_OPT_BYTES)
        return push_bytes(L, ls, row);
    sb_err err = sb_socket_get_int(ls->sock, row->opt, &v);
    if (err != SB_OK)
        return sb__push_error(L, err, NULL);
    if (row->kind == SB_OPT_BOOL)
        lua_pushboolean(L, v != 0);
    else if (row->kind == SB_OPT_CHOICE)
        lua_pushstring(L, row->choices[v]);
    else if (row->kind == SB_OPT_MS && v >= 0)
        lua_pushnumber(L, (lua_Number)v / 1000);
    else
        lua_pushinteger(L, (lua_Integer)v);
    return 1;
}
