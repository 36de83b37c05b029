/* The counted matcher against the library's own, on random patterns: same results, same refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lua/state.h"

#include <lualib.h>
#include <stdlib.h>
#include <string.h>

static uint32_t seed = 12345;

static uint32_t pick(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static void make_text(char *out, const char *const *parts, uint32_t nparts, uint32_t max)
{
    out[0] = '\0';
    for (uint32_t n = pick(max); n > 0; n--)
        strcat(out, parts[pick(nparts)]);
}

/* Calls tables[i][name](subject, pattern, ...) and leaves "ok result result" as text. */
static const char compare_source[] =
    "local old, new, subject, pattern, repl = ...\n"
    "local function show(...) local t = table.pack(...) for i = 1, t.n do t[i] = tostring(t[i]) end return "
    "table.concat(t, ',') end\n"
    "local function both(name, ...)\n"
    "  local a, b = show(pcall(old[name], ...)), show(pcall(new[name], ...))\n"
    "  if a:sub(1, 5) == 'false' and b:sub(1, 5) == 'false' then return end\n"
    "  if a ~= b then error(('%s(%q, %q): %s but %s'):format(name, subject, pattern, a, b)) end\n"
    "end\n"
    "both('find', subject, pattern) both('match', subject, pattern) both('find', subject, pattern, -2)\n"
    "both('gsub', subject, pattern, repl) both('gsub', subject, pattern, string.upper, 2)\n"
    "local function all(lib) local t = {} for a, b in lib.gmatch(subject, pattern) do t[#t + 1] = show(a, b) "
    "end return table.concat(t, ';') end\n"
    "local oka, a = pcall(all, old) local okb, b = pcall(all, new)\n"
    "if oka ~= okb or (oka and a ~= b) then error(('gmatch(%q, %q): %s but %s'):format(subject, pattern, a, "
    "b)) end\n";

static void push_library(lua_State *L, bool ours)
{
    lua_pushcfunction(L, luaopen_string);
    lua_call(L, 0, 1);
    if (ours)
        sb__open_string(L);
}

static void test_matcher_agrees_with_the_library(void **state)
{
    static const char *const subjects[] = {
        "a", "b", "ab", "1", " ", "(", ")", "%", "a.b", "]", "-", "^", "x=1", "\n"};
    static const char *const pieces[] = {"a", "b", ".", "%a", "%d", "%s", "%W", "[ab]", "[^a]", "[%a_]",
        "[a-c]", "(", ")", "()", "*", "+", "-", "?", "^", "$", "%1", "%b()", "%f[%w]", "[]]", "%", "[", "%%",
        "(a)", "(.-)"};
    (void)state;
    sb_script *script = calloc(1, sizeof(*script));
    lua_State *L = luaL_newstate();
    *(sb_script **)lua_getextraspace(L) = script;
    luaL_openlibs(L);
    char subject[256], pattern[256];
    for (int i = 0; i < 20000; i++) {
        make_text(subject, subjects, sizeof(subjects) / sizeof(subjects[0]), 12);
        make_text(pattern, pieces, sizeof(pieces) / sizeof(pieces[0]), 7);
        assert_int_equal(luaL_loadstring(L, compare_source), LUA_OK);
        push_library(L, false);
        push_library(L, true);
        lua_pushstring(L, subject);
        lua_pushstring(L, pattern);
        lua_pushstring(L, pick(2) ? "<%0>" : "<%1>");
        if (lua_pcall(L, 5, 0, 0) != LUA_OK)
            fail_msg("%s", lua_tostring(L, -1));
    }
    lua_close(L);
    free(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matcher_agrees_with_the_library)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
