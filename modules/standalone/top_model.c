/* From the status of a server to the numbers on the screen. Before: top.c. After: json.c. */
#include "modules/standalone/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const top_column_names[TOP_COLUMNS + 1] = {
    [TOP_NAME] = "name",
    [TOP_PEERS] = "peers",
    [TOP_IN] = "in",
    [TOP_OUT] = "out",
    [TOP_QUEUED] = "queued",
    [TOP_DROPPED] = "dropped",
};

static bool is_control(const char *p)
{
    unsigned char c = (unsigned char)p[0], next = (unsigned char)p[1];
    return c < 0x20 || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0);
}

/* Peers choose names and texts: none of them may move the cursor. */
static void clean(char *text)
{
    for (char *p = text; *p != '\0'; p++)
        if (is_control(p))
            *p = '?';
}

static void copy(char *out, size_t cap, const char *text)
{
    snprintf(out, cap, "%s", text);
    clean(out);
}

/* ---- sockets ---- */

static double sum_of(const json *object)
{
    double n = 0;
    for (const json *m = json_kids(object, ""); m != NULL; m = m->next)
        n += m->number;
    return n;
}

static void list_causes(const json *dropped, const json *failed, char *out, size_t cap)
{
    size_t at = 0;
    const json *lists[] = {dropped, failed};
    out[0] = '\0';
    for (size_t i = 0; i < 2; i++)
        for (const json *m = json_kids(lists[i], ""); m != NULL && at < cap; m = m->next)
            at += (size_t)snprintf(out + at, cap - at, "%s%s %.0f", at > 0 ? ", " : "", m->name, m->number);
    clean(out);
}

static void add_numbers(top_row *row, const json *of)
{
    double age_in = json_number(of, "queue.in.age"), age_out = json_number(of, "queue.out.age");
    row->peers += json_number(of, "peers");
    if (json_number(of, "subscriptions") > row->topics)
        row->topics = json_number(of, "subscriptions");
    row->msgs_in += json_number(of, "messages.in");
    row->msgs_out += json_number(of, "messages.out");
    row->queue_in += json_number(of, "queue.in.messages");
    row->queue_out += json_number(of, "queue.out.messages");
    row->age = age_in > row->age ? age_in : row->age;
    row->age = age_out > row->age ? age_out : row->age;
}

/* Where several workers are one socket: what they have together. */
static void fill_numbers(top_row *row, const json *socket)
{
    const json *worker = json_kids(socket, "workers");
    if (worker == NULL)
        add_numbers(row, socket);
    for (; worker != NULL; worker = worker->next)
        add_numbers(row, worker);
}

static const top_row *row_before(const top_model *before, const char *name)
{
    for (size_t i = 0; before != NULL && i < before->n; i++)
        if (strcmp(before->rows[i].name, name) == 0)
            return &before->rows[i];
    return NULL;
}

static double rate(double now, double before, double seconds)
{
    return now > before && seconds > 0 ? (now - before) / seconds : 0;
}

static void fill_rates(top_row *row, const json *socket, const top_model *before, double now)
{
    const top_row *old = row_before(before, row->name);
    row->in = json_number(socket, "rates.messages.in");
    row->out = json_number(socket, "rates.messages.out");
    if (old == NULL)
        return;
    row->in = rate(row->msgs_in, old->msgs_in, now - before->time);
    row->out = rate(row->msgs_out, old->msgs_out, now - before->time);
}

static void add_socket(top_model *m, const json *socket, const top_model *before)
{
    const json *dropped = json_at(socket, "dropped"), *failed = json_at(socket, "handshake_failures");
    if (strncmp(json_text(socket, "name"), "signalbox.", 10) == 0)
        return; /* a server's own doors */
    if (m->n == TOP_SOCKETS) {
        m->left_out++;
        return;
    }
    top_row *row = &m->rows[m->n++];
    copy(row->name, sizeof row->name, json_text(socket, "name"));
    copy(row->type, sizeof row->type, json_text(socket, "type"));
    fill_numbers(row, socket);
    fill_rates(row, socket, before, m->time);
    row->dropped = sum_of(dropped);
    row->failed = sum_of(failed);
    list_causes(dropped, failed, row->causes, sizeof row->causes);
}

/* ---- scripts and events ---- */

static int by_mean(const void *a, const void *b)
{
    double x = ((const top_slow *)a)->mean, y = ((const top_slow *)b)->mean;
    return (x < y) - (x > y);
}

/* The slowest of all scripts: a better one takes the place of the last. */
static void add_slow(top_model *m, const json *script, const json *handler)
{
    top_slow s = {.mean = json_number(handler, "mean"),
        .longest = json_number(handler, "longest"),
        .runs = json_number(handler, "runs")};
    size_t at = m->nslow < 8 ? m->nslow++ : 7;
    if (at == 7 && m->slow[7].mean > s.mean)
        return;
    copy(s.what, sizeof s.what, json_text(handler, "what"));
    copy(s.script, sizeof s.script, json_text(script, "name"));
    m->slow[at] = s;
    qsort(m->slow, m->nslow, sizeof *m->slow, by_mean);
}

static void add_fault(top_model *m, const json *script, const json *fault)
{
    const char *where = json_text(fault, "where"), *reason = json_text(fault, "reason");
    if (m->nfaults == sizeof m->faults / sizeof *m->faults)
        return;
    bool said = *where != '\0' && strncmp(reason, where, strlen(where)) == 0;
    char *out = m->faults[m->nfaults++];
    snprintf(out, sizeof *m->faults, "%s%s%s (%s, %.0f times, %.0f s ago)",
        said     ? ""
        : *where ? where
                 : json_text(script, "name"),
        said ? "" : ": ", reason, json_text(fault, "what"), json_number(fault, "count"),
        json_number(fault, "age"));
    clean(out);
}

static void add_script(top_model *m, const json *script)
{
    for (const json *h = json_kids(script, "slowest"); h != NULL; h = h->next)
        add_slow(m, script, h);
    for (const json *f = json_kids(script, "faults"); f != NULL; f = f->next)
        add_fault(m, script, f);
}

static void add_event(top_model *m, const json *event)
{
    const char *detail = json_text(event, "detail");
    if (m->nevents == sizeof m->events / sizeof *m->events ||
        strncmp(json_text(event, "socket"), "signalbox.", 10) == 0)
        return;
    char *out = m->events[m->nevents++];
    snprintf(out, sizeof *m->events, "%5.0f s  %s %s %s%s%s", json_number(event, "age"),
        json_text(event, "socket"), json_text(event, "event"), json_text(event, "address"),
        *detail != '\0' ? ": " : "", detail);
    clean(out);
}

/* ---- the whole ---- */

static void make_head(const json *status, top_model *m)
{
    char workers[48] = "";
    if (json_number(status, "workers") > 1)
        snprintf(workers, sizeof workers, "%.0f workers, lists of number %.0f, ",
            json_number(status, "workers"), json_number(status, "worker"));
    snprintf(m->head, sizeof m->head, "Signalbox %.20s, %.10s, %sprocess %.0f", json_text(status, "version"),
        json_text(status, "backend"), workers, m->pid);
    clean(m->head);
    copy(m->notice, sizeof m->notice, json_text(status, "notice"));
}

void top_model_make(const json *status, const top_model *before, top_model *out)
{
    *out = (top_model){.time = json_number(status, "time"), .pid = json_number(status, "pid")};
    make_head(status, out);
    for (const json *s = json_kids(status, "sockets"); s != NULL; s = s->next)
        add_socket(out, s, before);
    for (const json *s = json_kids(status, "scripts"); s != NULL; s = s->next)
        add_script(out, s);
    for (const json *e = json_kids(status, "events"); e != NULL; e = e->next)
        add_event(out, e);
}

/* ---- order ---- */

static double key_of(const top_row *row, top_column by)
{
    switch (by) {
    case TOP_PEERS:
        return row->peers;
    case TOP_IN:
        return row->in;
    case TOP_OUT:
        return row->out;
    case TOP_QUEUED:
        return row->queue_in + row->queue_out;
    case TOP_DROPPED:
        return row->dropped + row->failed;
    default:
        return 0;
    }
}

/* Names from a to z, numbers from the largest; rows of the same number stay in the order of names. */
static int compare(const top_row *a, const top_row *b, top_column by)
{
    double x = key_of(a, by), y = key_of(b, by);
    return x != y ? (x < y ? 1 : -1) : strcmp(a->name, b->name);
}

void top_model_sort(top_model *m, top_column by, bool reverse)
{
    for (size_t i = 1; i < m->n; i++) {
        top_row row = m->rows[i];
        size_t at = i;
        for (; at > 0 && compare(&row, &m->rows[at - 1], by) * (reverse ? -1 : 1) < 0; at--)
            m->rows[at] = m->rows[at - 1];
        m->rows[at] = row;
    }
}
