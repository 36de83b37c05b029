/* The command line, by one table of options. Before: main.c. */
#include "modules/standalone/options.h"

#include "engine/loop.h"
#include "engine/option.h"
#include "engine/base/near.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One row: how a value is read, and what to say when it cannot be. */
typedef struct option_row {
    const char *name, *right;
    bool (*read)(options *opts, const char *value);
} option_row;

static bool read_backend(options *opts, const char *value)
{
    opts->backend = value;
    return strcmp(value, "auto") == 0 || strcmp(value, "uring") == 0 || strcmp(value, "uv") == 0;
}

static bool read_size(const char *value, int64_t least, int64_t *out)
{
    return sb_option_parse_size(value, strlen(value), out) && *out >= least;
}

static bool read_memory(options *opts, const char *value)
{
    int64_t n = 0;
    bool ok = read_size(value, 64 * 1024, &n);
    opts->memory = (size_t)n;
    return ok;
}

static bool read_zone(options *opts, const char *value)
{
    int64_t n = 0;
    bool ok = read_size(value, 16 * 1024, &n);
    opts->zone_size = (size_t)n;
    return ok;
}

static bool read_queue_limit(options *opts, const char *value)
{
    int64_t n = 0;
    bool ok = read_size(value, 0, &n);
    opts->queue_limit = (uint64_t)n;
    return ok;
}

static bool read_time(const char *value, int64_t least, uint64_t *ns)
{
    int64_t ms = 0;
    if (!sb_option_parse_ms(value, strlen(value), &ms) || ms < least)
        return false;
    *ns = (uint64_t)ms * SB_NS_PER_MS;
    return true;
}

static bool read_handler_time(options *opts, const char *value)
{
    return read_time(value, 1, &opts->handler_time);
}

static bool read_linger(options *opts, const char *value)
{
    return read_time(value, 0, &opts->linger);
}

static bool read_max_peers(options *opts, const char *value)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);
    opts->max_peers = (uint32_t)n;
    return *value >= '0' && *value <= '9' && *end == '\0' && n <= UINT32_MAX;
}

static bool read_takeover(options *opts, const char *value)
{
    opts->overlap = strcmp(value, "overlap") == 0;
    return opts->overlap || strcmp(value, "drain") == 0;
}

/* HOST:PORT or unix:/PATH, as people write addresses of web servers. */
static bool read_status(options *opts, const char *value)
{
    const char *scheme = strncmp(value, "unix:/", 6) == 0 ? "ipc:///" : "tcp://";
    const char *rest = *scheme == 'i' ? value + 6 : value;
    int n = snprintf(opts->status, sizeof opts->status, "%s%s", scheme, rest);
    const char *port = strrchr(value, ':');
    bool tcp = port != NULL && port > value && port[1] != '\0' && strchr(value, '/') == NULL &&
               strspn(port + 1, "0123456789") == strlen(port + 1);
    return *rest != '\0' && n < (int)sizeof opts->status && (*scheme == 'i' || tcp);
}

static bool read_access_log(options *opts, const char *value)
{
    opts->access_log = value;
    return *value != '\0';
}

static bool read_access_format(options *opts, const char *value)
{
    opts->access_format = value;
    return *value != '\0';
}

static const option_row rows[] = {
    {"--backend", "auto, uring or uv", read_backend},
    {"--memory", "a size of 64k or more, such as 64m", read_memory},
    {"--queue-limit", "a size such as 256m, or 0 for none", read_queue_limit},
    {"--handler-time", "a time such as 50ms", read_handler_time},
    {"--linger", "a time such as 5s", read_linger},
    {"--max-peers", "a number, or 0 for no limit", read_max_peers},
    {"--zone", "a size of 16k or more, such as 1m", read_zone},
    {"--takeover", "drain or overlap", read_takeover},
    {"--status", "HOST:PORT such as 127.0.0.1:9400, or unix:/PATH", read_status},
    {"--access-log", "the path of a file", read_access_log},
    {"--access-format", "text with variables, such as $signalbox_topic", read_access_format},
};
static const char *const option_names[] = {"--access-format", "--access-log", "--backend", "--memory",
    "--queue-limit", "--handler-time", "--linger", "--max-peers", "--status", "--takeover", "--zone",
    "--verbose", "--help", NULL};

int command_usage(const command *cmd)
{
    fprintf(stderr, "usage: signalbox %s %s\n", cmd->name, cmd->usage);
    return 2;
}

static bool usage(const command *cmd)
{
    command_usage(cmd);
    return false;
}

static bool unknown_option(const command *cmd, const char *arg)
{
    const char *near = sb_near_word(arg, option_names);
    fprintf(stderr, "signalbox: unknown option '%s'", arg);
    if (near != NULL)
        fprintf(stderr, ", did you mean '%s'?", near);
    fputc('\n', stderr);
    return usage(cmd);
}

/* Takes "--name value" or "--name=value" at argv[*i]. */
static bool parse_option(const command *cmd, int argc, char **argv, int *i, options *out)
{
    const char *arg = argv[*i], *equals = strchr(arg, '=');
    size_t len = equals != NULL ? (size_t)(equals - arg) : strlen(arg);
    if (strcmp(arg, "--verbose") == 0) {
        out->verbose = true;
        return true;
    }
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        if (strlen(rows[r].name) != len || strncmp(rows[r].name, arg, len) != 0)
            continue;
        const char *value = equals != NULL ? equals + 1 : *i + 1 < argc ? argv[++*i] : "";
        if (rows[r].read(out, value))
            return true;
        fprintf(stderr, "signalbox: %s '%s': must be %s\n", rows[r].name, value, rows[r].right);
        return usage(cmd);
    }
    return unknown_option(cmd, arg);
}

static bool parse_word(const command *cmd, const char *arg, size_t *nwords, options *out)
{
    if (out->file == NULL) {
        out->file = arg;
    } else if (*nwords < cmd->words) {
        out->words[(*nwords)++] = arg;
    } else if (strchr(arg, '=') != NULL) {
        out->args[out->nargs++] = arg;
    } else {
        fprintf(stderr, "signalbox: script argument '%s' must be key=value\n", arg);
        return usage(cmd);
    }
    return true;
}

bool options_parse(const command *cmd, int argc, char **argv, options *out)
{
    size_t nwords = 0;
    *out = (options){.linger = 5 * SB_NS_PER_S, .max_peers = 10000, .zone_size = 1024 * 1024};
    out->args = calloc((size_t)argc + 1, sizeof *out->args);
    if (out->args == NULL)
        return false;
    for (int i = 0; i < argc; i++) {
        bool option = strncmp(argv[i], "--", 2) == 0 && out->file == NULL;
        if (option ? !parse_option(cmd, argc, argv, &i, out) : !parse_word(cmd, argv[i], &nwords, out))
            return false;
    }
    if (out->file != NULL && nwords == cmd->words)
        return true;
    fprintf(
        stderr, "signalbox: %s: %s is missing\n", cmd->name, out->file == NULL ? "FILE.lua" : "an argument");
    return usage(cmd);
}
