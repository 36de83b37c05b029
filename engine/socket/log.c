/* Log lines, with the socket and the peer they are about at their end. Before: all of engine/socket, scripts.
 * After: the host. */
#include "engine/socket/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE 1024
#define TAIL 256 /* octets of it for what the line is about */

static bool is_heard(const sb_engine *engine)
{
    return engine->host != NULL && engine->host->log != NULL;
}

/* Octets written, as if there had been room for all: cut by whoever asks. */
static size_t put(char *out, size_t cap, size_t at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static size_t put(char *out, size_t cap, size_t at, const char *fmt, ...)
{
    va_list args;
    if (at + 1 >= cap)
        return at;
    va_start(args, fmt);
    int n = vsnprintf(out + at, cap - at, fmt, args);
    va_end(args);
    return n < 0 ? at : at + (size_t)n < cap ? at + (size_t)n : cap - 1;
}

static size_t put_tail(
    char *out, size_t cap, size_t at, const sb_socket *sock, const char *address, uint64_t connection)
{
    at = put(out, cap, at, ", socket: %.64s", sock->name);
    if (*address != '\0')
        at = put(out, cap, at, ", peer: %.100s", address);
    if (connection != 0)
        at = put(out, cap, at, ", connection: %llu", (unsigned long long)connection);
    return at;
}

void sb_engine_log(sb_engine *engine, sb_log_level level, const char *fmt, ...)
{
    char line[LINE];
    va_list args;
    if (!is_heard(engine))
        return;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    engine->host->log(engine->host, level, line);
}

void sb_socket_log(sb_socket *sock, sb_peer *peer, sb_log_level level, const char *fmt, ...)
{
    char line[LINE];
    sb_client client = {.address = ""};
    va_list args;
    if (!is_heard(sock->engine))
        return;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line - TAIL, fmt, args);
    va_end(args);
    if (peer != NULL && !sb_peer_client(peer, &client))
        client.address = sb_peer_address(peer);
    put_tail(line, sizeof line, n > 0 ? strlen(line) : 0, sock, client.address,
        peer != NULL ? sb_peer_connection(peer) : 0);
    sock->engine->host->log(sock->engine->host, level, line);
}

size_t sb_event_line(const sb_socket *sock, const sb_event *event, char *out, size_t cap)
{
    size_t at = put(out, cap, 0, "%s", sb_event_name(event->kind));
    if (*event->detail != '\0')
        at = put(out, cap, at, ": %.300s", event->detail);
    at = put_tail(out, cap, at, sock, event->address, event->conn_id);
    if (*event->endpoint != '\0')
        at = put(out, cap, at, ", endpoint: %.200s", event->endpoint);
    for (size_t i = 0; i < at; i++) /* an error's text is the peer's */
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
            out[i] = '?';
    return at;
}
