/* Samples as Prometheus' text. Before: samples.c, hosts. */
#include "modules/library/samples.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(sb_exposition *e, size_t more)
{
    if (e->len + more < e->cap)
        return true;
    size_t cap = e->cap * 2 > e->len + more + 1024 ? e->cap * 2 : e->len + more + 1024;
    char *text = e->failed ? NULL : realloc(e->text, cap);
    if (text == NULL) {
        e->failed = true;
        return false;
    }
    e->text = text;
    e->cap = cap;
    return true;
}

__attribute__((format(printf, 2, 3))) static void put(sb_exposition *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !reserve(e, (size_t)n))
        return;
    va_start(args, format);
    vsnprintf(e->text + e->len, e->cap - e->len, format, args);
    va_end(args);
    e->len += (size_t)n;
}

/* Label values and help texts: a newline or a quote would end them. */
static void put_escaped(sb_exposition *e, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\n')
            put(e, "\\n");
        else if (*text == '"' || *text == '\\')
            put(e, "\\%c", *text);
        else
            put(e, "%c", *text);
}

static void put_head(sb_exposition *e, const sb_sample *s)
{
    static const char *const kinds[] = {
        [SB_SAMPLE_COUNTER] = "counter",
        [SB_SAMPLE_GAUGE] = "gauge",
        [SB_SAMPLE_HISTOGRAM] = "histogram",
    };
    if (strcmp(e->family, s->family) == 0)
        return;
    snprintf(e->family, sizeof e->family, "%s", s->family);
    if (s->help != NULL && *s->help != '\0') {
        put(e, "# HELP %s ", s->family);
        put_escaped(e, s->help);
        put(e, "\n");
    }
    put(e, "# TYPE %s %s\n", s->family, kinds[s->kind]);
}

static void put_labels(sb_exposition *e, const sb_sample *s)
{
    size_t i;
    for (i = 0; i < SB_SAMPLE_LABELS && s->labels[i].name != NULL; i++) {
        put(e, "%s%s=\"", i == 0 ? "{" : ",", s->labels[i].name);
        put_escaped(e, s->labels[i].value);
        put(e, "\"");
    }
    put(e, i > 0 ? "} " : " ");
}

/* Whole numbers as such: nobody wants to read 1.2e+06 messages. */
static void put_value(sb_exposition *e, double v)
{
    if (isnan(v))
        put(e, "NaN\n");
    else if (isinf(v))
        put(e, "%sInf\n", v < 0 ? "-" : "+");
    else if (v == floor(v) && fabs(v) < 9e15)
        put(e, "%.0f\n", v);
    else
        put(e, "%.9g\n", v);
}

void sb_exposition_add(sb_exposition *e, const sb_sample *sample)
{
    put_head(e, sample);
    put(e, "%s%s", sample->family, sample->suffix);
    put_labels(e, sample);
    put_value(e, sample->value);
}

void sb_exposition_finish(sb_exposition *e)
{
    free(e->text);
    *e = (sb_exposition){0};
}

static void add(void *arg, const sb_sample *sample)
{
    sb_exposition_add(arg, sample);
}

char *sb_board_metrics(sb_board *board, size_t *len)
{
    sb_exposition e = {0};
    sb_board_each_sample(board, add, &e);
    if (e.failed) {
        sb_exposition_finish(&e);
        return NULL;
    }
    *len = e.len;
    return e.text;
}
