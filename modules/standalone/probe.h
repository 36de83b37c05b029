/* One hand-driven connection to a ZMTP endpoint: plain octets over a plain socket, every wait bounded. Knows
 * nothing of the engine, on purpose: it is the other implementation in the conformance suite. */
#ifndef SIGNALBOX_PROBE_H
#define SIGNALBOX_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct probe_target {
    const char *host, *port; /* tcp */
    const char *path;        /* or ipc */
    const char *type;        /* the endpoint's: "ROUTER" */
    const char *ours;        /* one that may talk to it: "DEALER" */
    int oldest;              /* major version the endpoint takes: 1, 2 or 3 */
    int patience;            /* ms to wait for what should come */
} probe_target;

typedef struct probe {
    const probe_target *target;
    int fd;
    uint8_t in[65536];
    size_t len;  /* received */
    bool closed; /* by the other side */
} probe;

/* Connects; false when that fails (errno). */
bool probe_open(probe *p, const probe_target *target);
void probe_close(probe *p);

/* Sends all at once, or octet by octet. What the other side no longer takes is not an error: it has closed.
 */
void probe_send(probe *p, const void *data, size_t len);
void probe_trickle(probe *p, const void *data, size_t len);
/* Waits until `len` octets have come in all; false when they did not, or the other side closed before. */
bool probe_want(probe *p, size_t len);
/* Waits for the other side to close, reading on. */
bool probe_ends(probe *p);
/* Whether the other side keeps the connection for a moment (an eighth of the patience). */
bool probe_stays(probe *p);
/* Reads until the octets have come; false when they did not. */
bool probe_await(probe *p, const void *what, size_t len);

/* ---- ZMTP ---- */

/* The 64 octets of a 3.x greeting with the NULL mechanism. */
void probe_greeting(uint8_t out[64], uint8_t major, uint8_t minor);
/* A frame at `out`; returns its octets. */
size_t probe_frame(uint8_t *out, uint8_t flags, const void *body, size_t len);
/* A command frame: name and data. */
size_t probe_command(uint8_t *out, const char *name, const void *data, size_t len);
/* A metadata property. */
size_t probe_property(uint8_t *out, const char *name, const void *value, size_t len);
/* READY with our Socket-Type. */
size_t probe_ready(uint8_t *out, const char *type);
/* Sends greeting and READY and waits for the other's; false when it did not become ready. */
bool probe_handshake(probe *p);
/* Whether an octet string is in what came. */
bool probe_has(const probe *p, const void *what, size_t len);
/* Whether the connection lives: a PING comes back as PONG with its context. */
bool probe_alive(probe *p);

#endif
