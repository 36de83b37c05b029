/* The state of a board as one JSON object, for pages and programs. Before: board.c. After: engine/socket.h,
 * lua/script.h, journal.c. What could be without bound (peers, topics) is cut and says so. */
#include "modules/library/status.h"

#include "engine/signalbox.h"
#include "modules/library/ledger.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PEERS_SHOWN  100
#define TOPICS_SHOWN 200

typedef struct writer {
    sb_text *t;
    uint64_t now;
    sb_board *board;
    unsigned shown; /* in the list that is being written */
} writer;

/* ---- pieces ---- */

static void text_member(writer *w, const char *name, const char *value)
{
    sb_text_put(w->t, "\"%s\":", name);
    sb_text_json(w->t, value, strlen(value));
    sb_text_put(w->t, ",");
}

static void number_member(writer *w, const char *name, uint64_t value)
{
    sb_text_put(w->t, "\"%s\":%" PRIu64 ",", name, value);
}

static void seconds_member(writer *w, const char *name, uint64_t ns)
{
    sb_text_put(w->t, "\"%s\":%.6f,", name, (double)ns / SB_NS_PER_S);
}

static void begin(writer *w, const char *name, char bracket)
{
    if (name != NULL)
        sb_text_put(w->t, "\"%s\":", name);
    sb_text_put(w->t, "%c", bracket);
}

/* Members and elements end in a comma; the last one loses it. */
static void end(writer *w, char bracket)
{
    if (w->t->len > 0 && w->t->text[w->t->len - 1] == ',')
        w->t->len--;
    sb_text_put(w->t, "%c,", bracket);
}

static uint64_t age(const writer *w, uint64_t time)
{
    return w->now > time ? w->now - time : 0;
}

/* ---- counters ---- */

static void pair(writer *w, const char *name, const char *a, uint64_t in, const char *b, uint64_t out)
{
    begin(w, name, '{');
    number_member(w, a, in);
    number_member(w, b, out);
    end(w, '}');
}

static void real_pair(writer *w, const char *name, double in, double out)
{
    sb_text_put(w->t, "\"%s\":{\"in\":%.1f,\"out\":%.1f},", name, in, out);
}

static void put_queue(writer *w, const char *name, uint64_t msgs, uint64_t bytes, uint64_t waits)
{
    begin(w, name, '{');
    number_member(w, "messages", msgs);
    number_member(w, "bytes", bytes);
    seconds_member(w, "age", waits);
    end(w, '}');
}

static void put_counters(writer *w, const sb_stats *s, const sb_rates *r)
{
    pair(w, "messages", "in", s->msgs_in, "out", s->msgs_out);
    pair(w, "bytes", "in", s->bytes_in, "out", s->bytes_out);
    begin(w, "queue", '{');
    put_queue(w, "in", s->queued_in_msgs, s->queued_in_bytes, s->age_in);
    put_queue(w, "out", s->queued_out_msgs, s->queued_out_bytes, s->age_out);
    end(w, '}');
    begin(w, "rates", '{');
    real_pair(w, "messages", r->msgs_in, r->msgs_out);
    real_pair(w, "bytes", r->bytes_in, r->bytes_out);
    end(w, '}');
    begin(w, "dropped", '{');
    for (int i = 0; i < SB_DROP_COUNT; i++)
        if (s->dropped[i] > 0)
            number_member(w, sb_drop_name((sb_drop)i), s->dropped[i]);
    end(w, '}');
}

static void put_failures(writer *w, const sb_stats *s)
{
    begin(w, "handshake_failures", '{');
    for (int i = SB_CAUSE_NONE + 1; i < SB_CAUSE_COUNT; i++)
        if (s->handshake_failures[i] > 0)
            number_member(w, sb_session_cause_name((sb_session_cause)i), s->handshake_failures[i]);
    end(w, '}');
}

/* ---- peers ---- */

static bool put_peer(void *arg, sb_peer *peer)
{
    writer *w = arg;
    const sb_peer_info *info = sb_peer_get_info(peer);
    sb_stats stats;
    sb_rates rates;
    if (w->shown++ == PEERS_SHOWN)
        return false;
    sb_peer_stats(peer, &stats);
    sb_peer_rates(peer, &rates);
    begin(w, NULL, '{');
    number_member(w, "id", sb_peer_id(peer));
    number_member(w, "connection", sb_peer_connection(peer));
    text_member(w, "address", sb_peer_address(peer));
    text_member(w, "state", info != NULL ? "connected" : "away");
    text_member(w, "type", info != NULL ? sb_type_name(info->type) : "");
    text_member(w, "mechanism", info != NULL ? info->mechanism : "");
    text_member(w, "user_id", sb_peer_user_id(peer));
    sb_text_put(w->t, "\"identity\":");
    sb_text_json(w->t, info != NULL ? info->identity : NULL, info != NULL ? info->identity_len : 0);
    sb_text_put(w->t, ",");
    seconds_member(w, "rtt", sb_peer_rtt(peer));
    put_counters(w, &stats, &rates);
    end(w, '}');
    return true;
}

/* ---- sockets ---- */

static bool put_endpoint(void *arg, const sb_endpoint_info *info)
{
    writer *w = arg;
    begin(w, NULL, '{');
    text_member(w, "kind", info->bind ? "bind" : "connect");
    text_member(w, "given", info->given);
    text_member(w, "resolved", info->resolved);
    end(w, '}');
    return true;
}

static bool put_topic(void *arg, const uint8_t *topic, size_t len, uint32_t holders)
{
    writer *w = arg;
    if (w->shown++ == TOPICS_SHOWN)
        return false;
    begin(w, NULL, '{');
    sb_text_put(w->t, "\"topic\":");
    sb_text_json(w->t, topic, len);
    sb_text_put(w->t, ",");
    number_member(w, "peers", holders);
    end(w, '}');
    return true;
}

static void put_row(writer *w, const sb_route *route, size_t i)
{
    char line[512];
    const sb_route_row *row = sb_route_get(route, i);
    sb_route_explain(route, i, sb_socket_name, line, sizeof line);
    begin(w, NULL, '{');
    text_member(w, "row", line);
    number_member(w, "messages", sb_route_hits(route, i));
    begin(w, "to", '[');
    for (uint32_t k = 0; row->action == SB_ROUTE_TO && k < row->nto; k++) {
        sb_text_json(w->t, sb_socket_name(row->to[k]), strlen(sb_socket_name(row->to[k])));
        sb_text_put(w->t, ",");
    }
    end(w, ']');
    end(w, '}');
}

static void put_routes(writer *w, const sb_socket *sock)
{
    const sb_route *route = sb_socket_get_route(sock);
    begin(w, "routes", '[');
    for (size_t i = 0; route != NULL && i < sb_route_count(route); i++)
        put_row(w, route, i);
    end(w, ']');
}

static void put_lists(writer *w, sb_socket *sock)
{
    begin(w, "endpoints", '[');
    sb_socket_each_endpoint(sock, put_endpoint, w);
    end(w, ']');
    put_routes(w, sock);
    begin(w, "topics", '[');
    w->shown = 0;
    sb_socket_each_topic(sock, put_topic, w);
    end(w, ']');
    begin(w, "peer_list", '[');
    w->shown = 0;
    sb_socket_each_peer(sock, put_peer, w);
    end(w, ']');
}

static bool put_socket(void *arg, sb_socket *sock)
{
    writer *w = arg;
    sb_stats stats;
    sb_rates rates;
    sb_socket_stats(sock, &stats);
    sb_socket_rates(sock, &rates);
    begin(w, NULL, '{');
    text_member(w, "name", sb_socket_name(sock));
    text_member(w, "type", sb_type_name(sb_socket_type(sock)));
    number_member(w, "peers", stats.peers);
    number_member(w, "subscriptions", stats.subscriptions);
    put_counters(w, &stats, &rates);
    put_failures(w, &stats);
    number_member(w, "handshakes_delayed", stats.handshakes_delayed);
    put_lists(w, sock);
    sb_text_put(w->t, "\"workers\":");
    sb__crew_put(w->board, sock, w->t);
    sb_text_put(w->t, ",");
    end(w, '}');
    return true;
}

/* ---- scripts ---- */

static void put_fault(void *arg, const sb_script_fault *fault)
{
    writer *w = arg;
    begin(w, NULL, '{');
    seconds_member(w, "age", age(w, fault->time));
    text_member(w, "what", fault->what);
    text_member(w, "where", fault->where);
    text_member(w, "reason", fault->reason);
    number_member(w, "count", fault->count);
    end(w, '}');
}

static void put_slow(void *arg, const sb_script_slow *slow)
{
    writer *w = arg;
    begin(w, NULL, '{');
    text_member(w, "what", slow->what);
    number_member(w, "runs", slow->runs);
    seconds_member(w, "mean", slow->mean_ns);
    seconds_member(w, "longest", slow->max_ns);
    end(w, '}');
}

static void put_total(void *arg, const char *name, double value)
{
    writer *w = arg;
    if (value == 0 || value - value != 0)
        return;
    sb_text_json(w->t, name, strlen(name));
    sb_text_put(w->t, ":%.15g,", value);
}

static void put_metric(void *arg, const char *name, const char *help, bool counter, double value)
{
    writer *w = arg;
    (void)help, (void)counter;
    if (value - value == 0) /* JSON has neither NaN nor infinities */
        sb_text_put(w->t, "\"%s\":%.9g,", name, value);
}

static void put_script(writer *w, sb_board *board, size_t i)
{
    static const char *const bounds[] = {"1us", "10us", "100us", "1ms", "10ms", "100ms", "1s", "more"};
    const sb_script *script = sb_board_script(board, i);
    sb_script_stats s;
    sb_script_get_stats(script, &s);
    begin(w, NULL, '{');
    text_member(w, "name", sb_board_script_name(board, i));
    number_member(w, "calls", s.calls);
    number_member(w, "errors", s.errors);
    number_member(w, "memory", s.memory);
    number_member(w, "tasks", s.tasks);
    seconds_member(w, "seconds", s.time_ns);
    begin(w, "handler_times", '{');
    for (size_t k = 0; k < sizeof bounds / sizeof bounds[0]; k++)
        number_member(w, bounds[k], s.seconds_bucket[k]);
    end(w, '}');
    begin(w, "faults", '[');
    sb_script_each_fault(script, put_fault, w);
    end(w, ']');
    begin(w, "slowest", '[');
    sb_script_each_slow(script, put_slow, w);
    end(w, ']');
    begin(w, "metrics", '{');
    sb_script_each_metric(script, put_metric, w);
    end(w, '}');
    end(w, '}');
}

/* ---- the whole ---- */

static void put_event(writer *w, const sb__journal_entry *e)
{
    begin(w, NULL, '{');
    seconds_member(w, "age", age(w, e->time));
    text_member(w, "event", e->event);
    text_member(w, "socket", e->socket);
    text_member(w, "address", e->address);
    text_member(w, "detail", e->detail);
    number_member(w, "connection", e->conn_id);
    end(w, '}');
}

static void put_head(writer *w, sb_engine *engine)
{
    struct timespec ts;
    uint32_t workers, me = sb_engine_worker(engine, &workers);
    clock_gettime(CLOCK_REALTIME, &ts);
    text_member(w, "version", SB_VERSION);
    text_member(w, "backend", sb_engine_backend(engine));
    text_member(w, "notice", sb_engine_notice(engine));
    number_member(w, "pid", (uint64_t)getpid());
    number_member(w, "worker", me);
    number_member(w, "workers", workers > 0 ? workers : 1);
    sb_text_put(w->t, "\"time\":%lld.%03ld,", (long long)ts.tv_sec, ts.tv_nsec / 1000000);
}

void sb__status_put(sb_board *board, const sb__journal *journal, sb_text *out)
{
    const sb__journal_entry *e;
    sb_engine *engine = sb_board_engine(board);
    writer w = {.t = out, .now = sb_engine_now(engine), .board = board};
    begin(&w, NULL, '{');
    put_head(&w, engine);
    begin(&w, "sockets", '[');
    sb_engine_each_socket(engine, put_socket, &w);
    end(&w, ']');
    begin(&w, "scripts", '[');
    for (size_t i = 0; sb_board_script(board, i) != NULL; i++)
        put_script(&w, board, i);
    end(&w, ']');
    begin(&w, "totals", '{');
    if (sb_board_ledger(board) != NULL)
        sb_ledger_each(sb_board_ledger(board), put_total, &w);
    end(&w, '}');
    begin(&w, "events", '[');
    for (size_t i = 0; (e = sb__journal_get(journal, i)) != NULL; i++)
        put_event(&w, e);
    end(&w, ']');
    end(&w, '}');
    w.t->len -= !out->failed; /* the comma behind it all */
    if (!out->failed)
        out->text[out->len] = '\0';
}
