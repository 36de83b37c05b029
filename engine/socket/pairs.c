/* Connections whose two ends are both ours: when the engine drains, each end would wait for the other.
 * Before: drain.c. After: the addresses of the streams. */
#include "engine/socket/internal.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

/* Addresses of one end, then of the other; in the same octets whoever tells them. */
typedef struct key {
    uint8_t octets[2 * sizeof(struct sockaddr_un)];
    size_t len;
} key;

static void put(key *k, const void *octets, size_t len)
{
    memcpy(k->octets + k->len, octets, len);
    k->len += len;
}

static void put_inet(key *k, in_port_t port, const void *octets, size_t len)
{
    put(k, &port, sizeof port);
    put(k, octets, len);
}

static void put_inet6(key *k, const struct sockaddr_in6 *a)
{
    const uint8_t *octets = a->sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&a->sin6_addr))
        put_inet(k, a->sin6_port, octets + 12, 4);
    else
        put_inet(k, a->sin6_port, octets, 16);
}

static void put_addr(key *k, const sb_addr *addr)
{
    const struct sockaddr_in *in = (const void *)&addr->ss;
    size_t head = offsetof(struct sockaddr_un, sun_path);
    if (addr->ss.ss_family == AF_INET)
        put_inet(k, in->sin_port, &in->sin_addr, sizeof in->sin_addr);
    else if (addr->ss.ss_family == AF_INET6)
        put_inet6(k, (const void *)&addr->ss);
    else if (addr->ss.ss_family == AF_UNIX && addr->len > head)
        put(k, (const char *)&addr->ss + head, addr->len - head);
}

static key join(const sb_addr *a, const sb_addr *b)
{
    key k = {.len = 0};
    put_addr(&k, a);
    uint8_t between = (uint8_t)k.len; /* where one ends: an end without a name is no name of the other */
    put(&k, &between, 1);
    put_addr(&k, b);
    return k;
}

static bool keys_of(const sb__conn *conn, key *own, key *mirrored)
{
    sb_addr here, there;
    if (sb_stream_local_addr(conn->stream, &here) != SB_OK ||
        sb_stream_peer_addr(conn->stream, &there) != SB_OK)
        return false;
    *own = join(&here, &there);
    *mirrored = join(&there, &here);
    return own->len > 1; /* two ends without any name: a pair that somebody gave us */
}

static void each_conn(sb_engine *engine, sb_map *counts, void (*act)(sb_map *counts, sb__conn *conn))
{
    SB_LIST_EACH(n, &engine->sockets)
    {
        SB_LIST_EACH(m, &SB_LIST_ENTRY(n, sb_socket, node)->peers)
        {
            sb__conn *conn = sb__peer_conn(SB_LIST_ENTRY(m, sb_peer, peers));
            if (conn != NULL)
                act(counts, conn);
        }
    }
}

static uintptr_t count_of(const sb_map *counts, const key *k)
{
    return (uintptr_t)sb_map_get(counts, k->octets, k->len);
}

static void count(sb_map *counts, sb__conn *conn)
{
    key own, mirrored;
    if (keys_of(conn, &own, &mirrored))
        sb_map_put(counts, own.octets, own.len, (void *)(count_of(counts, &own) + 1));
}

/* Who dialed has the address of one of our listeners as the other end. Who was dialed over ipc may have
 * somebody else there: the clients have no names, and are ours when none is too many. */
static void mark(sb_map *counts, sb__conn *conn)
{
    key own, mirrored;
    conn->ours = false;
    if (!keys_of(conn, &own, &mirrored))
        return;
    uintptr_t others = count_of(counts, &mirrored);
    conn->ours = others > 0 && (conn->peer->dialed || others >= count_of(counts, &own));
}

void sb__pairs_mark(sb_engine *engine)
{
    sb_map counts;
    sb_map_init(&counts);
    each_conn(engine, &counts, count);
    each_conn(engine, &counts, mark);
    sb_map_finish(&counts);
}

/* ---- ending them ---- */

bool sb__pairs_on_way(const sb__conn *conn)
{
    return conn->ours && (sb_stream_untaken(conn->stream) > 0 || sb_session_unfinished(conn->session) > 0);
}

static void part(sb_map *counts, sb__conn *conn)
{
    (void)counts;
    if (conn->stays && conn->heard && conn->peer->out.msgs == 0)
        sb__conn_shutdown(conn);
}

void sb__pairs_part(sb_engine *engine)
{
    each_conn(engine, NULL, part);
}
