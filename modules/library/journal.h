/* What happened lately on an engine's sockets. Stands between the engine and the host: hands everything on,
 * remembers the last events. Private to modules/library. */
#ifndef SB_LIBRARY_JOURNAL_H
#define SB_LIBRARY_JOURNAL_H

#include "engine/signalbox.h"

#define SB__JOURNAL_SIZE 100

typedef struct sb__journal_entry {
    uint64_t time; /* of the engine; ns */
    uint64_t conn_id;
    const char *event;
    char socket[48], address[80], detail[128];
} sb__journal_entry;

typedef struct sb__journal {
    sb_host base; /* for the engine */
    sb_host *outer;
    uint64_t n; /* events ever told; the last SB__JOURNAL_SIZE of them are there */
    sb__journal_entry entries[SB__JOURNAL_SIZE];
} sb__journal;

void sb__journal_init(sb__journal *j, sb_host *outer);
/* The i-th newest, from 0; NULL: there are not so many. */
const sb__journal_entry *sb__journal_get(const sb__journal *j, size_t i);

#endif
