/* Options out of text: command lines and configuration files. Before: hosts. After: values.c, option_parse.c.
 */
#include "engine/socket/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_number(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return *text != '\0' && *end == '\0' && errno == 0;
}

static bool parse_bool(const char *text, int64_t *out)
{
    static const char *const words[] = {"0", "1", "false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        *out = (int64_t)(i & 1);
        if (strcmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

static bool parse_ms(const char *text, int64_t *out)
{
    return sb_option_parse_ms(text, strlen(text), out) || (parse_number(text, out) && *out == -1);
}

static bool parse_size(const char *text, int64_t *out)
{
    return sb_option_parse_size(text, strlen(text), out) || (parse_number(text, out) && *out == -1);
}

static const struct {
    bool (*parse)(const char *text, int64_t *out);
    const char *right;
} kinds[] = {
    [SB_OPT_INT] = {parse_number, "a whole number"},
    [SB_OPT_BOOL] = {parse_bool, "true or false"},
    [SB_OPT_MS] = {parse_ms, "a time such as 2s or 500ms"},
    [SB_OPT_SIZE] = {parse_size, "a size such as 64k"},
    [SB_OPT_BYTES] = {NULL, NULL},
};

static sb_err set_choice(sb_socket *sock, const sb_opt_row *row, const char *value, char *err, size_t cap)
{
    for (int64_t i = 0; i <= row->max; i++)
        if (strcmp(row->choices[i], value) == 0)
            return sb_socket_set_int(sock, row->opt, i, err, cap);
    int n = snprintf(err, cap, "%s = '%s': must be one of", row->name, value);
    for (int64_t i = 0; i <= row->max && n > 0 && (size_t)n < cap; i++)
        n += snprintf(err + n, cap - (size_t)n, " %s", row->choices[i]);
    return SB_EINVAL;
}

static sb_err set_row(sb_socket *sock, const sb_opt_row *row, const char *value, char *err, size_t cap)
{
    int64_t number;
    if (row->kind == SB_OPT_BYTES)
        return sb_socket_set_bytes(sock, row->opt, value, strlen(value), err, cap);
    if (row->kind == SB_OPT_CHOICE)
        return set_choice(sock, row, value, err, cap);
    if (kinds[row->kind].parse(value, &number))
        return sb_socket_set_int(sock, row->opt, number, err, cap);
    snprintf(err, cap, "%s = '%s': must be %s", row->name, value, kinds[row->kind].right);
    return SB_EINVAL;
}

sb_err sb_socket_set_text(sb_socket *sock, const char *setting, char *err, size_t cap)
{
    const char *near = NULL, *equals = strchr(setting, '=');
    if (equals == NULL) {
        snprintf(err, cap, "'%s' must be option=value", setting);
        return SB_EINVAL;
    }
    const sb_opt_row *row = sb_option_find(setting, (size_t)(equals - setting), &near);
    if (row != NULL)
        return set_row(sock, row, equals + 1, err, cap);
    snprintf(err, cap, "unknown option '%.*s'%s%s%s", (int)(equals - setting), setting,
        near != NULL ? ", did you mean '" : "", near != NULL ? near : "", near != NULL ? "'?" : "");
    return SB_EINVAL;
}
