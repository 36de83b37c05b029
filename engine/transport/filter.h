/* A filter: a stream on top of a stream (TLS, WebSocket, a proxy's handshake). To the connection above it is
 * the stream of engine/loop.h; a plain connection has none and pays for none.
 *
 * This file's half does what all filters do alike: buffers, one write in flight, back-pressure, the end in
 * order. An sb__filter_impl does the rest, sans-I/O: octets in, octets out. Knows streams and the hub; no
 * sessions, no queues. */
#ifndef SB_FILTER_H
#define SB_FILTER_H

#include "engine/base/bytes.h"
#include "engine/transport/hub.h"

typedef struct sb__filter sb__filter;

/* Slots are called from inside a turn or from inside a call of the stream above; none of them closes. */
typedef struct sb__filter_impl {
    /* Once, before anything else, when the stream above begins to read. NULL: nothing to do. */
    sb_err (*start)(sb__filter *f);
    /* Octets from below; answers with sb__filter_put (down) and sb__filter_deliver (up). SB_ECLOSED: the peer
     * ended in order. Any other error ends the stream once what was put is written; say why with
     * sb__filter_why. */
    sb_err (*read)(sb__filter *f, const uint8_t *data, size_t len);
    /* Octets from above: takes all of them (sb__filter_put), or says SB_EAGAIN and is asked again after the
     * next read. */
    sb_err (*write)(sb__filter *f, const struct iovec *iov, size_t n);
    /* Puts what ends our side in order, where there is such a thing yet. NULL: nothing. */
    void (*shutdown)(sb__filter *f);
    /* The stream below ended: a chance to say why that is an error. NULL: nothing. */
    void (*ended)(sb__filter *f);
    /* As sb_stream_property. NULL: nothing of its own. */
    const char *(*property)(const sb__filter *f, const char *name);
    /* Frees everything, the filter's own memory included. */
    void (*free)(sb__filter *f);
} sb__filter_impl;

/* First member of a filter's own struct; zeroed, then sb__filter_init. */
struct sb__filter {
    sb_stream base;
    const sb__filter_impl *impl;
    sb__hub *hub;
    sb_stream *below;
    /* Set by the implementation in read: from now on it only passes octets through, without a copy. */
    bool through;

    /* private */
    sb__bytes out, flight; /* on the way down: gathered, being written */
    struct iovec flight_iov;
    size_t owed, owed_flight; /* octets in them that nobody above wrote: answers to what was read */
    sb_buf *up;               /* on the way up */
    size_t up_len, hint;
    const struct iovec *held; /* a write that the implementation cannot take yet */
    size_t held_n;
    enum { SB__ABOVE_IDLE, SB__ABOVE_HELD, SB__ABOVE_PUT, SB__ABOVE_FLIES, SB__ABOVE_PASSES } above;
    bool started, want, broken, shut, shut_below, end_told, closing, closed_below;
    sb_err err; /* why it ended, SB_OK: it did not */
    char why[160];
    sb__task work, flush;
    sb_timer timer;    /* how long a close may take */
    sb_list_node last; /* in the hub's list while it takes so long */
};

/* Puts the filter on `below`, whose data and events it takes over; base is then the stream for above. */
void sb__filter_init(sb__filter *f, const sb__filter_impl *impl, sb__hub *hub, sb_stream *below);

/* Those of the hub that still write their last words close at once. */
void sb__filters_close(sb__hub *hub);

/* For implementations. Running out of memory in either direction ends the stream. */
void sb__filter_put(sb__filter *f, const void *data, size_t len);
void sb__filter_deliver(sb__filter *f, const void *data, size_t len);
/* Room for `len` octets on the way up, of which sb__filter_give then says how many were filled; NULL: no
 * memory, and none for what follows either, for that would be read as if nothing were missing. */
uint8_t *sb__filter_room(sb__filter *f, size_t len);
void sb__filter_give(sb__filter *f, size_t len);
/* Notes why the stream ends, for "error"; returns err. The first reason counts. */
__attribute__((format(printf, 3, 4))) sb_err sb__filter_why(
    sb__filter *f, sb_err err, const char *format, ...);

#endif
