/* Faults: errors of scripts become log lines (at most ten a second with traceback), counters and reasons. */
#include "lua/socket.h"

#include <stdio.h>
#include <string.h>

#define FAULTS_PER_SECOND 10
#define FAULT_LINE        512

void sb__log(
    sb_script *s, const sb__lsock *ls, sb_peer *peer, sb_log_level level, const char *text, size_t len)
{
    if (ls != NULL && !ls->closing)
        sb_socket_log(ls->sock, peer, level, "%s: %.*s", s->name, (int)len, text);
    else
        sb_engine_log(s->engine, level, "%s: %.*s", s->name, (int)len, text);
}

/* The first line says what and where; a traceback behind it is of that. */
static void log_lines(sb_script *s, const sb__lsock *ls, sb_peer *peer, const char *what, const char *text)
{
    char line[FAULT_LINE];
    size_t len = strcspn(text, "\n");
    int n = snprintf(line, sizeof line, "%s: %.*s", what, (int)len, text);
    sb__log(s, ls, peer, SB_LOG_ERROR, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
    for (text += len; *text != '\0'; text += len) {
        text++;
        len = strcspn(text, "\n");
        sb__log(s, NULL, NULL, SB_LOG_ERROR, text, len);
    }
}

static void tell_hidden(sb_script *s)
{
    if (s->faults_hidden > 0)
        sb_engine_log(s->engine, SB_LOG_ERROR, "%s: %u more errors of scripts in that second", s->name,
            s->faults_hidden);
    s->faults_hidden = 0;
}

bool sb__fault_admit(sb_script *s)
{
    uint64_t second = sb_loop_now(s->loop) / SB_NS_PER_S;
    s->stats.errors++;
    if (second != s->fault_second) {
        tell_hidden(s);
        s->fault_second = second;
        s->faults_in_second = 0;
    }
    if (s->faults_in_second++ < FAULTS_PER_SECOND)
        return true;
    s->faults_hidden++;
    return false;
}

/* ---- the last ones ---- */

static bool is_fault(const sb__fault *f, const char *what, const char *where, const char *reason)
{
    return strncmp(f->what, what, sizeof f->what - 1) == 0 &&
           strncmp(f->where, where, sizeof f->where - 1) == 0 &&
           (*where != '\0' || strncmp(f->reason, reason, sizeof f->reason - 1) == 0);
}

/* One line of the script that fails for every message is one fault, whatever its text says of the message. */
static void keep(sb_script *s, const char *what, const char *where, const char *reason)
{
    size_t i = 0;
    while (i < SB__FAULTS - 1 && s->faults[i].count > 0 && !is_fault(&s->faults[i], what, where, reason))
        i++;
    bool again = s->faults[i].count > 0 && is_fault(&s->faults[i], what, where, reason);
    sb__fault f = {.time = sb_loop_now(s->loop), .count = again ? s->faults[i].count + 1 : 1};
    snprintf(f.what, sizeof f.what, "%s", what);
    snprintf(f.where, sizeof f.where, "%s", where);
    snprintf(f.reason, sizeof f.reason, "%s", reason);
    memmove(s->faults + 1, s->faults, i * sizeof f);
    s->faults[0] = f;
}

void sb_script_each_fault(
    const sb_script *script, void (*fn)(void *arg, const sb_script_fault *fault), void *arg)
{
    for (size_t i = 0; i < SB__FAULTS && script->faults[i].count > 0; i++) {
        const sb__fault *f = &script->faults[i];
        const sb_script_fault told = {f->time, f->what, f->where, f->reason, f->count};
        fn(arg, &told);
    }
}

void sb__fault_note(sb_script *s, const sb__lsock *ls, sb_peer *peer, const char *what, const char *text)
{
    keep(s, what, "", text != NULL ? text : "");
    if (sb__fault_admit(s))
        log_lines(s, ls, peer, what, text != NULL ? text : "error without text");
}

/* "routes.lua:12: text" -> "routes.lua:12"; Lua may have shortened a long name. */
static void where_of_text(const char *text, char *where, size_t cap)
{
    where[0] = '\0';
    for (const char *p = text; *p != '\0' && *p != ' ' && *p != '\n'; p++) {
        size_t digits = *p == ':' ? strspn(p + 1, "0123456789") : 0;
        if (digits > 0 && p[1 + digits] == ':') {
            snprintf(where, cap, "%.*s", (int)(p + 1 + digits - text), text);
            return;
        }
    }
}

/* A table or the like says nothing unless it says how. */
static void push_text(lua_State *L)
{
    if (lua_isstring(L, -1) || luaL_getmetafield(L, -1, "__tostring") != LUA_TNIL)
        luaL_tolstring(L, lua_isstring(L, -1) ? -1 : -2, NULL);
    else
        lua_pushfstring(L, "the error is a %s, not a text", luaL_typename(L, -1));
}

/* Arguments: thread as light userdata; returns the text of the error with its traceback. */
static int describe(lua_State *L)
{
    lua_State *co = lua_touserdata(L, 1);
    bool traced = lua_toboolean(L, 2);
    lua_xmove(co, L, 1);
    push_text(L);
    sb__hint(L);
    if (traced)
        luaL_traceback(L, co, lua_tostring(L, -1), 0);
    return 1;
}

const char *sb__fault_text(sb_script *s, lua_State *co, bool traced)
{
    lua_State *L = s->L;
    if (lua_checkstack(co, 1))
        lua_pushvalue(co, -1);
    lua_pushcfunction(L, describe);
    lua_pushlightuserdata(L, co);
    lua_pushboolean(L, traced);
    sb__limits_enter(&s->limits, L); /* an error object may have a __tostring */
    int status = lua_pcall(L, 2, 1, 0);
    sb__limits_leave(&s->limits);
    if (status != LUA_OK)
        return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "error in error handling";
    const char *text = lua_tostring(L, -1);
    return text != NULL ? text : "error without text";
}

void sb__fault_report(
    sb__task *t, const char *what, char *reason, size_t reason_cap, char *where, size_t where_cap)
{
    sb_script *s = t->script;
    bool admitted = sb__fault_admit(s);
    const char *text = sb__fault_text(s, t->co, admitted);
    if (admitted)
        log_lines(s, t->ls, sb__task_peer(t), what, text);
    snprintf(reason, reason_cap, "%.*s", (int)strcspn(text, "\n"), text);
    where_of_text(text, where, where_cap);
    keep(s, what, where, reason);
    lua_pop(s->L, 1);
}

void sb__fault_where_function(lua_State *L, int idx, char *out, size_t cap)
{
    lua_Debug ar;
    lua_pushvalue(L, idx);
    lua_getinfo(L, ">S", &ar);
    out[0] = '\0';
    if (ar.linedefined > 0)
        snprintf(out, cap, "%s:%d", ar.short_src, ar.linedefined);
}
