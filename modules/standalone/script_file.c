/* Script files, read whole. After: run.c, check.c. */
#include "modules/standalone/script_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void log_line(bool verbose, sb_log_level level, const char *line)
{
    static const char *const prefix[] = {
        [SB_LOG_DEBUG] = "debug: ",
        [SB_LOG_INFO] = "",
        [SB_LOG_NOTICE] = "",
        [SB_LOG_WARN] = "warning: ",
        [SB_LOG_ERROR] = "error: ",
    };
    if (level >= SB_LOG_INFO || verbose)
        fprintf(stderr, "signalbox: %s%s\n", prefix[level], line);
}

/* Reads to the end, whatever kind of file it is; NULL with errno. */
static char *read_all(FILE *f, size_t *len)
{
    size_t cap = 4096, n;
    char *text = malloc(cap);
    *len = 0;
    while (text != NULL && (n = fread(text + *len, 1, cap - *len, f)) > 0) {
        *len += n;
        if (*len < cap)
            continue;
        char *more = realloc(text, cap *= 2);
        if (more == NULL)
            free(text);
        text = more;
    }
    if (text != NULL && ferror(f)) {
        free(text);
        return NULL;
    }
    return text;
}

/* "dir/routes.lua" is "routes.lua" in messages, as with Lua itself it would be the path: short and clickable
 * where the program was started. */
bool script_file_init(script_file *file, const options *opts)
{
    *file = (script_file){0};
    FILE *f = fopen(opts->file, "re");
    if (f != NULL) {
        file->text = read_all(f, &file->len);
        int saved = errno;
        fclose(f);
        errno = saved;
    }
    if (file->text == NULL) {
        fprintf(stderr, "signalbox: cannot read %s: %s\n", opts->file, strerror(errno));
        return false;
    }
    file->script = (sb_script_config){
        .name = opts->file,
        .source = file->text,
        .source_len = file->len,
        .args = (const char *const *)opts->args,
        .nargs = opts->nargs,
        .memory = opts->memory,
        .handler_time = opts->handler_time,
        .zone = opts->zone,
        .zone_size = opts->zone_size,
    };
    return true;
}

void script_file_finish(script_file *file)
{
    free(file->text);
    file->text = NULL;
}

sb_board_config script_file_board(const script_file *file, const options *opts, sb_host *host)
{
    return (sb_board_config){
        .backend = opts->backend,
        .host = host,
        .max_peers = opts->max_peers,
        .max_queued = opts->queue_limit,
        .status = opts->status[0] != '\0' ? opts->status : NULL,
        .scripts = &file->script,
        .nscripts = 1,
    };
}
