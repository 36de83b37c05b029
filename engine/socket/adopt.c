/* Connections that exist already become a socket's. Before: the host. After: listener.c. */
#include "engine/socket/internal.h"

#include <stdio.h>
#include <unistd.h>

static sb_err say(char *err, size_t cap, sb_err code, const char *text)
{
    if (err != NULL && cap > 0)
        snprintf(err, cap, "%s", text);
    return code;
}

/* It is a binding of its own. */
static sb_err adopt_alone(sb_socket *sock, sb_stream *st, const sb_arrival *arrival, char *err, size_t cap)
{
    sb__endpoint ep;
    sb_err code = sb__reach_check(sock, arrival->endpoint, true, &ep, err, cap);
    if (code == SB_OK && (ep.kind == SB__ENDPOINT_INPROC || ep.kind == SB__ENDPOINT_UDP))
        code = say(err, cap, SB_EINVAL, "inproc:// and udp:// have no stream");
    if (code == SB_OK)
        return sb__listener_adopt(sock, &ep, st, arrival, err, cap);
    sb__stream_refuse(&sock->engine->hub, st);
    return code;
}

/* An heir comes when the end has begun, others only until then. */
static bool may_come(const sb_socket *sock, const sb_arrival *arrival)
{
    return !sock->closing && sock->draining == (arrival->inside == SB_INSIDE_HEIR) &&
           sock->engine->drain_parted < SB_INSIDE_HEIR;
}

/* It joins those that came the same way. */
static sb_err adopt_guest(sb_socket *sock, sb_stream *st, const sb_arrival *arrival, char *err, size_t cap)
{
    sb_err code = SB_ECLOSED;
    const char *why = "the socket takes no input any more";
    if (may_come(sock, arrival))
        code = sb__listener_join(sock, st, arrival, &why);
    else
        sb__stream_refuse(&sock->engine->hub, st);
    return code == SB_OK ? code : say(err, cap, code, why);
}

sb_err sb_socket_adopt_stream(
    sb_socket *sock, sb_stream *st, const sb_arrival *arrival, char *err, size_t cap)
{
    if (arrival->address == NULL)
        return adopt_alone(sock, st, arrival, err, cap);
    return adopt_guest(sock, st, arrival, err, cap);
}

sb_err sb_socket_adopt(sb_socket *sock, int fd, const sb_arrival *arrival, char *err, size_t cap)
{
    sb_stream *st;
    sb_err code = sb_loop_adopt_stream(sock->engine->loop, fd, NULL, NULL, &st);
    if (code == SB_OK)
        return sb_socket_adopt_stream(sock, st, arrival, err, cap);
    close(fd);
    return say(err, cap, code, "the descriptor is no connected stream");
}
