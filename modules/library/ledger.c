/* Ledgers: counters of boards, added up in a zone. Before: the hosts. After: samples.c, engine/base/zone.c.
 */
#include "modules/library/ledger.h"

#include "engine/base/map.h"
#include "engine/base/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 512

/* What was added of one counter until now. */
typedef struct taken {
    struct taken *next;
    double value;
} taken;

struct sb_ledger {
    sb__zone zone;
    sb_map by_name;
    taken *all;
    bool leaves; /* shows other workers nothing any more */
};

sb_err sb_ledger_create(void *zone, size_t size, sb_ledger **out)
{
    sb_ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL)
        return SB_ENOMEM;
    sb_map_init(&ledger->by_name);
    sb_err err = sb__zone_open(zone, size, &ledger->zone);
    if (err != SB_OK) {
        sb_ledger_destroy(ledger);
        return err;
    }
    *out = ledger;
    return SB_OK;
}

void sb_ledger_destroy(sb_ledger *ledger)
{
    if (ledger == NULL)
        return;
    sb_map_finish(&ledger->by_name);
    while (ledger->all != NULL) {
        taken *t = ledger->all;
        ledger->all = t->next;
        free(t);
    }
    free(ledger);
}

/* Octets written; those of a name that is too long do not count. */
static size_t name_of(const sb_sample *s, char *out, size_t cap)
{
    size_t n = (size_t)snprintf(out, cap, "%s%s", s->family, s->suffix);
    for (int i = 0; i < SB_SAMPLE_LABELS && s->labels[i].name != NULL && n < cap; i++)
        n += (size_t)snprintf(
            out + n, cap - n, "%c%s=\"%s\"", i == 0 ? '{' : ',', s->labels[i].name, s->labels[i].value);
    if (s->labels[0].name != NULL && n < cap)
        n += (size_t)snprintf(out + n, cap - n, "}");
    return n < cap ? n : 0;
}

static taken *find_or_add(sb_ledger *ledger, const char *name, size_t len)
{
    taken *t = sb_map_get(&ledger->by_name, name, len);
    if (t != NULL)
        return t;
    t = calloc(1, sizeof *t);
    if (t == NULL || sb_map_add(&ledger->by_name, name, len, t) != SB_OK) {
        free(t);
        return NULL;
    }
    t->next = ledger->all;
    ledger->all = t;
    return t;
}

/* A walk over the samples of a board. */
typedef struct taking {
    sb_ledger *ledger;
    uint64_t now; /* ms */
    char worker[12];
    bool shows; /* there are other workers who want to see what this one has */
} taking;

static void add_growth(sb_ledger *ledger, const sb_sample *sample)
{
    char name[NAME_MAX_LEN];
    size_t len = name_of(sample, name, sizeof name);
    taken *t = len > 0 ? find_or_add(ledger, name, len) : NULL;
    if (t == NULL || sample->value == t->value)
        return;
    if (sample->value < t->value)
        t->value = 0; /* a socket of that name was closed and made again */
    const sb__zone_key key = {.name = SB_LEDGER, .key = name, .len = len};
    const sb__zone_value zero = {.type = SB__ZONE_NUMBER};
    const sb__zone_value grown = {.type = SB__ZONE_NUMBER, .number = sample->value - t->value};
    sb__zone_value sum;
    if (sb__zone_incr(&ledger->zone, &key, &grown, &zero, 0, 0, &sum) == SB_OK)
        t->value = sample->value;
}

/* Octets written of the sample's name with the label `worker`; 0: it has no room for one. */
static size_t name_of_worker(const sb_sample *sample, const char *worker, char *out, size_t cap)
{
    sb_sample labelled = *sample;
    return sb_sample_label(&labelled, "worker", worker) ? name_of(&labelled, out, cap) : 0;
}

/* Histograms and drops are many and only of interest as totals. */
static bool is_shown(const sb_sample *sample)
{
    return sample->kind == SB_SAMPLE_GAUGE || strcmp(sample->family, "signalbox_messages_total") == 0 ||
           strcmp(sample->family, "signalbox_bytes_total") == 0;
}

static void show(const taking *t, const sb_sample *sample)
{
    char name[NAME_MAX_LEN];
    size_t len = is_shown(sample) ? name_of_worker(sample, t->worker, name, sizeof name) : 0;
    const sb__zone_key key = {.name = SB_LEDGER_WORKERS, .key = name, .len = len};
    const sb__zone_value value = {.type = SB__ZONE_NUMBER, .number = sample->value};
    if (len > 0)
        sb__zone_set(&t->ledger->zone, &key, &value, t->now, t->now + SB_LEDGER_FRESH, false);
}

static void take_one(void *arg, const sb_sample *sample)
{
    const taking *t = arg;
    if (sample->kind != SB_SAMPLE_GAUGE)
        add_growth(t->ledger, sample);
    if (t->shows)
        show(t, sample);
}

static uint64_t now_ms(sb_board *board)
{
    return sb_engine_now(sb_board_engine(board)) / SB_NS_PER_MS;
}

void sb_ledger_take(sb_ledger *ledger, sb_board *board)
{
    uint32_t workers, me = sb_engine_worker(sb_board_engine(board), &workers);
    taking t = {.ledger = ledger, .now = now_ms(board), .shows = workers > 1 && !ledger->leaves};
    snprintf(t.worker, sizeof t.worker, "%u", me);
    sb_board_each_sample(board, take_one, &t);
}

bool sb_ledger_of_worker(
    sb_ledger *ledger, sb_board *board, const sb_sample *sample, uint32_t worker, double *value)
{
    char name[NAME_MAX_LEN], number[12];
    sb__zone_value found;
    snprintf(number, sizeof number, "%u", worker);
    size_t len = name_of_worker(sample, number, name, sizeof name);
    const sb__zone_key key = {.name = SB_LEDGER_WORKERS, .key = name, .len = len};
    if (len == 0 || sb__zone_get(&ledger->zone, &key, now_ms(board), NULL, 0, &found) != SB_OK ||
        found.type != SB__ZONE_NUMBER)
        return false;
    *value = found.number;
    return true;
}

void sb_ledger_leave(sb_ledger *ledger)
{
    ledger->leaves = true;
}

bool sb_ledger_total(sb_ledger *ledger, const sb_sample *sample, double *total)
{
    char name[NAME_MAX_LEN];
    sb__zone_value value;
    size_t len = sample->kind != SB_SAMPLE_GAUGE ? name_of(sample, name, sizeof name) : 0;
    const sb__zone_key key = {.name = SB_LEDGER, .key = name, .len = len};
    if (len == 0 || sb__zone_get(&ledger->zone, &key, 0, NULL, 0, &value) != SB_OK ||
        value.type != SB__ZONE_NUMBER)
        return false;
    *total = value.number;
    return true;
}

static void tell_one(
    sb_ledger *ledger, const char *at, size_t len, void (*fn)(void *, const char *, double), void *arg)
{
    char name[NAME_MAX_LEN];
    sb__zone_value value;
    const sb__zone_key key = {.name = SB_LEDGER, .key = at, .len = len};
    if (len >= sizeof name || sb__zone_get(&ledger->zone, &key, 0, NULL, 0, &value) != SB_OK ||
        value.type != SB__ZONE_NUMBER)
        return;
    memcpy(name, at, len);
    name[len] = '\0';
    fn(arg, name, value.number);
}

sb_err sb_ledger_each(sb_ledger *ledger, void (*fn)(void *arg, const char *name, double value), void *arg)
{
    size_t all, left, n;
    sb__zone_room(&ledger->zone, &all, &left);
    char *keys = malloc(all - left + 1);
    if (keys == NULL)
        return SB_ENOMEM;
    sb__zone_keys(&ledger->zone, SB_LEDGER, 0, SIZE_MAX, keys, all - left, &n);
    for (const char *at = keys; n > 0; n--) {
        uint32_t len;
        memcpy(&len, at, sizeof len);
        tell_one(ledger, at + sizeof len, len, fn, arg);
        at += sizeof len + len;
    }
    free(keys);
    return SB_OK;
}
