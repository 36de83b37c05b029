/* Endpoints: "tcp://HOST:PORT", "ipc://PATH", "inproc://NAME", "ws://HOST:PORT/PATH", "wss://...",
 * "vsock://CID:PORT" as values, and addresses as endpoints.
 * Knows text and addresses; no loop, no sockets. */
#ifndef SB_ENDPOINT_H
#define SB_ENDPOINT_H

#include "engine/loop.h"

typedef enum sb__endpoint_kind {
    SB__ENDPOINT_TCP,
    SB__ENDPOINT_IPC,
    SB__ENDPOINT_INPROC,
    SB__ENDPOINT_UDP,
    SB__ENDPOINT_WS,
    SB__ENDPOINT_WSS,
    SB__ENDPOINT_VSOCK
} sb__endpoint_kind;

typedef struct sb__endpoint {
    sb__endpoint_kind kind;
    char host[256];        /* tcp, ws, wss: name, number, interface name; "*" with any_host */
    uint16_t port;         /* tcp, ws, wss: 0 with any_port */
    bool any_host;         /* "*" */
    bool any_port;         /* "*" or 0: the kernel's choice */
    char source_host[256]; /* tcp: "src;dst" has a source address, udp: "iface;group" an interface, "" if not
                            */
    uint16_t source_port;
    char resource[128];  /* tcp: what follows "/", the service behind the port (RFC 37); "" if none */
    char name[256];      /* ipc: path without "@"; inproc: name */
    bool abstract;       /* ipc: "@name" */
    bool any_path;       /* ipc: "*" */
    char path[256];      /* ws, wss: "/" and what follows */
    uint32_t cid, vport; /* vsock */
} sb__endpoint;

/* Parses; on failure err (may be NULL) gets one line: what, and what would be right. SB_EINVAL. */
sb_err sb__endpoint_parse(const char *text, sb__endpoint *out, char *err, size_t cap);

/* "tcp://127.0.0.1:5555", "tcp://[::1]:5555", "ipc:///run/x", "ipc://@x", "vsock://2:5555"; "" for others. */
void sb__endpoint_format(const sb_addr *addr, char *out, size_t cap);
/* The same with the endpoint's own scheme and path: "ws://127.0.0.1:80/x". */
void sb__endpoint_resolved(const sb__endpoint *ep, const sb_addr *addr, char *out, size_t cap);

/* tcp, ws and wss: there is a host to look up. */
bool sb__endpoint_has_host(const sb__endpoint *ep);
/* Where to bind or connect without a look-up; does not block. SB_EADDRNOTAVAIL: a name. SB_EINVAL: inproc. */
sb_err sb__endpoint_addr(const sb__endpoint *ep, bool ipv6, sb_addr *out);

/* Numeric address, "*" or interface name to an address to bind; does not block. `ipv6` allows IPv6.
 * SB_EADDRNOTAVAIL when the host is none of these. */
sb_err sb__endpoint_local(const char *host, bool any, uint16_t port, bool ipv6, sb_addr *out);

#endif
