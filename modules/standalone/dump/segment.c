/* Link, IP and TCP heads. Before: capture.c. After: flow.c. */
#include "modules/standalone/dump/segment.h"

#include "engine/base/cursor.h"

#include <pcap/dlt.h>
#include <string.h>

/* Octets before the IP head. */
static const struct link {
    int type;
    uint8_t head;
    uint8_t type_at; /* where an EtherType stands behind which VLAN tags may follow; 0: nowhere */
} links[] = {
    {DLT_EN10MB, 14, 12},
    {DLT_LINUX_SLL, 16, 14},
    {DLT_LINUX_SLL2, 20, 0},
    {DLT_NULL, 4, 0},
    {DLT_LOOP, 4, 0},
    {DLT_RAW, 0, 0},
    {DLT_IPV4, 0, 0},
    {DLT_IPV6, 0, 0},
};

enum { TCP = 6, TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, VLAN_TAG = 4 };

static const struct link *link_find(int type)
{
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (links[i].type == type)
            return &links[i];
    return NULL;
}

bool segment_link_known(int link)
{
    return link_find(link) != NULL;
}

static bool skip(sb__cursor *c, size_t n)
{
    const uint8_t *unused;
    return sb__cursor_take(c, n, &unused);
}

static bool is_vlan(const uint8_t type[2])
{
    return (type[0] == 0x81 && type[1] == 0x00) || (type[0] == 0x88 && type[1] == 0xa8);
}

static bool skip_link(sb__cursor *c, const struct link *link)
{
    const uint8_t *head;
    if (!sb__cursor_take(c, link->head, &head))
        return false;
    const uint8_t *type = head + link->type_at;
    while (link->type_at != 0 && is_vlan(type)) {
        if (!skip(c, VLAN_TAG))
            return false;
        type = c->p - 2;
    }
    return true;
}

static size_t u16(const uint8_t *p)
{
    return (size_t)p[0] << 8 | p[1];
}

/* What is behind the IP head: how long it was on the wire, and whether it is TCP. */
typedef struct packet {
    sb__cursor rest;
    size_t whole; /* octets of `rest` on the wire, padding of the link not counted */
    uint8_t protocol;
} packet;

/* A length of 0 is a packet that the kernel has yet to cut: all that is there counts. */
static void set_whole(packet *p, size_t said, size_t head)
{
    if (said >= head && said - head <= p->whole)
        p->whole = said - head;
}

static bool take_ipv4(packet *p, segment *out)
{
    const uint8_t *head;
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
    if (sb__cursor_left(&p->rest) < 20)
        return false;
    size_t len = (size_t)(p->rest.p[0] & 15) * 4;
    if (len < 20 || !sb__cursor_take(&p->rest, len, &head) || p->whole < len || (u16(head + 6) & 0x3fff) != 0)
        return false;
    p->whole -= len;
    set_whole(p, u16(head + 2), len);
    p->protocol = head[9];
    memcpy(out->from.address, mapped, 12);
    memcpy(out->from.address + 12, head + 12, 4);
    memcpy(out->to.address, mapped, 12);
    memcpy(out->to.address + 12, head + 16, 4);
    return true;
}

/* Hop by hop, routing and destination options; what follows a fragment head is not whole. */
static bool skip_extensions(packet *p)
{
    const uint8_t *head;
    while (p->protocol == 0 || p->protocol == 43 || p->protocol == 60) {
        if (sb__cursor_left(&p->rest) < 8)
            return false;
        size_t len = ((size_t)p->rest.p[1] + 1) * 8;
        if (!sb__cursor_take(&p->rest, len, &head) || p->whole < len)
            return false;
        p->whole -= len;
        p->protocol = head[0];
    }
    return true;
}

static bool take_ipv6(packet *p, segment *out)
{
    const uint8_t *head;
    if (!sb__cursor_take(&p->rest, 40, &head) || p->whole < 40)
        return false;
    p->whole -= 40;
    if (u16(head + 4) != 0)
        set_whole(p, u16(head + 4), 0);
    p->protocol = head[6];
    memcpy(out->from.address, head + 8, 16);
    memcpy(out->to.address, head + 24, 16);
    return skip_extensions(p);
}

static bool take_ip(packet *p, segment *out)
{
    if (sb__cursor_left(&p->rest) == 0)
        return false;
    uint8_t version = p->rest.p[0] >> 4;
    return version == 4 ? take_ipv4(p, out) : version == 6 && take_ipv6(p, out);
}

static void set_data(segment *out, const packet *p)
{
    size_t there = sb__cursor_left(&p->rest);
    out->data = p->rest.p;
    out->len = there < p->whole ? there : p->whole;
    out->missing = p->whole - out->len;
}

static bool take_tcp(packet *p, segment *out)
{
    const uint8_t *head;
    if (sb__cursor_left(&p->rest) < 20)
        return false;
    size_t len = (size_t)(p->rest.p[12] >> 4) * 4;
    if (len < 20 || !sb__cursor_take(&p->rest, len, &head) || p->whole < len)
        return false;
    p->whole -= len;
    memcpy(out->from.port, head, 2);
    memcpy(out->to.port, head + 2, 2);
    out->seq = (uint32_t)(u16(head + 4) << 16 | u16(head + 6));
    out->syn = (head[13] & TCP_SYN) != 0;
    out->fin = (head[13] & TCP_FIN) != 0;
    out->rst = (head[13] & TCP_RST) != 0;
    set_data(out, p);
    return true;
}

bool segment_find(int link, const uint8_t *octets, size_t captured, size_t whole, segment *out)
{
    const struct link *l = link_find(link);
    packet p = {.rest = sb__cursor_of(octets, captured)};
    if (l == NULL || !skip_link(&p.rest, l))
        return false;
    p.whole = whole - (captured - sb__cursor_left(&p.rest));
    return whole >= captured && take_ip(&p, out) && p.protocol == TCP && take_tcp(&p, out);
}
