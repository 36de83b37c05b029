/* A message: a short list of frames. Knows frames, buffers and its packed form; no sockets, no queues.
 *
 * A message is a view. It lives on the stack of whoever is handing it on and refers to bytes owned elsewhere
 * (a receive buffer, a queue), so passing one costs nothing. Whoever wants it after the call makes a copy of
 * its own with sb_msg_keep. Nobody takes a message over: sending packs or references what it needs.
 *
 * frames[0 .. envelope) are routing ids and the delimiter that ride along; frames[envelope .. n) are the
 * body. */
#ifndef SB_MSG_H
#define SB_MSG_H

#include "engine/buf.h"
#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_peer sb_peer;

typedef struct sb_frame {
    const uint8_t *data; /* never NULL when len > 0 */
    size_t len;
    sb_buf *buf; /* the buffer `data` lies in, or NULL: borrowed, valid during the call */
    bool held;   /* this message holds a reference on buf */
} sb_frame;

#define SB_MSG_INLINE 6

typedef struct sb_msg {
    /* read-only: use the functions below to change */
    sb_frame *frames;
    uint32_t n;        /* all frames */
    uint32_t envelope; /* how many of them are not body */
    sb_peer *peer;     /* who it came from, NULL if from here */
    /* frames[wire_first .. n) lie behind each other, packed, at wire[0 .. wire_len) in wire_buf; wire_len 0:
     * they do not. Lets an unedited message be forwarded by one copy. Cleared by every edit. */
    const uint8_t *wire;
    size_t wire_len;
    sb_buf *wire_buf;
    uint32_t wire_first;
    /* private */
    uint32_t cap;
    sb_frame inl[SB_MSG_INLINE];
} sb_msg;

/* An empty message. O(1): the inline frames are not cleared. */
static inline void sb_msg_init(sb_msg *msg)
{
    msg->frames = msg->inl;
    msg->n = 0;
    msg->envelope = 0;
    msg->peer = NULL;
    msg->wire_len = 0;
    msg->wire = NULL;
    msg->wire_buf = NULL;
    msg->wire_first = 0;
    msg->cap = SB_MSG_INLINE;
}

/* Drops what the message holds (references of edited or kept frames, an array grown beyond the inline one)
 * and makes it empty again. Cheap for a plain view. */
void sb_msg_finish(sb_msg *msg);

/* Number of body frames, and body frame i (0-based). */
static inline uint32_t sb_msg_count(const sb_msg *msg)
{
    return msg->n - msg->envelope;
}
static inline const sb_frame *sb_msg_frame(const sb_msg *msg, uint32_t i)
{
    return &msg->frames[msg->envelope + i];
}

/* Octets of all frames, without framing; of the body only. */
size_t sb_msg_size(const sb_msg *msg);
size_t sb_msg_body_size(const sb_msg *msg);

/* Appends a frame that refers to bytes of someone else: `buf` may be NULL (borrowed: must outlive the
 * message's use). No reference is taken. SB_ENOMEM. */
sb_err sb_msg_push(sb_msg *msg, const void *data, size_t len, sb_buf *buf);
/* Appends, inserts before frame `at` (counted over all frames), replaces or removes; the bytes are copied
 * into a buffer the message holds. What changes before frame `envelope` moves envelope along; inserting at
 * `envelope` makes a body frame. SB_ENOMEM; SB_EINVAL when `at` is out of range. */
sb_err sb_msg_push_copy(sb_msg *msg, const void *data, size_t len);
sb_err sb_msg_insert_copy(sb_msg *msg, uint32_t at, const void *data, size_t len);
sb_err sb_msg_set_copy(sb_msg *msg, uint32_t at, const void *data, size_t len);
sb_err sb_msg_remove(sb_msg *msg, uint32_t at);
/* Inserts a borrowed frame before frame `at`; keeps `wire` usable when at <= wire_first (a routing id before
 * a body). */
sb_err sb_msg_insert(sb_msg *msg, uint32_t at, const void *data, size_t len, sb_buf *buf);
/* Replaces frame `at` by a borrowed one. SB_EINVAL. */
sb_err sb_msg_set(sb_msg *msg, uint32_t at, const void *data, size_t len, sb_buf *buf);
/* Takes the first k frames away (a routing id, an envelope); `envelope` shrinks with them. wire is kept when
 * it can be. */
void sb_msg_drop_front(sb_msg *msg, uint32_t k);

/* The number in front of the body that names a peer of SERVER and PEER: an envelope of four octets, big
 * endian. 0: there is none. set (not 0) replaces whatever envelope there is. SB_EINVAL, SB_ENOMEM. */
uint32_t sb_msg_routing_id(const sb_msg *msg);
sb_err sb_msg_set_routing_id(sb_msg *msg, uint32_t id);

#define SB_GROUP_MAX 255 /* octets of a group */

/* The group of a message of RADIO and DISH: an envelope of one frame. NULL: there is none. set replaces
 * whatever envelope there is. SB_EINVAL (too long), SB_ENOMEM. */
const void *sb_msg_group(const sb_msg *msg, size_t *len);
sb_err sb_msg_set_group(sb_msg *msg, const void *group, size_t len);

/* A message of its own on the heap, independent of the call: large frames keep a reference to their buffer
 * when `buf` is known and the frame is not much smaller than it, others are copied. SB_ENOMEM. End it with
 * sb_msg_destroy. */
sb_err sb_msg_keep(const sb_msg *msg, sb_msg **out);
/* Ends a message made by sb_msg_keep; NULL is allowed. */
void sb_msg_destroy(sb_msg *msg);

/* The packed form of a message is its ZMTP 3 framing (RFC 23/37: flags, length, body): what is queued is
 * already what will be sent. sb_msg_pack writes exactly sb_msg_packed_size bytes. */
size_t sb_msg_packed_size(const sb_msg *msg);
void sb_msg_pack(const sb_msg *msg, uint8_t *out);
/* Reads one whole message from packed bytes made by sb_msg_pack (trusted). Returns the octets it took, 0 when
 * out of memory. `msg` must be empty; it becomes a view with `wire` set. */
size_t sb_msg_unpack(sb_msg *msg, sb_buf *buf, const uint8_t *p);

/* A run: whole messages, packed, one behind the other in a buffer. What holds for all of them is looked at
 * once. A view like a message. */
typedef struct sb_run {
    sb_buf *buf;
    const uint8_t *p;
    size_t len; /* octets of all */
    uint32_t n; /* messages */
} sb_run;

#ifdef __cplusplus
}
#endif
#endif
