/* Commands of ZMTP 3: names and small bodies. Place: between frames and the session; pure. */
#include "engine/wire/command.h"
#include "engine/wire/frame.h"

struct name {
    const char *text;
    uint8_t len;
};

static const struct name names[SB__COMMAND_COUNT];

static sb__command_id name_find(const uint8_t *name, size_t len)
{
    for (int id = SB__COMMAND_UNKNOWN + 1; id < SB__COMMAND_COUNT; id++)
        if (names[id].len == len && memcmp(names[id].text, name, len) == 0)
            return (sb__command_id)id;
    return SB__COMMAND_UNKNOWN;
}

bool sb__command_get(const uint8_t *body, size_t len, sb__command_id *id, sb__cursor *data)
{
    const uint8_t *name;
    uint8_t name_len;

    *data = sb__cursor_of(body, len);
    if (!sb__cursor_u8(data, &name_len) || name_len == 0 || !sb__cursor_take(data, name_len, &name))
        return false;
    *id = name_find(name, name_len);
    return true;
}

void sb__command_put(sb__bytes *out, sb__command_id id, size_t len)
{
    uint8_t head[SB__FRAME_HEAD];
    size_t size = sb__frame_put(head, SB__FRAME_COMMAND, 1ull + names[id].len + len);

    sb__bytes_put(out, head, size);
    sb__bytes_put_u8(out, names[id].len);
    sb__bytes_put(out, names[id].text, names[id].len);
}

static bool context_get(sb__cursor *data, sb__ping *out)
{
    size_t len = sb__cursor_left(data);

    if (len > SB__PING_CONTEXT)
        return false;
    out->context_len = (uint8_t)len;
    if (len > 0)
        memcpy(out->context, data->p, len);
    return true;
}

bool sb__ping_get(sb__cursor data, sb__ping *out)
{
    return sb__cursor_u16(&data, &out->ttl) && context_get(&data, out);
}

bool sb__pong_get(sb__cursor data, sb__ping *out)
{
    out->ttl = 0;
    return context_get(&data, out);
}

void sb__ping_put(sb__bytes *out, const sb__ping *ping)
{
    sb__command_put(out, SB__COMMAND_PING, 2u + ping->context_len);
    sb__bytes_put_u16(out, ping->ttl);
    sb__bytes_put(out, ping->context, ping->context_len);
}

void sb__pong_put(sb__bytes *out, const sb__ping *pong)
{
    sb__command_put(out, SB__COMMAND_PONG, pong->context_len);
    sb__bytes_put(out, pong->context, pong->context_len);
}

bool sb__error_get(sb__cursor data, const uint8_t **reason, uint8_t *len)
{
    return sb__cursor_u8(&data, len) && sb__cursor_take(&data, *len, reason) && sb__cursor_left(&data) == 0;
}

void sb__error_put(sb__bytes *out, const char *reason)
{
    uint8_t len = (uint8_t)strnlen(reason, 255);

    sb__command_put(out, SB__COMMAND_ERROR, 1u + len);
    sb__bytes_put_u8(out, len);
    sb__bytes_put(out, reason, len);
}

#define NAME(text)                                                                                           \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }

static const struct name names[SB__COMMAND_COUNT] = {
    [SB__COMMAND_UNKNOWN] = NAME(""),
    [SB__COMMAND_READY] = NAME("READY"),
    [SB__COMMAND_ERROR] = NAME("ERROR"),
    [SB__COMMAND_SUBSCRIBE] = NAME("SUBSCRIBE"),
    [SB__COMMAND_CANCEL] = NAME("CANCEL"),
    [SB__COMMAND_JOIN] = NAME("JOIN"),
    [SB__COMMAND_LEAVE] = NAME("LEAVE"),
    [SB__COMMAND_PING] = NAME("PING"),
    [SB__COMMAND_PONG] = NAME("PONG"),
    [SB__COMMAND_HELLO] = NAME("HELLO"),
    [SB__COMMAND_WELCOME] = NAME("WELCOME"),
    [SB__COMMAND_INITIATE] = NAME("INITIATE"),
};
