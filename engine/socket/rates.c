/* Rates: differences between what is counted now and what it was when somebody asked before. Before: stats.c
 * (the counters). */
#include "engine/socket/internal.h"

#include <stdlib.h>

static sb__reading reading(const sb_stats *s, uint64_t now)
{
    return (sb__reading){now, s->msgs_in, s->msgs_out, s->bytes_in, s->bytes_out};
}

static double per_second(uint64_t now, uint64_t before, double seconds)
{
    return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static void compute(const sb__reading *from, const sb__reading *now, sb_rates *out)
{
    double seconds = (double)(now->time - from->time) / SB_NS_PER_S;
    *out = (sb_rates){
        .msgs_in = per_second(now->msgs_in, from->msgs_in, seconds),
        .msgs_out = per_second(now->msgs_out, from->msgs_out, seconds),
        .bytes_in = per_second(now->bytes_in, from->bytes_in, seconds),
        .bytes_out = per_second(now->bytes_out, from->bytes_out, seconds),
        .span = seconds,
    };
}

/* Two readings, so that whoever asks often still gets a second to count over, and several may ask. */
static void read_meter(sb__meter *m, const sb__reading *now, sb_rates *out)
{
    if (m->next.time != 0 && now->time - m->next.time >= SB_RATE_SPAN) {
        m->base = m->next;
        m->next = *now;
    } else if (m->next.time == 0) {
        m->next = *now;
    }
    compute(&m->base, now, out);
}

void sb_socket_rates(sb_socket *sock, sb_rates *out)
{
    sb_stats stats;
    sb_socket_stats(sock, &stats);
    const sb__reading now = reading(&stats, sb_engine_now(sock->engine));
    read_meter(&sock->meter, &now, out);
}

/* Without memory for a meter: as if nobody had asked before. */
void sb_peer_rates(sb_peer *peer, sb_rates *out)
{
    sb_stats stats;
    sb_peer_stats(peer, &stats);
    const sb__reading now = reading(&stats, sb_engine_now(peer->socket->engine));
    const sb__reading came = {.time = peer->since};
    if (peer->meter == NULL && (peer->meter = calloc(1, sizeof *peer->meter)) != NULL)
        peer->meter->base = came;
    if (peer->meter != NULL)
        read_meter(peer->meter, &now, out);
    else
        compute(&came, &now, out);
}
