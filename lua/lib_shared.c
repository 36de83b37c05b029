/* sb.shared(name): a dictionary in the host's zone, the same one in every worker and after a reload.
 * Before: scripts. After: engine/base/zone.c. */
#include "lua/state.h"

#include "engine/base/zone.h"

#include <stdlib.h>
#include <string.h>

#define SHARED_MAGIC 0x53425348u
#define KEYS_MAX     1024 /* keys() without a number */

typedef struct shared {
    uint32_t magic;
    char name[64];
} shared;

static shared *arg_shared(lua_State *L)
{
    shared *sh = sb__to_object(L, 1, SHARED_MAGIC, sizeof(*sh));
    luaL_argcheck(L, sh != NULL, 1, "a dictionary of sb.shared expected; call its methods with ':'");
    return sh;
}

static sb__zone_key arg_key(lua_State *L, const shared *sh)
{
    sb__zone_key key = {.name = sh->name};
    luaL_argexpected(L, lua_type(L, 2) == LUA_TSTRING, 2, "string");
    key.key = lua_tolstring(L, 2, &key.len);
    return key;
}

static uint64_t now_ms(lua_State *L)
{
    return sb_loop_now(sb__script_of(L)->loop) / SB_NS_PER_MS;
}

/* 0, or none: for ever. */
static uint64_t arg_until(lua_State *L, int arg)
{
    uint64_t ns = sb__arg_time(L, arg, 0), now = now_ms(L);
    if (ns == 0 || ns == SB_NEVER)
        return 0;
    uint64_t ms = ns / SB_NS_PER_MS;
    return now + (ms > 0 ? ms : 1);
}

static sb__zone_value arg_value(lua_State *L, int arg)
{
    sb__zone_value value = {.type = SB__ZONE_STRING};
    int type = lua_type(L, arg);
    if (type == LUA_TSTRING) {
        value.data = lua_tolstring(L, arg, &value.len);
    } else if (type == LUA_TBOOLEAN) {
        value.type = SB__ZONE_BOOLEAN;
        value.boolean = lua_toboolean(L, arg);
    } else if (lua_isinteger(L, arg)) {
        value.type = SB__ZONE_INTEGER;
        value.integer = lua_tointeger(L, arg);
    } else if (type == LUA_TNUMBER) {
        value.type = SB__ZONE_NUMBER;
        value.number = lua_tonumber(L, arg);
    } else {
        luaL_typeerror(L, arg, "string, number or boolean");
    }
    return value;
}

static sb__zone_value arg_number(lua_State *L, int arg)
{
    luaL_argexpected(L, lua_type(L, arg) == LUA_TNUMBER, arg, "number");
    return arg_value(L, arg);
}

/* true, or nil and why. */
static int answer(lua_State *L, sb_err err)
{
    static const struct {
        sb_err err;
        const char *text;
    } texts[] = {
        {SB_ENOMEM, "no memory"},
        {SB_EEXIST, "exists"},
        {SB_ENOENT, "not found"},
        {SB_EINVAL, "not a number"},
        {SB_EMSGSIZE, "key too long"},
    };
    if (err == SB_OK) {
        lua_pushboolean(L, true);
        return 1;
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].err == err)
            return sb__push_error(L, err, texts[i].text);
    return sb__push_error(L, err, NULL);
}

static void push_value(lua_State *L, const sb__zone_value *value, const char *octets)
{
    if (value->type == SB__ZONE_STRING)
        lua_pushlstring(L, octets, value->len);
    else if (value->type == SB__ZONE_INTEGER)
        lua_pushinteger(L, value->integer);
    else if (value->type == SB__ZONE_NUMBER)
        lua_pushnumber(L, value->number);
    else
        lua_pushboolean(L, value->boolean);
}

/* Nothing of Lua that may raise runs while the zone is locked: a string that is longer than expected is asked
 * for again. */
static int shared_get(lua_State *L)
{
    sb__zone_key key = arg_key(L, arg_shared(L));
    char small[512], *buf = small;
    size_t cap = sizeof small;
    sb__zone_value value;
    for (;;) {
        if (sb__zone_get(&sb__script_of(L)->zone, &key, now_ms(L), buf, cap, &value) != SB_OK) {
            lua_pushnil(L);
            return 1;
        }
        if (value.type != SB__ZONE_STRING || value.len <= cap)
            break;
        cap = value.len;
        buf = lua_newuserdatauv(L, cap, 0);
    }
    push_value(L, &value, buf);
    return 1;
}

static int store(lua_State *L, bool add)
{
    sb__zone_key key = arg_key(L, arg_shared(L));
    sb__zone_value value = arg_value(L, 3);
    return answer(L, sb__zone_set(&sb__script_of(L)->zone, &key, &value, now_ms(L), arg_until(L, 4), add));
}

static int shared_delete(lua_State *L)
{
    sb__zone_key key = arg_key(L, arg_shared(L));
    sb__zone_delete(&sb__script_of(L)->zone, &key);
    return answer(L, SB_OK);
}

static int shared_set(lua_State *L)
{
    return lua_isnil(L, 3) ? shared_delete(L) : store(L, false);
}

static int shared_add(lua_State *L)
{
    return store(L, true);
}

static int shared_incr(lua_State *L)
{
    sb__zone_key key = arg_key(L, arg_shared(L));
    sb__zone_value by = arg_number(L, 3), init = {.type = SB__ZONE_INTEGER}, sum;
    bool begins = !lua_isnoneornil(L, 4);
    if (begins)
        init = arg_number(L, 4);
    sb_err err = sb__zone_incr(
        &sb__script_of(L)->zone, &key, &by, begins ? &init : NULL, now_ms(L), arg_until(L, 5), &sum);
    if (err != SB_OK)
        return answer(L, err);
    push_value(L, &sum, NULL);
    return 1;
}

static int shared_expire(lua_State *L)
{
    sb__zone_key key = arg_key(L, arg_shared(L));
    luaL_checkany(L, 3);
    return answer(L, sb__zone_expire(&sb__script_of(L)->zone, &key, now_ms(L), arg_until(L, 3)));
}

static void push_keys(lua_State *L, const char *at, size_t n)
{
    lua_createtable(L, (int)n, 0);
    for (size_t i = 1; i <= n; i++) {
        uint32_t len;
        memcpy(&len, at, sizeof len);
        lua_pushlstring(L, at + sizeof len, len);
        lua_rawseti(L, -2, (lua_Integer)i);
        at += sizeof len + len;
    }
}

static int shared_keys(lua_State *L)
{
    shared *sh = arg_shared(L);
    lua_Integer max = luaL_optinteger(L, 2, KEYS_MAX);
    size_t all, left, n;
    luaL_argcheck(L, max >= 0, 2, "a number of keys, or 0 for all");
    sb__zone_room(&sb__script_of(L)->zone, &all, &left);
    size_t cap = (all - left) * 2; /* others may add some meanwhile */
    char *buf = lua_newuserdatauv(L, cap + 1, 0);
    sb__zone_keys(
        &sb__script_of(L)->zone, sh->name, now_ms(L), max > 0 ? (size_t)max : SIZE_MAX, buf, cap, &n);
    push_keys(L, buf, n);
    return 1;
}

static int shared_tostring(lua_State *L)
{
    lua_pushfstring(L, "sb.shared(\"%s\")", arg_shared(L)->name);
    return 1;
}

static const luaL_Reg methods[] = {
    {"get", shared_get},
    {"set", shared_set},
    {"add", shared_add},
    {"incr", shared_incr},
    {"expire", shared_expire},
    {"delete", shared_delete},
    {"keys", shared_keys},
    {NULL, NULL},
};

static const luaL_Reg shared_meta[] = {
    {"__tostring", shared_tostring},
    {NULL, NULL},
};

static int open_shared(lua_State *L)
{
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);
    luaL_argcheck(L, len > 0 && len < sizeof(((shared *)0)->name) && strlen(name) == len, 1,
        "a name of 1 to 63 octets without NUL expected");
    if (sb__script_of(L)->zone.head == NULL)
        return luaL_error(
            L, "sb.shared needs a zone: `zone NAME SIZE;` in nginx, --zone SIZE with signalbox run");
    shared *sh = lua_newuserdatauv(L, sizeof(*sh), 0);
    sh->magic = SHARED_MAGIC;
    memcpy(sh->name, name, len + 1);
    luaL_setmetatable(L, "signalbox.shared");
    return 1;
}

void sb__open_shared(lua_State *L)
{
    sb__metatable(L, "signalbox.shared", shared_meta);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushcfunction(L, open_shared);
    lua_setfield(L, -2, "shared");
}

/* ---- the zone of a script ---- */

sb_err sb__shared_init(sb_script *s, void *zone, size_t size)
{
    if (size == 0)
        return SB_OK;
    if (zone == NULL) {
        size = (size + 63) / 64 * 64;
        zone = s->own_zone = aligned_alloc(64, size);
        if (zone == NULL)
            return SB_ENOMEM;
        memset(zone, 0, size);
    }
    return sb__zone_open(zone, size, &s->zone);
}

void sb__shared_finish(sb_script *s)
{
    free(s->own_zone);
}
