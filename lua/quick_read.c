/* Quick functions: reading what lua_dump writes of a function (lundump.c, version 5.4), and checking it.
 * After: quick.c. */
#include "lua/quick.h"
#include "engine/base/cursor.h"

#include <stdlib.h>
#include <string.h>

/* A longer function is Lua's: what it takes would no longer be small. */
#define DUMP_MAX 8192
#define OPS_MAX  512

/* ---- the dump ---- */

typedef struct dump {
    uint8_t *data;
    size_t len;
} dump;

static int write_dump(lua_State *L, const void *p, size_t n, void *ud)
{
    dump *d = ud;
    (void)L;
    if (n > DUMP_MAX - d->len)
        return 1;
    memcpy(d->data + d->len, p, n);
    d->len += n;
    return 0;
}

/* What is read besides the octets themselves. */
typedef struct reader {
    sb__cursor at;
    sb__quick *q;
    uint8_t nupvalues;
    const uint8_t *code;
} reader;

/* The head says how large numbers are and how they are written. */
static bool read_head(reader *r)
{
    static const char mark[] = LUA_SIGNATURE "\x54\x00\x19\x93\r\n\x1a\n\x04\x08\x08";
    const lua_Integer number = 0x5678;
    const lua_Number fraction = 370.5;
    const uint8_t *p;
    if (sizeof number != 8 || sizeof fraction != 8 || !sb__cursor_take(&r->at, sizeof mark - 1 + 16, &p))
        return false;
    return memcmp(p, mark, sizeof mark - 1) == 0 && memcmp(p + sizeof mark - 1, &number, 8) == 0 &&
           memcmp(p + sizeof mark - 1 + 8, &fraction, 8) == 0;
}

/* Seven bits an octet, the last one marked. */
static bool read_number(reader *r, uint64_t *n)
{
    uint8_t octet = 0;
    *n = 0;
    while (*n < 1u << 24 && sb__cursor_u8(&r->at, &octet)) {
        *n = *n << 7 | (octet & 0x7f);
        if (octet & 0x80)
            return true;
    }
    return false;
}

/* Numbers of lines, parameters, registers, then the code. */
static bool read_code(reader *r)
{
    uint64_t name, first, last, n;
    uint8_t vararg;
    if (!sb__cursor_u8(&r->at, &r->nupvalues) || !read_number(r, &name) || name != 0 ||
        !read_number(r, &first) || !read_number(r, &last) || !sb__cursor_u8(&r->at, &r->q->nparams) ||
        !sb__cursor_u8(&r->at, &vararg) || !sb__cursor_u8(&r->at, &r->q->nregs) || !read_number(r, &n))
        return false;
    r->q->nops = (uint32_t)n;
    return vararg == 0 && n > 0 && n <= OPS_MAX && r->q->nregs <= SB__QUICK_REGS &&
           r->q->nparams <= r->q->nregs && sb__cursor_take(&r->at, n * 4, &r->code);
}

/* ---- constants ---- */

static bool read_text(reader *r, sb__qvalue *v)
{
    uint64_t len;
    const uint8_t *text;
    if (!read_number(r, &len) || len == 0 || !sb__cursor_take(&r->at, len - 1, &text))
        return false;
    *v = (sb__qvalue){.kind = SB__Q_TEXT, .text = (const char *)text, .len = (size_t)len - 1};
    return true;
}

static bool read_integer(reader *r, sb__qvalue *v)
{
    const uint8_t *p;
    if (!sb__cursor_take(&r->at, 8, &p))
        return false;
    v->kind = SB__Q_INT;
    memcpy(&v->i, p, 8);
    return true;
}

static bool read_fraction(reader *r, sb__qvalue *v)
{
    const uint8_t *p;
    v->kind = SB__Q_OTHER;
    return sb__cursor_take(&r->at, 8, &p);
}

static const struct {
    uint8_t tag;
    sb__qkind kind;
    bool (*read)(reader *r, sb__qvalue *v); /* NULL: nothing follows */
} constants[] = {
    {0x00, SB__Q_NIL, NULL},
    {0x01, SB__Q_FALSE, NULL},
    {0x11, SB__Q_TRUE, NULL},
    {0x03, SB__Q_INT, read_integer},
    {0x13, SB__Q_OTHER, read_fraction},
    {0x04, SB__Q_TEXT, read_text},
    {0x14, SB__Q_TEXT, read_text},
};

static bool read_constant(reader *r, sb__qvalue *v)
{
    uint8_t tag;
    if (!sb__cursor_u8(&r->at, &tag))
        return false;
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (constants[i].tag == tag) {
            v->kind = constants[i].kind;
            return constants[i].read == NULL || constants[i].read(r, v);
        }
    return false;
}

static bool read_constants(reader *r)
{
    uint64_t n;
    if (!read_number(r, &n) || n > OPS_MAX)
        return false;
    r->q->nconstants = (uint32_t)n;
    r->q->constants = calloc(n + 1, sizeof *r->q->constants);
    if (r->q->constants == NULL)
        return false;
    for (uint32_t i = 0; i < r->q->nconstants; i++)
        if (!read_constant(r, &r->q->constants[i]))
            return false;
    return true;
}

/* ---- instructions ---- */

static bool is_register(const sb__quick *q, unsigned i)
{
    return i < q->nregs;
}

static bool is_constant(const sb__quick *q, unsigned i)
{
    return i < q->nconstants;
}

static bool is_name(const sb__quick *q, unsigned i)
{
    return is_constant(q, i) && q->constants[i].kind == SB__Q_TEXT;
}

/* The place of this value among those from outside. */
static int32_t outside(sb__quick *q, uint8_t upvalue, int32_t constant)
{
    uint32_t i = 0;
    while (i < q->noutside && (q->outside[i].upvalue != upvalue || q->outside[i].constant != constant))
        i++;
    if (i == q->noutside)
        q->outside[q->noutside++] =
            (sb__qoutside){.upvalue = upvalue, .constant = constant, .key = LUA_NOREF};
    return (int32_t)i;
}

/* Calls have one result or none; a return with k has upvalues to close. */
static bool fits_span(const sb__quick *q, const sb__qop *o, unsigned form)
{
    unsigned from = o->a, n = o->b;
    if (form & SB__QF_SPAN)
        return n >= 2 && is_register(q, from + n - 1);
    if (form & SB__QF_NILS)
        return is_register(q, from + n);
    if (form & SB__QF_CALL)
        return n >= 2 && (o->c == 1 || o->c == 2) && is_register(q, from + n - 1);
    if (form & SB__QF_ENDS)
        return n >= 1 && !o->k && (n == 1 || is_register(q, from + n - 2));
    return true;
}

static bool fits(const sb__quick *q, const sb__qop *o, unsigned form)
{
    return (!(form & SB__QF_A) || is_register(q, o->a)) && (!(form & SB__QF_B) || is_register(q, o->b)) &&
           (!(form & SB__QF_C) || is_register(q, o->c)) &&
           (!(form & SB__QF_RKC) || (o->k ? is_constant(q, o->c) : is_register(q, o->c))) &&
           (!(form & SB__QF_KB) || is_constant(q, o->b)) &&
           (!(form & SB__QF_KX) || is_constant(q, (unsigned)o->x)) && fits_span(q, o, form);
}

static bool take_self(sb__quick *q, sb__qop *o)
{
    if (!o->k || !is_register(q, o->a + 1u) || !is_name(q, o->c))
        return false;
    o->x = sb__quick_method(q->constants[o->c].text, q->constants[o->c].len);
    return o->x >= 0;
}

static bool take_operands(reader *r, sb__qop *o, unsigned form, uint32_t word)
{
    sb__quick *q = r->q;
    if (form & SB__QF_KX)
        o->x = (int32_t)(word >> 15);
    if (form & SB__QF_SX)
        o->x = (int32_t)(word >> 15) - 65535;
    if (form & SB__QF_SB)
        o->x = o->b - 127;
    if (form & (SB__QF_OUT | SB__QF_FIELD) && o->b >= r->nupvalues)
        return false;
    if (form & SB__QF_FIELD && !is_name(q, o->c))
        return false;
    if (form & SB__QF_OUT)
        o->x = outside(q, o->b, -1);
    if (form & SB__QF_FIELD)
        o->x = outside(q, o->b, o->c);
    return !(form & SB__QF_SELF) || take_self(q, o);
}

static uint32_t word_at(const reader *r, uint32_t i)
{
    uint32_t word;
    memcpy(&word, r->code + i * 4, 4);
    return word;
}

static const sb__qcode *code_of(uint32_t word)
{
    for (size_t i = 0; i < sb__quick_ncodes; i++)
        if (sb__quick_codes[i].code == (word & 0x7f))
            return &sb__quick_codes[i];
    return NULL;
}

static int32_t jump_of(uint32_t word)
{
    return (int32_t)(word >> 7) - 16777215 + 1;
}

/* Where it goes on besides the next one, forwards and within the function. */
static bool take_jump(const reader *r, sb__qop *o, unsigned form, uint32_t i)
{
    uint32_t n = r->q->nops;
    o->jump = form & SB__QF_SKIP ? 2 : 1;
    if (form & SB__QF_JUMP)
        o->jump = jump_of(word_at(r, i));
    if (form & SB__QF_TEST) {
        if (i + 2 >= n || (word_at(r, i + 1) & 0x7f) != 56)
            return false;
        o->jump = jump_of(word_at(r, i + 1)) + 1;
    }
    return form & SB__QF_END || (o->jump >= 1 && (uint32_t)o->jump < n - i);
}

static const sb__qcode *read_op(reader *r, uint32_t i)
{
    uint32_t word = word_at(r, i);
    const sb__qcode *code = code_of(word);
    sb__qop *o = &r->q->ops[i];
    *o = (sb__qop){.run = sb__quick_leave,
        .a = (uint8_t)(word >> 7),
        .b = (uint8_t)(word >> 16),
        .c = (uint8_t)(word >> 24),
        .k = word >> 15 & 1};
    if (code == NULL || !take_operands(r, o, code->form, word) || !fits(r->q, o, code->form) ||
        !take_jump(r, o, code->form, i))
        return NULL;
    o->run = code->run;
    return code;
}

/* From the end: does this place lead to an end that is reached here? */
static bool read_ops(reader *r)
{
    bool leads[OPS_MAX];
    r->q->ops = calloc(r->q->nops, sizeof *r->q->ops);
    r->q->outside = calloc(r->q->nops, sizeof *r->q->outside);
    if (r->q->ops == NULL || r->q->outside == NULL)
        return false;
    for (uint32_t i = r->q->nops; i-- > 0;) {
        const sb__qcode *code = read_op(r, i);
        unsigned form = code != NULL ? code->form : 0;
        leads[i] = code != NULL && (form & SB__QF_END || leads[i + (uint32_t)r->q->ops[i].jump] ||
                                       (form & SB__QF_TEST && leads[i + 2]));
        if (!leads[i])
            r->q->ops[i].run = sb__quick_leave; /* at once rather than later */
    }
    return leads[0];
}

/* ---- making one ---- */

static bool read_function(reader *r)
{
    return read_head(r) && read_code(r) && read_constants(r) && read_ops(r);
}

static void quick_free(sb__quick *q)
{
    free(q->texts);
    free(q->ops);
    free(q->constants);
    free(q->outside);
    free(q);
}

/* Constants keep their texts in the dump. */
static sb__quick *quick_of(const dump *d)
{
    sb__quick *q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    reader r = {.q = q};
    q->score = SB__QUICK_SCORE;
    q->texts = malloc(d->len);
    if (q->texts != NULL) {
        memcpy(q->texts, d->data, d->len);
        r.at = sb__cursor_of((const uint8_t *)q->texts, d->len);
        if (read_function(&r))
            return q;
    }
    quick_free(q);
    return NULL;
}

/* Argument: the quick function. Names of fields stay, so that looking them up makes no string. */
static int keep_names(lua_State *L)
{
    sb__quick *q = lua_touserdata(L, 1);
    for (uint32_t i = 0; i < q->noutside; i++) {
        if (q->outside[i].constant < 0)
            continue;
        const sb__qvalue *name = &q->constants[q->outside[i].constant];
        lua_pushlstring(L, name->text, name->len);
        q->outside[i].key = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    return 0;
}

static void charge(lua_State *L, sb__quick *q, size_t dumped)
{
    q->weight = sizeof *q + dumped + q->nops * (sizeof *q->ops + sizeof *q->outside) +
                q->nconstants * sizeof *q->constants;
    sb__alloc_charge(&sb__script_of(L)->alloc, q->weight);
}

/* Names that are kept take room of Lua's own, which may not be there. */
static sb__quick *finish(lua_State *L, sb__quick *q, size_t dumped)
{
    charge(L, q, dumped);
    lua_pushcfunction(L, keep_names);
    lua_pushlightuserdata(L, q);
    if (sb__alloc_has_room(&sb__script_of(L)->alloc, 0) && lua_pcall(L, 1, 0, 0) == LUA_OK)
        return q;
    lua_pop(L, 1);
    sb__quick_destroy(L, q);
    return NULL;
}

sb__quick *sb__quick_create(lua_State *L, int idx)
{
    uint8_t data[DUMP_MAX];
    dump d = {.data = data};
    if (lua_iscfunction(L, idx) || !sb__script_of(L)->sealed || !lua_checkstack(L, 4))
        return NULL;
    lua_pushvalue(L, idx);
    bool dumped = lua_dump(L, write_dump, &d, 1) == 0;
    lua_pop(L, 1);
    sb__quick *q = dumped ? quick_of(&d) : NULL;
    return q != NULL ? finish(L, q, d.len) : NULL;
}

void sb__quick_destroy(lua_State *L, sb__quick *q)
{
    if (q == NULL)
        return;
    for (uint32_t i = 0; i < q->noutside; i++)
        luaL_unref(L, LUA_REGISTRYINDEX, q->outside[i].key);
    sb__alloc_give_back(&sb__script_of(L)->alloc, q->weight);
    quick_free(q);
}
