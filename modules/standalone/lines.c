/* Messages as lines. Before: cat.c. */
#include "modules/standalone/lines.h"

#include <string.h>

static void write_octet(FILE *out, const line_format *f, unsigned char c)
{
    bool plain = c >= 0x20 && c < 0x7f && c != '\\' && c != (unsigned char)f->separator;
    if (!f->escape || plain)
        putc(c, out);
    else
        fprintf(out, "\\x%02x", c);
}

void line_write(FILE *out, const line_format *f, const sb_msg *msg, uint32_t first)
{
    for (uint32_t i = first; i < msg->n; i++) {
        if (i > first)
            putc(f->separator, out);
        for (size_t k = 0; k < msg->frames[i].len; k++)
            write_octet(out, f, msg->frames[i].data[k]);
    }
    putc(f->end, out);
}

static int hex(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c | 0x20) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* \xHH to the octet, in place; anything else behind a \ stands for itself. Returns the length left. */
static size_t unescape(char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        bool escape = text[i] == '\\' && i + 1 < len;
        if (escape && text[i + 1] == 'x' && i + 3 < len && hex(text[i + 2]) >= 0 && hex(text[i + 3]) >= 0) {
            text[n++] = (char)(hex(text[i + 2]) * 16 + hex(text[i + 3]));
            i += 3;
        } else {
            text[n++] = text[escape ? ++i : i];
        }
    }
    return n;
}

sb_err line_read(char *line, size_t len, const line_format *f, sb_msg *msg)
{
    char *end = line + len;
    for (char *at = line;;) {
        char *sep = memchr(at, f->separator, (size_t)(end - at));
        size_t n = (size_t)((sep != NULL ? sep : end) - at);
        sb_err err = sb_msg_push(msg, at, f->escape ? unescape(at, n) : n, NULL);
        if (err != SB_OK || sep == NULL)
            return err;
        at = sep + 1;
    }
}
