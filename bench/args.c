/* key=value words into bench_args. */
#include "bench/args.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void bench_die(const char *what)
{
    fprintf(stderr, "bench: %s%s%s\n", what, errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
    exit(1);
}

void bench_endpoint(const bench_args *a, int port, char *out, size_t cap)
{
    if (a->dir != NULL)
        snprintf(out, cap, "ipc://%s/%d", a->dir, port);
    else
        snprintf(out, cap, "tcp://127.0.0.1:%d", port);
}

static void ports(const char *list, int *out, int *n)
{
    for (char *end; *list != '\0' && *n < BENCH_PORTS; list = *end == ',' ? end + 1 : end)
        out[(*n)++] = (int)strtol(list, &end, 10);
}

#define AT(member) offsetof(bench_args, member)

static const struct {
    const char *key;
    size_t at;
} texts[] = {{"type", AT(type)}, {"backend", AT(backend)}, {"script", AT(script)}, {"dir", AT(dir)}},
  numbers[] = {
      {"size", AT(size)},
      {"topic", AT(topic)},
      {"prefixes", AT(prefixes)},
      {"hot", AT(hot)},
      {"count", AT(count)},
      {"peers", AT(peers)},
      {"warm", AT(warm_ms)},
      {"window", AT(window_ms)},
      {"hwm", AT(hwm)},
      {"nodrop", AT(nodrop)},
      {"curve", AT(curve)},
      {"outs", AT(outs)},
      {"times", AT(times)},
      {"tell", AT(tell)},
};

static void take(bench_args *a, const char *key, const char *value)
{
    if (strcmp(key, "listen") == 0) {
        ports(value, a->listen, &a->nlisten);
        return;
    }
    if (strcmp(key, "connect") == 0) {
        ports(value, a->connect, &a->nconnect);
        return;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(key, texts[i].key) == 0) {
            memcpy((char *)a + texts[i].at, &value, sizeof value);
            return;
        }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(key, numbers[i].key) == 0) {
            int number = atoi(value);
            memcpy((char *)a + numbers[i].at, &number, sizeof number);
            return;
        }
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
        .outs = 1,
        .times = 1};
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
