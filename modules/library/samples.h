/* Samples: every number of a board, with the name and labels it has in Prometheus. Hosts print them, sum them
 * over workers, or keep them over a reload. */
#ifndef SB_SAMPLES_H
#define SB_SAMPLES_H

#include "modules/library/board.h"
#include "modules/library/text.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sb_sample_kind {
    SB_SAMPLE_COUNTER,  /* only grows while the board lives: sums over workers and generations make sense */
    SB_SAMPLE_GAUGE,    /* of now: sums over workers do */
    SB_SAMPLE_HISTOGRAM /* counters that belong together: suffix _bucket (label le), _sum, _count */
} sb_sample_kind;

#define SB_SAMPLE_LABELS 3

/* Strings are borrowed for the call. */
typedef struct sb_sample {
    const char *family; /* "signalbox_messages_total" */
    const char *suffix; /* of histograms, else "" */
    const char *help;   /* one line */
    sb_sample_kind kind;
    struct {
        const char *name, *value;
    } labels[SB_SAMPLE_LABELS]; /* the first without a name ends them */
    double value;
} sb_sample;

/* One label more; false: it has as many as there can be. */
bool sb_sample_label(sb_sample *sample, const char *name, const char *value);

typedef void sb_sample_fn(void *arg, const sb_sample *sample);

/* Tells all samples; those of a family come one behind the other. fn must not change the board. */
void sb_board_each_sample(sb_board *board, sb_sample_fn *fn, void *arg);

/* Appends Prometheus' text format 0.0.4 of everything. */
void sb_board_metrics(sb_board *board, sb_text *out);

/* The same sample by sample, for hosts that have samples from elsewhere too. All zero is empty. Families must
 * come together here as well. */
typedef struct sb_exposition {
    sb_text text;
    char family[128]; /* private: the last one */
} sb_exposition;
void sb_exposition_add(sb_exposition *e, const sb_sample *sample);

#ifdef __cplusplus
}
#endif
#endif
