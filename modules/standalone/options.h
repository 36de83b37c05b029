/* The command line: what the signalbox program was asked to do. */
#ifndef SIGNALBOX_OPTIONS_H
#define SIGNALBOX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Everything points into argv or static storage. */
typedef struct options {
    const char *backend;
    size_t memory;
    uint64_t queue_limit;
    size_t zone_size;
    void *zone;                    /* run: the program's, kept over reloads */
    uint64_t handler_time, linger; /* ns */
    uint32_t max_peers;
    bool overlap; /* a reload's connects do not wait for the old script's end */
    bool verbose;
    char status[160];                       /* endpoint of the status page, "": none */
    const char *access_log, *access_format; /* NULL: none; the default one */
    struct access_log *log;                 /* run: the program's, NULL: none */
    const char *file;
    const char *words[2]; /* what a command takes behind the file: SOCKET TOPIC */
    const char **args;    /* key=value */
    size_t nargs;
} options;

/* One command of the program. */
typedef struct command {
    const char *name;
    const char *usage; /* behind the name */
    const char *summary;
    size_t words; /* behind the file */
    int (*run)(const options *opts);
    /* Instead: a command with a command line of its own; argv[0] is its name. Returns the exit code. */
    int (*main)(const struct command *cmd, int argc, char **argv);
} command;

/* Reads what stands behind the command's name. On a mistake says what, what was probably meant and the usage
 * on stderr, and returns false: the exit code is 2 then. */
bool options_parse(const command *cmd, int argc, char **argv, options *out);

/* The commands. Each returns the exit code. */
int run_command(const options *opts);
int check_command(const options *opts);
int route_command(const options *opts);
int conform_main(const command *cmd, int argc, char **argv);
int dump_main(const command *cmd, int argc, char **argv);
int keygen_main(const command *cmd, int argc, char **argv);
int compat_main(const command *cmd, int argc, char **argv);
int options_main(const command *cmd, int argc, char **argv);
int top_main(const command *cmd, int argc, char **argv);
int cat_main(const command *cmd, int argc, char **argv);

/* "usage: ..." on stderr; returns the exit code 2. */
int command_usage(const command *cmd);

#endif
