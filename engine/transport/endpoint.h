/* Endpoints: "tcp://HOST:PORT", "ipc://PATH", "inproc://NAME" as values, and addresses as endpoints.
 * Knows text and addresses; no loop, no sockets. */
#ifndef SB_ENDPOINT_H
#define SB_ENDPOINT_H

#include "engine/loop.h"

typedef enum sb__endpoint_kind {
    SB__ENDPOINT_TCP,
    SB__ENDPOINT_IPC,
    SB__ENDPOINT_INPROC,
    SB__ENDPOINT_UDP
} sb__endpoint_kind;

typedef struct sb__endpoint {
    sb__endpoint_kind kind;
    char host[256];        /* tcp: name, number, interface name; "" with any_host */
    uint16_t port;         /* tcp: 0 with any_port */
    bool any_host;         /* "*" */
    bool any_port;         /* "*" or 0: the kernel's choice */
    char source_host[256]; /* tcp: "src;dst" has a source address, udp: "iface;group" an interface, "" if not
                            */
    uint16_t source_port;
    char name[256]; /* ipc: path without "@"; inproc: name */
    bool abstract;  /* ipc: "@name" */
    bool any_path;  /* ipc: "*" */
} sb__endpoint;

/* Parses; on failure err (may be NULL) gets one line: what, and what would be right. SB_EINVAL. */
sb_err sb__endpoint_parse(const char *text, sb__endpoint *out, char *err, size_t cap);

/* "tcp://127.0.0.1:5555", "tcp://[::1]:5555", "ipc:///run/x", "ipc://@x"; "" for others. */
void sb__endpoint_format(const sb_addr *addr, char *out, size_t cap);

/* Numeric address, "*" or interface name to an address to bind; does not block. `ipv6` allows IPv6.
 * SB_EADDRNOTAVAIL when the host is none of these. */
sb_err sb__endpoint_local(const char *host, bool any, uint16_t port, bool ipv6, sb_addr *out);
/* The address of an ipc endpoint. */
sb_err sb__endpoint_unix(const sb__endpoint *ep, sb_addr *out);

#endif
