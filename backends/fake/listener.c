/* Listeners in memory, found by address. Before: stream.c and raw.c, which connect. */
#include "backends/fake/internal.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const sb_listener_impl listener_impl;

static struct fake_listener *fake_from_listener(const sb_listener *ln)
{
    assert(ln->impl == &listener_impl);
    return (struct fake_listener *)ln; /* base is the first member */
}

static struct fake_listener *fake_from_job(struct fake_job *job)
{
    return (struct fake_listener *)((char *)job - offsetof(struct fake_listener, job));
}

/* ---- Addresses ---- */

static in_port_t *port_of(const sb_addr *addr)
{
    if (addr->ss.ss_family == AF_INET)
        return &((struct sockaddr_in *)&addr->ss)->sin_port;
    if (addr->ss.ss_family == AF_INET6)
        return &((struct sockaddr_in6 *)&addr->ss)->sin6_port;
    return NULL;
}

static bool is_any(const sb_addr *addr)
{
    if (addr->ss.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&addr->ss)->sin_addr.s_addr == htonl(INADDR_ANY);
    if (addr->ss.ss_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)&addr->ss)->sin6_addr);
    return false;
}

static bool same_host(const sb_addr *a, const sb_addr *b)
{
    if (a->ss.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&a->ss)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)&b->ss)->sin_addr.s_addr;
    if (a->ss.ss_family == AF_INET6)
        return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)&a->ss)->sin6_addr,
            &((const struct sockaddr_in6 *)&b->ss)->sin6_addr);
    return a->len == b->len && memcmp(&a->ss, &b->ss, a->len) == 0;
}

static bool same_port(const sb_addr *a, const sb_addr *b)
{
    in_port_t *pa = port_of(a), *pb = port_of(b);
    return (pa == NULL && pb == NULL) || (pa != NULL && pb != NULL && *pa == *pb);
}

/* Does a listener at `at` answer for `addr`? `*` answers for all of its family, dual-stack `[::]` for IPv4
 * too. */
static bool answers(const sb_addr *at, bool dual, const sb_addr *addr)
{
    if (!same_port(at, addr))
        return false;
    if (at->ss.ss_family != addr->ss.ss_family)
        return dual && is_any(at) && addr->ss.ss_family == AF_INET;
    return is_any(at) || same_host(at, addr);
}

static bool clashes(const struct fake_listener *fln, const sb_addr *addr, bool dual)
{
    return answers(&fln->addr, fln->dual, addr) || answers(addr, dual, &fln->addr);
}

static bool in_use(const struct fake_loop *fl, const sb_addr *addr, bool dual)
{
    for (const struct fake_listener *fln = fl->net->listeners; fln != NULL; fln = fln->next)
        if (clashes(fln, addr, dual))
            return true;
    return false;
}

static uint16_t next_port(struct fake_net *net)
{
    uint16_t port = net->next_port;
    net->next_port = port == UINT16_MAX ? 49152 : (uint16_t)(port + 1);
    return port;
}

static sb_err pick_port(struct fake_loop *fl, sb_addr *addr, bool dual)
{
    in_port_t *port = port_of(addr);
    bool search = port != NULL && *port == 0;
    for (int tries = 0; search && tries < 16384; tries++) {
        *port = htons(next_port(fl->net));
        if (!in_use(fl, addr, dual))
            return SB_OK;
    }
    return in_use(fl, addr, dual) ? SB_EADDRINUSE : SB_OK;
}

void sb__fake_pick_local(struct fake_loop *fl, const sb_addr *remote, sb_addr *local)
{
    *local = *remote;
    in_port_t *port = port_of(local);
    if (port != NULL)
        *port = htons(next_port(fl->net));
}

struct fake_listener *sb__fake_find_listener(struct fake_loop *fl, const sb_addr *addr)
{
    for (struct fake_listener *fln = fl->net->listeners; fln != NULL; fln = fln->next)
        if (answers(&fln->addr, fln->dual, addr))
            return fln;
    return NULL;
}

/* ---- Connections coming in ---- */

static sb_err deliver_raw(struct fake_listener *fln, struct fake_end *client)
{
    struct sb_fake_raw *raw = calloc(1, sizeof *raw);
    if (raw == NULL)
        return SB_ENOMEM;
    raw->end.loop = client->loop;
    raw->end.local = fln->addr;
    sb__fake_end_pair(&raw->end, client);
    *fln->raw_tail = raw;
    fln->raw_tail = &raw->next;
    return SB_OK;
}

sb_err sb__fake_deliver(struct fake_listener *fln, struct fake_end *client)
{
    if (fln->raw)
        return deliver_raw(fln, client);
    struct fake_loop *fl = fake_from_loop(fln->base.loop);
    struct fake_stream *fs = sb__fake_stream_create(fl);
    if (fs == NULL)
        return SB_ENOMEM;
    fs->end.local = fln->addr;
    fs->remote = client->local;
    sb__fake_end_pair(&fs->end, client);
    fs->end.job = NULL; /* nobody is told anything before it is accepted */
    *fln->backlog_tail = fs;
    fln->backlog_tail = &fs->next;
    sb__fake_queue(fl, &fln->job);
    return SB_OK;
}

static struct fake_stream *take_backlog(struct fake_listener *fln)
{
    struct fake_stream *fs = fln->backlog;
    if (fs == NULL)
        return NULL;
    fln->backlog = fs->next;
    if (fln->backlog == NULL)
        fln->backlog_tail = &fln->backlog;
    fs->next = NULL;
    return fs;
}

static void accept_all(struct fake_listener *fln)
{
    struct fake_stream *fs;
    while (!fln->closing && (fs = take_backlog(fln)) != NULL) {
        fs->end.job = &fs->job;
        fln->base.events->on_accept(&fln->base, &fs->base);
        sb__fake_queue(fs->end.loop, &fs->job);
    }
}

/* Nobody has seen these streams: they go without a callback. */
static void drop_backlog(struct fake_listener *fln)
{
    struct fake_stream *fs;
    while ((fs = take_backlog(fln)) != NULL) {
        sb__fake_end_finish(&fs->end, SB_ECONNRESET);
        sb__fake_stream_free(fs);
    }
}

static void unlink_listener(struct fake_loop *fl, struct fake_listener *fln)
{
    struct fake_listener **at = &fl->net->listeners;
    while (*at != fln)
        at = &(*at)->next;
    *at = fln->next;
}

static void listener_run(struct fake_job *job)
{
    struct fake_listener *fln = fake_from_job(job);
    if (!fln->closing) {
        accept_all(fln);
        return;
    }
    fln->base.events->on_closed(&fln->base);
    free(fln);
}

static void listener_close(sb_listener *ln)
{
    struct fake_listener *fln = fake_from_listener(ln);
    struct fake_loop *fl = fake_from_loop(ln->loop);
    if (fln->closing)
        return;
    fln->closing = true;
    unlink_listener(fl, fln);
    drop_backlog(fln);
    sb__fake_queue(fl, &fln->job);
}

static sb_err listener_addr(const sb_listener *ln, sb_addr *out)
{
    *out = fake_from_listener(ln)->addr;
    return SB_OK;
}

static const sb_listener_impl listener_impl = {.addr = listener_addr, .close = listener_close};

static sb_err listener_create(
    struct fake_loop *fl, const sb_addr *addr, bool dual, struct fake_listener **out)
{
    sb_addr bound = *addr;
    sb_err err = pick_port(fl, &bound, dual);
    if (err != SB_OK)
        return err;
    struct fake_listener *fln = calloc(1, sizeof *fln);
    if (fln == NULL)
        return SB_ENOMEM;
    fln->base.loop = &fl->base;
    fln->base.impl = &listener_impl;
    fln->job.run = listener_run;
    fln->addr = bound;
    fln->dual = dual;
    fln->backlog_tail = &fln->backlog;
    fln->raw_tail = &fln->raw_backlog;
    fln->next = fl->net->listeners;
    fl->net->listeners = fln;
    *out = fln;
    return SB_OK;
}

sb_err sb__fake_listen(sb_loop *loop, const sb_addr *addr, const sb_sockopts *opts,
    const sb_listener_events *events, void *data, sb_listener **out)
{
    struct fake_listener *fln;
    sb_err err = listener_create(fake_from_loop(loop), addr, opts != NULL && opts->ipv6_dual, &fln);
    if (err != SB_OK)
        return err;
    fln->base.events = events;
    fln->base.data = data;
    *out = &fln->base;
    return SB_OK;
}

/* ---- Listeners of the test itself ---- */

sb_err sb_fake_listen_raw(sb_loop *loop, const sb_addr *addr, sb_fake_port **out)
{
    struct fake_listener *fln;
    sb_err err = listener_create(fake_from_loop(loop), addr, false, &fln);
    if (err != SB_OK)
        return err;
    fln->raw = true;
    *out = (sb_fake_port *)fln;
    return SB_OK;
}

void sb_fake_port_addr(const sb_fake_port *port, sb_addr *out)
{
    *out = ((const struct fake_listener *)port)->addr;
}

sb_fake_raw *sb_fake_port_accept(sb_fake_port *port)
{
    struct fake_listener *fln = (struct fake_listener *)port;
    struct sb_fake_raw *raw = fln->raw_backlog;
    if (raw == NULL)
        return NULL;
    fln->raw_backlog = raw->next;
    if (fln->raw_backlog == NULL)
        fln->raw_tail = &fln->raw_backlog;
    raw->next = NULL;
    return raw;
}

void sb_fake_port_close(sb_fake_port *port)
{
    struct fake_listener *fln = (struct fake_listener *)port;
    sb_fake_raw *raw;
    if (fln == NULL)
        return;
    while ((raw = sb_fake_port_accept(port)) != NULL)
        sb_fake_raw_close(raw, SB_ECONNRESET);
    unlink_listener(fake_from_loop(fln->base.loop), fln);
    free(fln);
}
