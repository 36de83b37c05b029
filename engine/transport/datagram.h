/* UDP sockets: descriptors made as libzmq makes them, datagrams of RADIO and DISH, addresses as text. Knows
 * descriptors and octets; no loop, no queues. */
#ifndef SB_DATAGRAM_H
#define SB_DATAGRAM_H

#include "engine/loop.h"
#include "engine/msg.h"
#include "engine/transport/endpoint.h"

#define SB__DATAGRAM_MAX    65507 /* octets that fit into one */
#define SB__DATAGRAM_GROUPS 8192  /* ... of a RADIO: libzmq's DISH takes no more */

/* Where a UDP endpoint sends and listens. */
typedef struct sb__datagram_ends {
    sb_addr target;     /* the group, or the other end; of a bind to no group the same as local */
    sb_addr local;      /* to bind; for a group: its interface, any if none was given */
    unsigned interface; /* its index, 0 = any */
    bool multicast;
} sb__datagram_ends;

typedef struct sb__datagram_opts {
    int hops; /* of multicast datagrams */
    bool loop;
    bool receives;
    sb_sockopts sock; /* sndbuf, rcvbuf, tos, bind_device */
} sb__datagram_opts;

/* "udp://[IFACE;]HOST:PORT" without a look-up. SB_EADDRNOTAVAIL: the host is a name, or there is no such
 * interface; SB_EINVAL: an interface without a group. */
sb_err sb__datagram_ends_of(const sb__endpoint *ep, bool ipv6, sb__datagram_ends *out);

/* A non-blocking descriptor; what receives is bound (its port may be shared, as libzmq does it) and in its
 * group. */
sb_err sb__datagram_open(const sb__datagram_ends *ends, const sb__datagram_opts *opts, int *fd);

/* A RADIO's datagram: the group's length, the group, the body (libzmq's form). The vectors refer to `head`
 * (256 octets) and to msg, which is [group][body]. Returns the octets, 0 when they are too many. */
size_t sb__datagram_put(const sb_msg *msg, uint8_t *head, struct iovec iov[2]);
/* Reads one into msg (empty): [group][body], borrowed. False when the group is longer than the datagram. */
bool sb__datagram_get(sb_msg *msg, const uint8_t *data, size_t len);

/* "127.0.0.1:5555", "[::1]:5555". */
void sb__datagram_format(const sb_addr *addr, char *out, size_t cap);
/* The same back; a NUL at the end (libzmq's) is no part of it. False when it is none. */
bool sb__datagram_parse(const uint8_t *text, size_t len, sb_addr *out);

#endif
