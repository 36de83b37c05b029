/* signalbox dump: ZMTP on the wire in words. Before: main.c. After: dump/capture.c. */
#include "modules/standalone/dump/capture.h"
#include "modules/standalone/dump/decoder.h"
#include "modules/standalone/options.h"

#include "engine/option.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILTER_ROOM 1024

static bool wrong(const char *option, const char *value, const char *expected)
{
    fprintf(stderr, "signalbox: dump: %s '%s': must be %s\n", option, value, expected);
    return false;
}

static bool parse_number(const char *text, uint64_t most, uint64_t *out)
{
    char *end;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && *out <= most;
}

static bool take(const command *cmd, int option, const char *value, capture_options *out)
{
    uint64_t n;
    switch (option) {
    case 'i':
        out->interface = value;
        return true;
    case 'r':
        out->file = value;
        return true;
    case 'n':
        return parse_number(value, UINT64_MAX, &out->lines) || wrong("-n", value, "a number of lines");
    case 's':
        if (!parse_number(value, DECODER_BODY, &n))
            return wrong("-s", value, "a number of octets up to 1024");
        out->shown = (size_t)n;
        return true;
    default: /* getopt has said what is wrong */
        command_usage(cmd);
        return false;
    }
}

/* The words of the filter with blanks between them. */
static bool join(char *out, int n, char **words)
{
    size_t len = 0;
    for (int i = 0; i < n; i++) {
        int more = snprintf(out + len, FILTER_ROOM - len, "%s%s", i > 0 ? " " : "", words[i]);
        if ((len += (size_t)more) >= FILTER_ROOM)
            return wrong("FILTER", words[0], "shorter than 1024 characters");
    }
    return true;
}

int dump_main(const command *cmd, int argc, char **argv)
{
    char filter[FILTER_ROOM] = "tcp";
    capture_options opts = {.filter = filter, .shown = 64};
    int option;
    while ((option = getopt(argc, argv, "i:r:n:s:")) != -1)
        if (!take(cmd, option, optarg, &opts))
            return 2;
    if (!join(filter, argc - optind, argv + optind))
        return 2;
    if (opts.file != NULL && opts.interface != NULL)
        return wrong("-r", opts.file, "without -i: a file or an interface") ? 0 : 2;
    if (opts.file == NULL && opts.interface == NULL)
        opts.interface = "any";
    return capture_run(&opts);
}
