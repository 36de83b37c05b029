/* sb.metrics(): all numbers as a table. sb.metrics{counter = "orders_total"}: a number of the script's own.
 */
#include "lua/socket.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define METRIC_MAGIC 0x53424d54u
#define METRICS_MAX  1000

struct sb__lmetric {
    char *name, *help;
    bool counter;
    double value;
    sb__lmetric *next;
};

typedef struct metric_object {
    uint32_t magic;
    sb__lmetric *metric; /* lives as long as the script */
} metric_object;

/* ---- own numbers ---- */

static bool is_name(const char *name)
{
    if (!isalpha((unsigned char)name[0]) && name[0] != '_')
        return false;
    while (isalnum((unsigned char)*name) || *name == '_')
        name++;
    return *name == '\0';
}

static sb__lmetric *metric_find(const sb_script *s, const char *name, size_t *n)
{
    *n = 0;
    for (sb__lmetric *m = s->metrics; m != NULL; m = m->next, ++*n)
        if (strcmp(m->name, name) == 0)
            return m;
    return NULL;
}

static sb__lmetric *metric_create(sb_script *s, const char *name, const char *help, bool counter)
{
    sb__lmetric *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return NULL;
    m->name = strdup(name);
    m->help = strdup(help);
    m->counter = counter;
    if (m->name == NULL || m->help == NULL) {
        free(m->name);
        free(m->help);
        free(m);
        return NULL;
    }
    m->next = s->metrics;
    s->metrics = m;
    return m;
}

static int declare_metric(lua_State *L)
{
    sb_script *s = sb__script_of(L);
    size_t n;
    bool counter = lua_getfield(L, 1, "counter") == LUA_TSTRING;
    if (!counter && lua_getfield(L, 1, "gauge") != LUA_TSTRING)
        return luaL_error(L, "sb.metrics{counter = \"name\"} or {gauge = \"name\"} expected");
    const char *name = lua_tostring(L, -1);
    if (!is_name(name))
        return luaL_error(L, "'%s' is no name for a metric (letters, digits and _)", name);
    if (strncmp(name, "signalbox_", 10) == 0)
        return luaL_error(L, "'%s': names that begin with signalbox_ are Signalbox' own", name);
    const char *help = lua_getfield(L, 1, "help") == LUA_TSTRING ? lua_tostring(L, -1) : "";
    metric_object *obj = lua_newuserdatauv(L, sizeof(*obj), 0);
    *obj = (metric_object){.magic = METRIC_MAGIC, .metric = metric_find(s, name, &n)};
    if (obj->metric == NULL && n >= METRICS_MAX)
        return luaL_error(L, "more than %d metrics", METRICS_MAX);
    if (obj->metric == NULL && (obj->metric = metric_create(s, name, help, counter)) == NULL)
        return sb__no_memory(L);
    luaL_setmetatable(L, "metric");
    return 1;
}

static sb__lmetric *check_metric(lua_State *L)
{
    metric_object *obj = sb__to_object(L, 1, METRIC_MAGIC, sizeof(*obj));
    if (obj == NULL)
        luaL_typeerror(L, 1, "metric");
    return obj->metric;
}

static int metric_add(lua_State *L)
{
    sb__lmetric *m = check_metric(L);
    lua_Number v = luaL_optnumber(L, 2, 1);
    luaL_argcheck(L, !m->counter || v >= 0, 2, "a counter only grows");
    m->value += v;
    return 0;
}

static int metric_set(lua_State *L)
{
    sb__lmetric *m = check_metric(L);
    luaL_argcheck(L, !m->counter, 1, "a counter is not set; use add");
    m->value = luaL_checknumber(L, 2);
    return 0;
}

static int metric_get(lua_State *L)
{
    lua_pushnumber(L, check_metric(L)->value);
    return 1;
}

/* ---- all numbers ---- */

static void push_sockets(lua_State *L)
{
    lua_newtable(L);
    for (sb__lsock *ls = sb__script_of(L)->sockets; ls != NULL; ls = ls->next) {
        if (ls->closing)
            continue;
        sb__push_socket_stats(L, ls->sock);
        lua_pushstring(L, sb_type_name(ls->type));
        lua_setfield(L, -2, "type");
        lua_setfield(L, -2, ls->name);
    }
}

static void push_script(lua_State *L)
{
    sb_script_stats st;
    sb_script_get_stats(sb__script_of(L), &st);
    lua_createtable(L, 0, 5);
    lua_pushinteger(L, (lua_Integer)st.calls);
    lua_setfield(L, -2, "calls");
    lua_pushinteger(L, (lua_Integer)st.errors);
    lua_setfield(L, -2, "errors");
    lua_pushinteger(L, (lua_Integer)st.memory);
    lua_setfield(L, -2, "memory");
    lua_pushinteger(L, (lua_Integer)st.tasks);
    lua_setfield(L, -2, "tasks");
    lua_pushnumber(L, (lua_Number)st.time_ns / 1e9);
    lua_setfield(L, -2, "seconds");
}

static void push_own(lua_State *L)
{
    lua_newtable(L);
    for (sb__lmetric *m = sb__script_of(L)->metrics; m != NULL; m = m->next) {
        lua_pushnumber(L, m->value);
        lua_setfield(L, -2, m->name);
    }
}

static int metrics(lua_State *L)
{
    if (lua_istable(L, 1)) {
        lua_pushnil(L);
        if (lua_next(L, 1) != 0) {
            lua_settop(L, 1);
            return declare_metric(L);
        }
    }
    lua_createtable(L, 0, 4);
    push_sockets(L);
    lua_setfield(L, -2, "sockets");
    push_script(L);
    lua_setfield(L, -2, "script");
    push_own(L);
    lua_setfield(L, -2, "own");
    lua_pushstring(L, sb_engine_backend(sb__script_of(L)->engine));
    lua_setfield(L, -2, "backend");
    return 1;
}

void sb_script_each_metric(const sb_script *script,
    void (*fn)(void *arg, const char *name, const char *help, bool counter, double value), void *arg)
{
    for (const sb__lmetric *m = script->metrics; m != NULL; m = m->next)
        fn(arg, m->name, m->help, m->counter, m->value);
}

void sb__metrics_finish(sb_script *s)
{
    for (sb__lmetric *m; (m = s->metrics) != NULL;) {
        s->metrics = m->next;
        free(m->name);
        free(m->help);
        free(m);
    }
}

static const luaL_Reg methods[] = {
    {"add", metric_add},
    {"set", metric_set},
    {"get", metric_get},
    {NULL, NULL},
};

static const luaL_Reg no_meta[] = {
    {NULL, NULL},
};

void sb__open_metrics(lua_State *L)
{
    sb__metatable(L, "metric", no_meta);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushcfunction(L, metrics);
    lua_setfield(L, -2, "metrics");
}
