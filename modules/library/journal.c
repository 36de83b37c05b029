/* The journal. Before: the engine (what happens). After: status.c, the host. */
#include "modules/library/journal.h"

#include "modules/library/board.h"
#include "modules/library/mesh.h"

#include <stdio.h>
#include <string.h>

static void on_log(sb_host *self, sb_log_level level, const char *line)
{
    sb_host *outer = ((sb__journal *)self)->outer;
    if (outer != NULL && outer->log != NULL)
        outer->log(outer, level, line);
}

static int on_listen_fd(sb_host *self, const char *endpoint)
{
    sb_host *outer = ((sb__journal *)self)->outer;
    return outer != NULL && outer->listen_fd != NULL ? outer->listen_fd(outer, endpoint) : -1;
}

static int on_connect_fd(sb_host *self, const char *endpoint)
{
    sb_host *outer = ((sb__journal *)self)->outer;
    return outer != NULL && outer->connect_fd != NULL ? outer->connect_fd(outer, endpoint) : SB_HOST_NOT_MINE;
}

/* An attempt to connect that failed is told three times over; connect_retried says it all. */
static bool is_said_again(const sb_event *event)
{
    return event->kind == SB_EVENT_CONNECT_DELAYED || (event->kind == SB_EVENT_CLOSED && event->err != SB_OK);
}

static void note(sb__journal *j, const sb_socket *sock, const sb_event *event)
{
    sb__journal_entry *e = &j->entries[j->n++ % SB__JOURNAL_SIZE];
    e->time = sb_engine_now(sb_socket_engine(sock));
    e->conn_id = event->conn_id;
    e->event = sb_event_name(event->kind);
    snprintf(e->socket, sizeof e->socket, "%s", sb_socket_name(sock));
    snprintf(e->address, sizeof e->address, "%s", *event->address != '\0' ? event->address : event->endpoint);
    snprintf(e->detail, sizeof e->detail, "%s", event->detail);
}

static void on_event(sb_host *self, sb_socket *sock, const sb_event *event)
{
    sb__journal *j = (sb__journal *)self;
    if (!is_said_again(event))
        note(j, sock, event);
    if (j->outer != NULL && j->outer->event != NULL)
        j->outer->event(j->outer, sock, event);
}

/* What comes with messages, and what a monitor wants to know of itself, is no line of a log. */
static bool is_of_peers(sb_event_kind kind)
{
    const unsigned told = SB_EVENT_CONNECTED | SB_EVENT_CONNECT_RETRIED | SB_EVENT_LISTENING |
                          SB_EVENT_BIND_FAILED | SB_EVENT_ACCEPTED | SB_EVENT_ACCEPT_FAILED |
                          SB_EVENT_CLOSED | SB_EVENT_DISCONNECTED | SB_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                          SB_EVENT_HANDSHAKE_SUCCEEDED | SB_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                          SB_EVENT_HANDSHAKE_FAILED_AUTH | SB_EVENT_PEER_REFUSED;
    return ((unsigned)kind & told) != 0;
}

static bool is_inside(const sb_event *event)
{
    static const char *const ways[] = {"inproc:", "mesh:", SB_MESH_PREFIX};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (strncmp(event->address, ways[i], strlen(ways[i])) == 0 ||
            strncmp(event->endpoint, ways[i], strlen(ways[i])) == 0)
            return true;
    return false;
}

size_t sb_board_event_line(const sb_socket *sock, const sb_event *event, char *out, size_t cap)
{
    bool told = is_of_peers(event->kind) && !is_said_again(event) && !is_inside(event);
    return told ? sb_event_line(sock, event, out, cap) : 0;
}

void sb__journal_init(sb__journal *j, sb_host *outer)
{
    *j = (sb__journal){
        .base = {.log = on_log, .listen_fd = on_listen_fd, .connect_fd = on_connect_fd, .event = on_event},
        .outer = outer,
    };
}

const sb__journal_entry *sb__journal_get(const sb__journal *j, size_t i)
{
    size_t there = j->n < SB__JOURNAL_SIZE ? (size_t)j->n : SB__JOURNAL_SIZE;
    return i < there ? &j->entries[(j->n - 1 - i) % SB__JOURNAL_SIZE] : NULL;
}
