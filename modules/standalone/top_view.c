/* The screen as lines of text. Before: top.c. After: top_model.c. */
#include "modules/standalone/top.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOLD  "\033[1m"
#define SOFT  "\033[2m"
#define WARN  "\033[33m"
#define PLAIN "\033[0m"

typedef struct drawing {
    const top_view *view;
    top_text *out;
    unsigned lines; /* so far */
} drawing;

static bool reserve(top_text *t, size_t more)
{
    if (t->len + more < t->cap)
        return true;
    size_t cap = t->cap * 2 > t->len + more + 1024 ? t->cap * 2 : t->len + more + 1024;
    char *text = realloc(t->text, cap);
    if (text == NULL)
        return false;
    t->text = text;
    t->cap = cap;
    return true;
}

static void put(top_text *t, const char *text, size_t len)
{
    if (!reserve(t, len))
        return;
    memcpy(t->text + t->len, text, len);
    t->len += len;
    t->text[t->len] = '\0';
}

/* Octets of the first `width` characters of UTF-8. */
static size_t cut(const char *text, unsigned width)
{
    size_t i = 0;
    unsigned n = 0;
    for (; text[i] != '\0'; i++) {
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
        if (n > width)
            break;
    }
    return i;
}

/* Lines there is room for; the last one is for the keys. */
static unsigned room(const drawing *d)
{
    unsigned keys = d->view->keys != NULL;
    if (d->view->height == 0)
        return 1000;
    return d->view->height > d->lines + keys ? d->view->height - d->lines - keys : 0;
}

static void put_styled(drawing *d, const char *style, const char *text)
{
    bool styled = d->view->styled && *style != '\0';
    if (styled)
        put(d->out, style, strlen(style));
    put(d->out, text, d->view->width > 0 ? cut(text, d->view->width) : strlen(text));
    if (styled)
        put(d->out, PLAIN, strlen(PLAIN));
    put(d->out, "\n", 1);
    d->lines++;
}

static void line(drawing *d, const char *style, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void line(drawing *d, const char *style, const char *fmt, ...)
{
    char text[512];
    va_list args;
    if (room(d) == 0)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == ' ')
        text[--len] = '\0';
    put_styled(d, style, text);
}

/* ---- numbers ---- */

typedef struct number {
    char text[16];
} number;

static number brief(double n)
{
    static const char units[] = " kMGT";
    number out;
    size_t i = 0;
    while (n >= 9999.5 && units[i + 1] != '\0') {
        n /= 1000;
        i++;
    }
    if (i == 0)
        snprintf(out.text, sizeof out.text, "%.*f", n > 0 && n < 9.95 && n != (double)(long)n ? 1 : 0, n);
    else
        snprintf(out.text, sizeof out.text, "%.0f%c", n, units[i]);
    return out;
}

static number span(double s)
{
    number out;
    if (s <= 0)
        snprintf(out.text, sizeof out.text, "-");
    else if (s < 1e-3)
        snprintf(out.text, sizeof out.text, "%.0fus", s * 1e6);
    else if (s < 1)
        snprintf(out.text, sizeof out.text, "%.0fms", s * 1e3);
    else if (s < 600)
        snprintf(out.text, sizeof out.text, "%.0fs", s);
    else
        snprintf(out.text, sizeof out.text, "%.0fmin", s / 60);
    return out;
}

/* ---- parts ---- */

static void draw_head(drawing *d, const top_model *m)
{
    double peers = 0, in = 0, out = 0, queued = 0, lost = 0;
    for (size_t i = 0; i < m->n; i++) {
        const top_row *r = &m->rows[i];
        peers += r->peers;
        in += r->in;
        out += r->out;
        queued += r->queue_in + r->queue_out;
        lost += r->dropped;
    }
    line(d, BOLD, "%s", m->head);
    size_t n = m->n + m->left_out;
    line(d, "", "%zu socket%s, %s peer%s, %s/s in, %s/s out, %s queued, %s dropped", n, n == 1 ? "" : "s",
        brief(peers).text, peers == 1 ? "" : "s", brief(in).text, brief(out).text, brief(queued).text,
        brief(lost).text);
    if (d->view->note != NULL)
        line(d, WARN, "%s", d->view->note);
    else if (*m->notice != '\0')
        line(d, SOFT, "%s", m->notice);
    else
        line(d, "", "%s", "");
}

static void draw_titles(drawing *d)
{
    static const char *const titles[] = {"SOCKET", "PEERS", "IN/S", "OUT/S", "QUEUED", "DROPPED"};
    char marked[TOP_COLUMNS][12];
    for (int i = 0; i < TOP_COLUMNS; i++)
        snprintf(marked[i], sizeof marked[i], "%s%s", titles[i],
            (int)d->view->sort == i && d->view->styled ? "*" : "");
    line(d, BOLD, "%-20s %-7s %6s %7s %7s %8s %6s %8s", marked[TOP_NAME], "TYPE", marked[TOP_PEERS],
        marked[TOP_IN], marked[TOP_OUT], marked[TOP_QUEUED], "AGE", marked[TOP_DROPPED]);
}

static void draw_row(drawing *d, const top_row *r)
{
    bool wide = d->view->width == 0 || d->view->width >= 100;
    line(d, r->queue_in + r->queue_out > 0 ? WARN : "", "%-20.20s %-7.7s %6s %7s %7s %8s %6s %8s  %s",
        r->name, r->type, brief(r->peers).text, brief(r->in).text, brief(r->out).text,
        brief(r->queue_in + r->queue_out).text, span(r->age).text, brief(r->dropped).text,
        wide ? r->causes : "");
}

/* Sockets get what the rest leaves, but not less than half of a small screen. */
static size_t rows_shown(const drawing *d, const top_model *m)
{
    size_t rest = room(d), others = 3 + (m->nslow < 3 ? m->nslow : 3) + (m->nfaults < 2 ? m->nfaults : 2) + 4;
    size_t most = rest > 2 * others ? rest - others : (rest + 1) / 2;
    return d->view->height == 0 || m->n < most ? m->n : most;
}

static void draw_sockets(drawing *d, const top_model *m)
{
    draw_titles(d);
    size_t shown = rows_shown(d, m), first = d->view->first;
    if (first + shown > m->n)
        first = m->n - shown;
    for (size_t i = first; i < first + shown; i++)
        draw_row(d, &m->rows[i]);
    if (first + shown < m->n)
        line(d, SOFT, "and %zu more below", m->n - first - shown + m->left_out);
}

/* Why messages were dropped and handshakes failed, where the table has no room to say it. */
static void draw_causes(drawing *d, const top_model *m)
{
    for (size_t i = 0, n = 0; i < m->n && n < 4 && d->view->width > 0 && d->view->width < 100; i++) {
        if (*m->rows[i].causes == '\0')
            continue;
        if (n++ == 0)
            line(d, BOLD, "DROPPED, FAILED");
        line(d, "", "%-20.20s %s", m->rows[i].name, m->rows[i].causes);
    }
}

static void draw_slow(drawing *d, const top_model *m)
{
    size_t n = d->view->height > 0 && d->view->height < 40 && m->nslow > 3 ? 3 : m->nslow;
    if (n > 0)
        line(d, BOLD, "%-42s %8s %8s", "SLOWEST HANDLERS", "MEAN", "LONGEST");
    for (size_t i = 0; i < n; i++)
        line(d, "", "%-28.28s %-13.13s %8s %8s", m->slow[i].what, m->slow[i].script,
            span(m->slow[i].mean).text, span(m->slow[i].longest).text);
}

static void draw_list(drawing *d, const char *title, const char *style, const char (*texts)[160], size_t n)
{
    if (n > 0)
        line(d, BOLD, "%s", title);
    for (size_t i = 0; i < n; i++)
        line(d, style, "%s", texts[i]);
}

void top_draw(const top_model *m, const top_view *view, top_text *out)
{
    drawing d = {.view = view, .out = out};
    draw_head(&d, m);
    draw_sockets(&d, m);
    draw_causes(&d, m);
    draw_slow(&d, m);
    draw_list(&d, "LAST ERRORS", WARN, m->faults, m->nfaults);
    draw_list(&d, "EVENTS", SOFT, m->events, m->nevents);
    if (view->keys == NULL)
        return;
    while (room(&d) > 0)
        line(&d, "", "%s", "");
    put_styled(&d, SOFT, view->keys);
    out->len--; /* the last line has no end: the screen would move */
    out->text[out->len] = '\0';
}
