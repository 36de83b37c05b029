/* Lua patterns with a count of steps. */
#include "lua/pattern.h"
#include "lua/limits.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#define ESCAPE     '%'
#define OPEN       (-1)
#define POSITION   (-2)
#define DEPTH_MAX  200
#define CHECK_EACH 16384 /* steps between two looks at the clock */

static inline void step(sb__pattern *m)
{
    if (++m->steps % CHECK_EACH == 0)
        sb__limits_check(m->L);
}

/* ---- one character ---- */

static bool class_has(int c, int class)
{
    bool in;
    switch (tolower(class)) {
    case 'a':
        in = isalpha(c);
        break;
    case 'c':
        in = iscntrl(c);
        break;
    case 'd':
        in = isdigit(c);
        break;
    case 'g':
        in = isgraph(c);
        break;
    case 'l':
        in = islower(c);
        break;
    case 'p':
        in = ispunct(c);
        break;
    case 's':
        in = isspace(c);
        break;
    case 'u':
        in = isupper(c);
        break;
    case 'w':
        in = isalnum(c);
        break;
    case 'x':
        in = isxdigit(c);
        break;
    default:
        return class == c;
    }
    return isupper(class) ? !in : in;
}

/* Behind the single item at p: a character, a class or a set. */
static const char *item_end(const sb__pattern *m, const char *p)
{
    if (*p == ESCAPE) {
        if (p + 1 == m->pattern_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 2;
    }
    if (*p != '[')
        return p + 1;
    p++;
    if (p != m->pattern_end && *p == '^')
        p++;
    bool first = true; /* a ] in first place stands for itself */
    while (p != m->pattern_end && (first || *p != ']')) {
        first = false;
        p += *p == ESCAPE && p + 1 != m->pattern_end ? 2 : 1;
    }
    if (p == m->pattern_end)
        luaL_error(m->L, "malformed pattern (missing ']')");
    return p + 1;
}

/* Set [p, end): p at '[', end behind ']'. */
static bool set_has(int c, const char *p, const char *end)
{
    bool wanted = true;
    const char *last = end - 1;
    if (*++p == '^') {
        wanted = false;
        p++;
    }
    while (p < last) {
        if (*p == ESCAPE && p + 1 < last) {
            if (class_has(c, (unsigned char)p[1]))
                return wanted;
            p += 2;
        } else if (p + 2 < last && p[1] == '-') {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return wanted;
            p += 3;
        } else {
            if ((unsigned char)*p == c)
                return wanted;
            p++;
        }
    }
    return !wanted;
}

static bool item_matches(sb__pattern *m, const char *s, const char *p, const char *end)
{
    step(m);
    if (s >= m->subject_end)
        return false;
    int c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case ESCAPE:
        return class_has(c, (unsigned char)p[1]);
    case '[':
        return set_has(c, p, end);
    default:
        return (unsigned char)*p == c;
    }
}

/* ---- repetition ---- */

static const char *run(sb__pattern *m, const char *s, const char *p);

static const char *greedy(sb__pattern *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t n = 0;
    while (item_matches(m, s + n, p, end))
        n++;
    for (; n >= 0; n--) {
        const char *e = run(m, s + n, end + 1);
        if (e != NULL)
            return e;
    }
    return NULL;
}

static const char *lazy(sb__pattern *m, const char *s, const char *p, const char *end)
{
    for (;;) {
        const char *e = run(m, s, end + 1);
        if (e != NULL)
            return e;
        if (!item_matches(m, s, p, end))
            return NULL;
        s++;
    }
}

/* ---- captures ---- */

static const char *capture_open(sb__pattern *m, const char *s, const char *p, ptrdiff_t kind)
{
    if (m->ncaptures == SB__CAPTURES)
        luaL_error(m->L, "too many captures");
    m->capture[m->ncaptures].start = s;
    m->capture[m->ncaptures].len = kind;
    m->ncaptures++;
    const char *e = run(m, s, p);
    if (e == NULL)
        m->ncaptures--;
    return e;
}

static const char *capture_close(sb__pattern *m, const char *s, const char *p)
{
    int i = m->ncaptures - 1;
    while (i >= 0 && m->capture[i].len != OPEN)
        i--;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->capture[i].len = s - m->capture[i].start;
    const char *e = run(m, s, p);
    if (e == NULL)
        m->capture[i].len = OPEN;
    return e;
}

/* %1: the text of a capture again. NULL if it is not there. */
static const char *capture_again(sb__pattern *m, const char *s, int digit)
{
    int i = digit - '1';
    if (i < 0 || i >= m->ncaptures || m->capture[i].len == OPEN)
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
    ptrdiff_t len = m->capture[i].len;
    if (len == POSITION || m->subject_end - s < len || memcmp(s, m->capture[i].start, (size_t)len) != 0)
        return NULL;
    m->steps += (uint32_t)(len / 16);
    return s + len;
}

/* ---- items of more than one character ---- */

static const char *balanced(sb__pattern *m, const char *s, const char *p)
{
    if (m->pattern_end - p < 2)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->subject_end || *s != p[0])
        return NULL;
    int level = 1;
    while (++s < m->subject_end) {
        step(m);
        if (*s == p[1]) {
            if (--level == 0)
                return s + 1;
        } else if (*s == p[0]) {
            level++;
        }
    }
    return NULL;
}

static bool frontier(sb__pattern *m, const char *s, const char *p, const char *end)
{
    int before = s == m->subject ? 0 : (unsigned char)s[-1];
    int here = s == m->subject_end ? 0 : (unsigned char)*s;
    return !set_has(before, p, end) && set_has(here, p, end);
}

/* %b, %f and %1 at *p; moves *p and *s behind them. false: it does not match; *special tells whether it was
 * one. */
static bool special_item(sb__pattern *m, const char **s, const char **p, bool *special)
{
    int kind = *p + 1 < m->pattern_end ? (unsigned char)(*p)[1] : 0;
    const char *e = NULL;
    *special = true;
    if (kind == 'b') {
        e = balanced(m, *s, *p + 2);
        *p += 4;
    } else if (kind == 'f') {
        const char *set = *p + 2;
        if (set >= m->pattern_end || *set != '[')
            luaL_error(m->L, "missing '[' after '%%f' in pattern");
        const char *end = item_end(m, set);
        e = frontier(m, *s, set, end) ? *s : NULL;
        *p = end;
    } else if (isdigit(kind)) {
        e = capture_again(m, *s, kind);
        *p += 2;
    } else {
        *special = false;
        return true;
    }
    *s = e;
    return e != NULL;
}

/* ---- the machine ---- */

/* One item with what follows it. NULL: no match; else where to go on, or with *done the end of everything. */
static const char *item(sb__pattern *m, const char *s, const char **p, bool *done)
{
    const char *end = item_end(m, *p);
    int suffix = end < m->pattern_end ? *end : 0;
    const char *at = *p, *e;
    *done = true;
    switch (suffix) {
    case '*':
        return greedy(m, s, at, end);
    case '+':
        return item_matches(m, s, at, end) ? greedy(m, s + 1, at, end) : NULL;
    case '-':
        return lazy(m, s, at, end);
    case '?':
        if (item_matches(m, s, at, end) && (e = run(m, s + 1, end + 1)) != NULL)
            return e;
        *done = false;
        *p = end + 1;
        return s;
    default:
        *done = false;
        *p = end;
        return item_matches(m, s, at, end) ? s + 1 : NULL;
    }
}

static const char *run_items(sb__pattern *m, const char *s, const char *p)
{
    while (s != NULL && p != m->pattern_end) {
        bool done = false, special = false;
        step(m);
        if (*p == '(') {
            bool position = p + 1 < m->pattern_end && p[1] == ')';
            return capture_open(m, s, p + (position ? 2 : 1), position ? POSITION : OPEN);
        }
        if (*p == ')')
            return capture_close(m, s, p + 1);
        if (*p == '$' && p + 1 == m->pattern_end)
            return s == m->subject_end ? s : NULL;
        if (*p == ESCAPE && !special_item(m, &s, &p, &special))
            return NULL;
        if (special)
            continue;
        s = item(m, s, &p, &done);
        if (done)
            return s;
    }
    return s;
}

static const char *run(sb__pattern *m, const char *s, const char *p)
{
    if (m->depth++ == DEPTH_MAX)
        luaL_error(m->L, "pattern too complex");
    const char *e = run_items(m, s, p);
    m->depth--;
    return e;
}

void sb__pattern_init(
    sb__pattern *m, lua_State *L, const char *subject, size_t len, const char *pattern, size_t plen)
{
    m->L = L;
    m->subject = subject;
    m->subject_end = subject + len;
    m->pattern_end = pattern + plen;
    m->steps = 0;
    m->depth = 0;
    m->ncaptures = 0;
}

const char *sb__pattern_match(sb__pattern *m, const char *s, const char *pattern)
{
    m->ncaptures = 0;
    m->depth = 0;
    return run(m, s, pattern);
}

void sb__pattern_push(sb__pattern *m, int i, const char *s, const char *e)
{
    if (i >= m->ncaptures) {
        if (i != 0)
            luaL_error(m->L, "invalid capture index %%%d", i + 1);
        lua_pushlstring(m->L, s, (size_t)(e - s));
        return;
    }
    ptrdiff_t len = m->capture[i].len;
    if (len == OPEN)
        luaL_error(m->L, "unfinished capture");
    if (len == POSITION)
        lua_pushinteger(m->L, m->capture[i].start - m->subject + 1);
    else
        lua_pushlstring(m->L, m->capture[i].start, (size_t)len);
}

int sb__pattern_push_all(sb__pattern *m, const char *s, const char *e, int whole)
{
    int n = m->ncaptures == 0 && whole ? 1 : m->ncaptures;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        sb__pattern_push(m, i, s, e);
    return n;
}
