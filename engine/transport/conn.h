/* A connection: stream <-> session <-> pipe. The one place where bytes and queues meet.
 * Knows one stream, one session and one peer; of the socket only what sb__conn_owner says. */
#ifndef SB_CONN_H
#define SB_CONN_H

#include "engine/pattern/pipe.h"
#include "engine/session.h"
#include "engine/transport/confirm.h"
#include "engine/transport/hub.h"

typedef struct sb__conn sb__conn;

/* Why a connection ended. */
typedef struct sb__conn_end {
    sb_err err;
    sb_session_cause cause;
    const char *detail;
    bool was_ready;
    bool forever;      /* a kick that shall not be followed by a reconnect */
    size_t unfinished; /* octets of a message that the peer did not send whole */
} sb__conn_end;

/* What a connection tells the socket side (listener or dialer, and the socket behind them). */
typedef struct sb__conn_owner {
    /* Handshake done. Sets conn->peer (an accepted connection gets its peer here) or refuses. */
    sb_err (*ready)(sb__conn *conn, const sb_peer_info *info);
    /* A message from the peer; SB_EAGAIN: taken, but no more for now until link->input. */
    sb_err (*message)(sb_peer *peer, sb_msg *msg);
    sb_err (*subscribe)(sb_peer *peer, const uint8_t *topic, size_t len, bool subscribe);
    /* May the peer come in? SB_OK: the answer will come with sb__conn_answer, later. `info` may be NULL. */
    sb_err (*auth)(sb__conn *conn, const sb_credentials *credentials, const sb_peer_info *info);
    /* Which service the peer wants, for sessions that choose; may give the connection to another owner_data.
     */
    sb_err (*resource)(sb__conn *conn, const uint8_t *name, size_t len);
    /* The peer has read our subscription; only for peers that confirm. */
    void (*confirmed)(sb_peer *peer, const uint8_t *topic, size_t len);
    /* A mate (peer->inside) has ended its side: what is queued still goes to it, then the connection ends. */
    void (*retired)(sb_peer *peer);
    /* All that was queued for the peer is with the kernel. */
    void (*drained)(sb_peer *peer);
    /* The connection is over; peer (may be NULL) no longer has a far side. The conn frees itself later. */
    void (*gone)(sb__conn *conn, const sb__conn_end *end);
    /* The stream is closed: last call, for counting. */
    void (*closed)(sb__conn *conn);
} sb__conn_owner;

/* What only an accepted connection needs that is not ready; the connection frees it when it is. */
typedef struct sb__newcomer {
    sb__conn *conn;
    sb_list_node fresh;      /* the owner's: connections that are not ready */
    sb_list_node in_line;    /* the turnstile's */
    uint32_t steps_per_turn; /* the owner's: its handshake is costly; 0: no limit for it */
    uint32_t line;           /* the owner's: which line it waits in, by its address */
    uint32_t since;          /* the owner's: ms, when it came, or when the line let it go on */
    bool waited;             /* the owner's to read: it had to wait there */
} sb__newcomer;

/* Whose a connection is counted as. */
typedef struct sb__holder {
    size_t len;
    char name[];
} sb__holder;

/* Each of ten thousand idle ones costs what is in here: see docs/performance.md before adding to it. */
struct sb__conn {
    /* read-only for the owner */
    sb__hub *hub;
    sb_stream *stream;
    sb_session *session;
    sb_peer *peer; /* set by the owner in ready, or before (dialer) */
    const sb__conn_owner *owner;
    void *owner_data;
    uint64_t id;
    char *address;          /* the other end's, owned */
    sb_list_node node;      /* the owner's list until gone, then the hub's */
    void *asked;            /* the owner's: what waits for an answer about this peer */
    sb__newcomer *newcomer; /* owned; NULL: it is ready, or was not accepted */
    sb__holder *who;        /* the owner's; NULL: nobody's, else freed with the rest */

    /* private */
    sb__task flush, feed;
    sb_timer timer;
    sb_buf *rest; /* bytes not yet fed: the peer's queue was full */
    const uint8_t *rest_data;
    size_t rest_len;
    sb_buf *control;      /* control octets in flight */
    sb_buf *sealed;       /* messages in flight, sealed */
    sb__confirm *confirm; /* NULL: nothing to confirm yet */
    sb__vectors *vectors; /* the write in flight, NULL: none */
    bool counted;         /* the owner's: among those of its address */
    bool over;            /* gone was told */
    bool stalled;         /* not reading: the in queue is full */
    bool quiet;           /* takes no input beyond what it has */
    bool stays;           /* the peer's end is only noted (heard), not followed */
    bool deaf;            /* ... and what it says is passed over */
    bool ours;            /* the other end is a connection of the same engine (socket/pairs.c) */
    bool ending;          /* has nothing to say any more: ends its side, reads until the peer's end */
    bool ended;           /* ... and has */
    bool shutting;        /* writes what is queued, then ends the stream in order */
    bool shut;            /* our side is ended; reads until the peer's end */
    bool heard;           /* the peer's side is ended, ours is not */
    sb__conn_end end;
    char *end_detail;
};

extern const sb__link sb__conn_link;

/* A connection over a stream (connected, or just accepted). On success the stream is its own. `peer` is NULL
 * for an accepted one. SB_ENOMEM leaves the stream to the caller. */
sb_err sb__conn_create(sb__hub *hub, sb_stream *stream, const sb_session_config *cfg, sb_peer *peer,
    const sb__conn_owner *owner, void *owner_data, sb__conn **out);
/* Starts reading and writes the greeting; separate from create so that the owner can tell who it is first. */
void sb__conn_start(sb__conn *conn);
/* Ends the connection now: tells gone (unless it was told), closes the stream. Idempotent. */
void sb__conn_close(sb__conn *conn, sb_err err, const char *detail);
/* Answers owner->auth; the connection goes on, or ends. Not from inside that call. */
void sb__conn_answer(sb__conn *conn, const sb_session_verdict *verdict);
/* Reads no more; what was read already is still handed on. */
void sb__conn_quiet(sb__conn *conn);
/* The same for one whose peer has nothing to say to us but its end, which is noted and not followed: it may
 * still read. deaf false: what it says is taken. */
void sb__conn_stay(sb__conn *conn, bool deaf);
/* Its peer has ended its side, which is no end for one that stays: true. */
bool sb__conn_hear(sb__conn *conn);
/* The gentle form for a socket that only receives: our side of the stream is ended once control octets are
 * written, and everything is read and handed on until the peer ends its own, so that nothing it sent is lost.
 * In a handshake that comes first. Falls back to sb__conn_quiet where a stream cannot be half closed. */
void sb__conn_read_out(sb__conn *conn);
/* The peer has not even greeted: it cannot have sent a message, nor will before it hears from us. */
bool sb__conn_is_new(const sb__conn *conn);
/* The peer has ended its side. A mate (peer->inside) wants nothing more but takes what is queued, then the
 * connection ends: true. false: any other peer. */
bool sb__conn_retire(sb__conn *conn);
/* Ends it in order: no more input, what is queued is written, then the stream is shut and closed. */
void sb__conn_shutdown(sb__conn *conn);

#endif
