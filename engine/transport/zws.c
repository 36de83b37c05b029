/* ZWS 2.0 as a session sees ZMTP. Before: the session's octets, through ws.c. After: WebSocket messages, and
 * back. */
#include "engine/transport/zws.h"
#include "engine/wire/command.h"
#include "engine/wire/frame.h"
#include "engine/wire/metadata.h"

#include <string.h>

/* ---- what the session wrote ---- */

static size_t least(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

static void command_done(sb__zws_out *z, const sb__zws_sink *sink, void *arg)
{
    sink->command(arg, sb__bytes_data(&z->command), sb__bytes_len(&z->command));
    sb__bytes_finish(&z->command);
    z->command = (sb__bytes){0};
}

static void body_done(sb__zws_out *z, const sb__zws_sink *sink, void *arg)
{
    z->body = false;
    z->head_len = 0;
    if (z->in_command)
        command_done(z, sink, arg);
}

/* An octet of a head; with the last one the body begins. */
static void take_head(sb__zws_out *z, uint8_t octet, const sb__zws_sink *sink, void *arg)
{
    unsigned flags;
    z->head[z->head_len++] = octet;
    if (sb__frame_get(z->head, z->head_len, &flags, &z->left) == 0)
        return;
    z->body = true;
    z->in_command = (flags & SB__FRAME_COMMAND) != 0;
    if (!z->in_command)
        sink->begin(arg, flags & SB__FRAME_MORE ? SB__ZWS_MORE : 0, z->left);
    if (z->left == 0)
        body_done(z, sink, arg);
}

static size_t take_body(sb__zws_out *z, const uint8_t *data, size_t len, const sb__zws_sink *sink, void *arg)
{
    size_t n = least(z->left, len);
    if (z->in_command)
        sb__bytes_put(&z->command, data, n);
    else
        sink->body(arg, data, n);
    z->left -= n;
    if (z->left == 0 && !z->command.failed)
        body_done(z, sink, arg);
    return n;
}

bool sb__zws_write(sb__zws_out *z, const uint8_t *data, size_t len, const sb__zws_sink *sink, void *arg)
{
    const uint8_t *end = data + len;
    while (data < end && !z->command.failed) {
        if (z->greeting_len < SB__GREETING_SIZE)
            z->greeting_len++, data++;
        else if (z->body)
            data += take_body(z, data, (size_t)(end - data), sink, arg);
        else
            take_head(z, *data++, sink, arg);
    }
    return !z->command.failed;
}

void sb__zws_finish(sb__zws_out *z)
{
    sb__bytes_finish(&z->command);
}

/* ---- what the session reads ---- */

void sb__zws_greeting(uint8_t out[SB__GREETING_SIZE], const char *mechanism, bool as_server)
{
    sb__greeting_put(out, mechanism, as_server);
    out[SB__GREETING_SIGNATURE + 1] = 0; /* minor */
}

bool sb__zws_identity(const uint8_t *ready, size_t len, const uint8_t **id, size_t *id_len)
{
    sb__command_id command;
    sb__cursor data;
    sb__metadata m;
    *id_len = 0;
    if (!sb__command_get(ready, len, &command, &data) || command != SB__COMMAND_READY)
        return false;
    while (sb__metadata_get(&data, &m)) {
        if (!sb__metadata_is(&m, "Identity"))
            continue;
        *id = m.value;
        *id_len = m.value_len;
    }
    return true;
}

static sb_type most_general(sb_type ours)
{
    uint32_t peers = sb_type_peers(ours);
    return (sb_type)(31 - __builtin_clz(peers | 1));
}

void sb__zws_ready(sb__bytes *out, sb_type ours, const uint8_t *id, size_t len)
{
    const char *type = sb_type_name(most_general(ours));
    sb__bytes properties = {0};
    sb__metadata_put(&properties, "Socket-Type", type, (uint32_t)strlen(type));
    sb__metadata_put(&properties, "Identity", id, (uint32_t)len);
    sb__command_put(out, SB__COMMAND_READY, sb__bytes_len(&properties));
    sb__bytes_put(out, sb__bytes_data(&properties), sb__bytes_len(&properties));
    out->failed = out->failed || properties.failed;
    sb__bytes_finish(&properties);
}

/* ---- heartbeats: WebSocket has its own ---- */

bool sb__zws_ping(const uint8_t *command, size_t len, const uint8_t **context, size_t *context_len)
{
    sb__command_id id;
    sb__cursor data;
    uint16_t ttl;
    if (!sb__command_get(command, len, &id, &data) || id != SB__COMMAND_PING || !sb__cursor_u16(&data, &ttl))
        return false;
    *context = data.p;
    *context_len = sb__cursor_left(&data);
    return true;
}

bool sb__zws_pong(sb__bytes *out, const uint8_t *payload, size_t len)
{
    sb__ping pong = {.context_len = (uint8_t)len};
    if (len > SB__PING_CONTEXT)
        return false;
    if (len > 0)
        memcpy(pong.context, payload, len);
    sb__pong_put(out, &pong);
    return true;
}
