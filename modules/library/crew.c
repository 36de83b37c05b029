/* What each worker has of a socket that is one over several: its own numbers and what the others left in the
 * zone. Before: status.c. After: ledger.c. */
#include "modules/library/ledger.h"
#include "modules/library/status.h"

#include "engine/socket.h"

#include <inttypes.h>

/* The numbers of one worker, in the order they are written. */
typedef struct column {
    const char *family, *dir; /* dir NULL: the family has no such label */
    const char *before;       /* what stands before the number in the object */
    bool real;
} column;

static const column columns[] = {
    {"signalbox_peers", NULL, "\"peers\":", false},
    {"signalbox_subscriptions", NULL, ",\"subscriptions\":", false},
    {"signalbox_messages_total", "in", ",\"messages\":{\"in\":", false},
    {"signalbox_messages_total", "out", ",\"out\":", false},
    {"signalbox_bytes_total", "in", "},\"bytes\":{\"in\":", false},
    {"signalbox_bytes_total", "out", ",\"out\":", false},
    {"signalbox_queue_messages", "in", "},\"queue\":{\"in\":{\"messages\":", false},
    {"signalbox_queue_bytes", "in", ",\"bytes\":", false},
    {"signalbox_queue_age_seconds", "in", ",\"age\":", true},
    {"signalbox_queue_messages", "out", "},\"out\":{\"messages\":", false},
    {"signalbox_queue_bytes", "out", ",\"bytes\":", false},
    {"signalbox_queue_age_seconds", "out", ",\"age\":", true},
};
#define NCOLUMNS (sizeof columns / sizeof *columns)

static void own_numbers(sb_socket *sock, double out[NCOLUMNS])
{
    sb_stats s;
    sb_socket_stats(sock, &s);
    const double numbers[NCOLUMNS] = {(double)s.peers, (double)s.subscriptions, (double)s.msgs_in,
        (double)s.msgs_out, (double)s.bytes_in, (double)s.bytes_out, (double)s.queued_in_msgs,
        (double)s.queued_in_bytes, (double)s.age_in / SB_NS_PER_S, (double)s.queued_out_msgs,
        (double)s.queued_out_bytes, (double)s.age_out / SB_NS_PER_S};
    for (size_t i = 0; i < NCOLUMNS; i++)
        out[i] = numbers[i];
}

static bool left_numbers(sb_board *board, sb_socket *sock, uint32_t worker, double out[NCOLUMNS])
{
    for (size_t i = 0; i < NCOLUMNS; i++) {
        sb_sample sample = {.family = columns[i].family, .suffix = ""};
        sb_sample_label(&sample, "socket", sb_socket_name(sock));
        if (columns[i].dir != NULL)
            sb_sample_label(&sample, "dir", columns[i].dir);
        if (!sb_ledger_of_worker(sb_board_ledger(board), board, &sample, worker, &out[i]))
            return false;
    }
    return true;
}

static void put_worker(sb_text *out, uint32_t worker, const double numbers[NCOLUMNS])
{
    sb_text_put(out, "{\"worker\":%u,", worker);
    for (size_t i = 0; i < NCOLUMNS; i++)
        sb_text_put(out, columns[i].real ? "%s%.6f" : "%s%.0f", columns[i].before, numbers[i]);
    sb_text_put(out, "}}}");
}

void sb__crew_put(sb_board *board, sb_socket *sock, sb_text *out)
{
    uint32_t workers, me = sb_engine_worker(sb_board_engine(board), &workers);
    const char *comma = "";
    sb_text_put(out, "[");
    for (uint32_t i = 0; i < workers && workers > 1; i++) {
        double numbers[NCOLUMNS];
        if (i == me)
            own_numbers(sock, numbers);
        else if (sb_board_ledger(board) == NULL || !left_numbers(board, sock, i, numbers))
            continue;
        sb_text_put(out, "%s", comma);
        put_worker(out, i, numbers);
        comma = ",";
    }
    sb_text_put(out, "]");
}
