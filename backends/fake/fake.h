/* The fake loop: streams in memory, the clock set by hand, no descriptors, no threads. For tests, and for
 * looking at a script's declarations without any I/O.
 *
 * Listeners and connections meet by address inside one fake loop, or several that share a network. step()
 * tells what is queued; run() goes on until nothing is queued, and where it would sleep for a timer it moves
 * the clock forward instead. */
#ifndef SB_FAKE_H
#define SB_FAKE_H

#include "engine/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A loop whose clock stands at 1 s. SB_ENOMEM. sb_loop_destroy frees it; raw ends are closed before that. */
sb_err sb_fake_create(sb_loop **out);

/* A loop on the network of `other`: connections and listeners of both meet by address. Its clock begins where
 * other's stands and goes by itself. Where bytes cross between loops, both are stepped. SB_ENOMEM. */
sb_err sb_fake_create_beside(sb_loop *other, sb_loop **out);

/* Moves the clock; due timers fire in the next step or run. */
void sb_fake_advance(sb_loop *loop, uint64_t ns);

/* Steps until nothing is queued and no timer is due, at most `max_steps` times; false when that was not
 * enough. */
bool sb_fake_settle(sb_loop *loop, size_t max_steps);

/* At most `n` bytes in one on_read; 0: as many as there are (the default; never more than 64 KiB). */
void sb_fake_split(sb_loop *loop, size_t n);

/* At most `n` bytes on the way in each direction of a connection, further ones keep the write in flight; 0:
 * no limit. The default is 256 KiB. */
void sb_fake_limit(sb_loop *loop, size_t n);

/* The connection breaks: what is on the way is lost, both ends are told `why` (not SB_OK, not SB_ECLOSED). */
void sb_fake_break(sb_stream *st, sb_err why);

/* What the way does to bytes and connects; asked anew each time. A slot that is NULL lets all pass. `from`
 * and `to` are the loops of the two ends; `from` is NULL for bytes whose sender is gone. */
typedef struct sb_fake_weather sb_fake_weather;
struct sb_fake_weather {
    /* How many of the `n` bytes that are on the way arrive now, in one on_read; 0: none until time passes
     * (sb_fake_advance, or a run that jumps to a timer) or the weather is set again. */
    size_t (*pass)(sb_fake_weather *self, sb_loop *from, sb_loop *to, size_t n);
    /* SB_OK: the connect goes on. SB_EAGAIN: nothing is heard, asked again when time passes. Else it fails.
     */
    sb_err (*meet)(sb_fake_weather *self, sb_loop *from, sb_loop *to);
};
/* The weather at this loop's ends; NULL: fair, the default. Borrowed. */
void sb_fake_set_weather(sb_loop *loop, sb_fake_weather *weather);

/* Descriptors that only the test knows. With a kernel the loop can watch, so that udp:// has something to
 * stand on; without, which is the default, it cannot. Borrowed; set before anything is watched. */
typedef struct sb_fake_kernel sb_fake_kernel;
struct sb_fake_kernel {
    /* Whether the descriptor can be read from, or written to, now. Asked anew in each turn. */
    bool (*ready)(sb_fake_kernel *self, int fd, bool to_write);
};
void sb_fake_set_kernel(sb_loop *loop, sb_fake_kernel *kernel);

/* The nth stream that is connected and not closed, newest first; NULL beyond the last. */
sb_stream *sb_fake_stream(sb_loop *loop, size_t n);

/* The first promise of engine/loop.h that a user of this loop broke (a second write while one is in flight,
 * octets changed before on_written, ...); NULL: none. */
const char *sb_fake_complaint(const sb_loop *loop);

/* Teaches the resolver one more address of `name` (the port is ignored); NULL `addr` makes the name unknown
 * again. Numeric hosts and "localhost" are known from the start. SB_ENOMEM. */
sb_err sb_fake_host(sb_loop *loop, const char *name, const sb_addr *addr);

/* ---- Raw ends: a connection whose other side is the test itself ---- */

typedef struct sb_fake_raw sb_fake_raw;
typedef struct sb_fake_port sb_fake_port;

/* Connects to a listener of this loop; the accept is told by the next step. SB_ECONNREFUSED, SB_ENOMEM. */
sb_err sb_fake_connect_raw(sb_loop *loop, const sb_addr *addr, sb_fake_raw **out);

/* Listens at `addr` (port 0 allowed) for sb_loop_connect. SB_EADDRINUSE, SB_ENOMEM. */
sb_err sb_fake_listen_raw(sb_loop *loop, const sb_addr *addr, sb_fake_port **out);
void sb_fake_port_addr(const sb_fake_port *port, sb_addr *out);
/* The oldest connection not yet taken, or NULL. The caller closes it. */
sb_fake_raw *sb_fake_port_accept(sb_fake_port *port);
/* Closes what was not accepted. NULL is allowed. */
void sb_fake_port_close(sb_fake_port *port);

/* Bytes taken: all of `n`, or fewer where the limit is reached, or 0 after the other end closed. */
size_t sb_fake_raw_write(sb_fake_raw *raw, const void *bytes, size_t n);
/* Takes up to `cap` bytes out; 0: none there. */
size_t sb_fake_raw_read(sb_fake_raw *raw, void *bytes, size_t cap);
/* Bytes that could be read now. */
size_t sb_fake_raw_available(const sb_fake_raw *raw);
/* The other end closed, or broke, and all bytes are read. */
bool sb_fake_raw_ended(const sb_fake_raw *raw);
/* No more bytes from here, like shutdown(SHUT_WR): the other end is told an orderly end; reading goes on. */
void sb_fake_raw_shutdown(sb_fake_raw *raw);
/* The other end is told `why`: SB_OK for an orderly end. Frees `raw`. NULL is allowed. */
void sb_fake_raw_close(sb_fake_raw *raw, sb_err why);

#ifdef __cplusplus
}
#endif
#endif
