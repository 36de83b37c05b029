/* The pages of a board over HTTP, for hosts that are no web server: a STREAM socket of the board's engine
 * answers GET for the status page, its JSON and the metrics. Private to modules/library; hosts name an
 * endpoint in sb_board_config. */
#ifndef SB_LIBRARY_WEB_H
#define SB_LIBRARY_WEB_H

#include "modules/library/board.h"

#define SB__WEB_SOCKET "signalbox.status" /* its name */

typedef struct sb__web sb__web;

/* Binds. The engine may be a plan's: then board is NULL, and nobody will ask. `err` gets one line. */
sb_err sb__web_create(
    sb_engine *engine, sb_board *board, const char *endpoint, char *err, size_t cap, sb__web **out);
/* After the engine. NULL is allowed. */
void sb__web_destroy(sb__web *web);

#endif
