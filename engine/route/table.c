/* Compiles rows into a table: copies, checks, then the quick comparisons or a trie and a map for each frame.
 * Before: a script's declaration. After: match.c. */
#include "engine/route/internal.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct complaint {
    char *text;
    size_t cap;
};

__attribute__((format(printf, 2, 3))) static sb_err refuse(struct complaint *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (c->cap > 0)
        vsnprintf(c->text, c->cap, format, args);
    va_end(args);
    return SB_EINVAL;
}

/* ---- copies ---- */

static void *copy_octets(const void *from, size_t len)
{
    uint8_t *to = malloc(len + 1);

    if (to == NULL)
        return NULL;
    if (len > 0)
        memcpy(to, from, len);
    to[len] = '\0';
    return to;
}

static sb_err row_copy(sb_route_row *to, const sb_route_row *from)
{
    *to = *from;
    to->bytes = copy_octets(from->bytes, from->frame > 0 ? from->len : 0);
    to->reply = copy_octets(from->reply, from->reply_len);
    to->reason = from->reason != NULL ? copy_octets(from->reason, strlen(from->reason)) : NULL;
    if (from->frame == 0)
        to->len = 0;
    for (uint32_t i = 0; i < to->nto && i < SB_ROUTE_TARGETS; i++)
        if (to->weight[i] == 0)
            to->weight[i] = 1;
    if (to->bytes == NULL || to->reply == NULL || (from->reason != NULL && to->reason == NULL))
        return SB_ENOMEM;
    return SB_OK;
}

static void row_finish(sb_route_row *row)
{
    free((void *)row->bytes);
    free((void *)row->reply);
    free((void *)row->reason);
}

/* ---- checks ---- */

static sb_err check_action(const sb_route_row *row, uint32_t i, struct complaint *c)
{
    if (row->action == SB_ROUTE_CALL && row->call == NULL)
        return refuse(c, "row %u has no function", i + 1);
    if (row->action != SB_ROUTE_TO)
        return SB_OK;
    if (row->nto == 0)
        return refuse(c, "row %u has no target", i + 1);
    if (row->nto > SB_ROUTE_TARGETS)
        return refuse(c, "row %u has %u targets, at most %d are possible", i + 1, row->nto, SB_ROUTE_TARGETS);
    for (uint32_t t = 0; t < row->nto; t++)
        if (row->to[t] == NULL)
            return refuse(c, "row %u: target %u is no socket", i + 1, t + 1);
    return SB_OK;
}

/* The lowest earlier row of the group that takes everything this one would. */
static uint32_t shadow_of(const sb__route_group *g, const sb_route_row *row)
{
    uint32_t above = sb__trie_match(&g->prefixes, row->bytes, row->len, SB__ROW_NONE);
    uintptr_t same = row->equals ? (uintptr_t)sb_map_get(&g->equals, row->bytes, row->len) : 0;

    return same > 0 && same - 1 < above ? (uint32_t)(same - 1) : above;
}

static sb_err check_reach(const sb_route *route, const sb__route_group *g, uint32_t i, struct complaint *c)
{
    uint32_t above = g != NULL ? shadow_of(g, &route->rows[i]) : SB__ROW_NONE;

    if (route->all != SB__ROW_NONE)
        return refuse(
            c, "row %u can never match: row %u matches everything before it", i + 1, route->all + 1);
    if (above != SB__ROW_NONE)
        return refuse(c, "row %u can never match: row %u matches all of it before", i + 1, above + 1);
    return SB_OK;
}

/* ---- building ---- */

static sb__route_group *group_find(const sb_route *route, uint32_t frame)
{
    for (uint32_t i = 0; i < route->ngroups; i++)
        if (route->groups[i].frame == frame)
            return &route->groups[i];
    return NULL;
}

/* Rows come in rising order, so the groups are by rising `low`. */
static sb__route_group *group_add(sb_route *route, uint32_t frame, uint32_t row)
{
    sb__route_group *groups = realloc(route->groups, (route->ngroups + 1) * sizeof *groups);

    if (groups == NULL)
        return NULL;
    route->groups = groups;
    groups[route->ngroups] = (sb__route_group){.frame = frame, .low = row};
    return &groups[route->ngroups++];
}

static sb_err group_put(sb__route_group *g, const sb_route_row *row, uint32_t i)
{
    g->n++;
    if (!row->equals)
        return sb__trie_add(&g->prefixes, row->bytes, row->len, i);
    if (row->len > g->equals_size)
        g->equals_size = row->len;
    return sb_map_add(&g->equals, row->bytes, row->len, (void *)(uintptr_t)(i + 1));
}

static sb_err add_row(sb_route *route, uint32_t i, struct complaint *c)
{
    const sb_route_row *row = &route->rows[i];
    sb__route_group *g = row->frame > 0 ? group_find(route, row->frame - 1) : NULL;
    sb_err err = check_action(row, i, c);

    if (err == SB_OK)
        err = check_reach(route, g, i, c);
    if (err != SB_OK)
        return err;
    if (row->frame == 0) {
        route->all = i;
        return SB_OK;
    }
    if (g == NULL)
        g = group_add(route, row->frame - 1, i);
    return g != NULL ? group_put(g, row, i) : SB_ENOMEM;
}

static uint64_t mask_of(size_t len)
{
    return len >= 8 ? UINT64_MAX : (1ull << (8 * len)) - 1;
}

static sb__quick_row quick_of(const sb_route_row *row, uint32_t i)
{
    sb__quick_row q = {.len = row->len, .row = i, .equals = row->equals};

    q.mask[0] = mask_of(row->len);
    q.value[0] = sb__route_head(row->bytes, row->len);
    if (row->len > 8) {
        q.mask[1] = mask_of(row->len - 8);
        q.value[1] = sb__route_head(row->bytes + 8, row->len - 8);
    }
    return q;
}

/* One frame and few rows: comparing with each is faster than any structure. */
static void make_quick(sb_route *route)
{
    if (route->ngroups != 1 || route->groups[0].n > SB__QUICK_ROWS)
        return;
    route->quick_frame = route->groups[0].frame;
    for (uint32_t i = 0; i < route->n; i++)
        if (route->rows[i].frame > 0)
            route->quick[route->quick_n++] = quick_of(&route->rows[i], i);
}

static sb_err build(sb_route *route, const sb_route_row *rows, size_t n, struct complaint *c)
{
    sb_err err;

    route->rows = calloc(n + 1, sizeof *route->rows);
    route->hits = calloc(n + 1, sizeof *route->hits);
    route->current = calloc(n + 1, sizeof *route->current);
    if (route->rows == NULL || route->hits == NULL || route->current == NULL)
        return SB_ENOMEM;
    while (route->n < n) {
        err = row_copy(&route->rows[route->n], &rows[route->n]);
        route->n++;
        if (err == SB_OK)
            err = add_row(route, route->n - 1, c);
        if (err != SB_OK)
            return err;
    }
    make_quick(route);
    return SB_OK;
}

/* Frees the table, but not the calls: until create succeeded they are the caller's. */
static void discard(sb_route *route)
{
    for (uint32_t i = 0; i < route->n; i++)
        row_finish(&route->rows[i]);
    for (uint32_t i = 0; i < route->ngroups; i++) {
        sb__trie_finish(&route->groups[i].prefixes);
        sb_map_finish(&route->groups[i].equals);
    }
    free(route->groups);
    free(route->current);
    free(route->hits);
    free(route->rows);
    free(route);
}

sb_err sb_route_create(const sb_route_row *rows, size_t n, char *err, size_t err_cap, sb_route **out)
{
    struct complaint c = {.text = err, .cap = err != NULL ? err_cap : 0};
    sb_route *route;
    sb_err result;

    if (c.cap > 0)
        err[0] = '\0';
    if (n >= INT_MAX)
        return refuse(&c, "too many rows");
    route = calloc(1, sizeof *route);
    if (route == NULL)
        return SB_ENOMEM;
    route->all = SB__ROW_NONE;
    result = build(route, rows, n, &c);
    if (result == SB_OK) {
        *out = route;
        return SB_OK;
    }
    if (result == SB_ENOMEM)
        refuse(&c, "out of memory");
    discard(route);
    return result;
}

void sb_route_destroy(sb_route *route)
{
    if (route == NULL)
        return;
    for (uint32_t i = 0; i < route->n; i++) {
        sb_route_call *call = route->rows[i].call;

        if (call != NULL && call->destroy != NULL)
            call->destroy(call);
    }
    discard(route);
}
