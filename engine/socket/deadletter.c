/* Dead letters: what could not be routed, or whose script failed, goes to one socket with a header that says
 * why. */
#include "engine/socket/internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Appends text as the inside of a JSON string; cuts what does not fit. */
static size_t json_text(char *out, size_t cap, size_t at, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0' && at + 8 < cap; p++) {
        if (*p == '"' || *p == '\\')
            at += (size_t)snprintf(out + at, cap - at, "\\%c", *p);
        else if (*p < 0x20 || *p >= 0x7f) /* octets of unknown encoding */
            at += (size_t)snprintf(out + at, cap - at, "\\u%04x", *p);
        else
            out[at++] = (char)*p;
    }
    return at;
}

static size_t json_member(char *out, size_t cap, size_t at, const char *name, const char *text)
{
    at += (size_t)snprintf(out + at, cap - at, "%s\"%s\":\"", at == 1 ? "" : ",", name);
    at = json_text(out, cap - 4, at, text);
    out[at++] = '"';
    return at;
}

/* Whom the message is from, if its peer speaks for others. */
static const char *who(const sb_peer *peer)
{
    sb_client client;
    if (peer == NULL)
        return "";
    return sb_peer_client(peer, &client) ? client.address : sb_peer_address(peer);
}

static size_t header(
    char *out, size_t cap, const sb_socket *sock, const sb_peer *peer, const char *reason, const char *where)
{
    struct timespec ts;
    size_t at = 1;
    clock_gettime(CLOCK_REALTIME, &ts);
    out[0] = '{';
    at = json_member(out, cap - 512, at, "reason", reason);
    at = json_member(out, cap - 384, at, "where", where);
    at = json_member(out, cap - 256, at, "socket", sock != NULL ? sock->name : "");
    at = json_member(out, cap - 64, at, "peer", who(peer));
    at += (size_t)snprintf(
        out + at, cap - at, ",\"time\":%lld.%03ld}", (long long)ts.tv_sec, ts.tv_nsec / 1000000);
    return at;
}

bool sb__dead_letter_to(sb_socket *to, sb_socket *sock, sb_peer *peer, const sb_msg *msg, const char *reason,
    const char *where, sb_drop drop)
{
    char text[1536];
    sb_msg letter;
    sb_err err = SB_ECLOSED;
    sb_msg_init(&letter);
    if (to != NULL && !to->closing) {
        size_t len = header(text, sizeof text, sock, peer, reason, where);
        err = sb_msg_push(&letter, text, len, NULL);
        for (uint32_t i = msg->envelope; err == SB_OK && i < msg->n; i++)
            err = sb_msg_push(&letter, msg->frames[i].data, msg->frames[i].len, msg->frames[i].buf);
        if (err == SB_OK)
            err = sb_socket_send(to, &letter);
    }
    sb_msg_finish(&letter);
    if (err == SB_OK)
        return true;
    if (peer != NULL)
        sb__peer_drop(peer, drop, 1);
    else if (sock != NULL)
        sb_socket_count_drop(sock, drop);
    return false;
}

void sb_engine_set_dead_letter(sb_engine *engine, sb_socket *sock)
{
    engine->dead_letter = sock;
}

bool sb_engine_dead_letter(sb_engine *engine, sb_socket *sock, sb_peer *peer, const sb_msg *msg,
    const char *reason, const char *where, int drop)
{
    sb_socket *to = engine->dead_letter != sock ? engine->dead_letter : NULL; /* never of its own making */
    return sb__dead_letter_to(to, sock, peer, msg, reason, where, (sb_drop)drop);
}
