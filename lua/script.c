/* Scripts: a state of its own, its top level, its end. The one file hosts meet (lua/script.h). */
#include "lua/script.h"
#include "lua/socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MEMORY       (64u << 20)
#define DEFAULT_HANDLER_TIME (50 * SB_NS_PER_MS)
#define DEFAULT_TASKS        10000
#define TOP_LEVEL_TIME       (5 * SB_NS_PER_S) /* building large tables is fine, hanging is not */
#define SOURCE_MAX           (64u << 20)

/* ---- making the state ---- */

static int panic(lua_State *L)
{
    (void)L;
    return 0; /* everything runs protected; Lua aborts after this */
}

static sb_script *script_create(sb_engine *engine, const sb_script_config *cfg)
{
    sb_script *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->engine = engine;
    s->loop = sb_engine_loop(engine);
    s->phase = cfg->phase;
    s->sealed = !cfg->libs_unsafe;
    s->max_tasks = cfg->max_tasks != 0 ? cfg->max_tasks : DEFAULT_TASKS;
    s->name = strdup(cfg->name != NULL ? cfg->name : "script");
    sb__alloc_init(&s->alloc, cfg->memory != 0 ? cfg->memory : DEFAULT_MEMORY, &s->limits);
    sb__limits_init(&s->limits, cfg->handler_time != 0 ? cfg->handler_time : DEFAULT_HANDLER_TIME);
    sb__tasks_init(s);
    s->L = lua_newstate(sb__alloc_run, &s->alloc);
    if (s->name == NULL || s->L == NULL) {
        if (s->L != NULL)
            lua_close(s->L);
        sb__alloc_finish(&s->alloc);
        free(s->name);
        free(s);
        return NULL;
    }
    lua_atpanic(s->L, panic);
    *(sb_script **)lua_getextraspace(s->L) = s;
    sb__limits_install(s->L);
    return s;
}

/* "key=value" strings become the chunk's one argument. */
static void push_args(lua_State *L, const sb_script_config *cfg)
{
    lua_createtable(L, 0, (int)cfg->nargs);
    for (size_t i = 0; i < cfg->nargs; i++) {
        const char *eq = strchr(cfg->args[i], '=');
        if (eq == NULL)
            luaL_error(L, "argument '%s' is not key=value", cfg->args[i]);
        lua_pushlstring(L, cfg->args[i], (size_t)(eq - cfg->args[i]));
        lua_pushstring(L, eq + 1);
        lua_settable(L, -3);
    }
}

/* Argument: the config. Leaves the chunk and its argument on the stack. */
static int prepare(lua_State *L)
{
    const sb_script_config *cfg = lua_touserdata(L, 1);
    sb_script *s = sb__script_of(L);
    sb__open_sandbox(L, cfg->libs_unsafe);
    lua_getglobal(L, "print");
    luaL_requiref(L, "signalbox", sb__open_signalbox, 0);
    lua_settop(L, 0);
    lua_pushfstring(L, "@%s", s->name);
    const char *text = cfg->source;
    if (cfg->source_len > 0 && text[0] == '#') /* "#!/usr/bin/env signalbox": the line stays, empty */
        text = memchr(text, '\n', cfg->source_len);
    size_t len = text != NULL ? cfg->source_len - (size_t)(text - cfg->source) : 0;
    if (luaL_loadbufferx(L, text, len, lua_tostring(L, 1), "t") != LUA_OK)
        return lua_error(L);
    push_args(L, cfg);
    return 2;
}

/* ---- the top level ---- */

/* Runs in a coroutine like every other code, so that the same rules hold. */
static int run_chunk(sb_script *s, lua_State *co)
{
    int nres;
    uint64_t budget = s->limits.budget;
    s->toplevel = true;
    s->limits.budget = budget > TOP_LEVEL_TIME ? budget : TOP_LEVEL_TIME;
    sb__limits_enter(&s->limits, co);
    int status = lua_resume(co, s->L, 1, &nres);
    sb__limits_leave(&s->limits);
    s->limits.budget = budget;
    s->toplevel = false;
    return status;
}

/* Only the first line: what and where. */
static void copy_error(sb_script *s, lua_State *L, int status, char *err, size_t cap)
{
    if (err == NULL || cap == 0)
        return;
    bool thread = L != s->L && status != LUA_ERRMEM;
    const char *text = thread                           ? sb__fault_text(s, L, false)
                       : lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                                                        : "error object is no string";
    snprintf(err, cap, "%.*s", (int)strcspn(text, "\n"), text);
    if (thread)
        lua_pop(s->L, 1);
}

static sb_err load_error(sb_script *s, lua_State *L, int status, char *err, size_t cap)
{
    if (status == LUA_YIELD) {
        snprintf(err, err != NULL ? cap : 0, "%s: coroutine.yield at the top level", s->name);
        return SB_EINVAL;
    }
    copy_error(s, L, status, err, cap);
    if (status == LUA_ERRMEM)
        return SB_ENOMEM;
    return s->load_err != SB_OK ? s->load_err : SB_EINVAL;
}

static sb_err load(sb_script *s, const sb_script_config *cfg, char *err, size_t cap)
{
    lua_State *L = s->L;
    lua_pushcfunction(L, prepare);
    lua_pushlightuserdata(L, (void *)cfg);
    int status = lua_pcall(L, 1, 2, 0);
    if (status != LUA_OK)
        return load_error(s, L, status, err, cap);
    sb__task *t = sb__task_take(s, NULL, NULL);
    if (t == NULL)
        return SB_ENOMEM;
    lua_xmove(L, t->co, 2);
    status = run_chunk(s, t->co);
    sb_err code = status == LUA_OK ? SB_OK : load_error(s, t->co, status, err, cap);
    lua_resetthread(t->co);
    lua_settop(t->co, 0);
    sb__task_give_back(t);
    return code;
}

sb_err sb_script_load(
    sb_engine *engine, const sb_script_config *cfg, char *err, size_t err_cap, sb_script **out)
{
    if (err != NULL && err_cap > 0)
        err[0] = '\0';
    sb_script *s = script_create(engine, cfg);
    sb_err code = s != NULL ? sb__shared_init(s, cfg->zone, cfg->zone_size) : SB_ENOMEM;
    if (code == SB_EINVAL)
        snprintf(err, err != NULL ? err_cap : 0, "the zone is too small, or of another version");
    if (code == SB_OK)
        code = load(s, cfg, err, err_cap);
    if (code != SB_OK) {
        sb_script_destroy(s);
        if (err != NULL && err_cap > 0 && err[0] == '\0')
            snprintf(err, err_cap, "%s: %s", cfg->name != NULL ? cfg->name : "script", sb_strerror(code));
        return code;
    }
    if (s->ready != NULL || s->resume != NULL)
        sb_timer_start(s->loop, &s->kick, sb_loop_now(s->loop));
    *out = s;
    return SB_OK;
}

/* ---- the end ---- */

void sb_script_destroy(sb_script *s)
{
    if (s == NULL)
        return;
    s->toplevel = true; /* nothing runs any more */
    sb__authenticate_finish(s);
    sb__timers_finish(s);
    sb__tasks_finish(s);
    sb__lsocks_finish(s);
    sb_timer_stop(s->loop, &s->kick);
    lua_close(s->L);
    sb__alloc_finish(&s->alloc);
    sb__metrics_finish(s);
    sb__shared_finish(s);
    free(s->name);
    free(s);
}

void sb_script_exiting(sb_script *s)
{
    if (s->exiting)
        return;
    s->exiting = true;
    sb__tasks_exiting(s);
    sb__timers_exiting(s);
}

void sb_script_get_stats(const sb_script *s, sb_script_stats *out)
{
    *out = s->stats;
    out->memory = s->alloc.used;
}

/* ---- from a file ---- */

static sb_err read_file(const char *path, char **text, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return sb_err_from_errno(errno);
    size_t cap = 4096, n = 0, got;
    char *buf = malloc(cap);
    while (buf != NULL && n < SOURCE_MAX && (got = fread(buf + n, 1, cap - n, f)) > 0) {
        n += got;
        if (n == cap) {
            char *more = realloc(buf, cap *= 2);
            if (more == NULL)
                free(buf);
            buf = more;
        }
    }
    bool bad = ferror(f) != 0;
    fclose(f);
    if (buf == NULL || bad || n >= SOURCE_MAX) {
        free(buf);
        return buf == NULL ? SB_ENOMEM : bad ? SB_EIO : SB_EMSGSIZE;
    }
    *text = buf;
    *len = n;
    return SB_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

sb_err sb_engine_load(sb_engine *engine, const char *path, const char *const *args, size_t nargs, char *err,
    size_t err_cap, sb_script **out)
{
    char *text = NULL;
    size_t len = 0;
    sb_err code = read_file(path, &text, &len);
    if (code != SB_OK) {
        if (err != NULL && err_cap > 0)
            snprintf(err, err_cap, "%s: %s", path, sb_strerror(code));
        return code;
    }
    sb_script_config cfg = {.name = base_name(path),
        .source = text,
        .source_len = len,
        .args = args,
        .nargs = nargs,
        .phase = SB_SCRIPT_RUN};
    sb_script *script;
    code = sb_script_load(engine, &cfg, err, err_cap, &script);
    free(text);
    if (code != SB_OK)
        return code;
    if (out != NULL)
        *out = script;
    else
        script->ends_with_engine = true;
    return SB_OK;
}
