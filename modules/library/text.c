/* Growing texts. Before: exposition.c, status.c. */
#include "modules/library/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(sb_text *t, size_t more)
{
    if (t->len + more < t->cap)
        return true;
    size_t cap = t->cap * 2 > t->len + more + 1024 ? t->cap * 2 : t->len + more + 1024;
    char *text = t->failed ? NULL : realloc(t->text, cap);
    if (text == NULL) {
        t->failed = true;
        return false;
    }
    t->text = text;
    t->cap = cap;
    return true;
}

void sb_text_put(sb_text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !reserve(t, (size_t)n))
        return;
    va_start(args, format);
    vsnprintf(t->text + t->len, t->cap - t->len, format, args);
    va_end(args);
    t->len += (size_t)n;
}

static void put_octets(sb_text *t, const void *data, size_t len)
{
    if (!reserve(t, len))
        return;
    memcpy(t->text + t->len, data, len);
    t->len += len;
    t->text[t->len] = '\0';
}

/* Length of the well-formed sequence of two to four octets at p (RFC 3629), 0 if there is none. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    size_t len = p[0] >= 0xc2 && p[0] < 0xe0   ? 2
                 : (p[0] & 0xf0) == 0xe0       ? 3
                 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                               : 0;
    if (len == 0 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool beyond = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
    return overlong || beyond ? 0 : len;
}

void sb_text_json(sb_text *t, const void *data, size_t len)
{
    const uint8_t *p = data;
    sb_text_put(t, "\"");
    for (size_t i = 0; i < len; i++) {
        size_t sequence = utf8_sequence(p + i, len - i);
        if (p[i] == '"' || p[i] == '\\')
            sb_text_put(t, "\\%c", p[i]);
        else if (p[i] >= 0x20 && p[i] < 0x7f)
            put_octets(t, p + i, 1);
        else if (sequence == 0)
            sb_text_put(t, "\\u%04x", p[i]);
        else
            put_octets(t, p + i, sequence);
        i += sequence > 0 ? sequence - 1 : 0;
    }
    sb_text_put(t, "\"");
}

void sb_text_finish(sb_text *t)
{
    free(t->text);
    *t = (sb_text){0};
}
