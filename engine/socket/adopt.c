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

sb_err sb_socket_adopt_stream(
    sb_socket *sock, sb_stream *st, const char *endpoint, bool accepted, char *err, size_t cap)
{
    sb__endpoint ep;
    sb_err code = sb__reach_check(sock, endpoint, true, &ep, err, cap);
    if (code == SB_OK && (ep.kind == SB__ENDPOINT_INPROC || ep.kind == SB__ENDPOINT_UDP))
        code = say(err, cap, SB_EINVAL, "inproc:// and udp:// have no stream");
    if (code == SB_OK)
        return sb__listener_adopt(sock, &ep, endpoint, st, accepted, err, cap);
    sb__stream_refuse(&sock->engine->hub, st);
    return code;
}

sb_err sb_socket_adopt_fd(sb_socket *sock, int fd, const char *endpoint, bool accepted, char *err, size_t cap)
{
    sb_stream *st;
    sb_err code = sb_loop_adopt_stream(sock->engine->loop, fd, NULL, NULL, &st);
    if (code == SB_OK)
        return sb_socket_adopt_stream(sock, st, endpoint, accepted, err, cap);
    close(fd);
    return say(err, cap, code, "the descriptor is no connected stream");
}
