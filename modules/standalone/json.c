/* A JSON reader: one pass, strings are unescaped where they stand. Before: top.c. */
#include "modules/standalone/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 32

typedef struct reader {
    char *at, *end;
    unsigned depth;
} reader;

static json *read_value(reader *r);

static void skip_space(reader *r)
{
    r->at += strspn(r->at, " \t\r\n");
}

static bool take(reader *r, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(r->at, word, n) != 0)
        return false;
    r->at += n;
    return true;
}

/* ---- strings ---- */

static bool read_hex(reader *r, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        const char *digits = "0123456789abcdef", *d = *r->at != '\0' ? strchr(digits, *r->at | 0x20) : NULL;
        if (d == NULL)
            return false;
        *out = *out * 16 + (uint32_t)(d - digits);
    }
    return true;
}

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* Behind the backslash. What would end the text early, and halves of surrogates, become "?". */
static char *read_escape(reader *r, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = *r->at != '\0' ? strchr(from, *r->at) : NULL;
    uint32_t c;
    if (at != NULL) {
        *out++ = to[at - from];
        r->at++;
        return out;
    }
    if (!take(r, "u") || !read_hex(r, &c))
        return NULL;
    return put_utf8(out, c == 0 || (c >= 0xd800 && c < 0xe000) ? '?' : c);
}

/* Behind the first quote; an escape is never shorter than what it stands for. */
static char *read_string(reader *r)
{
    char *text = r->at, *out = r->at;
    while (r->at < r->end && *r->at != '"') {
        if (*r->at != '\\') {
            *out++ = *r->at++;
            continue;
        }
        r->at++;
        out = read_escape(r, out);
        if (out == NULL)
            return NULL;
    }
    if (r->at >= r->end)
        return NULL;
    r->at++;
    *out = '\0';
    return text;
}

/* ---- values ---- */

static char *read_name(reader *r)
{
    skip_space(r);
    char *name = take(r, "\"") ? read_string(r) : NULL;
    skip_space(r);
    return name != NULL && take(r, ":") ? name : NULL;
}

static json *read_kid(reader *r, bool named)
{
    char *name = named ? read_name(r) : NULL;
    json *kid = named && name == NULL ? NULL : read_value(r);
    if (kid != NULL)
        kid->name = name;
    skip_space(r);
    return kid;
}

/* Behind the bracket. */
static bool read_kids(reader *r, json *of, const char *close)
{
    json **at = &of->kids;
    skip_space(r);
    if (take(r, close))
        return true;
    do {
        *at = read_kid(r, of->type == JSON_OBJECT);
        if (*at == NULL)
            return false;
        at = &(*at)->next;
    } while (take(r, ","));
    return take(r, close);
}

static bool read_number(reader *r, json *out)
{
    char *end;
    if (*r->at != '-' && (*r->at < '0' || *r->at > '9'))
        return false;
    out->number = strtod(r->at, &end);
    r->at = end;
    return true;
}

static bool read_word(reader *r, json *out)
{
    out->type = JSON_BOOL;
    out->number = *r->at == 't';
    if (take(r, "true") || take(r, "false"))
        return true;
    out->type = JSON_NULL;
    return take(r, "null");
}

static bool fill(reader *r, json *v)
{
    if (take(r, "{")) {
        v->type = JSON_OBJECT;
        return read_kids(r, v, "}");
    }
    if (take(r, "[")) {
        v->type = JSON_ARRAY;
        return read_kids(r, v, "]");
    }
    if (take(r, "\"")) {
        v->type = JSON_STRING;
        return (v->text = read_string(r)) != NULL;
    }
    v->type = JSON_NUMBER;
    return read_number(r, v) || read_word(r, v);
}

static json *read_value(reader *r)
{
    json *v = r->depth < DEPTH ? calloc(1, sizeof *v) : NULL;
    if (v == NULL)
        return NULL;
    r->depth++;
    skip_space(r);
    bool ok = fill(r, v);
    r->depth--;
    if (ok)
        return v;
    json_free(v);
    return NULL;
}

json *json_read(char *text, size_t len)
{
    reader r = {.at = text, .end = text + len};
    json *tree = strlen(text) == len ? read_value(&r) : NULL;
    skip_space(&r);
    if (r.at == r.end)
        return tree;
    json_free(tree);
    return NULL;
}

void json_free(json *tree)
{
    while (tree != NULL) {
        json *next = tree->next;
        json_free(tree->kids);
        free(tree);
        tree = next;
    }
}

/* ---- looking ---- */

const json *json_at(const json *tree, const char *path)
{
    while (tree != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        const json *kid = tree->type == JSON_OBJECT ? tree->kids : NULL;
        while (kid != NULL && (strlen(kid->name) != len || strncmp(kid->name, path, len) != 0))
            kid = kid->next;
        tree = kid;
        path += len + (path[len] == '.');
    }
    return tree;
}

double json_number(const json *tree, const char *path)
{
    const json *v = json_at(tree, path);
    return v != NULL && v->type == JSON_NUMBER ? v->number : 0;
}

const char *json_text(const json *tree, const char *path)
{
    const json *v = json_at(tree, path);
    return v != NULL && v->type == JSON_STRING ? v->text : "";
}

const json *json_kids(const json *tree, const char *path)
{
    const json *v = json_at(tree, path);
    return v != NULL ? v->kids : NULL;
}
