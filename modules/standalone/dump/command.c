/* One row per command. Before: decoder.c. */
#include "modules/standalone/dump/command.h"

#include "engine/wire/command.h"
#include "engine/wire/metadata.h"

#include <stdio.h>

/* What a row may write to. */
typedef struct show {
    line *out;
    char *type;
    size_t room;
} show;

static void keep_type(const show *s, const sb__metadata *property)
{
    if (sb__metadata_is(property, "Socket-Type"))
        snprintf(s->type, s->room, "%.*s", (int)property->value_len, (const char *)property->value);
}

static void show_metadata(const show *s, sb__cursor data)
{
    sb__metadata property;
    while (sb__metadata_get(&data, &property)) {
        line_put(s->out, " ");
        line_name(s->out, property.name, property.name_len);
        line_put(s->out, "=");
        line_quote(s->out, property.value, property.value_len, property.value_len);
        keep_type(s, &property);
    }
    if (sb__cursor_left(&data) > 0)
        line_put(s->out, " (malformed metadata)");
}

static void show_error(const show *s, sb__cursor data)
{
    const uint8_t *reason;
    uint8_t len;
    line_put(s->out, " ");
    if (sb__error_get(data, &reason, &len))
        line_quote(s->out, reason, len, len);
    else
        line_put(s->out, "(malformed)");
}

static void show_text(const show *s, sb__cursor data)
{
    size_t len = sb__cursor_left(&data);
    line_put(s->out, " ");
    line_quote(s->out, data.p, len, len);
}

static void show_context(const show *s, const sb__ping *ping)
{
    if (ping->context_len == 0)
        return;
    line_put(s->out, " context=");
    line_quote(s->out, ping->context, ping->context_len, ping->context_len);
}

static void show_ping(const show *s, sb__cursor data)
{
    sb__ping ping;
    if (!sb__ping_get(data, &ping)) {
        line_put(s->out, " (malformed)");
        return;
    }
    line_put(s->out, " ttl=%u.%us", ping.ttl / 10, ping.ttl % 10);
    show_context(s, &ping);
}

static void show_pong(const show *s, sb__cursor data)
{
    sb__ping pong;
    if (sb__pong_get(data, &pong))
        show_context(s, &pong);
    else
        line_put(s->out, " (malformed)");
}

/* PLAIN's; the password is nobody's business. */
static void show_hello(const show *s, sb__cursor data)
{
    const uint8_t *name;
    uint8_t len;
    if (!sb__cursor_u8(&data, &len) || !sb__cursor_take(&data, len, &name)) {
        line_put(s->out, " (malformed)");
        return;
    }
    line_put(s->out, " username=");
    line_quote(s->out, name, len, len);
}

static const struct row {
    void (*show)(const show *s, sb__cursor data);
    bool sealed; /* with CURVE */
} rows[SB__COMMAND_COUNT] = {
    [SB__COMMAND_READY] = {show_metadata, true},
    [SB__COMMAND_INITIATE] = {show_metadata, true},
    [SB__COMMAND_HELLO] = {show_hello, true},
    [SB__COMMAND_WELCOME] = {NULL, true},
    [SB__COMMAND_ERROR] = {show_error, false},
    [SB__COMMAND_SUBSCRIBE] = {show_text, false},
    [SB__COMMAND_CANCEL] = {show_text, false},
    [SB__COMMAND_JOIN] = {show_text, false},
    [SB__COMMAND_LEAVE] = {show_text, false},
    [SB__COMMAND_PING] = {show_ping, false},
    [SB__COMMAND_PONG] = {show_pong, false},
};

void command_show(line *l, const command_view *view, char *type, size_t room)
{
    show s = {.out = l, .type = type, .room = room};
    sb__command_id id;
    sb__cursor data;
    if (!sb__command_get(view->body, view->kept, &id, &data)) {
        line_put(l, "command without a name, %llu octets", (unsigned long long)view->size);
        return;
    }
    line_name(l, view->body + 1, view->body[0]);
    if (view->curve && rows[id].sealed)
        line_put(l, " sealed, %llu octets", (unsigned long long)view->size);
    else if (view->kept < view->size || (rows[id].show == NULL && sb__cursor_left(&data) > 0))
        line_put(l, " %llu octets", (unsigned long long)view->size);
    else if (rows[id].show != NULL)
        rows[id].show(&s, data);
}
