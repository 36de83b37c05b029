/* HTTP heads. Before: ws.c (octets of the handshake). After: ws.c (fields). */
#include "engine/transport/http.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

size_t sb__http_end(const char *text, size_t len, size_t seen)
{
    size_t from = seen > 3 ? seen - 3 : 0;
    const char *end = len > from ? memmem(text + from, len - from, "\r\n\r\n", 4) : NULL;
    return end != NULL ? (size_t)(end - text) + 4 : 0;
}

static bool is_token(const char *p)
{
    if (*p == '\0')
        return false;
    for (; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("!#$%&'*+-.^_`|~", *p) == NULL)
            return false;
    return true;
}

/* Visible octets, spaces and tabs; what is above ASCII is opaque. */
static bool is_text(const char *p)
{
    for (; *p != '\0'; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
            return false;
    return true;
}

static char *cut(char *p, char at)
{
    char *end = strchr(p, at);
    if (end == NULL)
        return NULL;
    *end = '\0';
    return end + 1;
}

static bool parse_first(char *line, sb__http *out)
{
    char *second = cut(line, ' '), *third = second != NULL ? cut(second, ' ') : NULL;
    if (third == NULL || *line == '\0' || *second == '\0')
        return false;
    out->first = line;
    out->second = second;
    out->third = third;
    return is_text(line) && is_text(second) && is_text(third);
}

static char *trim(char *p)
{
    p += strspn(p, " \t");
    size_t len = strlen(p);
    while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
        p[--len] = '\0';
    return p;
}

static bool parse_field(char *line, sb__http *out)
{
    char *value = cut(line, ':');
    if (value == NULL || out->n == SB__HTTP_FIELDS || !is_token(line) || !is_text(value))
        return false;
    out->fields[out->n].name = line;
    out->fields[out->n++].value = trim(value);
    return true;
}

/* The next line, ended by CR LF; NULL when it is not. */
static char *next_line(char **at, const char *end)
{
    char *line = *at, *cr = memchr(line, '\r', (size_t)(end - line));
    if (cr == NULL || cr + 1 >= end || cr[1] != '\n')
        return NULL;
    *cr = '\0';
    *at = cr + 2;
    return line;
}

bool sb__http_parse(char *text, size_t len, sb__http *out)
{
    char *at = text, *line;
    const char *end = text + len;
    *out = (sb__http){0};
    if (memchr(text, '\0', len) != NULL)
        return false;
    if ((line = next_line(&at, end)) == NULL || !parse_first(line, out))
        return false;
    while ((line = next_line(&at, end)) != NULL && *line != '\0')
        if (!parse_field(line, out))
            return false;
    return line != NULL && at == end;
}

const char *sb__http_field(const sb__http *h, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < h->n; i++) {
        if (strcasecmp(h->fields[i].name, name) != 0)
            continue;
        if (value != NULL)
            return NULL;
        value = h->fields[i].value;
    }
    return value;
}

const char *sb__http_item(const char **list, size_t *len)
{
    const char *p = *list + strspn(*list, ", \t");
    *len = strcspn(p, ",");
    *list = p + *len;
    while (*len > 0 && (p[*len - 1] == ' ' || p[*len - 1] == '\t'))
        --*len;
    return *len > 0 ? p : NULL;
}

bool sb__http_has(const sb__http *h, const char *name, const char *token)
{
    for (size_t i = 0; i < h->n; i++) {
        const char *list = h->fields[i].value, *item;
        size_t len;
        if (strcasecmp(h->fields[i].name, name) != 0)
            continue;
        while ((item = sb__http_item(&list, &len)) != NULL)
            if (len == strlen(token) && strncasecmp(item, token, len) == 0)
                return true;
    }
    return false;
}
