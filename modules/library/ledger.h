/* A ledger: the counters of boards, added up in a zone, so that totals go on over workers, crashes and
 * reloads.
 *
 * Each sample that only grows is an entry of the dictionary SB_LEDGER, under its Prometheus name with labels
 * ("signalbox_messages_total{socket=\"front\",dir=\"in\"}"). Gauges are of now and not kept. But where
 * several workers are one socket each of them leaves in SB_LEDGER_WORKERS what it has now, counters too, with
 * a label more (worker="1"); what a worker that is gone left there ends by itself. */
#ifndef SB_LEDGER_H
#define SB_LEDGER_H

#include "modules/library/samples.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SB_LEDGER         "signalbox.counters"
#define SB_LEDGER_WORKERS "signalbox.workers"
#define SB_LEDGER_FRESH   5000 /* ms that what a worker left is believed: it is left every second */

/* Over the memory that the scripts' sb.shared uses (sb_script_config.zone). SB_EINVAL, SB_ENOMEM. */
sb_err sb_ledger_create(void *zone, size_t size, sb_ledger **out);
/* NULL is allowed. */
void sb_ledger_destroy(sb_ledger *ledger);

/* Adds what the counters of this board grew by since the last time. What a full zone refuses is added later.
 */
void sb_ledger_take(sb_ledger *ledger, sb_board *board);
/* The total of one counter, as it is in the zone; false when it is not there. */
bool sb_ledger_total(sb_ledger *ledger, const sb_sample *sample, double *total);
/* What another worker of the same board has, as it left it; false when there is none, or it said nothing for
 * SB_LEDGER_FRESH. */
bool sb_ledger_of_worker(
    sb_ledger *ledger, sb_board *board, const sb_sample *sample, uint32_t worker, double *value);
/* This board ends, another one may have taken its number: it only adds to the totals from now on. */
void sb_ledger_leave(sb_ledger *ledger);
/* Tells all totals, in no order. `name` is borrowed for the call. SB_ENOMEM: nothing was told. */
sb_err sb_ledger_each(sb_ledger *ledger, void (*fn)(void *arg, const char *name, double value), void *arg);

#ifdef __cplusplus
}
#endif
#endif
