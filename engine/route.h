/* A compiled route table: which row of a table matches a message. Knows messages and rows; no sockets act
 * here. Rows are matched in order, first match wins; routes are not applied recursively. */
#ifndef SB_ROUTE_H
#define SB_ROUTE_H

#include "engine/msg.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_socket sb_socket;
typedef struct sb_route sb_route;
typedef struct sb_route_call sb_route_call;

/* The slow path of a row: code that decides. The callee forwards the message itself (sb_socket_forward),
 * drops it, or keeps it. Returns what an sb_handler's on_msg returns. */
struct sb_route_call {
    sb_err (*run)(sb_route_call *self, sb_socket *sock, sb_peer *peer, sb_msg *msg);
    void (*destroy)(sb_route_call *self); /* with the table; may be NULL */
};

#define SB_ROUTE_TARGETS 16

typedef enum sb_route_action {
    SB_ROUTE_TO,    /* forward to one of `to` (by weight, smooth round robin) */
    SB_ROUTE_REPLY, /* send `reply` back to the peer it came from, envelope kept */
    SB_ROUTE_CALL,  /* run `call` */
    SB_ROUTE_DROP   /* count as denied */
} sb_route_action;

typedef struct sb_route_row {
    /* Condition: body frame `frame` (1-based) starts with / equals the bytes; frame 0: every message. */
    uint32_t frame;
    bool equals; /* else prefix */
    const uint8_t *bytes;
    size_t len;
    /* Action */
    sb_route_action action;
    sb_socket *to[SB_ROUTE_TARGETS];
    uint32_t weight[SB_ROUTE_TARGETS]; /* 0 counts as 1 */
    uint32_t nto;
    const uint8_t *reply;
    size_t reply_len;
    sb_route_call *call; /* owned by the table once sb_route_create succeeded */
    const char
        *reason; /* with SB_ROUTE_TO: the message goes there as a dead letter with this reason; may be NULL */
} sb_route_row;

/* Compiles rows; bytes, replies and reasons are copied. On failure writes one line to err: which row, what is
 * wrong
 * ("row 3 can never match: row 1 matches everything before it"). SB_EINVAL, SB_ENOMEM. */
sb_err sb_route_create(const sb_route_row *rows, size_t n, char *err, size_t err_cap, sb_route **out);
void sb_route_destroy(sb_route *route); /* NULL is allowed */

/* 0-based index of the row that matches, -1 if none. Does not change anything. */
int sb_route_match(const sb_route *route, const sb_msg *msg);
const sb_route_row *sb_route_get(const sb_route *route, size_t row); /* the table's own copy */
size_t sb_route_count(const sb_route *route);

/* Counts that a row decided about a message; sb_route_hits tells how often. */
void sb_route_hit(sb_route *route, size_t row);
/* What decides which row matches: nothing of a message, its first body frame alone, or more than that. */
typedef enum sb_route_sight { SB_ROUTE_BLIND, SB_ROUTE_FIRST, SB_ROUTE_ALL } sb_route_sight;
sb_route_sight sb_route_looks_at(const sb_route *route);
/* sb_route_match where not more than the first body frame decides: of a message that has this one. */
int sb_route_match_first(const sb_route *route, const uint8_t *data, size_t len);
/* Counts as many hits. */
void sb_route_hit_run(sb_route *route, size_t row, uint64_t n);
/* Match, get and hit in one: the row that decides about this message, or NULL. */
const sb_route_row *sb_route_decide(sb_route *route, const sb_msg *msg, size_t *row);
uint64_t sb_route_hits(const sb_route *route, size_t row);

/* Next target of an SB_ROUTE_TO row, by weight. */
sb_socket *sb_route_pick(sb_route *route, size_t row);

/* "row 2: frame 1 starts with \"order.\" -> us (10), eu (90)"; truncated to cap, always terminated. `name`
 * gives a socket's name. */
void sb_route_explain(
    const sb_route *route, size_t row, const char *(*name)(const sb_socket *), char *out, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
