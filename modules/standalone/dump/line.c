/* Lines that cannot overflow. Before: decoder.c. */
#include "modules/standalone/dump/line.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void cut(line *l)
{
    memcpy(l->text + l->len, "...", 4);
    l->full = 1;
}

void line_put(line *l, const char *format, ...)
{
    va_list args;
    size_t room = LINE_ROOM - l->len;
    if (l->full)
        return;
    va_start(args, format);
    int n = vsnprintf(l->text + l->len, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room)
        cut(l);
    else
        l->len += (size_t)n;
}

static void put_octet(line *l, uint8_t c, const char *special)
{
    bool plain = c >= 0x20 && c < 0x7f && strchr(special, c) == NULL;
    line_put(l, plain ? "%c" : "\\x%02x", c);
}

void line_quote(line *l, const uint8_t *octets, size_t shown, uint64_t len)
{
    line_put(l, "\"");
    for (size_t i = 0; i < shown; i++)
        put_octet(l, octets[i], "\"\\");
    line_put(l, "\"");
    if (len > shown)
        line_put(l, "+%llu", (unsigned long long)(len - shown));
}

void line_name(line *l, const uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++)
        put_octet(l, octets[i], "\\ ");
}
