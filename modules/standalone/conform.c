/* signalbox conform: plays the vectors and prints a table. After each, a good peer must still be served.
 * Before: main.c. After: conform_vectors.c. */
#include "modules/standalone/conform.h"
#include "modules/standalone/options.h"

#include "engine/signalbox.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tally {
    const probe_target *target;
    unsigned pass, deviates;
    bool lost; /* the endpoint does not serve a good peer any more */
} tally;

/* A type that may talk to the endpoint's; DEALER rather than REQ, which would have to answer. */
static const char *counterpart(sb_type type)
{
    uint32_t peers = sb_type_peers(type);
    if (peers & SB_TYPE_BIT(SB_DEALER))
        return "DEALER";
    for (int t = 0; t < SB_TYPE_COUNT; t++)
        if (peers & SB_TYPE_BIT(t))
            return sb_type_name((sb_type)t);
    return NULL;
}

static bool serves(const probe_target *target)
{
    probe p;
    bool ok = probe_open(&p, target) && probe_handshake(&p) && probe_alive(&p);
    probe_close(&p);
    return ok;
}

static void print_result(const conform_vector *v, bool ok, const char *seen)
{
    printf("%-9s %-62s %-20s %s%s%s\n", v->group, v->what, v->clause, ok ? "pass" : "deviates",
        ok ? "" : ": ", ok ? "" : seen);
    fflush(stdout);
}

static void play(tally *t, const conform_vector *v)
{
    probe p;
    const char *seen = "";
    if (v->applies != NULL && !v->applies(t->target))
        return;
    bool ok = probe_open(&p, t->target) && v->play(&p, &seen);
    probe_close(&p);
    if (!serves(t->target)) {
        t->lost = true;
        ok = false;
        seen = "a good peer is not served any more";
    }
    print_result(v, ok, seen);
    t->pass += ok;
    t->deviates += !ok;
}

/* "tcp://host:port" or "ipc://path", cut into pieces in memory of its own. */
static bool parse_endpoint(const char *endpoint, char *copy, size_t cap, probe_target *out)
{
    snprintf(copy, cap, "%s", endpoint);
    char *rest = strstr(copy, "://");
    if (rest == NULL || strlen(endpoint) >= cap)
        return false;
    rest += 3;
    if (strncmp(copy, "ipc://", 6) == 0) {
        out->path = rest;
        return true;
    }
    char *colon = strrchr(rest, ':');
    if (strncmp(copy, "tcp://", 6) != 0 || colon == NULL)
        return false;
    *colon = '\0';
    out->port = colon + 1;
    size_t len = strlen(rest);
    bool brackets = len > 1 && rest[0] == '[' && rest[len - 1] == ']';
    if (brackets)
        rest[len - 1] = '\0';
    out->host = rest + brackets;
    return true;
}

static bool parse_type(const char *name, probe_target *out)
{
    sb_type type;
    if (!sb_type_find(name, strlen(name), &type))
        return false;
    out->type = sb_type_name(type);
    out->ours = counterpart(type);
    return out->ours != NULL;
}

static bool parse(const command *cmd, int argc, char **argv, char *copy, size_t cap, probe_target *out)
{
    static const struct option longs[] = {{"type", required_argument, NULL, 'T'},
        {"patience", required_argument, NULL, 'p'}, {"oldest", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0}};
    const char *type = "ROUTER", *oldest = "2";
    int64_t patience = 1000;
    int option;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (option == '?')
            return command_usage(cmd) == 0;
        if (option == 'T')
            type = optarg;
        else if (option == 'o')
            oldest = optarg;
        else if (!sb_option_parse_ms(optarg, strlen(optarg), &patience) || patience < 1 || patience > 60000)
            return fprintf(stderr, "signalbox: conform: --patience '%s': must be a time such as 1s\n",
                       optarg) < 0;
    }
    out->patience = (int)patience;
    out->oldest = *oldest - '0';
    if (strlen(oldest) != 1 || out->oldest < 1 || out->oldest > 3)
        return fprintf(stderr, "signalbox: conform: --oldest '%s': must be 1, 2 or 3\n", oldest) < 0;
    if (!parse_type(type, out))
        return fprintf(stderr, "signalbox: conform: --type '%s': must be a socket type such as ROUTER\n",
                   type) < 0;
    if (argc - optind != 1 || !parse_endpoint(argv[optind], copy, cap, out))
        return fprintf(
                   stderr, "signalbox: conform: one endpoint is wanted, tcp://host:port or ipc://path\n") < 0;
    return true;
}

static void play_all(tally *t, const conform_group *group)
{
    for (size_t i = 0; i < group->count && !t->lost; i++)
        play(t, &group->vectors[i]);
}

int conform_main(const command *cmd, int argc, char **argv)
{
    char copy[256];
    probe_target target = {0};
    tally t = {.target = &target};
    if (!parse(cmd, argc, argv, copy, sizeof copy, &target))
        return 2;
    if (!serves(&target)) {
        fprintf(stderr, "signalbox: conform: %s does not answer a %s peer as a %s would\n", argv[optind],
            target.ours, target.type);
        return 2;
    }
    play_all(&t, &conform_modern);
    play_all(&t, &conform_malice);
    play_all(&t, &conform_old);
    printf("%u pass, %u deviate\n", t.pass, t.deviates);
    return t.deviates == 0 ? 0 : 1;
}
