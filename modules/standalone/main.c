/* The signalbox program: its commands, one table. After: run.c, check.c. */
#include "modules/standalone/options.h"

#include "engine/base/near.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMITS                                                                                               \
    "[--backend auto|uring|uv] [--memory SIZE] [--handler-time TIME]\n"                                      \
    "           [--linger TIME] [--max-peers N] [--queue-limit SIZE]\n"                                      \
    "           [--takeover drain|overlap] [--zone SIZE] [--status ADDRESS]\n"                               \
    "           [--access-log PATH] [--access-format TEXT] [--verbose] FILE.lua "                            \
    "[key=value ...]"

static const command commands[] = {
    {"run", LIMITS, "run a script until SIGTERM or SIGINT (drains) or reload it on SIGHUP", 0, run_command},
    {"check", "FILE.lua [key=value ...]",
        "load a script without any I/O; print its sockets, binds and routes", 0, check_command},
    {"route", "FILE.lua SOCKET TOPIC [key=value ...]", "tell which row of SOCKET's routes a message matches",
        2, route_command},
    {.name = "cat",
        .usage = "[-r|-w] [-b|-c] [-0] [-e] [-f SEPARATOR] [-n COUNT] [-t TIME] [-p PEERS]\n"
                 "           [-o OPTION=VALUE] [-s TOPIC] [-v] [--backend NAME] TYPE ENDPOINT ...",
        .summary = "send lines of standard input as messages and print what comes, on any socket type",
        .main = cat_main},
    {.name = "top",
        .usage = "[--once] [--sort COLUMN] ADDRESS",
        .summary =
            "show what a server does, once a second: http://HOST/PATH of a signalbox_status location,\n"
            "    HOST:PORT or unix:/PATH of a program with --status",
        .main = top_main},
    {.name = "conform",
        .usage = "[--type TYPE] [--patience TIME] ENDPOINT",
        .summary = "play wire vectors against a ZMTP endpoint of that type (ROUTER) and print a table",
        .main = conform_main},
    {.name = "dump",
        .usage = "[-i INTERFACE | -r FILE] [-n LINES] [-s OCTETS] [FILTER]",
        .summary = "decode ZMTP on the wire, live or from a capture file; FILTER as for tcpdump",
        .main = dump_main},
    {.name = "options",
        .usage = "",
        .summary = "print the page of all socket options, with libzmq's numbers and defaults",
        .main = options_main},
    {.name = "compat",
        .usage = "",
        .summary = "print the page that puts Signalbox beside libzmq, with the tests that prove it",
        .main = compat_main},
    {.name = "keygen",
        .usage = "[--out FILE] [--name NAME]",
        .summary = "make a CURVE key pair: print it, or write FILE (secret, mode 600) and FILE.pub",
        .main = keygen_main},
};
#define NCOMMANDS (sizeof commands / sizeof *commands)

static void help(FILE *out)
{
    fputs("usage: signalbox COMMAND ...\n\n", out);
    for (size_t i = 0; i < NCOMMANDS; i++)
        fprintf(out, "signalbox %s %s\n    %s\n", commands[i].name, commands[i].usage, commands[i].summary);
    fputs("signalbox --help, signalbox --version\n", out);
}

static int unknown_command(const char *word)
{
    const char *names[NCOMMANDS + 1];
    for (size_t i = 0; i < NCOMMANDS; i++)
        names[i] = commands[i].name;
    names[NCOMMANDS] = NULL;
    const char *near = sb_near_word(word, names);
    fprintf(stderr, "signalbox: unknown command '%s'", word);
    if (near != NULL)
        fprintf(stderr, ", did you mean '%s'?", near);
    fputc('\n', stderr);
    help(stderr);
    return 2;
}

static int run(const command *cmd, int argc, char **argv)
{
    options opts;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            printf("usage: signalbox %s %s\n    %s\n", cmd->name, cmd->usage, cmd->summary);
            return 0;
        }
    }
    if (cmd->main != NULL)
        return cmd->main(cmd, argc + 1, argv - 1);
    int code = options_parse(cmd, argc, argv, &opts) ? cmd->run(&opts) : 2;
    free(opts.args);
    return code;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--version") == 0) {
        puts("signalbox " SB_VERSION);
        return 0;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "help") == 0) {
        help(stdout);
        return 0;
    }
    for (size_t i = 0; i < NCOMMANDS; i++)
        if (strcmp(word, commands[i].name) == 0)
            return run(&commands[i], argc - 2, argv + 2);
    if (argc > 1)
        return unknown_command(word);
    help(stderr);
    return 2;
}
