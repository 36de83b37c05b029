/* The state of a board as JSON. Private to modules/library; hosts call sb_board_status. */
#ifndef SB_LIBRARY_STATUS_H
#define SB_LIBRARY_STATUS_H

#include "modules/library/board.h"
#include "modules/library/journal.h"

void sb__status_put(sb_board *board, const sb__journal *journal, sb_text *out);

#endif
