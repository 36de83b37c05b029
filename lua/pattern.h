/* Lua patterns, matched with a count of steps: the library's own matcher can be sent into backtracking that
 * no hook sees. Same language and results as string.find of Lua 5.4. Knows strings and the clock; not what
 * find and gsub do with it. */
#ifndef SB_LUA_PATTERN_H
#define SB_LUA_PATTERN_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

#define SB__CAPTURES 32

typedef struct sb__pattern {
    lua_State *L;
    const char *subject, *subject_end;
    const char *pattern_end;
    uint32_t steps;
    int depth;
    int ncaptures;
    struct {
        const char *start;
        ptrdiff_t len; /* or OPEN, POSITION */
    } capture[SB__CAPTURES];
} sb__pattern;

void sb__pattern_init(
    sb__pattern *m, lua_State *L, const char *subject, size_t len, const char *pattern, size_t plen);
/* Matches `pattern` (without a leading ^) at `s`; the end of the match or NULL. Raises for malformed patterns
 * and when the handler is out of time. Captures are those of this match. */
const char *sb__pattern_match(sb__pattern *m, const char *s, const char *pattern);
/* Pushes capture i; when there are none, i = 0 is the whole match. */
void sb__pattern_push(sb__pattern *m, int i, const char *s, const char *e);
/* Pushes all captures (the whole match if there are none and `whole`); returns their number. */
int sb__pattern_push_all(sb__pattern *m, const char *s, const char *e, int whole);

#endif
