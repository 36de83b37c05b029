/* What the files of one stream share: its struct. Private to stream.c and send.c. */
#ifndef SB_URING_STREAM_H
#define SB_URING_STREAM_H

#include "backends/uring/uring.h"

struct uring_stream {
    sb_stream base;
    struct uring_op recv, send, cancel_recv, cancel_send;
    struct uring_task task;
    TAILQ_ENTRY(uring_stream) link; /* in `in` */
    struct uring_streams *in;       /* loop.starved, loop.eager, loop.stopped or NULL */
    int fd;
    sb_err end; /* what on_end has to say, SB_OK: nothing yet */
    bool reading, connecting, closing, end_told;
    bool hot;       /* its last read filled a buffer */
    bool delayed;   /* the kernel had no memory for its send: in loop.delayed */
    uint8_t calm;   /* reads told since the last stop or full one, up to CALM */
    uint16_t niov;  /* pieces of the write in flight, at most SB_IOV_MAX */
    uint32_t large; /* octets of the next hot read */
    /* the write in flight; iov is NULL when there is none */
    const struct iovec *iov;
    size_t iov_off;
    union {                      /* of the operation in `send`; NULL when it is not busy */
        struct uring_head *head; /* gathers several pieces */
        sb_addr *target;         /* connects */
    };
    struct uring_buf *own;  /* a plain receive goes here */
    struct uring_bufs held; /* came while stopped, or late in a turn */
};

static inline struct uring_loop *sb__uring_loop_of(const struct uring_stream *us)
{
    return uring_from_loop(us->base.loop);
}

/* stream.c, after each completion: what does the stream need next? */
void sb__uring_settle(struct uring_stream *us);

/* send.c */
extern const struct uring_op_kind sb__uring_send_kind;
/* On to the next piece that has octets left. */
void sb__uring_skip_empty(struct uring_stream *us);
/* Tells on_written. */
void sb__uring_finish_write(struct uring_stream *us, sb_err err);
/* A send that waits for the kernel's memory is not made again. */
void sb__uring_forget_delay(struct uring_stream *us);

#endif
