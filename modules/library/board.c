/* Boards: an engine and its scripts, made in this order and ended in the other. After: plan.c, the hosts. */
#include "modules/library/board.h"

#include "engine/socket.h"
#include "modules/library/journal.h"
#include "modules/library/ledger.h"
#include "modules/library/status.h"
#include "modules/library/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    sb_script *script;
    char *name;
} entry;

struct sb_board {
    sb__journal journal;
    sb_engine *engine;
    size_t n;          /* scripts loaded */
    sb_ledger *ledger; /* NULL: none */
    sb__web *web;      /* NULL: none */
    entry scripts[];
};

static char *unique_name(const sb_board *board, const char *name)
{
    char text[256];
    unsigned same = 1;
    for (size_t i = 0; i < board->n; i++)
        same += strncmp(board->scripts[i].name, name, strlen(name)) == 0 &&
                strchr("#", board->scripts[i].name[strlen(name)]) != NULL;
    snprintf(text, sizeof text, same > 1 ? "%s#%u" : "%s", name, same);
    return strdup(text);
}

static sb_err load_scripts(sb_board *board, const sb_board_config *cfg, sb_board_error *error)
{
    for (size_t i = 0; i < cfg->nscripts; i++) {
        sb_script_config script = cfg->scripts[i];
        script.phase = SB_SCRIPT_RUN;
        error->script = i;
        sb_err err = sb_script_load(
            board->engine, &script, error->text, sizeof error->text, &board->scripts[i].script);
        if (err != SB_OK)
            return err;
        board->scripts[i].name = unique_name(board, script.name != NULL ? script.name : "script");
        board->n++;
        if (board->scripts[i].name == NULL)
            return SB_ENOMEM;
    }
    return SB_OK;
}

static sb_err open_engine(sb_board *board, const sb_board_config *cfg, sb_board_error *error)
{
    sb__journal_init(&board->journal, cfg->host);
    const sb_engine_config config = {
        .backend = cfg->backend,
        .host = &board->journal.base,
        .max_peers = cfg->max_peers,
        .max_queued = cfg->max_queued,
        .hold_connects = cfg->hold_connects,
        .worker = cfg->worker,
        .workers = cfg->workers,
    };
    return sb_engine_create(&config, error->text, sizeof error->text, &board->engine);
}

static sb_err open_web(sb_board *board, const sb_board_config *cfg, sb_board_error *error)
{
    error->script = cfg->nscripts;
    return sb__web_create(board->engine, board, cfg->status, error->text, sizeof error->text, &board->web);
}

sb_err sb_board_create(const sb_board_config *cfg, sb_board_error *error, sb_board **out)
{
    sb_board *board = calloc(1, sizeof *board + cfg->nscripts * sizeof *board->scripts);
    *error = (sb_board_error){.script = cfg->nscripts};
    if (board == NULL) {
        snprintf(error->text, sizeof error->text, "%s", sb_strerror(SB_ENOMEM));
        return SB_ENOMEM;
    }
    sb_err err = open_engine(board, cfg, error);
    if (err == SB_OK)
        err = load_scripts(board, cfg, error);
    if (err == SB_OK && cfg->status != NULL)
        err = open_web(board, cfg, error);
    if (err != SB_OK) {
        sb_board_destroy(board);
        return err;
    }
    *out = board;
    return SB_OK;
}

void sb_board_destroy(sb_board *board)
{
    if (board == NULL)
        return;
    while (board->n > 0) {
        sb_script_destroy(board->scripts[--board->n].script);
        free(board->scripts[board->n].name);
    }
    sb_engine_destroy(board->engine);
    sb__web_destroy(board->web);
    free(board);
}

sb_engine *sb_board_engine(sb_board *board)
{
    return board->engine;
}

sb_script *sb_board_script(sb_board *board, size_t i)
{
    return i < board->n ? board->scripts[i].script : NULL;
}

const char *sb_board_script_name(sb_board *board, size_t i)
{
    return i < board->n ? board->scripts[i].name : NULL;
}

void sb_board_set_ledger(sb_board *board, sb_ledger *ledger)
{
    board->ledger = ledger;
}

sb_ledger *sb_board_ledger(const sb_board *board)
{
    return board->ledger;
}

void sb_board_status(sb_board *board, sb_text *out)
{
    if (board->ledger != NULL)
        sb_ledger_take(board->ledger, board);
    sb__status_put(board, &board->journal, out);
}

sb_err sb_board_drain(sb_board *board, uint64_t deadline_ns, sb_drain *drain)
{
    for (size_t i = 0; i < board->n; i++)
        sb_script_exiting(board->scripts[i].script);
    return sb_engine_drain(board->engine, deadline_ns, drain);
}

static bool add_queued(void *arg, sb_socket *sock)
{
    sb_stats stats;
    sb_socket_stats(sock, &stats);
    *(uint64_t *)arg += stats.queued_out_msgs;
    return true;
}

uint64_t sb_board_unsent(sb_board *board)
{
    uint64_t n = 0;
    sb_engine_each_socket(board->engine, add_queued, &n);
    return n;
}
