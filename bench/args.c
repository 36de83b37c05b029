/* key=value words into bench_args. */
#include "bench/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void bench_die(const char *what)
{
    fprintf(stderr, "bench: %s%s%s\n", what, errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
    exit(1);
}

static void ports(const char *list, int *out, int *n)
{
    for (char *end; *list != '\0' && *n < BENCH_PORTS; list = *end == ',' ? end + 1 : end)
        out[(*n)++] = (int)strtol(list, &end, 10);
}

static void take(bench_args *a, const char *key, const char *value)
{
    if (strcmp(key, "type") == 0)
        a->type = value;
    else if (strcmp(key, "backend") == 0)
        a->backend = value;
    else if (strcmp(key, "script") == 0)
        a->script = value;
    else if (strcmp(key, "size") == 0)
        a->size = strtoul(value, NULL, 10);
    else if (strcmp(key, "warm") == 0)
        a->warm_ms = strtol(value, NULL, 10);
    else if (strcmp(key, "window") == 0)
        a->window_ms = strtol(value, NULL, 10);
    else if (strcmp(key, "hwm") == 0)
        a->hwm = atoi(value);
    else if (strcmp(key, "nodrop") == 0)
        a->nodrop = atoi(value);
    else if (strcmp(key, "outs") == 0)
        a->outs = atoi(value);
    else if (strcmp(key, "listen") == 0)
        ports(value, a->listen, &a->nlisten);
    else if (strcmp(key, "connect") == 0)
        ports(value, a->connect, &a->nconnect);
    else
        bench_die(key);
}

void bench_args_parse(bench_args *a, int argc, char **argv)
{
    *a = (bench_args){.type = "PUSH",
        .backend = "auto",
        .size = 64,
        .warm_ms = 200,
        .window_ms = 600,
        .hwm = 1000,
        .outs = 1};
    errno = 0;
    if (argc < 2)
        bench_die("a role, then key=value words");
    a->role = argv[1];
    for (int i = 2; i < argc; i++) {
        char *eq = strchr(argv[i], '=');
        if (strcmp(argv[i], "--") == 0) {
            a->rest = argv + i + 1;
            a->nrest = argc - i - 1;
            return;
        }
        if (eq == NULL)
            bench_die(argv[i]);
        *eq = '\0';
        take(a, argv[i], eq + 1);
    }
}
