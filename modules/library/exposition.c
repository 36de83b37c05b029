/* Samples as Prometheus' text. Before: samples.c, hosts. */
#include "modules/library/ledger.h"
#include "modules/library/samples.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Label values and help texts: a newline or a quote would end them. */
static void put_escaped(sb_text *t, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\n')
            sb_text_put(t, "\\n");
        else if (*text == '"' || *text == '\\')
            sb_text_put(t, "\\%c", *text);
        else
            sb_text_put(t, "%c", *text);
}

static void put_head(sb_exposition *e, const sb_sample *s)
{
    sb_text *t = &e->text;
    static const char *const kinds[] = {
        [SB_SAMPLE_COUNTER] = "counter",
        [SB_SAMPLE_GAUGE] = "gauge",
        [SB_SAMPLE_HISTOGRAM] = "histogram",
    };
    if (strcmp(e->family, s->family) == 0)
        return;
    snprintf(e->family, sizeof e->family, "%s", s->family);
    if (s->help != NULL && *s->help != '\0') {
        sb_text_put(t, "# HELP %s ", s->family);
        put_escaped(t, s->help);
        sb_text_put(t, "\n");
    }
    sb_text_put(t, "# TYPE %s %s\n", s->family, kinds[s->kind]);
}

static void put_labels(sb_text *t, const sb_sample *s)
{
    size_t i;
    for (i = 0; i < SB_SAMPLE_LABELS && s->labels[i].name != NULL; i++) {
        sb_text_put(t, "%s%s=\"", i == 0 ? "{" : ",", s->labels[i].name);
        put_escaped(t, s->labels[i].value);
        sb_text_put(t, "\"");
    }
    sb_text_put(t, i > 0 ? "} " : " ");
}

/* Whole numbers as such: nobody wants to read 1.2e+06 messages. */
static void put_value(sb_text *t, double v)
{
    if (isnan(v))
        sb_text_put(t, "NaN\n");
    else if (isinf(v))
        sb_text_put(t, "%sInf\n", v < 0 ? "-" : "+");
    else if (v == floor(v) && fabs(v) < 9e15)
        sb_text_put(t, "%.0f\n", v);
    else
        sb_text_put(t, "%.9g\n", v);
}

void sb_exposition_add(sb_exposition *e, const sb_sample *sample)
{
    put_head(e, sample);
    sb_text_put(&e->text, "%s%s", sample->family, sample->suffix);
    put_labels(&e->text, sample);
    put_value(&e->text, sample->value);
}

typedef struct page {
    sb_exposition exposition;
    sb_board *board;
    sb_ledger *ledger;
    uint32_t me, workers;
} page;

/* Those of all workers that are one socket, each with its number: its own as it is, of others what they left.
 */
static void add_of_workers(page *p, const sb_sample *sample)
{
    char number[12];
    for (uint32_t i = 0; i < p->workers; i++) {
        sb_sample told = *sample;
        snprintf(number, sizeof number, "%u", i);
        if (i != p->me &&
            (p->ledger == NULL || !sb_ledger_of_worker(p->ledger, p->board, sample, i, &told.value)))
            continue;
        sb_sample_label(&told, "worker", number);
        sb_exposition_add(&p->exposition, &told);
    }
}

/* Where counters are kept in a zone their totals are told: those of all workers, that go on over reloads. */
static void add(void *arg, const sb_sample *sample)
{
    page *p = arg;
    sb_sample told = *sample;
    if (sample->kind == SB_SAMPLE_GAUGE && p->workers > 1) {
        add_of_workers(p, sample);
        return;
    }
    if (p->ledger != NULL)
        sb_ledger_total(p->ledger, sample, &told.value);
    sb_exposition_add(&p->exposition, &told);
}

void sb_board_metrics(sb_board *board, sb_text *out)
{
    page p = {.exposition.text = *out, .board = board, .ledger = sb_board_ledger(board)};
    p.me = sb_engine_worker(sb_board_engine(board), &p.workers);
    if (p.ledger != NULL)
        sb_ledger_take(p.ledger, board);
    sb_board_each_sample(board, add, &p);
    *out = p.exposition.text;
}
