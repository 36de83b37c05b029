/* Messages that tell where they come from: every frame carries its origin, its place in the message and
 * octets that only it has, so that what is torn, mixed up or somebody else's is seen where it arrives. */
#ifndef SB_SIM_STAMP_H
#define SB_SIM_STAMP_H

#include "engine/msg.h"

#define SIM_STAMP_SIZE 24
#define SIM_FRAME_MAX  (70 * 1024)
#define SIM_ANYBODY    0xff
#define SIM_NONE       0xff
#define SIM_NO_MESSAGE UINT32_MAX

typedef struct sim_stamp {
    uint8_t origin; /* the slot that sent it */
    uint8_t to;     /* the slot it is meant for; SIM_ANYBODY */
    uint16_t life;  /* which socket of that slot */
    uint32_t seq;
    uint8_t index, count; /* of this frame */
    uint8_t topic;        /* the one it was published under; SIM_NONE */
    uint32_t answers;     /* the message it is the answer to; SIM_NO_MESSAGE */
} sim_stamp;

/* Writes a frame of `len` octets, at least SIM_STAMP_SIZE. */
void sim_stamp_write(uint8_t *out, size_t len, const sim_stamp *stamp);
/* Reads a frame and looks at every octet of it; what is wrong, or NULL. */
const char *sim_stamp_read(const sb_frame *frame, sim_stamp *out);
/* Reads the body of a message: frames without a stamp may only be the first `skip`; returns what is wrong, or
 * NULL. */
const char *sim_stamp_check(const sb_msg *msg, uint32_t skip, sim_stamp *out);

/* Stamped frames one behind the other in a stream of octets, that comes in pieces of any size. */
typedef struct sim_flow {
    uint64_t key; /* whose it is */
    uint32_t used;
    uint8_t head[SIM_STAMP_SIZE];
    uint32_t at, len; /* octets of the frame that came; all, once the head is there */
} sim_flow;

/* Takes octets up to the end of a frame; *taken is how many. `done`: a frame is whole, and *out its stamp.
 * Returns what is wrong, or NULL. */
const char *sim_flow_feed(
    sim_flow *flow, const uint8_t *p, size_t len, size_t *taken, bool *done, sim_stamp *out);

#endif
