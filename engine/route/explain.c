/* A row of a route table as a line of text. Place: for people; asked by socket:explain and `signalbox route`.
 */
#include "engine/route/internal.h"

#include <stdarg.h>
#include <stdio.h>

struct text {
    char *out;
    size_t cap, len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...)
{
    va_list args;
    int n;

    if (t->len + 1 >= t->cap)
        return;
    va_start(args, format);
    n = vsnprintf(t->out + t->len, t->cap - t->len, format, args);
    va_end(args);
    t->len += n > 0 ? (size_t)n : 0;
    if (t->len >= t->cap)
        t->len = t->cap - 1;
}

static void add_quoted(struct text *t, const uint8_t *p, size_t len)
{
    add(t, "\"");
    for (size_t i = 0; i < len && t->len + 1 < t->cap; i++)
        if (p[i] == '"' || p[i] == '\\')
            add(t, "\\%c", p[i]);
        else
            add(t, p[i] >= 32 && p[i] < 127 ? "%c" : "\\x%02x", p[i]);
    add(t, "\"");
}

static void add_condition(struct text *t, const sb_route_row *row)
{
    if (row->frame == 0) {
        add(t, "every message");
        return;
    }
    add(t, "frame %u %s ", row->frame, row->equals ? "equals" : "starts with");
    add_quoted(t, row->bytes, row->len);
}

static void add_targets(struct text *t, const sb_route_row *row, const char *(*name)(const sb_socket *))
{
    for (uint32_t i = 0; i < row->nto; i++) {
        const char *who = name(row->to[i]);

        add(t, "%s%s", i > 0 ? ", " : "", who != NULL ? who : "?");
        if (row->nto > 1)
            add(t, " (%u)", row->weight[i]);
    }
    if (row->reason != NULL)
        add(t, " as dead letter: %s", row->reason);
}

static void add_action(struct text *t, const sb_route_row *row, const char *(*name)(const sb_socket *))
{
    switch (row->action) {
    case SB_ROUTE_TO:
        add_targets(t, row, name);
        break;
    case SB_ROUTE_REPLY:
        add(t, "reply ");
        add_quoted(t, row->reply, row->reply_len);
        break;
    case SB_ROUTE_CALL:
        add(t, "function");
        break;
    case SB_ROUTE_DROP:
        add(t, "drop");
        break;
    }
}

void sb_route_explain(
    const sb_route *route, size_t row, const char *(*name)(const sb_socket *), char *out, size_t cap)
{
    struct text t = {.out = out, .cap = cap};

    if (cap == 0)
        return;
    out[0] = '\0';
    if (row >= route->n)
        return;
    add(&t, "row %zu: ", row + 1);
    add_condition(&t, &route->rows[row]);
    add(&t, " -> ");
    add_action(&t, &route->rows[row], name);
}
