/* A board: one engine with its scripts, as every host needs it. Knows the engine's and the scripts' public
 * headers. */
#ifndef SB_BOARD_H
#define SB_BOARD_H

#include "engine/context.h"
#include "engine/handler.h"
#include "lua/script.h"
#include "modules/library/text.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_board sb_board;

/* What a host's configuration says. Everything is borrowed during the call; `host` lives as long as the
 * board. */
typedef struct sb_board_config {
    const char *backend; /* "auto" (NULL), "uring", "uv" */
    sb_host *host;
    uint32_t max_peers;
    uint64_t max_queued;
    bool hold_connects;       /* until sb_engine_release_connects */
    uint32_t worker, workers; /* which one of how many workers with these scripts; 0 workers: alone */
    const char
        *status; /* endpoint to show the status page, its JSON and the metrics at, over HTTP; NULL: none */
    const sb_script_config *scripts; /* the phase is set by whoever takes the configuration */
    size_t nscripts;
} sb_board_config;

/* Where it failed. */
typedef struct sb_board_error {
    size_t script;  /* which one, nscripts when it was none */
    char text[512]; /* one line, begins with "routes.lua:12: " when a script is to blame */
} sb_board_error;

/* An engine of its own with every script's top level run. On failure nothing is left and `error` tells why.
 * Errors as sb_engine_create and sb_script_load. */
sb_err sb_board_create(const sb_board_config *cfg, sb_board_error *error, sb_board **out);
/* Closes everything at once. Not from inside a callback. NULL is allowed. */
void sb_board_destroy(sb_board *board);

sb_engine *sb_board_engine(sb_board *board);
/* Of script number i. */
sb_script *sb_board_script(sb_board *board, size_t i); /* NULL: there are not so many */
/* Its name, unique in the board: "routes.lua", "routes.lua#2" where two have the same; NULL as above. */
const char *sb_board_script_name(sb_board *board, size_t i);

/* A ledger that the counters of this board go into (ledger.h), so that pages tell the totals it keeps. The
 * caller's; NULL: none (any more). */
typedef struct sb_ledger sb_ledger;
void sb_board_set_ledger(sb_board *board, sb_ledger *ledger);
sb_ledger *sb_board_ledger(const sb_board *board);

/* What a host's log is told of an event: a line about the coming and going of peers (sb_event_line), its
 * length; 0 for all other events, and for those inside the process. */
size_t sb_board_event_line(const sb_socket *sock, const sb_event *event, char *out, size_t cap);

/* Appends one JSON object: sockets with endpoints, routes, peers, topics and counters, scripts with their
 * last errors, the last events. docs/status.md names its members. */
void sb_board_status(sb_board *board, sb_text *out);

/* The page for people that shows that object, live: HTML that needs nothing but ?format=json of its own
 * address. Static. */
const char *sb_status_page(size_t *len);

/* Tells the scripts that the end is near and drains the engine; see sb_engine_drain. */
sb_err sb_board_drain(sb_board *board, uint64_t deadline_ns, sb_drain *drain);
/* Messages that wait to be sent now, over all sockets: what ending at once would lose. */
uint64_t sb_board_unsent(sb_board *board);

#ifdef __cplusplus
}
#endif
#endif
