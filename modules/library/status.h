/* The state of a board as JSON. Private to modules/library; hosts call sb_board_status. */
#ifndef SB_LIBRARY_STATUS_H
#define SB_LIBRARY_STATUS_H

#include "modules/library/board.h"
#include "modules/library/journal.h"

/* crew.c: a JSON array with what each worker has of this socket; empty where one has it all. */
void sb__crew_put(sb_board *board, sb_socket *sock, sb_text *out);
void sb__status_put(sb_board *board, const sb__journal *journal, sb_text *out);

#endif
