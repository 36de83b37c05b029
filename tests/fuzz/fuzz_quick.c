/* Quick functions against Lua: the input is grown into a function of a script and messages for it, which a
 * script with quick functions and one without deal with; both must say the same. No loops, so that each ends
 * by itself. The frames, and what stands around the function, are those of tests/unit/lua/test_quick.c. */
#include "backends/fake/fake.h"
#include "engine/signalbox.h"
#include "lua/script.h"
#include "tests/fuzz/fuzz.h"

#include <stdarg.h>

#define DEPTH    5
#define LOCALS   20
#define MESSAGES 4

/* The function between a pull and two pushes; what comes out, and where, is logged. */
static const char frame_source[] =
    "local sb = require 'signalbox'\n"
    "local function print(text) sb.log.info(tostring(text):sub(1, 100)) end\n"
    "local function show(where, m) print(where .. #m .. ':' .. table.concat(m:frames(), '|')) end\n"
    "local from = sb.%s { bind = 'inproc://from' }\n"
    "local a = sb.push { bind = 'inproc://a' }\n"
    "local b = sb.push { bind = 'inproc://b' }\n"
    "sb.pull { connect = 'inproc://a' }:on_message(function(m) show('a', m) end)\n"
    "sb.pull { connect = 'inproc://b' }:on_message(function(m) show('b', m) end)\n"
    "local t, number, text, yes, nobody = { x = a, key = 'ab' }, 2, 'ab', true, nil\n"
    "local closed = sb.push {} closed:close()\n"
    "local function fn(msg, peer)\n%s\nend\n"
    "%s\n"
    "local feed = sb.%s { connect = 'inproc://from' }\n"
    "sb.spawn(function() for _, m in ipairs { %s } do\n"
    "  feed:send(m) %s end print(type(number) .. type(text) .. type(t.x)) end)\n";

typedef struct place {
    const char *from, *feed, *how, *after;
} place;

static const place places[] = {
    {"pull", "push", "from:route { { to = fn } }", ""},
    {"pull", "push", "from:pipe(a, fn)", ""},
    {"rep", "req", "from:on_message(fn)", "local r = feed:recv(0.002) if r then show('r', r) end"},
};

static const char *const frames[] = {"", "a", "ab", "b", "2", "abc", "\\0", "zzzzzzzzzzzzzzzz"};

/* ---- growing a function ---- */

typedef struct text {
    char octets[16384];
    size_t len;
} text;

typedef struct grower {
    fuzz_input in;
    uint32_t rng; /* goes on where the input ends */
    text out;
    unsigned locals;
} grower;

#define COUNT(array) (sizeof array / sizeof *array)

/* Forms: ^ stands for a whole number, & for a text, ? for a condition, ` for what a function returns, @ for
 * anything, _ for a variable, ! for one that begins here, $ for a block; mostly, for each kind may be
 * anything now and then. The first `leaves` end by themselves. */
typedef struct forms {
    const char *const *form;
    size_t n, leaves;
} forms;

static const char *const numbers[] = {"1", "2", "#msg", "number", "0", "3", "#&", "(^ + 1)", "(^ - 2)",
    "-(^)", "msg:size()", "msg:size(^)", "(? and ^ or ^)", "_", "@"};

static const char *const texts[] = {"'a'", "'ab'", "''", "text", "msg[1]", "t.key", "msg[#msg]", "msg[^]",
    "(& .. &)", "('x' .. & .. &)", "(? and & or &)", "(& or &)", "(_ or &)", "_", "@"};

static const char *const conditions[] = {"yes", "nobody", "(#msg > 1)", "true", "msg:starts(1, 'a')",
    "msg:starts(^, &)", "msg:equals(^, &)", "(^ < ^)", "(^ <= ^)", "(^ > 1)", "(^ >= 2)", "(^ < 2)",
    "(^ <= 1)", "(^ == ^)", "(^ ~= 1)", "(& == &)", "(& ~= 'ab')", "(& == 'a')", "not ?", "(? and ?)",
    "(? or ?)", "(@ == @)", "_", "@"};

static const char *const results[] = {"a", "b", "msg", "sb.DROP", "t.x", "nil", "(? and a or b)",
    "(? and ` or `)", "(_ and b)", "(_ or a)", "&", "_", "@"};

static const char *const anything[] = {"msg", "a", "nil", "-1", "false", "peer", "t.none", "closed", "t",
    "sb", "^", "&", "?", "`", "(@ .. @)", "(@ < @)", "msg[@]", "#(@)", "-(@)"};

static const char *const statements[] = {"local ! = ^", "local ! = &", "local ! = ?", "local ! = @",
    "local !", "_ = ^", "_ = @", "msg[1] = &", "msg[^] = &", "msg[1] = 'v' .. msg[1]", "msg[^] = @",
    "if ? then $ end", "if ? then $ else $ end", "if ? then return ` end", "if ? then return a end",
    "do $ end", "msg:starts(^, &)", "number = ^", "t.x = `"};

static const char *const ends[] = {"return `", "return a", "return b", "return msg", "return (? and a or b)",
    "", "", "return `, &", "return"};

__attribute__((format(printf, 2, 3))) static void put(text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->octets + t->len, sizeof t->octets - t->len, format, args);
    va_end(args);
    FUZZ_CHECK(n >= 0 && (size_t)n < sizeof t->octets - t->len);
    t->len += (size_t)n;
}

static uint8_t next(grower *g)
{
    if (fuzz_left(&g->in) > 0) {
        uint8_t octet = fuzz_u8(&g->in);
        g->rng = (g->rng ^ octet) * 16777619u;
        return octet;
    }
    g->rng ^= g->rng << 13;
    g->rng ^= g->rng >> 17;
    g->rng ^= g->rng << 5;
    return (uint8_t)(g->rng >> 11);
}

static bool is_full(const grower *g)
{
    return g->out.len > sizeof g->out.octets / 4;
}

static void grow(grower *g, const char *form, int depth);

static void variable(grower *g, int depth)
{
    (void)depth;
    if (g->locals > 0)
        put(&g->out, "v%u", next(g) % g->locals);
    else
        put(&g->out, "text");
}

static void begin(grower *g, int depth)
{
    (void)depth;
    put(&g->out, "v%u", g->locals);
}

static void block(grower *g, int depth)
{
    unsigned outer = g->locals, n = depth > 0 && !is_full(g) ? next(g) % 4 : 0;
    for (unsigned i = 0; i < n; i++)
        grow(g, statements[next(g) % COUNT(statements)], depth - 1);
    grow(g, ends[next(g) % COUNT(ends)], depth - 1);
    g->locals = outer;
}

#define FORMS(array, leaves)                                                                                 \
    {                                                                                                        \
        array, COUNT(array), leaves                                                                          \
    }
static const struct {
    char sign;
    forms forms;
    void (*put)(grower *g, int depth); /* NULL: one of the forms */
} signs[] = {
    {'^', FORMS(numbers, 6), NULL},
    {'&', FORMS(texts, 7), NULL},
    {'?', FORMS(conditions, 5), NULL},
    {'`', FORMS(results, 6), NULL},
    {'@', FORMS(anything, 10), NULL},
    {'_', {0}, variable},
    {'!', {0}, begin},
    {'$', {0}, block},
};

static void grow_form(grower *g, const forms *f, int depth)
{
    bool ends_here = depth <= 0 || is_full(g);
    grow(g, f->form[next(g) % (ends_here ? f->leaves : f->n)], depth - 1);
}

static void grow_sign(grower *g, char sign, int depth)
{
    for (size_t i = 0; i < COUNT(signs); i++) {
        if (signs[i].sign != sign)
            continue;
        if (signs[i].put != NULL)
            signs[i].put(g, depth);
        else
            grow_form(g, &signs[i].forms, depth);
        return;
    }
    put(&g->out, "%c", sign);
}

/* A variable begins behind its own statement. */
static void grow(grower *g, const char *form, int depth)
{
    bool begins = strchr(form, '!') != NULL;
    for (; *form != '\0'; form++)
        grow_sign(g, *form, depth);
    if (begins && g->locals < LOCALS)
        g->locals++;
    put(&g->out, " ");
}

static void message(grower *g, text *out)
{
    unsigned n = 1 + next(g) % 4;
    put(out, "{ ");
    for (unsigned i = 0; i < n; i++)
        put(out, "'%s', ", frames[next(g) % COUNT(frames)]);
    put(out, "}, ");
}

/* ---- running it ---- */

typedef struct run {
    sb_host host; /* first */
    text said;
    bool loaded;
} run;

/* Addresses differ from run to run. */
static void hide_addresses(char *line)
{
    for (char *at = line; (at = strstr(at, "0x")) != NULL; at += 2) {
        size_t n = strspn(at + 2, "0123456789abcdef");
        memmove(at + 2, at + 2 + n, strlen(at + 2 + n) + 1);
    }
}

static void take_line(sb_host *self, sb_log_level level, const char *line)
{
    text *said = &((run *)self)->said;
    (void)level;
    size_t begin = said->len;
    if (begin >= sizeof said->octets - 512)
        return;
    put(said, "%.400s\n", line);
    hide_addresses(said->octets + begin);
    said->len = begin + strlen(said->octets + begin);
}

static void run_script(run *r, const text *source, bool in_lua)
{
    sb_loop *loop;
    sb_engine *engine;
    sb_script *script = NULL;
    char err[256] = "";
    r->host = (sb_host){.log = take_line};
    r->said.len = 0;
    FUZZ_CHECK(sb_fake_create(&loop) == SB_OK);
    sb_engine_config cfg = {.loop = loop, .host = &r->host};
    FUZZ_CHECK(sb_engine_create(&cfg, NULL, 0, &engine) == SB_OK);
    sb_script_config sc = {.name = "q.lua",
        .source = source->octets,
        .source_len = source->len,
        .phase = SB_SCRIPT_RUN,
        .libs_unsafe = in_lua};
    r->loaded = sb_script_load(engine, &sc, err, sizeof err, &script) == SB_OK;
    put(&r->said, "%s\n", err);
    for (int i = 0; r->loaded && i < 4 * MESSAGES; i++) {
        sb_fake_settle(loop, 1000);
        sb_fake_advance(loop, SB_NS_PER_MS);
    }
    sb_script_destroy(script);
    sb_engine_destroy(engine);
    sb_loop_destroy(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static grower g;
    static text source, sent;
    static run in_lua, quick;
    g = (grower){.in = fuzz_input_of(data, size), .rng = 2166136261u};
    source.len = sent.len = 0;
    const place *p = &places[next(&g) % COUNT(places)];
    for (int i = 0; i < MESSAGES; i++)
        message(&g, &sent);
    block(&g, DEPTH);
    put(&source, frame_source, p->from, g.out.octets, p->how, p->feed, sent.octets, p->after);
    run_script(&in_lua, &source, true);
    run_script(&quick, &source, false);
    bool same = strcmp(in_lua.said.octets, quick.said.octets) == 0;
    if (!same || !in_lua.loaded)
        fprintf(
            stderr, "%s\nin Lua:\n%s\nquickly:\n%s\n", g.out.octets, in_lua.said.octets, quick.said.octets);
    FUZZ_CHECK(in_lua.loaded && "what is grown is Lua");
    FUZZ_CHECK(same);
    return 0;
}
