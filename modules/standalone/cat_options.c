/* The command line of signalbox cat. Before: main.c. After: cat.c. */
#include "modules/standalone/cat.h"
#include "modules/standalone/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct line {
    const command *cmd;
    cat_options opts;
    bool peers_given;
} line;

static bool wrong(const line *l, const char *option, const char *value, const char *right)
{
    fprintf(stderr, "signalbox: cat: %s '%s': must be %s\n", option, value, right);
    command_usage(l->cmd);
    return false;
}

static bool add(const char **list, size_t *n, const char *value)
{
    if (*n == CAT_MAX) {
        fprintf(stderr, "signalbox: cat: more than %d of '%s'\n", CAT_MAX, value);
        return false;
    }
    list[(*n)++] = value;
    return true;
}

static bool parse_number(const char *text, uint64_t *out)
{
    char *end;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0';
}

static bool parse_time(const char *text, uint64_t *ns)
{
    int64_t ms = 0;
    bool ok = sb_option_parse_ms(text, strlen(text), &ms) && ms >= 0;
    *ns = (uint64_t)ms * SB_NS_PER_MS;
    return ok;
}

static bool take(line *l, int option, const char *value)
{
    cat_options *o = &l->opts;
    uint64_t n = 0;
    switch (option) {
    case 'r':
    case 'w':
        o->direction = (char)option;
        return true;
    case 'b':
    case 'c':
        o->bind = option == 'b';
        return true;
    case '0':
        o->format.end = '\0';
        return true;
    case 'e':
        o->format.escape = true;
        return true;
    case 'v':
        o->verbose = true;
        return true;
    case 'f':
        o->format.separator = value[0];
        return strlen(value) == 1 || wrong(l, "-f", value, "one character");
    case 'n':
        return parse_number(value, &o->count) || wrong(l, "-n", value, "a number of messages");
    case 't':
        return parse_time(value, &o->timeout) || wrong(l, "-t", value, "a time such as 5s");
    case 'p':
        l->peers_given = parse_number(value, &n);
        o->peers = (unsigned)n;
        return l->peers_given || wrong(l, "-p", value, "a number of peers");
    case 'o':
        return add(o->options, &o->noptions, value);
    case 's':
        return add(o->topics, &o->ntopics, value);
    case 'B':
        o->backend = value;
        return true;
    default: /* getopt has said what is wrong */
        command_usage(l->cmd);
        return false;
    }
}

static bool take_rest(line *l, int n, char **words)
{
    cat_options *o = &l->opts;
    if (n < 2) {
        fprintf(stderr, "signalbox: cat: %s is missing\n", n == 0 ? "TYPE" : "ENDPOINT");
        command_usage(l->cmd);
        return false;
    }
    if (!sb_type_find(words[0], strlen(words[0]), &o->type))
        return wrong(l, "TYPE", words[0], "a socket type such as push or SUB");
    for (int i = 1; i < n; i++)
        if (!add(o->endpoints, &o->nendpoints, words[i]))
            return false;
    bool joins = o->type == SB_RADIO && strncmp(words[1], "udp://", 6) != 0;
    if (!l->peers_given && (o->type == SB_PUB || o->type == SB_XPUB || joins))
        o->peers = 1; /* what is published to nobody is lost */
    return true;
}

int cat_main(const command *cmd, int argc, char **argv)
{
    static const struct option longs[] = {{"backend", required_argument, NULL, 'B'}, {NULL, 0, NULL, 0}};
    line l = {.cmd = cmd, .opts = {.format = {.end = '\n', .separator = '\t'}}};
    int option;
    while ((option = getopt_long(argc, argv, "rwbc0evf:n:t:p:o:s:", longs, NULL)) != -1)
        if (!take(&l, option, optarg))
            return 2;
    return take_rest(&l, argc - optind, argv + optind) ? cat_run(&l.opts) : 2;
}
