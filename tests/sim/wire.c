/* Datagrams of a world: a kernel's UDP sockets played in memory, on 127.0.0.1 only, and the weather between
 * them. What the engine asks the kernel for comes here by the linker (see CMakeLists.txt); descriptors that
 * are not the world's go on to the kernel. */
#include "engine/transport/datagram.h"
#include "tests/sim/sim.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#define FIRST_FD  1000000
#define FIRST_ANY 40000 /* the ports of those that did not ask for one */
#define ENDS      64
#define PARCELS   48
#define INBOX     16

int __real_socket(int domain, int type, int protocol);
int __real_close(int fd);
int __real_bind(int fd, const struct sockaddr *addr, socklen_t len);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __real_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __real_recvfrom(int fd, void *data, size_t cap, int flags, struct sockaddr *from, socklen_t *len);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_close(int fd);
int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_recvfrom(int fd, void *data, size_t cap, int flags, struct sockaddr *from, socklen_t *len);

/* A datagram on its way. */
typedef struct parcel {
    bool used, late; /* late: it arrives when time has passed */
    uint16_t from;
    size_t len;
    uint8_t data[SB__DATAGRAM_MAX];
} parcel;

/* A UDP socket. */
typedef struct end {
    bool open, choked; /* choked: no room in the kernel until time has passed */
    uint8_t slot;
    uint16_t life, port; /* port 0: none yet */
    uint32_t n;
    parcel *inbox[INBOX];
} end;

static struct wire {
    sim *world;
    const sim_slot *opening; /* whose socket calls now */
    uint16_t next_port;
    uint8_t owners[UINT16_MAX - FIRST_ANY]; /* of the ports from FIRST_ANY on */
    end ends[ENDS];
    parcel parcels[PARCELS];
} wire;

static end *end_of(int fd)
{
    bool ours = fd >= FIRST_FD && fd < FIRST_FD + ENDS && wire.ends[fd - FIRST_FD].open;
    return ours ? &wire.ends[fd - FIRST_FD] : NULL;
}

static sim_slot *slot_of(const end *e)
{
    return &wire.world->slots[e->slot];
}

static int fail(int why)
{
    errno = why;
    return -1;
}

/* ---- sockets ---- */

int __wrap_socket(int domain, int type, int protocol)
{
    if (wire.opening == NULL || (type & SOCK_DGRAM) == 0)
        return __real_socket(domain, type, protocol);
    for (int i = 0; i < ENDS; i++)
        if (!wire.ends[i].open) {
            wire.ends[i] = (end){.open = true, .slot = wire.opening->index, .life = wire.opening->life};
            return FIRST_FD + i;
        }
    return fail(EMFILE);
}

int __wrap_close(int fd)
{
    end *e = end_of(fd);
    if (e == NULL)
        return __real_close(fd);
    while (e->n > 0)
        e->inbox[--e->n]->used = false;
    e->open = false;
    return 0;
}

int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    end *e = end_of(fd);
    if (e == NULL)
        return __real_bind(fd, addr, len);
    e->port = ntohs(((const struct sockaddr_in *)(const void *)addr)->sin_port);
    return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    return end_of(fd) != NULL ? 0 : __real_setsockopt(fd, level, name, value, len);
}

static void put_address(uint16_t port, struct sockaddr *addr, socklen_t *len)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(addr, &in, sizeof in);
    *len = sizeof in;
}

int __wrap_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
    const end *e = end_of(fd);
    if (e == NULL)
        return __real_getsockname(fd, addr, len);
    put_address(e->port, addr, len);
    return 0;
}

/* ---- the way ---- */

static bool happens(uint32_t once_in)
{
    sim *w = wire.world;
    bool fair = w->quiet || w->weather.wire == 0 || sim_dice_spent(&w->dice);
    return !fair && sim_once_in(&w->dice, once_in);
}

static end *end_at(uint16_t port)
{
    for (end *e = wire.ends; e < wire.ends + ENDS; e++)
        if (e->open && e->port == port)
            return e;
    return NULL;
}

static parcel *free_parcel(void)
{
    for (parcel *p = wire.parcels; p < wire.parcels + PARCELS; p++)
        if (!p->used)
            return p;
    return NULL;
}

/* Behind the others, or before some of them. Without room it is lost. */
static void deliver(const end *from, end *to, const struct msghdr *msg)
{
    parcel *p = free_parcel();
    if (p == NULL || to->n == INBOX)
        return;
    *p = (parcel){.used = true, .late = happens(6), .from = from->port};
    for (size_t i = 0; i < (size_t)msg->msg_iovlen; i++) {
        if (msg->msg_iov[i].iov_len > 0)
            memcpy(p->data + p->len, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len);
        p->len += msg->msg_iov[i].iov_len;
    }
    uint32_t at = happens(4) ? sim_pick(&wire.world->dice, to->n + 1) : to->n;
    memmove(&to->inbox[at + 1], &to->inbox[at], (to->n - at) * sizeof to->inbox[0]);
    to->inbox[at] = p;
    to->n++;
}

static bool is_blocked(const end *from, const end *to)
{
    const sim *w = wire.world;
    uint32_t a = slot_of(from)->engine, b = slot_of(to)->engine;
    return a != b && (w->weather.blocked & (1u << a | 1u << b)) != 0;
}

static void give_port(end *e)
{
    if (e->port != 0)
        return;
    e->port = (uint16_t)(FIRST_ANY + wire.next_port++);
    wire.owners[e->port - FIRST_ANY] = e->slot;
}

static size_t size_of(const struct msghdr *msg)
{
    size_t len = 0;
    for (size_t i = 0; i < (size_t)msg->msg_iovlen; i++)
        len += msg->msg_iov[i].iov_len;
    return len;
}

/* What the kernel says before it takes anything. */
static int refuses(end *e)
{
    e->choked = e->choked || happens(20);
    if (e->choked)
        return happens(2) ? ENOBUFS : EAGAIN;
    if (happens(30))
        return EINTR;
    return happens(40) ? ECONNREFUSED : 0;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    end *e = end_of(fd);
    if (e == NULL)
        return __real_sendmsg(fd, msg, flags);
    int why = size_of(msg) > SB__DATAGRAM_MAX ? EMSGSIZE : refuses(e);
    if (why != 0)
        return fail(why);
    give_port(e);
    slot_of(e)->wire_sent++;
    end *to = end_at(ntohs(((const struct sockaddr_in *)msg->msg_name)->sin_port));
    for (int copies = happens(8) ? 0 : 1 + happens(8); copies > 0 && to != NULL && !is_blocked(e, to);
         copies--)
        deliver(e, to, msg);
    return (ssize_t)size_of(msg);
}

static parcel *take_first(end *e)
{
    uint32_t at = 0;
    while (at < e->n && e->inbox[at]->late)
        at++;
    if (at == e->n)
        return NULL;
    parcel *p = e->inbox[at];
    memmove(&e->inbox[at], &e->inbox[at + 1], (--e->n - at) * sizeof e->inbox[0]);
    return p;
}

ssize_t __wrap_recvfrom(int fd, void *data, size_t cap, int flags, struct sockaddr *from, socklen_t *len)
{
    end *e = end_of(fd);
    if (e == NULL)
        return __real_recvfrom(fd, data, cap, flags, from, len);
    parcel *p = take_first(e);
    if (p == NULL)
        return fail(EAGAIN);
    size_t n = p->len < cap ? p->len : cap;
    memcpy(data, p->data, n);
    put_address(p->from, from, len);
    p->used = false;
    slot_of(e)->wire_got += !sim_breaks(wire.world, SIM_WIRE, 20);
    sim_stamp stamp;
    if (sim_stamp_read(&(sb_frame){.data = data, .len = n}, &stamp) == NULL)
        sim_note_arrival(wire.world, slot_of(e), &stamp);
    return (ssize_t)n;
}

static bool is_ready(sb_fake_kernel *self, int fd, bool to_write)
{
    const end *e = end_of(fd);
    (void)self;
    if (e == NULL)
        return false;
    if (to_write)
        return !e->choked;
    for (uint32_t i = 0; i < e->n; i++)
        if (!e->inbox[i]->late)
            return true;
    return false;
}

/* ---- for the world ---- */

void sim_wire_begin(sim *w)
{
    static sb_fake_kernel kernel = {.ready = is_ready};
    for (parcel *p = wire.parcels; p < wire.parcels + PARCELS; p++)
        p->used = false;
    memset(wire.ends, 0, sizeof wire.ends);
    wire.world = w;
    wire.next_port = 0;
    w->kernel = &kernel;
}

void sim_wire_check_closed(sim *w, uint32_t engine)
{
    for (const end *e = wire.ends; e < wire.ends + ENDS; e++)
        if (e->open && slot_of(e)->engine == engine)
            sim_fail(w, SIM_LEAK, "slot %u: a descriptor is open, and its engine is gone", e->slot);
}

void sim_wire_time(void)
{
    for (end *e = wire.ends; e < wire.ends + ENDS; e++) {
        e->choked = false;
        for (uint32_t i = 0; i < e->n; i++)
            e->inbox[i]->late = false;
    }
}

bool sim_wire_open(sim_slot *s)
{
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "udp://127.0.0.1:%u", SIM_WIRE_PORT + s->wire_to);
    wire.opening = s;
    sb_err err = s->wire_to == s->index ? sb_socket_bind(s->sock, endpoint, NULL, 0)
                                        : sb_socket_connect(s->sock, endpoint, NULL, 0);
    wire.opening = NULL;
    return err == SB_OK;
}

uint16_t sim_wire_pick(sim *w, uint8_t *slot)
{
    const end *e = &wire.ends[sim_pick(&w->dice, ENDS)];
    for (uint32_t i = 0; i < ENDS && (!e->open || e->port == 0); i++)
        e = &wire.ends[(e - wire.ends + 1) % ENDS];
    *slot = e->slot;
    return e->open ? e->port : 0;
}

bool sim_wire_is(const char *address, size_t len, uint8_t slot)
{
    char text[32];
    unsigned port = 0;
    snprintf(text, sizeof text, "%.*s", (int)len, address);
    if (sscanf(text, "127.0.0.1:%u", &port) != 1)
        return false;
    if (port >= FIRST_ANY)
        return wire.owners[port - FIRST_ANY] == slot;
    return port == SIM_WIRE_PORT + slot;
}
