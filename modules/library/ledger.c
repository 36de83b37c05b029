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

static void take_one(void *arg, const sb_sample *sample)
{
    sb_ledger *ledger = arg;
    char name[NAME_MAX_LEN];
    size_t len = sample->kind != SB_SAMPLE_GAUGE ? name_of(sample, name, sizeof name) : 0;
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

void sb_ledger_take(sb_ledger *ledger, sb_board *board)
{
    sb_board_each_sample(board, take_one, ledger);
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
