/* The pipe: everything the queue side knows of one peer. A peer of the public API is a pipe.
 *
 * Two queues, one per direction, between a pattern (this side) and a connection (the far side, reached only
 * through sb__link). Knows no bytes and no descriptors. */
#ifndef SB_PIPE_H
#define SB_PIPE_H

#include "engine/base/list.h"
#include "engine/pattern/queue.h"
#include "engine/socket.h"
#include "engine/trace.h"

typedef struct sb__link sb__link;
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
    /* Ends the connection for a reason; a connecting peer reconnects unless `forever`. */
    void (*kick)(sb_peer *peer, sb_err why, const char *detail, bool forever);
};

struct sb_peer {
    /* for everybody on the queue side, read-only but for the pattern's part */
    sb_socket *socket;
    sb_pattern *pattern;
    sb__queue in, out;
    uint64_t id;
    const sb_peer_info *info; /* NULL before the first handshake and after the connection went */
    bool ready;               /* handshake done and connection up */
    bool attached;            /* the pattern knows it */

    /* the pattern's */
    uint8_t *routing_id; /* ROUTER: how this peer is addressed; owned, may be NULL */
    uint32_t routing_id_len;
    sb_list_node active;  /* in the robin's ring when it can be sent to */
    sb_list_node waiting; /* in the fair ring when its in queue holds messages */
    uint32_t topics;      /* XPUB: number of subscriptions it holds */
    uint64_t topic_bytes; /* XPUB: their octets */
    uint64_t mark;        /* fan: last message it was chosen for, so that it gets it once */
    bool out_full;        /* a push said SB_EAGAIN; writable follows when low */
    void *pattern_data;

    /* the far side's */
    const sb__link *link;
    void *link_data;

    /* the socket's */
    sb_list_node peers;
    uint32_t pauses;           /* > 0: no delivery */
    struct sb__held *held;     /* messages of this peer that wait for room at their target */
    struct sb__alias *aliases; /* rewritten subscriptions, see alias.h */
    uint64_t msgs_in, msgs_out, bytes_in, bytes_out, dropped[SB_DROP_COUNT], rtt;
    char *address;
};

/* The slow end of sb__pipe_push: remembers that the peer is full. Returns err. */
sb_err sb__pipe_refused(sb_peer *peer, sb_err err);

/* Queues a message for the peer and tells its connection. SB_EAGAIN when full: out_full is set, the pattern's
 * writable slot will be called. SB_ENOMEM. */
static inline sb_err sb__pipe_push(sb_peer *peer, const sb_msg *msg)
{
    SB_TRACE(12);
    bool edge = peer->out.msgs == 0;
    sb_err err = sb__queue_push(&peer->out, msg);
    if (err != SB_OK)
        return sb__pipe_refused(peer, err);
    if (edge && peer->ready)
        peer->link->output(peer);
    return SB_OK;
}

/* Told by the far side after octets left: may call the pattern's writable slot. */
void sb__pipe_drained(sb_peer *peer);

#endif
