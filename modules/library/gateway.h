/* The gateway: how a host's own protocol (HTTP) reaches the sockets of scripts, from any process of the mesh.
 *
 * Two halves. The gate stands where the scripts run: it opens a door for each use of a socket that the host's
 * configuration names. The gateway stands in every worker: it calls through the doors and matches answers
 * with questions. Between them is ZMTP, over the mesh or inproc, one connection per use and worker.
 *
 * A call on the wire: [who it is from][number, 5 octets][empty][frames ...]. The engine takes the first frame
 * off and gives it to hooks as their peer; to a service the rest looks like a request with an envelope, and
 * comes back with it. An answer of the gate itself has its status in the second frame.
 */
#ifndef SB_GATEWAY_H
#define SB_GATEWAY_H

#include "modules/library/mesh.h"
#include "modules/library/plan.h"

#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where to connect a gateway: in the engine of the scripts, or across the mesh (worker number in between). */
#define SB_GATE_INPROC SB_INPROC_SPEAKERS

typedef enum sb_use_kind {
    SB_USE_PAGE,      /* of the board itself: "status" (JSON) or "metrics" (Prometheus) */
    SB_USE_REQUEST,   /* ROUTER, REP: as a DEALER peer. DEALER: its peers answer, round robin */
    SB_USE_PUBLISH,   /* PUB, XPUB, PUSH: sent by the socket. PULL: as if a PUSH peer had sent it */
    SB_USE_SUBSCRIBE, /* PUB, XPUB: one subscriber for all followers of all gateways */
    SB_USE_STREAM,    /* any type that ZMTP peers connect to: through streams that the host has accepted */
    SB_USE_COUNT
} sb_use_kind;

/* One use of a socket by the host. */
typedef struct sb_use {
    sb_use_kind kind;
    const char *socket; /* or the page */
    uint32_t retain;    /* SUBSCRIBE: messages kept for followers that come back */
    const char *where;  /* for the gateway: instead of its own; NULL: as all */
} sb_use;

/* Whether the scripts of a plan have that socket and its type (told) can be used so; else one line in err.
 * SB_ENOENT, SB_ENOTSUP, SB_ENAMETOOLONG. */
sb_err sb_use_check(sb_plan *plan, const sb_use *use, sb_type *type, char *err, size_t cap);

/* ---- the gate: with the scripts ---- */

typedef struct sb_gate sb_gate;

/* Opens the doors on the sockets of the board's engine. `mesh` may be NULL: then only gateways on the same
 * engine get through. SB_ENOMEM, SB_ENOENT (a socket that the plan had is not there), SB_EEXIST. */
sb_err sb_gate_create(sb_board *board, sb_mesh *mesh, const sb_use *uses, size_t n, sb_gate **out);
/* After the engine is destroyed: its sockets' handlers live in here. NULL is allowed. */
void sb_gate_destroy(sb_gate *gate);

/* ---- the gateway: in every worker ---- */

typedef struct sb_gateway sb_gateway;

typedef enum sb_call_status {
    SB_CALL_OK,      /* a reply, or: published */
    SB_CALL_NOBODY,  /* published, and nobody was there to see it */
    SB_CALL_FULL,    /* the socket, or the way to it, takes no more */
    SB_CALL_NO_PEER, /* the socket has nobody to send it to */
    SB_CALL_LOST     /* the connection broke: nobody knows what became of it */
} sb_call_status;

/* A question that waits for its answer; the caller's memory. */
typedef struct sb_call sb_call;
struct sb_call {
    /* Once, never from inside sb_gateway_call. Frames are valid during the call. */
    void (*on_reply)(sb_call *self, sb_call_status status, const struct iovec *frames, size_t n);
    const sb_client
        *client;     /* who asks, as peer of the script's hooks; NULL: the gateway. During sb_gateway_call */
    uint32_t number; /* private; 0: does not wait */
};

typedef struct sb_gateway_stats {
    uint64_t calls;
    uint64_t late;    /* replies that nobody waited for any more */
    uint64_t waiting; /* now */
} sb_gateway_stats;

/* `where`: SB_GATE_INPROC, or SB_MESH_PREFIX and a worker's number and "/". Connects for every use.
 * SB_ENOMEM.
 */
sb_err sb_gateway_create(
    sb_engine *engine, const char *where, const sb_use *uses, size_t n, sb_gateway **out);
/* Calls that wait are forgotten. After the engine is destroyed, as sb_gate_destroy. NULL is allowed. */
void sb_gateway_destroy(sb_gateway *gw);
void sb_gateway_get_stats(const sb_gateway *gw, sb_gateway_stats *out);

/* Sends frames through the door of use number `use`. SB_OK: on_reply will be called unless cancelled.
 * SB_EAGAIN: the way is full. SB_ECLOSED, SB_ENOMEM. Step the engine afterwards. */
sb_err sb_gateway_call(sb_gateway *gw, size_t use, const struct iovec *frames, size_t n, sb_call *call);
/* on_reply does not come after it; the reply, when it comes, is counted as late. Idempotent. */
void sb_gateway_cancel(sb_gateway *gw, sb_call *call);

/* ---- followers: subscriptions through the gate ---- */

/* What a message is called, so that a follower that comes back can say where it was. Numbers grow by one per
 * message of the socket; another epoch: the gate was made anew, and nothing can be said about order. */
typedef struct sb_event_id {
    uint32_t epoch;
    uint64_t number;
} sb_event_id;

typedef enum sb_follow_status {
    SB_FOLLOW_OK,     /* messages come from now on; what was missed has come before */
    SB_FOLLOW_DENIED, /* by the script */
    SB_FOLLOW_FULL,   /* too many topics */
    SB_FOLLOW_LOST    /* the connection to the gate broke: follow again, from the last id */
} sb_follow_status;

#define SB_FOLLOW_TOPIC 255 /* longest topic */

/* Somebody who wants to see what is published under a topic; the caller's memory. The callbacks may call
 * sb_gateway_unfollow for any follower. */
typedef struct sb_follower sb_follower;
struct sb_follower {
    /* The answer, never from inside sb_gateway_follow; then LOST at most once more. After anything but OK the
     * follower is the caller's again. */
    void (*on_status)(sb_follower *self, sb_follow_status status);
    /* frames[0] is the topic as it was asked for. Valid during the call. */
    void (*on_message)(sb_follower *self, const sb_event_id *id, const struct iovec *frames, size_t n);
    const sb_client *client; /* who follows, as peer of on_subscribe; NULL: the gateway. While it follows */
    /* private; zero before the first follow */
    struct sb__followed *followed;
    void *next, *prev;
    uint32_t number; /* of the question, 0: answered */
    uint32_t asked_len;
    sb_event_id since;
    char asked[SB_FOLLOW_TOPIC + 1];
};

/* Follows a topic of use number `use`. `since` (may be NULL): the last message seen; what the gate still has
 * after it comes first. SB_EMSGSIZE: the topic is too long; SB_EAGAIN, SB_ECLOSED, SB_ENOMEM. Step the engine
 * afterwards. */
sb_err sb_gateway_follow(sb_gateway *gw, size_t use, const void *topic, size_t len, const sb_event_id *since,
    sb_follower *follower);
/* Nothing comes after it. Idempotent. */
void sb_gateway_unfollow(sb_gateway *gw, sb_follower *follower);

#ifdef __cplusplus
}
#endif
#endif
