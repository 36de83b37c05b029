/* A script's file in memory, and what its options make of it. */
#ifndef SIGNALBOX_SCRIPT_FILE_H
#define SIGNALBOX_SCRIPT_FILE_H

#include "modules/library/board.h"
#include "modules/standalone/options.h"

typedef struct script_file {
    char *text;
    size_t len;
    sb_script_config script; /* refers to text and to the options */
} script_file;

/* Says on stderr why not when it returns false. */
bool script_file_init(script_file *file, const options *opts);
void script_file_finish(script_file *file);

/* The board's configuration; refers to `file`. */
sb_board_config script_file_board(const script_file *file, const options *opts, sb_host *host);

/* Lines on stderr, "signalbox: error: ..."; below SB_LOG_INFO only when `verbose`. */
void log_line(bool verbose, sb_log_level level, const char *line);

#endif
