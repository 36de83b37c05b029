/* Captured packets taken apart down to TCP: Ethernet (VLAN tags too), Linux cooked, loopback or raw; IPv4 and
 * IPv6. Pure; reads what strangers sent, so everything goes through a cursor. */
#ifndef SIGNALBOX_DUMP_SEGMENT_H
#define SIGNALBOX_DUMP_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* IPv4 as ::ffff:a.b.c.d. */
typedef struct place {
    uint8_t address[16];
    uint8_t port[2];
} place;

typedef struct segment {
    place from, to;
    uint32_t seq;
    bool syn, fin, rst;
    const uint8_t *data; /* borrowed from the packet */
    size_t len;          /* octets of data that were captured */
    size_t missing;      /* octets behind them which the capture does not hold */
} segment;

/* Whether packets of this link type (libpcap's DLT_ number) can be read. */
bool segment_link_known(int link);
/* Finds the TCP segment in `captured` octets of a packet that had `whole` on the wire. False: none, or a
 * fragment, or not whole up to the end of its TCP head. */
bool segment_find(int link, const uint8_t *packet, size_t captured, size_t whole, segment *out);

#endif
