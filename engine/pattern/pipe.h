/* The pipe: everything the queue side knows of one peer. A peer of the public API is a pipe.
 *
 * Two queues, one per direction, between a pattern (this side) and a connection (the far side, reached only
 * through sb__link). Knows no bytes and no descriptors. */
#ifndef SB_PIPE_H
#define SB_PIPE_H

#include "engine/base/list.h"
#include "engine/pattern/queue.h"
#include "engine/pattern/stage.h"
#include "engine/socket.h"
#include "engine/trace.h"

typedef struct sb__link sb__link;
typedef struct sb__narrow sb__narrow;
typedef struct sb_pattern sb_pattern;

/* What a connection does for a pipe; implemented by transport/conn.c and transport/inproc.c. None of these
 * calls back. */
struct sb__link {
    /* The out queue of a ready peer went from empty to not empty: write it this turn. What was queued before
     * it was ready is the connection's to find. */
    void (*output)(sb_peer *peer);
    /* The in queue has room again (or a pause ended): go on reading. */
    void (*input)(sb_peer *peer);
    /* Control lane: never counts against HWM. Before the handshake it does nothing (the pattern's ready slot
     * sends all). */
    void (*subscribe)(sb_peer *peer, const uint8_t *topic, size_t len, bool subscribe);
    /* While a message of the peer is being delivered: as sb_session_next and sb_session_unread. NULL: one at
     * a time. */
    bool (*next)(sb_peer *peer, sb_msg *msg);
    void (*unread)(sb_peer *peer, sb_msg *msg);
    /* The same for many: as sb_session_run and sb_session_took. NULL with next. */
    bool (*run)(sb_peer *peer, uint32_t most, sb_run *run);
    void (*took)(sb_peer *peer, size_t octets);
    /* Ends the connection for a reason; a connecting peer reconnects unless `forever`. */
    void (*kick)(sb_peer *peer, sb_err why, const char *detail, bool forever);
    /* Ends the connection for good once what is queued is written. */
    void (*end)(sb_peer *peer);
};

struct sb_peer {
    /* for everybody on the queue side, read-only but for the pattern's part */
    sb_socket *socket;
    sb_pattern *pattern;
    sb__queue in, out;
    sb__stage *in_stage,
        *out_stage; /* before them, where messages may still be replaced or expire; NULL: none */
    uint64_t id;
    const sb_peer_info *info; /* NULL before the first handshake and after the connection went */
    bool ready;               /* handshake done and connection up */
    bool attached;            /* the pattern knows it */
    bool dialed;              /* we connect to it */
    bool dismissed;           /* STREAM: the application ended it */
    uint8_t inside;           /* an sb_inside: the far end is a mate's (engine/team.h) */
    bool held_by_team;        /* ROUTER: its routing id was told to the team */
    bool out_full;            /* a push said SB_EAGAIN; writable follows when low */
    bool told_congested;      /* the socket's */

    /* the pattern's */
    uint8_t *routing_id; /* ROUTER: how this peer is addressed; owned, may be NULL */
    uint32_t routing_id_len;
    uint32_t topics;     /* XPUB: number of subscriptions it holds */
    uint32_t stale;      /* messages that are first in its in queue and came over connections that are gone */
    sb_list_node active; /* in the robin's ring when it can be sent to */
    sb_list_node waiting;    /* in the fair ring when its in queue holds messages */
    uint64_t topic_bytes;    /* XPUB: their octets */
    uint64_t mark;           /* fan: last message it was chosen for, so that it gets it once */
    sb__narrow *narrows;     /* XPUB: what it gets less than it subscribed (narrow.h) */
    struct sb__inlet *inlet; /* open while a run is shared out (inlet.h), else NULL */
    sb_list_node member;     /* in the robin's list of all its peers */
    int64_t credit;          /* balance = weighted */
    void *pattern_data;

    /* the far side's */
    const sb__link *link;
    void *link_data;
    uint64_t conn_id; /* of its connection, the last one when it is away; 0: it never had one of its own */

    /* the socket's */
    sb_list_node peers;
    uint32_t pauses;           /* > 0: no delivery */
    uint32_t weight;           /* balance = weighted: its share */
    uint64_t place;            /* balance = sticky: its name as a number, the same after a reconnect */
    bool confirms;             /* the connection tells when its subscriptions are taken */
    bool looked;               /* it was full when the socket looked for those that take nothing */
    bool sheds;                /* its in queue has a policy of its own: socket/overload.c */
    bool in_full;              /* ... and was found full */
    uint32_t unconfirmed;      /* subscriptions of ours that it has not confirmed yet */
    uint32_t left;             /* what had left its queue when it was looked at */
    bool trusted;              /* its subscriptions were asked for by other means: sb_socket_ask */
    struct sb__client *client; /* whom it speaks for now (socket/speaker.c); NULL: for itself */
    sb_list_node crowded;      /* in the socket's list of peers whose congestion changed */
    struct sb__held *held;     /* messages of this peer that wait for room at their target */
    struct sb__alias *aliases; /* rewritten subscriptions, see alias.h */
    uint64_t msgs_in, msgs_out, bytes_in, bytes_out, dropped[SB_DROP_COUNT], rtt;
    uint64_t abandoned;      /* messages of its that nobody will answer */
    uint64_t since;          /* when it came */
    struct sb__meter *meter; /* its rates; NULL: nobody asked */
    char *address;           /* without a connection, which knows it itself */
};

/* Ends the connection of a peer that is full, with what waits for it: a connecting one begins anew. */
void sb__pipe_disconnect(sb_peer *peer);
/* The slow ends of sb__pipe_push. Refused: remembers that the peer is full, and ends it at once where on_full
 * says so and nobody waits; returns err. Staged: the same push for a peer with a stage. */
sb_err sb__pipe_refused(sb_peer *peer, sb_err err);
sb_err sb__pipe_push_staged(sb_peer *peer, const sb_msg *msg, bool evict);

/* Queues a message for the peer and tells its connection. SB_EAGAIN when full: out_full is set, the pattern's
 * writable slot will be called. SB_ENOMEM. */
static inline sb_err sb__pipe_push(sb_peer *peer, const sb_msg *msg)
{
    SB_TRACE(12);
    if (peer->out_stage != NULL)
        return sb__pipe_push_staged(peer, msg, false);
    bool edge = peer->out.msgs == 0;
    sb_err err = sb__queue_push(&peer->out, msg);
    if (err != SB_OK)
        return sb__pipe_refused(peer, err);
    if (edge && peer->ready)
        peer->link->output(peer);
    return SB_OK;
}

/* Queues the first messages of a run, as many as there is room for, and returns these; none where each has to
 * be looked at. No refusal is noted: whoever pushes the next one by itself learns why. */
sb_run sb__pipe_push_run(sb_peer *peer, const sb_run *run);

/* Told by the far side after octets left: may call the pattern's writable slot. */
void sb__pipe_drained(sb_peer *peer);
/* Out queue and stage together. */
static inline bool sb__pipe_full(const sb_peer *peer)
{
    return peer->out_stage != NULL ? sb__stage_full(peer->out_stage) : sb__queue_full(&peer->out);
}
/* What waits in the stage comes into the out queue, about `bytes` of it: it will be written now. */
void sb__pipe_fill(sb_peer *peer, uint64_t bytes);
/* Drops what waits behind the flight, also in the stage; returns how many messages. */
uint32_t sb__pipe_clear_waiting(sb_peer *peer);

#endif
