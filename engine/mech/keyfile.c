/* Key files: certificates as czmq writes them, or plain lists. Place: behind engine/security.h; knows text,
 * no files. */
#include "engine/security.h"

#include <string.h>

typedef struct word {
    const char *p;
    size_t len;
} word;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static word trim(const char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    while (end > p && is_blank(end[-1]))
        end--;
    return (word){p, (size_t)(end - p)};
}

static bool is(word w, const char *text)
{
    return w.len == strlen(text) && memcmp(w.p, text, w.len) == 0;
}

static void set_name(char name[64], word value)
{
    size_t len = value.len < 63 ? value.len : 63;

    memcpy(name, value.p, len);
    name[len] = '\0';
}

static word unquote(word w)
{
    if (w.len >= 2 && w.p[0] == '"' && w.p[w.len - 1] == '"')
        return (word){w.p + 1, w.len - 2};
    return w;
}

/* What reading leaves behind from line to line. */
typedef struct reader {
    sb_key_entry *out;
    size_t cap, n;
    char name[64]; /* of the certificate */
} reader;

static sb_err add(reader *r, bool secret, word key, const char *name)
{
    sb_key_entry *e;

    if (r->n == r->cap)
        return SB_EMSGSIZE;
    e = &r->out[r->n];
    if (key.len != SB_CURVE_Z85 || !sb_z85_decode(key.p, key.len, e->key))
        return SB_EINVAL;
    e->secret = secret;
    memcpy(e->name, name, sizeof e->name);
    r->n++;
    return SB_OK;
}

/* name = "value" of a certificate; what else it says is not for us. */
static sb_err read_setting(reader *r, word line, const char *equals)
{
    word name = trim(line.p, equals), value = unquote(trim(equals + 1, line.p + line.len));

    if (is(name, "public-key") || is(name, "secret-key"))
        return add(r, is(name, "secret-key"), value, r->name);
    if (is(name, "name"))
        set_name(r->name, value);
    return SB_OK;
}

/* Forty characters without a blank, then the end or a blank. */
static bool is_listed(word line)
{
    for (size_t i = 0; i < line.len && i < SB_CURVE_Z85; i++)
        if (is_blank(line.p[i]))
            return false;
    return line.len == SB_CURVE_Z85 || (line.len > SB_CURVE_Z85 && is_blank(line.p[SB_CURVE_Z85]));
}

static sb_err read_line(reader *r, word line)
{
    static const char *const sections[] = {"curve", "metadata"};
    const char *equals = memchr(line.p, '=', line.len);
    char name[64] = "";

    if (line.len == 0 || line.p[0] == '#')
        return SB_OK;
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (is(line, sections[i]))
            return SB_OK;
    if (!is_listed(line))
        return equals != NULL ? read_setting(r, line, equals) : SB_EINVAL;
    set_name(name, trim(line.p + SB_CURVE_Z85, line.p + line.len));
    return add(r, false, (word){line.p, SB_CURVE_Z85}, name);
}

sb_err sb_keyfile_read(const char *text, size_t len, sb_key_entry *out, size_t cap, size_t *n, size_t *line)
{
    const char *end = text + len;
    reader r = {.out = out, .cap = cap};

    for (*line = 1; text < end; ++*line) {
        const char *eol = memchr(text, '\n', (size_t)(end - text));
        const char *stop = eol != NULL ? eol : end;
        sb_err err = read_line(&r, trim(text, stop));

        if (err != SB_OK)
            return err;
        text = stop + 1;
    }
    *n = r.n;
    return SB_OK;
}
