/* Quick functions: what a script's function does with one message is carried out here, without entering Lua,
 * as long as all of it is looking at the message, editing it and choosing among values that stand outside the
 * function. Lua's own compiler has made the code; lua_dump gives it to quick_read.c.
 *
 * Such a function goes forwards only, so it ends by itself: no hook counts it. It calls nothing of the
 * script's, allocates nothing, and what it did can be forgotten: whenever something else is met (a string
 * method, a table, arithmetic, a wrong argument), it is left, and Lua runs the whole function for the message
 * as it came. Errors are therefore always Lua's own. Above: handler.c. */
#ifndef SB_LUA_QUICK_H
#define SB_LUA_QUICK_H

#include "lua/socket.h"

#define SB__QUICK_REGS  32
#define SB__QUICK_ROOM  4096 /* octets that texts made for one message may have */
#define SB__QUICK_SCORE 256  /* tries in a row that may end in Lua */

typedef enum sb__qkind {
    SB__Q_NIL, /* the first two are false */
    SB__Q_FALSE,
    SB__Q_TRUE,
    SB__Q_INT,
    SB__Q_TEXT,
    SB__Q_MESSAGE, /* the one it is about */
    SB__Q_METHOD,  /* of messages */
    SB__Q_SOCKET,
    SB__Q_DROP,   /* sb.DROP */
    SB__Q_OTHER,  /* something that is true; may be handed about, and no more */
    SB__Q_UNKNOWN /* may be nil as well */
} sb__qkind;

typedef struct sb__qvalue {
    sb__qkind kind;
    union {
        lua_Integer i; /* of a method: which */
        const char *text;
        const sb__lsock_object *socket;
    };
    size_t len; /* of text */
} sb__qvalue;

typedef struct sb__quick sb__quick;

/* One message's run. Belongs to the caller and lasts for many. */
typedef struct sb__qcall {
    const sb__quick *quick;
    sb_msg *view; /* as it came */
    sb_msg *edit; /* where it is edited */
    sb_msg *msg;  /* one of the two: as it is now */
    sb__qvalue result[2];
    bool left; /* something that only Lua can do */
    size_t used;
    sb__qvalue r[SB__QUICK_REGS];
    char room[SB__QUICK_ROOM]; /* frames of the edited message may lie here */
} sb__qcall;

/* Reads the function at idx. NULL: it is for Lua, or there is no memory for this. Never raises; what it takes
 * counts as the script's memory. */
sb__quick *sb__quick_create(lua_State *L, int idx);
/* NULL is allowed. */
void sb__quick_destroy(lua_State *L, sb__quick *q);

/* Whether it is worth trying: a function that mostly ends in Lua is left to it for good. */
bool sb__quick_wanted(const sb__quick *q);
/* Reads what stands outside the function at idx. Holds until code of the script runs again. Neither raises
 * nor allocates; takes three places of the stack. */
void sb__quick_bind(lua_State *L, int idx, sb__quick *q);
/* Runs it for a message. True: result and msg are what it came to; msg refers to the room and to view. `edit`
 * is overwritten. False: nothing has happened, it is for Lua. */
bool sb__quick_run(sb__quick *q, sb__qcall *c, sb_msg *view, sb_msg *edit);

/* ---- between quick.c and quick_read.c ---- */

typedef struct sb__qop sb__qop;
typedef const sb__qop *sb__qrun(sb__qcall *c, const sb__qop *o);

/* An instruction. Registers and the like were checked when it was read. */
struct sb__qop {
    sb__qrun *run; /* returns the next one; NULL: over */
    uint8_t a, b, c;
    bool k;
    int32_t x;    /* a number, or which of the constants, outside values or methods */
    int32_t jump; /* from here, when it is not the next one */
};

/* A value from outside: an upvalue, or a field of a table that is one. */
typedef struct sb__qoutside {
    uint8_t upvalue;
    int key; /* registry reference of its name, LUA_NOREF: the upvalue itself */
    int32_t constant;
    sb__qvalue value;
} sb__qoutside;

struct sb__quick {
    int score;
    uint8_t nparams, nregs;
    uint32_t nops, nconstants, noutside;
    sb__qop *ops;
    sb__qvalue *constants;
    sb__qoutside *outside;
    char *texts; /* those of the constants lie here */
    size_t weight;
};

/* What an instruction of Lua 5.4 takes. */
typedef enum sb__qform {
    SB__QF_A = 1,          /* a register; read or written */
    SB__QF_B = 1 << 1,     /* the same */
    SB__QF_C = 1 << 2,     /* the same */
    SB__QF_RKC = 1 << 3,   /* a register or, with k, a constant */
    SB__QF_KB = 1 << 4,    /* a constant */
    SB__QF_KX = 1 << 5,    /* a constant, its number in x */
    SB__QF_SX = 1 << 6,    /* a signed number in x */
    SB__QF_SB = 1 << 7,    /* a signed number in b, to x */
    SB__QF_OUT = 1 << 8,   /* an upvalue b */
    SB__QF_FIELD = 1 << 9, /* an upvalue b, its field c */
    SB__QF_SELF = 1 << 10, /* a method c; two registers from a */
    SB__QF_SPAN = 1 << 11, /* b registers from a */
    SB__QF_NILS = 1 << 12, /* b + 1 registers from a */
    SB__QF_CALL = 1 << 13, /* b registers from a; c: one result or none */
    SB__QF_ENDS = 1 << 14, /* b - 1 registers from a are returned */
    SB__QF_JUMP = 1 << 15, /* always goes elsewhere */
    SB__QF_TEST = 1 << 16, /* two further, or where the jump behind it leads */
    SB__QF_SKIP = 1 << 17, /* two further */
    SB__QF_END = 1 << 18   /* the function is over */
} sb__qform;

typedef struct sb__qcode {
    uint8_t code; /* Lua's number of it */
    sb__qrun *run;
    unsigned form;
} sb__qcode;

extern const sb__qcode sb__quick_codes[];
extern const size_t sb__quick_ncodes;
/* Leaves. */
sb__qrun sb__quick_leave;
/* Which method of a message that is; -1: none that is known here. */
int sb__quick_method(const char *name, size_t len);

#endif
