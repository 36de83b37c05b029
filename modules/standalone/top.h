/* signalbox top: what its files share. */
#ifndef SIGNALBOX_TOP_H
#define SIGNALBOX_TOP_H

#include "modules/standalone/json.h"

#include <stddef.h>
#include <stdint.h>

/* ---- top_fetch.c: the status of a server ---- */

/* Where to ask: "http://HOST[:PORT][/PATH]", "HOST:PORT", "unix:/PATH[:/PATH]". */
typedef struct source {
    char host[256]; /* or the path of a unix socket */
    char port[8];   /* "": a unix socket */
    char target[512];
} source;

bool source_parse(const char *text, source *out, char *err, size_t cap);
/* The whole answer as a tree, in `*text`, which is the caller's to free after the tree. NULL with one line in
 * `err`: it says what, where and what would be right. Waits at most a few seconds. */
json *source_fetch(const source *src, char **text, char *err, size_t cap);

/* ---- top_model.c: the numbers that are shown ---- */

#define TOP_SOCKETS 256

typedef struct top_row {
    char name[64], type[12];
    double peers, topics, msgs_in, msgs_out; /* the last two: ever */
    double in, out;                          /* per second */
    double queue_in, queue_out, age;
    double dropped, failed; /* failed: handshakes */
    char causes[96];        /* "hwm 3, no_route 1" */
} top_row;

typedef struct top_slow {
    char what[64], script[64];
    double mean, longest, runs;
} top_slow;

typedef struct top_model {
    char head[160], notice[160];
    double time, pid;
    size_t n, left_out; /* left_out: sockets beyond TOP_SOCKETS */
    top_row rows[TOP_SOCKETS];
    size_t nslow;
    top_slow slow[8];
    char faults[4][160], events[8][160];
    size_t nfaults, nevents;
} top_model;

typedef enum top_column {
    TOP_NAME,
    TOP_PEERS,
    TOP_IN,
    TOP_OUT,
    TOP_QUEUED,
    TOP_DROPPED,
    TOP_COLUMNS
} top_column;
extern const char *const top_column_names[TOP_COLUMNS + 1]; /* what --sort takes; the last is NULL */

/* Rates are of what was counted since `before`, or the server's own without one (NULL). */
void top_model_make(const json *status, const top_model *before, top_model *out);
void top_model_sort(top_model *m, top_column by, bool reverse);

/* ---- top_view.c: lines of text ---- */

typedef struct top_view {
    unsigned width, height; /* 0: as much as there is */
    bool styled;            /* with the terminal's bold and colours */
    top_column sort;
    size_t first;     /* row at the top */
    const char *note; /* instead of the notice: what went wrong; NULL: nothing */
    const char *keys; /* the last line; NULL: none */
} top_view;

/* Writes everything, lines end in "\n" (styled: cut to the width, at most `height` of them). */
typedef struct top_text {
    char *text; /* the caller's to free */
    size_t len, cap;
} top_text;
void top_draw(const top_model *m, const top_view *view, top_text *out);

#endif
