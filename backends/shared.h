/* What the backends have in common: sockets made and dressed, names resolved. Private to backends/. */
#ifndef SB_BACKENDS_SHARED_H
#define SB_BACKENDS_SHARED_H

#include "engine/loop.h"

#include <sys/socket.h>

#define SB__ACCEPT_BACKOFF_MIN (10 * SB_NS_PER_MS)
#define SB__ACCEPT_BACKOFF_MAX SB_NS_PER_S
/* A send for which the kernel had no memory (ENOBUFS, ENOMEM: unix sockets say so) is made again so long
 * after. */
#define SB__SEND_AGAIN (10 * SB_NS_PER_MS)

/* A socket (non-blocking, close-on-exec) that listens on `addr`. `opts` may be NULL. On success *fd is the
 * caller's. */
sb_err sb__socket_listen(const sb_addr *addr, const sb_sockopts *opts, int *fd);

/* A socket (non-blocking, close-on-exec) ready to be connected to `addr`: options set, source bound. */
sb_err sb__socket_for_connect(const sb_addr *addr, const sb_sockopts *opts, int *fd);

/* The send buffer of such a socket, 0: the kernel's choice; sets it. An accepted unix stream does not inherit
 * it. */
int sb__socket_sndbuf(sa_family_t family, const sb_sockopts *opts);
void sb__socket_set_sndbuf(int fd, int octets);

/* Sets what every TCP stream has (TCP_NODELAY); harmless on others. Streams accepted from our own listening
 * sockets inherit it. */
void sb__socket_nodelay(int fd);

/* SB_EINVAL unless `fd` is a stream socket; makes it non-blocking. For adopted descriptors. */
sb_err sb__socket_adoptable(int fd);

/* Sets the options on a socket of somebody else's making, as far as it takes them. NULL: none. */
void sb__socket_dress(int fd, const sb_sockopts *opts);

/* The address `fd` is bound to. */
sb_err sb__socket_addr(int fd, sb_addr *out);

/* Names, by c-ares on the loop's own watches and timers. A backend keeps one NULL-initialised pointer per
 * loop; the resolver behind it is made by the first look-up. */
typedef struct sb__resolver sb__resolver;

/* As sb_loop_resolve. */
sb_err sb__resolver_start(
    sb__resolver **slot, sb_loop *loop, const char *host, uint16_t port, int family, sb_lookup *lk);
/* As sb_loop_resolve_cancel. `r` may be NULL. */
void sb__resolver_cancel(sb__resolver *r, sb_lookup *lk);
/* Look-ups are open that will be told. NULL: false. */
bool sb__resolver_busy(const sb__resolver *r);
/* Drops what is open, telling nobody. Call it first in the loop's destroy, while watches and timers still
 * work. NULL is allowed. */
void sb__resolver_destroy(sb__resolver *r);

#endif
