/* Quick functions: what their instructions do. Before: quick_read.c, which has checked them; after:
 * handler.c. */
#include "lua/quick.h"

#include <string.h>

/* So many tries that end in Lua a good one makes up for: entering Lua costs about ten times what trying does.
 */
#define SCORE_GOOD 8

const sb__qop *sb__quick_leave(sb__qcall *c, const sb__qop *o)
{
    (void)o;
    c->left = true;
    return NULL;
}

static bool is_known(const sb__qvalue *v)
{
    return v->kind != SB__Q_UNKNOWN;
}

static bool is_true(const sb__qvalue *v)
{
    return v->kind > SB__Q_FALSE;
}

static void set_kind(sb__qvalue *v, sb__qkind kind)
{
    v->kind = kind;
}

static void set_bool(sb__qvalue *v, bool yes)
{
    v->kind = yes ? SB__Q_TRUE : SB__Q_FALSE;
}

static void set_int(sb__qvalue *v, lua_Integer i)
{
    v->kind = SB__Q_INT;
    v->i = i;
}

static void set_text(sb__qvalue *v, const void *text, size_t len)
{
    v->kind = SB__Q_TEXT;
    v->text = text != NULL ? text : "";
    v->len = len;
}

static bool is_text(const sb__qvalue *v, const void *text, size_t len)
{
    return v->len == len && (len == 0 || memcmp(v->text, text, len) == 0);
}

/* ---- methods of messages ---- */

static const sb_frame *frame_at(const sb_msg *msg, lua_Integer i)
{
    return i >= 1 && (lua_Unsigned)i <= sb_msg_count(msg) ? sb_msg_frame(msg, (uint32_t)(i - 1)) : NULL;
}

/* The frame that method(msg, i, text) is about; false: other arguments. */
static bool frame_and_text(const sb__qcall *c, int at, int nargs, const sb_frame **f)
{
    if (nargs < 3 || c->r[at + 1].kind != SB__Q_INT || c->r[at + 2].kind != SB__Q_TEXT)
        return false;
    *f = frame_at(c->msg, c->r[at + 1].i);
    return true;
}

static bool starts(sb__qcall *c, int at, int nargs)
{
    const sb_frame *f;
    if (!frame_and_text(c, at, nargs, &f))
        return false;
    const sb__qvalue *text = &c->r[at + 2];
    set_bool(&c->r[at - 1], f != NULL && f->len >= text->len && is_text(text, f->data, text->len));
    return true;
}

static bool equals(sb__qcall *c, int at, int nargs)
{
    const sb_frame *f;
    if (!frame_and_text(c, at, nargs, &f))
        return false;
    set_bool(&c->r[at - 1], f != NULL && is_text(&c->r[at + 2], f->data, f->len));
    return true;
}

static bool size(sb__qcall *c, int at, int nargs)
{
    const sb_frame *f;
    if (nargs == 1 || c->r[at + 1].kind == SB__Q_NIL) {
        set_int(&c->r[at - 1], (lua_Integer)sb_msg_body_size(c->msg));
        return true;
    }
    f = c->r[at + 1].kind == SB__Q_INT ? frame_at(c->msg, c->r[at + 1].i) : NULL;
    if (f != NULL)
        set_int(&c->r[at - 1], (lua_Integer)f->len);
    return f != NULL;
}

static const struct {
    const char *name;
    bool (*run)(sb__qcall *c, int at, int nargs);
} methods[] = {{"starts", starts}, {"equals", equals}, {"size", size}};

int sb__quick_method(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strlen(methods[i].name) == len && memcmp(methods[i].name, name, len) == 0)
            return (int)i;
    return -1;
}

/* ---- values ---- */

static const sb__qop *move(sb__qcall *c, const sb__qop *o)
{
    c->r[o->a] = c->r[o->b];
    return o + 1;
}

static const sb__qop *load_int(sb__qcall *c, const sb__qop *o)
{
    set_int(&c->r[o->a], o->x);
    return o + 1;
}

static const sb__qop *load_constant(sb__qcall *c, const sb__qop *o)
{
    c->r[o->a] = c->quick->constants[o->x];
    return o + 1;
}

static const sb__qop *load_outside(sb__qcall *c, const sb__qop *o)
{
    c->r[o->a] = c->quick->outside[o->x].value;
    return o + 1;
}

static const sb__qop *load_false(sb__qcall *c, const sb__qop *o)
{
    set_kind(&c->r[o->a], SB__Q_FALSE);
    return o + 1;
}

static const sb__qop *load_false_skip(sb__qcall *c, const sb__qop *o)
{
    set_kind(&c->r[o->a], SB__Q_FALSE);
    return o + 2;
}

static const sb__qop *load_true(sb__qcall *c, const sb__qop *o)
{
    set_kind(&c->r[o->a], SB__Q_TRUE);
    return o + 1;
}

static const sb__qop *load_nils(sb__qcall *c, const sb__qop *o)
{
    for (int i = 0; i <= o->b; i++)
        set_kind(&c->r[o->a + i], SB__Q_NIL);
    return o + 1;
}

static const sb__qop *negate(sb__qcall *c, const sb__qop *o)
{
    if (!is_known(&c->r[o->b]))
        return sb__quick_leave(c, o);
    set_bool(&c->r[o->a], !is_true(&c->r[o->b]));
    return o + 1;
}

static const sb__qop *length(sb__qcall *c, const sb__qop *o)
{
    const sb__qvalue *v = &c->r[o->b];
    if (v->kind == SB__Q_MESSAGE)
        set_int(&c->r[o->a], sb_msg_count(c->msg));
    else if (v->kind == SB__Q_TEXT)
        set_int(&c->r[o->a], (lua_Integer)v->len);
    else
        return sb__quick_leave(c, o);
    return o + 1;
}

/* A + a small number; the instruction behind it is for other operands. */
static const sb__qop *add_small(sb__qcall *c, const sb__qop *o)
{
    if (c->r[o->b].kind != SB__Q_INT)
        return sb__quick_leave(c, o);
    set_int(&c->r[o->a], (lua_Integer)((lua_Unsigned)c->r[o->b].i + (lua_Unsigned)(o->c - 127)));
    return o + 2;
}

static const sb__qop *concat(sb__qcall *c, const sb__qop *o)
{
    char *begin = c->room + c->used;
    for (int i = 0; i < o->b; i++) {
        const sb__qvalue *v = &c->r[o->a + i];
        if (v->kind != SB__Q_TEXT || v->len > SB__QUICK_ROOM - c->used)
            return sb__quick_leave(c, o);
        memcpy(c->room + c->used, v->text, v->len);
        c->used += v->len;
    }
    set_text(&c->r[o->a], begin, (size_t)(c->room + c->used - begin));
    return o + 1;
}

/* ---- frames ---- */

static const sb__qop *get_frame(sb__qcall *c, const sb__qop *o, lua_Integer i)
{
    const sb_frame *f = frame_at(c->msg, i);
    if (c->r[o->b].kind != SB__Q_MESSAGE || f == NULL) /* only Lua knows what a field that is not there is */
        return sb__quick_leave(c, o);
    set_text(&c->r[o->a], f->data, f->len);
    return o + 1;
}

static const sb__qop *get_index(sb__qcall *c, const sb__qop *o)
{
    return get_frame(c, o, o->c);
}

static const sb__qop *get_indexed(sb__qcall *c, const sb__qop *o)
{
    return c->r[o->c].kind == SB__Q_INT ? get_frame(c, o, c->r[o->c].i) : sb__quick_leave(c, o);
}

/* Frames of the message as it came stay its own. */
static bool begin_edit(sb__qcall *c)
{
    if (c->msg == c->edit)
        return true;
    if (c->view->n > SB_MSG_INLINE)
        return false;
    sb_msg_init(c->edit);
    for (uint32_t i = 0; i < c->view->n; i++)
        sb_msg_push(c->edit, c->view->frames[i].data, c->view->frames[i].len, c->view->frames[i].buf);
    c->edit->envelope = c->view->envelope;
    c->msg = c->edit;
    return true;
}

static const sb__qop *set_frame(sb__qcall *c, const sb__qop *o, lua_Integer i)
{
    const sb__qvalue *v = o->k ? &c->quick->constants[o->c] : &c->r[o->c];
    if (c->r[o->a].kind != SB__Q_MESSAGE || v->kind != SB__Q_TEXT || frame_at(c->msg, i) == NULL ||
        !begin_edit(c))
        return sb__quick_leave(c, o);
    sb_msg_set(c->edit, c->edit->envelope + (uint32_t)i - 1, v->text, v->len, NULL);
    return o + 1;
}

static const sb__qop *set_index(sb__qcall *c, const sb__qop *o)
{
    return set_frame(c, o, o->b);
}

static const sb__qop *set_indexed(sb__qcall *c, const sb__qop *o)
{
    return c->r[o->b].kind == SB__Q_INT ? set_frame(c, o, c->r[o->b].i) : sb__quick_leave(c, o);
}

/* ---- calls ---- */

static const sb__qop *self(sb__qcall *c, const sb__qop *o)
{
    if (c->r[o->b].kind != SB__Q_MESSAGE)
        return sb__quick_leave(c, o);
    set_kind(&c->r[o->a + 1], SB__Q_MESSAGE);
    c->r[o->a].kind = SB__Q_METHOD;
    c->r[o->a].i = o->x;
    return o + 1;
}

static const sb__qop *call(sb__qcall *c, const sb__qop *o)
{
    const sb__qvalue *f = &c->r[o->a];
    bool done =
        f->kind == SB__Q_METHOD && f[1].kind == SB__Q_MESSAGE && methods[f->i].run(c, o->a + 1, o->b - 1);
    return done ? o + 1 : sb__quick_leave(c, o);
}

static const sb__qop *returns(sb__qcall *c, const sb__qop *o)
{
    int n = o->b - 1;
    for (int i = 0; i < 2 && i < n; i++)
        c->result[i] = c->r[o->a + i];
    return NULL;
}

static const sb__qop *return_none(sb__qcall *c, const sb__qop *o)
{
    (void)c, (void)o;
    return NULL;
}

static const sb__qop *return_one(sb__qcall *c, const sb__qop *o)
{
    c->result[0] = c->r[o->a];
    return NULL;
}

/* ---- jumps ---- */

static const sb__qop *jump(sb__qcall *c, const sb__qop *o)
{
    (void)c;
    return o + o->jump;
}

static const sb__qop *branch(const sb__qop *o, bool yes)
{
    return yes == o->k ? o + o->jump : o + 2;
}

static const sb__qop *test(sb__qcall *c, const sb__qop *o)
{
    const sb__qvalue *v = &c->r[o->a];
    return is_known(v) ? branch(o, is_true(v)) : sb__quick_leave(c, o);
}

static const sb__qop *test_set(sb__qcall *c, const sb__qop *o)
{
    if (!is_known(&c->r[o->b]))
        return sb__quick_leave(c, o);
    if (is_true(&c->r[o->b]) != o->k)
        return o + 2;
    c->r[o->a] = c->r[o->b];
    return o + o->jump;
}

static bool same(const sb__qvalue *v, const sb__qvalue *w)
{
    if (v->kind != w->kind)
        return false;
    if (v->kind == SB__Q_INT)
        return v->i == w->i;
    return v->kind == SB__Q_TEXT ? is_text(v, w->text, w->len)
                                 : v->kind != SB__Q_SOCKET || v->socket == w->socket;
}

/* Values whose equality is known: a metamethod is asked for others. */
static bool comparable(const sb__qvalue *v)
{
    return is_known(v) && v->kind != SB__Q_OTHER && v->kind != SB__Q_METHOD;
}

static const sb__qop *branch_same(sb__qcall *c, const sb__qop *o, const sb__qvalue *w)
{
    const sb__qvalue *v = &c->r[o->a];
    return comparable(v) && comparable(w) ? branch(o, same(v, w)) : sb__quick_leave(c, o);
}

static const sb__qop *equal(sb__qcall *c, const sb__qop *o)
{
    return branch_same(c, o, &c->r[o->b]);
}

static const sb__qop *equal_constant(sb__qcall *c, const sb__qop *o)
{
    return branch_same(c, o, &c->quick->constants[o->b]);
}

static const sb__qop *equal_int(sb__qcall *c, const sb__qop *o)
{
    const sb__qvalue number = {.kind = SB__Q_INT, .i = o->x};
    return branch_same(c, o, &number);
}

static const sb__qop *less(sb__qcall *c, const sb__qop *o)
{
    const sb__qvalue *v = &c->r[o->a], *w = &c->r[o->b];
    return v->kind == SB__Q_INT && w->kind == SB__Q_INT ? branch(o, v->i < w->i) : sb__quick_leave(c, o);
}

static const sb__qop *less_or_equal(sb__qcall *c, const sb__qop *o)
{
    const sb__qvalue *v = &c->r[o->a], *w = &c->r[o->b];
    return v->kind == SB__Q_INT && w->kind == SB__Q_INT ? branch(o, v->i <= w->i) : sb__quick_leave(c, o);
}

static const sb__qop *less_int(sb__qcall *c, const sb__qop *o)
{
    const sb__qvalue *v = &c->r[o->a];
    return v->kind == SB__Q_INT ? branch(o, v->i < o->x) : sb__quick_leave(c, o);
}

static const sb__qop *less_or_equal_int(sb__qcall *c, const sb__qop *o)
{
    const sb__qvalue *v = &c->r[o->a];
    return v->kind == SB__Q_INT ? branch(o, v->i <= o->x) : sb__quick_leave(c, o);
}

static const sb__qop *greater_int(sb__qcall *c, const sb__qop *o)
{
    const sb__qvalue *v = &c->r[o->a];
    return v->kind == SB__Q_INT ? branch(o, v->i > o->x) : sb__quick_leave(c, o);
}

static const sb__qop *greater_or_equal_int(sb__qcall *c, const sb__qop *o)
{
    const sb__qvalue *v = &c->r[o->a];
    return v->kind == SB__Q_INT ? branch(o, v->i >= o->x) : sb__quick_leave(c, o);
}

/* ---- the instructions of Lua 5.4 that are known here (lopcodes.h) ---- */

#define A    SB__QF_A
#define B    SB__QF_B
#define C    SB__QF_C
#define TEST SB__QF_TEST

const sb__qcode sb__quick_codes[] = {
    {0, move, A | B},
    {1, load_int, A | SB__QF_SX},
    {3, load_constant, A | SB__QF_KX},
    {5, load_false, A},
    {6, load_false_skip, A | SB__QF_SKIP},
    {7, load_true, A},
    {8, load_nils, A | SB__QF_NILS},
    {9, load_outside, A | SB__QF_OUT},
    {11, load_outside, A | SB__QF_FIELD},
    {12, get_indexed, A | B | C},
    {13, get_index, A | B},
    {16, set_indexed, A | B | SB__QF_RKC},
    {17, set_index, A | SB__QF_RKC},
    {20, self, A | B | SB__QF_SELF},
    {21, add_small, A | B | SB__QF_SKIP},
    {51, negate, A | B},
    {52, length, A | B},
    {53, concat, A | SB__QF_SPAN},
    {56, jump, SB__QF_JUMP},
    {57, equal, A | B | TEST},
    {58, less, A | B | TEST},
    {59, less_or_equal, A | B | TEST},
    {60, equal_constant, A | SB__QF_KB | TEST},
    {61, equal_int, A | SB__QF_SB | TEST},
    {62, less_int, A | SB__QF_SB | TEST},
    {63, less_or_equal_int, A | SB__QF_SB | TEST},
    {64, greater_int, A | SB__QF_SB | TEST},
    {65, greater_or_equal_int, A | SB__QF_SB | TEST},
    {66, test, A | TEST},
    {67, test_set, A | B | TEST},
    {68, call, A | SB__QF_CALL},
    {70, returns, SB__QF_ENDS | SB__QF_END},
    {71, return_none, SB__QF_END},
    {72, return_one, A | SB__QF_END},
};

const size_t sb__quick_ncodes = sizeof sb__quick_codes / sizeof *sb__quick_codes;

/* ---- from outside ---- */

static void take_number(lua_State *L, sb__qvalue *v)
{
    if (lua_isinteger(L, -1))
        set_int(v, lua_tointeger(L, -1));
}

static void take_text(lua_State *L, sb__qvalue *v)
{
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    set_text(v, text, len);
}

static void take_object(lua_State *L, sb__qvalue *v)
{
    const sb__lsock_object *socket = sb__lsock_object_at(L, -1);
    if (sb__is_token(L, -1, SB__DROP)) {
        set_kind(v, SB__Q_DROP);
    } else if (socket != NULL) {
        v->kind = SB__Q_SOCKET;
        v->socket = socket;
    }
}

static void take_bool(lua_State *L, sb__qvalue *v)
{
    set_bool(v, lua_toboolean(L, -1));
}

static void take_nil(lua_State *L, sb__qvalue *v)
{
    (void)L;
    set_kind(v, SB__Q_NIL);
}

static void take_value(lua_State *L, sb__qvalue *v)
{
    static void (*const take[LUA_NUMTYPES])(lua_State * L, sb__qvalue * v) = {
        [LUA_TNIL] = take_nil,
        [LUA_TBOOLEAN] = take_bool,
        [LUA_TNUMBER] = take_number,
        [LUA_TSTRING] = take_text,
        [LUA_TUSERDATA] = take_object,
    };
    int type = lua_type(L, -1);
    set_kind(v, SB__Q_OTHER);
    if (take[type] != NULL)
        take[type](L, v);
}

/* The field that is not there may be a metamethod's matter. */
static void take_field(lua_State *L, sb__qoutside *o)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, o->key);
    if (lua_rawget(L, -2) == LUA_TNIL)
        set_kind(&o->value, SB__Q_UNKNOWN);
    else
        take_value(L, &o->value);
    lua_pop(L, 1);
}

void sb__quick_bind(lua_State *L, int idx, sb__quick *q)
{
    for (uint32_t i = 0; i < q->noutside; i++) {
        sb__qoutside *o = &q->outside[i];
        set_kind(&o->value, SB__Q_UNKNOWN);
        if (lua_getupvalue(L, idx, o->upvalue + 1) == NULL)
            continue;
        if (o->key == LUA_NOREF)
            take_value(L, &o->value);
        else if (lua_istable(L, -1))
            take_field(L, o);
        lua_pop(L, 1);
    }
}

/* ---- running ---- */

bool sb__quick_wanted(const sb__quick *q)
{
    return q->score >= 0;
}

static void begin(sb__quick *q, sb__qcall *c, sb_msg *view, sb_msg *edit)
{
    c->quick = q;
    c->view = c->msg = view;
    c->edit = edit;
    c->left = false;
    c->used = 0;
    set_kind(&c->result[0], SB__Q_NIL);
    set_kind(&c->result[1], SB__Q_NIL);
    set_kind(&c->r[0], q->nparams > 0 ? SB__Q_MESSAGE : SB__Q_NIL);
    for (int i = 1; i < q->nregs; i++)
        set_kind(&c->r[i], i == 1 && q->nparams > 1 ? SB__Q_UNKNOWN : SB__Q_NIL); /* 1: the peer */
}

bool sb__quick_run(sb__quick *q, sb__qcall *c, sb_msg *view, sb_msg *edit)
{
    begin(q, c, view, edit);
    for (const sb__qop *o = q->ops; o != NULL;)
        o = o->run(c, o);
    if (c->left)
        q->score--;
    else if (q->score < SB__QUICK_SCORE)
        q->score += SCORE_GOOD;
    return !c->left;
}
