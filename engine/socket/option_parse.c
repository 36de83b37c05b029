/* Option values as people write them: "500ms", "2s", "64k". Before: scripts and hosts. Knows no socket. */
#include "engine/option.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct unit {
    const char *suffix;
    double factor;
} unit;

static const unit time_units[] = {
    {"", 1000}, {"s", 1000}, {"ms", 1}, {"us", 0.001}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};
static const unit size_units[] = {{"", 1}, {"b", 1}, {"k", 1024}, {"kb", 1024}, {"m", 1048576},
    {"mb", 1048576}, {"g", 1073741824}, {"gb", 1073741824}, {NULL, 0}};

static bool parse(const unit *units, const char *text, size_t len, int64_t *out)
{
    char copy[32], *end;
    if (len == 0 || len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (strspn(copy, "+-.0123456789") == 0) /* strtod also takes "inf" and "nan" */
        return false;
    double value = strtod(copy, &end);
    for (const unit *u = units; u->suffix != NULL; u++)
        if (strcasecmp(end, u->suffix) == 0 && value * u->factor >= -1e15 && value * u->factor <= 9e18) {
            *out = value == -1 ? -1 : (int64_t)(value * u->factor);
            return end != copy;
        }
    return false;
}

bool sb_option_parse_ms(const char *text, size_t len, int64_t *ms)
{
    return parse(time_units, text, len, ms);
}

bool sb_option_parse_size(const char *text, size_t len, int64_t *octets)
{
    return parse(size_units, text, len, octets);
}
